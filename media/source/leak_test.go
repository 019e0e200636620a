package source_test

import (
	"context"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/egress"
)

func sockets(t *testing.T) (n int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, e := range entries {
		if link, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(link, "socket:") {
			n++
		}
	}
	return n
}

func TestAHundredLiveSourcesLeaveNothingBehind(t *testing.T) {
	rtmp := "rtmp://" + rtmpSource(t, listen(t), func(s *rtmpServer) { s.configure(0); s.picture(0, 0x17, 0) }) + "/live/key"
	srt := "srt://" + udp(t).LocalAddr().String() // nobody answers
	gate := gateOf(t, egress.Config{})
	before, running := sockets(t), runtime.NumGoroutine()
	for range 100 {
		way, err := gate.Open(t.Context(), media.SourceRequest{URL: media.Secret(rtmp)})
		require.NoError(t, err)
		packets(t, way.Source, 1)
		require.NoError(t, way.Source.Close())
	}
	for range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		_, err := gate.Open(ctx, media.SourceRequest{URL: media.Secret(srt)})
		require.Error(t, err)
		cancel()
	}
	const own = 2 // Eventually's
	require.Eventually(t, func() bool { return sockets(t) <= before && runtime.NumGoroutine() <= running+own }, testTime, 10*time.Millisecond,
		"%d sockets before, %d goroutines", before, running)
}
