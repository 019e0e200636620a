package egress

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

const master = `#EXTM3U
#EXT-X-VERSION:6
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="low",NAME="a",URI="low.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="high",NAME="a, b",URI="https://cdn.example/high.m3u8?x=1,2"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="s",URI="s.m3u8"
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,RESOLUTION=640x360,URI="i.m3u8"
`

func streamInf(resolution, codecs, audio, uri string) string {
	return "#EXT-X-STREAM-INF:BANDWIDTH=900,CODECS=\"" + codecs + "\",AUDIO=\"" + audio + "\",RESOLUTION=" + resolution + "\n" + uri + "\n"
}

// editAt edits a playlist with this address.
func editAt(address, text string) (string, error) {
	a, err := parseAddress(address)
	if err != nil {
		return "", err
	}
	out, err := edit(context.Background(), list{at: a.target, base: address, text: text}, boundsOf(1))
	return string(out.text), err
}

func TestTheBestVariantThatFitsIsLeft(t *testing.T) {
	small, full, tall := streamInf("640x360", "avc1.4d,mp4a", "low", "s.m3u8"), streamInf("1920x1080", "avc1,mp4a", "high", "f.m3u8"),
		streamInf("1080x1920", "hvc1,mp4a", "high", "t.m3u8")
	huge, giant := streamInf("3840x2160", "avc1", "high", "h.m3u8"), streamInf("7680x4320", "avc1", "high", "g.m3u8")
	unsized := "#EXT-X-STREAM-INF:BANDWIDTH=1\nu.m3u8\n"
	for name, c := range map[string]struct {
		variants string
		left     []string
	}{
		"the biggest that fits":            {small + huge + full, []string{"f.m3u8"}},
		"upright fits as well":             {small + tall, []string{"t.m3u8"}},
		"of one size, what can be copied":  {tall + full, []string{"f.m3u8"}},
		"too big all of them, the smaller": {giant + huge, []string{"h.m3u8"}},
		"sound alone is not the best":      {unsized + small, []string{"s.m3u8"}},
		"no sizes, no choice":              {unsized + unsized, []string{"u.m3u8", "u.m3u8"}},
		"an unsized one may fit":           {unsized + huge, []string{"u.m3u8", "h.m3u8"}},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := editAt("http://a:80/m", master+c.variants)
			require.NoError(t, err)
			var left []string
			for _, v := range variants(out, 9) {
				left = append(left, v.uri)
			}
			require.Equal(t, c.left, left)
			require.NotContains(t, out, "SUBTITLES")
			require.NotContains(t, out, "I-FRAME")
			if len(left) == 1 {
				require.Equal(t, 1, strings.Count(out, "TYPE=AUDIO"), "the others' sound")
			}
		})
	}
}

func TestAPlaylistsAddressesAreMarked(t *testing.T) {
	out, err := editAt("https://a.example:443/p", "#EXTM3U\r\n"+
		"#EXT-X-KEY:METHOD=AES-128,URI=\"https://k.example/k?a=b\",IV=0x1\r\n#EXT-X-MAP:URI=\"//m.example/i.mp4\"\r\n"+
		"#EXTINF:2,https://not.example\r\nhttps://s.example:8443/1.ts\r\n#EXTINF:2,\r\n2.ts\r\n#EXTINF:2,\r\n/3.ts")
	require.NoError(t, err)
	require.Equal(t, "#EXTM3U\n"+
		"#EXT-X-KEY:METHOD=AES-128,URI=\"http://k.example:65979/k?a=b\",IV=0x1\n#EXT-X-MAP:URI=\"http://m.example:65979/i.mp4\"\n"+
		"#EXTINF:2,https://not.example\nhttp://s.example:73979/1.ts\n#EXTINF:2,\n2.ts\n#EXTINF:2,\n/3.ts", out)
}

func TestAdjacentByteRangesHaveDifferentAddresses(t *testing.T) {
	out, err := editAt("http://a:80/p", "#EXTM3U\n#EXTINF:2,\n"+
		"#EXT-X-BYTERANGE:9@0\na.m4s\n#EXT-X-BYTERANGE:9\n#EXTINF:2,\na.m4s\n#EXTINF:2,\nb.m4s\n#EXT-X-BYTERANGE:1@2\na.m4s\n")
	require.NoError(t, err)
	require.Equal(t, "#EXTM3U\n#EXTINF:2,\n"+
		"#EXT-X-BYTERANGE:9@0\na.m4s#odd\n#EXT-X-BYTERANGE:9\n#EXTINF:2,\na.m4s#even\n#EXTINF:2,\nb.m4s\n#EXT-X-BYTERANGE:1@2\na.m4s#odd", out)
}

