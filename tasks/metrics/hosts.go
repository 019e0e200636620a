package metrics

import (
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// Hosts is what there is to know of a worker's media hosts, by the words that label it.
type Hosts struct {
	Running map[string]int
	Deaths  map[string]int64
	Started int64
	Memory  int64           // bytes
	Sandbox map[string]bool // whether a part of it holds
}

// WatchHosts adds the media hosts of a worker.
func (s *Set) WatchHosts(look func() Hosts) { s.registry.MustRegister(hosts(look)) }

// hosts are looked at when they are asked for.
type hosts func() Hosts

var (
	descHosts       = prometheus.NewDesc("roomcast_media_hosts", "Media hosts that run, by what they are for: copied pushes (shared), one push (own), one that is re-encoded (encode), nothing yet (idle).", []string{"kind"}, nil)
	descHostStarts  = prometheus.NewDesc("roomcast_media_host_starts_total", "Media hosts that were started.", nil, nil)
	descHostDeaths  = prometheus.NewDesc("roomcast_media_host_deaths_total", "Media hosts that ended and were not to: of a fault (crashed), by the system or somebody (killed), by their worker for not doing what they should (stuck).", []string{"how"}, nil)
	descHostMemory  = prometheus.NewDesc("roomcast_media_host_memory_bytes", "Memory of all media hosts of a worker, but for what they share.", nil, nil)
	descHostSandbox = prometheus.NewDesc("roomcast_sandbox", "1: the part of the media hosts' sandbox holds; 0: it does not, the worker's log says why.", []string{"part"}, nil)
)

// Describe implements prometheus.Collector.
func (h hosts) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descHosts, descHostStarts, descHostDeaths, descHostMemory, descHostSandbox} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (h hosts) Collect(to chan<- prometheus.Metric) {
	now := h()
	for _, kind := range slices.Sorted(maps.Keys(now.Running)) {
		to <- prometheus.MustNewConstMetric(descHosts, prometheus.GaugeValue, float64(now.Running[kind]), kind)
	}
	to <- prometheus.MustNewConstMetric(descHostStarts, prometheus.CounterValue, float64(now.Started))
	for _, how := range slices.Sorted(maps.Keys(now.Deaths)) {
		to <- prometheus.MustNewConstMetric(descHostDeaths, prometheus.CounterValue, float64(now.Deaths[how]), how)
	}
	to <- prometheus.MustNewConstMetric(descHostMemory, prometheus.GaugeValue, float64(now.Memory))
	for _, part := range slices.Sorted(maps.Keys(now.Sandbox)) {
		to <- prometheus.MustNewConstMetric(descHostSandbox, prometheus.GaugeValue, number(now.Sandbox[part]), part)
	}
}
