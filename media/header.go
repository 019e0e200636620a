package media

import (
	"errors"
	"net/textproto"
	"slices"
	"strings"
)

// reservedHeaders are set by libav or the Gate and cannot be asked for.
var reservedHeaders = []string{
	"host", "connection", "keep-alive", "content-length", "transfer-encoding", "range", "te", "trailer",
	"upgrade", "expect", "accept-encoding",
}

// ErrHeaderName is what CheckHeader finds wrong with a name that is none.
var ErrHeaderName = errors.New("has a name that HTTP does not allow")

// CheckHeader says why a header cannot be sent to a source's server, or nil.
// The text shows neither name nor value.
func CheckHeader(name string, value Secret) error {
	lower := strings.ToLower(name)
	switch {
	case !isToken(name):
		return ErrHeaderName
	case slices.Contains(reservedHeaders, lower) || strings.HasPrefix(lower, "proxy-"):
		return errors.New("is one that Roomcast sets itself")
	case !isFieldValue(value.Reveal()):
		return errors.New("has a control character in its value")
	}
	return nil
}

// isToken is RFC 9110, section 5.6.2.
func isToken(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		alnum := r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		return !alnum && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	}) < 0
}

// isFieldValue is RFC 9110, section 5.5.
func isFieldValue(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) < 0
}

// ForAll says whether a header may go to every host of a source, where that is asked
// for: what servers want to see of a page that plays it, and nothing that proves who
// asks.
func ForAll(name string) bool {
	switch textproto.CanonicalMIMEHeaderKey(name) {
	case "Referer", "Origin", "User-Agent":
		return true
	}
	return false
}
