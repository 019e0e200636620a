package libav_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/egress"
	"github.com/roomcast/roomcast/media/libav"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/roomcast/roomcast/media/source"
)

// These tests play sources as a worker does: libav behind the real gate.

var everyScheme = []string{"http", "https", "rtmp", "rtmps", "rtsp", "rtsps", "srt"}

// local resolves every name to loopback.
type local struct{}

func (local) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
}

func open(t *testing.T, r media.SourceRequest, trusted ...*httptest.Server) (media.Source, error) {
	t.Helper()
	roots := x509.NewCertPool()
	for _, s := range trusted {
		roots.AddCert(s.Certificate())
	}
	g, err := egress.New(egress.Config{Schemes: everyScheme, Allow: []string{"127.0.0.0/8"}, Resolver: local{}, TLSRoots: roots})
	require.NoError(t, err)
	s, err := (&source.Opener{Network: g, Demuxer: libav.NewOpener(libav.Config{Log: slog.New(slog.DiscardHandler)}), Log: slog.New(slog.DiscardHandler)}).Open(t.Context(), r)
	if err == nil {
		t.Cleanup(func() { _ = s.Close() })
	}
	return s, err
}

func openURL(t *testing.T, address string) (media.Source, error) {
	t.Helper()
	return open(t, media.SourceRequest{URL: media.Secret(address)})
}

// drain reads to the end and returns how many packets each track had, and the
// error if it was not io.EOF.
func drain(s media.Source) ([2]int, error) {
	var count [2]int
	for {
		p, err := s.ReadPacket()
		if errors.Is(err, io.EOF) && media.KindOf(err) == media.KindInternal {
			return count, nil
		}
		if err != nil {
			return count, err
		}
		count[p.Track]++
	}
}

