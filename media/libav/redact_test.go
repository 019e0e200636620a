package libav

import (
	"strings"
	"testing"

	"github.com/roomcast/roomcast/media"
	"github.com/stretchr/testify/require"
)

const canary = "CANARY"

func TestRedactByLooks(t *testing.T) {
	for _, c := range []struct{ name, line, keeps string }{
		{"a query", "Opening 'https://h.example/a/b.m3u8?token=CANARY&x=CANARY' for reading", "https://h.example/a/b.m3u8"},
		{"a query without names", "http://h/a?CANARY", "http://h/a"},
		{"a query with spaces and quotes", "Skip ('http://h/a?t=it's CANARY and \"CANARY\"')", "http://h/a"},
		{"user info", "Opening 'http://user:CANARY@h/a' for reading", "@h/a"},
		{"user info with an at", "http://user:pw@CANARY@h/a", "@h/a"},
		{"a name only", "rtmp://CANARY@h/live/x", "@h/live/x"},
		{"a proxy", "Setting entry with key 'http_proxy' to value 'http://w1:CANARY@127.0.0.1:99'", "127.0.0.1:99"},
		{"a usersig in a path", "Sending play command for 'room&usersig=CANARY'", "room"},
		{"a password", "rtmp_pass: password=CANARY", "rtmp_pass"},
		{"a quoted token", `token="CANARY CANARY"`, "token"},
		{"a JSON token", `{"access_token": "CANARY"}`, "access_token"},
		{"an HTTP request", "request: GET /a?x=CANARY HTTP/1.1\r\nAuthorization: Basic CANARY\r\nFoo: CANARY\r\n\r\n", "request: GET /a"},
		{"a header", "Authorization: Bearer CANARY", "Authorization"},
		{"a cookie", "Set-Cookie: a=CANARY; path=/", "Set-Cookie"},
		{"an own header", "X-Api-Key: CANARY", "X-Api-Key"},
		{"a bare usersig", "publish eJwtzM0KwjAQBOB32bNIkk3SpOCARY*_-CANARYCANARYCANARYCANARY done", "publish"},
		{"many lines", "a\nhttp://h/x?CANARY\nCookie: CANARY\nb", "a\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := redact(c.line, nil)
			require.NotContains(t, got, canary)
			require.Contains(t, got, c.keeps)
		})
	}
}

func TestRedactLeavesPlainLinesAlone(t *testing.T) {
	for _, line := range []string{
		"moov atom not found", "HTTP error 404 Not Found", "Stream #0: not enough frames to estimate rate",
		"Stream ends prematurely at 1000, should be 2000", "Is this right? yes",
	} {
		require.Equal(t, line, redact(line, nil))
	}
}

func TestRedactWhatTheRequestTold(t *testing.T) {
	known := secretsOf(media.SourceRequest{
		URL:     "https://me:p%40ss%20CANARY@h/a.mp4?t=a%2FCANARY1&plainCANARY2&s=x",
		Headers: map[string]media.Secret{"Authorization": "Bearer CANARY3"},
	}, media.Way{
		URL: "rtmp://127.0.0.1:1/app/keyCANARY7?sign=CANARY4",
	})
	for _, line := range []string{
		"t is a%2FCANARY1", "t is a/CANARY1", "p@ss CANARY", "p%40ss%20CANARY", "plainCANARY2", "CANARY3", "CANARY4",
		"Sending play command for 'keyCANARY7'", "got bWU6cEBzcyBDQU5BUlk=",
	} {
		got := redact(line, known)
		require.NotContains(t, got, canary, line)
		require.NotContains(t, got, "bWU6")
	}
	require.Equal(t, "x of h", redact("x of h", known), "one letter is no secret")
}

func FuzzRedact(f *testing.F) {
	for _, s := range []string{"http://u:p@h/a?b", "request: x\ny", "token=", "?\n", "eJ"} {
		f.Add(s, "p")
	}
	f.Fuzz(func(t *testing.T, line, secret string) {
		got := redact(line, []string{"known" + secret})
		require.NotContains(t, got, "known"+secret)
		address := "http://user:" + canary + "@host/a?t=" + canary
		require.NotContains(t, redact("open "+address, nil), canary)
		require.LessOrEqual(t, strings.Count(got, "\n"), strings.Count(line, "\n")+strings.Count(secret, "\n"))
	})
}

func FuzzURLSecrets(f *testing.F) {
	f.Add("http://u:p@h/a?b=c&d#e")
	f.Fuzz(func(_ *testing.T, address string) { urlSecrets(address) })
}
