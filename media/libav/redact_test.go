package libav

import (
	"strings"
	"testing"

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
		{"a signature in a path", "comment: room&usersig=CANARY", "room"},
		{"a password", "comment: password=CANARY", "comment"},
		{"a quoted token", `token="CANARY CANARY"`, "token"},
		{"a JSON token", `{"access_token": "CANARY"}`, "access_token"},
		{"many lines", "a\nhttp://h/x?CANARY\nhttp://CANARY@h/y\nb", "a\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := redact(c.line)
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
		require.Equal(t, line, redact(line))
	}
}

func FuzzRedact(f *testing.F) {
	for _, s := range []string{"http://u:p@h/a?b", "token=", "?\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		address := "http://user:" + canary + "@host/a?t=" + canary
		require.NotContains(t, redact(line+" open "+address), canary)
		require.LessOrEqual(t, strings.Count(redact(line), "\n"), strings.Count(line, "\n"))
	})
}
