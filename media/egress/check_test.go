package egress

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/mediatest"
)

func TestAddressesInsideAreRefusedAtTheRequest(t *testing.T) {
	g := newGate(t, Config{})
	for _, scheme := range []string{"http", "https", "rtmp", "rtmps"} {
		for _, host := range mediatest.InsideHosts() {
			for _, form := range []string{"%s://%s/live/x?token=canary", "%s://u:canary@%s:8080/x"} {
				raw := fmt.Sprintf(form, scheme, host)
				err := g.CheckURL(media.Secret(raw))
				requireKind(t, media.KindSourceBlocked, err)
				require.NotContains(t, err.Error(), "canary", raw)
			}
		}
	}
}

func TestURLsThatAreNoSourceAreInvalid(t *testing.T) {
	g := newGate(t, Config{})
	for name, raw := range map[string]string{
		"empty":                     "",
		"no scheme":                 "example.com/canary.mp4",
		"a path":                    "/etc/canary",
		"no host":                   "http:///canary",
		"only a port":               "http://:80/canary",
		"only a user":               "http://user:canary@/x",
		"a space":                   "http://example.com/a canary",
		"a leading space":           " http://example.com/canary",
		"a newline":                 "http://example.com/\r\nHost: canary",
		"a NUL":                     "http://example.com/\x00canary",
		"a DEL":                     "http://example.com/\x7fcanary",
		"a C1 control":              "http://example.com/\u0085canary",
		"a wide space":              "http://example.com/\u00a0canary",
		"port zero":                 "http://example.com:0/canary",
		"port too large":            "http://example.com:65536/canary",
		"port with a sign":          "http://example.com:+80/canary",
		"port not a number":         "http://example.com:canary/",
		"password with a slash":     "http://user:pa/canary@example.com/",
		"host in other letters":     "http://１２７.0.0.1/canary",
		"host with an escape":       "http://127%2e0.0.1/canary",
		"host with a backslash":     `http://example.com\canary/`,
		"host with a comma":         "rtmp://a,b/canary",
		"host with an empty label":  "http://a..b/canary",
		"host too long":             "http://" + strings.Repeat("a.", 127) + "aa/canary",
		"a line end for a user":     "rtsp://user%0d%0aX:canary@example.com/",
		"a port for the gate alone": "http://example.com:65979/canary",
		"unclosed bracket":          "http://[::1/canary",
		"text after bracket":        "http://[::1]canary/",
		"IPv4 in brackets":          "http://[127.0.0.1]/canary",
		"IPv6 without brackets":     "http://::1/canary",
		"bad escape":                "http://example.com/%zzcanary",
		"too long":                  "http://example.com/canary" + strings.Repeat("a", maxURL),
		"a scheme with a separator": "ht/tp://example.com/canary",
	} {
		t.Run(name, func(t *testing.T) {
			err := g.CheckURL(media.Secret(raw))
			requireKind(t, media.KindSourceInvalid, err)
			require.NotContains(t, err.Error(), "canary")
		})
	}
}

func TestSchemesWithoutAWayAreBlocked(t *testing.T) {
	g := newGate(t, Config{})
	for _, raw := range []string{
		"file:///etc/passwd", "rtsp://example.com/x", "srt://example.com:80", "ftp://example.com/x",
		"gopher://example.com/", "concat://a|b", "crypto+http://example.com/x", "rtmpt://example.com/x",
		"rtmpe://example.com/x", "tcp://example.com:80", "httpproxy://example.com", "subfile,,start,0,end,1,,://x",
	} {
		requireKind(t, media.KindSourceBlocked, g.CheckURL(media.Secret(raw)))
	}
	narrow := newGate(t, Config{Schemes: []string{"https"}})
	require.NoError(t, narrow.CheckURL("https://example.com/x"))
	requireKind(t, media.KindSourceBlocked, narrow.CheckURL("http://example.com/x"))
	_, err := New(Config{Schemes: []string{"http", "gopher"}})
	require.ErrorContains(t, err, `"gopher"`)
	require.ErrorContains(t, g.CheckURL("rtsp://example.com/x"), "ROOMCAST_SOURCE_SCHEMES")
	require.ErrorContains(t, g.CheckURL("http://example.com:81/x"), "the port is not open; open for http: 80 443 1935 8080 8443, and what ROOMCAST_SOURCE_ALLOW lists")
}

func TestPublicSourcesPassTheRequest(t *testing.T) {
	g := newGate(t, Config{})
	for _, raw := range []string{
		"http://example.com", "HTTP://Example.COM/x.mp4", "https://example.com:8443/a/b.m3u8?x=%zz&y=*",
		"http://user:p%40ss@example.com:8080/x", "rtmp://example.com/live/stream?token=a*b",
		"rtmp://example.com/live/50%off", "rtmps://example.com/app/x", "rtmp://example.com:443/app/x",
		"http://8.8.8.8/x", "http://[2606:4700::1111]:443/x", "http://xn--bcher-kva.example/",
		"http://my_host.example/x", "http://example.com./x", "http://example.com:/x", "http://1.2.example/x",
		"http://example.com/ünïcode.mp4", "http://metadata.google.internal/", "http://example.com?x=1", "http://0x7f.example/",
	} {
		require.NoError(t, g.CheckURL(media.Secret(raw)), raw)
	}
}

