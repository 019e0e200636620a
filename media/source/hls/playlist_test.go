package hls

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// fetched reads a playlist as it comes.
func fetched(text, encoding string) (Playlist, error) {
	at, _ := url.Parse("http://a.example/live/a.m3u8")
	return Read(&http.Response{Header: http.Header{"Content-Encoding": {encoding}}, Request: &http.Request{URL: at}}, strings.NewReader(text))
}

func parse(text string) (*list, error) {
	p, err := fetched(text, "")
	return p.list, cmp.Or(err, p.refused)
}

func parseMaster(text string, bounds media.Bounds) *master {
	p, _ := fetched(text, "")
	m := cmp.Or(p.master, &master{})
	m.sort(bounds)
	return m
}

func TestAPlaylistIsReadAsPeopleWriteIt(t *testing.T) {
	const s = time.Second
	for name, c := range map[string]struct {
		text string
		want []segment
	}{
		"plain":                      {"#EXTM3U\n#EXTINF:2,\na.ts\n", []segment{{uri: "a.ts", length: 2 * s}}},
		"a byte order mark":          {"\xef\xbb\xbf#EXTM3U\n#EXTINF:2,\na.ts\n", []segment{{uri: "a.ts", length: 2 * s}}},
		"blank lines first":          {"\r\n \n\t#EXTM3U\r\n\r\n#EXTINF:2,\r\n\r\na.ts\r\n", []segment{{uri: "a.ts", length: 2 * s}}},
		"blanks around":              {"#EXTM3U \n  #EXTINF: 2 ,a\n a.ts?x=1 \t\n", []segment{{uri: "a.ts?x=1", length: 2 * s}}},
		"no comma, no end":           {"#EXTM3U\n#EXTINF:2.5\na.ts", []segment{{uri: "a.ts", length: 2500 * time.Millisecond}}},
		"comments":                   {"#EXTM3U\n#EXTINF:2,\n# made by hand\n#EXT-X-SOMETHING:A=1\na.ts\n", []segment{{uri: "a.ts", length: 2 * s}}},
		"durations that are none":    {"#EXTM3U\n#EXTINF:x,\na\n#EXTINF:NaN,\nb\n#EXTINF:1e300,\nc\n#EXTINF:-1,\nd", []segment{{uri: "a"}, {uri: "b", number: 1}, {uri: "c", number: 2, length: mostLength}, {uri: "d", number: 3, begin: mostLength}}},
		"numbers":                    {"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-DISCONTINUITY-SEQUENCE:2\n#EXTINF:2,\na\n#EXT-X-DISCONTINUITY\n#EXTINF:3,\nb\n", []segment{{uri: "a", number: 7, clock: 2, length: 2 * s}, {uri: "b", number: 8, clock: 3, begin: 2 * s, length: 3 * s}}},
		"a discontinuity at first":   {"#EXTM3U\n#EXT-X-DISCONTINUITY\n#EXTINF:2,\na\n", []segment{{uri: "a", clock: 1, length: 2 * s}}},
		"a gap":                      {"#EXTM3U\n#EXT-X-GAP\n#EXTINF:2,\na\n#EXTINF:2,\nb\n", []segment{{uri: "a", length: 2 * s, gap: true}, {uri: "b", number: 1, begin: 2 * s, length: 2 * s}}},
		"byte ranges":                {"#EXTM3U\n#EXTINF:2,\n#EXT-X-BYTERANGE:9@3\na\n#EXT-X-BYTERANGE:5\n#EXTINF:2,\na\n#EXTINF:2,\n#EXT-X-BYTERANGE:4\nb\n", []segment{{uri: "a", length: 2 * s, part: part{3, 9}}, {uri: "a", number: 1, begin: 2 * s, length: 2 * s, part: part{12, 5}}, {uri: "b", number: 2, begin: 4 * s, length: 2 * s, part: part{0, 4}}}},
		"an initialization section":  {"#EXTM3U\n#EXT-X-MAP:URI=\"i.mp4\",BYTERANGE=\"720@9\"\n#EXTINF:2,\na\n", []segment{{uri: "a", length: 2 * s, initial: &initial{uri: "i.mp4", part: part{9, 720}}}}},
		"one without where it is":    {"#EXTM3U\n#EXT-X-MAP:BYTERANGE=\"720\", URI=\"i,1.mp4\"\n#EXTINF:2,\na\n", []segment{{uri: "a", length: 2 * s, initial: &initial{uri: "i,1.mp4", part: part{0, 720}}}}},
		"a key":                      {"#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"k?a=b,c\",IV=0x1\n#EXTINF:2,\na\n#EXT-X-KEY:METHOD=NONE\n#EXTINF:2,\nb\n", []segment{{uri: "a", length: 2 * s, key: &key{uri: "k?a=b,c", iv: "0x1"}}, {uri: "b", number: 1, begin: 2 * s, length: 2 * s}}},
		"dates in another spelling":  {"#EXTM3U\n#EXT-X-PROGRAM-DATE-TIME:2026-11-28T10:00:00.5+0100\n#EXTINF:2,\na\n", []segment{{uri: "a", length: 2 * s, at: time.Date(2026, 11, 28, 9, 0, 0, 5e8, time.UTC)}}},
		"addresses of no segment":    {"#EXTM3U\nx.ts\n#EXTINF:2,\na\ny.ts\n", []segment{{uri: "a", length: 2 * s}}},
		"an advertisement behind it": {"#EXTM3U\n#EXTINF:2,\na\n#EXT-X-DATERANGE:ID=\"1\",SCTE35-OUT=0xFC00\n", []segment{{uri: "a", length: 2 * s}}},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := parse(c.text)
			require.NoError(t, err)
			for i := range l.segments {
				if !l.segments[i].at.IsZero() {
					l.segments[i].at = l.segments[i].at.UTC()
				}
			}
			require.Equal(t, c.want, l.segments)
		})
	}
}

