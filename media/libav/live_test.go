package libav

import (
	"context"
	"errors"
	"net"
	"os/exec"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/stretchr/testify/require"
)

// liveRTMP starts ffmpeg as an RTMP server for one player, in real time, and
// returns its address.
func liveRTMP(t *testing.T, file string, args ...string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := "rtmp://" + l.Addr().String() + "/live/a"
	require.NoError(t, l.Close())
	args = append([]string{"-v", "error", "-nostdin", "-re", "-i", file, "-c", "copy"}, args...)
	cmd := exec.CommandContext(t.Context(), "ffmpeg", append(args, "-f", "flv", "-listen", "1", address)...)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return address
}

// openLive opens as soon as the server listens, and returns how long it took.
func openLive(t *testing.T, address string) (media.Source, time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		begin := time.Now()
		s, err := open(t, address)
		if err == nil {
			return s, time.Since(begin)
		}
		if media.KindOf(err) != media.KindSourceUnavailable {
			require.NoError(t, err)
		}
		select {
		case <-ctx.Done():
			require.NoError(t, errors.Join(ctx.Err(), err))
		case <-retry.C:
		}
	}
}

func TestLiveRTMP(t *testing.T) {
	for _, c := range []struct {
		name   string
		args   []string
		tracks int
	}{
		{"picture and sound", nil, 2},
		{"picture alone", []string{"-an"}, 1},
		{"sound alone", []string{"-vn"}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			noLeak(t)
			s, took := openLive(t, liveRTMP(t, clip(t, "plain.flv"), c.args...))
			defer s.Close()
			t.Logf("opened and probed in %v", took)
			require.Less(t, took, 4*time.Second)
			require.True(t, s.Info().Live)
			require.Len(t, s.Info().Tracks, c.tracks)
			for range 40 {
				_, err := s.ReadPacket()
				require.NoError(t, err)
			}
			require.Error(t, s.Seek(0))
			if v := s.Info().Tracks[0]; v.Type == media.Video {
				require.InDelta(t, clipFPS, v.FPS, 0.5)
				require.NotEmpty(t, v.Extradata)
			}
		})
	}
}

func TestWhatAnFLVTellsOfItsPicture(t *testing.T) {
	for name, c := range map[string]struct {
		flags    int
		metadata map[string]string
		promised bool
	}{
		"nginx with video":                  {5, map[string]string{"videocodecid": "7", "audiocodecid": "10"}, true},
		"nginx without video":               {5, map[string]string{"videocodecid": "0", "audiocodecid": "10"}, false},
		"a codec by its name":               {4, map[string]string{"videocodecid": "avc1"}, true},
		"metadata of sound, flags for both": {5, map[string]string{"audiocodecid": "10"}, false},
		"flags for both":                    {5, nil, true},
		"flags for sound":                   {4, nil, false},
		"nothing at all":                    {-1, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.promised, flvPromisesVideo(c.flags, func(key string) string { return c.metadata[key] }))
		})
	}
}
