package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/web/problem"
	"github.com/roomcast/roomcast/web/view"
)

const (
	sessionCookie = "roomcast_session"
	// sessionTime is a working day: a session is not made longer by its use.
	sessionTime = 12 * time.Hour
	// ctxSessionEnd is where requireKey leaves until when a request's session is.
	ctxSessionEnd = "session_end"
)

// Box seals and opens texts, in every API of a deployment alike.
type Box interface {
	Seal(plain []byte) (envelope string)
	Open(envelope string) ([]byte, error)
}

// ticket is what a session's cookie holds, sealed. The API keeps nothing of a
// session: the cookie holds wherever the secret key does, for as long as the
// API key is one.
type ticket struct {
	Key [sha256.Size]byte `json:"key"` // the API key's digest
	End time.Time         `json:"end"`
}

// session is how a browser stands.
type session struct {
	Required  bool   `json:"required"` // an API key is asked for
	Name      string `json:"name,omitempty"`
	ExpiresAt string `json:"expiresAt,omitempty"`
}

// signIn exchanges an API key for a cookie, which no script can read.
func (s *server) signIn(c *gin.Context) error {
	key, err := readKey(c)
	if err != nil {
		return err
	}
	if len(s.door.keys) == 0 {
		return writeJSON(c, http.StatusOK, session{})
	}
	name, ok := s.door.match(key)
	if !ok {
		return &tasks.Error{Code: problem.CodeUnauthorized, Msg: "this is none of the API keys"}
	}
	t := ticket{Key: sha256.Sum256([]byte(key)), End: time.Now().Add(sessionTime).UTC()}
	plain, err := json.Marshal(t)
	if err != nil {
		return err
	}
	c.Set(ctxKey, name)
	http.SetCookie(c.Writer, cookie(c.Request, s.door.sessions.Seal(plain), sessionTime))
	return writeJSON(c, http.StatusOK, session{true, name, view.Stamp(t.End)})
}

// session tells who is signed in. That nobody is, is no error: a browser would
// show one whenever somebody opens the page.
func (s *server) session(c *gin.Context) error {
	required := len(s.door.keys) > 0
	if required {
		s.door.admit(c, false)
	}
	return writeJSON(c, http.StatusOK, session{required, c.GetString(ctxKey), view.Stamp(c.GetTime(ctxSessionEnd))})
}

// signOut takes the cookie away, also one that holds no more.
func signOut(c *gin.Context) {
	http.SetCookie(c.Writer, cookie(c.Request, "", -1))
	c.Status(http.StatusNoContent)
}

// cookie returns the session's cookie; it is taken away when it lasts less than
// nothing.
func cookie(r *http.Request, value string, lasts time.Duration) *http.Cookie {
	seconds := int(lasts.Seconds())
	if lasts < 0 {
		seconds = -1
	}
	return &http.Cookie{
		Name: sessionCookie, Value: value, Path: "/", MaxAge: seconds, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil || strings.HasPrefix(r.Header.Get("X-Forwarded-Proto"), "https"), // a list where proxies stand in a row
	}
}

// sessionOf returns whose session a request's cookie is, and until when. Of
// several (a path or a host may have its own) any counts.
func (d door) sessionOf(r *http.Request) (name string, end time.Time, ok bool) {
	for _, one := range r.CookiesNamed(sessionCookie) {
		plain, err := d.sessions.Open(one.Value)
		if err != nil {
			continue
		}
		var t ticket
		if json.Unmarshal(plain, &t) != nil || !time.Now().Before(t.End) {
			continue
		}
		if name, ok := d.known(t.Key); ok {
			return name, t.End, true
		}
	}
	return "", time.Time{}, false
}

// untilSessionEnds is the request's context, which ends with its session, too,
// if it was let in by one.
func untilSessionEnds(c *gin.Context) (context.Context, context.CancelFunc) {
	if end := c.GetTime(ctxSessionEnd); !end.IsZero() {
		return context.WithDeadline(c.Request.Context(), end)
	}
	return c.Request.Context(), func() {}
}

func readKey(c *gin.Context) (string, error) {
	body, err := readBody(c)
	if err != nil {
		return "", err
	}
	var sent struct {
		Key string `json:"key"`
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if d.Decode(&sent) != nil || d.More() { // what went wrong may quote the key
		return "", &tasks.Error{Code: tasks.CodeInvalidRequest, Msg: `the body must be {"key": "…"}`}
	}
	return sent.Key, nil
}
