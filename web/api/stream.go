package api

import (
	"context"
	"errors"
	"math/rand/v2"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/roomcast/roomcast/tasks"
)

const (
	eventStream = "text/event-stream"
	// heartbeatEvery keeps proxies from taking a stream for dead: many give up
	// after 30 to 60 s of silence.
	heartbeatEvery = 15 * time.Second
	// writeTime is how long a client may take nothing before its stream is cut.
	writeTime = 10 * time.Second
	// reconnectIn is when a client comes back to a stream that broke; after the
	// end of an API they come spread over reconnectSpread more.
	reconnectIn     = 500 * time.Millisecond
	reconnectSpread = 2 * time.Second
)

// wantsStream says whether the client asks for server-sent events.
func wantsStream(r *http.Request) bool { return accepts(r, eventStream) }

// accepts says whether the client names a media type among those that it takes.
func accepts(r *http.Request, kind string) bool {
	for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept"), ","), ",") {
		if t, _, err := mime.ParseMediaType(part); err == nil && t == kind {
			return true
		}
	}
	return false
}

// watch streams what happens to all pushes that a filter selects.
func (s *server) watch(c *gin.Context) error {
	f, err := decodeFilter(c.Request.URL.RawQuery)
	if err != nil {
		return err
	}
	values := c.Request.URL.Query()
	var d decoder
	for _, name := range []string{"cursor", "limit"} {
		if values.Has(name) {
			d.problem(name, "is of the list; a stream has no pages")
		}
	}
	if len(d.problems) > 0 {
		return d.err()
	}
	return s.stream(c, topic{name: values.Encode(), matches: f.Matches}, tasks.Push{})
}

// follow streams what happens to one push, up to its end. A client that has had
// the end and comes back, as an EventSource does, is told not to (204).
func (s *server) follow(c *gin.Context) error {
	id, err := pushID(c)
	if err != nil {
		return err
	}
	ctx, cancel := reading(c)
	defer cancel()
	p, err := s.Pushes.Get(ctx, id)
	if err != nil {
		return err
	}
	if p.State.Terminal() && strings.HasSuffix(c.GetHeader("Last-Event-ID"), endMark) {
		c.Status(http.StatusNoContent)
		return nil
	}
	return s.stream(c, topic{name: id, push: id}, p)
}

func (s *server) stream(c *gin.Context, t topic, asked tasks.Push) error {
	ctx, cancel := reading(c)
	l, err := s.Live.listen(ctx, t, c.GetHeader("Last-Event-ID"), asked)
	cancel()
	if err != nil {
		return err
	}
	defer s.Live.leave(l)
	listening, end := untilSessionEnds(c)
	defer end()
	c.Header("Content-Type", eventStream)
	c.Header("X-Accel-Buffering", "no") // nginx
	c.Status(http.StatusOK)
	w := newStreamWriter(c.Writer)
	err = w.control.SetReadDeadline(time.Time{}) // that of the request would end the stream, too
	if err == nil {
		err = s.send(listening, w, l)
	}
	if errors.Is(err, errSlow) || errors.Is(err, os.ErrDeadlineExceeded) { // else the client is gone
		s.Log.Info("stream cut: its reader is too slow", "route", c.FullPath(), "remote", c.Request.RemoteAddr)
	}
	return nil
}

// send writes what l is given until one of both ends. The error is why the
// client was cut off.
func (s *server) send(ctx context.Context, w streamWriter, l *listener) error {
	if err := w.write(retryIn(reconnectIn)); err != nil {
		return err
	}
	beat := time.NewTimer(heartbeatEvery)
	defer beat.Stop()
	for {
		select {
		case <-l.gone: // before what still waits to be written
			return w.end(l.why)
		default:
		}
		var message []byte
		var more bool
		select {
		case <-ctx.Done():
			return nil
		case <-l.gone:
			continue
		case message, more = <-l.messages:
			if !more {
				return nil
			}
		case <-beat.C:
			message = s.heartbeat(l)
		}
		if err := w.write(message); err != nil {
			return err
		}
		beat.Reset(heartbeatEvery)
	}
}

// heartbeat is a comment with the id that the client may go on from: that of
// the last event, though it was none of its own.
func (s *server) heartbeat(l *listener) []byte {
	id := s.Live.position()
	if len(l.messages) > 0 {
		return []byte(":\n\n")
	}
	return []byte(":\nid: " + id + "\n\n")
}

func retryIn(d time.Duration) []byte {
	return []byte("retry: " + strconv.FormatInt(d.Milliseconds(), 10) + "\n\n")
}

// streamWriter writes to a client that may stand still.
type streamWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

// newStreamWriter flushes below gin, whose Flush tells no error.
func newStreamWriter(w http.ResponseWriter) streamWriter {
	below := w
	if gins, ok := w.(interface{ Unwrap() http.ResponseWriter }); ok {
		below = gins.Unwrap()
	}
	return streamWriter{w, http.NewResponseController(below)}
}

func (w streamWriter) write(message []byte) error {
	err := w.control.SetWriteDeadline(time.Now().Add(writeTime))
	if err == nil {
		_, err = w.Write(message)
	}
	if err == nil {
		err = w.control.Flush()
	}
	return err
}

// end says goodbye to a client of an API that ends; of a reader that is too slow
// it returns the reason.
func (w streamWriter) end(why error) error {
	if !errors.Is(why, errClosing) {
		return why
	}
	return w.write(retryIn(reconnectIn + rand.N(reconnectSpread)))
}