func ffmpeg(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffmpeg", append([]string{"-v", "error", "-nostdin", "-y"}, args...)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// files serves a folder and counts the requests for each path.
type files struct {
	*httptest.Server
	mu     sync.Mutex
	counts map[string]int
	// status, if set, may answer instead.
	status func(path string) int
}

func serve(t *testing.T, dir string, start func(http.Handler) *httptest.Server) *files {
	t.Helper()
	f := &files{counts: make(map[string]int)}
	root := http.FileServer(http.Dir(dir))
	f.Server = start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.counts[r.URL.Path]++
		status := f.status
		f.mu.Unlock()
		if status != nil {
			if code := status(r.URL.Path); code != 0 {
				w.WriteHeader(code)
				return
			}
		}
		root.ServeHTTP(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *files) requests(path string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[path]
}

// segments makes a playlist a.m3u8 of 1 s segments out of a 5 s clip.
func segments(t *testing.T, spec mediatest.Spec, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	all := append([]string{"-i", mediatest.Clip(t, spec), "-c", "copy", "-f", "hls", "-hls_time", "1", "-hls_list_size", "0",
		"-hls_playlist_type", "vod"}, args...)
	ffmpeg(t, append(all, filepath.Join(dir, "a.m3u8"))...)
	return dir
}

func TestKindsOfFilesPlayToTheirEndAndSeek(t *testing.T) {
	sound := func(codec, container string) mediatest.Spec {
		return mediatest.Spec{VideoCodec: mediatest.None, AudioCodec: codec, Container: container}
	}
	for name, spec := range map[string]mediatest.Spec{
		"webm vp8 vorbis": {VideoCodec: "vp8", AudioCodec: "vorbis", Container: "webm", Width: 160, Height: 90},
		"webm vp9 opus":   {VideoCodec: "vp9", AudioCodec: "opus", Container: "webm", Width: 160, Height: 90},
		"mkv h264 flac":   {AudioCodec: "flac", Container: "matroska"},
		"mov h264 pcm":    {AudioCodec: "pcm_s16le", Container: "mov"},
		"ts hevc ac3":     {VideoCodec: "hevc", AudioCodec: "ac3", Container: "mpegts", Width: 160, Height: 90},
		"avi mpeg4 mp3":   {VideoCodec: "mpeg4", AudioCodec: "mp3", Container: "avi"},
		"mp3":             sound("mp3", "mp3"),
		"aac":             sound("aac", "adts"),
		"m4a":             sound("aac", "ipod"),
		"wav":             sound("pcm_s16le", "wav"),
		"flac":            sound("flac", "flac"),
		"ogg opus":        sound("opus", "ogg"),
		"ogg vorbis":      sound("vorbis", "ogg"),
		"wmv":             {VideoCodec: "wmv2", AudioCodec: "wmav2", Container: "asf"},
		"wma":             sound("wmav1", "asf"),
		"aiff":            sound("pcm_s16be", "aiff"),
		"caf alac":        sound("alac", "caf"),
		"wav adpcm":       sound("adpcm_ms", "wav"),
		"mov adpcm":       sound("adpcm_ima_qt", "mov"),
	} {
		t.Run(name, func(t *testing.T) {
			clip := mediatest.Clip(t, spec)
			f := serve(t, filepath.Dir(clip), httptest.NewServer)
			s, err := openURL(t, f.URL+"/"+filepath.Base(clip))
			require.NoError(t, err)
			info := s.Info()
			require.False(t, info.Live)
			require.InDelta(t, 5, info.Duration.Seconds(), 0.3)
			count, err := drain(s)
			require.NoError(t, err)
			for i := range info.Tracks {
				require.Greater(t, count[i], 40)
			}
			require.NoError(t, s.Seek(3*time.Second))
			p, err := s.ReadPacket()
			require.NoError(t, err)
			at := p.PTS - info.StartTime
			require.Greater(t, at, 500*time.Millisecond)
			require.LessOrEqual(t, at, 3200*time.Millisecond)
			_, err = drain(s)
			require.NoError(t, err)
		})
	}
}

func TestHTTPSPlaysThroughTheGate(t *testing.T) {
	dir := segments(t, mediatest.Spec{}, "-hls_segment_type", "fmp4")
	f := serve(t, dir, httptest.NewTLSServer)
	port := f.URL[strings.LastIndexByte(f.URL, ':'):]
	list, err := os.ReadFile(filepath.Join(dir, "a.m3u8"))
	require.NoError(t, err)
	absolute := strings.ReplaceAll(string(list), "\na", "\nhttps://example.com"+port+"/a")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "b.m3u8"), []byte(absolute), 0o600))
	for _, name := range []string{"a.m3u8", "b.m3u8"} {
		s, err := open(t, media.SourceRequest{URL: media.Secret("https://example.com" + port + "/" + name)}, f.Server)
		require.NoError(t, err)
		count, err := drain(s)
		require.NoError(t, err)
		require.Equal(t, 150, count[0])
	}
	_, err = openURL(t, "https://example.com"+port+"/a.m3u8")
	require.Equal(t, media.KindSourceTLS, media.KindOf(err), "nobody vouches for it: %v", err)
}

func TestHLSInItsForms(t *testing.T) {
	for name, args := range map[string][]string{
		"ts segments":              nil,
		"fmp4 segments":            {"-hls_segment_type", "fmp4"},
		"byte ranges of one file":  {"-hls_flags", "single_file"},
		"fmp4 byte ranges":         {"-hls_segment_type", "fmp4", "-hls_flags", "single_file"},
		"a discontinuity at start": {"-hls_flags", "discont_start"},
	} {
		t.Run(name, func(t *testing.T) {
			f := serve(t, segments(t, mediatest.Spec{}, args...), httptest.NewServer)
			s, err := openURL(t, f.URL+"/a.m3u8")
			require.NoError(t, err)
			require.InDelta(t, 5, s.Info().Duration.Seconds(), 0.2)
			count, err := drain(s)
			require.NoError(t, err)
			require.Equal(t, 150, count[0])
			require.InDelta(t, 234, count[1], 4)
			require.NoError(t, s.Seek(3*time.Second))
			_, err = drain(s)
			require.NoError(t, err)
		})
	}
}