func TestARecordingsSegmentsSayWhereTheyAre(t *testing.T) {
	for name, c := range map[string]struct{ in, out string }{
		"a recording": {
			"#EXTINF:2.5,a\na.ts\n#EXT-X-DISCONTINUITY\n#EXTINF:3\nb.ts?x#y\n#EXTINF:1,\nc.ts\n#EXT-X-ENDLIST\n",
			"#EXTINF:2.5,a\na.ts#at=0-2500000\n#EXT-X-DISCONTINUITY\n#EXTINF:3\nb.ts?x#y#at=2500000-5500000b\n" +
				"#EXTINF:1,\nc.ts#at=5500000-9223372036854775b\n#EXT-X-ENDLIST\n",
		},
		"byte ranges": {
			"#EXTINF:2,\n#EXT-X-BYTERANGE:9@0\na.ts\n#EXTINF:2,\n#EXT-X-BYTERANGE:9\na.ts\n#EXT-X-ENDLIST",
			"#EXTINF:2,\n#EXT-X-BYTERANGE:9@0\na.ts#odd#at=0-2000000\n#EXTINF:2,\n#EXT-X-BYTERANGE:9\na.ts#even#at=2000000-9223372036854775\n#EXT-X-ENDLIST",
		},
		"durations that are none": {
			"#EXTINF:x,\na.ts\n#EXTINF:NaN,\nb.ts\n#EXTINF:1e300,\nc.ts\n#EXTINF:-1,\nd.ts\n#EXT-X-ENDLIST",
			"#EXTINF:x,\na.ts#at=0-0\n#EXTINF:NaN,\nb.ts#at=0-0\n#EXTINF:1e300,\nc.ts#at=0-86400000000\n" +
				"#EXTINF:-1,\nd.ts#at=86400000000-9223372036854775\n#EXT-X-ENDLIST",
		},
		"a live stream": {"#EXTINF:2,\na.ts\n", "#EXTINF:2,\na.ts\n"},
		"a master":      {"#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n#EXT-X-ENDLIST", "#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n#EXT-X-ENDLIST"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := editAt("http://a:80/p", "#EXTM3U\n"+c.in)
			require.NoError(t, err)
			require.Equal(t, strings.TrimSuffix("#EXTM3U\n"+c.out, "\n"), out)
		})
	}
}

func TestAPlaylistForPlayersWithALicenceIsEncrypted(t *testing.T) {
	for key, licence := range map[string]bool{
		`METHOD=NONE`:            false,
		`METHOD=AES-128,URI="k"`: false,
		`METHOD=AES-128,URI="k",KEYFORMAT="identity"`: false,
		`METHOD=SAMPLE-AES,URI="k"`:                   false,
		`METHOD=SAMPLE-AES,URI="skd://k"`:             true,
		`METHOD=SAMPLE-AES,URI="k",KEYFORMAT="com.apple.streamingkeydelivery",KEYFORMATVERSIONS="1"`: true,
		`METHOD=SAMPLE-AES-CTR,URI="data:,x",KEYFORMAT="urn:uuid:edef8ba9"`:                          true,
	} {
		origin := newOrigin(t, func(rw http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(rw, "#EXTM3U\n#EXT-X-KEY:"+key+"\n#EXTINF:2,\na.ts\n#EXT-X-ENDLIST\n")
		})
		w := openWay(t, newGate(t, Config{Allow: []string{"127.0.0.1"}}), origin.URL+"/a.m3u8")
		get(t, viaProxy(t, w), origin.URL+"/a.m3u8")
		if licence {
			requireKind(t, media.KindSourceEncrypted, w.Refusal())
		} else {
			require.NoError(t, w.Refusal(), key)
		}
	}
}

func gzipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, text)
	_ = z.Close()
	return b.String()
}

