package api

import (
	"math"
	"net/http"

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
	Sandbox string `json:"sandbox,omitempty"`
}

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
	cores := math.Round(l.Cores*100) / 100
	return load{&cores, l.Memory, l.Limit}
}

type workers struct {
	Workers []worker `json:"workers"`
}

func (s *server) fleet(c *gin.Context) error {
	ctx, cancel := reading(c)
	defer cancel()
	f, err := s.workers.Fleet(ctx)
	if err != nil {
		return err
	}
	v := workers{Workers: make([]worker, 0, len(f.Workers))}
	for _, w := range f.Workers {
		v.Workers = append(v.Workers, worker{w.Name, w.Version, w.State, w.Slots, w.Used, view.Stamp(w.Since), f.Opens(w), loadOf(w.Load), w.Sandbox})
	}
	return writeJSON(c, http.StatusOK, v)
}
