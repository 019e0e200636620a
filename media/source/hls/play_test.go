package hls

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/roomcast/roomcast/media"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// net answers requests without a network, and keeps what was asked for.
type net struct {
	mu     sync.Mutex
	asked  []string
	packed int // that were asked for compressed
	files  map[string]string
	answer func(path string) (status int, body string, known bool)
	hangs  func(path string) bool
	stood  Stood
}

func (n *net) RoundTrip(r *http.Request) (*http.Response, error) {
	if n.hangs != nil && n.hangs(r.URL.Path) {
		<-r.Context().Done()
		return nil, context.Cause(r.Context())
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, r.URL.Path)
	n.packed += len(r.Header["Accept-Encoding"])
	status, body, known := 0, "", false
	if n.answer != nil {
		status, body, known = n.answer(r.URL.Path)
	}
	if !known {
		if body, known = n.files[r.URL.Path]; known {
			status = http.StatusOK
		} else {
			status = http.StatusNotFound
		}
	}
	head := http.Header{}
	if status == http.StatusFound {
		head.Set("Location", body)
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Header: head, Request: r, ContentLength: int64(len(body))}, nil
}

func (n *net) count(path string) (count int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.asked {
		if p == path {
			count++
		}
	}
	return count
}

// lineDemuxer reads segments of lines: "tracks va 320" tells what there is, "v 40" and
// "a 20" are packets of these milliseconds, each of 20.
type lineDemuxer struct{}

type lineSource struct {
	lines *bufio.Scanner
	way   media.Way
	info  media.SourceInfo
}

func (lineDemuxer) Demux(ctx context.Context, r media.SourceRequest, gate media.Gate) (media.Source, error) {
	way, err := gate.Open(ctx, r)
	if err != nil {
		return nil, err
	}
	s := &lineSource{lines: bufio.NewScanner(way.Bytes), way: way}
	var tracks string
	var width int
	if !s.lines.Scan() {
		return nil, s.end()
	}
	if _, err := fmt.Sscanf(s.lines.Text(), "tracks %s %d", &tracks, &width); err != nil {
		return nil, &media.Error{Kind: media.KindSourceInvalid, Op: "probe", Err: errors.New(s.lines.Text())}
	}
	for _, c := range tracks {
		if c == 'v' {
			s.info.Tracks = append(s.info.Tracks, media.Track{Type: media.Video, Codec: "h264", Width: width, Height: 9})
		} else {
			s.info.Tracks = append(s.info.Tracks, media.Track{Type: media.Audio, Codec: "aac", SampleRate: 48000})
		}
	}
	s.info.Container = "mov"
	return s, nil
}

func (s *lineSource) end() error {
	if err := s.way.Refusal(); err != nil {
		return err
	}
	if err := s.lines.Err(); err != nil {
		return err
	}
	return io.EOF
}

func (s *lineSource) Info() media.SourceInfo { return s.info }

func (s *lineSource) Seek(time.Duration) error { return errors.ErrUnsupported }
func (s *lineSource) Close() error             { return nil }

func (s *lineSource) ReadPacket() (media.Packet, error) {
	for s.lines.Scan() {
		var c rune
		var at int
		if _, err := fmt.Sscanf(s.lines.Text(), "%c %d", &c, &at); err != nil || c != 'v' && c != 'a' {
			continue
		}
		kind := map[rune]media.MediaType{'v': media.Video, 'a': media.Audio}[c]
		track := slices.IndexFunc(s.info.Tracks, func(t media.Track) bool { return t.Type == kind })
		ms := time.Duration(at) * time.Millisecond
		return media.Packet{Track: track, PTS: ms, DTS: ms, Duration: 20 * time.Millisecond, Keyframe: c == 'v', Data: []byte(s.lines.Text())}, nil
	}
	return media.Packet{}, s.end()
}

// part is a segment of one second, of a picture and a sound each 500 ms.
func second(at int) string {
	return fmt.Sprintf("tracks va 320\nv %d\na %d\nv %d\na %d\n", at, at, at+500, at+500)
}

func openList(ctx context.Context, n *net, r media.SourceRequest, path string) (*Source, error) {
	f := &fetcher{client: &http.Client{Transport: n}, explain: explain, silence: 10 * time.Second}
	p, err := f.playlist(ctx, "http://a.example"+path)
	if err != nil {
		return nil, err
	}
	return Open(ctx, Config{Client: f.client, Demuxer: lineDemuxer{}, Explain: explain, Silence: f.silence, Stood: &n.stood, Log: slog.New(slog.DiscardHandler)}, r, p)
}

func explain(answer *http.Response) error {
	kind, text := media.OfStatus(answer.StatusCode)
	return &media.Error{Kind: kind, Op: opOpen, Err: media.Because(text, nil)}
}

