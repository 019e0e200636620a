package source

import (
	"bytes"
	"image"
	_ "image/jpeg" // an MJPEG camera's pictures tell how large they are
	mathbits "math/bits"
	"time"

	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/mediacommon/v2/pkg/bits"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg1audio"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/opus"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/vp9"
	"github.com/pion/rtp"

	"github.com/roomcast/roomcast/media"
)

// rtspTrack makes frames of the packets of one track.
type rtspTrack struct {
	media  *description.Media
	format format.Format
	known  media.Track  // as far as the session tells
	told   bool         // known is all
	shared *media.Track // the same, for those who read
	// Where the clock of RTP is known to stand beside the other track's.
	aligned bool
	began   bool
	last    uint32 // of the clock, which wraps
	ticks   int64  // since the session's begin
	// units makes of a packet the frames that it ends. Those of one packet follow on
	// each other.
	units func(*rtp.Packet) ([]unit, error)
	// decoded is when a picture with this time is decoded, false where that is not
	// known; nil: it is as it is shown.
	decoded func(u unit, ticks int64) (int64, bool)
}

// unit is a frame.
type unit struct {
	data   []byte
	parts  [][]byte // of a picture of H.264 and H.265
	length time.Duration
	key    bool
	track  *media.Track // that it tells of, nil for most
}

// mostAfter is how far a track's first packet may be from where the session says
// that it begins: some cameras say 0.
const mostAfter = 10 * time.Second

// clock returns a time of RTP's clock since the session's begin, false where that
// is not known.
func (t *rtspTrack) clock(at uint32) (int64, bool) {
	step := int64(int32(at - t.last))
	if most := int64(mostAfter.Seconds()) * int64(t.format.ClockRate()); !t.began && (step > most || step < -most) {
		t.aligned = false
	}
	t.began, t.last, t.ticks = true, at, t.ticks+step
	return t.ticks, t.aligned
}

// frames makes frames of a packet, the first of which is shown at a time.
func (t *rtspTrack) frames(p *rtp.Packet, at time.Duration) (frames []rtspFrame) {
	units, err := t.units(p)
	if err != nil {
		return nil // more of it comes, or some of it is lost
	}
	for _, u := range units {
		if u.track != nil {
			t.known, t.told = *u.track, true
		}
		if !t.told { // nothing can be made of it yet
			at += u.length
			continue
		}
		if t.shared == nil || u.track != nil {
			known := t.known
			t.shared = &known
		}
		f := rtspFrame{kind: t.known.Type, track: t.shared, packet: media.Packet{
			PTS: at, DTS: at, Duration: u.length, Keyframe: u.key, Data: u.data,
		}}
		if t.decoded != nil {
			const clock = 90_000
			shown := int64(at * clock / time.Second)
			decoded, ok := t.decoded(u, shown)
			f.packet.DTS, f.packet.NoDTS = at-time.Duration(shown-decoded)*time.Second/clock, !ok
		}
		frames = append(frames, f)
		at += u.length
	}
	return frames
}

// newRTSPTrack is for a format of the session's, nil for one that nothing is known
// of here.
func newRTSPTrack(kind media.MediaType, m *description.Media, f format.Format) *rtspTrack {
	t := &rtspTrack{media: m, format: f, known: media.Track{Type: kind}}
	var err error
	switch f := f.(type) {
	case *format.H264:
		err = t.h264(f)
	case *format.H265:
		err = t.h265(f)
	case *format.AV1:
		err = t.av1(f)
	case *format.VP8:
		err = t.vp8(f)
	case *format.VP9:
		err = t.vp9(f)
	case *format.MJPEG:
		err = t.mjpeg(f)
	case *format.MPEG1Video:
		err = t.mpeg2(f)
	case *format.MPEG4Video:
		err = t.mpeg4(f)
	case *format.MPEG4Audio:
		err = t.aac(f)
	case *format.MPEG4AudioLATM:
		err = t.latm(f)
	case *format.MPEG1Audio:
		err = t.mpegAudio(f)
	case *format.Opus:
		err = t.opus(f)
	case *format.G711:
		err = t.g711(f)
	case *format.LPCM:
		err = t.pcm(f)
	case *format.AC3:
		err = t.ac3(f)
	default:
		return nil
	}
	if err != nil {
		return nil
	}
	return t
}

