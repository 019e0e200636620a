package egress

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAServerCannotFillACookieJarWithoutEnd(t *testing.T) {
	j, err := newJar()
	require.NoError(t, err)
	u := &url.URL{Scheme: "https", Host: "a.example", Path: "/"}
	set := func(name, value string) { j.SetCookies(u, []*http.Cookie{{Name: name, Value: value, Path: "/"}}) }
	set("session", "one")
	set("large", strings.Repeat("x", mostCookie))
	for i := range 10_000 {
		set(fmt.Sprint("c", i), "x")
	}
	set("session", "two")
	got := j.Cookies(u)
	require.Len(t, got, mostCookies)
	require.Contains(t, got, &http.Cookie{Name: "session", Value: "two"}, "one that is known may change")
}