// drainList is drain of what the playlist /a.m3u8 leads to, which opens.
func drainList(t *testing.T, n *net) (at []int, changes []media.Track, err error) {
	t.Helper()
	s, err := openList(t.Context(), n, media.SourceRequest{}, "/a.m3u8")
	require.NoError(t, err)
	defer s.Close()
	return drain(s)
}

// drain reads to the end: the milliseconds of pictures.
func drain(s *Source) (at []int, changes []media.Track, err error) {
	for {
		p, err := s.ReadPacket()
		if errors.Is(err, io.EOF) && media.KindOf(err) == media.KindInternal {
			return at, changes, nil
		}
		if err != nil {
			return at, changes, err
		}
		if p.Change != nil {
			changes = append(changes, *p.Change)
		}
		if s.Info().Tracks[p.Track].Type == media.Video {
			at = append(at, int(p.DTS/time.Millisecond))
		}
	}
}

func TestWhatARecordingSkipsKeepsItsTime(t *testing.T) {
	const gap = "#EXT-X-GAP\n"
	long := "#EXTINF:11,\nbig.seg\n"
	for name, c := range map[string]struct {
		list   string
		status map[string]int
		want   []int
		kind   media.Kind
	}{
		"a gap whose segment is forbidden": {"#EXTINF:1,\n0.seg\n" + gap + "#EXTINF:1,\n1.seg\n#EXTINF:1,\n2.seg\n", map[string]int{"/1.seg": 403}, []int{0, 500, 2000, 2500}, 0},
		"three gaps in a row":              {"#EXTINF:1,\n0.seg\n" + strings.Repeat(gap+"#EXTINF:1,\nx.seg\n", 3) + "#EXTINF:1,\n4.seg\n", nil, []int{0, 500, 4000, 4500}, 0},
		"a long gap":                       {"#EXTINF:1,\n0.seg\n" + gap + long + "#EXTINF:1,\n12.seg\n", nil, []int{0, 500, 12000, 12500}, 0},
		"behind it another clock":          {"#EXTINF:1,\n0.seg\n" + gap + long + "#EXT-X-DISCONTINUITY\n#EXTINF:1,\n900.seg\n", nil, []int{0, 500, 12000, 12500}, 0},
		"a discontinuity":                  {"#EXTINF:1,\n0.seg\n#EXT-X-DISCONTINUITY\n#EXTINF:1,\n900.seg\n#EXT-X-DISCONTINUITY\n#EXTINF:1,\n0.seg\n", nil, []int{0, 500, 1000, 1500, 2000, 2500}, 0},
		"a segment that is missing":        {"#EXTINF:1,\n0.seg\n#EXTINF:1,\n1.seg\n#EXTINF:1,\n2.seg\n", map[string]int{"/1.seg": 404}, []int{0, 500, 2000, 2500}, 0},
		"the last is missing":              {"#EXTINF:1,\n0.seg\n#EXTINF:1,\n1.seg\n", map[string]int{"/1.seg": 410}, []int{0, 500}, 0},
		"a segment that is forbidden":      {"#EXTINF:1,\n0.seg\n#EXTINF:1,\n1.seg\n#EXTINF:1,\n2.seg\n", map[string]int{"/1.seg": 403}, []int{0, 500}, media.KindSourceUnauthorized},
		"a server that is ill":             {"#EXTINF:1,\n0.seg\n#EXTINF:1,\n1.seg\n#EXTINF:1,\n2.seg\n", map[string]int{"/1.seg": 503}, []int{0, 500}, media.KindSourceUnavailable},
		"a part that cannot be read":       {"#EXTINF:1,\n0.seg\n#EXT-X-DISCONTINUITY\n#EXTINF:1,\nbad.seg\n#EXT-X-DISCONTINUITY\n#EXTINF:1,\n2.seg\n", nil, []int{0, 500, 2000, 2500}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			n := &net{files: map[string]string{"/a.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n" + c.list + "#EXT-X-ENDLIST\n", "/bad.seg": "nothing\n"}}
			for i := range 1000 {
				n.files[fmt.Sprintf("/%d.seg", i)] = second(i * 1000)
			}
			n.answer = func(path string) (int, string, bool) { status, known := c.status[path]; return status, "", known }
			at, _, err := drainList(t, n)
			require.Equal(t, c.want, at)
			if c.kind == 0 {
				require.NoError(t, err)
			} else {
				require.Equal(t, c.kind, media.KindOf(err), "%v", err)
			}
			require.Zero(t, n.count("/x.seg"))
		})
	}
}

