package egress

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

var everyScheme = []string{"http", "https", "rtmp", "rtmps", "rtsp", "srt"}

// rtspClient speaks to the relay of a way as libav does.
type rtspClient struct {
	net.Conn
	from *bufio.Reader
	at   *url.URL
	cseq int
}

func newRTSPClient(t testing.TB, w *way) *rtspClient {
	t.Helper()
	u, err := url.Parse(w.URL.Reveal())
	require.NoError(t, err)
	conn, err := net.Dial("tcp", u.Host)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(testTime))
	return &rtspClient{Conn: conn, from: bufio.NewReader(conn), at: u}
}

func (c *rtspClient) ask(method, uri string, user *url.Userinfo) (*rtspMessage, error) {
	c.cseq++
	m := &rtspMessage{start: method + " " + uri + " RTSP/1.0"}
	m.add("CSeq", fmt.Sprint(c.cseq))
	if user != nil {
		password, _ := user.Password()
		m.add("Authorization", (&challenge{basic: true}).answer(user.Username(), password, nil))
	}
	if _, err := c.Write(m.bytes()); err != nil {
		return nil, err
	}
	return readRTSP(c.from)
}

// uri is the one libav asks for.
func (c *rtspClient) uri() string {
	return (&url.URL{Scheme: "rtsp", Host: c.at.Host, Path: c.at.Path, RawQuery: c.at.RawQuery}).String()
}

// rtspSource answers every request with what reply says.
func rtspSource(t testing.TB, reply func(*rtspMessage) string) string {
	return rtmpSource(t, listen(t), func(c net.Conn) {
		from := bufio.NewReader(c)
		for {
			m, err := readRTSP(from)
			if err != nil {
				return
			}
			if _, err := io.WriteString(c, strings.ReplaceAll(reply(m), "CSEQ", m.get("CSeq"))); err != nil {
				return
			}
		}
	})
}

func TestAnRTSPRelayWithoutThePasswordDialsNothing(t *testing.T) {
	secret := newInside(t, "127.0.0.1:0")
	g := newGate(t, Config{Schemes: everyScheme, Allow: []string{"127.0.0.1"}})
	w := openWay(t, g, "rtsp://"+secret.listener.Addr().String()+"/a")
	for _, user := range []*url.Userinfo{nil, url.UserPassword(w.user, "x"), url.UserPassword("", "")} {
		c := newRTSPClient(t, w)
		for range 2 {
			m, err := c.ask("OPTIONS", c.uri(), user)
			require.NoError(t, err)
			require.Equal(t, "RTSP/1.0 401 Unauthorized", m.start)
		}
		_, err := c.ask("OPTIONS", c.uri(), user)
		require.Error(t, err)
	}
	secret.requireUntouched(t)
}

func TestAnRTSPSourceGetsItsOwnAddressAndNoneOfOurPassword(t *testing.T) {
	got := make(chan *rtspMessage, 1)
	at := rtspSource(t, func(m *rtspMessage) string {
		got <- m
		return "RTSP/1.0 200 OK\r\nCSeq: CSEQ\r\nServer: WMServer/9\r\nRealChallenge1: x\r\nLocation: rtsp://10.0.0.1/\r\nPublic: PLAY\r\n\r\n"
	})
	g := newGate(t, Config{Schemes: everyScheme, Allow: []string{"127.0.0.1"}})
	w := openWay(t, g, "rtsp://"+at+"/a/b?c=d")
	c := newRTSPClient(t, w)
	answer, err := c.ask("OPTIONS", c.uri(), c.at.User)
	require.NoError(t, err)
	m := <-got
	require.Equal(t, "OPTIONS rtsp://"+at+"/a/b?c=d RTSP/1.0", m.start)
	require.Empty(t, m.get("Authorization"))
	require.Equal(t, []rtspField{{"CSeq", "1"}, {"Public", "PLAY"}}, answer.fields)
}

