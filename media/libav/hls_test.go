package libav

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// hls makes a playlist of 2 s segments, encrypted with AES-128, in a folder of
// its own, and returns the folder.
func hls(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	key := filepath.Join(dir, "k.bin")
	require.NoError(t, os.WriteFile(key, []byte("0123456789abcdef"), 0o600))
	info := filepath.Join(dir, "key.info")
	require.NoError(t, os.WriteFile(info, []byte("k.bin?sign=1\n"+key+"\n"), 0o600))
	ffmpeg(t, "-v", "error", "-nostdin", "-i", clip(t, "plain.mp4"), "-c", "copy", "-f", "hls", "-hls_time", "2",
		"-hls_list_size", "0", "-hls_key_info_file", info, filepath.Join(dir, "a.m3u8"))
	return dir
}

func TestAnEncryptedPlaylistWithAnEnd(t *testing.T) {
	s := httptest.NewServer(http.FileServer(http.Dir(hls(t))))
	t.Cleanup(s.Close)
	source, err := open(t, s.URL+"/a.m3u8")
	require.NoError(t, err)
	info := source.Info()
	require.Equal(t, "hls", info.Container)
	require.False(t, info.Live)
	require.InDelta(t, clipSeconds, info.Duration.Seconds(), 0.2)
	require.Len(t, info.Tracks, 2)
	requirePackets(t, info, readAll(t, source))
	require.NoError(t, source.Seek(5*time.Second))
	p := firstVideo(t, source)
	require.True(t, p.Keyframe)
	require.InDelta(t, 4, (p.PTS - info.StartTime).Seconds(), 0.1)
}

func TestAPlaylistWithoutAnEndIsLive(t *testing.T) {
	files := http.FileServer(http.Dir(hls(t)))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		files.ServeHTTP(rec, r)
		w.WriteHeader(rec.Code)
		_, _ = io.WriteString(w, strings.ReplaceAll(rec.Body.String(), "#EXT-X-ENDLIST\n", ""))
	}))
	t.Cleanup(s.Close)
	source, err := open(t, s.URL+"/a.m3u8")
	require.NoError(t, err)
	require.True(t, source.Info().Live)
	require.Error(t, source.Seek(0))
}

func TestAStreamOfUnknownLengthIsLive(t *testing.T) {
	clip(t, "plain.ts")
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		f, err := os.Open(filepath.Join(clips.dir, "plain.ts"))
		if err == nil {
			defer f.Close()
			_, _ = io.Copy(struct{ io.Writer }{w}, f) // chunked
		}
	}))
	t.Cleanup(s.Close)
	source, err := open(t, s.URL+"/a.ts")
	require.NoError(t, err)
	require.True(t, source.Info().Live)
}

func TestADownloadWhoseLengthIsToldIsNotLiveThoughItCannotGoBack(t *testing.T) {
	clip(t, "plain.ts")
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		data, _ := os.ReadFile(filepath.Join(clips.dir, "plain.ts"))
		w.Header().Set("Accept-Ranges", "none")
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		_, _ = w.Write(data)
	}))
	t.Cleanup(s.Close)
	source, err := open(t, s.URL+"/a.ts")
	require.NoError(t, err)
	require.False(t, source.Info().Live)
}