func TestWhatIsNoPlaylistIsNone(t *testing.T) {
	for _, text := range []string{"", "#EXTM3", "<html>", "ID3", strings.Repeat("\n", mostBlank+1)} {
		_, err := fetched(text, "")
		require.ErrorIs(t, err, ErrNoPlaylist)
	}
}

func TestAPlaylistForPlayersWithALicenceIsEncrypted(t *testing.T) {
	for line, words := range map[string]string{
		`METHOD=SAMPLE-AES,URI="skd://k",KEYFORMAT="com.apple.streamingkeydelivery"`:                   "licence",
		`METHOD=SAMPLE-AES-CTR,URI="data:x",KEYFORMAT="urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed"`: "licence",
		`METHOD=AES-128,URI="skd://k"`:                               "licence",
		`METHOD=AES-128,URI="k",KEYFORMAT="com.microsoft.playready"`: "licence",
		`METHOD=AES-256-GCM,URI="k"`:                                 "licence",
		`METHOD=SAMPLE-AES,URI="k"`:                                  "SAMPLE-AES, which is not supported",
		`METHOD=AES-128,URI="k"`:                                     "",
		`METHOD=AES-128,URI="k",KEYFORMAT="identity"`:                "",
		`METHOD=NONE`: "",
	} {
		_, err := parse("#EXTM3U\n#EXTINF:2,\na.ts\n#EXT-X-KEY:" + line + "\n#EXTINF:2,\nb.ts\n")
		if words == "" {
			require.NoError(t, err, line)
			continue
		}
		require.Equal(t, media.KindSourceEncrypted, media.KindOf(err), line)
		require.ErrorContains(t, err, words)
	}
}

func gzipped(text string) string {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	_, _ = io.WriteString(z, text)
	_ = z.Close()
	return b.String()
}

func damaged(text string) string {
	b := []byte(text)
	for i := len(b) / 2; i < len(b)/2+100; i++ {
		b[i] ^= 0x5a
	}
	return string(b)
}

// noise is text that gzip makes only half as long.
func noise(size int) string {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, size)
	for i := range b {
		b[i] = "0123456789abcdef"[r.IntN(16)]
	}
	return string(b)
}

