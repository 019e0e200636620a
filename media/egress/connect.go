package egress

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"io"

	"github.com/bluenviron/gortmplib/pkg/amf0"
	"github.com/bluenviron/gortmplib/pkg/bytecounter"
	"github.com/bluenviron/gortmplib/pkg/message"
)

const (
	flashVersion = "LNX 9,0,124,2 " // libav's own for input, then the password
	maxConnect   = 32 << 10         // bytes up to the end of the connect command
	maxChunkHead = 18               // RTMP 1.0, section 5.3.1: 3 + 11 + 4 bytes
)

var (
	errGreeting     = errors.New("no RTMP handshake")
	errEncrypted    = errors.New("RTMPE is not taken")
	errNoConnect    = errors.New("no connect command")
	errPassword     = errors.New("the password is missing or wrong")
	errPasswordLost = errors.New("the password could not be blanked out")
	errConnectLong  = errors.New("the connect command is too long")
)

// recorder keeps what is read through it, up to maxConnect bytes.
type recorder struct {
	from io.Reader
	kept []byte
}

func (r *recorder) Read(b []byte) (int, error) {
	if len(r.kept) >= maxConnect {
		return 0, errConnectLong
	}
	n, err := r.from.Read(b[:min(len(b), maxConnect-len(r.kept))])
	r.kept = append(r.kept, b[:n]...)
	return n, err
}

// readConnect reads RTMP messages up to the connect command, whose flashVer
// must be want, and returns all that was read.
func readConnect(from io.Reader, want string) ([]byte, error) {
	rec := &recorder{from: from}
	counter := bytecounter.NewReader(rec)
	// An acknowledgement is the source's to send; so few bytes want none.
	reader := message.NewReader(counter, counter, func(uint32) error { return nil })
	for {
		m, err := reader.Read()
		if err != nil {
			if errors.Is(err, errConnectLong) {
				return nil, err
			}
			return nil, errNoConnect
		}
		command, ok := m.(*message.CommandAMF0)
		if !ok {
			continue
		}
		if command.Name != "connect" || len(command.Arguments) == 0 {
			return nil, errNoConnect
		}
		got := flashVerOf(command.Arguments[0])
		if subtle.ConstantTimeCompare([]byte(got), []byte(want)) != 1 {
			return nil, errPassword
		}
		return rec.kept, nil
	}
}

func flashVerOf(argument any) string {
	var object amf0.Object
	switch a := argument.(type) {
	case amf0.Object:
		object = a
	case amf0.ECMAArray:
		object = amf0.Object(a)
	}
	v, _ := object.GetString("flashVer")
	return v
}

// blank overwrites password in a recorded chunk stream with spaces, also where
// one chunk's head cuts it in two. It changes no length, so the chunks stay
// valid. It reports whether it found the password.
func blank(stream []byte, password string) bool {
	secret := []byte(password)
	// The narrowest gap first: a part of the password may stand before it by
	// chance, but not closer than the head does.
	for head := range maxChunkHead + 1 {
		for cut := len(secret); cut > 0; cut-- {
			if at := findCut(stream, secret, cut, head); at >= 0 {
				fill(stream[at : at+cut])
				fill(stream[at+cut+head : at+len(secret)+head])
				return true
			}
		}
	}
	return false
}

// findCut finds secret with head bytes after its first cut ones, or -1.
func findCut(stream, secret []byte, cut, head int) int {
	for at := 0; at+len(secret)+head <= len(stream); at++ {
		if bytes.HasPrefix(stream[at:], secret[:cut]) && bytes.HasPrefix(stream[at+cut+head:], secret[cut:]) {
			return at
		}
	}
	return -1
}

func fill(b []byte) {
	for i := range b {
		b[i] = ' '
	}
}
