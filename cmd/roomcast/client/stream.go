package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/roomcast/roomcast/tasks"
)

const (
	// comeBackIn is when a stream that broke is asked for again, unless the API
	// says another time.
	comeBackIn = 500 * time.Millisecond
	// quietLimit is how long a stream may be silent before its connection counts
	// as dead: the API sends something every 15 s.
	quietLimit = 40 * time.Second
	// maxLine bounds a line of a stream. A snapshot is one line; a push takes a
	// few kilobytes of it.
	maxLine = 64 << 20
	// EventEnd is the stream's name for a push's last state.
	EventEnd = "end"
)

// Message is what a stream tells. One of its fields is set.
type Message struct {
	Snapshot *Snapshot
	Event    *LiveEvent
	Progress *LiveProgress
	Reset    *Reset
}

// Watch tells what happens to the pushes that f lets through, first a Snapshot,
// until ctx ends or the API refuses. A connection that breaks is made anew, and
// goes on where it was or tells a Reset. An API that is away is an *Error at
// each try.
func (c *Client) Watch(ctx context.Context, f Filter) iter.Seq2[Message, error] {
	path := "/v1/events"
	f.Limit, f.Cursor = 0, "" // a stream has no pages
	if q := f.query(); q != "" {
		path += "?" + q
	}
	return c.stream(ctx, path)
}

// WatchPush is Watch for one push. It ends after the event with which the push
// does, which may be its first message.
func (c *Client) WatchPush(ctx context.Context, id string) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for m, err := range c.stream(ctx, pushPath(id)+"/events") {
			if !yield(m, err) || m.Event != nil && m.Event.Type == EventEnd {
				return
			}
		}
	}
}

// stream reads a stream, over as many connections as it takes.
func (c *Client) stream(ctx context.Context, path string) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		s := stream{path: path, wait: comeBackIn}
		timer := time.NewTimer(0)
		defer timer.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
			err := c.connect(ctx, &s, yield)
			switch {
			case errors.Is(err, errLeft) || ctx.Err() != nil:
				return
			case err != nil && !yield(Message{}, err):
				return
			}
			if e, ok := errors.AsType[*Error](err); ok && e.Refused() {
				return
			}
			timer.Reset(s.wait)
		}
	}
}

// errLeft ends a stream: its reader has enough, or the API says that nothing
// comes any more.
var errLeft = errors.New("the stream is over")

// stream is what is known of a stream between two connections.
type stream struct {
	path string
	last string        // the id of the last message
	wait time.Duration // before it is asked for again
}

// connect reads one connection to its end. nil: it told something, and broke.
func (c *Client) connect(ctx context.Context, s *stream, yield func(Message, error) bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	quiet := time.AfterFunc(requestTimeout, func() { cancel(fmt.Errorf("no answer in %v", requestTimeout)) })
	defer quiet.Stop()
	header := http.Header{"Accept": {"text/event-stream"}}
	if s.last != "" {
		header.Set("Last-Event-ID", s.last)
	}
	answer, err := c.send(ctx, call{method: http.MethodGet, path: s.path, header: header})
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	switch {
	case answer.StatusCode == http.StatusNoContent:
		return errLeft
	case answer.StatusCode != http.StatusOK:
		body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
		if err != nil {
			return &Error{Base: c.base, Err: why(ctx, err)}
		}
		return refusal(c.base, answer, body)
	case !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/event-stream"):
		return &Error{Base: c.base, Status: answer.StatusCode, Err: errors.New("its answer is not a stream of Roomcast's API")}
	}
	told, err := s.read(answer.Body, func() { quiet.Reset(quietLimit) }, yield)
	switch {
	case errors.Is(err, errLeft):
		return err
	case !errors.Is(err, errBroken):
		return &Error{Base: c.base, Status: answer.StatusCode, Err: err}
	case !told:
		return &Error{Base: c.base, Err: why(ctx, err)}
	}
	return nil
}

// errBroken is a connection that ended; streams do not end otherwise.
var errBroken = errors.New("the connection broke")

// read reads server-sent events (HTML, 9.2.6) to the end of a connection, or
// until yield has enough. alive is called at each line. told says whether there
// was a message.
func (s *stream) read(r io.Reader, alive func(), yield func(Message, error) bool) (told bool, err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	var name string
	var data []byte
	for lines.Scan() {
		alive()
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			name = value
		case "data":
			data = append(append(data, value...), '\n')
		case "id":
			s.last = value
		case "retry":
			if ms, err := strconv.Atoi(value); err == nil {
				s.wait = time.Duration(ms) * time.Millisecond
			}
		case "":
			if lines.Text() != "" { // a comment
				continue
			}
			m, known, err := decode(name, data)
			if err != nil {
				return told, err
			}
			told = told || known
			if known && !yield(m, nil) {
				return told, errLeft
			}
			name, data = "", nil
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return told, lines.Err()
	}
	return told, errBroken
}

// decode reads a message; those of a newer API are not known.
func decode(name string, data []byte) (m Message, known bool, err error) {
	var to any
	switch name {
	case "snapshot":
		m.Snapshot = new(Snapshot)
		to = m.Snapshot
	case "reset":
		m.Reset = new(Reset)
		to = m.Reset
	case "progress":
		m.Progress = new(LiveProgress)
		to = m.Progress
	case string(tasks.EventState), string(tasks.EventTrouble), string(tasks.EventRecovered), string(tasks.EventPlan), string(tasks.EventWarning), EventEnd:
		m.Event = new(LiveEvent)
		to = m.Event
	default:
		return m, false, nil
	}
	if err := json.Unmarshal(data, to); err != nil {
		return m, false, fmt.Errorf("its message %s is not what Roomcast's API sends: %w", name, err)
	}
	return m, true, nil
}
