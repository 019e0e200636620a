package egress

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// longBase is the address of a playlist under a path that is as long as one may
// be: libav keeps each of its addresses with that before it.
var longBase = "http://a.example:80/" + strings.Repeat("d/", 1900) + "p.m3u8"

func segments(n int, name string) string {
	return strings.Repeat("#EXTINF:4,\n"+name+"\n", n)
}

// entries counts what libav makes objects of in a playlist, as it reads one, and
// the bytes of their resolved addresses.
func entries(text, base string) (variants, renditions, segments, initials, bytes int) {
	dir := base[:strings.LastIndexByte(base, '/')+1]
	key := 0
	resolved := func(link string) int {
		if strings.HasPrefix(link, "http://") {
			return len(link)
		}
		return min(len(dir)+len(link), maxLine)
	}
	variant, info := false, false
	for line := range strings.SplitSeq(text, "\n") {
		tag, value := tagOf(line)
		switch {
		case tag == "#EXT-X-STREAM-INF":
			variant = true
		case tag == "#EXT-X-MEDIA":
			renditions++
		case tag == "#EXT-X-MAP":
			initials++
			bytes += resolved(attribute(value, "URI")) + key
		case tag == "#EXT-X-KEY":
			if key = 0; attribute(value, "METHOD") != "NONE" && attribute(value, "METHOD") != "" {
				key = resolved(attribute(value, "URI"))
			}
		case tag == "#EXTINF":
			info = true
		case line != "" && line[0] != '#':
			if variant {
				variants++
			}
			if info {
				segments++
				bytes += resolved(line) + key
			}
			variant, info = false, false
		}
	}
	return variants, renditions, segments, initials, bytes
}

func TestADayInSegmentsOfFourSecondsIsTaken(t *testing.T) {
	text := "#EXTM3U\n#EXT-X-TARGETDURATION:4\n" + segments(21_600, "segment-with-a-name-of-usual-length-00000.ts?token="+strings.Repeat("a", 100)) + "#EXT-X-ENDLIST\n"
	out, err := editAt("https://cdn.example:443/recordings/2026/p.m3u8", text)
	require.NoError(t, err)
	_, _, n, _, _ := entries(out, "")
	require.Equal(t, 21_600, n)
	require.Contains(t, out, "#at=86396000000-", "the last one begins where the day nearly ends")
}

func TestWhatIsTooMuchOfARecordingIsRefusedWithItsNumber(t *testing.T) {
	end := "#EXT-X-ENDLIST\n"
	for name, c := range map[string]struct{ base, text, words string }{
		"segments":                           {"http://a:80/p", segments(40_001, "a") + end, "40001, and at most 40000"},
		"segments of a list that is VOD":     {"http://a:80/p", "#EXT-X-PLAYLIST-TYPE:VOD\n" + segments(40_001, "a"), "40001, and at most 40000"},
		"segments in lines of their own way": {"http://a:80/p", strings.ReplaceAll(segments(40_001, "a"), "\n", "\r") + end, "40001, and at most 40000"},
		"lines that end with a zero":         {"http://a:80/p", strings.ReplaceAll(segments(40_001, "a"), "\n", "\x00") + end, "40001, and at most 40000"},
		"addresses":                          {longBase, segments(10_000, "a") + end, "16 MB"},
		"addresses that are a query":         {longBase, segments(10_000, "?a") + end, "16 MB"},
		"addresses with another in them":     {longBase, segments(10_000, "a?b=http://c") + end, "16 MB"},
		"keys":                               {longBase, "#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n" + segments(10_000, "http://b/a") + end, "16 MB"},
		"keys behind an odd quote": {longBase, `#EXT-X-KEY:X="\",METHOD=NONE,Y=",METHOD=AES-128,URI="k"` + "\n" +
			segments(10_000, "http://b/a") + end, "16 MB"},
		"initialization sections": {longBase, strings.Repeat("#EXT-X-MAP:URI=\"a\"\n#EXT-X-MAP:URI=\"b\"\n", 5000) + segments(1, "a") + end, "16 MB"},
		"of a live one, too": {longBase, segments(600, "a") +
			strings.Repeat("#EXT-X-MAP:URI=\"a\"\n#EXT-X-MAP:URI=\"b\"\n", 5000), "16 MB"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := editAt(c.base, "#EXTM3U\n"+c.text)
			require.ErrorContains(t, err, c.words)
		})
	}
}