func TestOnlyAPlaylistThatSaysSoIsWholeWithoutItsEnd(t *testing.T) {
	for name, c := range map[string]struct {
		tag  string
		mode media.SourceMode
		live bool
	}{
		"nothing said": {"", media.ModeAuto, true}, "by its type": {"#EXT-X-PLAYLIST-TYPE:VOD\n", media.ModeAuto, false},
		"by the request": {"", media.ModeVOD, false}, "an event": {"#EXT-X-PLAYLIST-TYPE:EVENT\n", media.ModeAuto, true},
		// As hls.js and ExoPlayer do: an event that goes on is live, unless a position is asked for.
		"an event that is asked for whole":         {"#EXT-X-PLAYLIST-TYPE:EVENT\n", media.ModeVOD, false},
		"live by the request, recorded by its end": {"#EXT-X-ENDLIST\n", media.ModeLive, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &net{files: map[string]string{"/a.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n" + c.tag}}
				for i := range 9 {
					n.files["/a.m3u8"] += fmt.Sprintf("#EXTINF:1,\n%d.seg\n", i)
					n.files[fmt.Sprintf("/%d.seg", i)] = second(i * 1000)
				}
				s, err := openList(t.Context(), n, media.SourceRequest{Mode: c.mode}, "/a.m3u8")
				require.NoError(t, err)
				defer s.Close()
				require.Equal(t, c.live, s.Info().Live)
				p, err := s.ReadPacket()
				require.NoError(t, err)
				if c.live {
					require.Equal(t, 6*time.Second, p.PTS)
					require.Error(t, s.Seek(0))
					return
				}
				require.Zero(t, p.PTS)
				require.Equal(t, 9*time.Second, s.Info().Duration)
				at, _, err := drain(s)
				require.NoError(t, err)
				require.Len(t, at, 17)
				require.Equal(t, 1, n.count("/a.m3u8"), "it is not asked for again")
			})
		})
	}
}

// window is a live playlist that grows by a segment a second, up to most.
func window(n *net, begin time.Time, size, most int, end bool) {
	n.answer = func(path string) (int, string, bool) {
		if path != "/a.m3u8" {
			var i int
			_, err := fmt.Sscanf(path, "/%d.seg", &i)
			return http.StatusOK, second(i * 1000), err == nil
		}
		newest := min(size+int(time.Since(begin)/time.Second), most)
		list := fmt.Sprintf("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:%d\n", newest-size)
		for i := newest - size; i < newest; i++ {
			list += fmt.Sprintf("#EXTINF:1,\n%d.seg\n", i)
		}
		if end && newest == most {
			list += "#EXT-X-ENDLIST\n"
		}
		return http.StatusOK, list, true
	}
}

func TestALiveStreamIsFollowedToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &net{}
		window(n, time.Now(), 5, 30, true)
		at, changes, err := drainList(t, n)
		require.NoError(t, err)
		require.Empty(t, changes)
		require.Equal(t, 2000, at[0])
		require.Equal(t, 29500, at[len(at)-1])
		require.Len(t, at, 2*28, "each once")
		require.Less(t, n.count("/a.m3u8"), 2*30, "not oftener than it grows, and half as long when it has not")
	})
}

func TestALookAtALivePlaylistMayShowWhatWas(t *testing.T) {
	for name, c := range map[string]struct {
		look func(looks []string) string // what the seventh shows; the last would be right
		last int                         // picture that comes
		kind media.Kind
	}{
		"another server's, that is two segments late": {func(looks []string) string { return looks[len(looks)-3] }, 29500, 0},
		"another server's, with other tokens":         {func(looks []string) string { return strings.ReplaceAll(looks[len(looks)-3], "=old", "=new") }, 29500, 0},
		"another server's, in another place": {func(looks []string) string {
			return regexp.MustCompile(`(?m)^\d`).ReplaceAllString(looks[len(looks)-3], "http://b.example/$0")
		}, 29500, 0},
		"nothing, while it is written": {func([]string) string { return "" }, 29500, 0},
		"its first bytes":              {func([]string) string { return "#EXT" }, 29500, 0},
		"its head":                     {func(looks []string) string { head, _, _ := strings.Cut(looks[6], "#EXTINF"); return head }, 29500, 0},
		"nothing for good":             {func([]string) string { return "" }, 9500, media.KindSourceInvalid},
		"a refusal":                    {func([]string) string { return "403" }, 29500, 0},
		"it is late and stays so":      {func(looks []string) string { return looks[4] }, 9500, media.KindSourceUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &net{}
				window(n, time.Now(), 5, 30, true)
				inner := n.answer
				var looks []string
				n.answer = func(path string) (int, string, bool) {
					status, body, known := inner(path)
					if path != "/a.m3u8" {
						return status, body, known
					}
					looks = append(looks, strings.ReplaceAll(body, ".seg", ".seg?token=old"))
					if len(looks) == 7 || len(looks) > 7 && c.kind != 0 {
						if shown := c.look(looks); shown != "403" {
							return status, shown, known
						}
						return http.StatusForbidden, "", known
					}
					return status, looks[len(looks)-1], known
				}
				at, _, err := drainList(t, n)
				require.Equal(t, c.kind, media.KindOf(err), "%v", err)
				require.Equal(t, c.last, at[len(at)-1])
				require.Len(t, at, (c.last-at[0])/500+1, "each once: %v", at)
				require.True(t, slices.IsSorted(at))
			})
		})
	}
}

