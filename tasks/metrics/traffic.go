package metrics

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
)

// The buckets of a Meter that are told: from half a millisecond to eight seconds.
const firstBucket, lastBucket = 9, 23

// Watch adds what there is to know of a worker at any moment: its slots, its
// memory and what its attempts have sent. received returns how many bytes have
// come from sources.
func (s *Set) Watch(w *tasks.Worker, received func() int64) {
	gauge := func(name, help string, value func() float64) {
		s.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	gauge("roomcast_worker_pushes", "Pushes that this worker runs.", func() float64 { return float64(w.Running()) })
	gauge("roomcast_worker_slots", "Pushes that this worker may run at once.", func() float64 { return float64(w.Slots) })
	gauge("roomcast_worker_slots_used", "Slots that are taken, those of attempts that prepare too.", func() float64 { return float64(w.SlotsTaken()) })
	if c := w.Cores(); c != nil {
		gauge("roomcast_worker_cores", "Cores that this worker takes pushes for: 85 % of those that it may use.", func() float64 { return w.Cores().Cores })
		gauge("roomcast_worker_cores_used", "Cores that the pushes of this worker are counted with.", func() float64 { return w.Cores().Used })
	}
	if w.Memory != nil {
		gauge("roomcast_worker_memory_bytes", "Memory that is taken, as the kernel counts before it kills.", func() float64 {
			used, err := w.Memory.Used()
			if err != nil {
				return math.NaN()
			}
			return float64(used)
		})
		gauge("roomcast_worker_memory_limit_bytes", "Memory that may be taken; 0: without a limit.", func() float64 { return float64(w.Memory.Limit()) })
	}
	s.registry.MustRegister(traffic{totals: w.Totals, received: received})
}

// traffic reads what a worker has counted by itself, so that a packet costs
// nothing more.
type traffic struct {
	totals   func() media.Totals
	received func() int64
}

var (
	descReceived = prometheus.NewDesc("roomcast_received_bytes_total", "Bytes that came from sources, protocol and TLS included.", nil, nil)
	descSent     = prometheus.NewDesc("roomcast_sent_bytes_total", "Bytes that went into rooms, protocol included.", nil, nil)
	descMedia    = prometheus.NewDesc("roomcast_sent_media_seconds_total", "Time that pushes have spent in their rooms, all together.", nil, nil)
	descDropped  = prometheus.NewDesc("roomcast_dropped_packets_total", "Packets that were left out: damaged, late, or more than the room took.", nil, nil)
	descLateness = prometheus.NewDesc("roomcast_packet_lateness_seconds", "By how much packets left later than they were due; those of live sources have no time of their own and count as 0.", nil, nil)
)

// Describe implements prometheus.Collector.
func (t traffic) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descReceived, descSent, descMedia, descDropped, descLateness} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (t traffic) Collect(to chan<- prometheus.Metric) {
	all := t.totals()
	counter := func(d *prometheus.Desc, value float64) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, value)
	}
	counter(descReceived, float64(t.received()))
	counter(descSent, float64(all.Bytes))
	counter(descMedia, all.Played.Seconds())
	counter(descDropped, float64(all.Dropped))
	buckets, count := map[float64]uint64{}, uint64(0)
	for i, n := range all.Lateness {
		count += uint64(n)
		if i >= firstBucket && i <= lastBucket {
			buckets[media.LatenessBound(i).Seconds()] = count
		}
	}
	to <- prometheus.MustNewConstHistogram(descLateness, count, all.Late.Seconds(), buckets)
}
