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

// requireKey lets only who presents one of keys pass; without keys, everybody.
// With basic it also takes a key as the password of HTTP Basic, under any user
// name, so that a browser can open a page.
func requireKey(keys []Key, basic bool) gin.HandlerFunc {
	return func(c *gin.Context) {
		if len(keys) == 0 {
			return
		}
		if name, ok := match(keys, presented(c.Request, basic)); ok {
			c.Set(ctxKey, name)
			return
		}
		challenge(c, basic)
	}
}

// match compares with every key, whichever fits, so that the time taken tells
// nothing.
func match(keys []Key, secret string) (name string, ok bool) {
	sum := sha256.Sum256([]byte(secret))
	for _, k := range keys {
		if subtle.ConstantTimeCompare(sum[:], k.SHA256[:]) == 1 {
			name, ok = k.Name, true
		}
	}
	return name, ok && secret != ""
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