func TestALiveStreamThatKeepsADayIsPlayedFromItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, begin := &net{}, time.Now()
		day := "#EXTM3U\n#EXT-X-TARGETDURATION:2\n" + strings.Repeat("#EXTINF:2,\nold.seg?"+strings.Repeat("a", 300)+"\n", 43_200)
		n.answer = func(path string) (int, string, bool) {
			var i int
			if _, err := fmt.Sscanf(path, "/%d.seg", &i); err == nil {
				return http.StatusOK, second(i*2000) + fmt.Sprintf("v %d\n", i*2000+1000), true
			}
			newest := min(5+int(time.Since(begin)/(2*time.Second)), 15)
			list := day
			for i := range newest {
				list += fmt.Sprintf("#EXTINF:2,\n%d.seg\n", i)
			}
			return http.StatusOK, list + map[bool]string{true: "#EXT-X-ENDLIST\n"}[newest == 15], true
		}
		at, _, err := drainList(t, n)
		require.NoError(t, err)
		require.Equal(t, 4000, at[0])
		require.Len(t, at, 3*13, "each once")
		require.Zero(t, n.count("/old.seg"))
		require.Equal(t, n.count("/a.m3u8")-1, n.packed, "what is large is asked for compressed when it is read again")
	})
}

func TestARecordingWhoseAddressesAreTooLongSaysSo(t *testing.T) {
	n := &net{files: map[string]string{"/a.m3u8": segments(43_200, 1500) + "#EXT-X-ENDLIST\n", "/event.m3u8": segments(43_200, 1500)}}
	for _, path := range []string{"/a.m3u8", "/event.m3u8"} {
		_, err := openList(t.Context(), n, media.SourceRequest{Mode: media.ModeVOD}, path)
		require.Equal(t, media.KindSourceTooLarge, media.KindOf(err))
		require.ErrorContains(t, err, "43200 segments: at most 100000 are taken, with 16 MiB of addresses")
	}
}

func TestTheAddressesOfARecordingsPictureAndSoundAreBoundedTogether(t *testing.T) {
	for name, c := range map[string]struct {
		address int
		kind    media.Kind
	}{"7 MB each": {700, 0}, "10 MB each": {1000, media.KindSourceTooLarge}} {
		t.Run(name, func(t *testing.T) {
			n := &net{files: map[string]string{
				"/a.m3u8": "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"g\",NAME=\"s\",URI=\"s.m3u8\"\n#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"g\"\nv.m3u8\n",
				"/v.m3u8": segments(10_000, c.address) + "#EXT-X-ENDLIST\n",
				"/s.m3u8": segments(10_000, c.address) + "#EXT-X-ENDLIST\n",
			}}
			n.files["/"+strings.Repeat("a", c.address)] = second(0)
			s, err := openList(t.Context(), n, media.SourceRequest{}, "/a.m3u8")
			if c.kind == 0 {
				require.NoError(t, err)
				require.NoError(t, s.Close())
				return
			}
			require.Equal(t, c.kind, media.KindOf(err), "%v", err)
			require.ErrorContains(t, err, "16 MiB of addresses")
		})
	}
}

func TestAMasterCostsNoMoreTextThanAFewPlaylists(t *testing.T) {
	comments := "#EXTM3U\n" + strings.Repeat("#"+strings.Repeat("a", 9998)+"\n", 4500)
	for name, c := range map[string]struct {
		variant string
		asked   int
		kind    media.Kind
	}{
		"90 MB each":                            {comments + comments, 1, media.KindSourceTooLarge},
		"45 MB each that hold nothing":          {comments + "#EXT-X-ENDLIST\n", 2, media.KindSourceInvalid},
		"45 MB each, too big and not saying so": {comments + "#EXTINF:1,\n0.seg\n#EXT-X-ENDLIST\n", 2, 0},
		"a few bytes each that hold nothing":    {"#EXTM3U\n#EXT-X-ENDLIST\n", mostVariants, media.KindSourceInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			n := &net{files: map[string]string{"/a.m3u8": "#EXTM3U\n" + strings.Repeat("#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\n", mostVariants), "/v.m3u8": c.variant, "/0.seg": second(0)}}
			s, err := openList(t.Context(), n, media.SourceRequest{Bounds: media.Bounds{Long: 9, Short: 9}}, "/a.m3u8")
			require.Equal(t, c.asked, n.count("/v.m3u8"))
			if c.kind == 0 {
				require.NoError(t, err)
				require.NoError(t, s.Close())
				return
			}
			require.Equal(t, c.kind, media.KindOf(err), "%v", err)
		})
	}
}

