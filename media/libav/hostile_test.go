package libav_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// trap counts who comes to its TCP and its UDP port, which are the same.
type trap struct {
	addr    string
	port    int
	touched atomic.Int32
}

func newTrap(t *testing.T) *trap {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	tr := &trap{addr: l.Addr().String(), port: l.Addr().(*net.TCPAddr).Port}
	u, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: tr.port})
	require.NoError(t, err)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			tr.touched.Add(1)
			_ = c.Close()
		}
	})
	running.Go(func() {
		for {
			if _, _, err := u.ReadFromUDPAddrPort(make([]byte, 2000)); err != nil {
				return
			}
			tr.touched.Add(1)
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		_ = u.Close()
		running.Wait()
	})
	return tr
}

// hostile is an RTSP server whose answers to the methods are as given: CSEQ and
// TRAP in them are filled in. The others are those of an honest one.
func hostile(t *testing.T, tr *trap, answers map[string]string) string {
	t.Helper()
	all := map[string]string{
		"OPTIONS":  "200 OK\r\nCSeq: CSEQ\r\nPublic: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER\r\n\r\n",
		"DESCRIBE": describe("", "streamid=0"),
		"SETUP":    "200 OK\r\nCSeq: CSEQ\r\nSession: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n",
		"PLAY":     "200 OK\r\nCSeq: CSEQ\r\nSession: 1\r\n\r\n",
	}
	for method, text := range answers {
		all[method] = text
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { converse(c, tr, all) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); running.Wait() })
	return "rtsp://" + l.Addr().String() + "/live"
}

// describe is an answer with a description, its control and more lines.
func describe(fields, control string, lines ...string) string {
	sdp := strings.Join(append([]string{"v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=x", "c=IN IP4 0.0.0.0", "t=0 0"}, append(lines,
		"m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/90000", "a=control:"+control, "")...), "\r\n")
	return fmt.Sprintf("200 OK\r\nCSeq: CSEQ\r\nContent-Type: application/sdp\r\n%sContent-Length: LENGTH\r\n\r\n%s", fields, sdp)
}

func converse(c net.Conn, tr *trap, answers map[string]string) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	from := textproto.NewReader(bufio.NewReader(c))
	for {
		line, err := from.ReadLine()
		if err != nil {
			return
		}
		head, err := from.ReadMIMEHeader()
		if err != nil {
			return
		}
		method, _, _ := strings.Cut(line, " ")
		text, ok := answers[method]
		if !ok {
			continue // an answer of ours to a request of its own
		}
		text = strings.NewReplacer("CSEQ", head.Get("CSeq"), "TRAP", tr.addr, "PORT", fmt.Sprint(tr.port)).Replace(text)
		if _, body, ok := strings.Cut(text, "\r\n\r\n"); ok {
			text = strings.ReplaceAll(text, "LENGTH", fmt.Sprint(len(body)))
		}
		if _, err := io.WriteString(c, "RTSP/1.0 "+text); err != nil {
			return
		}
	}
}

func TestAnRTSPServerLeadsNowhereElse(t *testing.T) {
	t.Parallel()
	const setup = "200 OK\r\nCSeq: CSEQ\r\nSession: 1\r\nTransport: "
	redirect := "302 Found\r\nCSeq: CSEQ\r\nLocation: rtsp://TRAP/live\r\n\r\n"
	for name, answers := range map[string]map[string]string{
		"an honest one":              nil,
		"a redirect of OPTIONS":      {"OPTIONS": redirect},
		"a redirect of DESCRIBE":     {"DESCRIBE": redirect},
		"a redirect of SETUP":        {"SETUP": redirect},
		"a redirect of PLAY":         {"PLAY": redirect},
		"a redirect to rtsps":        {"DESCRIBE": strings.Replace(redirect, "rtsp:", "rtsps:", 1)},
		"a redirect to http":         {"DESCRIBE": strings.Replace(redirect, "rtsp:", "http:", 1)},
		"a Content-Base":             {"DESCRIBE": describe("Content-Base: rtsp://TRAP/\r\n", "streamid=0")},
		"a control of a track":       {"DESCRIBE": describe("", "rtsp://TRAP/live/0")},
		"a control of another kind":  {"DESCRIBE": describe("", "http://TRAP/live/0")},
		"a control of the session":   {"DESCRIBE": describe("", "streamid=0", "a=control:rtsp://TRAP/live")},
		"an address in the SDP":      {"DESCRIBE": describe("", "streamid=0", "c=IN IP4 127.0.0.1", "a=source-filter: incl IN IP4 * 127.0.0.1")},
		"UDP instead of TCP":         {"SETUP": setup + "RTP/AVP;unicast;client_port=PORT-PORT;server_port=PORT-PORT;source=127.0.0.1\r\n\r\n"},
		"multicast instead of TCP":   {"SETUP": setup + "RTP/AVP;multicast;destination=127.0.0.1;port=PORT-PORT;ttl=1\r\n\r\n"},
		"a destination beside TCP":   {"SETUP": setup + "RTP/AVP/TCP;unicast;interleaved=0-1;source=127.0.0.1;destination=127.0.0.1;server_port=PORT-PORT\r\n\r\n"},
		"a request to redirect":      {"PLAY": "200 OK\r\nCSeq: CSEQ\r\n\r\nREDIRECT * RTSP/1.0\r\nCSeq: 1\r\nLocation: rtsp://TRAP/\r\n\r\n"},
		"Windows Media":              {"OPTIONS": "200 OK\r\nCSeq: CSEQ\r\nServer: WMServer/9.0\r\n\r\n"},
		"RealMedia":                  {"OPTIONS": "200 OK\r\nCSeq: CSEQ\r\nRealChallenge1: 0123456789abcdef0123456789abcdef\r\n\r\n"},
		"no transport that is known": {"SETUP": "461 Unsupported Transport\r\nCSeq: CSEQ\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTrap(t)
			_, err := open(t, media.SourceRequest{URL: media.Secret(hostile(t, tr, answers)), ProbeTimeout: 700 * time.Millisecond})
			require.Error(t, err, "no media came")
			require.NotEqual(t, media.KindInternal, media.KindOf(err), "%v", err)
			require.Zero(t, tr.touched.Load())
			t.Log(err)
		})
	}
}
