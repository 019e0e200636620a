package store

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/roomcast/roomcast/tasks"
)

// Fleet lists the workers that have renewed within their lease, by name, as a
// push sees them whose envelope is sealed with key. What a worker does not tell
// of itself is taken for the best.
func (s *Store) Fleet(ctx context.Context, key string) (tasks.Fleet, error) {
	r, err := s.run(ctx, s.scripts.fleet, []string{keyWorkers, keyFleet, keyActive}, key)
	if err != nil {
		return tasks.Fleet{}, err
	}
	fleet := tasks.Fleet{Key: key, Lack: tasks.Waiting(r.first())}
	for name, text := range fields(r.values[1:]) {
		w := tasks.WorkerReport{Name: name, State: tasks.WorkerReady}
		_ = json.Unmarshal([]byte(text), &w) // what cannot be read is as if it was not told
		fleet.Workers = append(fleet.Workers, w)
	}
	slices.SortFunc(fleet.Workers, func(a, b tasks.WorkerReport) int { return strings.Compare(a.Name, b.Name) })
	return fleet, nil
}
