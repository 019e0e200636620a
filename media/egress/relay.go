package egress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/bluenviron/gortmplib/pkg/handshake"

	"github.com/roomcast/roomcast/media"
)

const (
	relayPhaseTime = 10 * time.Second // for a handshake, and for connect to come
	relayConns     = 8                // at once; libav uses one
	acceptPause    = 50 * time.Millisecond
)

var errNotRTMP = errors.New("the source did not answer as an RTMP server")

// relay is the loopback server of one way.
type relay struct {
	way    *way
	slots  chan struct{}
	handle func(ctx context.Context, client net.Conn) // closes client
}

// relay starts a relay on a free port and returns its host:port.
func (w *way) relay(ctx context.Context, handle func(context.Context, net.Conn)) (string, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("start the relay: %w", err)
	}
	if !w.own(listener) {
		return "", context.Cause(ctx)
	}
	r := &relay{way: w, slots: make(chan struct{}, relayConns), handle: handle}
	go r.serve(ctx, listener)
	return listener.Addr().String(), nil
}

// own admits one more goroutine to the way (see begin), whose socket the way
// closes at its end: at once when it has ended already.
func (w *way) own(socket io.Closer) bool {
	w.mu.Lock()
	w.listener = socket
	w.mu.Unlock()
	if !w.begin() {
		_ = socket.Close()
		return false
	}
	return true
}

// rtmpRelay reads a connection up to its connect command, which carries the
// way's password, and only then dials the source and turns into a pipe.
type rtmpRelay struct {
	way      *way
	address  address
	flashVer string // with the password; the source gets spaces in its place
}

// openRTMP starts a relay for a and sets w's URL and Options.
func (w *way) openRTMP(ctx context.Context, a address) error {
	r := &rtmpRelay{way: w, address: a, flashVer: flashVersion + w.password}
	at, err := w.relay(ctx, r.handle)
	if err != nil {
		return err
	}
	w.URL = media.Secret("rtmp://" + a.userInfo + at + a.path)
	w.Options = map[string]media.Secret{
		"rtmp_tcurl":    media.Secret(a.target.String() + "/" + appOf(a.path)),
		"rtmp_flashver": media.Secret(r.flashVer),
	}
	return nil
}

// appOf is the application in an RTMP address's path, as rtmp_open of libav's
// rtmpproto.c finds it: our tcUrl must name the one libav sends.
func appOf(path string) string {
	if path == "" {
		return ""
	}
	if _, query, ok := strings.Cut(path, "?"); ok && strings.Contains(query, "slist=") {
		return path[1:]
	}
	if strings.HasPrefix(path, "/ondemand/") {
		return "ondemand"
	}
	app, play, ok := strings.Cut(path[1:], "/")
	if !ok {
		return app
	}
	slash, colon := strings.IndexByte(play, '/'), strings.IndexByte(play, ':')
	if slash < 0 || (colon >= 0 && colon < slash) {
		return app
	}
	return app + "/" + play[:slash]
}

func (r *relay) serve(ctx context.Context, listener net.Listener) {
	defer r.way.running.Done()
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // no descriptors left, most likely
			select {
			case <-time.After(acceptPause):
			case <-ctx.Done():
			}
			continue
		}
		select {
		case r.slots <- struct{}{}:
		default:
			_ = conn.Close()
			continue
		}
		if !r.way.begin() {
			_ = conn.Close()
			return
		}
		go func() {
			defer r.way.running.Done()
			defer func() { <-r.slots }()
			defer func() { _ = conn.Close() }()
			r.way.guard(func() { r.handle(ctx, conn) })
		}()
	}
}

func (r *rtmpRelay) handle(ctx context.Context, client net.Conn) {
	defer func() { _ = client.Close() }()
	defer context.AfterFunc(ctx, func() { _ = client.Close() })()
	head, err := r.admit(client)
	if err != nil {
		r.way.gate.cfg.Log.Debug("relay refused a connection", "host", r.way.to.host, "error", err)
		return
	}
	source, err := r.way.dial(ctx, r.way.to)
	if err != nil {
		return // the way has noted it
	}
	defer func() { _ = source.Close() }()
	if err := r.greet(ctx, source, head); err != nil {
		r.way.note(r.way.to, unavailable(r.way.to, err))
		return
	}
	r.way.join(ctx, client, source, &verdictReader{from: source, refuse: func(code, words string) {
		r.way.note(r.way.to, rtmpRefusal(r.address, code, words))
	}})
}

// admit reads client up to its connect command and returns those bytes, the
// password blanked out of them.
func (r *rtmpRelay) admit(client net.Conn) ([]byte, error) {
	_ = client.SetDeadline(time.Now().Add(relayPhaseTime))
	keys, _, err := handshake.DoServer(client, false)
	if err != nil {
		return nil, errGreeting
	}
	if keys != nil {
		return nil, errEncrypted
	}
	head, err := readConnect(client, r.flashVer)
	if err != nil {
		return nil, err
	}
	if !blank(head, r.way.password) {
		return nil, errPasswordLost
	}
	return head, client.SetDeadline(time.Time{})
}

// greet does the handshake with the source and sends it head.
func (r *rtmpRelay) greet(ctx context.Context, source net.Conn, head []byte) error {
	stop := context.AfterFunc(ctx, func() { _ = source.Close() })
	defer stop()
	_ = source.SetDeadline(time.Now().Add(relayPhaseTime))
	if _, _, err := handshake.DoClient(source, false, false); err != nil {
		if cause := plainCause(err); !errors.Is(cause, errFailed) {
			return cause
		}
		return errNotRTMP
	}
	if _, err := source.Write(head); err != nil {
		return plainCause(err)
	}
	return source.SetDeadline(time.Time{})
}