func TestPorts(t *testing.T) {
	g := newGate(t, Config{})
	for port, open := range map[int]bool{
		22: false, 25: false, 79: false, 80: true, 443: true, 554: false, 1935: true, 1936: false,
		6379: false, 8000: false, 8080: true, 8443: true, 65535: false,
	} {
		for _, host := range []string{"example.com", "8.8.8.8", "[2606:4700::1111]"} {
			err := g.CheckURL(media.Secret(fmt.Sprintf("http://%s:%d/", host, port)))
			if open {
				require.NoError(t, err)
			} else {
				requireKind(t, media.KindSourceBlocked, err)
			}
		}
	}
}

func TestWhatTheListOpens(t *testing.T) {
	for _, test := range []struct {
		name            string
		allow           []string
		open, notOpened []string
	}{
		{"a network, any port", []string{"10.1.0.0/16"},
			[]string{"http://10.1.2.3/", "rtmp://10.1.2.3:9999/a"},
			[]string{"http://10.2.0.1/", "http://10.0.255.255:80/", "http://[::ffff:10.1.2.3]/"}},
		{"an IPv6 network", []string{"fd00:1::/32"},
			[]string{"http://[fd00:1::5]:1234/"}, []string{"http://[fd00:2::5]/"}},
		{"an address", []string{"192.168.1.7"},
			[]string{"http://192.168.1.7:5000/"}, []string{"http://192.168.1.8/"}},
		{"an IPv6 address in brackets", []string{"[::1]"},
			[]string{"http://[::1]:5000/", "http://localhost:5000/"}, []string{"http://127.0.0.1/"}},
		{"an address and port", []string{"192.168.1.7:8000"},
			[]string{"http://192.168.1.7:8000/"}, []string{"http://192.168.1.7/", "http://192.168.1.7:8001/"}},
		{"an IPv6 address and port", []string{"[fd00::1]:8000"},
			[]string{"http://[fd00::1]:8000/", "http://[fd00:0:0::1]:8000/"}, []string{"http://[fd00::1]:80/"}},
		{"a public address and port", []string{"8.8.8.8:9000"},
			[]string{"http://8.8.8.8:9000/", "http://8.8.8.8/"}, []string{"http://8.8.8.8:9001/"}},
		{"a name and port", []string{"Media.Internal.:9000"},
			[]string{"http://media.internal:9000/", "http://MEDIA.internal.:9000/"},
			[]string{"http://media.internal:9001/", "http://x.media.internal:9000/"}},
		{"localhost and port", []string{"localhost:9000"},
			[]string{"http://localhost:9000/"}, []string{"http://localhost/", "http://127.0.0.1:9000/"}},
		{"loopback opens localhost", []string{"127.0.0.0/8"}, []string{"http://localhost:7777/"}, nil},
		{"nothing for blanks", []string{"", " "}, nil, []string{"http://127.0.0.1/"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := newGate(t, Config{Allow: test.allow})
			for _, raw := range test.open {
				require.NoError(t, g.CheckURL(media.Secret(raw)), raw)
			}
			for _, raw := range test.notOpened {
				requireKind(t, media.KindSourceBlocked, g.CheckURL(media.Secret(raw)))
			}
		})
	}
}

func TestListsThatAreRefused(t *testing.T) {
	for _, entry := range []string{
		"media.internal", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/8:80", "http://10.0.0.1", "10.0.0.1:0",
		"10.0.0.1:65536", "10.0.0.1:http", "10.0.0.1:", ":8000", "[::1:8000", "[10.0.0.1]:80", "fe80::1%eth0", "fe80::%eth0/64",
		"::ffff:10.0.0.1", "::ffff:10.0.0.0/104", "127.1:80", "a b:80", "*.internal:80", "10.0.0.0/8,", "[::ffff:1.2.3.4]:80",
	} {
		_, err := New(Config{Allow: []string{"10.0.0.0/8", entry}})
		require.ErrorContains(t, err, fmt.Sprintf("%q", entry))
	}
}

func FuzzCheckURL(f *testing.F) {
	for _, seed := range []string{"http://a/b", "rtmp://u:p@[::1]:1/a/b?c#d", "https://127.1", "HTTP://x:80?y", "rtmps://"} {
		f.Add(seed)
	}
	g := newGate(f, Config{Allow: []string{"10.0.0.0/8"}})
	f.Fuzz(func(t *testing.T, raw string) {
		a, err := g.parse(media.Secret(raw))
		if err != nil {
			kind := media.KindOf(err)
			require.True(t, kind == media.KindSourceBlocked || kind == media.KindSourceInvalid)
			return
		}
		require.True(t, a.host != "" && a.port != 0)
		require.False(t, strings.ContainsAny(a.host, "/?#@ \\%\r\n"))
		// Taken apart again, what is shown is the same place.
		again, err := parseAddress(a.target.String())
		require.NoError(t, err)
		require.Equal(t, a.target, again.target)
		// What goes to libav is what was checked.
		rest := strings.TrimPrefix(a.raw, a.scheme+"://")
		require.True(t, strings.HasPrefix(rest, a.userInfo) && strings.HasSuffix(rest, a.path))
	})
}

func FuzzAllow(f *testing.F) {
	for _, seed := range []string{"10.0.0.0/8", "1.2.3.4", "[::1]:80", "a.b:80", "::/0", "[::"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, entry string) {
		r, err := parseRules([]string{entry}, nil)
		if err != nil {
			return
		}
		n := len(r.networks) + len(r.addrPorts) + len(r.namePorts)
		require.Equal(t, strings.TrimSpace(entry) != "", n == 1)
	})
}
