package tasks

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"github.com/roomcast/roomcast/media"
)

// fakeStore is the store of one worker's world, in memory; suite_test.go holds it to
// what the real one does. What tests set by hand goes before that.
type fakeStore struct {
	mu         sync.Mutex
	pushes     map[string]Push
	workers    map[string]bool      // that have renewed
	limits     map[string]Cost      // of those
	last       map[string]Lease     // push id → the attempt that left it last
	announced  map[string]int64     // push id → the attempt that may prepare
	successors map[string]string    // push id → who is ready
	verdicts   map[string]Verdict   // set by hand
	away       bool                 // every call fails
	late       int                  // so many renewals more are late
	alone      bool                 // there is no other worker to hand over to
	sealedBy   string               // id of the key of every envelope; "key" when empty
	lease      time.Duration        // for which a worker that does not ask again keeps its cores
	keepers    map[string]keeper    // push id → who keeps its cores for it
	short      map[string]time.Time // push id → since when no cores suffice for it

	renewals   []Renewal
	registered []Registration
	ends       map[string]End
	released   map[string]int64
	report     WorkerReport // of the last renew
}

// keeper is a worker that keeps its cores for a push.
type keeper struct {
	worker string
	lacks  Cost
	until  time.Time
}

func newFakeStore(ps ...Push) *fakeStore {
	s := &fakeStore{
		pushes: map[string]Push{}, workers: map[string]bool{}, limits: map[string]Cost{}, last: map[string]Lease{}, announced: map[string]int64{},
		successors: map[string]string{}, verdicts: map[string]Verdict{}, ends: map[string]End{}, released: map[string]int64{},
		lease: 3 * time.Second, keepers: map[string]keeper{}, short: map[string]time.Time{},
	}
	for _, p := range ps {
		s.pushes[p.ID] = p
	}
	return s
}

var errAway = &Error{Code: CodeRedisUnavailable, Msg: "Redis is away", Retryable: true}

func (s *fakeStore) set(change func(s *fakeStore)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// owns says whether l may write, as owns() in lua/lib.lua does.
func owns(p Push, l Lease) bool {
	if p.State.Terminal() {
		return false
	}
	return p.Epoch < l.Epoch || p.Epoch == l.Epoch && (p.Worker == l.Worker || p.Worker == "")
}

func (s *fakeStore) claim(l Lease, place Place, keys ...string) (Claimed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return Claimed{}, errAway
	}
	p, ok := s.pushes[l.ID]
	announced := p.Worker != "" && p.Epoch+1 == l.Epoch && s.announced[l.ID] == l.Epoch && p.Desired == DesiredRun
	again := p.Worker == l.Worker && p.Epoch == l.Epoch && p.State == Starting
	waited := p.Trouble != nil && p.Waiting != "" && time.Since(p.Trouble.Since) >= IsolationTime
	switch {
	case !ok:
		return Claimed{}, ErrGone
	case p.State.Terminal():
		return Claimed{}, ErrEnded
	case p.Desired == DesiredStop && p.Worker == "":
		p.State = Stopped
		s.pushes[l.ID] = p
		return Claimed{}, ErrEnded
	case p.Epoch > l.Epoch:
		return Claimed{}, ErrStale
	case p.Worker != "" && !announced && !again:
		return Claimed{}, ErrHeld
	case !slices.Contains(keys, cmp.Or(s.sealedBy, "key")):
		if p.Worker == "" {
			p.Waiting = WaitingForKey
			s.pushes[l.ID] = p
		}
		return Claimed{}, ErrNoKey
	case p.Strikes >= IsolationStrikes && place.Others > 0 && (place.Others > 1 || !waited):
		return Claimed{}, ErrIsolated
	case !place.fits(max(p.Cost, LeastCost)), !place.Counted && s.larger(p, place):
		if p.Worker == "" {
			p.Waiting = WaitingForCapacity
			s.pushes[l.ID] = p
			s.short[l.ID] = cmp.Or(s.short[l.ID], time.Now())
		}
		return Claimed{}, s.noCapacity(p, l.Worker, place)
	case announced:
		return Claimed{Push: p, Envelope: "sealed"}, ErrHandover
	}
	p.Worker, p.State, p.Epoch = l.Worker, Starting, l.Epoch
	delete(s.keepers, l.ID)
	delete(s.short, l.ID)
	if p.Waiting != "" {
		p.Waiting, p.Trouble = "", nil
	}
	s.pushes[l.ID] = p
	return Claimed{Push: p, Envelope: "sealed"}, nil
}

// age is since when a push waits for cores.
func (s *fakeStore) age(p Push) time.Duration {
	since := s.short[p.ID]
	if p.StartedAt.IsZero() {
		since = p.CreatedAt
	}
	return time.Since(cmp.Or(since, time.Now()))
}