func TestTheChosenVariantAloneIsLoadedWithItsSound(t *testing.T) {
	dir := t.TempDir()
	for name, width := range map[string]int{"small": 320, "full": 640, "huge": 0} {
		spec := mediatest.Spec{Width: width, Height: width * 9 / 16}
		if width == 0 {
			spec = mediatest.Spec{Width: 320, Height: 180, FPS: 15}
		}
		ffmpeg(t, "-i", mediatest.Clip(t, spec), "-an", "-c", "copy", "-f", "hls", "-hls_time", "1", "-hls_list_size", "0",
			filepath.Join(dir, name+".m3u8"))
	}
	for _, name := range []string{"low", "high"} {
		ffmpeg(t, "-i", mediatest.Clip(t, mediatest.Spec{}), "-vn", "-c", "copy", "-f", "hls", "-hls_time", "1", "-hls_list_size", "0",
			filepath.Join(dir, name+".m3u8"))
	}
	master := "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"l\",NAME=\"a\",DEFAULT=YES,URI=\"low.m3u8\"\n" +
		"#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"h\",NAME=\"a\",DEFAULT=YES,URI=\"high.m3u8\"\n" +
		"#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=320x180,AUDIO=\"l\"\nsmall.m3u8\n" +
		"#EXT-X-STREAM-INF:BANDWIDTH=9,RESOLUTION=3840x2160,AUDIO=\"h\"\nhuge.m3u8\n" +
		"#EXT-X-STREAM-INF:BANDWIDTH=5,RESOLUTION=640x360,AUDIO=\"h\"\nfull.m3u8\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "master.m3u8"), []byte(master), 0o600))
	f := serve(t, dir, httptest.NewServer)
	s, err := open(t, media.SourceRequest{URL: media.Secret(f.URL + "/master.m3u8"), Bounds: media.Bounds{Long: 1920, Short: 1080}})
	require.NoError(t, err)
	require.Len(t, s.Info().Tracks, 2)
	require.Equal(t, 640, s.Info().Tracks[0].Width)
	count, err := drain(s)
	require.NoError(t, err)
	require.Equal(t, 150, count[0])
	require.NotZero(t, f.requests("/high0.ts"))
	for _, never := range []string{"/small.m3u8", "/huge.m3u8", "/low.m3u8", "/small0.ts", "/huge0.ts", "/low0.ts"} {
		require.Zero(t, f.requests(never), never)
	}
}

func TestSegmentsThatCannotBeHad(t *testing.T) {
	dir := segments(t, mediatest.Spec{})
	for name, c := range map[string]struct {
		status func(string) int
		open   bool // it fails while opening
		kind   media.Kind
		most   int // requests for a2.ts
	}{
		"every one forbidden": {func(p string) int { return map[bool]int{true: 403}[strings.HasSuffix(p, ".ts")] }, true, media.KindSourceUnauthorized, 0},
		"every one missing":   {func(p string) int { return map[bool]int{true: 404}[strings.HasSuffix(p, ".ts")] }, true, media.KindSourceNotFound, 1},
		"the server goes away": {func(p string) int { return map[bool]int{true: 502}[p == "/a2.ts" || p == "/a3.ts"] },
			false, media.KindSourceUnavailable, 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := serve(t, dir, httptest.NewServer)
			f.status = c.status
			s, err := openURL(t, f.URL+"/a.m3u8")
			if !c.open {
				require.NoError(t, err)
				_, err = drain(s)
			}
			require.Equal(t, c.kind, media.KindOf(err), "%v", err)
			require.Error(t, err)
			require.LessOrEqual(t, f.requests("/a2.ts"), c.most)
			require.Zero(t, f.requests("/a4.ts"), "it was skipped through")
		})
	}
	t.Run("one is missing", func(t *testing.T) {
		for _, missing := range []string{"/a2.ts", "/a4.ts"} {
			f := serve(t, dir, httptest.NewServer)
			f.status = func(p string) int { return map[bool]int{true: 404}[p == missing] }
			s, err := openURL(t, f.URL+"/a.m3u8")
			require.NoError(t, err)
			count, err := drain(s)
			require.NoError(t, err)
			require.Equal(t, 120, count[0])
		}
	})
}