func TestPlaylistsAndTheirCompressionAreBounded(t *testing.T) {
	line := "#EXTINF:2,\n" + strings.Repeat("a", 1000) + ".ts\n"
	comments := "#EXTM3U\n" + strings.Repeat("#"+strings.Repeat("a", 9999)+"\n", 4500)
	huge := comments + comments
	for name, c := range map[string]struct {
		encoding, body string
		kind           media.Kind
		words          string
	}{
		"90 MB":                          {"", huge, media.KindSourceTooLarge, "80 MiB"},
		"a gzip bomb":                    {"gzip", gzipped(huge), media.KindSourceTooLarge, "80 MiB"},
		"45 MB that were 45 kB":          {"gzip", gzipped(comments + line), media.KindInternal, ""},
		"gzip that is none":              {"gzip", "#EXTM3U\n", media.KindSourceInvalid, "compresses"},
		"gzip that is damaged":           {"gzip", damaged(gzipped("#EXTM3U\n" + noise(100_000))), media.KindSourceInvalid, "compresses"},
		"brotli":                         {"br", "xxxx", media.KindSourceUnsupported, "not asked for"},
		"gzip twice":                     {"gzip, gzip", gzipped(gzipped("#EXTM3U\n")), media.KindSourceUnsupported, "not asked for"},
		"gzip unasked":                   {"gzip", gzipped("#EXTM3U\n" + line), media.KindInternal, ""},
		"200 kB that compress very well": {"x-gzip", gzipped("#EXTM3U\n" + strings.Repeat(line, 200)), media.KindInternal, ""},
		"what is no compression":         {"aws-chunked", "#EXTM3U\n" + line, media.KindInternal, ""},
		"a character set":                {"UTF-8, none", "#EXTM3U\n" + line, media.KindInternal, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := fetched(c.body, c.encoding)
			if c.words == "" {
				require.NoError(t, err)
				require.NotEmpty(t, p.list.segments)
				return
			}
			require.Equal(t, c.kind, media.KindOf(err), "%v", err)
			require.ErrorContains(t, err, c.words)
		})
	}
}

// segments is a playlist of so many, with addresses of so many bytes.
func segments(n, address int) string {
	return "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:5\n" + strings.Repeat("#EXTINF:2,\n"+strings.Repeat("a", address)+"\n", n)
}

func TestARecordingIsKeptAsAWholeAndOfALiveStreamTheNewestSegments(t *testing.T) {
	for name, c := range map[string]struct {
		segments, address int
		cut               bool
	}{
		"a day of segments of one second":                 {86_400, 40, false},
		"six hours of signed segments of two seconds":     {10_800, 1500, false},
		"twelve hours of them":                            {21_600, 1500, true},
		"more segments than are taken":                    {mostSegments + 10, 1, true},
		"a day of signed segments of two seconds, 1.5 kB": {43_200, 1500, true},
	} {
		l, err := parse(segments(c.segments, c.address))
		require.NoError(t, err, name)
		require.Equal(t, c.cut, l.cut, name)
		require.Equal(t, c.segments, l.total, name)
		last := l.segments[len(l.segments)-1]
		require.EqualValues(t, 5+c.segments-1, last.number, name)
		require.Equal(t, time.Duration(c.segments)*2*time.Second, last.end(), name)
		l.keepNewest()
		require.Len(t, l.segments, mostLive, name)
		require.Equal(t, last, l.segments[mostLive-1], name)
	}
}

func TestALivePlaylistThatIsReadAgainCostsNoMemoryByItsLength(t *testing.T) {
	p, err := read(&http.Response{Request: &http.Request{URL: &url.URL{}}}, strings.NewReader(segments(43_200, 1500)), 2*mostLive)
	require.NoError(t, err)
	require.LessOrEqual(t, len(p.list.segments), 2*mostLive)
	require.EqualValues(t, 5+43_200-1, p.list.segments[len(p.list.segments)-1].number)
}

func TestALargeLivePlaylistIsReadLessOftenAndBegunFurtherFromItsEnd(t *testing.T) {
	small, err := parse(segments(7200, 1500))
	require.NoError(t, err)
	require.Equal(t, 2*time.Second, small.step())
	require.EqualValues(t, 5+7200-3, small.liveStart())
	large, err := parse(segments(43_200, 1500))
	require.NoError(t, err)
	require.InDelta(t, 8, large.step().Seconds(), 0.1, "62 MiB and 86 400 lines, 8 MiB a second")
	require.EqualValues(t, 5+43_200-10, large.liveStart(), "two looks and a half: 20 s")
}

func TestAPlaylistOfShortLinesIsReadAgainLessOften(t *testing.T) {
	long, err := parse("#EXTM3U\n" + strings.Repeat(strings.Repeat("#", 1<<10-1)+"\n", 1<<10))
	require.NoError(t, err)
	require.InDelta(t, 0.125, cost(long.work).Seconds(), 0.01, "1 MiB, 8 a second")
	for _, line := range []string{"#\x00", "#\r", "#\n", "\n", "#EXT-X-KEY:" + strings.Repeat("a=,", 5000) + "\n"} {
		short, err := parse("#EXTM3U\n" + strings.Repeat(line, 1<<20/len(line)))
		require.NoError(t, err)
		require.Greater(t, cost(short.work), 900*time.Millisecond, "lines of %.20q", line)
	}
}