// annexB is what libav takes of a picture in parts (ITU-T H.264, Annex B).
func annexB(parts ...[]byte) (all []byte) {
	for _, part := range parts {
		if len(part) > 0 {
			all = append(append(all, 0, 0, 0, 1), part...)
		}
	}
	return all
}

func (t *rtspTrack) h264(f *format.H264) error {
	d, err := f.CreateDecoder()
	if err != nil {
		return err
	}
	t.known.Codec = media.H264
	sps, pps := f.SafeParams()
	describe := func() *media.Track {
		if len(sps) < 4 || len(pps) == 0 {
			return nil
		}
		avcc := append([]byte{1, sps[1], sps[2], sps[3], 0xff, 0xe1, byte(len(sps) >> 8), byte(len(sps))}, sps...)
		avcc = append(append(avcc, 1, byte(len(pps)>>8), byte(len(pps))), pps...)
		known, sure := media.DescribeH264(avcc)
		if known.Width <= 0 || known.Height <= 0 {
			return nil
		}
		known.Interlaced, known.Extradata = !sure, annexB(sps, pps)
		return &known
	}
	order := &h264.DTSExtractor{}
	order.Initialize()
	t.units = func(p *rtp.Packet) ([]unit, error) {
		parts, err := d.Decode(p)
		if err != nil {
			return nil, err
		}
		u := unit{data: annexB(parts...), parts: parts, key: h264.IsRandomAccess(parts)}
		for _, part := range parts {
			switch {
			case len(part) == 0:
			case h264.NALUType(part[0]&0x1f) == h264.NALUTypeSPS:
				sps = part
			case h264.NALUType(part[0]&0x1f) == h264.NALUTypePPS:
				pps = part
			}
		}
		if u.key {
			if !t.told {
				u.track = describe()
			}
			u.parts = append([][]byte{sps, pps}, parts...)
		}
		return []unit{u}, nil
	}
	t.decoded = func(u unit, ticks int64) (int64, bool) {
		at, err := order.Extract(u.parts, ticks)
		return at, err == nil
	}
	return nil
}

func (t *rtspTrack) h265(f *format.H265) error {
	d, err := f.CreateDecoder()
	if err != nil {
		return err
	}
	t.known.Codec = "hevc"
	vps, sps, pps := f.SafeParams()
	order := &h265.DTSExtractor{}
	order.Initialize()
	t.units = func(p *rtp.Packet) ([]unit, error) {
		parts, err := d.Decode(p)
		if err != nil {
			return nil, err
		}
		u := unit{data: annexB(parts...), parts: parts, key: h265.IsRandomAccess(parts)}
		for _, part := range parts {
			switch {
			case len(part) == 0:
			case h265.NALUType(part[0]>>1&0x3f) == h265.NALUType_VPS_NUT:
				vps = part
			case h265.NALUType(part[0]>>1&0x3f) == h265.NALUType_SPS_NUT:
				sps = part
			case h265.NALUType(part[0]>>1&0x3f) == h265.NALUType_PPS_NUT:
				pps = part
			}
		}
		if !u.key {
			return []unit{u}, nil
		}
		u.parts = append([][]byte{vps, sps, pps}, parts...)
		var says h265.SPS
		if !t.told && says.Unmarshal(sps) == nil && len(vps) > 0 && len(pps) > 0 {
			known := t.known
			known.Width, known.Height, known.Extradata = says.Width(), says.Height(), annexB(vps, sps, pps)
			if fps := says.FPS(); fps > 0 && fps < 1000 {
				known.FPS = fps
			}
			const pq, hlg = 16, 18
			known.HDR = says.VUI != nil && (says.VUI.TransferCharacteristics == pq || says.VUI.TransferCharacteristics == hlg)
			u.track = &known
		}
		return []unit{u}, nil
	}
	t.decoded = func(u unit, ticks int64) (int64, bool) {
		at, err := order.Extract(u.parts, ticks)
		return at, err == nil
	}
	return nil
}