// cutOff answers with a text and breaks off.
type cutOff struct{ text string }

func (c cutOff) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(io.MultiReader(strings.NewReader(c.text), failing{})), Header: http.Header{}, Request: r}, nil
}

func TestALookThatFailsPutsTheNextOffByWhatItRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		small, err := parse("#EXTM3U\n#EXTINF:1,\n0.seg\n")
		require.NoError(t, err)
		text := "#EXTM3U\n" + strings.Repeat("#"+strings.Repeat("a", 9998)+"\n", 4500)
		u := &updates{f: &fetcher{client: &http.Client{Transport: cutOff{text}}, explain: explain, silence: time.Minute}, address: "http://a.example/a.m3u8", list: small}
		u.begin()
		for _, after := range []float64{1, 5.4} { // 45 MB at 8 MiB a second
			began := time.Now()
			came, err := u.await(t.Context())
			require.NoError(t, err)
			require.False(t, came)
			require.InDelta(t, after, time.Since(began).Seconds(), 0.1)
		}
	})
}

func TestALiveStreamThatHasGoneOnWithoutUsIsTakenWhereItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &net{}
		window(n, time.Now(), 5, 60, true)
		s, err := openList(t.Context(), n, media.SourceRequest{}, "/a.m3u8")
		require.NoError(t, err)
		defer s.Close()
		_, err = s.ReadPacket()
		require.NoError(t, err)
		time.Sleep(30 * time.Second)
		at, _, err := drain(s)
		require.NoError(t, err)
		require.True(t, slices.IsSorted(at))
		require.Equal(t, 59500, at[len(at)-1])
		require.Less(t, len(at), 2*40, "what has gone is not waited for")
	})
}

func TestALivePlaylistIsAskedForAnewWhereItsRedirectHasRunOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, begin := &net{}, time.Now()
		window(n, begin, 5, 40, true)
		inner := n.answer
		n.answer = func(path string) (int, string, bool) {
			token := fmt.Sprintf("/%.0f", time.Since(begin).Truncate(10*time.Second).Seconds())
			rest, good := strings.CutPrefix(path, token+"/")
			switch {
			case path == "/a.m3u8":
				return http.StatusFound, token + path, true
			case strings.HasSuffix(path, "m3u8") && !good:
				return http.StatusForbidden, "", true
			case !good:
				_, rest, _ = strings.Cut(path[1:], "/")
			}
			return inner("/" + rest)
		}
		at, _, err := drainList(t, n)
		require.NoError(t, err)
		require.Equal(t, 39500, at[len(at)-1])
		require.Len(t, at, 2*38, "each once")
		require.Equal(t, 4, n.count("/a.m3u8"), "once for each ten seconds")
	})
}

func TestAConnectionThatHangsHoldsALiveStreamUpForAFewSeconds(t *testing.T) {
	for _, path := range []string{"/a.m3u8", "/9.seg"} {
		t.Run(path, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, begin := &net{}, time.Now()
				window(n, begin, 9, 40, true)
				hung := false
				n.hangs = func(asked string) bool {
					hangs := !hung && asked == path && time.Since(begin) > 0
					hung = hung || hangs
					return hangs
				}
				s, err := openList(t.Context(), n, media.SourceRequest{}, "/a.m3u8")
				require.NoError(t, err)
				defer s.Close()
				for last := begin; err == nil; last = time.Now() {
					_, err = s.ReadPacket()
					require.Less(t, time.Since(last), 7*time.Second)
				}
				require.ErrorIs(t, err, io.EOF)
				require.True(t, hung)
			})
		})
	}
}

func TestALongFragmentedStreamGetsANewDemuxerEachHour(t *testing.T) {
	for initial, asked := range map[string]int{"#EXT-X-MAP:URI=\"init\"\n": 2, "": 0} {
		synctest.Test(t, func(t *testing.T) {
			n, begin := &net{}, time.Now()
			window(n, begin, 5, 3600+60, true)
			inner := n.answer
			n.answer = func(path string) (int, string, bool) {
				status, body, known := inner(path)
				switch {
				case path == "/init":
					return http.StatusOK, "tracks va 320\n", true
				case path == "/a.m3u8":
					body = strings.Replace(body, "#EXTINF", initial+"#EXTINF", 1)
				}
				return status, body, known
			}
			at, changes, err := drainList(t, n)
			require.NoError(t, err)
			require.Empty(t, changes)
			require.Len(t, at, 2*(3600+58), "each once")
			require.True(t, slices.IsSorted(at))
			require.Equal(t, asked, n.count("/init"))
		})
	}
}

