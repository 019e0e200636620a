package source

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5/pkg/base"

	"github.com/roomcast/roomcast/media"
)

// piped is a network of one connection.
type piped struct{ net.Conn }

func (p piped) Dial(context.Context, media.SourceRequest) (net.Conn, error) { return p.Conn, nil }

func (piped) Client(media.SourceRequest) (*http.Client, error) { return http.DefaultClient, nil }

// FuzzRTSPServer gives gortsplib's client what a hostile server says: a panic in a
// goroutine of the library's ends the process.
func FuzzRTSPServer(f *testing.F) {
	const head = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\n"
	const over = "RTP/AVP/TCP;unicast;interleaved=0-1"
	rtp := []byte("\x12\x80\x60\x00\x01\x00\x00\x00\x01\x00\x00\x00\x07\x65\x88\x84\x00\x00\x00")
	rtcp := []byte("\x1d\x80\xc8\x00\x06\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	f.Add([]byte(head+"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:0\r\n"), []byte(over), append(rtp, rtcp...))
	f.Add([]byte(head+"m=audio 0 RTP/AVP 97\r\na=rtpmap:97 mpeg4-generic/48000/2\r\na=fmtp:97 mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=1190\r\n"), []byte(over+";ssrc=7"), rtp)
	units := []byte("\x16\x80\x60\x00\x02\x00\x00\x00\x01\x00\x00\x00\x07\x60\x01\x00\x02\x02\x01\x00\x02\x26\x01") // an aggregation (RFC 7798, 4.4.2)
	f.Add([]byte(head+"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\na=control:0\r\n"), []byte(over), append(units, rtcp...))
	f.Add([]byte(head+"m=video 0 RTP/AVP 33\r\n"), []byte(over), rtp) // a transport stream
	f.Add([]byte(head+"m=video 0 RTP/AVP 33\r\nm=audio 0 RTP/SAVP 8\r\na=key-mgmt:mikey AAAA\r\n"), []byte(over), rtcp)
	f.Add([]byte(head+"m=audio 0 RTP/AVP 0\r\na=rtpmap:0 MP4A-LATM/48000\r\na=fmtp:0 cpresent=0;config=40002420\r\n"), []byte("RTP/AVP"), []byte{})
	f.Fuzz(func(t *testing.T, sdp, transport, stream []byte) {
		ours, its := net.Pipe()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			defer its.Close()
			from := bufio.NewReader(its)
			for {
				var r base.Request
				if r.Unmarshal(from) != nil || len(r.Header["CSeq"]) == 0 {
					return
				}
				text := "RTSP/1.0 200 OK\r\nSession: 1\r\nCSeq: " + r.Header["CSeq"][0] + "\r\n"
				switch r.Method {
				case base.Describe:
					text += fmt.Sprintf("Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", len(sdp), sdp)
				case base.Setup:
					text += "Transport: " + string(transport) + "\r\n\r\n"
				case base.Play:
					text += "RTP-Info: " + string(transport) + "\r\n\r\n" + string(interleaved(stream))
				default:
					text += "\r\n"
				}
				if _, err := io.WriteString(its, text); err != nil || r.Method == base.Play {
					return
				}
			}
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // an answer may be none, and is waited for
		defer cancel()
		way, err := openRTSP(ctx, piped{ours}, media.SourceRequest{URL: "rtsp://a.example/x"})
		switch {
		case err != nil:
		case way.Source == nil: // a transport stream
			_, _ = io.Copy(io.Discard, way.Bytes)
			way.Close()
		default:
			for err == nil {
				_, err = way.Source.ReadPacket()
			}
			_ = way.Source.Close()
		}
		<-ended
	})
}

// interleaved takes frames of the first byte's length out of b, by turns of the two
// channels of a track.
func interleaved(b []byte) (all []byte) {
	for i := 0; len(b) > 0; i++ {
		n := min(int(b[0]), len(b)-1)
		all = append(append(all, '$', byte(i%2), 0, byte(n)), b[1:1+n]...)
		b = b[1+n:]
	}
	return all
}
