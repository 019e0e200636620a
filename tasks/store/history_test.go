package store_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

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
			At: time.Now(), Type: tasks.EventTrouble, Code: "x", Epoch: p.Epoch, Seq: h.seq[a],
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
		if e.Code == "x" { // the rest is no attempt's
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

// standStill lets a renew wait in its connection, to arrive later. Another that
// was put together before it may be numbered and sent after it.
func (w *world) standStill() {
	worker := w.worker()
	other := w.renewal(worker)
	r := w.renewal(worker)
	w.calls.hold = true
	_, err := w.s.Renew(c(), tasks.WorkerReport{Name: r.worker}, r.rs)
	w.calls.hold = false
	require.Error(w.t, err)
	r.call = w.calls.last()
	w.calls.calls = w.calls.calls[:len(w.calls.calls)-1]
	w.history.standing = append(w.history.standing, r)
	if rapid.Bool().Draw(w.t, "overtaken") {
		verdicts, err := w.s.Renew(c(), tasks.WorkerReport{Name: other.worker}, other.rs)
		require.NoError(w.t, err)
		w.answered(other, verdicts)
	}
}

// arrive lets a renew that stood still arrive, and its worker read the answer.
func (w *world) arrive() {
	n := len(w.history.standing)
	if n == 0 {
		return
	}
	i := rapid.IntRange(0, n-1).Draw(w.t, "arrives")
	r := w.history.standing[i]
	w.history.standing = slices.Delete(slices.Clone(w.history.standing), i, i+1)
	reply, err := w.rdb.Do(c(), r.call...).Int64Slice()
	require.NoError(w.t, err)
	w.calls.calls = append(w.calls.calls, r.call)
	verdicts := make([]tasks.Verdict, len(reply))
	for i, v := range reply {
		verdicts[i] = tasks.Verdict(v)
	}
	w.answered(r, verdicts)
}

// sent is a renew of a worker.
type sent struct {
	worker string
	ps     []tasks.Push
	rs     []tasks.Renewal
	call   []any
}

func (w *world) answered(r sent, verdicts []tasks.Verdict) {
	for i, v := range verdicts {
		p := r.ps[i]
		if now, runs := w.runs[r.worker][p.ID]; !runs || now.Epoch != p.Epoch {
			continue // the worker has forgotten the attempt meanwhile
		}
		if v == tasks.Kept || v == tasks.Stop {
			w.history.accepted(r.worker, p, r.rs[i].Events)
		}
		w.obey(r.worker, p, v)
	}
}

// endUnreported ends an attempt without telling the store more than that it lived.
func (w *world) endUnreported() {
	worker, p, ok := w.run()
	if !ok {
		return
	}
	w.drop(worker, p.ID)
	verdicts, err := w.s.Renew(c(), tasks.WorkerReport{Name: worker}, []tasks.Renewal{{Lease: lease(p, worker), Over: true}})
	require.NoError(w.t, err)
	require.Contains(w.t, []tasks.Verdict{tasks.Lost, tasks.Gone}, verdicts[0])
}
