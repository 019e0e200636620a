package egress

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"sync"

	"golang.org/x/net/publicsuffix"
)

// What a user agent keeps at least (RFC 6265, section 6.1), and all of which a
// request may carry.
const (
	mostCookies = 50
	mostCookie  = 4096 // bytes of one's name and value
)

// jar is a cookie jar that a server cannot fill without end.
type jar struct {
	*cookiejar.Jar
	mu    sync.Mutex
	known map[[4]string]bool
}

func newJar() (*jar, error) {
	kept, err := cookiejar.New(&cookiejar.Options{PublicSuffixList: publicsuffix.List})
	return &jar{Jar: kept, known: map[[4]string]bool{}}, err
}

// SetCookies is http.CookieJar's. It takes new values of what is known at any time.
func (j *jar) SetCookies(u *url.URL, cookies []*http.Cookie) {
	j.mu.Lock()
	defer j.mu.Unlock()
	taken := make([]*http.Cookie, 0, min(len(cookies), mostCookies))
	for _, c := range cookies {
		key := [4]string{u.Hostname(), c.Domain, c.Path, c.Name}
		if len(c.Name)+len(c.Value) > mostCookie || !j.known[key] && len(j.known) >= mostCookies {
			continue
		}
		j.known[key] = true
		taken = append(taken, c)
	}
	j.Jar.SetCookies(u, taken)
}
