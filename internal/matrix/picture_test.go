package matrix

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/roomcast/roomcast/tasks"
	"github.com/stretchr/testify/require"
)

// still serves a picture of 641 by 361 pixels, red at the left and blue at the
// right.
func still(t *testing.T, kind string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a."+kind)
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-f", "lavfi", "-i",
		"color=red:s=320x361,format=rgb24[a];color=blue:s=321x361,format=rgb24[b];[a][b]hstack", "-frames:v", "1", path).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return mediatest.Serve(t, map[string]string{"a." + kind: path}).URL + "/a." + kind
}

// requireStands demands a recording of the picture for a time, or less by late: one at least once
// a second, of its colours, and silence without holes if there is any.
func requireStands(t *testing.T, path string, length, late time.Duration, sound bool) {
	t.Helper()
	r := mediatest.Judge(t, path)
	require.Empty(t, r.Faults(), "%s", r)
	require.Equal(t, []string{"640x360"}, r.Sizes)
	require.Equal(t, sound, r.Audio != nil)
	for _, track := range []*mediatest.TrackReport{r.Video, r.Audio} {
		if track != nil {
			stood := track.End - track.First
			require.LessOrEqual(t, stood, length+700*time.Millisecond, "%s", r)
			require.GreaterOrEqual(t, stood, length-700*time.Millisecond-late, "%s", r)
		}
	}
	if sound {
		require.LessOrEqual(t, r.Audio.Gap, 30*time.Millisecond, "silence has no holes\n%s", r)
	}
	raw, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-i", path, "-an", "-vf", "format=rgb24,scale=2:1:flags=area",
		"-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-").Output()
	require.NoError(t, err)
	require.Len(t, raw, 6*r.Video.Packets)
	for ; len(raw) > 0; raw = raw[6:] {
		for i, want := range []int{255, 0, 0, 0, 0, 255} {
			require.InDelta(t, want, int(raw[i]), 30, "%v", raw[:6])
		}
	}
}

func TestAPictureStandsInTheRoomForItsTime(t *testing.T) {
	beside(t)
	const length = 4 * time.Second
	nginx := mediatest.StartNginx(t, mediatest.NginxConfig{})
	standIn := startStandIn(t)
	for _, kind := range []string{"jpg", "png", "webp"} {
		for _, fill := range []bool{true, false} {
			for name, r := range map[string]room{"stand-in": standIn, "nginx": foreign{nginx}} {
				t.Run(fmt.Sprintf("%s, fillAudio %v, %s", kind, fill, name), func(t *testing.T) {
					t.Parallel()
					d, noise := &diary{}, mediatest.WatchNoise(t)
					j := job(still(t, kind), fmt.Sprintf("%s_%v", kind, fill), d)
					j.Options.FillAudio, j.Options.MaxDuration = fill, length
					require.NoError(t, newPusher(t, r.endpoint()).Play(t.Context(), j), "%s", d)
					path, complaints := r.tape(t, j.Destination.UserID)
					require.Empty(t, complaints)
					requireStands(t, path, length, mediatest.Hops*noise(), fill)
				})
			}
		}
	}
}

func TestAPictureWithoutATimeSaysThatItNeedsOne(t *testing.T) {
	t.Parallel()
	s := newStay(t, startStandIn(t), still(t, "png"))
	begin := time.Now()
	f := s.start().failed()
	require.Equal(t, tasks.CodeSourceUnsupported, f.Code)
	require.Equal(t, "the source is a picture: say how long it is to stand with maxDurationSec, or mode: live", f.Message)
	require.Less(t, time.Since(begin), 5*time.Second)
	require.Empty(t, s.sessions())
}

func TestAPictureThatIsLiveStandsUntilItIsStopped(t *testing.T) {
	t.Parallel()
	s := newStay(t, startStandIn(t), still(t, "jpg"))
	s.job.Source.Mode = media.ModeLive
	s.start().has(3 * time.Second)
	s.cancel(media.ErrStopped)
	require.ErrorIs(t, s.end(), media.ErrStopped)
	s.sound()
}