// larger is larger() of lua/claim.lua.
func (s *fakeStore) larger(p Push, place Place) bool {
	goesOn := !p.StartedAt.IsZero() && p.Worker == ""
	if place.Limit <= 0 || p.Cost <= place.Limit || goesOn || time.Since(cmp.Or(s.short[p.ID], time.Now())) >= LargerTime {
		return false
	}
	for name, stays := range s.workers {
		if stays && s.limits[name] >= p.Cost {
			return true
		}
	}
	return false
}

// noCapacity is no_capacity() of lua/claim.lua.
func (s *fakeStore) noCapacity(p Push, worker string, place Place) error {
	k, lacks := s.keepers[p.ID], place.Taken+max(p.Cost, LeastCost)-place.Limit
	elsewhere := k.worker != "" && k.worker != worker && time.Now().Before(k.until) && k.lacks <= lacks
	age, keeps := s.age(p), GiveWayAfter
	for age >= 2*keeps {
		keeps *= 2
	}
	givesWay := age >= keeps && age < keeps+GiveWayTime
	if givesWay || s.larger(p, place) || p.StartedAt.IsZero() && age < KeepAfter || elsewhere {
		return ErrCapacity
	}
	s.keepers[p.ID] = keeper{worker, lacks, time.Now().Add(s.lease)}
	return ErrKept
}

func (s *fakeStore) Claims(_ context.Context, claims []Claim, keys ...string) ([]ClaimAnswer, error) {
	answers, given, alone := make([]ClaimAnswer, len(claims)), Place{}, false
	for i, c := range claims {
		a := &answers[i]
		if alone {
			a.Err = ErrIsolated
			continue
		}
		c.Place.Others += given.Others
		c.Place.Taken += given.Taken
		a.Claimed, a.Err = s.claim(c.Lease, c.Place, keys...)
		if errors.Is(a.Err, errAway) {
			return nil, a.Err
		}
		if !c.Place.Counted && (a.Err == nil || errors.Is(a.Err, ErrHandover)) {
			given.Others++
			given.Taken += max(a.Push.Cost, LeastCost)
		}
		alone = a.Err == nil && a.Push.Strikes >= IsolationStrikes
	}
	return answers, nil
}

func (s *fakeStore) Renew(_ context.Context, w WorkerReport, rs []Renewal) ([]Verdict, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return nil, errAway
	}
	s.report = w
	s.workers[w.Name] = w.State != WorkerDraining
	if w.Capacity != nil {
		s.limits[w.Name] = w.Capacity.Limit
	}
	verdicts := make([]Verdict, len(rs))
	for i, r := range rs {
		verdicts[i] = s.renew(r)
	}
	s.renewals = append(s.renewals, rs...)
	return verdicts, nil
}

// renew writes one renewal and returns its verdict.
func (s *fakeStore) renew(r Renewal) Verdict {
	p, ok := s.pushes[r.Lease.ID]
	byHand, isByHand := s.verdicts[r.Lease.ID]
	switch {
	case r.Over:
		return Lost
	case s.late > 0:
		s.late--
		return Late
	case isByHand:
		return byHand
	case !ok:
		return Gone
	case !owns(p, r.Lease):
		return Lost
	}
	p.Epoch, p.Worker = r.Lease.Epoch, r.Lease.Worker
	if p.StartedAt.IsZero() {
		p.StartedAt = r.Started
	}
	if !r.Started.IsZero() {
		p.Progress = &r.Progress
	}
	p.Source, p.Plan = cmp.Or(r.Source, p.Source), cmp.Or(r.Plan, p.Plan)
	if r.Plan != nil || !r.Started.IsZero() {
		p.Cost = r.Cost
	}
	if r.Warnings != nil {
		p.Warnings = r.Warnings
	}
	if r.Trouble != nil {
		p.Trouble = r.Trouble
		if *r.Trouble == (Trouble{}) {
			p.Trouble = nil
		}
	}
	verdict := Stop
	if p.Desired == DesiredRun {
		p.State, verdict = r.State, Kept
	}
	s.pushes[r.Lease.ID] = p
	return verdict
}

func (s *fakeStore) Register(_ context.Context, r Registration) (Verdict, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return Gone, errAway
	}
	l := Lease{ID: r.Push.ID, Epoch: r.Push.Epoch, Worker: r.Push.Worker}
	if p, ok := s.pushes[l.ID]; ok && !owns(p, l) {
		return Lost, nil
	}
	s.registered = append(s.registered, r)
	s.pushes[l.ID] = r.Push
	delete(s.verdicts, l.ID)
	return Kept, nil
}

