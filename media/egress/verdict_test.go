package egress

import (
	"bufio"
	"net"
	"strings"
	"testing"

	"github.com/bluenviron/gortmplib/pkg/amf0"
	"github.com/bluenviron/gortmplib/pkg/bytecounter"
	"github.com/bluenviron/gortmplib/pkg/handshake"
	"github.com/bluenviron/gortmplib/pkg/message"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// says answers a connect with a command, after what servers send before it.
func says(command *message.CommandAMF0, after ...message.Message) func(net.Conn) {
	return func(c net.Conn) {
		if _, _, err := handshake.DoServer(c, false); err != nil {
			return
		}
		rw := message.NewReadWriter(c, bytecounter.NewReadWriter(c), false)
		if _, err := rw.Read(); err != nil {
			return
		}
		for _, m := range append([]message.Message{
			&message.SetWindowAckSize{Value: 2500000}, &message.SetChunkSize{Value: 4096}, command,
		}, after...) {
			_ = rw.Write(m)
		}
		_, _ = rw.Read() // until the player leaves
	}
}

func status(name, level, code, words string) *message.CommandAMF0 {
	return &message.CommandAMF0{ChunkStreamID: 3, Name: name, CommandID: 1, Arguments: []any{nil, amf0.Object{
		{Key: "level", Value: level}, {Key: "code", Value: code}, {Key: "description", Value: words},
	}}}
}

func TestAnRTMPServersRefusalHasItsKindAndItsWords(t *testing.T) {
	for _, c := range []struct {
		name    string
		command *message.CommandAMF0
		kind    media.Kind
		words   string
	}{
		{"no stream", status("onStatus", "error", "NetStream.Play.StreamNotFound", "no stream canary here"), media.KindSourceNotFound, "no stream [redacted] here"},
		{"rejected", status("_error", "error", "NetConnection.Connect.Rejected", "authentication failed for us%er"), media.KindSourceUnauthorized, "authentication failed for [redacted]"},
		{"no application", status("_error", "error", "NetConnection.Connect.InvalidApp", ""), media.KindSourceNotFound, "InvalidApp"},
		{"forbidden", status("onStatus", "error", "NetStream.Play.Failed", "permission\r\ndenied for token=s3cret"), media.KindSourceUnauthorized, "permission  denied for [redacted]=[redacted]"},
		{"going down", status("_error", "error", "NetConnection.Connect.AppShutdown", ""), media.KindSourceUnavailable, "AppShutdown"},
		{"failed", status("onStatus", "error", "NetStream.Play.Failed", strings.Repeat("x", 5000)), media.KindSourceNotFound, "xxx"},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := rtmpSource(t, listen(t), says(c.command))
			w := openWay(t, newGate(t, Config{Allow: []string{"127.0.0.1"}}), "rtmp://us%25er:pa55@"+at+"/live/canary?token=s3cret")
			_, rw := player(t, w, w.Options["rtmp_flashver"].Reveal())
			for {
				m, err := rw.Read()
				require.NoError(t, err)
				if _, ok := m.(*message.CommandAMF0); ok {
					break
				}
			}
			requireKind(t, c.kind, w.Refusal())
			text := w.Refusal().Error()
			require.Contains(t, text, c.words)
			require.NotContains(t, text, "canary")
			require.NotContains(t, text, "s3cret")
			require.Less(t, len(text), 500)
		})
	}
}

func TestAfterPlayHasBegunNothingIsARefusal(t *testing.T) {
	at := rtmpSource(t, listen(t), says(status("onStatus", "status", "NetStream.Play.Start", "go"),
		status("onStatus", "error", "NetStream.Play.StreamNotFound", "")))
	w := openWay(t, newGate(t, Config{Allow: []string{"127.0.0.1"}}), "rtmp://"+at+"/live/canary")
	_, rw := player(t, w, w.Options["rtmp_flashver"].Reveal())
	for got := 0; got < 2; {
		m, err := rw.Read()
		require.NoError(t, err)
		if _, ok := m.(*message.CommandAMF0); ok {
			got++
		}
	}
	require.NoError(t, w.Refusal())
}

func FuzzRTMPVerdict(f *testing.F) {
	f.Add([]byte{3, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0, 16, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		v := &verdictReader{from: strings.NewReader(string(data)), refuse: func(string, string) {}}
		b := make([]byte, 64)
		for {
			if _, err := v.Read(b); err != nil {
				return
			}
		}
	})
}

func FuzzRTSPMessage(f *testing.F) {
	f.Add("RTSP/1.0 200 OK\r\nCSeq: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1;source=1.2.3.4\r\nContent-Length: 2\r\n\r\nab")
	f.Add("RTSP/1.0 401 x\r\nWWW-Authenticate: Digest realm=\"a\", nonce=b, qop=\"auth,auth-int\"\r\n\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := readRTSP(bufio.NewReader(strings.NewReader(text)))
		if err != nil {
			return
		}
		require.NotContains(t, m.plain("1").get("Transport"), "source")
		if c := newChallenge(m.all("WWW-Authenticate")); c != nil {
			require.NotEmpty(t, c.answer("u", "p", &rtspRequest{method: "PLAY", uri: "rtsp://a"}))
		}
	})
}
