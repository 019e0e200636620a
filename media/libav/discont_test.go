package libav_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/mediatest"
)

// change serves a playlist of two recordings in fragmented MP4, of five seconds
// each. A live one grows by a segment a request.
func change(t *testing.T, sizes [2]string, isLive bool) string {
	t.Helper()
	dir := t.TempDir()
	for i, size := range sizes {
		part := filepath.Join(dir, fmt.Sprint(i))
		require.NoError(t, os.Mkdir(part, 0o755))
		ffmpeg(t, "-i", mediatest.Clip(t, mediatest.Spec{}), "-c:a", "copy", "-c:v", "libx264", "-preset", "ultrafast", "-g", "30", "-s", size,
			"-f", "hls", "-hls_time", "1", "-hls_list_size", "0", "-hls_segment_type", "fmp4", "-hls_playlist_type", "vod", filepath.Join(part, "x.m3u8"))
	}
	files := http.FileServer(http.Dir(dir))
	var known atomic.Int32
	known.Store(10)
	if isLive {
		known.Store(4)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/a.m3u8" {
			files.ServeHTTP(w, r)
			return
		}
		var b strings.Builder
		b.WriteString("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-MAP:URI=\"0/init.mp4\"\n")
		for i := range min(known.Add(1), 10) {
			if i == 5 {
				b.WriteString("#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"1/init.mp4\"\n")
			}
			fmt.Fprintf(&b, "#EXTINF:1,\n%d/x%d.m4s\n", i/5, i%5)
		}
		if !isLive {
			b.WriteString("#EXT-X-ENDLIST\n")
		}
		w.Header().Set("Content-Type", "application/vnd.apple.mpegurl")
		_, _ = w.Write([]byte(b.String()))
	}))
	t.Cleanup(s.Close)
	return s.URL + "/a.m3u8"
}

func TestFragmentedMP4ThatChangesItsSizeGoesOn(t *testing.T) {
	t.Parallel()
	for name, isLive := range map[string]bool{"live": true, "a recording": false} {
		t.Run(name, func(t *testing.T) {
			s, err := openURL(t, change(t, [2]string{"320x180", "640x360"}, isLive))
			require.NoError(t, err)
			require.Equal(t, isLive, s.Info().Live)
			require.Equal(t, 320, s.Info().Tracks[0].Width)
			before, after := 0, 0
			for before+after < 150+90 {
				p, err := s.ReadPacket()
				require.NoError(t, err)
				switch {
				case s.Info().Tracks[p.Track].Type != media.Video:
				case s.Info().Tracks[p.Track].Width == 320:
					before++
				default:
					if after++; after == 1 {
						require.NotNil(t, p.Change)
						require.True(t, p.Keyframe)
						require.Equal(t, 640, p.Change.Width)
						require.NotEmpty(t, p.Change.Extradata)
					}
				}
			}
			if isLive {
				return
			}
			require.Equal(t, 150, before)
			require.NoError(t, s.Seek(7*time.Second))
			require.Equal(t, 640, s.Info().Tracks[0].Width)
			require.NoError(t, s.Seek(2*time.Second))
			require.Equal(t, 320, s.Info().Tracks[0].Width)
		})
	}
}

func TestFragmentedMP4ThatKeepsItsEncodingGoesOn(t *testing.T) {
	s, err := openURL(t, change(t, [2]string{"320x180", "320x180"}, false))
	require.NoError(t, err)
	count, err := drain(s)
	require.NoError(t, err)
	require.Equal(t, 300, count[0])
}
