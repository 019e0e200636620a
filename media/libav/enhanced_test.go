package libav_test

import (
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/bluenviron/gortmplib"
	"github.com/bluenviron/gortmplib/pkg/codecs"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/mediatest"
)

// hevcPicture is one of a clip's.
type hevcPicture struct {
	pts, dts time.Duration
	units    h264.AnnexB // of HEVC: start codes are the same
}

func hevcPictures(t *testing.T) (all []hevcPicture) {
	t.Helper()
	clip := mediatest.Clip(t, mediatest.Spec{VideoCodec: "hevc", AudioCodec: mediatest.None, Container: "mpegts", Width: 160, Height: 90})
	s, err := openURL(t, serve(t, filepath.Dir(clip), httptest.NewServer).URL+"/"+filepath.Base(clip))
	require.NoError(t, err)
	for {
		p, err := s.ReadPacket()
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		one := hevcPicture{pts: p.PTS, dts: p.DTS}
		require.NoError(t, one.units.Unmarshal(p.Data))
		all = append(all, one)
	}
}

// sendHEVC plays pictures to one player as Enhanced RTMP.
func sendHEVC(c net.Conn, pictures []hevcPicture) {
	server := &gortmplib.ServerConn{RW: c}
	if server.Initialize() != nil || server.Accept() != nil {
		return
	}
	codec := &codecs.H265{}
	for _, unit := range pictures[0].units {
		switch h265.NALUType(unit[0] >> 1 & 0x3f) {
		case h265.NALUType_VPS_NUT:
			codec.VPS = unit
		case h265.NALUType_SPS_NUT:
			codec.SPS = unit
		case h265.NALUType_PPS_NUT:
			codec.PPS = unit
		default:
		}
	}
	track := &gortmplib.Track{Codec: codec}
	w := &gortmplib.Writer{Conn: server, Tracks: []*gortmplib.Track{track}}
	if w.Initialize() != nil {
		return
	}
	for _, p := range pictures {
		if w.WriteH265(track, p.pts, p.dts, p.units) != nil {
			return
		}
	}
	_, _ = io.Copy(io.Discard, c)
}

func TestHEVCOverEnhancedRTMPIsPlayed(t *testing.T) {
	pictures := hevcPictures(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan struct{})
	go func() {
		defer close(served)
		if c, err := l.Accept(); err == nil {
			sendHEVC(c, pictures)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-served })
	s, err := openURL(t, "rtmp://"+l.Addr().String()+"/live/a")
	require.NoError(t, err)
	defer s.Close()
	v := s.Info().Tracks[0]
	require.Equal(t, []any{media.Codec("hevc"), 160, 90}, []any{v.Codec, v.Width, v.Height})
	for i := range 100 {
		p, err := s.ReadPacket()
		require.NoError(t, err)
		require.Equal(t, i == 0 || p.Keyframe, p.Keyframe)
	}
}