func TestTooMuchOfAPlaylistIsTooLargeASource(t *testing.T) {
	origin := newOrigin(t, func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(rw, "#EXTM3U\n"+segments(40_001, "a")+"#EXT-X-ENDLIST\n")
	})
	w := openWay(t, newGate(t, Config{Allow: []string{"127.0.0.1"}}), origin.URL+"/a.m3u8")
	_, body := get(t, viaProxy(t, w), origin.URL+"/a.m3u8")
	require.Empty(t, body)
	requireKind(t, media.KindSourceTooLarge, w.Refusal())
	require.ErrorContains(t, w.Refusal(), "at most 40000")
}

func TestThatAnInitializationSectionStillHoldsIsSaidOnce(t *testing.T) {
	out, err := editAt("http://a:80/p", "#EXTM3U\n"+strings.Repeat("#EXT-X-MAP:URI=\"i\"\n#EXTINF:4,\na\n", 30_000)+"#EXT-X-ENDLIST\n")
	require.NoError(t, err)
	_, _, n, initials, _ := entries(out, "")
	require.Equal(t, 30_000, n)
	require.Equal(t, 1, initials)
}

func TestAMasterPlaylistIsLookedAtForAHundredVariants(t *testing.T) {
	sized, unsized := "", ""
	for i := range 30_000 {
		sized += fmt.Sprintf("#EXT-X-STREAM-INF:BANDWIDTH=%d,RESOLUTION=640x360\n%d\n", i, i)
		unsized += fmt.Sprintf("#EXT-X-STREAM-INF:BANDWIDTH=1\n%d\n", i)
		if len(sized) > 2<<20 {
			break
		}
	}
	for name, text := range map[string]string{"with sizes": sized, "without": unsized} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			w := openWay(t, newGate(t, Config{}), "http://a.example/m")
			runtime.ReadMemStats(&before)
			out, err := w.edit(t.Context(), list{at: w.to, base: longBase, text: "#EXTM3U\n" + text})
			runtime.ReadMemStats(&after)
			require.NoError(t, err)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(30<<20))
			all := variants(string(out), 1000)
			if name == "without" {
				require.Len(t, all, 100)
				return
			}
			require.Len(t, all, 1)
			require.Equal(t, "99", all[0].uri, "the best of the first hundred")
			require.LessOrEqual(t, len(w.standIns), 100)
		})
	}
}

func TestRenditionsAreBoundedLikeVariants(t *testing.T) {
	out, err := editAt("http://a:80/p", "#EXTM3U\n"+strings.Repeat("#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"g\",NAME=\"n\",URI=\"a\"\n", 1000)+
		"#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=2x2,AUDIO=\"g\"\nv\n")
	require.NoError(t, err)
	_, renditions, _, _, _ := entries(out, "")
	require.Equal(t, 100, renditions)
}

// libav holds all playlists of a master at once.
func TestThePlaylistsOfAMasterShareWhatOneSourceMayHave(t *testing.T) {
	master := "#EXTM3U\n" + strings.Repeat("#EXT-X-STREAM-INF:BANDWIDTH=1\nv\n", 50)
	part := "#EXTM3U\n" + segments(10_000, "a") + "#EXT-X-ENDLIST\n"
	w := openWay(t, newGate(t, Config{}), "http://a.example/m")
	at := list{at: w.to, base: "http://a.example:80/m"}
	at.text = part
	_, err := w.edit(t.Context(), at)
	require.NoError(t, err)
	at.text = master
	_, err = w.edit(t.Context(), at)
	require.NoError(t, err)
	at.text = part
	_, err = w.edit(t.Context(), at)
	require.ErrorContains(t, err, "10000, and at most 8000")
}

func TestOfALivePlaylistTheNewestSegmentsStay(t *testing.T) {
	var text strings.Builder
	text.WriteString("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:1000\n#EXT-X-DISCONTINUITY-SEQUENCE:5\n" +
		"#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05.500Z\n#EXT-X-MAP:URI=\"clear.mp4\"\n#EXT-X-KEY:METHOD=AES-128,URI=\"k1\"\n")
	for i := range 700 {
		switch i {
		case 10, 100, 200:
			text.WriteString("#EXT-X-DISCONTINUITY\n")
		case 150:
			text.WriteString("#EXT-X-MAP:URI=\"i2.mp4\"\n#EXT-X-KEY:METHOD=AES-128,URI=\"k2\"\n")
		case 600:
			text.WriteString("#EXT-X-MAP:URI=\"i3.mp4\"\n")
		}
		fmt.Fprintf(&text, "#EXTINF:2,\n%d.m4s\n", i)
	}
	out, err := editAt("http://a:80/p", text.String())
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(out, "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n"+
		"#EXT-X-MEDIA-SEQUENCE:1200\n#EXT-X-DISCONTINUITY-SEQUENCE:7\n"+
		"#EXT-X-KEY:METHOD=AES-128,URI=\"k1\"\n#EXT-X-MAP:URI=\"i2.mp4\"\n"+
		"#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:10:45.500Z\n#EXT-X-DISCONTINUITY\n#EXT-X-KEY:METHOD=AES-128,URI=\"k2\"\n#EXTINF:2,\n200.m4s\n"), out[:500])
	_, _, n, initials, _ := entries(out, "")
	require.Equal(t, 500, n)
	require.Equal(t, 2, initials)
	require.Contains(t, out, "599.m4s\n#EXT-X-MAP:URI=\"i3.mp4\"\n#EXTINF:2,\n600.m4s\n")
	require.True(t, strings.HasSuffix(out, "699.m4s"))
	again, err := editAt("http://a:80/p", out)
	require.NoError(t, err)
	require.Equal(t, out, again, "what is left fits")
}

