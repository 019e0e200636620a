package store_test

import (
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/roomcast/roomcast/tasks"
)

// successor is a worker that has heard the bell of an announced attempt.
func (w *world) successor() {
	worker := w.worker()
	for _, id := range w.ids {
		next := w.announced[id]
		if _, has := w.runs[worker][id]; next != 0 && !has && rapid.Bool().Draw(w.t, "this one") {
			w.try(worker, tasks.Push{ID: id, Epoch: next})
			return
		}
	}
}

// prepare is what a worker does that may prepare: it is told of a push that
// another one runs and that is not to stop.
func (w *world) prepare(worker, id string, p tasks.Push) {
	require.Equal(w.t, p.Epoch+1, w.announced[id], "prepared and never announced")
	require.NotEmpty(w.t, p.Worker)
	require.Equal(w.t, tasks.DesiredRun, p.Desired)
	require.False(w.t, w.stopped[id], "prepared after an acknowledged stop")
	require.NoError(w.t, w.s.Ready(c(), tasks.Lease{ID: id, Epoch: p.Epoch + 1, Worker: worker}))
	h, err := w.s.Handovers(c(), []tasks.Lease{{ID: id, Epoch: p.Epoch + 1}})
	require.NoError(w.t, err)
	require.Equal(w.t, []tasks.Handover{{Stands: true, Successor: worker}}, h)
}

// announce is the beginning of a drain; its bell may be heard at once, and a
// stop may come between.
func (w *world) announce() {
	before, ok := w.push()
	if !ok || before.Worker == "" {
		return
	}
	_, err := w.s.Renew(c(), tasks.WorkerReport{Name: "idle"}, nil) // somebody is there to prepare
	require.NoError(w.t, err)
	announced, err := w.s.Announce(c(), lease(before, before.Worker))
	require.NoError(w.t, err)
	after, _ := w.s.Get(c(), before.ID)
	require.Equal(w.t, before, after, "an announcement moved something")
	if !announced {
		return
	}
	w.announced[before.ID] = before.Epoch + 1
	if rapid.Bool().Draw(w.t, "stopped at once") {
		_, err := w.s.Stop(c(), before.ID)
		require.NoError(w.t, err)
		w.stopped[before.ID] = true
	}
	w.successor()
}
