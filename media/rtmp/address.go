package rtmp

import (
	"errors"
	"net"
	"strings"

	"github.com/roomcast/roomcast/media"
)

const (
	portRTMP  = "1935"
	portRTMPS = "443"
	// maxAddress bounds what goes into connect and publish; an AMF0 string
	// could hold 65535 bytes.
	maxAddress = 8 << 10
)

// target is a publish address in the parts RTMP wants them in.
type target struct {
	tls      bool
	hostPort string
	host     string // without port and brackets
	app      string
	tcURL    string // scheme, authority and app: never the query
	key      string // last path segment and, raw, the query: holds the signature
	query    string // after the first ?, raw
}

// splitAddress cuts rtmp(s)://host[:port]/app/key[?query] by hand and changes
// nothing in it. Everything up to the last slash of the path is the app. Its
// errors repeat nothing of the address.
func splitAddress(address media.Secret) (target, error) {
	raw := address.Reveal()
	if len(raw) > maxAddress {
		return target{}, errors.New("the address is too long")
	}
	for i := range len(raw) {
		if raw[i] <= ' ' || raw[i] > '~' {
			return target{}, errors.New("the address has a character that is not printable ASCII")
		}
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	t := target{tls: scheme == "rtmps"}
	if !ok || scheme != "rtmp" && scheme != "rtmps" {
		return target{}, errors.New("the address does not start with rtmp:// or rtmps://")
	}
	rest, t.query, _ = strings.Cut(rest, "?")
	authority, path, _ := strings.Cut(rest, "/")
	if err := t.setHost(authority); err != nil {
		return target{}, err
	}
	cut := strings.LastIndexByte(path, '/')
	if cut < 1 || cut == len(path)-1 {
		return target{}, errors.New("the address has no app and stream key, as in rtmp://host/app/key")
	}
	t.app, t.key = path[:cut], path[cut+1:]
	t.tcURL = scheme + "://" + authority + "/" + t.app
	if t.query != "" {
		t.key += "?" + t.query
	}
	return t, nil
}

func (t *target) setHost(authority string) error {
	if strings.Contains(authority, "@") {
		return errors.New("the address has a user name, which RTMP has no place for")
	}
	port := portRTMP
	if t.tls {
		port = portRTMPS
	}
	host := authority
	if h, p, err := net.SplitHostPort(authority); err == nil && p != "" {
		host, port = h, p
	} else if strings.HasPrefix(authority, "[") && strings.HasSuffix(authority, "]") {
		host = authority[1 : len(authority)-1]
	} else if strings.Contains(authority, ":") {
		return errors.New("the address has no valid host and port")
	}
	if host == "" || strings.ContainsAny(host, "[]") {
		return errors.New("the address has no valid host")
	}
	t.host, t.hostPort = host, net.JoinHostPort(host, port)
	return nil
}