func (t *rtspTrack) av1(f *format.AV1) error {
	d, err := f.CreateDecoder()
	t.known.Codec = "av1"
	t.units = func(p *rtp.Packet) ([]unit, error) {
		parts, err := d.Decode(p)
		if err != nil {
			return nil, err
		}
		data, err := av1.Bitstream(parts).Marshal()
		if err != nil {
			return nil, err
		}
		u := unit{data: data, key: av1.IsRandomAccess2(parts)}
		for _, part := range parts {
			var says av1.SequenceHeader
			if !t.told && u.key && says.Unmarshal(part) == nil {
				u.track = t.sized(says.Width(), says.Height())
			}
		}
		return []unit{u}, nil
	}
	return err
}

// sized is the track with the size of its picture.
func (t *rtspTrack) sized(width, height int) *media.Track {
	if width <= 0 || height <= 0 {
		return nil
	}
	known := t.known
	known.Width, known.Height = width, height
	return &known
}

// whole is for pictures of one piece: size tells of one that a decoder can begin
// with.
func (t *rtspTrack) whole(decode func(*rtp.Packet) ([]byte, error), size func([]byte) (width, height int, key bool)) {
	t.units = func(p *rtp.Packet) ([]unit, error) {
		data, err := decode(p)
		if err != nil {
			return nil, err
		}
		width, height, key := size(data)
		u := unit{data: data, key: key}
		if key && !t.told {
			u.track = t.sized(width, height)
		}
		return []unit{u}, nil
	}
}

func (t *rtspTrack) vp8(f *format.VP8) error {
	d, err := f.CreateDecoder()
	t.known.Codec = "vp8"
	t.whole(d.Decode, func(b []byte) (int, int, bool) { // RFC 6386, section 9.1
		if len(b) < 10 || b[0]&1 != 0 {
			return 0, 0, false
		}
		return (int(b[7])<<8 | int(b[6])) & 0x3fff, (int(b[9])<<8 | int(b[8])) & 0x3fff, true
	})
	return err
}

func (t *rtspTrack) vp9(f *format.VP9) error {
	d, err := f.CreateDecoder()
	t.known.Codec = "vp9"
	t.whole(d.Decode, func(b []byte) (int, int, bool) {
		var h vp9.Header
		if h.Unmarshal(b) != nil || h.NonKeyFrame || h.FrameSize == nil {
			return 0, 0, false
		}
		return h.Width(), h.Height(), true
	})
	return err
}

func (t *rtspTrack) mjpeg(f *format.MJPEG) error {
	d, err := f.CreateDecoder()
	t.known.Codec = "mjpeg"
	t.whole(d.Decode, func(b []byte) (int, int, bool) {
		c, _, err := image.DecodeConfig(bytes.NewReader(b))
		return c.Width, c.Height, err == nil
	})
	return err
}

func (t *rtspTrack) mpeg2(f *format.MPEG1Video) error {
	d, err := f.CreateDecoder()
	t.known.Codec = "mpeg2video" // its decoder knows MPEG-1, too
	t.whole(d.Decode, func(b []byte) (int, int, bool) {
		const head = 7
		i := bytes.Index(b, []byte{0, 0, 1, 0xb3}) // sequence_header_code (ISO/IEC 13818-2, 6.2.2.1)
		if i < 0 || len(b) < i+head {
			return 0, 0, false
		}
		return int(b[i+4])<<4 | int(b[i+5])>>4, int(b[i+5]&0xf)<<8 | int(b[i+6]), true
	})
	t.decoded = func(unit, int64) (int64, bool) { return 0, false }
	return err
}

