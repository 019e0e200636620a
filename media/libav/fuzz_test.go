package libav_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	bombs "github.com/roomcast/roomcast/internal/hostile"
	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/egress"
	"github.com/roomcast/roomcast/media/libav"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/roomcast/roomcast/media/source"
)

// What a file may cost at most, whatever is in it.
const (
	fuzzMemory  = 256 << 20
	fuzzTime    = 5 * time.Second        // of the context that it is opened with
	fuzzLate    = 700 * time.Millisecond // 200 ms, and what a busy machine adds
	fuzzPackets = 200
)

// small is a clip of which there is little to change and much to find.
func small(container, video, audio string, args ...string) mediatest.Spec {
	return mediatest.Spec{Seconds: 2, Width: 96, Height: 64, FPS: 10, Container: container, VideoCodec: video, AudioCodec: audio, Args: args}
}

// fuzzSeeds are honest files of each container.
var fuzzSeeds = map[string][]mediatest.Spec{
	"mp4": {
		small("mp4", "", ""), small("mp4", "", "", "-movflags", "+frag_keyframe+empty_moov"), small("mov", "prores", "pcm_s16le"),
		small("mp4", "hevc", "", "-x265-params", "log-level=error"),
	},
	"mkv": {small("matroska", "", ""), small("webm", "vp8", "libopus")},
	"ts":  {small("mpegts", "", ""), small("mpegts", "mpeg2video", "mp2")},
	"flv": {small("flv", "", "", "-flvflags", "add_keyframe_index"), small("flv", "flv", "libmp3lame", "-ar", "44100")},
	"avi": {small("avi", "", "libmp3lame"), small("avi", "mjpeg", "pcm_s16le"), small("avi", "mpeg4", "ac3")},
	"ogg": {small("ogg", "theora", "vorbis"), small("ogg", mediatest.None, "opus")},
	"sound": {
		small("mp3", mediatest.None, "mp3", "-metadata", "title=t"), small("flac", mediatest.None, "flac"), small("wav", mediatest.None, "pcm_s24le"),
		small("adts", mediatest.None, "aac"), small("aiff", mediatest.None, "pcm_s16be"), small("caf", mediatest.None, "alac"),
	},
	"asf": {small("asf", "wmv2", "wmav2"), small("asf", "msmpeg4", "wmav2")},
}

const fuzzPlaylist = `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-KEY:METHOD=NONE
#EXTINF:2.0,
a0.ts
#EXT-X-DISCONTINUITY
#EXT-X-BYTERANGE:10000@0
#EXTINF:2.0,
a1.ts
#EXTINF:2.0,
a2.ts
#EXT-X-ENDLIST
`

func seedsOf(t testing.TB, kind string) [][]byte {
	if kind == "hls" {
		return [][]byte{[]byte(fuzzPlaylist)}
	}
	var all [][]byte
	for _, s := range fuzzSeeds[kind] {
		b, err := os.ReadFile(mediatest.Clip(t, s))
		require.NoError(t, err)
		all = append(all, b)
	}
	return all
}

// rig opens files from memory as a worker opens sources.
type rig struct {
	opener media.Opener
	url    string
	file   atomic.Pointer[[]byte]
	parts  []byte // what all other addresses answer
}

func newRig(t testing.TB, parts []byte) *rig {
	g, err := egress.New(egress.Config{Schemes: everyScheme, Allow: []string{"127.0.0.0/8"}, Resolver: local{}})
	require.NoError(t, err)
	log := slog.New(slog.DiscardHandler)
	r := &rig{opener: &source.Opener{Network: g, Demuxer: libav.NewOpener(libav.Config{Log: log}), Log: log}, parts: parts}
	s := httptest.NewServer(r)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	r.url = s.URL + "/file"
	return r
}

func (r *rig) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body := r.parts
	if q.URL.Path == "/file" {
		body = *r.file.Load()
	}
	if strings.HasPrefix(string(body[:min(7, len(body))]), "#EXTM3U") {
		w.Header().Set("Content-Type", "application/vnd.apple.mpegurl")
	}
	http.ServeContent(w, q, "file", time.Time{}, strings.NewReader(string(body)))
}

