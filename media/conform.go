package media

import (
	"bytes"
	"errors"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
)

// conformer brings a track's packets into the form that FLV carries: H.264
// with length prefixes and an avcC (ISO/IEC 14496-15, 5.3.3), AAC without ADTS
// and an AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2).
type conformer interface {
	// conform returns data in FLV's form; nothing when none of it is media.
	conform(data []byte) ([]byte, error)
	// config returns the decoder configuration, nil until it is known.
	config() []byte
}

// newConformer chooses by what the container gave as extradata.
func newConformer(t Track) conformer {
	switch {
	case t.Codec == H264 && !isAVCC(t.Extradata):
		c := &annexB{}
		_, _ = c.conform(t.Extradata) // takes the parameter sets, if any
		return c
	case t.Codec == AAC && len(t.Extradata) == 0:
		return &adts{}
	default:
		return asIs(t.Extradata)
	}
}

func isAVCC(extradata []byte) bool { return len(extradata) >= 7 && extradata[0] == 1 }

// asIs passes packets that are in FLV's form already.
type asIs []byte

func (c asIs) conform(data []byte) ([]byte, error) { return data, nil }
func (c asIs) config() []byte                      { return c }

// annexB turns H.264 with start codes (ITU-T H.264, Annex B) into the length
// prefixed form. Parameter sets leave the stream for the avcC.
type annexB struct{ sps, pps []byte }

var errParameterSetChanged = errors.New("the H.264 parameter sets changed in mid-stream")

func (c *annexB) conform(data []byte) ([]byte, error) {
	if len(data) == 0 {
		return nil, nil
	}
	var units h264.AnnexB
	if err := units.Unmarshal(data); err != nil {
		return nil, err
	}
	kept := make(h264.AVCC, 0, len(units))
	for _, unit := range units {
		keep, err := c.take(unit)
		if err != nil {
			return nil, err
		}
		if keep {
			kept = append(kept, unit)
		}
	}
	if len(kept) == 0 {
		return nil, nil
	}
	return kept.Marshal()
}

// take keeps parameter sets for the avcC and says whether unit stays in the
// stream.
func (c *annexB) take(unit []byte) (keep bool, err error) {
	unit = bytes.TrimRight(unit, "\x00") // trailing_zero_8bits (B.1.1)
	if len(unit) == 0 {
		return false, nil
	}
	set := &c.sps
	switch h264.NALUType(unit[0] & 0x1f) {
	case h264.NALUTypeAccessUnitDelimiter, h264.NALUTypeFillerData:
		return false, nil
	case h264.NALUTypePPS:
		set = &c.pps
	case h264.NALUTypeSPS:
	default:
		return true, nil
	}
	if *set == nil {
		*set = bytes.Clone(unit)
	}
	if !bytes.Equal(*set, unit) {
		return false, errParameterSetChanged
	}
	return false, nil
}

func (c *annexB) config() []byte {
	if len(c.sps) < 4 || len(c.pps) == 0 {
		return nil
	}
	b := []byte{1, c.sps[1], c.sps[2], c.sps[3], 0xff, 0xe1, byte(len(c.sps) >> 8), byte(len(c.sps))}
	b = append(b, c.sps...)
	b = append(b, 1, byte(len(c.pps)>>8), byte(len(c.pps)))
	return append(b, c.pps...)
}

// adts strips ADTS headers (ISO/IEC 13818-7, 6.2) off AAC frames.
type adts struct{ asc []byte }

func (c *adts) conform(data []byte) ([]byte, error) {
	var frames mpeg4audio.ADTSPackets
	if err := frames.Unmarshal(data); err != nil {
		return nil, err
	}
	if len(frames) != 1 {
		return nil, errors.New("more than one ADTS frame in a packet")
	}
	f := frames[0]
	if c.asc == nil {
		asc, err := mpeg4audio.AudioSpecificConfig{
			Type: f.Type, SampleRate: f.SampleRate, ChannelConfig: f.ChannelConfig,
		}.Marshal()
		if err != nil {
			return nil, err
		}
		c.asc = asc
	}
	return f.AU, nil
}

func (c *adts) config() []byte { return c.asc }
