package egress

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/roomcast/roomcast/media"
)

const (
	answerTime  = 30 * time.Second // for a source to send its answer's head
	answerBytes = 256 << 10        // of an answer's head
)

var errAnswer = errors.New("the source did not answer as an HTTP server")

// hopByHop are the fields that concern one connection (RFC 9110, section
// 7.6.1, and the older ones); those Connection names go too.
var hopByHop = []string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
	"Proxy-Authentication-Info", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// forward answers a request of libav's: one connection to the source for each,
// so that each is resolved and checked anew.
func (p *proxy) forward(w *way, rw http.ResponseWriter, r *http.Request) {
	t, err := p.check(r)
	if err != nil {
		w.note(t, err)
		refuse(rw, err)
		return
	}
	out := outgoing(r, t, w)
	if to := w.instead(addressKey(t, out), false); to != "" {
		rw.Header().Set("Location", markLink(t, to))
		rw.WriteHeader(http.StatusFound)
		return
	}
	source, err := w.dial(r.Context(), t)
	if err != nil {
		refuse(rw, err)
		return
	}
	defer func() { _ = source.Close() }()
	control := http.NewResponseController(rw)
	defer context.AfterFunc(r.Context(), func() {
		_ = source.Close()
		_ = control.SetWriteDeadline(time.Unix(1, 0)) // libav may not be reading
	})()
	answer, err := exchange(source, out)
	if err != nil {
		if err = unavailable(t, err); r.Context().Err() == nil {
			w.note(t, err)
		}
		refuse(rw, err)
		return
	}
	defer func() { _ = answer.Body.Close() }()
	if err := w.judge(r.Context(), t, answer); err != nil {
		if r.Context().Err() == nil {
			w.note(t, err)
		}
		_ = source.Close() // closing the body reads to its end, which may never come
		refuse(rw, err)
		return
	}
	deliver(rw, control, answer)
}

// check returns where r leads.
func (p *proxy) check(r *http.Request) (target, error) {
	if r.URL.Scheme != "http" || r.ContentLength != 0 || (r.Method != http.MethodGet && r.Method != http.MethodHead) {
		return target{}, invalid(target{}, errRequest)
	}
	return p.parse(r.URL.Host)
}

// outgoing is r as t gets it: on a connection of its own, the path byte for
// byte as libav wrote it, since it may be signed.
func outgoing(r *http.Request, t target, w *way) *http.Request {
	u := &url.URL{Scheme: "http", Host: t.hostPort()}
	// RequestURI is absolute here: scheme://authority, then the target.
	_, rest, _ := strings.Cut(r.RequestURI, "://")
	path := "/"
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		path = rest[i:]
	}
	switch {
	case strings.HasPrefix(path, "?"):
		u.Opaque = "/" + path
	case strings.HasPrefix(path, "//"): // net/url would take it for a host
		u.Path, u.RawPath, u.RawQuery = r.URL.Path, r.URL.RawPath, r.URL.RawQuery
	default:
		u.Opaque = path
	}
	out := &http.Request{
		Method: r.Method, URL: u, Host: t.hostHeader(), Header: r.Header.Clone(), Close: true,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	stripHopByHop(out.Header)
	out.Header.Del("Accept-Encoding") // media is compressed already
	for name, value := range w.headers {
		if t == w.to || w.all && media.ForAll(name) {
			out.Header.Set(name, value.Reveal())
		}
	}
	if _, ok := out.Header["User-Agent"]; !ok {
		out.Header.Set("User-Agent", "") // or net/http adds its own
	}
	return out
}

// hostHeader leaves a scheme's own port out, as clients do.
func (t target) hostHeader() string {
	if t.port != carried[t.scheme] {
		return t.hostPort()
	}
	if t.addr.Is6() {
		return "[" + t.host + "]"
	}
	return t.host
}

func stripHopByHop(h http.Header) {
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range hopByHop {
		h.Del(name)
	}
}

// exchange sends out and reads the head of its answer, both bounded in time
// and size; the body is not. The error is fit to be shown.
func exchange(source net.Conn, out *http.Request) (*http.Response, error) {
	_ = source.SetDeadline(time.Now().Add(answerTime))
	if err := out.Write(source); err != nil {
		return nil, plainCause(err)
	}
	limit := &io.LimitedReader{R: source, N: answerBytes}
	br := bufio.NewReader(limit)
	for {
		answer, err := http.ReadResponse(br, out)
		if err != nil {
			if cause := plainCause(err); !errors.Is(cause, errFailed) {
				return nil, cause
			}
			return nil, errAnswer
		}
		switch {
		case answer.StatusCode == http.StatusSwitchingProtocols:
			return nil, errAnswer // nobody asked for it
		case answer.StatusCode >= 200:
			limit.N = math.MaxInt64
			_ = source.SetDeadline(time.Time{})
			return answer, nil
		}
	}
}

// deliver passes the answer on as it comes. An answer cut short is cut short
// for libav as well, never ended as if complete.
func deliver(rw http.ResponseWriter, control *http.ResponseController, answer *http.Response) {
	stripHopByHop(answer.Header)
	header := rw.Header()
	for name, values := range answer.Header {
		header[name] = values
	}
	for _, name := range []string{"Content-Type", "Date"} {
		if _, ok := header[name]; !ok {
			header[name] = nil // or net/http makes one up
		}
	}
	rw.WriteHeader(answer.StatusCode)
	err := control.Flush()
	if err == nil {
		_, err = copyMedia(flusher{rw, control}, answer.Body)
	}
	if err != nil {
		panic(http.ErrAbortHandler)
	}
}

// flusher sends every piece as it arrives: a live source may be slow.
type flusher struct {
	io.Writer
	control *http.ResponseController
}

func (f flusher) Write(b []byte) (int, error) {
	n, err := f.Writer.Write(b)
	if err == nil {
		err = f.control.Flush()
	}
	return n, err
}
