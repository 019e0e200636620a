package api

import (
	"math"

	"github.com/gin-gonic/gin"

	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/web/view"
)

// worker is one worker as clients see it.
type worker struct {
	Name         string            `json:"name"`
	Version      string            `json:"version"`
	State        tasks.WorkerState `json:"state"`
	Slots        int               `json:"slots"`
	Used         int               `json:"used"`
	Since        string            `json:"since,omitempty"`
	HasSecretKey bool              `json:"hasSecretKey"` // it can run what this API starts
	load
	Capacity *capacity `json:"capacity,omitempty"`
	Sandbox  string    `json:"sandbox,omitempty"`
}

// capacity is what a worker can carry, as far as it tells.
type capacity struct {
	Cores     float64 `json:"cores"`
	Used      float64 `json:"usedCores"`
	Free      float64 `json:"freeCores"`
	FreeSlots room    `json:"freePushes"`
}

// room is how many pushes of one kind would fit.
type room struct {
	Copied      int `json:"copied"`
	Encoded720  int `json:"encoded720p30"`
	Encoded1080 int `json:"encoded1080p30"`
}

func capacityOf(w tasks.WorkerReport) *capacity {
	c := w.Capacity
	if c == nil {
		return nil
	}
	fit := c.Room(w.Slots - w.Used)
	return &capacity{hundredths(c.Cores), hundredths(c.Used), hundredths(c.Free()), room{fit.Copies, fit.At720p, fit.At1080p}}
}

func hundredths(x float64) float64 { return math.Round(x*100) / 100 }

// load is what a worker takes of its machine, as far as it tells.
type load struct {
	CPUCores    *float64 `json:"cpuCores,omitempty"` // 0 is one that idles
	Memory      int64    `json:"memoryBytes,omitempty"`
	MemoryLimit int64    `json:"memoryLimitBytes,omitempty"`
}

func loadOf(l *tasks.Load) load {
	if l == nil {
		return load{}
	}
	cores := hundredths(l.Cores)
	return load{&cores, l.Memory, l.Limit}
}

type workers struct {
	Workers []worker `json:"workers"`
}

func (s *server) fleet(c *gin.Context) error { return answer(c, s.Workers.Fleet, workersOf) }

func workersOf(f tasks.Fleet) workers {
	return workers{view.Each(f.Workers, func(w tasks.WorkerReport) worker {
		return worker{w.Name, w.Version, w.State, w.Slots, w.Used, view.Stamp(w.Since), f.Opens(w), loadOf(w.Load), capacityOf(w), w.Sandbox}
	})}
}
