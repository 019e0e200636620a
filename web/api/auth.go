package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/web/problem"
)

// Key is an API key as the operator knows it: its name, for the log, and its
// SHA-256.
type Key struct {
	Name   string
	SHA256 [sha256.Size]byte
}

// door knows who may come in.
type door struct {
	keys     []Key
	sessions Box
}

// requireKey lets only who presents one of the keys or the cookie of a session
// pass; without keys, everybody. With basic it also takes a key as the password
// of HTTP Basic, under any user name, so that a browser can open a page.
func (d door) requireKey(basic bool) gin.HandlerFunc {
	return func(c *gin.Context) {
		if len(d.keys) > 0 && !d.admit(c, basic) {
			challenge(c, basic)
		}
	}
}

// admit says whether a request comes by one of the keys, or by a session, and
// notes which and until when.
func (d door) admit(c *gin.Context, basic bool) bool {
	if name, ok := d.match(presented(c.Request, basic)); ok {
		c.Set(ctxKey, name)
		return true
	}
	name, end, ok := d.sessionOf(c.Request)
	if ok {
		c.Set(ctxKey, name)
		c.Set(ctxSessionEnd, end)
	}
	return ok
}

// match returns the name of the key that secret is.
func (d door) match(secret string) (name string, ok bool) {
	name, ok = d.known(sha256.Sum256([]byte(secret)))
	return name, ok && secret != ""
}

// known compares with every key, whichever fits, so that the time taken tells
// nothing.
func (d door) known(sum [sha256.Size]byte) (name string, ok bool) {
	for _, k := range d.keys {
		if subtle.ConstantTimeCompare(sum[:], k.SHA256[:]) == 1 {
			name, ok = k.Name, true
		}
	}
	return name, ok
}

func presented(r *http.Request, basic bool) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	if _, password, ok := r.BasicAuth(); ok && basic {
		return password
	}
	return ""
}

func challenge(c *gin.Context, basic bool) {
	c.Writer.Header().Add("WWW-Authenticate", `Bearer realm="roomcast"`)
	if basic {
		c.Writer.Header().Add("WWW-Authenticate", `Basic realm="roomcast", charset="UTF-8"`)
	}
	refuse(c, &tasks.Error{
		Code: problem.CodeUnauthorized,
		Msg:  "send a known API key as Authorization: Bearer KEY",
	})
}