// inParts gives its text in so many bytes at a time.
type inParts struct {
	text string
	size int
}

func (p *inParts) Read(b []byte) (int, error) {
	n := copy(b, p.text[:min(p.size, len(p.text))])
	if p.text = p.text[n:]; n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func TestLinesAreTheSameHoweverTheyCome(t *testing.T) {
	long := strings.Repeat("x", mostLine)
	text := "#EXTM3U\r\n\x00 a \rb\x00c\td\n" + long + "left out\ne\v\n" + long + "\n\n\x00f"
	for _, size := range []int{1, 2, 3, 100, mostLine - 1, mostLine, mostLine + 1, len(text)} {
		var got []string
		for line, err := range lines(&inParts{text, size}) {
			require.NoError(t, err)
			if line != "" {
				got = append(got, line)
			}
		}
		require.Equal(t, []string{"#EXTM3U", "a", "b", "c\td", long, "e", long, "f"}, got, "%d bytes at a time", size)
	}
}

func BenchmarkPlaylist(b *testing.B) {
	for name, text := range map[string]string{
		"signed segments": segments(5_600, 1500),
		"zeros end lines": "#EXTM3U\n" + strings.Repeat("#\x00", 4<<20),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				_, err := parse(text)
				require.NoError(b, err)
			}
		})
	}
}

func TestALiveStreamBeginsThreeSegmentsBeforeItsEnd(t *testing.T) {
	for text, want := range map[string]uint64{
		"#EXT-X-TARGETDURATION:2\n" + strings.Repeat("#EXTINF:2,\na\n", 9):      6,
		"#EXT-X-TARGETDURATION:60\n" + strings.Repeat("#EXTINF:2,\na\n", 9):     6, // who says far too much
		strings.Repeat("#EXTINF:2.002,\na\n#EXTINF:1.98,\na\n", 4):              5,
		"#EXTINF:4,\na\n#EXTINF:4,\na\n" + strings.Repeat("#EXTINF:1,\na\n", 9): 1,
		"#EXTINF:2,\na\n": 0,
	} {
		l, err := parse("#EXTM3U\n" + text)
		require.NoError(t, err)
		require.EqualValues(t, want, l.liveStart(), text)
	}
}

func TestTheSoundOfALiveStreamBeginsWithItsPictureWhereBothTellTheTime(t *testing.T) {
	dated := func(at string, length int, n int) *list {
		l, err := parse("#EXTM3U\n#EXT-X-PROGRAM-DATE-TIME:" + at + "\n" + strings.Repeat(fmt.Sprintf("#EXTINF:%d,\na\n", length), n))
		require.NoError(t, err)
		return l
	}
	picture, sound := dated("2026-11-28T10:00:00Z", 4, 6), dated("2026-11-28T11:00:02+01:00", 2, 20)
	require.EqualValues(t, 3, picture.liveStart())
	require.EqualValues(t, 5, sound.beside(picture, 3), "what is heard at 10:00:12")
	undated, err := parse("#EXTM3U\n" + strings.Repeat("#EXTINF:2,\na\n", 20))
	require.NoError(t, err)
	require.EqualValues(t, 17, undated.beside(picture, 3))
	require.EqualValues(t, 17, sound.beside(undated, 3))
}

func FuzzPlaylist(f *testing.F) {
	f.Add("#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",URI=\"b\"\n#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\"\nc\n")
	f.Add("#EXTM3U\n#EXT-X-MAP:URI=\"i\",BYTERANGE=\"9@1\"\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:2,\n#EXT-X-BYTERANGE:9\na\n")
	f.Fuzz(func(t *testing.T, text string) {
		m := parseMaster(text, fullHD)
		for _, v := range m.variants {
			if sounds := m.sounds(v); len(sounds) > 0 {
				i, err := chooseSound(sounds, "")
				require.NoError(t, err)
				require.Less(t, i, len(sounds))
			}
		}
		l, err := parse(text)
		if err != nil || len(l.segments) == 0 {
			return
		}
		for _, s := range l.segments {
			require.True(t, s.begin >= 0 && s.length >= 0 && s.part.from >= 0 && s.part.size >= 0)
		}
		require.GreaterOrEqual(t, l.liveStart(), l.segments[0].number)
	})
}
