package libav

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asticode/go-astiav"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	fetched "github.com/roomcast/roomcast/media/source"
)

// record returns a logger and what it wrote, a map a line. It is read after
// the stop of SetLogger, so that no lock is needed there.
func record(level slog.Level, name string) (*slog.Logger, func(*testing.T) []map[string]any) {
	var out lockedBuffer
	log := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: level})).With("log", name)
	return log, func(t *testing.T) []map[string]any {
		t.Helper()
		var lines []map[string]any
		for line := range strings.Lines(out.String()) {
			var m map[string]any
			require.NoError(t, json.Unmarshal([]byte(line), &m))
			lines = append(lines, m)
		}
		return lines
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestLinesGoToTheirSourceWithoutSecrets(t *testing.T) {
	noLeak(t)
	ts, err := os.ReadFile(clip(t, "plain.ts"))
	require.NoError(t, err)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "session=CANARY7")
		switch {
		case r.URL.Path == "/moved.m3u8":
			http.Redirect(w, r, "/a.m3u8?redirected=CANARY8", http.StatusFound)
		case strings.HasSuffix(r.URL.Path, ".m3u8"):
			w.Header().Set("Content-Type", "application/vnd.apple.mpegurl")
			_, _ = io.WriteString(w, "#EXTM3U\n#EXT-X-TARGETDURATION:20\n#EXT-X-SESSION-DATA:DATA-ID=\"CANARY9?\"\n"+
				"#EXTINF:12,\n/a.ts?segment=CANARY10\n#EXT-X-ENDLIST\n")
		default:
			_, _ = w.Write(ts)
		}
	}))
	t.Cleanup(s.Close)
	main, mainLines := record(slog.LevelDebug, "main")
	push, pushLines := record(slog.LevelDebug, "push")
	stop := SetLogger(main)
	defer stop()
	opener := &fetched.Opener{Network: plain(t), Demuxer: NewOpener(Config{Log: push}), Log: push}
	source, err := opener.Open(t.Context(), media.SourceRequest{
		URL:     media.Secret(strings.Replace(s.URL, "://", "://me:CANARY1@", 1) + "/moved.m3u8?token=CANARY2&usersig=CANARY3"),
		Headers: map[string]media.Secret{"X-Mine": "CANARY4", "Cookie": "c=CANARY5"},
	})
	require.NoError(t, err)
	readAll(t, source)
	source.Close()
	stop()
	require.NotEmpty(t, pushLines(t))
	require.Empty(t, mainLines(t), "every line knew its source")
	for _, line := range pushLines(t) {
		require.Equal(t, "libav says", line["msg"])
		require.NotContains(t, line["text"], canary)
	}
}

func TestLinesOfAPushCarryWhatItsLogWasBoundTo(t *testing.T) {
	main, mainLines := record(slog.LevelDebug, "main")
	stop := SetLogger(main)
	defer stop()
	clip(t, "plain.ts")
	source, err := NewOpener(Config{Log: main}).Demux(t.Context(), media.SourceRequest{
		URL: media.Secret(serve(t) + "/plain.ts"), Log: main.With("push_id", "source's"),
	}, &passGate{})
	require.NoError(t, err)
	track := source.Info().Tracks[0]
	source.Close()
	coder, err := NewTranscoders(TranscodeConfig{Log: main}).With(t.Context(), main.With("push_id", "coder's"), nil).Video(track, smallVideo)
	require.NoError(t, err)
	coder.Close()
	stop()
	whose := map[any]int{}
	for _, line := range mainLines(t) {
		whose[line["push_id"]]++
	}
	require.Positive(t, whose["source's"])
	require.Positive(t, whose["coder's"])
	require.Len(t, whose, 2, "every line knew its push")
}

// x264 warns that the rate it is told is above the most that it was told before.
func TestAnEncoderWarnsNobody(t *testing.T) {
	main, lines := record(slog.LevelDebug, "main")
	stop := SetLogger(main)
	defer stop()
	e, err := openVideoEncoder(smallVideo, 25, 0)
	require.NoError(t, err)
	defer e.close()
	f := astiav.AllocFrame()
	defer f.Free()
	f.SetWidth(smallVideo.Width)
	f.SetHeight(smallVideo.Height)
	f.SetPixelFormat(astiav.PixelFormatYuv420P)
	require.NoError(t, f.AllocBuffer(0))
	for i, times := range []int64{1, 2, 1, 3} {
		e.codec.SetBitRate(times * int64(smallVideo.Bitrate))
		e.codec.SetRateControlMaxRate(times * int64(smallVideo.Bitrate))
		f.SetPts(int64(i) * int64(time.Second))
		require.NoError(t, e.encode(f, func(*astiav.Packet) {}))
	}
	stop()
	warned := false
	for _, line := range lines(t) {
		warned = warned || strings.Contains(line["text"].(string), "assuming CBR")
		require.Contains(t, []string{"DEBUG", "INFO"}, line["level"], "%v", line)
	}
	require.True(t, warned)
}

func TestLevelsAreMapped(t *testing.T) {
	push, pushLines := record(slog.LevelDebug, "push")
	warn, _ := record(slog.LevelWarn, "main")
	stop := SetLogger(warn)
	_, err := NewOpener(Config{Log: push}).Demux(t.Context(), media.SourceRequest{
		URL: media.Secret(answer(t, 200, []byte("\x00\x00\x00\x10ftypisom\x00\x00\x02\x00\x00\x00\x00\x08free")) + "/a.mp4"),
	}, &passGate{})
	require.Error(t, err)
	stop()
	lines := pushLines(t)
	require.Len(t, lines, 1, "libav formats what SetLogger's logger is enabled for")
	require.Equal(t, "WARN", lines[0]["level"])
	require.Contains(t, lines[0]["item"], "mov")
	require.Contains(t, lines[0]["text"], "moov atom not found")
}

// A handler that hangs holds up neither libav nor anything else.
func TestAHangingLogHoldsNothingUp(t *testing.T) {
	release := make(chan struct{})
	hung := slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) { <-release; return len(p), nil }),
		&slog.HandlerOptions{Level: slog.LevelDebug}))
	stop := SetLogger(hung)
	defer stop()
	defer close(release)
	clip(t, "plain.ts")
	s, err := NewOpener(Config{Log: hung}).Demux(t.Context(), media.SourceRequest{URL: media.Secret(serve(t) + "/plain.ts")}, &passGate{})
	require.NoError(t, err)
	defer s.Close()
	require.NotEmpty(t, readAll(t, s))
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r rateLimit
		passed := 0
		for range 100 {
			if ok, _ := r.allow(time.Now()); ok {
				passed++
			}
		}
		require.Equal(t, linesPerScope, passed)
		time.Sleep(time.Second)
		ok, leftOut := r.allow(time.Now())
		require.True(t, ok)
		require.Equal(t, 100-linesPerScope, leftOut)
	})
}