func (s *fakeStore) Finish(_ context.Context, l Lease, e End) (State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return "", errAway
	}
	p, ok := s.pushes[l.ID]
	switch {
	case !ok:
		return "", ErrGone
	case p.State.Terminal() && s.last[l.ID] == l:
		return p.State, nil
	case !owns(p, l):
		return "", ErrStale
	}
	p.State, p.Failure, p.Trouble = e.State, e.Failure, e.Trouble
	if p.Desired == DesiredStop {
		p.State, p.Failure = Stopped, nil
	}
	s.leave(p, l, e)
	return p.State, nil
}

func (s *fakeStore) Release(_ context.Context, l Lease, r LastReport) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return 0, errAway
	}
	p, ok := s.pushes[l.ID]
	switch {
	case !ok:
		return 0, ErrGone
	case s.last[l.ID] == l && p.State == Queued:
		return p.Epoch, nil
	case s.last[l.ID] == l && p.State == Stopped:
		return 0, nil
	case !owns(p, l):
		return 0, ErrStale
	}
	s.released[l.ID] = l.Epoch + 1
	p.State, p.Epoch, p.Waiting = Queued, l.Epoch+1, r.Waiting
	if p.Desired == DesiredStop {
		p.State = Stopped
	}
	if r.Waiting != "" {
		s.short[l.ID] = time.Now()
	}
	s.leave(p, l, End{LastReport: r})
	if p.Desired == DesiredStop {
		return 0, nil
	}
	return p.Epoch, nil
}

// leave writes p, which l leaves.
func (s *fakeStore) leave(p Push, l Lease, e End) {
	p.Worker, p.Progress = "", &e.Progress
	s.pushes[l.ID], s.last[l.ID], s.ends[l.ID] = p, l, e
}

func (s *fakeStore) Announce(_ context.Context, l Lease) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return false, errAway
	}
	p, ok := s.pushes[l.ID]
	others := 0
	for name, stays := range s.workers {
		if stays && name != l.Worker {
			others++
		}
	}
	switch {
	case !ok:
		return false, ErrGone
	case p.State.Terminal() || p.Epoch != l.Epoch || p.Worker != l.Worker:
		return false, ErrStale
	case s.alone || others == 0 || p.Desired == DesiredStop || p.Strikes > 0:
		return false, nil
	}
	s.announced[l.ID] = l.Epoch + 1
	return true, nil
}

func (s *fakeStore) Ready(_ context.Context, l Lease) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.pushes[l.ID]
	switch {
	case s.away:
		return errAway
	case !ok:
		return ErrGone
	case p.Epoch+1 != l.Epoch || s.announced[l.ID] != l.Epoch || p.Worker == "" || p.State.Terminal():
		return ErrStale
	}
	s.successors[l.ID] = l.Worker
	return nil
}

func (s *fakeStore) Handovers(_ context.Context, next []Lease) ([]Handover, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return nil, errAway
	}
	all := make([]Handover, len(next))
	for i, l := range next {
		p := s.pushes[l.ID]
		stands := p.Worker != "" && !p.State.Terminal() && p.Epoch+1 == l.Epoch && s.announced[l.ID] == l.Epoch && p.Desired == DesiredRun
		all[i] = Handover{Stands: stands, Successor: s.successors[l.ID]}
	}
	return all, nil
}

// FakeStore is the fake to the suite, which is of another package.
type FakeStore struct{ *fakeStore }

// NewFakeStore returns a FakeStore whose envelopes are sealed by the suite's key.
func NewFakeStore() FakeStore {
	s := newFakeStore()
	s.sealedBy, s.lease = "0a0a0a0a", time.Hour
	return FakeStore{s}
}

func (s FakeStore) Add(p Push) {
	p.State, p.Desired = Queued, DesiredRun
	s.set(func(s *fakeStore) { s.pushes[p.ID] = p })
}

func (s FakeStore) Get(id string) Push {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pushes[id]
}

func (s FakeStore) change(id string, change func(p *Push)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pushes[id]
	change(&p)
	s.pushes[id] = p
}

func (s FakeStore) Stop(id string) { s.change(id, func(p *Push) { p.Desired = DesiredStop }) }

func (s FakeStore) Strike(id string, strikes int) {
	s.change(id, func(p *Push) { p.Strikes = strikes })
}

func (s FakeStore) Wait(id string, since time.Time) {
	s.change(id, func(p *Push) { p.Waiting, p.Trouble = WaitingForEmpty, WaitingForEmpty.Trouble(since) })
	s.set(func(s *fakeStore) { s.short[id] = since })
}

// ended returns how id was finished.
func (s *fakeStore) ended(id string) (End, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.ends[id]
	return e, ok
}

// renewed returns all renewals so far.
func (s *fakeStore) renewed() []Renewal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.renewals)
}