func TestALiveStreamThatStandsStillSaysSoAndIsNotPlayedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, begin := &net{}, time.Now()
		window(n, begin, 5, 9, false)
		s, err := openList(t.Context(), n, media.SourceRequest{}, "/a.m3u8")
		require.NoError(t, err)
		at, _, err := drain(s)
		require.Equal(t, media.KindSourceUnavailable, media.KindOf(err))
		require.ErrorContains(t, err, "does not grow any more")
		require.Equal(t, 8500, at[len(at)-1])
		require.InDelta(t, 14, time.Since(begin).Seconds(), 2, "ten seconds after it grew last")
		require.NoError(t, s.Close())
		_, err = openList(t.Context(), n, media.SourceRequest{}, "/a.m3u8")
		require.ErrorContains(t, err, "does not grow any more")
		window(n, time.Now(), 10, 10, true)
		s, err = openList(t.Context(), n, media.SourceRequest{Mode: media.ModeLive}, "/a.m3u8")
		require.NoError(t, err)
		require.NoError(t, s.Close())
	})
}

func TestALiveStreamMissesOneSegmentOrTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &net{}
		window(n, time.Now(), 5, 12, true)
		inner := n.answer
		n.answer = func(path string) (int, string, bool) {
			if path == "/4.seg" || path == "/5.seg" {
				return http.StatusForbidden, "", true
			}
			return inner(path)
		}
		at, _, err := drainList(t, n)
		require.NoError(t, err)
		require.Equal(t, []int{2000, 2500, 3000, 3500, 6000}, at[:5])
	})
}

func TestNoMoreIsFetchedThanTheNextSegment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &net{files: map[string]string{"/a.m3u8": "#EXTM3U\n"}}
		for i := range 20 {
			n.files["/a.m3u8"] += fmt.Sprintf("#EXTINF:1,\n%d.seg\n", i)
			n.files[fmt.Sprintf("/%d.seg", i)] = second(i * 1000)
		}
		n.files["/a.m3u8"] += "#EXT-X-ENDLIST\n"
		s, err := openList(t.Context(), n, media.SourceRequest{}, "/a.m3u8")
		require.NoError(t, err)
		defer s.Close()
		synctest.Wait()
		// The fake demuxer reads some lines ahead, and so the segments of them.
		n.mu.Lock()
		defer n.mu.Unlock()
		require.Less(t, len(n.asked), 6, "%v", n.asked)
	})
}

func TestAnotherEncodingIsToldOf(t *testing.T) {
	n := &net{files: map[string]string{
		"/a.m3u8": "#EXTM3U\n#EXT-X-MAP:URI=\"small\"\n#EXTINF:1,\n0.seg\n#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"big\"\n#EXTINF:1,\n1.seg\n#EXTINF:1,\n2.seg\n#EXT-X-ENDLIST\n",
		"/small":  "tracks va 320\n", "/big": "tracks va 640\n", "/0.seg": second(0), "/1.seg": second(1000), "/2.seg": second(2000),
	}}
	s, err := openList(t.Context(), n, media.SourceRequest{}, "/a.m3u8")
	require.NoError(t, err)
	defer s.Close()
	require.Equal(t, 320, s.Info().Tracks[0].Width)
	at, changes, err := drain(s)
	require.NoError(t, err)
	require.Equal(t, []int{0, 500, 1000, 1500, 2000, 2500}, at)
	require.Len(t, changes, 1)
	require.Equal(t, 640, changes[0].Width)
	require.Equal(t, 1, n.count("/big"))
	require.NoError(t, s.Seek(0))
	require.Equal(t, 320, s.Info().Tracks[0].Width)
}

