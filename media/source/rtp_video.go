package source

import (
	"bytes"
	"image"
	_ "image/jpeg" // an MJPEG camera's pictures tell how large they are
	mathbits "math/bits"
	"slices"

	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/mediacommon/v2/pkg/bits"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/vp9"
	"github.com/pion/rtp"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/bitstream"
)

// annexB is what libav takes of a picture in parts (ITU-T H.264, Annex B).
func annexB(parts ...[]byte) (all []byte) {
	for _, part := range parts {
		if len(part) > 0 {
			all = append(append(all, 0, 0, 0, 1), part...)
		}
	}
	return all
}

// parted is how the pictures of a codec come in parts.
type parted struct {
	decode   func(*rtp.Packet) ([][]byte, error)
	begins   func(parts [][]byte) bool        // whether a decoder can begin with a picture
	sets     [][]byte                         // the parameter sets, the newest of each kind
	set      func(head byte) int              // which of them a part is; -1: none
	describe func(sets [][]byte) *media.Track // nil where they do not tell
	order    func(parts [][]byte, ticks int64) (int64, error)
}

func (t *rtspTrack) inParts(c parted) {
	t.units = func(p *rtp.Packet) ([]unit, error) {
		parts, err := c.decode(p)
		if err != nil {
			return nil, err
		}
		u := unit{data: annexB(parts...), parts: parts, key: c.begins(parts)}
		for _, part := range parts {
			if len(part) > 0 && c.set(part[0]) >= 0 {
				c.sets[c.set(part[0])] = part
			}
		}
		if u.key {
			if !t.told {
				u.track = c.describe(c.sets)
			}
			u.parts = slices.Concat(c.sets, parts)
		}
		return []unit{u}, nil
	}
	t.decoded = func(u unit, ticks int64) (int64, bool) {
		at, err := c.order(u.parts, ticks)
		return at, err == nil
	}
}

func (t *rtspTrack) h264(f *format.H264) error {
	d, err := f.CreateDecoder()
	if err != nil {
		return err
	}
	t.known.Codec = media.H264
	sps, pps := f.SafeParams()
	order := &h264.DTSExtractor{}
	order.Initialize()
	kinds := []h264.NALUType{h264.NALUTypeSPS, h264.NALUTypePPS}
	t.inParts(parted{
		decode: d.Decode, begins: h264.IsRandomAccess, order: order.Extract, sets: [][]byte{sps, pps},
		set: func(head byte) int { return slices.Index(kinds, h264.NALUType(head&0x1f)) },
		describe: func(sets [][]byte) *media.Track {
			sps, pps := sets[0], sets[1]
			if len(sps) < 4 || len(pps) == 0 {
				return nil
			}
			avcc := append([]byte{1, sps[1], sps[2], sps[3], 0xff, 0xe1, byte(len(sps) >> 8), byte(len(sps))}, sps...)
			avcc = append(append(avcc, 1, byte(len(pps)>>8), byte(len(pps))), pps...)
			known, sure := bitstream.DescribeH264(avcc)
			if known.Width <= 0 || known.Height <= 0 {
				return nil
			}
			known.Interlaced, known.Extradata = !sure, annexB(sps, pps)
			return &known
		},
	})
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
	kinds := []h265.NALUType{h265.NALUType_VPS_NUT, h265.NALUType_SPS_NUT, h265.NALUType_PPS_NUT}
	t.inParts(parted{
		decode: d.Decode, begins: h265.IsRandomAccess, order: order.Extract, sets: [][]byte{vps, sps, pps},
		set: func(head byte) int { return slices.Index(kinds, h265.NALUType(head>>1&0x3f)) },
		describe: func(sets [][]byte) *media.Track {
			var says h265.SPS
			if says.Unmarshal(sets[1]) != nil || len(sets[0]) == 0 || len(sets[2]) == 0 {
				return nil
			}
			known := t.known
			known.Width, known.Height, known.Extradata = says.Width(), says.Height(), annexB(sets...)
			if fps := says.FPS(); fps > 0 && fps < 1000 {
				known.FPS = fps
			}
			known.HDR = says.VUI != nil && bitstream.IsHDR(int(says.VUI.TransferCharacteristics))
			return &known
		},
	})
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