func TestAnIndexThatCannotBeHadNowIsTransient(t *testing.T) {
	t.Parallel()
	clip := mediatest.Clip(t, mediatest.Spec{Args: []string{"-movflags", "-faststart"}})
	body, err := os.ReadFile(clip)
	require.NoError(t, err)
	requests := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests++; requests > 1 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		http.ServeContent(w, r, "a.mp4", time.Time{}, strings.NewReader(string(body)))
	}))
	t.Cleanup(s.Close)
	_, err = openURL(t, s.URL+"/a.mp4")
	require.Equal(t, media.KindSourceUnavailable, media.KindOf(err), "%v", err)
	require.Greater(t, requests, 1)
}

func TestSourcesThatWillNeverPlay(t *testing.T) {
	dir := t.TempDir()
	ffmpeg(t, "-i", mediatest.Clip(t, mediatest.Spec{}), "-c", "copy", "-encryption_scheme", "cenc-aes-ctr",
		"-encryption_key", "76a6c65c5ea762046bd749a2e632ccbb", "-encryption_kid", "a7e61c373e219033c21091fa607bf3b8", filepath.Join(dir, "cenc.mp4"))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "s.srt"), []byte("1\n00:00:00,000 --> 00:00:01,000\nhello\n"), 0o600))
	ffmpeg(t, "-i", filepath.Join(dir, "s.srt"), "-c:s", "mov_text", filepath.Join(dir, "words.mp4"))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "drm.m3u8"), []byte("#EXTM3U\n#EXT-X-TARGETDURATION:2\n"+
		"#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://k\",KEYFORMAT=\"com.apple.streamingkeydelivery\"\n#EXTINF:2,\na.ts\n#EXT-X-ENDLIST\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "self.m3u8"), []byte("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nself.m3u8\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "page.mp4"), []byte("<!DOCTYPE html><html><body>log in</body></html>"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "empty.mp4"), nil, 0o600))
	n := mediatest.StartNginx(t, mediatest.NginxConfig{Root: dir})
	for name, kind := range map[string]media.Kind{
		"cenc.mp4": media.KindSourceEncrypted, "drm.m3u8": media.KindSourceEncrypted,
		"words.mp4": media.KindSourceNoTrack, "page.mp4": media.KindSourceInvalid, "empty.mp4": media.KindSourceInvalid,
		"self.m3u8": media.KindSourceInvalid, "nowhere.mp4": media.KindSourceNotFound,
	} {
		t.Run(name, func(t *testing.T) {
			s, err := openURL(t, n.HTTP+"/"+name)
			if err == nil {
				_, err = s.ReadPacket()
			}
			require.Error(t, err)
			require.Equal(t, kind, media.KindOf(err), "%v", err)
		})
	}
}

func TestANewConfigurationComesWithItsPacket(t *testing.T) {
	small := mediatest.Clip(t, mediatest.Spec{Container: "flv", Width: 320, Height: 180})
	big := mediatest.Clip(t, mediatest.Spec{Container: "flv"})
	first, err := os.ReadFile(small)
	require.NoError(t, err)
	second, err := os.ReadFile(big)
	require.NoError(t, err)
	const head = 9 + 4 // the file's header and the first PreviousTagSize
	body := string(first) + string(second[head:])
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	source, err := openURL(t, s.URL+"/a.flv")
	require.NoError(t, err)
	var changes []media.Packet
	pictures := 0
	for {
		p, err := source.ReadPacket()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if p.Track == 0 {
			pictures++
		}
		if p.Extradata != nil {
			changes = append(changes, p)
			require.Equal(t, 151, pictures, "it belongs to the first packet of the new stream")
		}
	}
	require.Len(t, changes, 1)
	require.True(t, changes[0].Keyframe)
	require.NotEqual(t, source.Info().Tracks[0].Extradata, changes[0].Extradata)
}