// events returns all events that were renewed, in order.
func (s *fakeStore) events() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Event
	for _, r := range s.renewals {
		all = append(all, r.Events...)
	}
	return all
}

// fakeQueue keeps what was rung.
type fakeQueue struct {
	mu    sync.Mutex
	rung  []Task
	err   error
	front int // how many were rung as resumed
}

func (q *fakeQueue) Enqueue(_ context.Context, t Task, resume bool) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return q.err
	}
	q.rung = append(q.rung, t)
	if resume {
		q.front++
	}
	return nil
}

// fakeResume is a ResumeStore in memory.
type fakeResume struct {
	mu      sync.Mutex
	records map[string]ResumeRecord
	err     error
}

func (r *fakeResume) Allowed(t ResumeTarget) bool { return t.Host == "listed" }

func (r *fakeResume) Load(_ context.Context, _ ResumeTarget, key string) (ResumeRecord, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rec, ok := r.records[key]
	return rec, ok, r.err
}

func (r *fakeResume) Save(_ context.Context, _ ResumeTarget, key string, rec ResumeRecord) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		if r.records == nil {
			r.records = map[string]ResumeRecord{}
		}
		r.records[key] = rec
	}
	return r.err
}

func (r *fakeResume) all() map[string]ResumeRecord {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.records)
}

// fakeSealer seals nothing.
type fakeSealer struct{}

func (fakeSealer) Seal(string, Secrets) (string, error) { return "sealed", nil }
func (fakeSealer) Open(string, string) (Secrets, error) { return Secrets{VideoSrc: "http://a/b"}, nil }
func (fakeSealer) Keys() []string                       { return []string{"key"} }
func (fakeSealer) Digests(data []byte) []string         { return []string{string(data)} }

// playerFunc is a Player.
type playerFunc func(ctx context.Context, job media.Job) error

func (f playerFunc) Play(ctx context.Context, job media.Job) error { return f(ctx, job) }

// lingerIn publishes at once and plays until it is to end, for which it takes five seconds
// in a room.
func lingerIn(room string) playerFunc {
	return func(ctx context.Context, job media.Job) error {
		job.Observer.Publishing()
		<-ctx.Done()
		if job.Destination.RoomID == room {
			time.Sleep(5 * time.Second)
		}
		return context.Cause(ctx)
	}
}

// playFor publishes at once and plays for d of real time.
func playFor(d time.Duration) playerFunc {
	return func(ctx context.Context, job media.Job) error {
		job.Observer.Planned(media.SourceInfo{Container: "mov", Duration: d}, false, media.Plan{})
		job.Observer.Publishing()
		begin := time.Now()
		start := job.Start
		t := time.NewTicker(100 * time.Millisecond)
		defer t.Stop()
		for time.Since(begin) < d {
			select {
			case <-t.C:
				job.Meter.MoveTo(start + time.Since(begin))
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	}
}

// world is a worker with fakes around it.
type world struct {
	store  *fakeStore
	queue  fakeQueue
	resume fakeResume
	worker *Worker
	stop   context.CancelFunc
	ran    sync.WaitGroup
}

func newWorld(p Player, pushes ...Push) *world { return newWorldFor(2, p, pushes...) }

// newWorldFor is one whose worker has so many slots.
func newWorldFor(slots int, p Player, pushes ...Push) *world {
	w := &world{store: newFakeStore(pushes...)}
	w.worker = NewWorker(w.config("w1", p))
	w.worker.Slots = slots
	ctx, cancel := context.WithCancel(context.Background())
	w.stop = cancel
	w.ran.Go(func() { w.worker.Run(ctx) })
	synctest.Wait() // the first renew has been answered
	return w
}

func (w *world) config(name string, p Player) WorkerConfig {
	return WorkerConfig{
		Name: name, Version: "v1", Slots: 2, Lease: 3 * time.Second, RenewCap: 2 * time.Minute,
		Stores: Stores{Store: w.store, Leases: w.store, Resume: &w.resume},
		Queue:  &w.queue, Sealer: fakeSealer{}, Player: p, Log: slog.New(slog.DiscardHandler),
	}
}

func (w *world) close() {
	w.worker.Close()
	w.stop()
	w.ran.Wait()
}

// handle runs t in the background; the channel gives Handle's answer.
func (w *world) handle(t Task) chan error {
	done := make(chan error, 1)
	go func() {
		err := w.worker.Handle(context.Background(), t)
		if _, failed := errors.AsType[*PushFailed](err); failed {
			err = nil // the store has it
		}
		done <- err
	}()
	return done
}

func queued(id string) Push {
	return Push{ID: id, State: Queued, Desired: DesiredRun, Epoch: 1, Spec: Spec{RoomID: "r", UserID: "u", ResumeKey: "k"}}
}
