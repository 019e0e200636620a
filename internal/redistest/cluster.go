package redistest

import (
	"context"
	"testing"
	"time"
)

// NewCluster starts a cluster of one node that holds all slots.
func NewCluster(t testing.TB) *Server {
	t.Helper()
	s := New(t, Config{Args: []string{"--cluster-enabled", "yes"}})
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	c := s.Client(t)
	if err := c.Do(ctx, "cluster", "addslotsrange", 0, 16383).Err(); err != nil {
		t.Fatalf("make a cluster: %v", err)
	}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if info, err := c.Do(ctx, "cluster", "info").Text(); err == nil && containsLine(info, "cluster_state:ok") {
			return s
		}
		select {
		case <-ctx.Done():
			t.Fatal("the cluster does not get ready")
		case <-tick.C:
		}
	}
}