func TestADamagedStreamPlaysOn(t *testing.T) {
	clip := mediatest.Clip(t, mediatest.Spec{Container: "mpegts"})
	body, err := os.ReadFile(clip)
	require.NoError(t, err)
	for i := 20_011; i < len(body); i += 9973 { // 1 % in runs of a hundred
		for j := i; j < min(i+100, len(body)); j++ {
			body[j] ^= 0x5a
		}
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.ts"), body, 0o600))
	source, err := openURL(t, serve(t, dir, httptest.NewServer).URL+"/a.ts")
	require.NoError(t, err)
	corrupt, whole := 0, 0
	var last time.Duration
	for {
		p, err := source.ReadPacket()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if p.Corrupt {
			corrupt++
		} else {
			whole++
		}
		last = max(last, p.PTS-source.Info().StartTime)
	}
	t.Logf("%d corrupt, %d whole", corrupt, whole)
	require.NotZero(t, corrupt)
	require.Greater(t, whole, 150)
	require.Greater(t, last, 4*time.Second)
}

func TestBasicAuthAndHeadersReachTheSource(t *testing.T) {
	clip := mediatest.Clip(t, mediatest.Spec{})
	for _, start := range []func(http.Handler) *httptest.Server{httptest.NewServer, httptest.NewTLSServer} {
		s := start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if user, password, _ := r.BasicAuth(); user != "u" || password != "canary" || r.Header.Get("X-Mine") != "1" {
				w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			http.ServeFile(w, r, clip)
		}))
		t.Cleanup(s.Close)
		scheme, at, _ := strings.Cut(s.URL, "://")
		request := media.SourceRequest{URL: media.Secret(scheme + "://u:canary@" + at + "/a.mp4"), Headers: map[string]media.Secret{"X-Mine": "1"}}
		var trusted []*httptest.Server
		if s.Certificate() != nil {
			trusted = append(trusted, s)
		}
		source, err := open(t, request, trusted...)
		require.NoError(t, err)
		require.Len(t, source.Info().Tracks, 2)
		request.URL = media.Secret(strings.Replace(request.URL.Reveal(), "canary", "wrong-canary", 1))
		_, err = open(t, request, trusted...)
		require.Equal(t, media.KindSourceUnauthorized, media.KindOf(err))
		require.NotContains(t, fmt.Sprint(err), "canary")
	}
}

// libav gives up when an answer that wants a password ignores the range.
func TestBasicAuthOfByteRanges(t *testing.T) {
	root := http.FileServer(http.Dir(segments(t, mediatest.Spec{}, "-hls_segment_type", "fmp4", "-hls_flags", "single_file")))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != "p" {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		root.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	source, err := openURL(t, strings.Replace(s.URL, "://", "://u:p@", 1)+"/a.m3u8")
	require.NoError(t, err)
	count, err := drain(source)
	require.NoError(t, err)
	require.Equal(t, 150, count[0])
}

func TestALivePlaylistGoesOnPastWhatIsMissing(t *testing.T) {
	t.Parallel()
	dir := segments(t, mediatest.Spec{})
	shown := 3
	var mu sync.Mutex
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &httptest.Server{Listener: l, Config: &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path != "/a.m3u8" {
			if r.URL.Path == "/a3.ts" {
				w.WriteHeader(http.StatusNotFound)
				return
			}
			http.ServeFile(w, r, filepath.Join(dir, r.URL.Path))
			return
		}
		w.Header().Set("Content-Type", "application/vnd.apple.mpegurl")
		_, _ = io.WriteString(w, "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:0\n")
		for i := range min(shown, 5) {
			_, _ = fmt.Fprintf(w, "#EXTINF:1,\na%d.ts\n", i)
		}
		shown++
	})}}
	s.Start()
	t.Cleanup(s.Close)
	source, err := openURL(t, s.URL+"/a.m3u8")
	require.NoError(t, err)
	require.True(t, source.Info().Live)
	var last time.Duration
	for last < 4500*time.Millisecond { // in a4.ts
		p, err := source.ReadPacket()
		require.NoError(t, err)
		last = p.PTS - source.Info().StartTime
	}
}
