package fakeroom

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/bits"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
)

// Bodies of audio and video messages are FLV tags: Adobe Flash Video File
// Format Specification 10.1, Annex E.4.2 (audio) and E.4.3 (video).
const (
	soundFormatAAC = 10
	codecAVC       = 7

	packetConfig = 0 // AVCPacketType and AACPacketType
	packetFrame  = 1

	naluSlice = 1
	naluIDR   = 5
	naluSPS   = 7
)

// tag is a parsed audio or video message.
type tag struct {
	codec    string // in words, for a violation
	wrong    bool   // the codec is not the room's
	kind     byte   // packetConfig, packetFrame, or neither
	keyframe bool
	cts      time.Duration // composition time offset, video only
	payload  []byte
}

var videoCodecs = map[byte]string{
	2: "Sorenson H.263", 3: "Screen video", 4: "VP6", 5: "VP6 with alpha",
	6: "Screen video 2", codecAVC: "H.264", 8: "H.263", 9: "MPEG-4 part 2", 12: "H.265",
}

var audioCodecs = map[byte]string{
	0: "PCM", 1: "ADPCM", 2: "MP3", 3: "PCM", 4: "Nellymoser", 5: "Nellymoser",
	6: "Nellymoser", 7: "G.711 A-law", 8: "G.711 mu-law", soundFormatAAC: "AAC", 11: "Speex",
}

func parseVideo(body []byte) (tag, error) {
	if len(body) < 5 {
		return tag{}, fmt.Errorf("video message of %d bytes", len(body))
	}
	if body[0]&0x80 != 0 { // Enhanced RTMP
		return tag{codec: fmt.Sprintf("enhanced RTMP %q", body[1:5]), wrong: true}, nil
	}
	id := body[0] & 0x0f
	t := tag{codec: name(videoCodecs, id), wrong: id != codecAVC, keyframe: body[0]>>4 == 1}
	if t.wrong {
		return t, nil
	}
	t.kind = body[1]
	cts := int32(uint32(body[2])<<24|uint32(body[3])<<16|uint32(body[4])<<8) >> 8 // SI24
	t.cts = time.Duration(cts) * time.Millisecond
	t.payload = body[5:]
	return t, nil
}

func parseAudio(body []byte) (tag, error) {
	if len(body) < 2 {
		return tag{}, fmt.Errorf("audio message of %d bytes", len(body))
	}
	id := body[0] >> 4
	t := tag{codec: name(audioCodecs, id), wrong: id != soundFormatAAC, keyframe: true}
	if !t.wrong {
		t.kind, t.payload = body[1], body[2:]
	}
	return t, nil
}

func name(names map[byte]string, id byte) string {
	if n, ok := names[id]; ok {
		return n
	}
	return fmt.Sprintf("codec %d", id)
}

var errAVCC = errors.New("invalid AVCDecoderConfigurationRecord")

// avcConfig is what matters of an AVCDecoderConfigurationRecord
// (ISO/IEC 14496-15, 5.3.3.1).
type avcConfig struct {
	lengthSize int
	sps        []byte // the first one
}

func parseAVCConfig(buf []byte) (avcConfig, error) {
	if len(buf) < 7 || buf[0] != 1 {
		return avcConfig{}, errAVCC
	}
	c := avcConfig{lengthSize: int(buf[4]&3) + 1}
	rest := buf[5:]
	for _, mask := range []byte{0x1f, 0xff} { // numOfSequenceParameterSets, then Picture
		if len(rest) < 1 || rest[0]&mask == 0 {
			return avcConfig{}, fmt.Errorf("%w: no SPS or no PPS", errAVCC)
		}
		count := rest[0] & mask
		rest = rest[1:]
		for range count {
			if len(rest) < 2 || len(rest)-2 < int(binary.BigEndian.Uint16(rest)) {
				return avcConfig{}, fmt.Errorf("%w: cut short", errAVCC)
			}
			size := int(binary.BigEndian.Uint16(rest))
			if c.sps == nil {
				c.sps = rest[2 : 2+size]
			}
			rest = rest[2+size:]
		}
	}
	_, _, err := resolution(c.sps)
	return c, err
}

func resolution(sps []byte) (width, height int, err error) {
	var s h264.SPS
	if err := s.Unmarshal(sps); err != nil {
		return 0, 0, fmt.Errorf("SPS: %w", err)
	}
	return s.Width(), s.Height(), nil
}

// accessUnit is what matters of a frame's NAL units.
type accessUnit struct {
	idr           bool
	bidirectional bool   // a B-frame, by its slices
	sps           []byte // nil when the frame carries none
}

// parseAccessUnit walks NAL units with lengthSize-byte lengths.
func parseAccessUnit(buf []byte, lengthSize int) (accessUnit, error) {
	var au accessUnit
	if len(buf) == 0 {
		return au, errors.New("empty frame")
	}
	for len(buf) > 0 {
		if len(buf) < lengthSize {
			return au, errors.New("frame ends inside a NAL unit's length")
		}
		var size uint64
		for _, b := range buf[:lengthSize] {
			size = size<<8 | uint64(b)
		}
		buf = buf[lengthSize:]
		if size == 0 || size > uint64(len(buf)) {
			return au, fmt.Errorf("NAL unit of %d bytes in %d", size, len(buf))
		}
		switch buf[0] & 0x1f {
		case naluIDR:
			au.idr = true
		case naluSlice:
			au.bidirectional = au.bidirectional || sliceType(buf[1:size]) == 1
		case naluSPS:
			au.sps = bytes.Clone(buf[:size])
		}
		buf = buf[size:]
	}
	return au, nil
}

// sliceType reads the type of a slice, its header's second number, from 0 (P) to
// 4; -1 when it cannot be read (ITU-T H.264, 7.3.3 and table 7-6).
func sliceType(header []byte) int {
	at := 0
	if _, err := bits.ReadGolombUnsigned(header, &at); err != nil {
		return -1
	}
	kind, err := bits.ReadGolombUnsigned(header, &at)
	if err != nil {
		return -1
	}
	return int(kind % 5)
}