// read opens a file and reads some of it. It returns what is wrong with that,
// which is never that the file is broken.
func (r *rig) read(t testing.TB, file []byte) error {
	r.file.Store(&file)
	debug.FreeOSMemory()
	require.NoError(t, os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)) // begins VmHWM anew
	before := status(t, "VmRSS")
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), fuzzTime)
	defer cancel()
	var err error
	opened, openErr := r.opener.Open(ctx, media.SourceRequest{URL: media.Secret(r.url)})
	if openErr == nil {
		for range fuzzPackets {
			if _, openErr = opened.ReadPacket(); openErr != nil && !errors.Is(openErr, media.ErrLateVideo) {
				break
			}
		}
		opened.Close()
	} else if media.KindOf(openErr) == media.KindInternal && ctx.Err() == nil {
		err = fmt.Errorf("it is taken for a fault of ours: %w", openErr)
	}
	if took := time.Since(began); took > fuzzTime+fuzzLate {
		err = fmt.Errorf("it took %v", took)
	}
	if grown := status(t, "VmHWM") - before; grown > fuzzMemory {
		err = fmt.Errorf("it took %d MB", grown>>20)
	}
	return err
}

// fuzz is the target of a container: a file of its own, or with a change the
// changed one of the clips that it counts.
func fuzz(f *testing.F, kind string) {
	seeds := seedsOf(f, kind)
	f.Add([]byte{}, uint8(0), uint64(0)) // no change
	for i, s := range seeds {
		if len(s) < 16<<10 {
			f.Add(s, uint8(0), uint64(0))
		}
		for change := range uint64(4) {
			f.Add([]byte{}, uint8(i), change+1)
		}
	}
	r := newRig(f, seedsOf(f, "ts")[0])
	f.Fuzz(func(t *testing.T, file []byte, clip uint8, change uint64) {
		if change != 0 {
			file = bombs.Mutate(seeds[int(clip)%len(seeds)], change)
		}
		require.NoError(t, r.read(t, file))
	})
}

func FuzzMP4(f *testing.F)      { fuzz(f, "mp4") }
func FuzzMatroska(f *testing.F) { fuzz(f, "mkv") }
func FuzzTS(f *testing.F)       { fuzz(f, "ts") }
func FuzzFLV(f *testing.F)      { fuzz(f, "flv") }
func FuzzAVI(f *testing.F)      { fuzz(f, "avi") }
func FuzzOgg(f *testing.F)      { fuzz(f, "ogg") }
func FuzzSound(f *testing.F)    { fuzz(f, "sound") }
func FuzzASF(f *testing.F)      { fuzz(f, "asf") }
func FuzzHLS(f *testing.F)      { fuzz(f, "hls") }

// TestChaosFiveHundredChangedFilesLeaveNothing reads changed clips of all
// containers, one after another.
func TestChaosFiveHundredChangedFilesLeaveNothing(t *testing.T) {
	files := 30
	if full {
		files = 500
	}
	kinds := []string{"mp4", "mkv", "ts", "flv", "avi", "ogg", "sound", "asf", "hls"}
	seeds := map[string][][]byte{}
	for _, k := range kinds {
		seeds[k] = seedsOf(t, k)
	}
	r := newRig(t, seeds["ts"][0])
	var once sync.Once
	var used int
	for n := range files {
		if n >= files/5 { // all kinds have been there
			once.Do(func() { used, _ = libav.Heap() })
		}
		kind := kinds[n%len(kinds)]
		clips := seeds[kind]
		err := r.read(t, bombs.Mutate(clips[n/len(kinds)%len(clips)], uint64(n+1)))
		if err != nil {
			t.Errorf("%s, change %d: %v", kind, n+1, err)
		}
	}
	now, _ := libav.Heap()
	t.Logf("RESULT %d changed files: C memory grew by %d kB", files, (now-used)>>10)
	require.Less(t, now-used, 2<<20)
}
