package matrix

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/egress"
	"github.com/roomcast/roomcast/media/host"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/roomcast/roomcast/media/source"
)

// The largest source may take 304 MB more, and a host has 512.
func TestSixteenCopiesLeaveAHostRoomForTheLargestSource(t *testing.T) {
	t.Parallel()
	const together = 16
	idle := idleData(t) // the race detector's memory counts, too
	pool, err := host.New(t.Context(), host.Config{Command: []string{os.Args[0], hostArgument}, Memory: idle + 400<<20, Pushes: together, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	network, err := egress.New(egress.Config{Schemes: []string{"http"}, Allow: []string{"127.0.0.0/8"}})
	require.NoError(t, err)
	opener := &source.Opener{Network: network, Demuxer: pool, Log: slog.New(slog.DiscardHandler)}
	clip := mediatest.Clip(t, mediatest.Spec{Seconds: 10, Width: 320, Height: 180, Container: "matroska"}) // an mp4 soon leaves its host
	address := media.Secret(mediatest.ServeHandler(t, http.FileServer(http.Dir(filepath.Dir(clip)))) + "/" + filepath.Base(clip))

	var all sync.WaitGroup
	for range together {
		all.Go(func() {
			s, err := opener.Open(t.Context(), media.SourceRequest{URL: address})
			if !assert.NoError(t, err) {
				return
			}
			t.Cleanup(func() { assert.NoError(t, s.Close()) })
			for range 200 {
				_, err := s.ReadPacket()
				assert.NoError(t, err)
			}
		})
	}
	all.Wait()
	require.Empty(t, pool.Stats().Deaths)
	require.LessOrEqual(t, pool.Stats().Started, int64(2), "they share one")
	for _, pid := range pool.PIDs() {
		require.LessOrEqual(t, dataOf(t, pid), idle+100<<20)
	}
}

// idleData is how much of what RLIMIT_DATA counts a host takes that does nothing.
func idleData(t *testing.T) int64 {
	t.Helper()
	pool, err := host.New(t.Context(), host.Config{Command: []string{os.Args[0], hostArgument}, Memory: 4 << 30, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer pool.Close()
	return dataOf(t, pool.PIDs()[0])
}

// dataOf is how much RLIMIT_DATA counts of a process.
func dataOf(t *testing.T, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	_, after, _ := strings.Cut(string(status), "VmData:")
	var kilobytes int64
	_, err = fmt.Sscan(after, &kilobytes)
	require.NoError(t, err)
	return kilobytes << 10
}
