package trtc

import (
	"bytes"
	"compress/zlib"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/roomcast/roomcast/media"
)

const (
	maxUserSigText     = 2 << 10
	maxUserSigDocument = 4 << 10
	// maxUserSigSeconds keeps time + expire far from overflow.
	maxUserSigSeconds = 1 << 40
)

// userSigEncoding is base64 with * and - for + and /, and _ for the padding =.
var userSigEncoding = base64.NewEncoding(letters + digits + "*-").WithPadding('_').Strict()

// UserSig is what a signature says about itself; only Check with the app's key
// tells whether it is true.
type UserSig struct {
	Identifier string // the user's id
	SDKAppID   uint32
	IssuedAt   time.Time
	Expires    time.Time

	userBuf []byte // nil when there is none; part of what is signed
}

// DecodeUserSig reads a signature without its key. Every error is a
// *media.DestinationProblem with BadUserSig and repeats nothing of the text.
func DecodeUserSig(sig media.Secret) (UserSig, error) {
	document, err := inflate(sig.Reveal())
	if err != nil {
		return UserSig{}, bad(err.Error())
	}
	u, err := parseUserSig(document)
	if err != nil {
		return UserSig{}, bad(err.Error())
	}
	return u, nil
}

func bad(detail string) error {
	return &media.DestinationProblem{Field: "userSig", Reason: media.BadUserSig, Detail: detail}
}

func inflate(text string) ([]byte, error) {
	if text == "" {
		return nil, errors.New("must not be empty")
	}
	if len(text) > maxUserSigText {
		return nil, errors.New("is longer than 2048 characters")
	}
	for _, c := range []byte(text) {
		// The decoder skips line ends; a URL must not carry them.
		if c == '\r' || c == '\n' {
			return nil, errors.New("has a line end in it")
		}
	}
	packed, err := userSigEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("is not a UserSig: its text is damaged or cut short")
	}
	errPacked := errors.New("is not a UserSig: its content is damaged or cut short")
	in := bytes.NewReader(packed)
	z, err := zlib.NewReader(in)
	if err != nil {
		return nil, errPacked
	}
	document, err := io.ReadAll(io.LimitReader(z, maxUserSigDocument+1))
	switch {
	case err != nil:
		return nil, errPacked
	case len(document) > maxUserSigDocument:
		return nil, errors.New("is not a UserSig: it inflates to more than 4096 bytes")
	case in.Len() != 0:
		return nil, errors.New("is not a UserSig: something follows it")
	}
	return document, nil
}

// parseUserSig takes the names exactly as Tencent writes them; a map, because
// encoding/json matches the fields of a struct in any case.
func parseUserSig(document []byte) (UserSig, error) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(document, &fields) != nil {
		return UserSig{}, errors.New("is not a UserSig: its content is not JSON")
	}
	p := userSigParser{fields: fields}
	version := p.text("TLS.ver")
	u := UserSig{Identifier: p.text("TLS.identifier"), SDKAppID: uint32(p.number("TLS.sdkappid", math.MaxUint32))}
	issued := p.number("TLS.time", maxUserSigSeconds)
	expire := p.number("TLS.expire", maxUserSigSeconds)
	signature := p.bytes("TLS.sig")
	if _, ok := fields["TLS.userbuf"]; ok {
		u.userBuf = p.bytes("TLS.userbuf")
	}
	switch {
	case p.missing != "":
		return UserSig{}, errors.New("is not a UserSig: " + p.missing + " is missing or not what it should be")
	case version != "2.0":
		return UserSig{}, errors.New("is a UserSig of another version than 2.0")
	case len(signature) != sha256.Size:
		return UserSig{}, errors.New("is not a UserSig: its TLS.sig has the wrong length")
	}
	u.IssuedAt = time.Unix(int64(issued), 0)
	u.Expires = time.Unix(int64(issued+expire), 0)
	return u, nil
}

// userSigParser remembers the first field that is missing or of a wrong type.
type userSigParser struct {
	fields  map[string]json.RawMessage
	missing string
}

func (p *userSigParser) fail(name string) {
	if p.missing == "" {
		p.missing = name
	}
}

func (p *userSigParser) text(name string) string {
	var s string
	if json.Unmarshal(p.fields[name], &s) != nil || s == "" {
		p.fail(name)
	}
	return s
}

func (p *userSigParser) number(name string, limit uint64) uint64 {
	n, err := strconv.ParseUint(string(p.fields[name]), 10, 64)
	if err != nil || n == 0 || n > limit {
		p.fail(name)
		return 0
	}
	return n
}

func (p *userSigParser) bytes(name string) []byte {
	var b []byte
	if json.Unmarshal(p.fields[name], &b) != nil || b == nil {
		p.fail(name)
	}
	return b
}