func TestAnRTSPRefusalHasItsKind(t *testing.T) {
	for status, kind := range map[string]media.Kind{
		"401 Unauthorized":          media.KindSourceUnauthorized,
		"403 Forbidden":             media.KindSourceUnauthorized,
		"404 Not Found":             media.KindSourceNotFound,
		"410 Gone":                  media.KindSourceGone,
		"461 Unsupported Transport": media.KindSourceUnsupported,
		"302 Found":                 media.KindSourceUnsupported,
		"503 Service Unavailable":   media.KindSourceUnavailable,
	} {
		t.Run(status, func(t *testing.T) {
			at := rtspSource(t, func(*rtspMessage) string {
				return "RTSP/1.0 " + status + "\r\nCSeq: CSEQ\r\nLocation: rtsp://127.0.0.1:1/canary\r\n\r\n"
			})
			w := openWay(t, newGate(t, Config{Schemes: everyScheme, Allow: []string{"127.0.0.1"}}), "rtsp://u:canary@"+at+"/canary")
			c := newRTSPClient(t, w)
			answer, err := c.ask("DESCRIBE", c.uri(), c.at.User)
			require.NoError(t, err)
			require.NotContains(t, string(answer.bytes()), "canary")
			require.NotContains(t, answer.start, " 30")
			requireKind(t, kind, w.Refusal())
			require.NotContains(t, w.Refusal().Error(), "canary")
		})
	}
}

func TestWhatIsNoRTSPIsUnavailable(t *testing.T) {
	for name, text := range map[string]string{
		"HTTP":            "HTTP/1.1 200 OK\r\n\r\n",
		"nothing":         "",
		"an endless head": strings.Repeat("x", 2*maxRTSPHead),
		"an endless body": "RTSP/1.0 200 OK\r\nCSeq: CSEQ\r\nContent-Length: 999999999\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			at := rtmpSource(t, listen(t), func(c net.Conn) {
				_, _ = readRTSP(bufio.NewReader(c))
				_, _ = io.WriteString(c, text)
			})
			w := openWay(t, newGate(t, Config{Schemes: everyScheme, Allow: []string{"127.0.0.1"}}), "rtsp://"+at+"/canary")
			c := newRTSPClient(t, w)
			_, err := c.ask("OPTIONS", c.uri(), c.at.User)
			require.Error(t, err)
			requireKind(t, media.KindSourceUnavailable, w.Refusal())
		})
	}
}

func TestAnRTSPRelayDialsOnlyWhatTheRulesAllow(t *testing.T) {
	secret := newInside(t, "127.0.0.2:0")
	g := newGate(t, Config{Schemes: everyScheme, Allow: []string{"127.0.0.1"}, Resolver: newNamesFor("in.example", "127.0.0.2")})
	w := openWay(t, g, "rtsp://in.example:8554/canary")
	c := newRTSPClient(t, w)
	_, err := c.ask("OPTIONS", c.uri(), c.at.User)
	require.Error(t, err)
	requireKind(t, media.KindSourceHost, w.Refusal())
	secret.requireUntouched(t)
}

func TestPortsOfRTSPAndSRT(t *testing.T) {
	g := newGate(t, Config{Schemes: everyScheme})
	for address, open := range map[string]bool{
		"rtsp://example.com/a": true, "rtsp://example.com:8554/a": true, "rtsp://example.com:80/a": false,
		"srt://example.com:9000": true, "srt://example.com:1024": true, "srt://example.com:53": false,
		"srt://10.0.0.1:9000": false, "rtsp://127.0.0.1/a": false, "rtsp://localhost/a": false,
	} {
		err := g.CheckURL(media.Secret(address))
		if open {
			require.NoError(t, err, address)
		} else {
			requireKind(t, media.KindSourceBlocked, err)
		}
	}
}

func TestAnRTSPSourceMayLeaveRequestsUnanswered(t *testing.T) {
	at := rtspSource(t, func(m *rtspMessage) string {
		if strings.HasPrefix(m.start, "GET_PARAMETER") {
			return ""
		}
		return "RTSP/1.0 200 OK\r\nCSeq: CSEQ\r\n\r\n"
	})
	w := openWay(t, newGate(t, Config{Schemes: everyScheme, Allow: []string{"127.0.0.1"}}), "rtsp://"+at+"/a")
	c := newRTSPClient(t, w)
	_, err := c.ask("OPTIONS", c.uri(), c.at.User)
	require.NoError(t, err)
	password, _ := c.at.User.Password()
	for range 3 * mostPending {
		m := &rtspMessage{start: "GET_PARAMETER " + c.uri() + " RTSP/1.0"}
		m.add("Authorization", (&challenge{basic: true}).answer(c.at.User.Username(), password, nil))
		_, err = c.Write(m.bytes())
		require.NoError(t, err)
	}
	_, err = c.ask("OPTIONS", c.uri(), c.at.User)
	require.NoError(t, err)
}

func TestAUserWithQuotesStaysWithinItsQuotes(t *testing.T) {
	line := newChallenge([]string{`Digest realm="r", nonce="n"`}).answer(`a", uri="b\`, "p", &rtspRequest{method: "DESCRIBE", uri: "rtsp://h/x"})
	require.Contains(t, line, `username="a\", uri=\"b\\", realm="r"`)
}
