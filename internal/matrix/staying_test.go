package matrix

import (
	"context"
	"crypto/sha256"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakeroom"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/roomcast/roomcast/media/push"
	"github.com/roomcast/roomcast/media/rtmp"
	"github.com/roomcast/roomcast/tasks"
)

// stay is a push that something happens to.
type stay struct {
	t      *testing.T
	room   standIn
	user   string
	pusher *push.Pusher
	job    media.Job
	diary  *diary
	cancel context.CancelCauseFunc
	done   chan error
	err    error // once over
}

// brief is the retry policy of package tasks, a tenth as long; its own length
// is asserted there.
func brief(k media.Kind) media.Retry { return shortened(10)(k) }

// shortened is users' patience, parted by n.
func shortened(n time.Duration) media.RetryPolicy {
	return func(k media.Kind) media.Retry {
		r := tasks.RetryOf(k, false, 0)
		r.First, r.Max, r.For = r.First/n, r.Max/n, r.For/n
		return r
	}
}

// briefLive is brief for a live source that may be away for a while.
func briefLive(away time.Duration) media.RetryPolicy {
	return func(k media.Kind) media.Retry {
		r := brief(k)
		if k == media.KindSourceUnavailable || k == media.KindSourceStalled || k == media.KindSourceEnded {
			r.For = away
		}
		return r
	}
}

func newStay(t *testing.T, room standIn, source string) *stay {
	t.Helper()
	d := &diary{}
	s := &stay{t: t, room: room, user: "u", pusher: newPusher(t, room.endpoint()), diary: d, done: make(chan error, 1)}
	s.job = job(source, s.user, d)
	s.job.Retry = brief
	return s
}

// start plays until the test is over.
func (s *stay) start() *stay {
	ctx, cancel := context.WithCancelCause(context.Background())
	s.cancel = cancel
	var running sync.WaitGroup
	running.Go(func() { s.done <- s.pusher.Play(ctx, s.job) })
	s.t.Cleanup(func() { cancel(media.ErrStopped); running.Wait() })
	return s
}

// end waits for the end of the push.
func (s *stay) end() error {
	s.t.Helper()
	select {
	case s.err = <-s.done:
	case <-soon(s.t).Done():
		s.t.Fatalf("the push does not end\n%s", s.diary)
	}
	return s.err
}

// failed waits for the end and returns what clients are told.
func (s *stay) failed() *tasks.Failure {
	s.t.Helper()
	err := s.end()
	require.Error(s.t, err)
	return tasks.FailureOf(err)
}

// has waits until the room has had d of media in the newest session.
func (s *stay) has(d time.Duration) fakeroom.Session {
	s.t.Helper()
	session, err := s.room.WaitMedia(soon(s.t), s.user, d)
	require.NoError(s.t, err, s.diary)
	return session
}

// retried waits until something was tried again n times.
func (s *stay) retried(n int) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return len(s.retries()) >= n }, time.Minute, 20*time.Millisecond, "%s", s.diary)
}

func (s *stay) retries() []string {
	s.diary.mu.Lock()
	defer s.diary.mu.Unlock()
	return append([]string(nil), s.diary.retries...)
}

// sessions are those of the room, in their order.
func (s *stay) sessions() []fakeroom.Session { return s.room.Sessions() }

func (s *stay) progress() media.Progress { return s.job.Meter.Snapshot(time.Now()) }

// pictures counts the pictures that the room got, and how many of them it had
// had before. They tell each other apart by their data: the clip moves.
func (s *stay) pictures() (different, again int) {
	s.t.Helper()
	had := map[[32]byte]bool{}
	for _, session := range s.sessions() {
		for _, p := range s.room.Packets(session.ID) {
			if p.Type != media.Video || p.Config {
				continue
			}
			sum := sha256.Sum256(p.Data[5:])
			if had[sum] {
				again++
			}
			had[sum] = true
		}
	}
	return len(had), again
}

// sound demands that no session broke a rule, and that each began at a
// keyframe.
func (s *stay) sound() {
	s.t.Helper()
	for _, session := range s.sessions() {
		require.Empty(s.t, session.Violations)
	}
}

// hostile is a server of a file that misbehaves as it is told.
type hostile struct {
	path string
	rate int // bytes per second that it gives

	mu      sync.Mutex
	act     http.HandlerFunc // nil: it behaves
	broken  chan struct{}    // closed when what runs is to break
	server  *http.Server
	address string
	serving sync.WaitGroup
}

// ahead is how much faster than real time a hostile server gives its file.
const ahead = 2

func newHostile(t *testing.T, path string, length time.Duration) *hostile {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	h := &hostile{path: path, rate: int(float64(info.Size())/length.Seconds()) * ahead, broken: make(chan struct{})}
	h.address = "127.0.0.1:0"
	h.open(t)
	t.Cleanup(h.close)
	return h
}

func (h *hostile) url() string { return "http://" + h.address + "/a.mp4" }

// open listens again after close.
func (h *hostile) open(t *testing.T) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", h.address)
	require.NoError(t, err)
	h.address = listener.Addr().String()
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	h.server = server
	h.serving.Go(func() { _ = server.Serve(listener) })
}

func (h *hostile) close() {
	h.fail(nil)
	_ = h.server.Close()
	h.serving.Wait()
}

// fail breaks what is being given, and answers with act from now on; nil
// behaves.
func (h *hostile) fail(act http.HandlerFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.broken)
	h.broken, h.act = make(chan struct{}), act
}

func (h *hostile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	act, broken := h.act, h.broken
	h.mu.Unlock()
	if act != nil {
		act(w, r)
		return
	}
	http.ServeFile(&slowly{ResponseWriter: w, rate: h.rate, broken: broken, gone: r.Context().Done()}, r, h.path)
}

// slowly gives at a rate, after a burst that opens the file.
type slowly struct {
	http.ResponseWriter
	rate         int
	given        int
	broken, gone <-chan struct{}
}

func (s *slowly) Write(p []byte) (int, error) {
	const piece = 8 << 10
	written := 0
	for written < len(p) {
		part := p[written:min(len(p), written+piece)]
		var wait <-chan time.Time
		if s.given > s.rate { // the first second's worth at once
			wait = time.After(time.Second * time.Duration(len(part)) / time.Duration(s.rate))
		} else {
			wait = time.After(0)
		}
		select {
		case <-wait:
		case <-s.gone:
			return written, errors.New("nobody reads")
		case <-s.broken:
			panic(http.ErrAbortHandler)
		}
		n, err := s.ResponseWriter.Write(part)
		written, s.given = written+n, s.given+n
		if err != nil {
			return written, err
		}
		_ = http.NewResponseController(s.ResponseWriter).Flush()
	}
	return written, nil
}

// resets breaks the connection with a reset.
func resets(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	}
}

// next answers requests to come with act, and leaves those that run alone.
func (h *hostile) next(act http.HandlerFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.act = act
}

// hangs takes a request and does not answer it.
func hangs(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func answers(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

// shortDialer waits for a room's answer for a second.
func shortDialer() media.Dialer { return &rtmp.Dialer{Timeout: time.Second} }

// moving is a clip in which no picture is like another.
func moving(t testing.TB, seconds float64) string {
	t.Helper()
	return mediatest.Clip(t, mediatest.Spec{Seconds: seconds, Width: 320, Height: 180})
}

// asking is hangs that says so.
func asking(asked chan<- struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case asked <- struct{}{}:
		default:
		}
		hangs(w, r)
	}
}
