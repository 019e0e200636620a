package egress

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"io"
	"log/slog"
	"net"
	"sync"

	"github.com/roomcast/roomcast/media"
)

// way is the way out for one attempt. Its methods are safe for concurrent use.
type way struct {
	// URL is what libav opens: the source's own for http and https (see
	// media.TLSPort), the relay's on loopback for all others.
	URL media.Secret
	// Options go into the options of that open, unchanged: http_proxy, or
	// rtmp_tcurl and rtmp_flashver, or those of srt.
	Options map[string]media.Secret

	gate     *Gate
	to       target
	headers  map[string]media.Secret // for the origin to, and no other
	all      bool                    // but those of media.ForAll
	user     string                  // the proxy user; not secret
	password string                  // 128 random bits
	running  sync.WaitGroup

	found found

	done   <-chan struct{}                   // closed when the way has ended
	after  func(f func()) (stop func() bool) // context.AfterFunc for the way's end
	cancel context.CancelFunc                // ends the way
	idle   func() bool                       // stops shut from running at the way's end

	mu        sync.Mutex
	ended     bool
	listener  io.Closer            // the relay's
	blocked   error                // the first address refused by the rules
	failure   error                // the last connection or request that failed, until one succeeds
	playlists bool                 // the source is one, or may be
	turns     int                  // redirects since the last other answer
	standIns  map[string]*standIn  // of a master playlist, by address
	initials  map[string]*initials // of media playlists, by the addresses of both
	lists     int                  // that a master playlist leads to
	// initialBytes is what libav keeps of live playlists, see maxInitialBytes.
	initialBytes int
}

// newWay returns a way that ends with ctx, and the context of its life.
func newWay(ctx context.Context, g *Gate, to target) (context.Context, *way) {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	w := &way{gate: g, to: to, password: base64.RawURLEncoding.EncodeToString(random[:])}
	ctx, w.cancel = context.WithCancel(ctx)
	w.done = ctx.Done()
	w.after = func(f func()) func() bool { return context.AfterFunc(ctx, f) }
	return ctx, w
}

// over says whether the way has ended.
func (w *way) over() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// bind returns a context that ends with ctx or the way.
func (w *way) bind(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := w.after(cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// Refusal returns the typed reason why this way led nowhere, or nil: libav
// sees only a 403, a 502 or a closed connection. A connection the rules
// refused (KindSourceBlocked) and an encrypted playlist (KindSourceEncrypted)
// are kept for good; a connection that failed or an error status until another
// request succeeds, so that an error after it is libav's own to explain.
func (w *way) Refusal() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.blocked != nil {
		return w.blocked
	}
	return w.failure
}

// note remembers the outcome of one connection. Failures that follow from the
// way's own end say nothing about the source.
func (w *way) note(t target, err error) {
	if err != nil && w.over() {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	log := w.gate.cfg.Log.With("scheme", t.scheme, "host", t.host, "port", t.port)
	switch {
	case err == nil:
		w.failure = nil
		log.Debug("source connected")
	case lasting(media.KindOf(err)):
		if w.blocked == nil {
			log.Warn("source refused", "error", err)
			w.blocked = err
		}
	default:
		log.Debug("source not reached", "error", err)
		w.failure = err
	}
}

// lasting says whether a later success does not undo a failure of kind k.
func lasting(k media.Kind) bool {
	return k == media.KindSourceBlocked || k == media.KindSourceEncrypted
}

// turn counts a redirect, or an answer that is none, and says whether it was
// one too many.
func (w *way) turn(redirect bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !redirect {
		w.turns = 0
		return false
	}
	w.turns++
	return w.turns > maxTurns
}

// dial connects to t; ctx is one that bind returned.
func (w *way) dial(ctx context.Context, t target) (net.Conn, error) {
	dial := w.gate.dial
	if t.scheme == "rtmps" || t.scheme == "https" {
		dial = w.gate.dialTLS
	}
	conn, err := dial(ctx, t)
	if err == nil || ctx.Err() == nil {
		w.note(t, err)
	}
	return conn, err
}

// begin admits one more goroutine to the way; it must call w.running.Done.
func (w *way) begin() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return false
	}
	w.running.Add(1)
	return true
}

// shut makes everything on the way end and its password worthless.
func (w *way) shut() {
	w.mu.Lock()
	w.ended = true
	listener := w.listener
	w.mu.Unlock()
	w.gate.forget(w)
	w.cancel()
	if listener != nil {
		_ = listener.Close()
	}
}

// Close ends the relay and every connection of the way and returns when their
// goroutines have ended. It is idempotent.
func (w *way) Close() {
	w.idle()
	w.shut()
	w.running.Wait()
}

// String names the source by scheme, host and port, all a log may show.
func (w *way) String() string { return "way to " + w.to.String() }

// GoString is String: the fields hold secrets.
func (w *way) GoString() string { return w.String() }

// LogValue is String.
func (w *way) LogValue() slog.Value { return slog.StringValue(w.String()) }
