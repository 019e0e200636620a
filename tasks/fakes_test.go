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

// fakeStore is an AttemptStore of one worker's world, in memory.
type fakeStore struct {
	mu         sync.Mutex
	pushes     map[string]Push
	verdicts   map[string]Verdict
	away       bool // every call fails
	renewals   []Renewal
	registered []Registration
	ends       map[string]End
	released   map[string]int64
	late       int               // so many renewals more are late
	announced  map[string]int64  // push id → the attempt that may prepare
	successors map[string]string // push id → who is ready
	alone      bool              // there is no other worker to hand over to
	refused    map[string]Waiting
	report     WorkerReport // of the last renew
	sealedBy   string       // id of the key of every envelope; "key" when empty
}

func newFakeStore(ps ...Push) *fakeStore {
	s := &fakeStore{pushes: map[string]Push{}, verdicts: map[string]Verdict{}, ends: map[string]End{}, released: map[string]int64{}, announced: map[string]int64{}, successors: map[string]string{}}
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

func (s *fakeStore) Claim(_ context.Context, l Lease, others int, keys ...string) (Claimed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return Claimed{}, errAway
	}
	p, ok := s.pushes[l.ID]
	foreign := !slices.Contains(keys, cmp.Or(s.sealedBy, "key"))
	switch {
	case !ok:
		return Claimed{}, ErrGone
	case p.Epoch > l.Epoch:
		return Claimed{}, ErrStale
	case p.State.Terminal():
		return Claimed{}, ErrEnded
	case foreign && p.Worker == "", foreign && s.announced[l.ID] == l.Epoch:
		return Claimed{}, ErrNoKey
	case p.Worker != "" && p.Epoch+1 == l.Epoch && s.announced[l.ID] == l.Epoch && p.Desired == DesiredRun:
		return Claimed{Push: p, Envelope: "sealed"}, ErrHandover
	case p.Worker != "":
		return Claimed{}, ErrHeld
	case p.Strikes >= IsolationStrikes && others > 0:
		return Claimed{}, ErrIsolated
	}
	p.Worker, p.State, p.Epoch = l.Worker, Starting, l.Epoch
	s.pushes[l.ID] = p
	return Claimed{Push: p, Envelope: "sealed"}, nil
}

func (s *fakeStore) Renew(_ context.Context, w WorkerReport, rs []Renewal) ([]Verdict, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return nil, errAway
	}
	s.report = w
	verdicts := make([]Verdict, len(rs))
	for i, r := range rs {
		verdicts[i] = s.verdicts[r.Lease.ID]
		switch {
		case r.Over:
			verdicts[i] = Lost
		case s.late > 0:
			s.late--
			verdicts[i] = Late
		}
	}
	s.renewals = append(s.renewals, rs...)
	return verdicts, nil
}

func (s *fakeStore) Refused(_ context.Context, t Task, _ time.Duration, why Waiting) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return errAway
	}
	if s.refused == nil {
		s.refused = map[string]Waiting{}
	}
	s.refused[t.ID] = why
	return nil
}

func (s *fakeStore) Register(_ context.Context, r Registration) (Verdict, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return Gone, errAway
	}
	s.registered = append(s.registered, r)
	delete(s.verdicts, r.Push.ID)
	return Kept, nil
}

func (s *fakeStore) Finish(_ context.Context, l Lease, e End) (State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return "", errAway
	}
	s.ends[l.ID] = e
	if s.pushes[l.ID].Desired == DesiredStop {
		return Stopped, nil
	}
	return e.State, nil
}

func (s *fakeStore) Release(_ context.Context, l Lease, r LastReport) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return 0, errAway
	}
	s.released[l.ID] = l.Epoch + 1
	s.ends[l.ID] = End{LastReport: r}
	p := s.pushes[l.ID]
	p.State, p.Worker, p.Epoch, p.Progress = Queued, "", l.Epoch+1, &r.Progress
	if p.StartedAt.IsZero() {
		p.StartedAt = time.Now()
	}
	s.pushes[l.ID] = p
	if p.Desired == DesiredStop {
		p.State = Stopped
		s.pushes[l.ID] = p
		return 0, nil
	}
	return l.Epoch + 1, nil
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

func newWorld(p Player, pushes ...Push) *world {
	w := &world{store: newFakeStore(pushes...)}
	w.worker = NewWorker(w.config("w1", p))
	ctx, cancel := context.WithCancel(context.Background())
	w.stop = cancel
	w.ran.Go(func() { w.worker.Run(ctx) })
	synctest.Wait() // the first renew has been answered
	return w
}

func (w *world) config(name string, p Player) WorkerConfig {
	return WorkerConfig{
		Name: name, Version: "v1", Slots: 2, Lease: 3 * time.Second, RenewCap: 2 * time.Minute, Store: w.store, Leases: w.store, Refusals: w.store,
		Queue: &w.queue, Resume: &w.resume, Sealer: fakeSealer{}, Player: p, Log: slog.New(slog.DiscardHandler),
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