func TestAPlaylistOfPlaylistsThatNamesItselfIsInvalid(t *testing.T) {
	n := &net{files: map[string]string{"/a.m3u8": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n"}}
	_, err := openList(t.Context(), n, media.SourceRequest{}, "/a.m3u8")
	require.Equal(t, media.KindSourceInvalid, media.KindOf(err))
}

func TestASourceThatIsClosedWhileItIsReadEnds(t *testing.T) {
	n := &net{}
	window(n, time.Now(), 5, 5, false)
	s, err := openList(t.Context(), n, media.SourceRequest{}, "/a.m3u8")
	require.NoError(t, err)
	done := make(chan error)
	go func() { _, _, err := drain(s); done <- err }()
	require.NoError(t, s.Close())
	require.Error(t, <-done)
	require.NoError(t, s.Close())
}

func TestAHostilePlaylistCostsLittle(t *testing.T) {
	many := strings.Repeat("#EXTINF:1,\nx.seg\n", 10_000)
	for name, c := range map[string]struct {
		files map[string]string
		kind  media.Kind
	}{
		"ten thousand segments of one byte": {map[string]string{"/a.m3u8": "#EXTM3U\n" + many + "#EXT-X-ENDLIST\n", "/x.seg": "x"}, media.KindSourceInvalid},
		"ten thousand gaps":                 {map[string]string{"/a.m3u8": "#EXTM3U\n" + strings.ReplaceAll(many, "x.seg", "#EXT-X-GAP\nx.seg") + "#EXT-X-ENDLIST\n"}, media.KindSourceNotFound},
		"a key that is none":                {map[string]string{"/a.m3u8": "#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n" + many + "#EXT-X-ENDLIST\n", "/k": "short", "/x.seg": "x"}, media.KindSourceInvalid},
		"a key without an end":              {map[string]string{"/a.m3u8": "#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n" + many + "#EXT-X-ENDLIST\n", "/k": strings.Repeat("k", 1<<20), "/x.seg": "x"}, media.KindSourceTooLarge},
		"a map of 5 MB":                     {map[string]string{"/a.m3u8": "#EXTM3U\n#EXT-X-MAP:URI=\"m\"\n" + many + "#EXT-X-ENDLIST\n", "/m": strings.Repeat("m", 5<<20), "/x.seg": "x"}, media.KindSourceTooLarge},
		"a segment that is its playlist":    {map[string]string{"/a.m3u8": "#EXTM3U\n#EXTINF:1,\na.m3u8\n#EXT-X-ENDLIST\n"}, media.KindSourceInvalid},
		"no variant":                        {map[string]string{"/a.m3u8": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n"}, media.KindSourceInvalid},
		"a variant that is a page":          {map[string]string{"/a.m3u8": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv\n", "/v": "<html>"}, media.KindSourceInvalid},
		"nothing":                           {map[string]string{"/a.m3u8": "#EXTM3U\n"}, media.KindSourceInvalid},
		"not yet anything":                  {map[string]string{"/a.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n"}, media.KindSourceUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			n := &net{files: c.files}
			_, err := openList(t.Context(), n, media.SourceRequest{}, "/a.m3u8")
			require.Equal(t, c.kind, media.KindOf(err), "%v", err)
			n.mu.Lock()
			defer n.mu.Unlock()
			require.LessOrEqual(t, len(n.asked), 10_001)
		})
	}
}

func TestASegmentThatBreaksOffGoesOnAtItsByte(t *testing.T) {
	for name, c := range map[string]struct {
		broken int // how often
		kind   media.Kind
	}{"once": {1, 0}, "always": {99, media.KindSourceUnavailable}} {
		t.Run(name, func(t *testing.T) {
			n := &breaking{broken: c.broken, body: second(0)}
			f := &fetcher{client: &http.Client{Transport: n}, explain: explain, silence: time.Second}
			got, err := io.ReadAll(&continued{ctx: t.Context(), f: f, address: "http://a.example/a"})
			if c.kind != 0 {
				require.Equal(t, c.kind, media.KindOf(err))
				require.Less(t, n.asked, 6)
				return
			}
			require.NoError(t, err)
			require.Equal(t, second(0), string(got))
		})
	}
}

// breaking breaks its answers off behind five bytes, some times.
type breaking struct {
	broken, asked int
	body          string
}

func (b *breaking) RoundTrip(r *http.Request) (*http.Response, error) {
	from, status := 0, http.StatusOK
	if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from); err == nil {
		status = http.StatusPartialContent
	}
	body := io.Reader(strings.NewReader(b.body[from:]))
	if b.asked++; b.asked <= b.broken {
		body = io.MultiReader(io.LimitReader(body, 5), failing{})
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(body), Header: http.Header{}, Request: r}, nil
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestWhatFallsSilentIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fetcher{client: &http.Client{Transport: silent{}}, explain: explain, silence: 10 * time.Second}
		begin := time.Now()
		_, err := f.playlist(t.Context(), "http://a.example/a.m3u8")
		require.Equal(t, media.KindSourceUnavailable, media.KindOf(err))
		require.ErrorContains(t, err, "sends nothing any more")
		require.Equal(t, 10*time.Second, time.Since(begin))
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(media.ErrStopped) })
		_, err = f.playlist(ctx, "http://a.example/a.m3u8")
		require.ErrorIs(t, err, media.ErrStopped)
	})
}

func TestAPlaylistThatNobodyWaitsForIsNotUnpacked(t *testing.T) {
	var packed bytes.Buffer
	pack := gzip.NewWriter(&packed)
	_, err := io.WriteString(pack, "#EXTM3U\n"+strings.Repeat("\n", 3<<20))
	require.NoError(t, err)
	require.NoError(t, pack.Close())
	require.Less(t, packed.Len(), 4<<10, "it comes at once")

	ctx, cancel := context.WithCancelCause(t.Context())
	f := &fetcher{client: &http.Client{Transport: whole{packed.Bytes(), func() { cancel(media.ErrStopped) }}}, explain: explain, silence: time.Minute}
	p, err := f.playlist(ctx, "http://a.example/a.m3u8")
	require.ErrorIs(t, err, media.ErrStopped)
	require.Less(t, p.work(), int64(1<<20))
}

