package main

import (
	"bufio"
	"context"
	"encoding/gob"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/bluenviron/gortmplib"
	"github.com/bluenviron/gortmplib/pkg/message"
)

// arrival is a packet of media that has come whole.
type arrival struct {
	At int64  // ns since 1970
	MS uint32 // the sender's timestamp
}

// session is one publish of a user, with what has come since it was last taken.
type session struct {
	User             string
	Published, Ended int64 // ns since 1970; Ended is 0 while it runs
	Arrivals         []arrival
}

// sink is the room: it takes every publish and keeps the times of packets.
type sink struct {
	mu       sync.Mutex
	sessions []*live
	begun    int // publishes since its start
}

type live struct {
	mu sync.Mutex
	session
}

// serveSink is the process of the sink: RTMP on one port, and on another what has
// come, for the bench.
func serveSink(ctx context.Context, out io.Writer) error {
	rtmp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var s sink
	go func() {
		for {
			conn, err := rtmp.Accept()
			if err != nil {
				return
			}
			go s.serve(conn)
		}
	}()
	mux := http.NewServeMux()
	mux.HandleFunc("/take", func(w http.ResponseWriter, _ *http.Request) {
		b := bufio.NewWriter(w)
		if err := gob.NewEncoder(b).Encode(s.take()); err == nil {
			_ = b.Flush()
		}
	})
	mux.HandleFunc("/begun", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		_, _ = fmt.Fprint(w, s.begun)
	})
	return serve(ctx, out, mux, rtmp.Addr().String())
}

// serveFiles is the process of the web server that has the clip.
func serveFiles(ctx context.Context, out io.Writer, path string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/"+filepath.Base(path), func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, path) })
	return serve(ctx, out, mux, "-")
}

// serve serves until ctx ends, and says where, with what else is to be known.
func serve(ctx context.Context, out io.Writer, h http.Handler, more string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { os.Exit(0) })()
	_, _ = fmt.Fprintf(out, "listening addr=%s more=%s\n", l.Addr(), more)
	return (&http.Server{Handler: h, ReadHeaderTimeout: time.Minute}).Serve(l)
}

func (s *sink) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	const atOnce = 64 << 10 // one read takes whatever has come
	c := &gortmplib.ServerConn{RW: struct {
		io.Reader
		io.Writer
	}{bufio.NewReaderSize(conn, atOnce), conn}}
	if c.Initialize() != nil || c.Accept() != nil || !c.Publish {
		return
	}
	v := &live{session: session{User: c.URL.Query().Get("userid"), Published: time.Now().UnixNano()}}
	s.mu.Lock()
	s.sessions, s.begun = append(s.sessions, v), s.begun+1
	s.mu.Unlock()
	for {
		m, err := c.Read()
		v.mu.Lock()
		if err != nil {
			v.Ended = time.Now().UnixNano()
			v.mu.Unlock()
			return
		}
		if at, ok := packetTime(m); ok {
			v.Arrivals = append(v.Arrivals, arrival{time.Now().UnixNano(), uint32(at.Milliseconds())})
		}
		v.mu.Unlock()
	}
}

// packetTime is the time of a packet of media; a decoder configuration is none.
func packetTime(m message.Message) (time.Duration, bool) {
	switch m := m.(type) {
	case *message.Video:
		return m.DTS, m.Type == message.VideoTypeAU
	case *message.Audio:
		return m.DTS, m.AACType == message.AudioAACTypeAU
	}
	return 0, false
}

// take returns what has come since it was last called, and forgets it.
func (s *sink) take() (all []session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	running := s.sessions[:0]
	for _, v := range s.sessions {
		v.mu.Lock()
		all = append(all, v.session)
		v.Arrivals = nil
		if v.Ended == 0 {
			running = append(running, v)
		}
		v.mu.Unlock()
	}
	clear(s.sessions[len(running):])
	s.sessions = running
	return all
}

// writeRaw is the process of the raw writer: the least that a pusher can do. It has
// the packets in memory and sends one a write, when it is due. Pushes begin spread
// over two seconds: those of people are not in step. With a source it is the raw relay,
// which reads as much of it as it sends.
func writeRaw(ctx context.Context, out io.Writer, addr, clip string, pushes int, source ...string) error {
	file, err := os.ReadFile(clip)
	if err != nil {
		return err
	}
	packets, err := readFLV(file)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(out, "listening addr=- more=-")
	failed := make(chan error, pushes)
	for i := range pushes {
		go func() {
			time.Sleep(2 * time.Second * time.Duration(i) / time.Duration(pushes))
			key := fmt.Sprintf("room?userid=u%d", i)
			if len(source) > 0 {
				failed <- relayOne(ctx, addr, key, source[0], packets)
				return
			}
			failed <- writeOne(ctx, addr, key, packets)
		}()
	}
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

// publish connects to the room, and is done when the room waits for packets.
func publish(ctx context.Context, addr, key string) (*gortmplib.Client, error) {
	u, err := url.Parse("rtmp://" + addr + "/push/" + key)
	if err != nil {
		return nil, err
	}
	c := &gortmplib.Client{URL: u, Publish: true}
	if err := c.Initialize(ctx); err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	return c, nil
}

func writeOne(ctx context.Context, addr, key string, packets []packet) error {
	c, err := publish(ctx, addr, key)
	if err != nil {
		return err
	}
	defer c.Close()
	begun := time.Now()
	for _, p := range packets {
		if wait := time.Until(begun.Add(time.Duration(p.ms) * time.Millisecond)); wait > 0 {
			time.Sleep(wait)
		}
		if _, err := c.NetConn().Write(p.wire); err != nil {
			return err
		}
	}
	return nil
}

// The raw relay does what every pusher must that has a source, as cheaply as Go can: what is
// due within a tick is one write, and what is read of the source is one large read.
const (
	relayTick = 40 * time.Millisecond
	relayRead = 128 << 10
)

func relayOne(ctx context.Context, addr, key, source string, packets []packet) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, source, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	c, err := publish(ctx, addr, key)
	if err != nil {
		return err
	}
	defer c.Close()
	begun, buffer, ahead := time.Now(), make([]byte, relayRead), 0
	for len(packets) > 0 {
		due := time.Duration(packets[0].ms) * time.Millisecond
		time.Sleep(time.Until(begun.Add(due)))
		var batch net.Buffers
		for len(packets) > 0 && time.Duration(packets[0].ms)*time.Millisecond < due+relayTick {
			batch, packets = append(batch, packets[0].wire), packets[1:]
			ahead -= len(batch[len(batch)-1])
		}
		for ahead < 0 {
			n, err := io.ReadFull(answer.Body, buffer)
			if n == 0 {
				return err
			}
			ahead += n
		}
		if _, err := batch.WriteTo(c.NetConn()); err != nil {
			return err
		}
	}
	return nil
}
