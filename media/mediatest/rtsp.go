package mediatest

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/gortsplib/v5/pkg/liberrors"
	"github.com/pion/rtp"
)

// RTSP is a private RTSP server: what ffmpeg publishes to it can be played.
type RTSP struct {
	Addr string // host:port

	user, password string // of players; empty for none
	server         gortsplib.Server
	mu             sync.Mutex
	streams        map[string]*gortsplib.ServerStream
	published      chan struct{} // closed at every publication
}

// StartRTSP starts a server on a free loopback port; it ends with the test.
// Players need the user and the password when they are not empty.
func StartRTSP(t testing.TB, user, password string) *RTSP {
	t.Helper()
	s := &RTSP{user: user, password: password, streams: make(map[string]*gortsplib.ServerStream), published: make(chan struct{})}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Addr = listener.Addr().String()
	s.server = gortsplib.Server{
		Handler: s, RTSPAddress: s.Addr,
		Listen: func(string, string) (net.Listener, error) { return listener, nil },
	}
	if err := s.server.Start(); err != nil {
		t.Fatalf("start the RTSP server: %v", err)
	}
	t.Cleanup(s.server.Close)
	return s
}

// Publish plays the file over and over in real time to the server and returns
// its address, without user and password.
func (s *RTSP) Publish(t testing.TB, path, name string) string {
	t.Helper()
	s.mu.Lock()
	published := s.published
	s.mu.Unlock()
	address := "rtsp://" + s.Addr + "/" + name
	p := ffmpegIn(t, "", append(loop(path), "-f", "rtsp", "-rtsp_transport", "tcp", address)...)
	pollFor(t, "the publication", func() bool {
		select {
		case <-published:
			return true
		default:
			return false
		}
	}, p)
	return address
}

func (s *RTSP) stream(path string) *gortsplib.ServerStream {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.streams[path]
}

// admit answers what a player may get of a path.
func (s *RTSP) admit(c *gortsplib.ServerConn, r *base.Request, path string) (*base.Response, *gortsplib.ServerStream, error) {
	if s.user != "" && !c.VerifyCredentials(r, s.user, s.password) {
		return &base.Response{StatusCode: base.StatusUnauthorized}, nil, liberrors.ErrServerAuth{}
	}
	stream := s.stream(path)
	if stream == nil {
		return &base.Response{StatusCode: base.StatusNotFound}, nil, nil
	}
	return &base.Response{StatusCode: base.StatusOK}, stream, nil
}

// OnDescribe implements gortsplib.ServerHandlerOnDescribe.
func (s *RTSP) OnDescribe(c *gortsplib.ServerHandlerOnDescribeCtx) (*base.Response, *gortsplib.ServerStream, error) {
	return s.admit(c.Conn, c.Request, c.Path)
}

// OnSetup implements gortsplib.ServerHandlerOnSetup.
func (s *RTSP) OnSetup(c *gortsplib.ServerHandlerOnSetupCtx) (*base.Response, *gortsplib.ServerStream, error) {
	if c.Session.State() == gortsplib.ServerSessionStatePreRecord {
		return &base.Response{StatusCode: base.StatusOK}, nil, nil
	}
	return s.admit(c.Conn, c.Request, c.Path)
}

// OnPlay implements gortsplib.ServerHandlerOnPlay.
func (s *RTSP) OnPlay(*gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	return &base.Response{StatusCode: base.StatusOK}, nil
}

// OnAnnounce implements gortsplib.ServerHandlerOnAnnounce.
func (s *RTSP) OnAnnounce(c *gortsplib.ServerHandlerOnAnnounceCtx) (*base.Response, error) {
	stream := &gortsplib.ServerStream{Server: &s.server, Desc: c.Description}
	if err := stream.Initialize(); err != nil {
		return &base.Response{StatusCode: base.StatusBadRequest}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams[c.Path] = stream
	c.Session.SetUserData(stream)
	return &base.Response{StatusCode: base.StatusOK}, nil
}

// publishedAhead is more than ffmpeg -re publishes ahead of real time at its
// start: gortsplib works out a player's RTP-Info from the time of the last packet
// of each track, and takes one that lies ahead for the present.
const publishedAhead = 10 * time.Second

// OnRecord implements gortsplib.ServerHandlerOnRecord.
func (s *RTSP) OnRecord(c *gortsplib.ServerHandlerOnRecordCtx) (*base.Response, error) {
	stream := c.Session.UserData().(*gortsplib.ServerStream)
	silent := make(map[*description.Media]bool)
	for _, m := range stream.Desc.Medias {
		silent[m] = true
	}
	var mu sync.Mutex // packets of different media may come side by side
	c.Session.OnPacketRTPAny(func(m *description.Media, _ format.Format, p *rtp.Packet) {
		made, known := c.Session.PacketNTP(m, p)
		if !known {
			return
		}
		_ = stream.WritePacketRTPWithNTP(m, p, made.Add(-publishedAhead)) // fails for a player that has left
		mu.Lock()
		defer mu.Unlock()
		if silent[m] {
			delete(silent, m)
			if len(silent) == 0 {
				s.publish()
			}
		}
	})
	return &base.Response{StatusCode: base.StatusOK}, nil
}

// publish says that a stream can be played from now on. A player that came before
// the first packet of each track would not be told how they belong together.
func (s *RTSP) publish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.published)
	s.published = make(chan struct{})
}
