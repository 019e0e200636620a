package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/roomcast/roomcast/internal/redisconn"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
)

// world is three workers, two sweepers and some pushes on one Redis, and what
// they have been told. Its acts are what happens, in any order; any script
// that was called may be called again later, as by a connection that stood
// still.
type world struct {
	t     *rapid.T
	s     *store.Store
	rdb   redisconn.Client
	calls *recorder

	ids       []string
	runs      map[string]map[string]tasks.Push // worker → push id → what it believes to run
	seen      [2][]tasks.Expired               // of the sweepers' last looks
	told      map[string]map[int64]string      // push id → epoch → who was told Kept
	stopped   map[string]bool                  // a stop was acknowledged
	epochs    map[string]int64
	terminal  map[string]tasks.State
	user      int
	announced map[string]int64 // push id → the attempt that was announced last
	history   history
	copy      map[string]string // of Redis, by key; nil before the first
}

func c() context.Context { return context.Background() }

// forget is what an emptied Redis does to promises.
func (w *world) forget() {
	w.told, w.stopped = map[string]map[int64]string{}, map[string]bool{}
	w.epochs, w.terminal = map[string]int64{}, map[string]tasks.State{}
	w.history.forget()
}

func (w *world) worker() string {
	return rapid.SampledFrom([]string{"w1", "w2", "w3"}).Draw(w.t, "worker")
}

func (w *world) push() (tasks.Push, bool) {
	if len(w.ids) == 0 {
		return tasks.Push{}, false
	}
	p, err := w.s.Get(c(), rapid.SampledFrom(w.ids).Draw(w.t, "push"))
	return p, err == nil
}

// run picks something that a worker believes to run.
func (w *world) run() (string, tasks.Push, bool) {
	worker := w.worker()
	for _, id := range w.ids { // in a fixed order
		if p, ok := w.runs[worker][id]; ok && rapid.Bool().Draw(w.t, "this one") {
			return worker, p, true
		}
	}
	return worker, tasks.Push{}, false
}

func (w *world) drop(worker, id string) { delete(w.runs[worker], id) }

func (w *world) create() {
	if len(w.ids) >= 6 {
		return
	}
	w.user++
	n := newPush(w.tb(), fmt.Sprintf("u%d", w.user%2))
	w.ids = append(w.ids, n.Push.ID) // refused, it may still be made by a late call
	_, _, err := w.s.Create(c(), n)
	if err == nil || tasks.CodeOf(err) != tasks.CodeUserBusy {
		require.NoError(w.t, err)
	}
}

func (w *world) claim() {
	p, ok := w.push()
	worker := w.worker()
	if !ok {
		return
	}
	if _, has := w.runs[worker][p.ID]; has {
		return // its registry says so
	}
	p.Epoch = max(p.Epoch-int64(rapid.IntRange(0, 1).Draw(w.t, "stale")), 1)
	w.try(worker, p)
}

// try lets worker claim the attempt p.Epoch.
func (w *world) try(worker string, p tasks.Push) {
	got, err := tryClaim(c(), w.s, lease(p, worker), tasks.Place{Others: len(w.runs[worker])})
	if err == nil {
		w.keep(worker, got.Push)
		return
	}
	if errors.Is(err, tasks.ErrHandover) {
		w.prepare(worker, p.ID, got.Push)
		return
	}
	if !errors.Is(err, tasks.ErrGone) && !errors.Is(err, tasks.ErrIsolated) && !errors.Is(err, tasks.ErrEnded) && !errors.Is(err, tasks.ErrHeld) && !errors.Is(err, tasks.ErrStale) {
		w.t.Fatalf("claim: %v", err)
	}
}

// keep notes that worker was told that it owns p's epoch.
func (w *world) keep(worker string, p tasks.Push) {
	w.runs[worker][p.ID] = p
	w.history.begin(worker, p)
	w.kept(worker, p)
}

