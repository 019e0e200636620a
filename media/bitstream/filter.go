package bitstream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/bluenviron/mediacommon/v2/pkg/bits"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"

	"github.com/roomcast/roomcast/media"
)

// Filter brings a track's packets into the form that FLV carries: H.264
// with length prefixes and an avcC (ISO/IEC 14496-15, 5.3.3), AAC without ADTS
// and an AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2).
type Filter interface {
	// Conform returns data in FLV's form; nothing when none of it is media.
	Conform(data []byte) ([]byte, error)
	// Config returns the decoder configuration, nil until it is known.
	Config() []byte
	// Bidirectional says whether what was conformed last is a B-frame.
	Bidirectional() bool
}

// NewFilter chooses by what the container gave as extradata.
func NewFilter(t media.Track) Filter {
	switch {
	case t.Codec == media.H264 && !isAVCC(t.Extradata):
		c := &annexB{}
		_, _ = c.Conform(t.Extradata) // takes the parameter sets, if any
		return c
	case t.Codec == media.H264:
		return newAVCC(t.Extradata)
	case t.Codec == media.AAC && len(t.Extradata) == 0:
		return &adts{}
	default:
		return asIs(t.Extradata)
	}
}

// WellFormed says whether data can be a packet of t, as far as its form tells: units
// with lengths that add up, as a decoder demands it, sound that is not all zeros
// (a raw_data_block ends with ID_END, three ones: ISO/IEC 14496-3, table 4.3).
func WellFormed(t media.Track, data []byte) bool {
	switch {
	case t.Codec == media.AAC && len(t.Extradata) > 0:
		return len(data) == 0 || len(bytes.Trim(data, "\x00")) > 0
	case t.Codec != media.H264 || !isAVCC(t.Extradata) || bytes.HasPrefix(data, longStartCode):
		return true // decoders take start codes in spite of the avcC
	}
	size := LengthSize(t.Extradata)
	for rest := data; len(rest) >= max(size, shortestRest); {
		unit, after, ok := cutUnit(rest, size)
		if !ok || len(unit) == 0 {
			return false
		}
		rest = after
	}
	return true
}

// shortestRest is what libav looks at, at the end of a packet: padding is shorter.
const shortestRest = 4

// cutUnit cuts the first unit, whose length has size bytes, off data; false where
// it is longer than data.
func cutUnit(data []byte, size int) (unit, rest []byte, ok bool) {
	n := 0
	for _, b := range data[:size] {
		n = n<<8 | int(b)
	}
	if data = data[size:]; n > len(data) {
		return nil, nil, false
	}
	return data[:n], data[n:], true
}

func isAVCC(extradata []byte) bool { return len(extradata) >= 7 && extradata[0] == 1 }

// asIs passes packets that are in FLV's form already.
type asIs []byte

func (c asIs) Conform(data []byte) ([]byte, error) { return data, nil }
func (c asIs) Config() []byte                      { return c }
func (c asIs) Bidirectional() bool                 { return false }

// avcc passes H.264 that is in FLV's form already, and notices parameter sets
// in the stream that are not those of the avcC (an encoder was changed, and its
// muxer left them there).
type avcc struct {
	sets   annexB
	length int    // bytes of a unit's length
	given  []byte // the avcC; nil once the sets have changed
	b      bool
}

func newAVCC(config []byte) *avcc {
	c := &avcc{length: LengthSize(config), given: config}
	eachSet(config, func(unit []byte) { c.sets.take(unit) })
	_ = c.sets.Config()
	return c
}

func (c *avcc) Bidirectional() bool { return c.b }

func (c *avcc) Conform(data []byte) ([]byte, error) {
	c.b = false
	for rest := data; len(rest) > c.length; {
		unit, after, ok := cutUnit(rest, c.length)
		if !ok || len(unit) == 0 {
			break // wellFormed judges it
		}
		switch h264.NALUType(unit[0] & 0x1f) {
		case h264.NALUTypeSPS, h264.NALUTypePPS:
			c.sets.take(unit)
		case h264.NALUTypeSEI:
			c.sets.look(unit)
		default:
			c.b = c.b || isB(unit)
		}
		rest = after
	}
	if c.given != nil && c.sets.avcc == nil && c.sets.Config() != nil {
		c.given = nil
	}
	return data, nil
}

func (c *avcc) Config() []byte {
	if c.given != nil {
		return c.given
	}
	made := c.sets.Config()
	made[4] = 0xfc | byte(c.length-1)
	return made
}

// annexB turns H.264 with start codes (ITU-T H.264, Annex B) into the length
// prefixed form. Parameter sets leave the stream for the avcC; one with the id
// of an earlier one takes its place.
type annexB struct {
	sps, pps []parameterSet
	avcc     []byte // made of the sets; nil when they have changed
	b        bool
	shown    orientation // as the pictures say
}

type parameterSet struct {
	id   uint32
	unit []byte
}

// maxParameterSets is as many as an avcC has room for (5 bits).
const maxParameterSets = 31

