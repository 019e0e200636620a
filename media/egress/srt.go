package egress

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/roomcast/roomcast/media"
)

// SRT, draft-sharabayko-srt, section 3.2.1: the fields of a handshake.
const (
	srtControl    = 0x8000 // a control packet of type 0
	srtHandshake  = 64     // bytes, without extensions
	srtPeerSocket = 12     // at: whom the packet is for
	srtKind       = 36     // at: request type, or why it was refused
	srtSocket     = 40     // at: whose the packet is
	srtRefused    = 1000   // and above: section 4.3, less libsrt's reason
)

const (
	maxSRTPacket  = 1500
	srtBuffer     = 1 << 20 // of each socket: half a second at 16 Mb/s
	maxSRTStream  = 512     // SRTO_STREAMID
	minPassphrase = 10      // SRTO_PASSPHRASE
	maxPassphrase = 79
)

var (
	errSRTPort       = errors.New("an srt address names its port")
	errSRTUser       = errors.New("an srt address has no user: passphrase and streamid go into its query")
	errSRTOption     = errors.New("an srt address may have streamid, passphrase, pbkeylen and mode=caller in its query, each once")
	errSRTStream     = errors.New("the streamid is longer than 512 bytes")
	errSRTPassphrase = errors.New("a passphrase has 10 to 79 bytes, a pbkeylen is 16, 24 or 32")
	errSRTSilent     = errors.New("the source does not answer")
	errSRTRefused    = errors.New("the source refused the connection")
	errSRTSecret     = errors.New("the source has another passphrase, or none")
)

// srtOptions are libav's, from the query of an address: those alone that say
// who asks.
func (a address) srtOptions() (map[string]media.Secret, error) {
	switch {
	case a.port == 0:
		return nil, errSRTPort
	case a.userInfo != "":
		return nil, errSRTUser
	}
	options := make(map[string]media.Secret)
	_, query, _ := strings.Cut(a.path, "?") // with what follows a #: stream ids begin so
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if _, twice := options[name]; twice {
			return nil, errSRTOption
		}
		value = unescaped(value)
		switch {
		case pair == "" || name == "mode" && value == "caller":
			continue
		case name == "streamid" || name == "passphrase" || name == "pbkeylen":
			options[name] = media.Secret(value)
		default:
			return nil, errSRTOption
		}
	}
	return options, checkSRT(options)
}

func checkSRT(options map[string]media.Secret) error {
	phrase, phrased := options["passphrase"]
	length, sized := options["pbkeylen"]
	switch {
	case len(options["streamid"]) > maxSRTStream:
		return errSRTStream
	case phrased && (len(phrase) < minPassphrase || len(phrase) > maxPassphrase),
		sized && length != "16" && length != "24" && length != "32":
		return errSRTPassphrase
	}
	return nil
}

// srtRelay passes the datagrams of one flow between libav and the source. A
// datagram carries no password of ours: libav is told by its socket.
type srtRelay struct {
	way   *way
	local *net.UDPConn
	peer  netip.AddrPort // libav's
}

// openSRT starts a relay for a and sets w's URL and Options.
func (w *way) openSRT(ctx context.Context, a address) error {
	options, err := a.srtOptions()
	if err != nil {
		return err // the address has been checked
	}
	local, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return fmt.Errorf("start the relay: %w", err)
	}
	_ = local.SetReadBuffer(srtBuffer)
	if !w.own(local) {
		return context.Cause(ctx)
	}
	w.URL, w.Options = media.Secret("srt://"+local.LocalAddr().String()), options
	r := &srtRelay{way: w, local: local}
	go func() {
		defer w.running.Done()
		defer func() { _ = local.Close() }()
		w.guard(func() { r.run(ctx) })
	}()
	return nil
}

func (r *srtRelay) run(ctx context.Context) {
	first, ok := r.admit()
	if !ok {
		return
	}
	source, err := r.way.dial(ctx, r.way.to)
	if err != nil {
		r.reject(first) // the way has noted why
		return
	}
	defer func() { _ = source.Close() }()
	defer context.AfterFunc(ctx, func() { _ = source.Close() })()
	if udp, ok := source.(*net.UDPConn); ok {
		_ = udp.SetReadBuffer(srtBuffer)
	}
	r.way.note(r.way.to, unavailable(r.way.to, errSRTSilent)) // until it answers
	r.pass(source, first)
}

