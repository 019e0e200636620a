package rtmp

import (
	"fmt"
	"slices"
	"time"

	"github.com/bluenviron/gortmplib/pkg/amf0"

	"github.com/roomcast/roomcast/media"
)

// Parts of the FLV tag headers (E.4.2.1, E.4.3.1).
const (
	flvAVC      = 7
	flvAAC      = 10
	flvKeyframe = 1 << 4
	flvInter    = 2 << 4
	flvAACTag   = flvAAC<<4 | 3<<2 | 1<<1 | 1 // AAC is always tagged 44 kHz, 16 bit, stereo
	flvConfig   = 0
	flvFrame    = 1
)

// tracks are the tracks of a session and their chunk streams.
type tracks struct {
	list         []media.Track
	audio, video chunkStream
}

func newTracks(list []media.Track) (*tracks, error) {
	seen := map[media.MediaType]bool{}
	for i, t := range list {
		if seen[t.Type] {
			return nil, fmt.Errorf("track %d: a second %s track", i, t.Type)
		}
		if err := checkConfig(t); err != nil {
			return nil, fmt.Errorf("track %d: %w", i, err)
		}
		seen[t.Type] = true
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("no track")
	}
	return &tracks{
		list:  slices.Clone(list), // reconfigure writes to it
		audio: chunkStream{id: csidAudio, kind: typeAudio},
		video: chunkStream{id: csidVideo, kind: typeVideo},
	}, nil
}

// checkConfig says what is wrong with a track's codec and decoder
// configuration.
func checkConfig(t media.Track) error {
	switch {
	case t.Type == media.Video && (t.Codec != media.H264 || len(t.Extradata) < 7 || t.Extradata[0] != 1):
		return fmt.Errorf("want h264 with avcC, got %q with %d bytes", t.Codec, len(t.Extradata))
	case t.Type == media.Audio && (t.Codec != media.AAC || len(t.Extradata) < 2):
		return fmt.Errorf("want aac with AudioSpecificConfig, got %q with %d bytes", t.Codec, len(t.Extradata))
	}
	return nil
}

// reconfigure takes a track's new decoder configuration.
func (ts *tracks) reconfigure(i int, extradata []byte) error {
	t := ts.list[i]
	t.Extradata = extradata
	if err := checkConfig(t); err != nil {
		return fmt.Errorf("track %d: %w", i, err)
	}
	ts.list[i] = t
	return nil
}

// metadata is the onMetaData of the tracks (E.5).
func (ts *tracks) metadata() amf0.Data {
	values := amf0.ECMAArray{{Key: "encoder", Value: "roomcast"}}
	number := func(key string, v float64) {
		if v > 0 {
			values = append(values, amf0.ObjectEntry{Key: key, Value: v})
		}
	}
	for _, t := range ts.list {
		if t.Type == media.Video {
			number("width", float64(t.Width))
			number("height", float64(t.Height))
			number("framerate", t.FPS)
			number("videodatarate", float64(t.Bitrate)/1000)
			number("videocodecid", flvAVC)
			continue
		}
		number("audiosamplerate", float64(t.SampleRate))
		number("audiosamplesize", 16)
		number("audiochannels", float64(t.Channels))
		number("audiodatarate", float64(t.Bitrate)/1000)
		number("audiocodecid", flvAAC)
		values = append(values, amf0.ObjectEntry{Key: "stereo", Value: t.Channels > 1})
	}
	return amf0.Data{"@setDataFrame", "onMetaData", values}
}

// appendConfig adds the sequence header of track i: at the start, and before a
// packet that brings a new one.
func (ts *tracks) appendConfig(b []byte, c *chunker, i int) []byte {
	t := ts.list[i]
	if t.Type == media.Video {
		tag := [5]byte{flvKeyframe | flvAVC, flvConfig}
		return c.append(b, mediaMessage{stream: &ts.video, timestamp: ts.video.last, tag: tag[:], data: t.Extradata})
	}
	tag := [2]byte{flvAACTag, flvConfig}
	return c.append(b, mediaMessage{stream: &ts.audio, timestamp: ts.audio.last, tag: tag[:], data: t.Extradata})
}

// appendPacket adds p; its track is one of ts.
func (ts *tracks) appendPacket(b []byte, c *chunker, p *media.Packet) []byte {
	dts := millis(p.DTS)
	if ts.list[p.Track].Type == media.Audio {
		tag := [2]byte{flvAACTag, flvFrame}
		return c.append(b, mediaMessage{stream: &ts.audio, timestamp: uint32(dts), tag: tag[:], data: p.Data})
	}
	// Composition time, signed 24 bits. Both ends are rounded before the
	// subtraction, so that DTS + composition time is PTS rounded.
	offset := max(-1<<23, min(millis(p.PTS)-dts, 1<<23-1))
	tag := [5]byte{flvInter | flvAVC, flvFrame, byte(offset >> 16), byte(offset >> 8), byte(offset)}
	if p.Keyframe {
		tag[0] = flvKeyframe | flvAVC
	}
	return c.append(b, mediaMessage{stream: &ts.video, timestamp: uint32(dts), tag: tag[:], data: p.Data})
}

// millis rounds down; what lies before 0 is 0.
func millis(d time.Duration) int64 { return max(0, d.Milliseconds()) }
