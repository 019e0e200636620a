package libav_test

import (
	"net"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/mediatest"
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

func TestLiveRTMP(t *testing.T) {
	t.Parallel()
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
			s := openSoon(t, liveRTMP(t, live(t), c.args...))
			defer s.Close()
			require.True(t, s.Info().Live)
			require.Len(t, s.Info().Tracks, c.tracks)
			for range 40 {
				_, err := s.ReadPacket()
				require.NoError(t, err)
			}
			require.Error(t, s.Seek(0))
			if v := s.Info().Tracks[0]; v.Type == media.Video {
				require.InDelta(t, 30, v.FPS, 0.5)
				require.NotEmpty(t, v.Extradata)
			}
		})
	}
}

func TestAnRTMPStreamThatIsNotCopiedIsReadByLibav(t *testing.T) {
	for name, c := range map[string]struct {
		spec         mediatest.Spec
		video, audio media.Codec
	}{
		"MP3": {mediatest.Spec{AudioCodec: "mp3"}, "h264", "mp3"},
	} {
		t.Run(name, func(t *testing.T) {
			c.spec.Container = "flv"
			s := openSoon(t, liveRTMP(t, mediatest.Clip(t, c.spec)))
			defer s.Close()
			info := s.Info()
			require.True(t, info.Live)
			require.Equal(t, []media.Codec{c.video, c.audio}, []media.Codec{info.Tracks[0].Codec, info.Tracks[1].Codec})
			for range 40 {
				_, err := s.ReadPacket()
				require.NoError(t, err)
			}
		})
	}
}
