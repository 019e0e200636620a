package metrics

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/roomcast/roomcast/tasks"
)

const (
	// fleetFor is how long what was read of Redis is told again: several
	// Prometheis and people may ask at once.
	fleetFor = 2 * time.Second
	// fleetTime is how long a scrape waits for Redis.
	fleetTime = 3 * time.Second
)

// Store is what a Fleet asks of the records.
type Store interface {
	Census(ctx context.Context) (tasks.Census, error)
	Writable(ctx context.Context) error
}

// Queues is what a Fleet asks of the queues.
type Queues interface {
	Lengths(ctx context.Context) ([]tasks.QueueLength, error)
}

// FleetConfig is what a Fleet reads.
type FleetConfig struct {
	Store  Store
	Queues Queues
	Evicts func(ctx context.Context) (bool, error) // whether Redis may evict keys
}

// Fleet tells what lies in Redis and belongs to all processes. Every API tells the
// same, so that one takes their max and not their sum.
type Fleet struct {
	FleetConfig
	ctx    context.Context // of all reading; ended by Close
	cancel context.CancelFunc
	reads  sync.WaitGroup

	mu      sync.Mutex
	known   reading
	reading chan struct{} // closed when the reading under way has ended; nil: there is none
}

// reading is what was read of Redis at a time.
type reading struct {
	at     time.Time
	up     bool // all below is known
	census tasks.Census
	queues []tasks.QueueLength // nil: unknown
	evicts *bool               // nil: unknown
}

var (
	descUp       = prometheus.NewDesc("roomcast_redis_up", "1: Redis answers this API and takes writes; 0: it does not, and nothing is known of the fleet.", nil, nil)
	descEvicts   = prometheus.NewDesc("roomcast_redis_evicts", "1: Redis may evict keys (maxmemory-policy), so that pushes can be lost.", nil, nil)
	descWorkers  = prometheus.NewDesc("roomcast_workers", "Workers that have renewed within their lease.", nil, nil)
	descUsed     = prometheus.NewDesc("roomcast_cores_used", "Cores of all workers that their pushes are counted with.", nil, nil)
	descFree     = prometheus.NewDesc("roomcast_cores_free", "Cores that workers with a free slot take more pushes for: of 85 % of those that they may use. Those count for nothing that a worker keeps for a push that waits, nor those of one that uses them up.", nil, nil)
	descPushes   = prometheus.NewDesc("roomcast_pushes", "Pushes by state; ended ones as long as their records stay.", []string{"state"}, nil)
	descTroubled = prometheus.NewDesc("roomcast_pushes_in_trouble", "Pushes that are not well now, by whose trouble it is and its code.", []string{"side", "code"}, nil)
	descOldest   = prometheus.NewDesc("roomcast_trouble_oldest_seconds", "How long the push has been in trouble that has been so for longest.", []string{"side", "code"}, nil)
	descLength   = prometheus.NewDesc("roomcast_queue_length", "Tasks that wait in a queue, those that are about to be tried again too.", []string{"queue"}, nil)
	descAge      = prometheus.NewDesc("roomcast_queue_age_seconds", "How long the first task in a queue waits that no worker has seen yet.", []string{"queue"}, nil)
)

// Fleet adds a Fleet to the Set. Close it before its client.
func (s *Set) Fleet(c FleetConfig) *Fleet {
	f := &Fleet{FleetConfig: c}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	s.registry.MustRegister(f)
	return f
}

// Close returns when nothing is read any more.
func (f *Fleet) Close() {
	f.cancel()
	f.reads.Wait()
}

// Describe implements prometheus.Collector.
func (f *Fleet) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descUp, descEvicts, descWorkers, descUsed, descFree, descPushes, descTroubled, descOldest, descLength, descAge} {
		to <- d
	}
}

// Collect implements prometheus.Collector. It waits for Redis no longer than
// fleetTime.
func (f *Fleet) Collect(to chan<- prometheus.Metric) {
	r := f.look()
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	gauge(descUp, number(r.up))
	if !r.up {
		return
	}
	if r.evicts != nil {
		gauge(descEvicts, number(*r.evicts))
	}
	gauge(descWorkers, float64(r.census.Workers))
	gauge(descUsed, r.census.Used)
	gauge(descFree, r.census.Free)
	for state, n := range r.census.Pushes {
		gauge(descPushes, float64(n), string(state))
	}
	for kind, of := range withWaits(r.census.Troubles) {
		gauge(descTroubled, float64(of.Pushes), string(kind.Side), string(kind.Code))
		gauge(descOldest, max(of.Oldest, 0).Seconds(), string(kind.Side), string(kind.Code))
	}
	for _, q := range r.queues {
		gauge(descLength, float64(q.Waiting), q.Queue)
		gauge(descAge, q.Oldest.Seconds(), q.Queue)
	}
}

// withWaits adds the reasons of waiting that no push has, so that they are 0.
func withWaits(troubles map[tasks.TroubleKind]tasks.Troubled) map[tasks.TroubleKind]tasks.Troubled {
	all := map[tasks.TroubleKind]tasks.Troubled{}
	for _, why := range tasks.Waitings() {
		t := why.Trouble(time.Time{})
		all[tasks.TroubleKind{Side: t.Side, Code: t.Code}] = tasks.Troubled{}
	}
	for kind, of := range troubles {
		all[kind] = of
	}
	return all
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// look returns what is known of Redis, at most fleetFor old; not up when Redis
// does not answer in time.
func (f *Fleet) look() reading {
	f.mu.Lock()
	if !f.known.at.IsZero() && time.Since(f.known.at) < fleetFor {
		defer f.mu.Unlock()
		return f.known
	}
	if f.reading == nil && f.ctx.Err() == nil {
		f.reading = make(chan struct{})
		f.reads.Go(f.read)
	}
	done := f.reading
	f.mu.Unlock()
	late := time.NewTimer(fleetTime)
	defer late.Stop()
	select {
	case <-done:
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.known
	case <-late.C:
	case <-f.ctx.Done():
	}
	return reading{}
}

// read reads Redis. The queue's part of it takes no context and may outlast its
// scrape; the next ones wait for it then rather than begin another.
func (f *Fleet) read() {
	ctx, cancel := context.WithTimeout(f.ctx, fleetTime)
	defer cancel()
	r := reading{}
	census, err := f.Store.Census(ctx)
	if err == nil {
		err = f.Store.Writable(ctx)
	}
	if err == nil {
		r.up, r.census = true, census
		if queues, err := f.Queues.Lengths(ctx); err == nil {
			r.queues = queues
		}
		if evicts, err := f.Evicts(ctx); err == nil {
			r.evicts = &evicts
		}
	}
	r.at = time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known = r
	close(f.reading)
	f.reading = nil
}
