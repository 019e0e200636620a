package source

import (
	"bufio"
	"net"

	"github.com/bluenviron/gortsplib/v5/pkg/auth"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/conn"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/gortsplib/v5/pkg/headers"
	"github.com/bluenviron/gortsplib/v5/pkg/sdp"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// vetted is a connection whose server's messages are taken apart here before
// gortsplib sees them. It takes them apart by the same code, but in goroutines of its
// own, where a panic ends the process. Here it is an error.
type vetted struct {
	net.Conn
	from    *conn.Conn
	ready   []byte
	formats []format.Format // of the session, once that is described
}

func newVetted(c net.Conn) *vetted {
	return &vetted{Conn: c, from: conn.NewConn(bufio.NewReader(c), c)}
}

// Read is net.Conn's.
func (v *vetted) Read(b []byte) (int, error) {
	for len(v.ready) == 0 {
		if err := guarded(v.next); err != nil {
			return 0, err
		}
	}
	n := copy(b, v.ready)
	v.ready = v.ready[n:]
	return n, nil
}

// next takes the next message, as it is passed on.
func (v *vetted) next() error {
	message, err := v.from.Read()
	if err != nil {
		return err
	}
	switch m := message.(type) {
	case *base.InterleavedFrame:
		v.lookInto(m.Payload)
		v.ready, err = m.Marshal()
	case *base.Response:
		v.look(m)
		v.ready, err = m.Marshal()
	case *base.Request:
		v.ready, err = m.Marshal()
	}
	return err
}

// lookInto reads a frame as either kind: who says which it is is the server.
func (v *vetted) lookInto(frame []byte) {
	_, _ = rtcp.Unmarshal(frame)
	var p rtp.Packet
	if p.Unmarshal(frame) != nil {
		return
	}
	for _, f := range v.formats {
		if f.PayloadType() == p.PayloadType {
			f.PTSEqualsDTS(&p) // of some, it takes the payload apart
		}
	}
}

// look reads all of an answer that gortsplib may. What cannot be read it says itself.
func (v *vetted) look(r *base.Response) {
	_ = new(headers.Session).Unmarshal(r.Header["Session"])
	_ = new(headers.Transport).Unmarshal(r.Header["Transport"])
	_ = new(headers.RTPInfo).Unmarshal(r.Header["RTP-Info"])
	_ = new(headers.KeyMgmt).Unmarshal(r.Header["KeyMgmt"])
	if challenge := r.Header["WWW-Authenticate"]; len(challenge) > 0 {
		_ = (&auth.Sender{WWWAuth: challenge}).Initialize()
	}
	for _, link := range append(r.Header["Location"], r.Header["Content-Base"]...) {
		_, _ = base.ParseURL(link)
	}
	var session sdp.SessionDescription
	var described description.Session
	if len(r.Body) == 0 || session.Unmarshal(r.Body) != nil || described.Unmarshal(&session) != nil {
		return
	}
	v.formats = nil
	for _, m := range described.Medias {
		v.formats = append(v.formats, m.Formats...)
	}
}
