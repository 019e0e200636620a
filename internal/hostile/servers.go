package hostile

import (
	"compress/gzip"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// Servers returns sources whose servers are hostile, rather than what they send.
func Servers() []Bomb {
	return append(httpServers(), playlistServers()...)
}

func served(name, file string, serve http.HandlerFunc) Bomb {
	return Bomb{Name: name, file: file, serve: serve}
}

// raw writes an answer as it is, and closes the connection when the client has left
// or more is over.
func raw(w http.ResponseWriter, r *http.Request, begin string, more func(send func(string) bool)) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	send := func(text string) bool {
		_, err := io.WriteString(conn, text)
		return err == nil && r.Context().Err() == nil
	}
	if send(begin) {
		more(send)
	}
}

// dripping sends text again and again, each step apart, until nobody is there.
func dripping(text string, step time.Duration) func(send func(string) bool) {
	return func(send func(string) bool) {
		for send(text) {
			<-time.After(step)
		}
	}
}

// flooding sends text without end, at the rate of a strong line.
func flooding(text string) func(send func(string) bool) {
	block := strings.Repeat(text, 1+1<<16/len(text))
	return dripping(block, time.Duration(len(block))*time.Second/rate)
}

const answered = "HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n"

func httpServers() []Bomb {
	hops := new(atomic.Int64)
	return []Bomb{
		served("http: a status line that drips", ".mp4", func(w http.ResponseWriter, r *http.Request) {
			raw(w, r, "HTTP/1.1 200 ", dripping("O", 100*time.Millisecond))
		}),
		served("http: headers that drip", ".mp4", func(w http.ResponseWriter, r *http.Request) {
			raw(w, r, answered, dripping("X-A: b\r\n", 100*time.Millisecond))
		}),
		served("http: headers without end", ".mp4", func(w http.ResponseWriter, r *http.Request) {
			raw(w, r, answered, flooding("X-A: b\r\n"))
		}),
		served("http: a header without end", ".mp4", func(w http.ResponseWriter, r *http.Request) {
			raw(w, r, answered+"X-A: ", flooding("b"))
		}),
		served("http: a body that drips", ".mp4", func(w http.ResponseWriter, r *http.Request) {
			raw(w, r, answered+"Content-Length: 100000000\r\n\r\n", dripping("x", 100*time.Millisecond))
		}),
		served("http: a body without end", ".mp4", func(w http.ResponseWriter, r *http.Request) {
			raw(w, r, answered+"\r\n", flooding("\x00"))
		}),
		served("http: an error's body without end", ".mp4", func(w http.ResponseWriter, r *http.Request) {
			raw(w, r, "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n\r\n", flooding("no "))
		}),
		served("http: a body shorter than its length", ".mp4", func(w http.ResponseWriter, r *http.Request) {
			raw(w, r, answered+"Content-Length: 100000000\r\n\r\n", func(send func(string) bool) { send(string(ftyp())) })
		}),
		served("http: a body longer than its length", ".mp4", func(w http.ResponseWriter, r *http.Request) {
			raw(w, r, answered+"Content-Length: 10\r\n\r\n", flooding("HTTP/1.1 200 OK\r\n\r\n"))
		}),
		served("http: a length of 9 EB", ".mp4", func(w http.ResponseWriter, r *http.Request) {
			raw(w, r, answered+"Accept-Ranges: bytes\r\nContent-Length: 9223372036854775807\r\n\r\n", flooding("\x00"))
		}),
		served("http: another part than was asked for", ".mp4", func(w http.ResponseWriter, r *http.Request) {
			raw(w, r, "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 7-99/9223372036854775807\r\n\r\n", flooding("\x00"))
		}),
		served("http: chunks of a byte without end", ".mp4", func(w http.ResponseWriter, r *http.Request) {
			raw(w, r, answered+"Transfer-Encoding: chunked\r\n\r\n", flooding("1;"+strings.Repeat("x", 60)+"\r\n\x00\r\n"))
		}),
		served("http: redirects in a circle", ".mp4", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
		}),
		served("http: redirects that lead on and on, with cookies", ".mp4", func(w http.ResponseWriter, r *http.Request) {
			for i := range 50 {
				http.SetCookie(w, &http.Cookie{Name: fmt.Sprint("c", hops.Add(1), "-", i), Value: strings.Repeat("x", 3000), Path: "/"})
			}
			http.Redirect(w, r, fmt.Sprint("b", hops.Add(1), ".mp4"), http.StatusFound)
		}),
		served("http: gzip of 400 MB that is no playlist", ".mp4", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			for range 400 {
				if _, err := z.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
			_ = z.Close() // nobody is there any more
		}),
	}
}

func playlistServers() []Bomb {
	endlessly := func(w http.ResponseWriter, r *http.Request) { raw(w, r, answered+"\r\n", flooding("\x00")) }
	circle := func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }
	jump := new(atomic.Int64)
	return []Bomb{
		playlist("hls: a playlist that is its own segments", recording(1000, "#EXTINF:1,\na.m3u8\n"), nil),
		playlist("hls: 10 000 segments of a byte", recording(10_000, "#EXTINF:1,\nb%d.ts\n"), sends([]byte("G"))),
		playlist("hls: 10 000 empty segments", recording(10_000, "#EXTINF:1,\nb%d.ts\n"), sends(nil)),
		playlist("hls: a key that is another each time", recording(10_000, "#EXT-X-KEY:METHOD=AES-128,URI=\"k%[1]d.key\"\n#EXTINF:1,\nb%[1]d.ts\n"), func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, ".key") {
				key := make([]byte, 16)
				_, _ = rand.Read(key)
				_, _ = w.Write(key)
				return
			}
			_, _ = w.Write(make([]byte, 1<<16))
		}),
		playlist("hls: a key without end", recording(100, "#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:1,\nb%d.ts\n"), endlessly),
		playlist("hls: an init section without end", recording(100, "#EXT-X-MAP:URI=\"m\"\n#EXTINF:1,\nb%d.mp4\n"), endlessly),
		playlist("hls: a segment without end", recording(100, "#EXTINF:1,\nb%d.ts\n"), func(w http.ResponseWriter, r *http.Request) {
			raw(w, r, answered+"\r\n", flooding(string(segment())))
		}),
		playlist("hls: a segment that drips", recording(100, "#EXTINF:1,\nb%d.ts\n"), func(w http.ResponseWriter, r *http.Request) {
			raw(w, r, answered+"Content-Length: 100000000\r\n\r\n", dripping("G", 100*time.Millisecond))
		}),
		playlist("hls: segments that redirect in a circle", recording(10_000, "#EXTINF:1,\nb%d.ts\n"), circle),
		playlist("hls: a master whose variants are masters", written("#EXTM3U\n", 100, "#EXT-X-STREAM-INF:BANDWIDTH=1\nb.m3u8\n", ""),
			sends([]byte("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nb.m3u8\n"))),
		served("hls: a live playlist that jumps to and fro", ".m3u8", func(w http.ResponseWriter, r *http.Request) { // it does not say what it is
			if !strings.HasSuffix(r.URL.Path, "/a.m3u8") {
				sendSegment(w, r)
				return
			}
			n := jump.Add(1)
			_, _ = fmt.Fprintf(w, "%s#EXT-X-MEDIA-SEQUENCE:%d\n#EXT-X-DISCONTINUITY-SEQUENCE:%d\n", mediaHead, n*n%7*1e17, n%5)
			entries(w, 10, "#EXT-X-DISCONTINUITY\n#EXTINF:0.001,\nb%d.ts\n")
		}),
	}
}
