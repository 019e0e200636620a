package follow

import (
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/roomcast/roomcast/cmd/roomcast/client"
	"github.com/roomcast/roomcast/cmd/roomcast/screen"
	"github.com/roomcast/roomcast/tasks"
)

const (
	// drawEvery is how often the table is drawn anew.
	drawEvery = 500 * time.Millisecond
	// leftFor is how long a push that has ended stays in the table.
	leftFor = 30 * time.Second
)

// Feed is what a follower of all pushes asks, as client.Client answers it.
type Feed interface {
	Watch(ctx context.Context, f client.Filter) iter.Seq2[client.Message, error]
}

// Overview shows pushes. It is used by one goroutine.
type Overview interface {
	// Show shows what is new of a push.
	Show(u Update)
	// Draw shows all pushes, newest first.
	Draw(pushes []client.Push)
	// Say prints a line of its own.
	Say(line string)
}

// All shows the pushes that f lets through until ctx ends, which is no error.
func All(ctx context.Context, feed Feed, f client.Filter, v Overview) error {
	ctx, cancel := context.WithCancel(ctx)
	messages := make(chan received)
	go func() {
		defer close(messages)
		for m, err := range feed.Watch(ctx, f) {
			select {
			case messages <- received{m, err}:
			case <-ctx.Done():
			}
		}
	}()
	defer func() {
		cancel()
		for range messages {
		}
	}()
	tick := time.NewTicker(drawEvery)
	defer tick.Stop()
	b := board{filter: f}
	var away absence
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if b.pushes != nil {
				v.Draw(b.list(time.Now()))
			}
		case r, more := <-messages:
			switch {
			case !more:
				return nil
			case r.err != nil && away.tooLong(r.err, v.Say):
				return r.err
			case r.err != nil:
				continue
			}
			away = absence{}
			if r.message.Reset != nil {
				v.Say(r.message.Reset.Message)
			}
			for _, u := range b.apply(r.message, time.Now()) {
				v.Show(u)
			}
			if r.message.Snapshot != nil {
				v.Draw(b.list(time.Now()))
			}
		}
	}
}

// received is what a stream has told.
type received struct {
	message client.Message
	err     error
}

// board is what is known of all pushes.
type board struct {
	filter client.Filter
	pushes map[string]client.Push // nil before the first snapshot
	left   map[string]time.Time   // when those were last told of that the filter lets through no more
}

// apply takes a message in and returns what it says.
func (b *board) apply(m client.Message, now time.Time) []Update {
	switch {
	case m.Snapshot != nil:
		known := b.pushes
		b.pushes = map[string]client.Push{}
		for id := range b.left {
			b.pushes[id] = known[id]
		}
		if b.left == nil {
			b.left = map[string]time.Time{}
		}
		var all []Update
		for _, p := range m.Snapshot.Pushes {
			b.pushes[p.ID] = p
			delete(b.left, p.ID)
			all = append(all, Update{Push: p})
		}
		slices.Reverse(all)
		return all
	case m.Event != nil:
		return b.update(m.Event.PushID, m, now)
	case m.Progress != nil:
		return b.update(m.Progress.PushID, m, now)
	}
	return nil
}

func (b *board) update(id string, m client.Message, now time.Time) []Update {
	p, known := b.pushes[id]
	u, _ := of(id, p, m)
	if !known && u.Push.ID == "" || b.pushes == nil {
		return nil // an event that was missed, before the snapshot
	}
	b.pushes[id] = u.Push
	delete(b.left, id)
	if !b.selects(u.Push.State) {
		b.left[id] = now
	}
	return []Update{u}
}

// selects says whether a push in this state is among those that are asked for.
func (b *board) selects(state tasks.State) bool {
	if f := b.filter.State; f != "" && f != "active" {
		return slices.Contains(strings.Split(f, ","), string(state))
	}
	return !state.Terminal()
}

// list returns all, newest first, and forgets those that left long ago.
func (b *board) list(now time.Time) []client.Push {
	for id, since := range b.left {
		if now.Sub(since) > leftFor {
			delete(b.left, id)
			delete(b.pushes, id)
		}
	}
	all := make([]client.Push, 0, len(b.pushes))
	for _, p := range b.pushes {
		all = append(all, p)
	}
	slices.SortFunc(all, func(p, q client.Push) int {
		if c := q.CreatedAt.Compare(p.CreatedAt); c != 0 {
			return c
		}
		return strings.Compare(q.ID, p.ID)
	})
	return all
}

// NewOverview returns the overview that suits s: a table on a terminal, else a
// line a change.
func NewOverview(s *screen.Screen) Overview {
	if s.Terminal() {
		return &drawing{s: s}
	}
	l := NewLines(s)
	l.named = true
	return l
}

// drawing is a table that is drawn in its place again and again.
type drawing struct {
	s    *screen.Screen
	high int // lines that are drawn
	said string
}

// Show implements Overview.
func (d *drawing) Show(Update) { d.said = "" }

// Say implements Overview: it stands below the table until there is news.
func (d *drawing) Say(line string) {
	d.said = client.Printable(line)
	if d.high == 0 {
		_, _ = io.WriteString(d.s, d.s.Wrap(d.said, 2)+"\n")
	}
}

// Draw implements Overview.
func (d *drawing) Draw(pushes []client.Push) {
	troubles := 0
	for _, p := range pushes {
		if p.Trouble != nil && !p.State.Terminal() {
			troubles++
		}
	}
	_, rows := d.s.Size()
	text := Table(d.s, pushes, time.Now())
	word := "pushes"
	if len(pushes) == 1 {
		word = "push"
	}
	foot := fmt.Sprintf("%d %s, %d in trouble; Ctrl-C leaves, and ends no push", len(pushes), word, troubles)
	if d.said != "" {
		foot += "\n" + d.said
	}
	foot = d.s.Wrap(foot, 2)
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	end := strings.Split(foot, "\n")
	if room := max(rows-1-len(end), 2); len(lines) > room {
		lines = append(lines[:room-1:room-1], "…")
	}
	lines = append(lines, end...)
	_, _ = io.WriteString(d.s, up(d.high)+strings.Join(lines, "\n")+"\n")
	d.high = len(lines)
}

// up goes so many lines up and clears them.
func up(lines int) string {
	if lines == 0 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dA\r\x1b[J", lines)
}
