package source

import (
	"io"
	"net"
	"strconv"
	"testing"

	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"
)

// faulty is a format whose parser panics at packets whose payload is not empty.
type faulty struct{ format.Generic }

func (*faulty) PayloadType() uint8 { return 96 }

func (*faulty) PTSEqualsDTS(p *rtp.Packet) bool { return len(p.Payload) == 0 || p.Payload[1<<10] == 0 }

func TestAPanicOverWhatAnRTSPServerSentIsAnErrorOfItsConnection(t *testing.T) {
	ours, its := net.Pipe()
	t.Cleanup(func() { _ = ours.Close(); _ = its.Close() })
	const header = "\x80\x60\x00\x01\x00\x00\x00\x01\x00\x00\x00\x07"
	go func() {
		_, _ = io.WriteString(its, "$\x00\x00\x0c"+header+"$\x00\x00\x0d"+header+"x")
	}()
	v := newVetted(ours)
	v.formats = []format.Format{&faulty{}}
	good := make([]byte, 4+len(header))
	_, err := io.ReadFull(v, good)
	require.NoError(t, err)
	require.Equal(t, header, string(good[4:]))
	_, err = v.Read(make([]byte, 100))
	require.ErrorIs(t, err, errPanic)
}

func TestFramesAreReadByTheFormatsThatAnRTSPServerHasDescribed(t *testing.T) {
	ours, its := net.Pipe()
	t.Cleanup(func() { _ = ours.Close(); _ = its.Close() })
	const sdp = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\n" +
		"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\nm=audio 0 RTP/AVP 8\r\n"
	go func() {
		_, _ = io.WriteString(its, "RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Type: application/sdp\r\nContent-Length: "+strconv.Itoa(len(sdp))+"\r\n\r\n"+sdp)
	}()
	v := newVetted(ours)
	_, err := v.Read(make([]byte, 1000))
	require.NoError(t, err)
	require.Len(t, v.formats, 2)
	require.IsType(t, &format.H265{}, v.formats[0])
}
