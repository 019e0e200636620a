package api

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/web/view"
)

// The messages of a stream, beside those named as the events of a push are: an
// end takes the place of a state that is terminal.
const (
	messageSnapshot = "snapshot"
	messageProgress = "progress"
	messageReset    = "reset"
	messageEnd      = "end"
)

// endMark ends the id of an end: a client that comes back with it to a push
// that has ended has had all of it.
const endMark = "-end"

// liveEvent is an event as a stream tells it.
type liveEvent struct {
	PushID string `json:"pushId"`
	view.Event
	Push json.RawMessage `json:"push,omitempty"` // as GET shows it, now
}

// liveProgress is how far a push is.
type liveProgress struct {
	PushID   string         `json:"pushId"`
	State    tasks.State    `json:"state"`
	Progress *view.Progress `json:"progress,omitempty"`
	Trouble  *view.Trouble  `json:"trouble,omitempty"`
}

type reset struct {
	Message string `json:"message"`
}

// frameEnd ends a message.
const frameEnd = "\n\n"

// writeFrame writes one message; data is one line.
func writeFrame(out *bytes.Buffer, name, id string, data []byte) {
	beginFrame(out, name, id)
	out.Write(data)
	out.WriteString(frameEnd)
}

// beginFrame writes what stands before a message's data.
func beginFrame(out *bytes.Buffer, name, id string) {
	for _, text := range []string{"event: ", name, "\nid: ", id, "\ndata: "} {
		out.WriteString(text)
	}
}

// frame is the message of an event. h.mu is held.
func (h *Hub) frame(e happening, p *livePush) []byte {
	m := liveEvent{PushID: e.Push, Event: view.OfEvent(e.Event)}
	id := h.run + "-" + e.ID
	switch e.Type {
	case tasks.EventState, tasks.EventTrouble, tasks.EventRecovered:
		m.Push = p.json()
	case tasks.EventWarning, tasks.EventPlan:
	}
	if e.ends() {
		m.Type, id = messageEnd, id+endMark
	}
	var out bytes.Buffer
	writeFrame(&out, string(m.Type), id, marshal(m))
	return out.Bytes()
}

// endFrame is the message of a push whose end is not in the feed any more.
func (h *Hub) endFrame(p *livePush) []byte {
	m := liveEvent{PushID: p.push.ID, Push: p.json(), Event: view.Event{
		At: view.Stamp(p.push.EndedAt), Type: messageEnd, State: p.push.State, Attempt: p.push.Epoch,
	}}
	if p.push.Failure != nil {
		m.Code, m.Message = string(p.push.Failure.Code), p.push.Failure.Message
	}
	var out bytes.Buffer
	writeFrame(&out, messageEnd, h.id()+endMark, marshal(m))
	return out.Bytes()
}

func writeReset(out *bytes.Buffer, id, message string) {
	writeFrame(out, messageReset, id, marshal(reset{message}))
}

// writeSnapshot writes pushes one after the other: each is JSON already, and
// json.Marshal would read all of it again, for every page that is opened.
func writeSnapshot(out *bytes.Buffer, id string, pushes []*livePush) {
	beginFrame(out, messageSnapshot, id)
	out.WriteString(`{"pushes":[`)
	for i, p := range pushes {
		if i > 0 {
			out.WriteByte(',')
		}
		out.Write(p.json())
	}
	out.WriteString("]}" + frameEnd)
}

func progressOf(p tasks.Push) []byte {
	return marshal(liveProgress{p.ID, p.State, view.OfProgress(p), view.OfTrouble(p.Trouble)})
}

// json is the push as GET shows it; nil when there is no record of it.
func (p *livePush) json() json.RawMessage {
	if p.view == nil && p.push.State != "" {
		p.view = marshal(view.Of(p.push))
	}
	return p.view
}

// marshal writes v on one line.
func marshal(v any) []byte {
	var out bytes.Buffer
	encode(&out, v)
	return bytes.TrimRight(out.Bytes(), "\n")
}

func encode(w io.Writer, v any) {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // the client is gone if this fails
}

// readID splits what a client has as the id of its last message: the run of
// Redis and the entry of the feed.
func readID(id string) (run, entry string) {
	run, entry, _ = strings.Cut(strings.TrimSuffix(id, endMark), "-")
	return run, entry
}

// shortRun is enough of Redis's run id to tell two apart.
func shortRun(run string) string { return (run + "00000000")[:8] }

// feedTime is when an entry of the feed was written, Unix ms of Redis.
func feedTime(entry string) int64 {
	text, _, _ := strings.Cut(entry, "-")
	ms, _ := strconv.ParseInt(text, 10, 64) // Redis wrote it
	return ms
}

// pushesOf are the pushes of events and these, each once.
func pushesOf(events []tasks.FeedEvent, ids ...string) []string {
	for _, e := range events {
		ids = append(ids, e.Push)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