func TestAByteRangeGoesOnWhereTheOneThatWasLeftOutEnded(t *testing.T) {
	text := "#EXTM3U\n#EXTINF:2,\n#EXT-X-BYTERANGE:10@7\na\n" + strings.Repeat("#EXTINF:2,\n#EXT-X-BYTERANGE:10\na\n", 501)
	out, err := editAt("http://a:80/p", text)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(out, "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:2\n#EXTINF:2,\n#EXT-X-BYTERANGE:10@27\na#odd\n#EXTINF:2,\n#EXT-X-BYTERANGE:10\na#even\n"), out[:200])
}

// libav plays an event from its begin, as a file that grows.
func TestAnEventIsWholeUntilItIsTooMuch(t *testing.T) {
	head := "#EXTM3U\n#EXT-X-PLAYLIST-TYPE:EVENT\n"
	for name, c := range map[string]struct {
		base, text string
		left       int
	}{
		"short":              {"http://a:80/p", segments(600, "a"), 600},
		"too many segments":  {"http://a:80/p", segments(40_001, "a"), 500},
		"too long addresses": {longBase, segments(10_000, "a"), 500},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := editAt(c.base, head+c.text)
			require.NoError(t, err)
			_, _, n, _, _ := entries(out, "")
			require.Equal(t, c.left, n)
		})
	}
}

// libav keeps each initialization section of each time a live playlist is read.
func TestALivePlaylistIsOpenedAnewBeforeLibavKeepsTooMuchOfIt(t *testing.T) {
	w := openWay(t, newGate(t, Config{}), "http://a.example/m")
	l := list{at: w.to, base: longBase}
	var text strings.Builder
	text.WriteString("#EXTM3U\n")
	for i := range 500 {
		fmt.Fprintf(&text, "#EXT-X-MAP:URI=\"%d\"\n#EXTINF:2,\na\n", i)
	}
	l.text = text.String()
	reads := 0
	for ; reads < 1000; reads++ {
		if _, err := w.edit(t.Context(), l); err != nil {
			requireKind(t, media.KindSourceUnavailable, err)
			break
		}
	}
	require.InDelta(t, 32, reads, 2)
}

func TestAnEditEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := edit(ctx, list{base: "http://a:80/p", text: "#EXTM3U\n" + segments(5000, "a")}, boundsOf(1))
	require.ErrorIs(t, err, context.Canceled)
}

// worst are 4 MiB each, of what costs most to read.
func worst() map[string]string {
	fill := func(head, line, end string) string {
		return head + strings.Repeat(line, (maxPlaylist-len(head)-len(end))/len(line)) + end
	}
	const end = "#EXT-X-ENDLIST\n"
	return map[string]string{
		"segments":          fill("#EXTM3U\n", "#EXTINF:4,\na\n", end),
		"a day":             "#EXTM3U\n" + segments(21_600, "https://a.example/"+strings.Repeat("a", 150)) + end,
		"live segments":     fill("#EXTM3U\n", "#EXTINF:4,\na\n", ""),
		"variants":          fill("#EXTM3U\n", "#EXT-X-STREAM-INF:RESOLUTION=2x2\nv\n", ""),
		"renditions":        fill("#EXTM3U\n", "#EXT-X-MEDIA:TYPE=AUDIO,URI=\"a\"\n", ""),
		"keys":              fill("#EXTM3U\n", "#EXT-X-KEY:METHOD=AES-128,URI=\"a\"\n#EXT-X-KEY:METHOD=AES-128,URI=\"b\"\n", end),
		"sections":          fill("#EXTM3U\n", "#EXT-X-MAP:URI=\"a\"\n#EXT-X-MAP:URI=\"b\"\n", end),
		"attributes":        fill("#EXTM3U\n", "#EXT-X-KEY:"+strings.Repeat("A=1,", 1000)+"\n#EXT-X-KEY:"+strings.Repeat("B=1,", 1000)+"\n", end),
		"empty lines":       fill("#EXTM3U\n", "\n", ""),
		"one line":          fill("#EXTM3U\n", "a", ""),
		"parts":             fill("#EXTM3U\n", "#EXT-X-PART:URI=\"https://a.example/a\"\n", ""),
		"sections of parts": fill("#EXTM3U\n", "#EXT-X-MAP:URI=\"https://a.example/a\"\n#EXTINF:4,\na\n", ""),
	}
}

