package e2e

import (
	"image"
	"image/jpeg"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/stretchr/testify/require"
)

// stripes is a film of three stripes, red over green over blue, each from dark on
// the left to bright on the right, with sound.
func stripes(t *testing.T, film mediatest.Spec) string {
	t.Helper()
	film.Picture, film.FPS = "rgbtestsrc", 25
	return mediatest.Clip(t, film)
}

func (s *stack) preview(id string) answer {
	s.t.Helper()
	return s.do(http.MethodGet, "/v1/pushes/"+id+"/preview.jpg", nil)
}

// look asks until there is a preview, and returns it with how long that took, and
// for how long this machine stood still.
func (s *stack) look(id string) (a answer, took, stood time.Duration) {
	s.t.Helper()
	begin, noise := time.Now(), mediatest.WatchNoise(s.t)
	require.Eventually(s.t, func() bool { a = s.preview(id); return a.code == http.StatusOK }, patience, 100*time.Millisecond, "%v", &a)
	return a, time.Since(begin), noise()
}

// pictureTime is within what the first picture is wanted: three seconds, four times as many
// beside the race detector and other packages, which leave little to what is re-encoded.
func pictureTime() time.Duration {
	if full {
		return 3 * time.Second
	}
	return 12 * time.Second
}

// requireSoon wants a preview within pictureTime, of a machine that can play in time.
func requireSoon(t *testing.T, name string, took, stood time.Duration) {
	t.Helper()
	if stood < mayStand {
		require.Less(t, took, pictureTime(), name)
	}
}

func decodedAt(t *testing.T, a answer) time.Time {
	t.Helper()
	at, err := http.ParseTime(a.header.Get("Last-Modified"))
	require.NoError(t, err, a.raw)
	return at
}

func requireStripes(t *testing.T, text string) {
	t.Helper()
	require.LessOrEqual(t, len(text), 30_000)
	m, err := jpeg.Decode(strings.NewReader(text))
	require.NoError(t, err)
	require.Equal(t, image.Rect(0, 0, 320, 180), m.Bounds())
	for i, want := range [][3]uint32{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}} {
		for _, x := range []int{80, 280} {
			r, g, b, _ := m.At(x, 180*(2*i+1)/6).RGBA()
			for j, got := range []uint32{r, g, b} {
				require.InDelta(t, int(want[j])*255*x/320, got>>8, 16, "stripe %d, channel %d", i, j)
			}
		}
	}
}