func (w *world) kept(worker string, p tasks.Push) {
	require.False(w.t, w.stopped[p.ID], "kept after an acknowledged stop")
	if w.told[p.ID] == nil {
		w.told[p.ID] = map[int64]string{}
	}
	other, taken := w.told[p.ID][p.Epoch]
	require.True(w.t, !taken || other == worker, "epoch %d is %s's and %s's", p.Epoch, other, worker)
	w.told[p.ID][p.Epoch] = worker
}

func (w *world) obey(worker string, p tasks.Push, v tasks.Verdict) {
	switch v {
	case tasks.Kept, tasks.Watched:
		w.kept(worker, p)
	case tasks.Lost:
		w.drop(worker, p.ID)
	case tasks.Stop, tasks.Gone, tasks.Late:
	}
}

func (w *world) renew() {
	r := w.renewal(w.worker())
	verdicts, err := w.s.Renew(c(), tasks.WorkerReport{Name: r.worker}, r.rs)
	require.NoError(w.t, err)
	w.answered(r, verdicts)
}

func (w *world) renewal(worker string) sent {
	var rs []tasks.Renewal
	var ps []tasks.Push
	for _, id := range w.ids {
		p, ok := w.runs[worker][id]
		if !ok {
			continue
		}
		ps = append(ps, p)
		rs = append(rs, tasks.Renewal{
			Lease:    lease(p, worker),
			State:    rapid.SampledFrom([]tasks.State{tasks.Starting, tasks.Publishing, tasks.Reconnecting}).Draw(w.t, "state"),
			Progress: progress(time.Second), Started: time.Now(), Settled: rapid.Bool().Draw(w.t, "settled"),
			Events: w.history.happen(worker, p, rapid.Bool().Draw(w.t, "event")),
		})
	}
	return sent{worker: worker, ps: ps, rs: rs}
}

func (w *world) register() {
	worker, p, ok := w.run()
	if !ok {
		return
	}
	p.State, p.Worker, p.Desired = tasks.Publishing, worker, tasks.DesiredRun
	v, err := w.s.Register(c(), tasks.Registration{
		Push: p, Envelope: "sealed", Events: w.history.happen(worker, p, false),
	})
	require.NoError(w.t, err)
	w.obey(worker, p, v)
}

func (w *world) stop() {
	p, ok := w.push()
	if !ok {
		return
	}
	got, err := w.s.Stop(c(), p.ID)
	require.NoError(w.t, err)
	if !p.State.Terminal() {
		require.Contains(w.t, []tasks.State{tasks.Stopping, tasks.Stopped}, got.State)
		w.stopped[p.ID] = true
	}
}

func (w *world) finish() {
	worker, p, ok := w.run()
	if !ok {
		return
	}
	end := tasks.End{State: rapid.SampledFrom([]tasks.State{tasks.Completed, tasks.Failed, tasks.Stopped}).Draw(w.t, "end")}
	if end.State == tasks.Failed {
		end.Failure = &tasks.Failure{Code: tasks.CodeInternal, Message: "m"}
	}
	end.Events = w.history.happen(worker, p, rapid.Bool().Draw(w.t, "event"))
	_, err := w.s.Finish(c(), lease(p, worker), end)
	if err == nil {
		w.history.accepted(worker, p, end.Events)
	}
	if !errors.Is(err, tasks.ErrGone) && !errors.Is(err, tasks.ErrStale) {
		require.NoError(w.t, err)
	}
	w.drop(worker, p.ID)
}

func (w *world) release() {
	worker, p, ok := w.run()
	if !ok {
		return
	}
	events := w.history.happen(worker, p, rapid.Bool().Draw(w.t, "event"))
	_, err := w.s.Release(c(), lease(p, worker), tasks.LastReport{Events: events})
	if err == nil {
		w.history.accepted(worker, p, events)
	}
	if !errors.Is(err, tasks.ErrGone) && !errors.Is(err, tasks.ErrStale) {
		require.NoError(w.t, err)
	}
	w.drop(worker, p.ID)
}