// pass passes what both sides send until either has ended.
func (r *srtRelay) pass(source net.Conn, first []byte) {
	_, _ = source.Write(first)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.way.guard(func() { r.up(source) })
		_ = source.Close()
	}()
	r.way.guard(func() { r.down(source, first) })
	_ = r.local.Close()
	<-done
}

// admit waits for the first datagram of libav's: a handshake from a socket of
// this process. What others send is dropped.
func (r *srtRelay) admit() ([]byte, bool) {
	buf := make([]byte, maxSRTPacket)
	for {
		n, from, err := r.local.ReadFromUDPAddrPort(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return nil, false
			}
			continue
		}
		if isHandshake(buf[:n]) && ownsUDP(from.Port()) {
			r.peer = from
			return buf[:n], true
		}
	}
}

func isHandshake(b []byte) bool {
	return len(b) >= srtHandshake && binary.BigEndian.Uint16(b) == srtControl && b[2] == 0 && b[3] == 0
}

// up passes what libav sends on.
func (r *srtRelay) up(source net.Conn) {
	buf := make([]byte, maxSRTPacket)
	for {
		n, from, err := r.local.ReadFromUDPAddrPort(buf)
		if err != nil {
			return // closed: nothing else happens to a socket that is not connected
		}
		if from != r.peer {
			continue
		}
		if _, err := source.Write(buf[:n]); errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

// down passes what the source sends on; its socket is connected, so that
// nobody else's datagrams come.
func (r *srtRelay) down(source net.Conn, first []byte) {
	buf := make([]byte, maxSRTPacket)
	answered := false
	for {
		n, err := source.Read(buf)
		if err != nil {
			if !answered && !errors.Is(err, net.ErrClosed) {
				r.way.note(r.way.to, unavailable(r.way.to, plainCause(err)))
				r.reject(first)
			}
			return
		}
		r.way.gate.received.Add(int64(n))
		r.judge(buf[:n], &answered)
		_, _ = r.local.WriteToUDPAddrPort(buf[:n], r.peer) // what is lost is asked for again
	}
}

// judge notes what the source's handshake says.
func (r *srtRelay) judge(b []byte, answered *bool) {
	way := r.way
	if isHandshake(b) {
		if kind := binary.BigEndian.Uint32(b[srtKind:]); kind >= srtRefused && kind < 1<<16 {
			way.note(way.to, srtRefusal(way.to, int(kind)-srtRefused))
			*answered = true
			return
		}
	}
	if !*answered {
		*answered = true
		way.note(way.to, nil)
	}
}

// srtRefusal is libsrt's reason for a refusal: its own below 1000, above those
// of access control, which are HTTP's.
func srtRefusal(t target, reason int) error {
	const peer, badSecret, unsecure, status = 2, 10, 11, 1000
	switch {
	case reason == badSecret || reason == unsecure:
		return answerFailure(media.KindSourceUnauthorized, t, errSRTSecret)
	case reason == peer:
		return answerFailure(media.KindSourceUnauthorized, t, errSRTRefused)
	case reason >= status+400 && reason < status+600:
		return answerError(t, reason-status)
	}
	return answerFailure(media.KindSourceUnavailable, t, fmt.Errorf("%w, reason %s", errSRTRefused, strconv.Itoa(reason)))
}

// reject answers libav's handshake first in the place of a source there is no
// way to: it would wait for its time to run out.
func (r *srtRelay) reject(first []byte) {
	no := append([]byte(nil), first[:srtHandshake]...)
	copy(no[srtPeerSocket:srtPeerSocket+4], first[srtSocket:srtSocket+4])
	binary.BigEndian.PutUint32(no[srtKind:], srtRefused+1)
	_ = r.local.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = r.local.WriteToUDPAddrPort(no, r.peer)
}