// The sanitizers and a busy machine make times in tests long: what is measured
// is memory. BenchmarkEdit has the times.
func TestEditingTakesNoMuchMoreMemoryThanThePlaylist(t *testing.T) {
	for name, text := range worst() {
		t.Run(name, func(t *testing.T) {
			w := openWay(t, newGate(t, Config{}), "https://a.example/m")
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _ = w.edit(t.Context(), list{at: w.to, base: longBase, text: text})
			runtime.ReadMemStats(&after)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(40<<20))
		})
	}
}

func BenchmarkEdit(b *testing.B) {
	for name, text := range worst() {
		b.Run(name, func(b *testing.B) {
			origin := httptest.NewRequest(http.MethodGet, longBase, nil)
			b.ReportAllocs()
			for b.Loop() {
				w := &way{to: target{scheme: "https", host: "a.example", port: 443}}
				_, _ = w.edit(b.Context(), list{at: w.to, base: addressKey(w.to, origin), text: text})
			}
		})
	}
}

func FuzzEdit(f *testing.F) {
	f.Add(master + streamInf("640x360", "avc1", "low", "https://a/b"))
	f.Add("#EXTM3U\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"\n")
	f.Add("#EXTM3U\r#EXT-X-MEDIA-SEQUENCE:9\r#EXT-X-MAP:URI=\"i\"\r#EXTINF:1,\ra\x00#EXTINF:1,\r\n\nb\n#EXTINF:1,\nc\n#EXTINF:1,\nd\n#EXTINF:1,\ne")
	f.Add("#EXTM3U\n#EXTINF:1,\n#EXT-X-BYTERANGE:5@5\na\n#EXTINF:1,\n#EXT-X-BYTERANGE:5\na\n#EXT-X-DISCONTINUITY\n#EXTINF:2\nb\n#EXT-X-ENDLIST")
	f.Add("#EXTM3U\n#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05+0800\n" + segments(9, "a?b=http://c"))
	f.Add("#EXTM3U\n#EXT-X-STREAM-INF:A=1\n#EXTINF:1,\nv\n#EXT-X-STREAM-INF:RESOLUTION=1x1\nw\nx\n#EXT-X-KEY:X=\"\\\",METHOD=NONE,Y=\",METHOD=AES-128,URI=\"k\"")
	small := bounds{variants: 3, segments: 8, addresses: 400, live: 4}
	f.Fuzz(func(t *testing.T, text string) {
		l := list{at: target{scheme: "https", host: "a", port: 443}, base: "https://a:443/b/c?d", text: text}
		out, err := edit(t.Context(), l, small)
		if err != nil {
			return
		}
		got := string(out.text)
		require.NotContains(t, strings.ReplaceAll(got, "\n", ""), "\r")
		variants, renditions, segments, initials, bytes := entries(got, "http://a/b/")
		require.LessOrEqual(t, variants, small.variants)
		require.LessOrEqual(t, renditions, small.variants)
		require.LessOrEqual(t, segments, small.segments)
		require.LessOrEqual(t, initials, small.segments)
		require.LessOrEqual(t, bytes, small.addresses+maxLine)
		if has := newSurvey(text); !has.recorded() && !slices.Contains([]string{"VOD", "EVENT"}, has.kind) {
			require.LessOrEqual(t, segments, small.live)
		}
	})
}

func TestALongPlaylistHoldsUpNoStop(t *testing.T) {
	stop := make(chan struct{})
	origin := newOrigin(t, func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(rw, "#EXTM3U\n")
		_ = http.NewResponseController(rw).Flush()
		<-stop // the rest is long in coming
	})
	defer close(stop)
	w := openWay(t, newGate(t, Config{Allow: []string{"127.0.0.1"}}), origin.URL+"/a.m3u8")
	done := make(chan struct{})
	client := viaProxy(t, w)
	go func() {
		defer close(done)
		if resp, err := client.Get(origin.URL + "/a.m3u8"); err == nil {
			_ = resp.Body.Close()
		}
	}()
	require.Eventually(t, func() bool { return w.listed("video/mp4") }, testTime, time.Millisecond)
	begin := time.Now()
	w.Close()
	require.Less(t, time.Since(begin), 5*time.Second)
	<-done
}
