package libav_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/mediatest"
)

// ladder is a master playlist of three sizes in folders of their own, with
// their resolutions or without.
func ladder(t *testing.T, resolutions bool) string {
	t.Helper()
	dir := t.TempDir()
	master := "#EXTM3U\n"
	for _, v := range []struct{ name, size string }{{"s", "160x90"}, {"m", "320x180"}, {"l", "640x360"}} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, v.name), 0o755))
		ffmpeg(t, "-i", mediatest.Clip(t, mediatest.Spec{}), "-c:a", "copy", "-c:v", "libx264", "-preset", "ultrafast", "-g", "30", "-s", v.size,
			"-f", "hls", "-hls_time", "1", "-hls_list_size", "0", "-hls_playlist_type", "vod", filepath.Join(dir, v.name, "a.m3u8"))
		master += "#EXT-X-STREAM-INF:BANDWIDTH=" + v.size[:3] + "000"
		if resolutions {
			master += ",RESOLUTION=" + v.size
		}
		master += "\n" + v.name + "/a.m3u8\n"
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "master.m3u8"), []byte(master), 0o600))
	return dir
}

func TestAVariantThatFailsIsReplacedByTheNextBest(t *testing.T) {
	dir := ladder(t, true)
	for name, c := range map[string]struct {
		status map[string]int
		width  int
		kind   media.Kind
		empty  string // variants whose segments hold nothing
	}{
		"all there":             {nil, 640, 0, ""},
		"the best missing":      {map[string]int{"/l/a.m3u8": 404}, 320, 0, ""},
		"two failing":           {map[string]int{"/l/a.m3u8": 503, "/m/a.m3u8": 403}, 160, 0, ""},
		"all missing":           {map[string]int{"/l/a.m3u8": 404, "/m/a.m3u8": 404, "/s/a.m3u8": 404}, 0, media.KindSourceNotFound, ""},
		"a password is missing": {map[string]int{"/l/a.m3u8": 401}, 0, media.KindSourceUnauthorized, ""},
		"the best is no media":  {nil, 320, 0, "l"},
		"none is media":         {nil, 0, media.KindSourceInvalid, "lms"},
	} {
		t.Run(name, func(t *testing.T) {
			f := serve(t, dir, httptest.NewServer)
			f.status = func(p string) int {
				if strings.Contains(c.empty, p[1:2]) && strings.HasSuffix(p, ".ts") {
					return http.StatusOK // and no more
				}
				return c.status[p]
			}
			s, err := openURL(t, f.URL+"/master.m3u8")
			if c.width == 0 {
				require.Equal(t, c.kind, media.KindOf(err), "%v", err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.width, s.Info().Tracks[0].Width)
			count, err := drain(s)
			require.NoError(t, err)
			require.Equal(t, 150, count[0])
		})
	}
}

func TestOfVariantsWithoutSizesTheBiggestIsPlayed(t *testing.T) {
	f := serve(t, ladder(t, false), httptest.NewServer)
	s, err := openURL(t, f.URL+"/master.m3u8")
	require.NoError(t, err)
	require.Len(t, s.Info().Tracks, 2)
	require.Equal(t, 640, s.Info().Tracks[0].Width)
	count, err := drain(s)
	require.NoError(t, err)
	require.Equal(t, 150, count[0])
	require.InDelta(t, 234, count[1], 4)
}

func TestAPlaylistIsPlayedWhateverItsServerCallsIt(t *testing.T) {
	dir := segments(t, mediatest.Spec{})
	for _, contentType := range []string{"text/plain; charset=utf-8", "application/octet-stream", ""} {
		t.Run(contentType, func(t *testing.T) {
			root := http.FileServer(http.Dir(dir))
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/play" {
					root.ServeHTTP(w, r)
					return
				}
				w.Header()["Content-Type"] = nil
				if contentType != "" {
					w.Header().Set("Content-Type", contentType)
				}
				http.ServeFile(w, r, filepath.Join(dir, "a.m3u8"))
			}))
			t.Cleanup(server.Close)
			s, err := openURL(t, server.URL+"/play?id=1")
			require.NoError(t, err)
			require.Equal(t, "hls", s.Info().Container)
			count, err := drain(s)
			require.NoError(t, err)
			require.Equal(t, 150, count[0])
			require.NoError(t, s.Seek(3*time.Second))
			_, err = drain(s)
			require.NoError(t, err)
		})
	}
}
