package hostile

import (
	"compress/gzip"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
)

// longPath is as long as an address may be: it stands before what playlists name.
var longPath = strings.Repeat("0123456789abcdef/", 3850/17)

// playlist is a playlist that is written anew for each request, and what answers for
// all else that it names.
func playlist(name string, write func(io.Writer), rest http.HandlerFunc) Bomb {
	return listed(name, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.apple.mpegurl")
		write(w)
	}, rest)
}

func listed(name string, list, rest http.HandlerFunc) Bomb {
	return Bomb{Name: name, file: ".m3u8", serve: func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/a.m3u8") {
			list(w, r)
			return
		}
		rest(w, r)
	}}
}

// zipped answers with a playlist by gzip.
func zipped(write func(io.Writer)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Type", "application/vnd.apple.mpegurl")
		z := gzip.NewWriter(w)
		write(wanted{z, r.Context().Err})
		_ = z.Close() // nobody is there any more
	}
}

// wanted takes what is written while somebody is there.
type wanted struct {
	io.Writer
	gone func() error
}

func (w wanted) Write(b []byte) (int, error) {
	if err := w.gone(); err != nil {
		return 0, err
	}
	return w.Writer.Write(b)
}

// sends answers with body.
func sends(body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }
}

func sendSegment(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(segment()) }

func segment() []byte {
	var units [][]byte
	for i := range 30 {
		units = append(units, annexB([]byte{9, 0xf0}, sps(20, 12), pps(), idr(0, uint64(i))))
	}
	return pictureTS(units...)
}

func worst(b Bomb) Bomb { b.Worst = true; return b }

func under(path string, b Bomb) Bomb { b.path = path; return b }

const (
	mediaHead = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:1\n"
	mediaEnd  = "#EXT-X-ENDLIST\n"
)

// entries writes n lines by a format that gets a number, if it wants one.
func entries(w io.Writer, n int, format string) {
	if !strings.Contains(format, "%") {
		_, _ = io.WriteString(w, strings.Repeat(format, n))
		return
	}
	for i := range n {
		_, _ = fmt.Fprintf(w, format, i)
	}
}

// written writes a playlist of a head, n entries and an end.
func written(head string, n int, format, end string) func(io.Writer) {
	return func(w io.Writer) {
		_, _ = io.WriteString(w, head)
		entries(w, n, format)
		_, _ = io.WriteString(w, end)
	}
}

// recording writes a media playlist of n entries.
func recording(n int, format string) func(io.Writer) { return written(mediaHead, n, format, mediaEnd) }

// unending writes a text over and over behind the head.
func unending(head, text string) func(io.Writer) { return filled(head, text, math.MaxInt) }

// filled writes a text over and over behind the head, so many MiB of it.
func filled(head, text string, size int) func(io.Writer) {
	return func(w io.Writer) {
		_, err := io.WriteString(w, head)
		block := strings.Repeat(text, 1<<20/len(text))
		for n := 0; n < size && err == nil; n++ {
			_, err = io.WriteString(w, block)
		}
	}
}

func playlistBombs() []Bomb {
	grown := new(atomic.Int64)
	live := mediaHead + strings.Repeat("#EXTINF:1,\nb.ts\n", 5)
	master := written("#EXTM3U\n", 100, "#EXT-X-STREAM-INF:BANDWIDTH=9%d\nb%[1]d.m3u8\n", "")
	return []Bomb{
		under(longPath, worst(playlist("hls: a master of 4 MiB under a long path", written("#EXTM3U\n", 80_000, "#EXT-X-STREAM-INF:BANDWIDTH=9%d,RESOLUTION=1x1\nb\n", ""), sendSegment))),
		under(longPath, worst(playlist("hls: 381 000 segments under a long path", recording(381_000, "#EXTINF:\nb\n"), sendSegment))),
		playlist("hls: a master that names itself", written("#EXTM3U\n", 100, "#EXT-X-STREAM-INF:BANDWIDTH=9%d\na.m3u8\n", ""), sendSegment),
		playlist("hls: 5000 renditions", written("#EXTM3U\n", 5000,
			"#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"g\",NAME=\"n%[1]d\",URI=\"r%[1]d.ts\"\n", "#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"g\"\nb.ts\n"), sendSegment),
		playlist("hls: an init section for each segment", recording(60_000, "#EXT-X-MAP:URI=\"m%[1]d.mp4\"\n#EXTINF:1,\nb%[1]d.mp4\n"), sendSegment),
		playlist("hls: a key for each segment", recording(60_000, "#EXT-X-KEY:METHOD=AES-128,URI=\"k%[1]d\"\n#EXTINF:1,\nb%[1]d.ts\n"), sendSegment),
		playlist("hls: a live playlist that grows", func(w io.Writer) {
			_, _ = io.WriteString(w, mediaHead)
			entries(w, int(grown.Add(1))*20_000, "#EXTINF:1,\nb%d.ts\n")
		}, sendSegment),
		playlist("hls: a line without end", unending(mediaHead+"#EXTINF:1,", "x"), sendSegment),
		playlist("hls: a playlist without end", unending(mediaHead, "#EXTINF:1,\nb.ts\n"), sendSegment),
		listed("hls: a playlist of 400 MB by gzip", zipped(filled(mediaHead, "#EXTINF:1,\nb.ts\n", 400)), sendSegment),
		listed("hls: a live playlist of 40 million lines that zeros end, by gzip", zipped(filled(live, "#\x00", 79)), sendSegment),
		listed("hls: a live playlist of 40 million lines that carriage returns end, by gzip", zipped(filled(live, "#\r", 79)), sendSegment),
		listed("hls: a live playlist of keys with 27 million attributes, by gzip", zipped(filled(live, "#EXT-X-KEY:"+strings.Repeat("a=,", 5000)+"METHOD=AES-128\n", 79)), sendSegment),
		playlist("hls: a master of 100 variants of 79 MiB by gzip", master, zipped(filled(mediaHead, "#\x00", 79))),
		playlist("hls: a master of 100 variants of 400 MB by gzip", master, zipped(filled(mediaHead, "#\x00", 400))),
		playlist("hls: segments that are bombs", recording(100, "#EXTINF:1,\nb%d.mp4\n"), func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(edits(60, 1_000_000)().Bytes())
		}),
	}
}
