package libav_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	bombs "github.com/roomcast/roomcast/internal/hostile"
	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/libav"
	"github.com/roomcast/roomcast/media/mediatest"
)

// full says that the tests run at full size: `make chaos`.
var full = os.Getenv("CHAOS") == "full"

// largest is an honest source of the largest kind people have.
type largest struct {
	name   string
	source func(t *testing.T) string // its address
	long   time.Duration             // its length, 0 for a short clip
	audio  int                       // tracks of sound
}

func largestSources() []largest {
	hours := func(n time.Duration) time.Duration {
		if full {
			return n * time.Hour
		}
		return n * 5 * time.Minute // a twelfth
	}
	clip := func(s mediatest.Spec) func(*testing.T) string {
		return func(t *testing.T) string {
			return mediatest.Serve(t, map[string]string{"a": mediatest.Clip(t, s)}).URL + "/a"
		}
	}
	uhd := func(pixels string) mediatest.Spec {
		return mediatest.Spec{Seconds: 2, Width: 3840, Height: 2160, FPS: 10, VideoCodec: "hevc",
			Args: []string{"-pix_fmt", pixels, "-preset", "ultrafast", "-tag:v", "hvc1", "-x265-params", "log-level=error"}}
	}
	return []largest{
		{"an mp4 of 12 h at 60 fps", longMP4(hours(12)), hours(12), 1},
		{"a playlist of 24 h with segments of 4 s", longPlaylist(hours(24)), hours(24), 1},
		{"HEVC of 3840x2160, Main", clip(uhd("yuv420p")), 0, 1},
		{"HEVC of 3840x2160, Main 10", clip(uhd("yuv420p10le")), 0, 1},
		{"an mp4 with 16 tracks of sound", clip(sixteen("mp4")), 0, 16},
		{"an mkv with 16 tracks of sound", clip(sixteen("matroska")), 0, 16},
	}
}

func sixteen(container string) mediatest.Spec {
	args := []string{"-map", "0:v"}
	for range 16 {
		args = append(args, "-map", "1:a")
	}
	return mediatest.Spec{Container: container, Args: args}
}

func longMP4(long time.Duration) func(*testing.T) string {
	return func(t *testing.T) string {
		clip := mediatest.Clip(t, mediatest.Spec{Seconds: 8, Width: 320, Height: 180, FPS: 60, BFrames: 2, Container: "flv"})
		flv, err := os.ReadFile(clip)
		require.NoError(t, err)
		body, err := bombs.LongMP4(flv, 60, long)
		require.NoError(t, err)
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "a.mp4", time.Time{}, body.Reader())
		}))
		t.Cleanup(s.Close)
		return s.URL + "/a.mp4"
	}
}

// longPlaylist serves the same few segments under many names.
func longPlaylist(long time.Duration) func(*testing.T) string {
	return func(t *testing.T) string {
		const each, segments = 4, 10
		dir := t.TempDir()
		clip := mediatest.Clip(t, mediatest.Spec{Seconds: each * segments, Width: 320, Height: 180})
		ffmpeg(t, "-i", clip, "-c", "copy", "-f", "hls", "-hls_time", fmt.Sprint(each), "-hls_list_size", "0",
			"-hls_segment_filename", filepath.Join(dir, "%d.ts"), filepath.Join(dir, "a.m3u8"))
		var list strings.Builder
		fmt.Fprintf(&list, "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:%d\n#EXT-X-PLAYLIST-TYPE:VOD\n", each)
		for i := range int(long/time.Second) / each {
			if i > 0 && i%segments == 0 {
				list.WriteString("#EXT-X-DISCONTINUITY\n")
			}
			fmt.Fprintf(&list, "#EXTINF:%d.000,\nrecording-2026-11-28-%06d.ts\n", each, i)
		}
		list.WriteString("#EXT-X-ENDLIST\n")
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var n int
			if _, err := fmt.Sscanf(r.URL.Path, "/recording-2026-11-28-%d.ts", &n); err != nil {
				w.Header().Set("Content-Type", "application/vnd.apple.mpegurl")
				_, _ = io.WriteString(w, list.String())
				return
			}
			http.ServeFile(w, r, filepath.Join(dir, fmt.Sprintf("%d.ts", n%segments)))
		}))
		t.Cleanup(s.Close)
		return s.URL + "/a.m3u8"
	}
}

// TestChaosTheLargestThatPeopleHavePlays opens them, plays the first seconds
// and some in the middle.
func TestChaosTheLargestThatPeopleHavePlays(t *testing.T) {
	for _, l := range largestSources() {
		t.Run(l.name, func(t *testing.T) {
			address := l.source(t)
			peak := watchMemory(t)
			began := time.Now()
			source, err := openURL(t, address)
			require.NoError(t, err)
			opened := time.Since(began)
			atOpen := peak.c()
			requirePlays(t, source, 3*time.Second)
			if l.long > 0 {
				require.InDelta(t, l.long.Seconds(), source.Info().Duration.Seconds(), 10)
				require.NoError(t, source.Seek(l.long/2))
				p := requirePlays(t, source, 3*time.Second)
				require.InDelta(t, (l.long / 2).Seconds(), (p.PTS - source.Info().StartTime).Seconds(), 20)
			}
			t.Logf("RESULT %-42s opened in %5.2f s; C memory at its peak %3d MB while opening, %3d MB in all; resident +%d MB",
				l.name, opened.Seconds(), atOpen>>20, peak.c()>>20, peak.resident()>>20)
		})
	}
}

// requirePlays reads packets of both tracks until they cover d, or the end,
// and returns the first.
func requirePlays(t *testing.T, source media.Source, d time.Duration) media.Packet {
	t.Helper()
	var first media.Packet
	var last time.Duration
	seen := map[int]int{}
	for n := 0; ; n++ {
		p, err := source.ReadPacket()
		if err == io.EOF { //nolint:errorlint // a clip's end, as it is
			break
		}
		require.NoError(t, err)
		if n == 0 {
			first = p
		}
		seen[p.Track]++
		if last = max(last, p.PTS); last-first.PTS >= d && len(seen) == 2 {
			break
		}
	}
	require.Len(t, seen, 2, "both tracks")
	return first
}

// memory is the most memory there was since it was watched, over what there was.
type memory struct {
	t      *testing.T
	before int // of C
	rss    int
	mu     sync.Mutex
	most   int
}

// watchMemory looks at C's heap every few milliseconds until the test's end.
func watchMemory(t *testing.T) *memory {
	t.Helper()
	debug.FreeOSMemory()
	used, _ := libav.Heap()
	m := &memory{t: t, before: used, most: used}
	require.NoError(t, os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)) // begins VmHWM anew
	m.rss = status(t, "VmRSS")
	quit := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				m.look()
			}
		}
	})
	t.Cleanup(func() { close(quit); running.Wait() })
	return m
}

func (m *memory) look() int {
	used, _ := libav.Heap()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.most = max(m.most, used)
	return m.most
}

func (m *memory) c() int { return m.look() - m.before }

func (m *memory) resident() int { return status(m.t, "VmHWM") - m.rss }

// status returns a line of /proc/self/status, in bytes.
func status(t testing.TB, name string) int {
	t.Helper()
	raw, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			var kb int
			_, err := fmt.Sscanf(rest, "%d kB", &kb)
			require.NoError(t, err)
			return kb << 10
		}
	}
	t.Fatalf("no %s", name)
	return 0
}
