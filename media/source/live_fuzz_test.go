package source

import (
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func FuzzRTP(f *testing.F) {
	f.Add(uint8(0), []byte{0x65, 0x88, 0x84}, []byte{0x67, 0x42, 0xc0, 0x28})
	f.Add(uint8(2), []byte{0x10, 0x10, 0, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0, 9}, []byte{})
	f.Fuzz(func(_ *testing.T, which uint8, a, b []byte) {
		config := &mpeg4audio.AudioSpecificConfig{Type: mpeg4audio.ObjectTypeAACLC, SampleRate: 48000, ChannelConfig: 2}
		formats := []format.Format{
			&format.H264{PayloadTyp: 96, PacketizationMode: 1}, &format.H265{PayloadTyp: 96}, &format.VP8{PayloadTyp: 96}, &format.VP9{PayloadTyp: 96},
			&format.AV1{PayloadTyp: 96}, &format.MJPEG{}, &format.MPEG1Video{}, &format.MPEG4Video{PayloadTyp: 96}, &format.MPEG1Audio{}, &format.Opus{PayloadTyp: 96, ChannelCount: 2},
			&format.MPEG4Audio{PayloadTyp: 96, SizeLength: 13, IndexLength: 3, IndexDeltaLength: 3, Config: config},
			&format.MPEG4AudioLATM{PayloadTyp: 96, CPresent: true}, &format.G711{PayloadTyp: 8, SampleRate: 8000, ChannelCount: 1},
			&format.LPCM{PayloadTyp: 96, BitDepth: 16, SampleRate: 48000, ChannelCount: 2}, &format.AC3{PayloadTyp: 96, SampleRate: 48000, ChannelCount: 2},
		}
		track := newRTSPTrack(media.Video, &description.Media{}, formats[int(which)%len(formats)])
		if track == nil {
			return
		}
		for i, payload := range [][]byte{a, b, a} {
			p := &rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: uint16(i), Marker: i > 0}, Payload: payload}
			_ = guarded(func() error { track.frames(p, time.Second); return nil })
		}
	})
}

func FuzzFLVTags(f *testing.F) {
	f.Add([]byte{0x17, 0, 0, 0, 0, 1, 0x42, 0xc0, 0x28, 0xff, 0xe1, 0, 0}, []byte{0xaf, 0, 0x11, 0x90}, []byte{0xaf, 1, 2})
	f.Fuzz(func(t *testing.T, a, b, c []byte) {
		r := &flvReader{}
		for _, body := range [][]byte{a, b, c} {
			for _, kind := range []byte{tagVideo, tagAudio, tagScript} {
				r.held = append(r.held, flvTag{kind, 0, body})
				_, offset := r.look(r.held[len(r.held)-1])
				require.LessOrEqual(t, offset, len(body))
			}
			aggregated(5, body)
		}
		if r.foreign {
			return
		}
		r.describe()
		r.start()
		for len(r.held) > 0 && !r.foreign {
			if _, err := r.ReadPacket(); err != nil && len(r.held) == 0 {
				return
			}
			if len(r.held) == 1 {
				return // the next would come from the network
			}
		}
	})
}

func FuzzRTMPAddress(f *testing.F) {
	for _, seed := range []string{"rtmp://a", "rtmp://u:p@a:1/b/c?d", "rtmp://a/b/c?slist=d", "rtmp://a/ondemand/x.mp4", "rtmp://"} {
		f.Add(seed)
	}
	f.Fuzz(func(_ *testing.T, raw string) { parseRTMP(raw); parseSRT(raw) })
}

func TestAnRTMPAddressNamesApplicationAndStreamAsPlayersTakeThem(t *testing.T) {
	for path, want := range map[string][2]string{
		"": {"", ""}, "/": {"", ""}, "/live": {"live", ""}, "/live/": {"live", ""}, "/live/key": {"live", "key"}, "/live/key?a=b": {"live", "key?a=b"},
		"/live?tok=1/key": {"live?tok=1", "key"}, "/live/inst/key": {"live/inst", "key"}, "/live/mp4:a/b": {"live", "mp4:a/b"},
		"/live/inst/mp4:a/b": {"live/inst", "mp4:a/b"}, "/ondemand/a/b": {"ondemand", "a/b"}, "/a/b?slist=c": {"a/b?slist=c", "c"},
		"/vod/a.mp4": {"vod", "mp4:a.mp4"}, "/vod/a.flv": {"vod", "a"},
	} {
		a := parseRTMP("RTMP://us%40er:pa%3Ass@h:1" + path)
		require.Equal(t, want, [2]string{a.app, a.stream}, path)
		require.Equal(t, []string{"rtmp://h:1", "us@er", "pa:ss"}, []string{a.place, a.user, a.password})
	}
}