// pass lets time pass: the lease of a push is over, perhaps its worker's
// presence, too.
func (w *world) pass() {
	p, ok := w.push()
	if !ok {
		return
	}
	past := float64(time.Now().UnixMilli() - 1 - int64(rapid.IntRange(0, 3).Draw(w.t, "ago")))
	for _, key := range []string{"{roomcast}:live", "{roomcast}:queued"} {
		require.NoError(w.t, w.rdb.ZAddXX(c(), key, z(past, p.ID)).Err())
	}
	if p.Worker != "" && rapid.Bool().Draw(w.t, "worker, too") {
		require.NoError(w.t, w.rdb.ZRem(c(), "{roomcast}:workers", p.Worker).Err())
	}
}

func (w *world) look() {
	sweeper := rapid.IntRange(0, 1).Draw(w.t, "sweeper")
	seen, err := w.s.Expired(c(), 100)
	require.NoError(w.t, err)
	w.seen[sweeper] = seen
}

func (w *world) sweep() {
	sweeper := rapid.IntRange(0, 1).Draw(w.t, "sweeper")
	for _, e := range w.seen[sweeper] {
		var err error
		if e.Push.State == tasks.Queued && rapid.Bool().Draw(w.t, "its task waits") {
			err = w.s.Defer(c(), e, time.Hour)
		} else {
			runs := w.rdb.ZScore(c(), "{roomcast}:live", e.ID).Val() > float64(time.Now().UnixMilli())
			_, err = w.s.Takeover(c(), e)
			require.False(w.t, err == nil && runs, "taken over with a lease that runs")
		}
		if !errors.Is(err, tasks.ErrHeld) && !errors.Is(err, tasks.ErrGone) && !errors.Is(err, tasks.ErrEnded) {
			require.NoError(w.t, err)
		}
	}
}

func (w *world) late() {
	if len(w.calls.calls) > 0 {
		i := rapid.IntRange(0, len(w.calls.calls)-1).Draw(w.t, "late")
		require.NoError(w.t, w.rdb.Do(c(), w.calls.calls[i]...).Err())
	}
}

func (w *world) flush() {
	require.NoError(w.t, w.rdb.FlushDB(c()).Err())
	w.forget()
}

// save keeps a copy of what is in Redis.
func (w *world) save() {
	w.copy = map[string]string{}
	for _, key := range w.rdb.Keys(c(), "*").Val() {
		w.copy[key] = w.rdb.Dump(c(), key).Val()
	}
}

// lose lets Redis come back with an older copy.
func (w *world) lose() {
	if w.copy == nil {
		return
	}
	require.NoError(w.t, w.rdb.FlushDB(c()).Err())
	for key, value := range w.copy {
		require.NoError(w.t, w.rdb.Restore(c(), key, 0, value).Err())
	}
	for _, id := range w.ids {
		if p, err := w.s.Get(c(), id); err == nil && p.State.Terminal() {
			w.rdb.PExpire(c(), "{roomcast}:push:"+id, long)
		}
	}
	w.forget()
}

// check holds after every act.
func (w *world) check() {
	pushes := map[string]tasks.Push{}
	for _, id := range w.ids {
		p, err := w.s.Get(c(), id)
		if tasks.CodeOf(err) == tasks.CodeNotFound && err != nil {
			continue
		}
		require.NoError(w.t, err)
		pushes[id] = p
		w.checkHistory(p)
		w.checkKeys(p)
		w.checkEvents(p)
	}
	for user := range 2 {
		holder := w.rdb.Get(c(), fmt.Sprintf("{roomcast}:user:1400000001:u%d", user)).Val()
		p, ok := pushes[holder]
		require.True(w.t, holder == "" || ok && !p.State.Terminal(), "u%d is held by %s, which is %s", user, holder, p.State)
	}
}

