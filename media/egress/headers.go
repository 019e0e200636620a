package egress

import (
	"fmt"
	"slices"
	"strings"

	"github.com/roomcast/roomcast/media"
)

// ourHeaders are set by libav or the gate and cannot be asked for.
var ourHeaders = []string{
	"host", "connection", "keep-alive", "content-length", "transfer-encoding", "range", "te", "trailer",
	"upgrade", "expect", "accept-encoding",
}

// CheckHeaders says whether these may be sent to a source: nil, or a
// *media.Error of KindSourceInvalid that names the header and holds no value.
func CheckHeaders(headers map[string]media.Secret) error {
	for name, value := range headers {
		lower := strings.ToLower(name)
		if !isToken(name) || !isFieldValue(value.Reveal()) ||
			slices.Contains(ourHeaders, lower) || strings.HasPrefix(lower, "proxy-") {
			return invalid(target{}, fmt.Errorf("header %q cannot be sent", name))
		}
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