func (t *rtspTrack) mpeg4(f *format.MPEG4Video) error {
	d, err := f.CreateDecoder()
	t.known.Codec, t.known.Extradata = "mpeg4", f.Config
	t.whole(d.Decode, func(b []byte) (int, int, bool) {
		const intra = 0 // vop_coding_type (ISO/IEC 14496-2, table 6-20)
		i := bytes.Index(b, []byte{0, 0, 1, 0xb6})
		if i < 0 || len(b) < i+5 || b[i+4]>>6 != intra {
			return 0, 0, false
		}
		width, height := sizeOfVOL(b[:i])
		if width == 0 {
			width, height = sizeOfVOL(f.Config)
		}
		return width, height, true
	})
	return err
}

// sizeOfVOL reads the picture's size out of a video object layer (ISO/IEC 14496-2,
// 6.2.3), 0 where there is none.
func sizeOfVOL(b []byte) (width, height int) {
	const codes = 0x20 // and up to 0x2f: video_object_layer_start_code
	i := bytes.Index(b, []byte{0, 0, 1})
	for i >= 0 && i+4 <= len(b) && b[i+3]&^0xf != codes {
		next := bytes.Index(b[i+3:], []byte{0, 0, 1})
		if next < 0 {
			return 0, 0
		}
		i += 3 + next
	}
	if i < 0 || i+4 > len(b) {
		return 0, 0
	}
	at, fault := 8*(i+4), error(nil)
	read := func(n int) (v int) {
		if fault != nil {
			return 0
		}
		var u uint64
		u, fault = bits.ReadBits(b, &at, n)
		return int(u)
	}
	read(1 + 8) // random_accessible_vol, video_object_type_indication
	if read(1) == 1 {
		read(4 + 3)
	}
	const extended = 15
	if read(4) == extended {
		read(8 + 8)
	}
	if read(1) == 1 { // vol_control_parameters
		read(2 + 1)
		if read(1) == 1 {
			read(32)
			read(32)
			read(15)
		}
	}
	if shape := read(2); shape != 0 { // not rectangular
		return 0, 0
	}
	read(1)
	resolution := read(16)
	read(1)
	if read(1) == 1 { // fixed_vop_rate
		read(max(mathbits.Len(uint(max(resolution-1, 0))), 1))
	}
	read(1)
	width = read(13)
	read(1)
	height = read(13)
	if fault != nil {
		return 0, 0
	}
	return width, height
}

// sound is for frames of a constant length.
func (t *rtspTrack) sound(codec media.Codec, rate, channels int) {
	t.known.Codec, t.known.SampleRate, t.known.Channels, t.told = codec, rate, channels, rate > 0 && channels > 0
}

// eachUnit makes units of frames.
func eachUnit(frames [][]byte, length func([]byte) time.Duration) (units []unit) {
	for _, frame := range frames {
		units = append(units, unit{data: frame, key: true, length: length(frame)})
	}
	return units
}

func (t *rtspTrack) aac(f *format.MPEG4Audio) error {
	d, err := f.CreateDecoder()
	if err != nil {
		return err
	}
	length, err := t.configured(f.Config)
	t.units = func(p *rtp.Packet) ([]unit, error) {
		frames, err := d.Decode(p)
		return eachUnit(frames, func([]byte) time.Duration { return length }), err
	}
	return err
}

// configured takes what an AudioSpecificConfig tells.
func (t *rtspTrack) configured(config *mpeg4audio.AudioSpecificConfig) (time.Duration, error) {
	told, err := config.Marshal()
	if err != nil {
		return 0, err
	}
	known, length, _ := media.DescribeAAC(told)
	if known.SampleRate == 0 {
		return 0, errPanic
	}
	t.known, t.told = known, true
	return length, nil
}

