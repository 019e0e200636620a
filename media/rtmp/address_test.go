package rtmp

import (
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func TestSplitAddress(t *testing.T) {
	for name, c := range map[string]struct {
		raw  string
		want target
	}{
		"TRTC's form keeps its query with the key": {
			"rtmp://rtmp.rtc.qq.com/push/room_1?sdkappid=14&userid=u-1&usersig=eJ*a-b__",
			target{hostPort: "rtmp.rtc.qq.com:1935", host: "rtmp.rtc.qq.com", app: "push", tcURL: "rtmp://rtmp.rtc.qq.com/push",
				key: "room_1?sdkappid=14&userid=u-1&usersig=eJ*a-b__", query: "sdkappid=14&userid=u-1&usersig=eJ*a-b__"},
		},
		"a port stays in tcUrl": {"rtmp://127.0.0.1:2935/push/r",
			target{hostPort: "127.0.0.1:2935", host: "127.0.0.1", app: "push", tcURL: "rtmp://127.0.0.1:2935/push", key: "r"}},
		"rtmps has its own default port": {"rtmps://room.example/push/r",
			target{tls: true, hostPort: "room.example:443", host: "room.example", app: "push", tcURL: "rtmps://room.example/push", key: "r"}},
		"an IPv6 host with a port": {"rtmp://[::1]:1936/push/r",
			target{hostPort: "[::1]:1936", host: "::1", app: "push", tcURL: "rtmp://[::1]:1936/push", key: "r"}},
		"an IPv6 host without one": {"rtmp://[::1]/push/r",
			target{hostPort: "[::1]:1935", host: "::1", app: "push", tcURL: "rtmp://[::1]/push", key: "r"}},
		"all but the last segment is the app": {"rtmp://h/app/inst/key",
			target{hostPort: "h:1935", host: "h", app: "app/inst", tcURL: "rtmp://h/app/inst", key: "key"}},
		"a slash in the query is no path": {"rtmp://h/push/r?a=b/c://d",
			target{hostPort: "h:1935", host: "h", app: "push", tcURL: "rtmp://h/push", key: "r?a=b/c://d", query: "a=b/c://d"}},
		"a second question mark is the query's": {"rtmp://h/push/r?a?b",
			target{hostPort: "h:1935", host: "h", app: "push", tcURL: "rtmp://h/push", key: "r?a?b", query: "a?b"}},
		"escapes stay as they are": {"rtmp://h/push/r%20x?a=%2A*+",
			target{hostPort: "h:1935", host: "h", app: "push", tcURL: "rtmp://h/push", key: "r%20x?a=%2A*+", query: "a=%2A*+"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := splitAddress(media.Secret(c.raw))
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestSplitAddressRefuses(t *testing.T) {
	for name, raw := range map[string]string{
		"an empty text":            "",
		"another scheme":           "http://h/push/canary",
		"a scheme in capitals":     "RTMP://h/push/canary",
		"no host":                  "rtmp:///push/canary",
		"an empty port":            "rtmp://h:/push/canary",
		"a bare IPv6 host":         "rtmp://::1/push/canary",
		"a half bracket":           "rtmp://[::1/push/canary",
		"a user name":              "rtmp://u:canary@h/push/r",
		"no app":                   "rtmp://h/canary",
		"no key":                   "rtmp://h/push/?usersig=canary",
		"an empty app":             "rtmp://h//canary",
		"nothing after the host":   "rtmp://h",
		"a query without a path":   "rtmp://h?usersig=canary",
		"a space":                  "rtmp://h/push/r?usersig=canary x",
		"a line end":               "rtmp://h/push/r?usersig=canary\n",
		"a letter outside ASCII":   "rtmp://h/push/r?usersig=canaryü",
		"more than 8 KiB of query": "rtmp://h/push/canary?" + strings.Repeat("a", 8<<10),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := splitAddress(media.Secret(raw))
			require.Error(t, err)
			require.NotContains(t, err.Error(), "canary")
		})
	}
}

func FuzzSplitAddress(f *testing.F) {
	f.Add("rtmp://rtmp.rtc.qq.com/push/room_1?sdkappid=14&userid=u-1&usersig=eJ*a-b__")
	f.Add("rtmps://[::1]:1/a/b/c?d?e/f")
	f.Add("rtmp://h:1/a//b")
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := splitAddress(media.Secret(raw))
		if err != nil {
			if len(raw) > 30 {
				require.NotContains(t, err.Error(), raw)
			}
			return
		}
		require.Equal(t, raw, got.tcURL+"/"+got.key+trailingMark(raw, got), "nothing is changed or lost")
		require.NotContains(t, got.tcURL, "?")
		require.True(t, strings.HasSuffix(got.key, got.query))
		host, _, err := net.SplitHostPort(got.hostPort)
		require.NoError(t, err)
		require.Equal(t, got.host, host)
	})
}

// trailingMark is the one thing left out: a question mark nothing follows.
func trailingMark(raw string, t target) string {
	if t.query == "" && strings.HasSuffix(raw, "?") {
		return "?"
	}
	return ""
}
