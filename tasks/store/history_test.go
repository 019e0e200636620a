package store_test

import (
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/tasks"
)

// history is what attempts have told of themselves, and which of it they were
// told that it is written.
type history struct {
	seq      map[string]int64         // of the last event, by attempt
	pending  map[string][]tasks.Event // not known to be written, by attempt
	wrote    map[string]map[string]bool
	standing []sent // renews on their way
}

// attemptOf names an attempt as its worker knows it.
func attemptOf(worker string, p tasks.Push) string {
	return fmt.Sprintf("%s %s.%d", worker, p.ID, p.Epoch)
}

func eventOf(epoch, seq int64) string { return fmt.Sprintf("%d.%d", epoch, seq) }

func (h *history) forget() { h.wrote = map[string]map[string]bool{} }

func (h *history) begin(worker string, p tasks.Push) {
	if h.seq == nil {
		h.seq, h.pending = map[string]int64{}, map[string][]tasks.Event{}
	}
	h.seq[attemptOf(worker, p)], h.pending[attemptOf(worker, p)] = 0, nil
}

// happen returns what the attempt has to tell, with a new event if there is one.
func (h *history) happen(worker string, p tasks.Push, event bool) []tasks.Event {
	a := attemptOf(worker, p)
	if event {
		h.seq[a]++
		h.pending[a] = append(h.pending[a], tasks.Event{
			At: time.Now(), Type: tasks.EventReconnect, Code: "x", Epoch: p.Epoch, Seq: h.seq[a],
		})
	}
	return h.pending[a][:len(h.pending[a]):len(h.pending[a])]
}

// accepted does what a worker does when it is told that told is written.
func (h *history) accepted(worker string, p tasks.Push, told []tasks.Event) {
	a := attemptOf(worker, p)
	if len(told) == 0 {
		return
	}
	for len(h.pending[a]) > 0 && h.pending[a][0].Seq <= told[len(told)-1].Seq {
		h.pending[a] = h.pending[a][1:]
	}
	if h.wrote[p.ID] == nil {
		h.wrote[p.ID] = map[string]bool{}
	}
	for _, e := range told {
		h.wrote[p.ID][eventOf(p.Epoch, e.Seq)] = true
	}
}

// checkEvents wants in a push's history, once, what workers were told is there.
func (w *world) checkEvents(p tasks.Push) {
	events, err := w.s.Events(c(), p.ID)
	require.NoError(w.t, err)
	seen := map[string]int{}
	for _, e := range events {
		if e.Type == tasks.EventReconnect {
			seen[eventOf(e.Epoch, e.Seq)]++
		}
	}
	for name, n := range seen {
		require.Equal(w.t, 1, n, "event %s of %s", name, p.ID)
	}
	for name := range w.history.wrote[p.ID] {
		require.Equal(w.t, 1, seen[name], "event %s of %s was said to be written", name, p.ID)
	}
}
