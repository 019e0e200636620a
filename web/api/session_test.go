package api_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/tasks"
	sealing "github.com/roomcast/roomcast/tasks/secret"
	"github.com/roomcast/roomcast/web/api"
)

// signIn returns the cookie of a session, as a header.
func (f *face) signIn(t testing.TB, headers ...string) (header string, set *http.Cookie) {
	t.Helper()
	w := f.do("POST", "/v1/session", `{"key":"`+secret+`"}`, append(headers, "Authorization")...)
	require.Equal(t, 200, w.Code, w.Body)
	cookies := w.Result().Cookies()
	require.Len(t, cookies, 1)
	return "Cookie: " + cookies[0].Name + "=" + cookies[0].Value, cookies[0]
}

// asBrowser asks with a cookie and no key.
func (f *face) asBrowser(method, target, cookie string, headers ...string) *httptest.ResponseRecorder {
	return f.do(method, target, "", append(headers, "Authorization", cookie)...)
}

func TestAKeyIsExchangedForACookieThatOpensWhatTheKeyDoes(t *testing.T) {
	f := newFace(t, nil)
	cookie, set := f.signIn(t)
	assert.Equal(t, "roomcast_session", set.Name)
	assert.True(t, set.HttpOnly)
	assert.Equal(t, http.SameSiteStrictMode, set.SameSite)
	assert.Equal(t, "/", set.Path)
	assert.Equal(t, 12*60*60, set.MaxAge)
	assert.Empty(t, set.Domain)

	w := f.asBrowser("GET", "/v1/session", cookie)
	require.Equal(t, 200, w.Code, w.Body)
	assert.Regexp(t, `^{"required":true,"name":"ci","expiresAt":"20[^"]+Z"}\n$`, w.Body.String())
	for _, one := range []struct {
		method, target string
		status         int
	}{
		{"GET", "/v1/pushes", 200}, {"GET", "/v1/pushes/" + id, 200}, {"GET", "/v1/pushes/" + id + "/samples", 200}, {"GET", "/v1/workers", 200},
		{"GET", "/metrics", 200}, {"GET", "/monitor", 200}, {"POST", "/monitor/api/queues/push/active_tasks:cancel_all", 200}, {"DELETE", "/v1/pushes/" + id, 202},
	} {
		assert.Equal(t, one.status, f.asBrowser(one.method, one.target, cookie, "Sec-Fetch-Site: same-origin").Code, "%s %s", one.method, one.target)
		assert.Equal(t, 401, f.asBrowser(one.method, one.target, "Cookie: roomcast_session=x").Code, "%s %s", one.method, one.target)
	}
	assert.Equal(t, 202, f.do("POST", "/v1/pushes", body, "Authorization", cookie).Code)
	assert.Contains(t, f.log.String(), "route=/v1/session status=200")
	assert.Contains(t, f.log.String(), "key=ci")
	assert.NotContains(t, f.log.String(), set.Value)
	assert.NotContains(t, f.log.String(), secret)
}

func TestASessionNeedsAKnownKey(t *testing.T) {
	f := newFace(t, nil)
	for body, status := range map[string]int{
		`{"key":"nope"}`: 401, `{"key":""}`: 401, `{}`: 401,
		`{"key":"canary","user":"x"}`: 400, `{"key":7}`: 400, `"canary"`: 400, `{"key":"canary"} {}`: 400, `canary`: 400, ``: 400,
	} {
		w := f.do("POST", "/v1/session", body, "Authorization")
		assert.Equal(t, status, w.Code, body)
		assert.Empty(t, w.Header().Values("Set-Cookie"), body)
		assert.Empty(t, w.Header().Values("WWW-Authenticate"), "a browser would ask for a password")
		assert.NotContains(t, w.Body.String(), "canary")
	}
	assert.Equal(t, 415, f.do("POST", "/v1/session", "key="+secret, "Content-Type: application/x-www-form-urlencoded").Code)
	assert.Equal(t, 403, f.do("POST", "/v1/session", `{"key":"`+secret+`"}`, "Sec-Fetch-Site: cross-site").Code)
	for _, headers := range [][]string{{"Authorization"}, {"Authorization", "Authorization: Bearer nope"}, {"Authorization", "Cookie: roomcast_session=x"}} {
		w := f.do("GET", "/v1/session", "", headers...)
		assert.Equal(t, 200, w.Code, "a browser would show an error")
		assert.JSONEq(t, `{"required":true}`, w.Body.String())
	}
	assert.JSONEq(t, `{"required":true,"name":"ci"}`, f.do("GET", "/v1/session", "").Body.String(), "by a key")
	assert.NotContains(t, f.log.String(), "canary")
}