func TestChaosWhoLooksAtAPushSeesWhatItsRoomGetsInThreeSeconds(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"gop2":  stripes(t, mediatest.Spec{Seconds: 60, GOPSeconds: 2}),
		"gop10": stripes(t, mediatest.Spec{Seconds: 60, GOPSeconds: 10}),
		"hevc":  stripes(t, mediatest.Spec{Seconds: 20, VideoCodec: "hevc", GOPSeconds: 10, Args: []string{"-preset", "ultrafast", "-x265-params", "log-level=none"}}),
		"av1": stripes(t, mediatest.Spec{Seconds: 20, VideoCodec: "av1", GOPSeconds: 10, Container: "matroska",
			Args: []string{"-cpu-used", "8", "-usage", "realtime", "-r", "10"}}),
		"sound": mediatest.Clip(t, mediatest.Spec{Seconds: 60, VideoCodec: mediatest.None}),
	}
	source := mediatest.Serve(t, files).URL
	s := newStack(t, options{})
	ids := map[string]string{}
	for name, c := range map[string]struct {
		file string
		more fields
	}{
		"copied": {"gop2", nil}, "copied with long GOPs": {"gop10", nil}, "re-encoded": {"gop10", fields{"transcode": "always"}},
		"hevc": {"hevc", fields{"repeat": -1}}, "av1": {"av1", fields{"repeat": -1}}, "sound": {"sound", nil}, "black": {"sound", fields{"fillVideo": true}},
	} {
		ids[name] = s.push(source+"/"+c.file, "r", "u"+strconv.Itoa(len(ids)), c.more)
	}
	for _, id := range ids {
		s.waitStatus(id, "publishing")
	}
	rdb := s.redis.Client(t)
	none := func() int {
		keys, err := rdb.Keys(t.Context(), "{roomcast}:preview*").Result()
		require.NoError(t, err)
		return len(keys)
	}
	s.waitFor(ids["copied"], "four seconds without anybody who looks", func(p map[string]any) bool { return positionMs(p) > 4000 })
	require.Zero(t, none())

	for name, id := range ids {
		switch name {
		case "sound":
			a := s.preview(id)
			require.Equal(t, http.StatusNoContent, a.code)
			require.Equal(t, "no_video", a.header.Get("Preview-Missing"))
			continue
		case "black":
			a, took, stood := s.look(id)
			requireSoon(t, name, took, stood)
			require.Less(t, len(a.raw), 2000)
			continue
		}
		a, took, stood := s.look(id)
		t.Logf("%s: after %v, %d bytes; this machine stood still for up to %v", name, took.Round(time.Millisecond), len(a.raw), stood)
		requireSoon(t, name, took, stood)
		requireStripes(t, a.raw)
		require.WithinDuration(t, time.Now(), decodedAt(t, a), 5*time.Second)
	}

	// Another keyframe, another picture.
	first, _, _ := s.look(ids["copied"])
	require.Eventually(t, func() bool {
		a := s.preview(ids["copied"])
		return a.code == http.StatusOK && decodedAt(t, a).After(decodedAt(t, first))
	}, 2*pictureTime(), 200*time.Millisecond)

	// Who does not ask for ten seconds does not look any more.
	last, at, noise := time.Now(), time.Time{}, mediatest.WatchNoise(t)
	require.Eventually(t, func() bool {
		text, err := rdb.HGet(t.Context(), "{roomcast}:preview:"+ids["copied"], "at").Result()
		if err == nil {
			ms, err := strconv.ParseInt(text, 10, 64)
			require.NoError(t, err)
			at = time.UnixMilli(ms)
		}
		return none() == 0
	}, patience, 100*time.Millisecond)
	late := busy(noise())
	require.Less(t, at.Sub(last), 12*time.Second+late)
	require.Greater(t, at.Sub(last), 6*time.Second-late)
	require.Equal(t, "publishing", s.get(ids["copied"])["status"])

	s.stop(ids["copied"])
	s.waitStatus(ids["copied"], "stopped")
	require.Equal(t, "ended", s.preview(ids["copied"]).header.Get("Preview-Missing"))
}

func TestAPreviewGoesOnOverTheDeathOfItsWorker(t *testing.T) {
	t.Parallel()
	files := mediatest.Serve(t, map[string]string{"a": stripes(t, mediatest.Spec{Seconds: 60, GOPSeconds: 2})})
	s := newStack(t, options{})
	id := s.push(files.URL+"/a", "r", "u", nil)
	s.look(id)
	s.addWorker()
	s.workers[0].kill()
	s.waitFor(id, "a second attempt that publishes", func(p map[string]any) bool {
		return p["attempt"] == 2.0 && p["status"] == "publishing"
	})
	again := time.Now()
	require.Eventually(t, func() bool {
		a := s.preview(id)
		return a.code == http.StatusOK && decodedAt(t, a).After(again)
	}, 2*pictureTime(), 200*time.Millisecond)
}

func TestPreviewsCanBeTurnedOff(t *testing.T) {
	t.Parallel()
	files := mediatest.Serve(t, map[string]string{"a": mediatest.Clip(t, mediatest.Spec{Seconds: 20})})
	s := newStack(t, options{env: []string{"ROOMCAST_PREVIEW=false"}})
	id := s.push(files.URL+"/a", "r", "u", nil)
	s.waitStatus(id, "publishing")
	a := s.preview(id)
	require.Equal(t, http.StatusNotFound, a.code)
	require.Equal(t, "preview_off", a.body["code"])
	keys, err := s.redis.Client(t).Keys(t.Context(), "{roomcast}:preview*").Result()
	require.NoError(t, err)
	require.Empty(t, keys)
}
