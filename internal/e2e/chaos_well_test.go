package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media/mediatest"
)

// wellKind is a kind of push that is well and could look as if it were not.
type wellKind struct {
	name    string
	source  func(t testing.TB) string
	request fields
}

func servedClip(s mediatest.Spec) func(t testing.TB) string {
	return func(t testing.TB) string {
		return mediatest.Serve(t, map[string]string{"a": mediatest.Clip(t, s)}).URL + "/a"
	}
}

var wellKinds = []wellKind{
	{"a file", servedClip(mediatest.Spec{Seconds: 20, Width: 320, Height: 180, FPS: 15}), fields{"repeat": -1}},
	{"a live RTMP stream", func(t testing.TB) string { return liveSource(&scene{t: t}) }, nil},
	{"a live playlist of segments of 6 s", longSegments, nil},
	{"slides 5 s apart", servedClip(mediatest.Spec{Seconds: 120, Width: 320, Height: 180, FPS: 5, GOPSeconds: 0.2, Args: []string{"-r", "1/5"}}), nil},
	{"sound with a picture made for it", servedClip(mediatest.Spec{Seconds: 120, VideoCodec: mediatest.None}), fields{"fillVideo": true}},
	{"a file that is re-encoded", servedClip(mediatest.Spec{Seconds: 20, Width: 160, Height: 90, FPS: 10}), fields{"repeat": -1, "transcode": "always"}},
}

// longSegments is a live playlist that has something new every 6 s.
func longSegments(t testing.TB) string {
	dir := t.TempDir()
	clip := mediatest.Clip(t, mediatest.Spec{Seconds: 60, Width: 320, Height: 180, FPS: 15})
	p := mediatest.FFmpeg(t, "-re", "-stream_loop", "-1", "-i", clip, "-c", "copy", "-f", "hls", "-hls_time", "6", "-hls_list_size", "4",
		"-hls_flags", "delete_segments+temp_file", filepath.Join(dir, "live.m3u8"))
	t.Cleanup(p.Kill) // before the folder goes
	require.Eventually(t, func() bool {
		list, _ := os.ReadFile(filepath.Join(dir, "live.m3u8"))
		return strings.Count(string(list), ".ts") >= 3
	}, 2*patience, 100*time.Millisecond)
	return mediatest.ServeFolder(t, dir) + "/live.m3u8"
}

// mayStand is how long this machine may stand still, between two of a hundred
// looks a second, before pushes that play in it are slow indeed.
const mayStand = 300 * time.Millisecond

// A trouble that is none would be cried at each of the surfaces.
func TestChaosPushesThatAreWellAreNeverInTrouble(t *testing.T) {
	beside(t)
	each, watched := 1, 2*time.Second+8*time.Second // a trouble takes up to eight to be one
	if full {
		each, watched = 20, time.Minute
	}
	for _, kind := range wellKinds {
		t.Run(kind.name, func(t *testing.T) {
			if !full {
				t.Parallel()
			}
			src := kind.source(t)
			s := newStack(t, options{forget: true})
			require.Eventually(t, func() bool { // the worker has told that it is there
				return len(objects(s.do(http.MethodGet, "/v1/workers", nil).body, "workers")) == 1
			}, patience, 20*time.Millisecond)
			heard := s.listen()
			noise := mediatest.WatchNoise(t)
			var ids []string
			for n := range each {
				ids = append(ids, s.push(src, "room", fmt.Sprintf("u%d", n), kind.request))
			}
			for n, id := range ids {
				_, err := s.room.WaitMedia(patient(t), fmt.Sprintf("u%d", n), time.Second)
				require.NoError(t, err)
				s.waitStatus(id, "publishing")
			}
			if full { // to start so many is no noise
				noise = mediatest.WatchNoise(t)
			}
			<-time.After(watched)
			stood := noise()
			troubles := map[string]int{}
			for _, id := range ids {
				s.waitStatus(id, "publishing")
				for line := range strings.Lines(s.history(id)) {
					if strings.HasPrefix(line, "trouble") {
						troubles[strings.TrimSpace(line)]++
					}
				}
			}
			result(t, "%d pushes for %v: troubles %v; this machine stood still for up to %v", each, watched, troubles, stood.Round(time.Millisecond))
			if stood < mayStand {
				require.Empty(t, troubles)
				require.NotContains(t, heard.String(), "event: trouble\n")
			}
		})
	}
}
