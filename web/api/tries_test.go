package api_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// try signs in with a key from an address.
func (f *face) try(remote, key string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/v1/session", strings.NewReader(`{"key":"`+key+`"}`))
	r.RemoteAddr = remote
	r.Header.Set("Content-Type", "application/json")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	return w
}

func TestWhoSendsTenWrongKeysWaitsForTheMinuteToEnd(t *testing.T) {
	for name, addrs := range map[string]struct{ one, other func(n int) string }{
		"IPv4":                             {func(n int) string { return fmt.Sprintf("192.0.2.7:%d", 1000+n) }, func(int) string { return "192.0.2.8:1000" }},
		"IPv4 in IPv6":                     {func(n int) string { return fmt.Sprintf("[::ffff:192.0.2.7]:%d", 1000+n) }, func(int) string { return "[::ffff:192.0.2.8]:1" }},
		"IPv6, a network's many addresses": {func(n int) string { return fmt.Sprintf("[2001:db8::%d]:80", n) }, func(int) string { return "[2001:db8:0:1::1]:80" }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFace(t, nil)
				for n := range 10 {
					require.Equal(t, 200, f.try(addrs.one(n), secret).Code, "a right key is no try")
					require.Equal(t, 401, f.try(addrs.one(n), "wrong", fmt.Sprintf("X-Forwarded-For: 198.51.100.%d", n)).Code)
					time.Sleep(time.Second)
				}
				for _, key := range []string{"wrong", secret} {
					w := f.try(addrs.one(11), key, "X-Forwarded-For: 198.51.100.99")
					require.Equal(t, 429, w.Code, w.Body)
					require.Equal(t, "50", w.Header().Get("Retry-After"))
					require.Contains(t, w.Body.String(), `"code":"too_many_tries"`)
					require.Contains(t, w.Body.String(), `"retryable":true`)
					require.Empty(t, w.Result().Cookies())
				}
				require.Equal(t, 200, f.try(addrs.other(0), secret).Code, "others go in")
				require.Equal(t, 200, f.do("GET", "/v1/pushes", "").Code, "a request with a key is no sign-in")
				time.Sleep(50*time.Second - time.Millisecond)
				require.Equal(t, "1", f.try(addrs.one(12), secret).Header().Get("Retry-After"))
				time.Sleep(time.Millisecond)
				require.Equal(t, 200, f.try(addrs.one(13), secret).Code)
				require.Equal(t, 401, f.try(addrs.one(14), "wrong").Code, "it begins anew")
			})
		})
	}
}