func TestTheCookieIsSecureBehindTLS(t *testing.T) {
	f := newFace(t, nil)
	_, set := f.signIn(t)
	assert.False(t, set.Secure)
	for _, proto := range []string{"https", "https, http"} {
		_, set = f.signIn(t, "X-Forwarded-Proto: "+proto)
		assert.True(t, set.Secure, proto)
	}

	r := httptest.NewRequest("POST", "https://api.example/v1/session", strings.NewReader(`{"key":"`+secret+`"}`))
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	require.Len(t, w.Result().Cookies(), 1)
	assert.True(t, w.Result().Cookies()[0].Secure)
}

func TestSigningOutTakesTheCookieAway(t *testing.T) {
	f := newFace(t, nil)
	cookie, _ := f.signIn(t)
	for _, c := range []string{cookie, "Cookie: roomcast_session=old", "Cookie: a=b"} {
		w := f.asBrowser("DELETE", "/v1/session", c)
		require.Equal(t, 204, w.Code, w.Body)
		set := w.Result().Cookies()
		require.Len(t, set, 1)
		assert.Equal(t, "roomcast_session", set[0].Name)
		assert.Equal(t, "/", set[0].Path)
		assert.Empty(t, set[0].Value)
		assert.Negative(t, set[0].MaxAge)
	}
	assert.Equal(t, 403, f.asBrowser("DELETE", "/v1/session", cookie, "Sec-Fetch-Site: cross-site").Code)
}

func TestASessionHoldsInEveryAPIWithItsSecretKeyUntilItsKeyIsTakenOut(t *testing.T) {
	cookie, _ := newFace(t, nil).signIn(t)
	ops := api.Key{Name: "ops", SHA256: sha256.Sum256([]byte("other"))}
	ci := api.Key{Name: "renamed", SHA256: sha256.Sum256([]byte(secret))}
	for _, tt := range []struct {
		name   string
		change func(*api.Config)
		status int
	}{
		{"another API", nil, 200},
		{"one with a new secret key before the old one", func(c *api.Config) { c.Sessions = box(t, 8, 9) }, 200},
		{"one with a new secret key behind the old one", func(c *api.Config) { c.Sessions = box(t, 9, 8) }, 200},
		{"one without the secret key", func(c *api.Config) { c.Sessions = box(t, 8) }, 401},
		{"one that knows the key by another name", func(c *api.Config) { c.Keys = []api.Key{ops, ci} }, 200},
		{"one without the key", func(c *api.Config) { c.Keys = []api.Key{ops} }, 401},
		{"one with another key by its name", func(c *api.Config) { c.Keys = []api.Key{{Name: "ci", SHA256: ops.SHA256}} }, 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.status, newFace(t, tt.change).asBrowser("GET", "/v1/pushes", cookie).Code)
		})
	}
}

func TestASessionIsNotWhatWasNotSealedForOne(t *testing.T) {
	f := newFace(t, nil)
	cookie, set := f.signIn(t)
	s, err := sealing.New(sealing.Key(bytes.Repeat([]byte{9}, 32)))
	require.NoError(t, err)
	ticket, err := json.Marshal(map[string]any{"key": sha256.Sum256([]byte(secret)), "end": time.Now().Add(time.Hour)})
	require.NoError(t, err)
	ofPush, err := s.Seal(id, tasks.Secrets{UserSig: "x"})
	require.NoError(t, err)
	parts := strings.Split(set.Value, ".")
	for name, value := range map[string]string{
		"what was sealed for something else": s.Box("other").Seal(ticket),
		"a push's envelope":                  ofPush,
		"one that was changed":               strings.Join([]string{parts[0], parts[1], parts[2], "A" + parts[3][1:]}, ".") + "A",
		"one that was cut":                   set.Value[:len(set.Value)-4],
		"what is no ticket":                  s.Box("session").Seal([]byte("7")),
		"an empty ticket":                    s.Box("session").Seal([]byte("{}")),
		"one without a key":                  s.Box("session").Seal([]byte(`{"end":"2999-01-01T00:00:00Z"}`)),
		"an API key":                         secret,
		"nothing":                            "",
	} {
		assert.Equal(t, 401, f.asBrowser("GET", "/v1/pushes", "Cookie: roomcast_session="+value).Code, name)
	}
	assert.Equal(t, 200, f.asBrowser("GET", "/v1/pushes", "Cookie: roomcast_session="+s.Box("session").Seal(ticket)).Code)
	assert.Equal(t, 200, f.asBrowser("GET", "/v1/pushes", "Cookie: roomcast_session=stale; "+strings.TrimPrefix(cookie, "Cookie: ")).Code)
	assert.Equal(t, 200, f.do("GET", "/monitor", "", "Authorization", "Authorization: Basic "+basic("me", "old"), cookie).Code,
		"a browser goes on sending the password of before")
}