func (t *rtspTrack) latm(f *format.MPEG4AudioLATM) error {
	d, err := f.CreateDecoder()
	if err != nil {
		return err
	}
	t.known.Codec = media.AAC
	mux, length := f.StreamMuxConfig, time.Duration(0)
	take := func() {
		if mux != nil && len(mux.Programs) > 0 && len(mux.Programs[0].Layers) > 0 && mux.Programs[0].Layers[0].AudioSpecificConfig != nil {
			length, _ = t.configured(mux.Programs[0].Layers[0].AudioSpecificConfig)
		}
	}
	take()
	t.units = func(p *rtp.Packet) ([]unit, error) {
		data, err := d.Decode(p)
		if err != nil {
			return nil, err
		}
		e := mpeg4audio.AudioMuxElement{MuxConfigPresent: f.CPresent, StreamMuxConfig: mux}
		if err := e.Unmarshal(data); err != nil {
			return nil, err
		}
		if mux = e.StreamMuxConfig; !t.told {
			take()
		}
		var units []unit
		for _, frame := range e.Payloads {
			if len(frame) > 0 && len(frame[0]) > 0 {
				units = append(units, unit{data: frame[0][0], key: true, length: length})
			}
		}
		return units, nil
	}
	return nil
}

func (t *rtspTrack) mpegAudio(f *format.MPEG1Audio) error {
	d, err := f.CreateDecoder()
	t.known.Codec = "mp3"
	t.units = func(p *rtp.Packet) ([]unit, error) {
		frames, err := d.Decode(p)
		if err != nil {
			return nil, err
		}
		var units []unit
		for _, frame := range frames {
			var h mpeg1audio.FrameHeader
			if err := h.Unmarshal(frame); err != nil || h.SampleRate <= 0 {
				continue
			}
			u := unit{data: frame, key: true, length: time.Duration(h.SampleCount()) * time.Second / time.Duration(h.SampleRate)}
			if !t.told {
				channels := 2
				if h.ChannelMode == mpeg1audio.ChannelModeMono {
					channels = 1
				}
				codec := media.Codec("mp3")
				if h.Layer < 3 {
					codec = "mp2"
				}
				t.sound(codec, h.SampleRate, channels)
			}
			units = append(units, u)
		}
		return units, nil
	}
	return err
}

func (t *rtspTrack) opus(f *format.Opus) error {
	d, err := f.CreateDecoder()
	t.sound("opus", 48_000, f.ChannelCount)
	t.units = func(p *rtp.Packet) ([]unit, error) {
		frame, err := d.Decode(p)
		if err != nil {
			return nil, err
		}
		const perSecond = 48_000
		return []unit{{data: frame, key: true, length: time.Duration(opus.PacketDuration2(frame)) * time.Second / perSecond}}, nil
	}
	return err
}

func (t *rtspTrack) g711(f *format.G711) error {
	d, err := f.CreateDecoder()
	codec := media.Codec("pcm_alaw")
	if f.MULaw {
		codec = "pcm_mulaw"
	}
	t.samples(codec, f.SampleRate, f.ChannelCount, 8, d.Decode)
	return err
}

func (t *rtspTrack) pcm(f *format.LPCM) error {
	d, err := f.CreateDecoder()
	codec, ok := map[int]media.Codec{8: "pcm_u8", 16: "pcm_s16be", 24: "pcm_s24be"}[f.BitDepth]
	if !ok {
		return errPanic
	}
	t.samples(codec, f.SampleRate, f.ChannelCount, f.BitDepth, d.Decode)
	return err
}

// samples is for sound that is not compressed in frames.
func (t *rtspTrack) samples(codec media.Codec, rate, channels, bits int, decode func(*rtp.Packet) ([]byte, error)) {
	t.sound(codec, rate, channels)
	t.known.BitsPerSample, t.known.BlockAlign = bits, bits/8*channels
	t.units = func(p *rtp.Packet) ([]unit, error) {
		data, err := decode(p)
		if err != nil || !t.told {
			return nil, err
		}
		return []unit{{data: data, key: true, length: time.Duration(len(data)/t.known.BlockAlign) * time.Second / time.Duration(rate)}}, nil
	}
}

func (t *rtspTrack) ac3(f *format.AC3) error {
	d, err := f.CreateDecoder()
	t.sound("ac3", f.SampleRate, f.ChannelCount)
	t.units = func(p *rtp.Packet) ([]unit, error) {
		frames, err := d.Decode(p)
		const samples = 1536 // of a frame (ETSI TS 102 366)
		return eachUnit(frames, func([]byte) time.Duration { return samples * time.Second / time.Duration(max(f.SampleRate, 1)) }), err
	}
	return err
}
