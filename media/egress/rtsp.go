package egress

import (
	"bufio"
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/roomcast/roomcast/media"
)

// RTSP 1.0, RFC 2326, its media interleaved (section 10.12).

const mostPending = 16 // requests without an answer; some sources leave those that keep a session alive

var (
	errNotRTSP      = errors.New("the source did not answer as an RTSP server")
	errRedirect     = errors.New("the source redirects, which is not followed for rtsp")
	errTransport    = errors.New("the source does not send its media over TCP")
	errUnauthorized = errors.New("no password")
)

// rtspRelay speaks RTSP with libav on loopback and with the source: what may
// lead libav elsewhere does not reach it, and the source's password is the
// relay's to send.
type rtspRelay struct {
	way      *way
	at       string // its own address, as libav names it
	source   string // the source's, in its place
	password string // the source's, from the URL
	user     string
}

// openRTSP starts a relay for a and sets w's URL.
func (w *way) openRTSP(ctx context.Context, a address) error {
	r := &rtspRelay{way: w, source: "rtsp://" + a.hostHeader()}
	user, password, _ := strings.Cut(strings.TrimSuffix(a.userInfo, "@"), ":")
	r.user, r.password = unescaped(user), unescaped(password)
	ready := make(chan struct{})
	at, err := w.relay(ctx, func(ctx context.Context, client net.Conn) {
		<-ready
		r.handle(ctx, client)
	})
	r.at = "rtsp://" + at
	close(ready)
	if err != nil {
		return err
	}
	own := url.UserPassword(w.user, w.password)
	w.URL = media.Secret("rtsp://" + own.String() + "@" + at + a.path)
	return nil
}