// whole sends what is packed with one read, at which it calls came.
type whole struct {
	packed []byte
	came   func()
}

func (w whole) RoundTrip(r *http.Request) (*http.Response, error) {
	body := bytes.NewReader(w.packed)
	reading := readerFunc(func(b []byte) (int, error) {
		w.came()
		return body.Read(b)
	})
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(reading), Header: http.Header{"Content-Encoding": {"gzip"}}, Request: r}, nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// silent sends a head and a line.
type silent struct{}

func (silent) RoundTrip(r *http.Request) (*http.Response, error) {
	body := io.MultiReader(strings.NewReader("#EXTM3U\n"), waiting{r.Context()})
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(body), Header: http.Header{}, Request: r}, nil
}

type waiting struct{ ctx context.Context }

func (w waiting) Read([]byte) (int, error) {
	<-w.ctx.Done()
	return 0, context.Cause(w.ctx)
}

// liveApart is a live stream of sixty segments of one second in a window of five, picture
// and sound apart. of says what segment comes so many seconds after its begin, -1 for none
// that is to come, and with which clock; and whether a discontinuity is before it.
type liveApart struct {
	newest func(kind string, after int) int
	breaks func(kind string, first, i int) bool
	at     func(kind string, i int) int // seconds
}

func (l liveApart) serve(n *net) {
	begin := time.Now()
	n.answer = func(path string) (int, string, bool) {
		if path == "/m.m3u8" {
			return http.StatusOK, "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"g\",NAME=\"s\",URI=\"a.m3u8\"\n#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"g\"\nv.m3u8\n", true
		}
		kind := path[1:2]
		if i, err := strconv.Atoi(strings.TrimSuffix(path[2:], ".seg")); err == nil {
			ms := l.at(kind, i) * 1000
			return http.StatusOK, fmt.Sprintf("tracks %s 320\n%s %d\n%s %d\n", kind, kind, ms, kind, ms+500), true
		}
		newest := l.newest(kind, int(time.Since(begin)/time.Second))
		first := max(newest-5, 0)
		list := fmt.Sprintf("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:%d\n", first)
		for i := first; i < newest; i++ {
			if l.breaks != nil && l.breaks(kind, first, i) {
				list += "#EXT-X-DISCONTINUITY\n"
			}
			list += fmt.Sprintf("#EXTINF:1,\n%s%d.seg\n", kind, i)
		}
		if newest == 60 {
			list += "#EXT-X-ENDLIST\n"
		}
		return http.StatusOK, list, true
	}
}

func TestALivePictureAndItsSoundApartStayTogether(t *testing.T) {
	grows := func(_ string, after int) int { return min(6+after, 60) }
	same := func(_ string, i int) int { return i }
	for name, l := range map[string]liveApart{
		"nothing happens":                           {grows, nil, same},
		"a discontinuity leaves the window unsaid":  {grows, func(_ string, _, i int) bool { return i == 8 }, same},
		"it is said before the first segment alone": {grows, func(_ string, first, i int) bool { return i == 8 && i > first }, same},
		"one playlist says one more":                {grows, func(kind string, _, i int) bool { return i == 8 || kind == "v" && i == 4 }, same},
		"one playlist says one more for good":       {grows, func(kind string, first, i int) bool { return kind == "v" && i == max(first, 3) }, same},
		"a clock begins anew, as is said":           {grows, func(_ string, _, i int) bool { return i == 20 }, func(_ string, i int) int { return (i + 980) % 1000 }},
		"a clock begins anew, unsaid":               {grows, nil, func(_ string, i int) int { return (i + 980) % 1000 }},
		"the encoder begins anew, unsaid": {func(_ string, after int) int {
			if after < 10 {
				return 1000 + after
			}
			return min(after-9, 60)
		}, nil, same},
		"of one alone the clock is taken for wrapped": {grows, nil, func(kind string, i int) int {
			if kind == "a" && i >= 20 {
				return i + int(wrap/time.Second)
			}
			return i
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &net{}
				l.serve(n)
				s, err := openList(t.Context(), n, media.SourceRequest{}, "/m.m3u8")
				require.NoError(t, err)
				defer s.Close()
				var came [2]int
				for {
					p, err := s.ReadPacket()
					if err != nil {
						require.ErrorIs(t, err, io.EOF)
						break
					}
					came[s.Info().Tracks[p.Track].Type]++
					require.InDelta(t, came[media.Video], came[media.Audio], 10, "two segments, and what is read ahead")
				}
				require.Greater(t, came[media.Video], 2*54)
				require.InDelta(t, came[media.Video], came[media.Audio], 2)
			})
		})
	}
}