func TestPlaylistsAndCompressionAreBounded(t *testing.T) {
	line := "#EXTINF:2,\n" + strings.Repeat("a", 1000) + ".ts\n"
	huge, bomb := "#EXTM3U\n"+strings.Repeat(line, 10_000), "#EXTM3U\n"+strings.Repeat("\n", 100<<20)
	for name, c := range map[string]struct {
		encoding, body string
		kind           media.Kind
		words          string
	}{
		"10 MB":                          {"", huge, media.KindSourceTooLarge, "4 MiB"},
		"a gzip bomb":                    {"gzip", gzipped(bomb), media.KindSourceTooLarge, "100 times"},
		"3 MB that were 3 kB":            {"gzip", gzipped("#EXTM3U\n" + strings.Repeat("#\n", 3<<19)), media.KindSourceTooLarge, "100 times"},
		"10 MB compressed with effort":   {"gzip", gzipped("#EXTM3U\n" + noise(10<<20)), media.KindSourceTooLarge, "4 MiB"},
		"gzip that is none":              {"gzip", "#EXTM3U\n", media.KindSourceInvalid, "compresses"},
		"gzip of what is no playlist":    {"gzip", gzipped("ID3" + strings.Repeat("\x00", 10<<20)), media.KindSourceUnsupported, "playlists alone"},
		"brotli":                         {"br", "xxxx", media.KindSourceUnsupported, "not asked for"},
		"gzip twice":                     {"gzip, gzip", gzipped(gzipped("#EXTM3U\n")), media.KindSourceUnsupported, "not asked for"},
		"gzip unasked":                   {"gzip", gzipped("#EXTM3U\n" + line), media.KindInternal, ""},
		"200 kB that compress very well": {"x-gzip", gzipped("#EXTM3U\n" + strings.Repeat(line, 200)), media.KindInternal, ""},
		"what is no compression":         {"aws-chunked", "#EXTM3U\n" + line, media.KindInternal, ""},
		"a character set":                {"UTF-8, none", "#EXTM3U\n" + line, media.KindInternal, ""},
	} {
		t.Run(name, func(t *testing.T) {
			origin := newOrigin(t, func(rw http.ResponseWriter, r *http.Request) {
				if c.encoding != "" {
					rw.Header().Set("Content-Encoding", c.encoding)
				}
				_, _ = io.WriteString(rw, c.body)
			})
			w := openWay(t, newGate(t, Config{Allow: []string{"127.0.0.1"}}), origin.URL+"/a.m3u8")
			resp, body := get(t, viaProxy(t, w), origin.URL+"/a.m3u8")
			require.Empty(t, resp.Header.Get("Content-Encoding"))
			if c.kind == media.KindInternal {
				require.NoError(t, w.Refusal())
				require.Contains(t, body, line[:len(line)-1])
				return
			}
			requireKind(t, c.kind, w.Refusal())
			require.ErrorContains(t, w.Refusal(), c.words)
			require.Empty(t, body)
		})
	}
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

// Media in gzip would come to libav many times as long as it was sent.
func TestMediaThatIsCompressedAsAWholeIsRefused(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusPartialContent} {
		origin := newOrigin(t, func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "video/mp4")
			rw.Header().Set("Content-Encoding", "gzip")
			if status == http.StatusPartialContent {
				rw.Header().Set("Content-Range", "bytes 7-99/100")
			}
			rw.WriteHeader(status)
			_, _ = io.WriteString(rw, gzipped("a film"))
		})
		w := openWay(t, newGate(t, Config{Allow: []string{"127.0.0.1"}}), origin.URL+"/a.mp4")
		_, body := get(t, viaProxy(t, w), origin.URL+"/a.mp4")
		require.Empty(t, body)
		requireKind(t, media.KindSourceUnsupported, w.Refusal())
		require.ErrorIs(t, w.Refusal(), errCompressed)
	}
}

func TestAPlaylistIsKnownByItsBody(t *testing.T) {
	const list = "#EXTM3U\n#EXTINF:2,\nhttps://a.example/a.ts"
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(z, list)
	_ = z.Close()
	for name, c := range map[string]struct {
		head   http.Header
		body   string
		status int
		want   string // type; empty for the source's own, and its body
	}{
		"as text":                   {head: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, body: list, want: playlistType},
		"as bytes":                  {head: http.Header{"Content-Type": {"binary/octet-stream"}}, body: list, want: playlistType},
		"as nothing":                {head: http.Header{"Content-Type": nil}, body: list, want: playlistType},
		"in a spelling of its own":  {head: http.Header{"Content-Type": {"application/x-MPEGurl"}}, body: list, want: playlistType},
		"compressed":                {head: http.Header{"Content-Type": {"text/plain"}, "Content-Encoding": {"gzip"}}, body: zipped.String(), want: playlistType},
		"from its begin on":         {head: http.Header{"Content-Type": {"text/plain"}, "Content-Range": {"bytes 0-9/10"}}, body: list, status: 206, want: playlistType},
		"from its middle on":        {head: http.Header{"Content-Type": {"text/plain"}, "Content-Range": {"bytes 5-9/10"}}, body: list, status: 206},
		"what is said to be media":  {head: http.Header{"Content-Type": {"video/mp4"}}, body: list},
		"another text":              {head: http.Header{"Content-Type": {"text/plain"}}, body: "#EXTM3"},
		"nothing":                   {head: http.Header{"Content-Type": {"text/plain"}}},
		"an error that looks alike": {head: http.Header{"Content-Type": {"text/plain"}}, body: list, status: 404},
	} {
		t.Run(name, func(t *testing.T) {
			origin := newOrigin(t, func(rw http.ResponseWriter, _ *http.Request) {
				maps.Copy(rw.Header(), c.head)
				rw.WriteHeader(cmp.Or(c.status, http.StatusOK))
				_, _ = io.WriteString(rw, c.body)
			})
			w := openWay(t, newGate(t, Config{Allow: []string{"127.0.0.1"}}), origin.URL)
			resp, body := get(t, viaProxy(t, w), origin.URL+"/play?id=1")
			if c.want == "" {
				require.Equal(t, c.head.Get("Content-Type"), resp.Header.Get("Content-Type"))
				require.Equal(t, c.body, body)
				return
			}
			require.Equal(t, c.want, resp.Header.Get("Content-Type"))
			require.Equal(t, strings.ReplaceAll(list, "https://a.example/", "http://a.example:65979/"), body)
			require.Equal(t, int64(len(body)), resp.ContentLength)
			require.True(t, w.listed("video/mp2t"), "what it leads to may be a playlist as well")
		})
	}
}
