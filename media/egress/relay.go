package egress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

const (
	relayPhaseTime = 10 * time.Second // for libav's first requests
	relayConns     = 8                // at once; libav uses one
	acceptPause    = 50 * time.Millisecond
)

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