func TestAnotherSitesPageGetsNothingByTheCookie(t *testing.T) {
	f := newFace(t, nil)
	cookie, _ := f.signIn(t)
	for _, headers := range [][]string{{"Sec-Fetch-Site: cross-site"}, {"Sec-Fetch-Site: same-site"}, {"Origin: https://evil.example"}, {"Origin: http://example.com:81"}} {
		f.asked = nil
		for _, change := range []string{"POST /v1/pushes", "POST /", "DELETE /v1/pushes/" + id, "POST /monitor/api/queues/push/active_tasks:cancel_all", "DELETE /v1/session"} {
			method, target, _ := strings.Cut(change, " ")
			assert.Equal(t, 403, f.asBrowser(method, target, cookie, headers...).Code, "%s %v", change, headers)
		}
		assert.Empty(t, f.asked)
		w := f.asBrowser("GET", "/v1/pushes", cookie, append(headers, "Origin: https://evil.example")...)
		assert.Equal(t, "same-origin", w.Header().Get("Cross-Origin-Resource-Policy"))
		for name := range w.Header() {
			assert.False(t, strings.HasPrefix(name, "Access-Control-"), "%s lets another site read the answer", name)
		}
		w = f.asBrowser("OPTIONS", "/v1/pushes", cookie, headers...)
		assert.Equal(t, 405, w.Code, "a preflight is not answered")
	}
}

func TestWithoutKeysThereIsNothingToSignInTo(t *testing.T) {
	f := newFace(t, noKeys)
	for _, method := range []string{"GET", "POST"} {
		w := f.do(method, "/v1/session", `{"key":"any"}`, "Host: localhost", "Authorization")
		assert.Equal(t, 200, w.Code)
		assert.JSONEq(t, `{"required":false}`, w.Body.String())
		assert.Empty(t, w.Header().Values("Set-Cookie"))
		assert.Equal(t, 200, f.do(method, "/v1/session", `{"key":"any"}`, "Host: localhost", "Cookie: roomcast_session=old").Code)
		assert.Equal(t, 421, f.do(method, "/v1/session", `{"key":"any"}`, "Host: rebound.example").Code)
	}
	assert.Equal(t, 421, f.do("GET", "/", "", "Host: rebound.example", "Accept: text/html").Code)
	assert.Equal(t, 403, f.do("DELETE", "/v1/pushes/"+id, "", "Host: localhost", "Origin: http://localhost:3000").Code)
}

func TestASessionIsOverAfterTwelveHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFace(t, nil)
		cookie, _ := f.signIn(t)
		time.Sleep(12*time.Hour - time.Second)
		require.Equal(t, 200, f.asBrowser("GET", "/v1/pushes", cookie).Code, "its use makes it no longer")
		time.Sleep(time.Second)
		require.Equal(t, 401, f.asBrowser("GET", "/v1/pushes", cookie).Code)
		require.Equal(t, 401, f.asBrowser("GET", "/monitor", cookie).Code)
	})
}

func TestAStreamEndsWithItsSession(t *testing.T) {
	for _, path := range []string{"/v1/events", "/v1/pushes/" + id + "/events"} {
		inBubble(t, func(t *testing.T, l *live) {
			l.is(id, tasks.Publishing)
			end := time.Now().Add(time.Hour)
			ticket, err := json.Marshal(map[string]any{"key": sha256.Sum256([]byte(secret)), "end": end})
			require.NoError(t, err)
			cookie := "Cookie: roomcast_session=" + box(t, 9).Seal(ticket)
			byCookie := l.open(path, cookie)
			require.Equal(t, 200, byCookie.status)
			for more := true; more; {
				_, more = byCookie.next()
			}
			require.Equal(t, end, time.Now())
			require.Equal(t, 401, l.open(path, cookie).status, "an EventSource comes back no more")
			byKey := l.open(path, "Authorization: Bearer "+secret, cookie)
			for time.Since(end) < time.Hour {
				_, more := byKey.next()
				require.True(t, more, "a key has no end")
			}
		}, func(cfg *api.Config) {
			cfg.Keys, cfg.Sessions = []api.Key{{Name: "ci", SHA256: sha256.Sum256([]byte(secret))}}, box(t, 9)
		})
	}
}