func (w *world) checkHistory(p tasks.Push) {
	require.GreaterOrEqual(w.t, p.Epoch, w.epochs[p.ID], "an epoch went back")
	w.epochs[p.ID] = p.Epoch
	if was, ended := w.terminal[p.ID]; ended {
		require.Equal(w.t, was, p.State, "an end was undone")
	}
	if p.State.Terminal() {
		w.terminal[p.ID] = p.State
	}
	require.False(w.t, w.stopped[p.ID] && !p.State.Terminal() && p.State != tasks.Stopping, "a stop was undone: %s", p.State)
	require.Equal(w.t, p.State != tasks.Queued && !p.State.Terminal(), p.Worker != "", "held exactly while it runs")
	poisoned := p.Failure != nil && p.Failure.Code == tasks.CodePoisoned
	require.Equal(w.t, poisoned, p.Strikes >= tasks.MaxStrikes)
}

func (w *world) checkKeys(p tasks.Push) {
	lives := !p.State.Terminal()
	holder := w.rdb.Get(c(), "{roomcast}:user:1400000001:"+p.Spec.UserID).Val()
	require.Equal(w.t, lives, holder == p.ID, "a push is its user exactly until it ends")
	require.Equal(w.t, lives, w.rdb.Exists(c(), "{roomcast}:secret:"+p.ID).Val() == 1, "secret")
	for index, in := range map[string]bool{"live": p.Worker != "", "queued": p.State == tasks.Queued, "index:active": lives} {
		require.Equal(w.t, in, w.rdb.ZScore(c(), "{roomcast}:"+index, p.ID).Err() == nil, index)
	}
	require.Equal(w.t, !lives, w.rdb.PTTL(c(), "{roomcast}:push:"+p.ID).Val() > 0, "a record expires once it has ended")
}

func (w *world) tb() testing.TB { return noTB{} }

// noTB serves helpers that only call Helper.
type noTB struct{ testing.TB }

func (noTB) Helper() {}
func (noTB) Errorf(format string, args ...any) {
	panic(fmt.Sprintf(format, args...))
}
func (noTB) FailNow() { panic("failed") }

// TestWhateverHappensInWhateverOrder lets acts happen at random and checks
// after each that no promise was broken.
func TestWhateverHappensInWhateverOrder(t *testing.T) {
	plain := server.Client(t)
	calls := &recorder{}
	client := server.Client(t)
	client.AddHook(calls)
	rapid.Check(t, func(rt *rapid.T) {
		require.NoError(rt, plain.FlushDB(c()).Err())
		calls.calls = nil
		w := &world{
			t: rt, s: store.New(client, store.Config{Lease: long, Grace: long}), rdb: plain, calls: calls,
			announced: map[string]int64{},
			runs:      map[string]map[string]tasks.Push{"w1": {}, "w2": {}, "w3": {}},
		}
		w.forget()
		acts := map[string]func(){
			"create": w.create, "claim": w.claim, "renew": w.renew, "register": w.register, "stop": w.stop,
			"finish": w.finish, "release": w.release, "time passes": w.pass, "look": w.look, "sweep": w.sweep,
			"announce": w.announce, "successor": w.successor, "late": w.late, "flush": w.flush, "save": w.save, "lose": w.lose,
			"stand still": w.standStill, "arrive": w.arrive, "end unreported": w.endUnreported,
		}
		names := []string{
			"create", "create", "claim", "claim", "claim", "renew", "renew", "renew", "register", "stop", "finish", "release",
			"announce", "announce", "successor", "successor", "successor", "release", "time passes", "time passes", "look", "look", "sweep", "sweep",
			"late", "late", "flush", "save", "lose", "stand still", "stand still", "arrive", "arrive", "end unreported",
		}
		for range rapid.IntRange(1, 100).Draw(rt, "acts") {
			acts[rapid.SampledFrom(names).Draw(rt, "act")]()
			w.check()
		}
	})
}