func (c *annexB) Bidirectional() bool { return c.b }

func (c *annexB) Conform(data []byte) ([]byte, error) {
	c.b = false
	if len(data) == 0 {
		return nil, nil
	}
	start := bytes.Index(data, startCode)
	if start < 0 || len(bytes.TrimLeft(data[:start], "\x00")) > 0 {
		return nil, errors.New("no start code where a unit begins")
	}
	kept := make([]byte, 0, len(data)+len(data)/64)
	for rest := data[start:]; len(rest) > 0; {
		unit := rest[len(startCode):]
		if n := bytes.Index(unit, startCode); n >= 0 {
			unit, rest = unit[:n], unit[n:]
		} else {
			rest = nil
		}
		if unit = c.take(unit); unit != nil {
			kept = binary.BigEndian.AppendUint32(kept, uint32(len(unit)))
			kept = append(kept, unit...)
		}
	}
	return kept, nil
}

// startCode is start_code_prefix_one_3bytes (ITU-T H.264, B.1.1).
var startCode = []byte{0, 0, 1}

// longStartCode is one with its zero_byte.
var longStartCode = []byte{0, 0, 0, 1}

// take keeps parameter sets for the avcC and returns what of unit stays in the
// stream, nil for nothing.
func (c *annexB) take(unit []byte) []byte {
	unit = bytes.TrimRight(unit, "\x00") // trailing_zero_8bits, and the zero_byte of the next start code (B.1.1)
	if len(unit) == 0 {
		return nil
	}
	switch h264.NALUType(unit[0] & 0x1f) {
	case h264.NALUTypeAccessUnitDelimiter, h264.NALUTypeFillerData:
	case h264.NALUTypeSPS:
		// The id follows profile, constraints and level (7.3.2.1.1).
		c.sps = c.note(c.sps, unit, 4)
	case h264.NALUTypePPS:
		c.pps = c.note(c.pps, unit, 1)
	case h264.NALUTypeSEI:
		c.look(unit)
		return unit
	default:
		c.b = c.b || isB(unit)
		return unit
	}
	return nil
}

// look takes note of what a unit of supplemental information says of the pictures.
func (c *annexB) look(sei []byte) {
	if shown, told := orientationIn(sei); told {
		c.shown = shown
	}
}

func (c *annexB) shownAs() orientation { return c.shown }
func (c *avcc) shownAs() orientation   { return c.sets.shown }

// note puts unit, whose id begins at byte at, among the sets.
func (c *annexB) note(sets []parameterSet, unit []byte, at int) []parameterSet {
	position := 8 * at
	if len(unit) <= at {
		return sets
	}
	id, err := bits.ReadGolombUnsigned(unit, &position)
	if err != nil {
		return sets
	}
	i := slices.IndexFunc(sets, func(s parameterSet) bool { return s.id == id })
	switch {
	case i >= 0 && bytes.Equal(sets[i].unit, unit):
		return sets
	case i >= 0:
		sets[i].unit = bytes.Clone(unit)
	case len(sets) < maxParameterSets:
		sets = append(sets, parameterSet{id, bytes.Clone(unit)})
	}
	c.avcc = nil
	return sets
}

func (c *annexB) Config() []byte {
	if len(c.sps) == 0 || len(c.pps) == 0 {
		return nil
	}
	if c.avcc == nil {
		first := c.sps[0].unit
		b := []byte{1, first[1], first[2], first[3], 0xff, 0xe0 | byte(len(c.sps))}
		b = appendSets(b, c.sps)
		b = append(b, byte(len(c.pps)))
		c.avcc = appendSets(b, c.pps)
	}
	return c.avcc
}

func appendSets(b []byte, sets []parameterSet) []byte {
	for _, s := range sets {
		b = append(b, byte(len(s.unit)>>8), byte(len(s.unit)))
		b = append(b, s.unit...)
	}
	return b
}

// adts strips ADTS headers (ISO/IEC 13818-7, 6.2) off AAC frames.
type adts struct {
	header adtsHeader // of which asc was made
	asc    []byte
}

type adtsHeader struct {
	kind       mpeg4audio.ObjectType
	sampleRate int
	channels   uint8
}

func (c *adts) Bidirectional() bool { return false }

func (c *adts) Conform(data []byte) ([]byte, error) {
	var frames mpeg4audio.ADTSPackets
	if err := frames.Unmarshal(data); err != nil {
		return nil, err
	}
	if len(frames) != 1 {
		return nil, errors.New("more than one ADTS frame in a packet")
	}
	f := frames[0]
	if h := (adtsHeader{f.Type, f.SampleRate, f.ChannelConfig}); c.asc == nil || h != c.header {
		asc, err := mpeg4audio.AudioSpecificConfig{
			Type: f.Type, SampleRate: f.SampleRate, ChannelConfig: f.ChannelConfig,
		}.Marshal()
		if err != nil {
			return nil, err
		}
		c.asc, c.header = asc, h
	}
	return f.AU, nil
}

func (c *adts) Config() []byte { return c.asc }