func unescaped(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

func (r *rtspRelay) handle(ctx context.Context, client net.Conn) {
	defer func() { _ = client.Close() }()
	defer context.AfterFunc(ctx, func() { _ = client.Close() })()
	from := bufio.NewReaderSize(client, commandBuffer)
	first, err := r.admit(client, from)
	if err != nil {
		r.way.gate.cfg.Log.Debug("relay refused a connection", "host", r.way.to.host, "error", err)
		return
	}
	source, err := r.way.dial(ctx, r.way.to)
	if err != nil {
		return // the way has noted it
	}
	defer func() { _ = source.Close() }()
	defer context.AfterFunc(ctx, func() { _ = source.Close() })()
	s := &rtspSession{relay: r, client: client, source: source, pending: make(map[int]*rtspRequest)}
	s.run(from, first)
}

// admit reads requests until one has the way's password, which libav sends when
// it is asked for it.
func (r *rtspRelay) admit(client net.Conn, from *bufio.Reader) (*rtspMessage, error) {
	_ = client.SetDeadline(time.Now().Add(relayPhaseTime))
	for range 2 {
		m, err := readRTSP(from)
		if err != nil {
			return nil, err
		}
		if r.authorized(m) {
			return m, client.SetDeadline(time.Time{})
		}
		refusal := &rtspMessage{start: "RTSP/1.0 401 Unauthorized"}
		refusal.add("CSeq", m.get("CSeq"))
		refusal.add("WWW-Authenticate", `Basic realm="roomcast"`)
		if _, err := client.Write(refusal.bytes()); err != nil {
			return nil, err
		}
	}
	return nil, errUnauthorized
}

func (r *rtspRelay) authorized(m *rtspMessage) bool {
	scheme, encoded, _ := strings.Cut(m.get("Authorization"), " ")
	want := base64.StdEncoding.EncodeToString([]byte(r.way.user + ":" + r.way.password))
	return strings.EqualFold(scheme, "Basic") && subtle.ConstantTimeCompare([]byte(strings.TrimSpace(encoded)), []byte(want)) == 1
}

// rtspRequest is one of libav's, on its way to the source.
type rtspRequest struct {
	message     *rtspMessage
	method, uri string
	cseq        string // libav's own
	again       bool   // it has been sent with what the source asked for
}

// rtspSession is one connection of libav's and the source's to it.
type rtspSession struct {
	relay          *rtspRelay
	client, source net.Conn

	mu        sync.Mutex // guards writes to source and what follows
	serial    int
	pending   map[int]*rtspRequest // by our CSeq
	challenge *challenge
	playing   bool
}

// run ends when either side does, and leaves libav time to read what was sent.
func (s *rtspSession) run(from *bufio.Reader, first *rtspMessage) {
	way := s.relay.way
	done := make(chan struct{})
	go func() {
		defer close(done)
		way.guard(func() { _ = s.up(from, first) })
		_ = s.source.Close()
	}()
	var err error
	way.guard(func() { err = s.down(bufio.NewReaderSize(s.source, mediaBuffer)) })
	s.mu.Lock()
	playing := s.playing
	s.mu.Unlock()
	if err != nil && !playing && !closedByUs(done) && way.Refusal() == nil {
		way.note(way.to, unavailable(way.to, err))
	}
	if half, ok := s.client.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_ = s.client.SetReadDeadline(time.Now().Add(lingerTime))
	<-done
}

func closedByUs(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// up passes libav's requests and reports on.
func (s *rtspSession) up(from *bufio.Reader, m *rtspMessage) error {
	for {
		if m != nil {
			if err := s.request(m); err != nil {
				return err
			}
		}
		head, err := from.Peek(1)
		if err != nil {
			return err
		}
		if head[0] == '$' {
			frame, err := readFrame(from)
			if err != nil {
				return err
			}
			if err := s.send(frame); err != nil {
				return err
			}
			m = nil
			continue
		}
		if m, err = readRTSP(from); err != nil {
			return err
		}
		if !s.relay.authorized(m) {
			return errUnauthorized
		}
	}
}

func (s *rtspSession) send(b []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.source.Write(b)
	return err
}

// request sends m to the source.
func (s *rtspSession) request(m *rtspMessage) error {
	words := strings.Fields(m.start)
	if len(words) != 3 {
		return errNotRTSP
	}
	uri := words[1]
	if rest, ok := strings.CutPrefix(uri, s.relay.at); ok {
		uri = s.relay.source + rest
	}
	q := &rtspRequest{message: m, method: words[0], uri: uri, cseq: m.get("CSeq")}
	m.start = q.method + " " + uri + " RTSP/1.0"
	return s.dispatch(q)
}

// dispatch writes q under a number of ours, with the source's password once it
// has asked for it.
func (s *rtspSession) dispatch(q *rtspRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	delete(s.pending, s.serial-mostPending)
	s.pending[s.serial] = q
	q.message.set("CSeq", strconv.Itoa(s.serial))
	q.message.remove("Authorization")
	if s.challenge != nil {
		q.message.add("Authorization", s.challenge.answer(s.relay.user, s.relay.password, q))
	}
	_, err := s.source.Write(q.message.bytes())
	return err
}

// down passes media and answers on to libav.
func (s *rtspSession) down(from *bufio.Reader) error {
	to := bufio.NewWriterSize(s.client, mediaBuffer)
	for {
		head, err := from.Peek(1)
		if err != nil {
			return plainCause(err)
		}
		if head[0] == '$' {
			frame, err := readFrame(from)
			if err != nil {
				return plainCause(err)
			}
			_, _ = to.Write(frame) // Flush says what went wrong
		} else if err := s.answer(from, to); err != nil {
			return err
		}
		if from.Buffered() == 0 {
			if err := to.Flush(); err != nil {
				return err
			}
		}
	}
}

// answer reads one message of the source's and passes on what is for libav.
func (s *rtspSession) answer(from *bufio.Reader, to *bufio.Writer) error {
	m, err := readRTSP(from)
	if err != nil {
		if cause := plainCause(err); !errors.Is(cause, errFailed) {
			return cause
		}
		return errNotRTSP
	}
	status, ok := m.status()
	if !ok {
		return s.decline(m)
	}
	q := s.take(m)
	switch {
	case q == nil || status < 200:
		return nil
	case status == http.StatusUnauthorized && s.retry(q, m):
		return s.dispatch(q)
	}
	s.judge(q, status)
	if status/100 == 3 {
		m.start = "RTSP/1.0 403 Forbidden"
	}
	_, _ = to.Write(m.plain(q.cseq).bytes())
	return nil
}

// decline answers a request of the source's, of which none is for libav:
// REDIRECT is one.
func (s *rtspSession) decline(m *rtspMessage) error {
	words := strings.Fields(m.start)
	if len(words) != 3 || !strings.HasPrefix(words[2], "RTSP/") {
		return errNotRTSP
	}
	no := &rtspMessage{start: "RTSP/1.0 501 Not Implemented"}
	no.add("CSeq", m.get("CSeq"))
	return s.send(no.bytes())
}

// take returns the request that m answers, nil when there is none.
func (s *rtspSession) take(m *rtspMessage) *rtspRequest {
	n, err := strconv.Atoi(m.get("CSeq"))
	if err != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.pending[n]
	delete(s.pending, n)
	return q
}

// retry says whether q is to be sent again with a password.
func (s *rtspSession) retry(q *rtspRequest, m *rtspMessage) bool {
	asked := newChallenge(m.all("WWW-Authenticate"))
	if q.again || asked == nil || s.relay.user == "" && s.relay.password == "" {
		return false
	}
	q.again = true
	s.mu.Lock()
	defer s.mu.Unlock()
	s.challenge = asked
	return true
}

// judge notes what an answer says, as long as nothing plays.
func (s *rtspSession) judge(q *rtspRequest, status int) {
	s.mu.Lock()
	playing := s.playing
	s.playing = playing || q.method == "PLAY" && status == http.StatusOK
	s.mu.Unlock()
	way := s.relay.way
	switch {
	case playing || status/100 == 2:
	case status/100 == 3:
		way.note(way.to, answerFailure(media.KindSourceUnsupported, way.to, errRedirect))
	case status == 461: // RFC 2326, section 11.3.14
		way.note(way.to, answerFailure(media.KindSourceUnsupported, way.to, errTransport))
	default:
		way.note(way.to, answerError(way.to, status))
	}
}
