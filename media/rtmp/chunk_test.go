package rtmp

import (
	"bytes"
	"testing"
	"time"

	"github.com/bluenviron/gortmplib/pkg/amf0"
	"github.com/bluenviron/gortmplib/pkg/bytecounter"
	"github.com/bluenviron/gortmplib/pkg/rawmessage"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/roomcast/roomcast/media"
)

func rawReader(t require.TestingT, b []byte, chunkSize int) *rawmessage.Reader {
	bc := bytecounter.NewReader(bytes.NewReader(b))
	r := rawmessage.NewReader(bc, bc, func(uint32) error { return nil })
	require.NoError(t, r.SetChunkSize(uint32(chunkSize)))
	return r
}

// TestChunksAreReadBack sends any messages on both streams at any times,
// forwards, backwards and past 2^32 ms, and reads them with gortmplib.
func TestChunksAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &chunker{size: rapid.IntRange(128, 5000).Draw(t, "chunk"), streamID: 1}
		streams := []*chunkStream{{id: csidAudio, kind: typeAudio}, {id: csidVideo, kind: typeVideo}}
		var sent []mediaMessage
		var b []byte
		for range rapid.IntRange(1, 8).Draw(t, "messages") {
			m := mediaMessage{
				stream: rapid.SampledFrom(streams).Draw(t, "stream"),
				timestamp: rapid.OneOf(rapid.Uint32(), rapid.Uint32Range(extended-50, extended+50),
					rapid.Uint32Range(1<<32-50, 1<<32-1), rapid.Uint32Range(0, 50)).Draw(t, "timestamp"),
				tag:  []byte{0x17, 1, 0, 0, 0}[:rapid.SampledFrom([]int{2, 5}).Draw(t, "tag")],
				data: bytes.Repeat([]byte{byte(len(sent) + 1)}, rapid.IntRange(0, 12000).Draw(t, "length")),
			}
			b = c.append(b, m)
			sent = append(sent, m)
		}
		r := rawReader(t, b, c.size)
		for _, m := range sent {
			got, err := r.Read()
			require.NoError(t, err)
			require.Equal(t, time.Duration(m.timestamp)*time.Millisecond, got.Timestamp)
			require.Equal(t, m.stream.id, got.ChunkStreamID)
			require.Equal(t, m.stream.kind, got.Type)
			require.EqualValues(t, 1<<24, got.MessageStreamID, "little endian 1")
			require.Equal(t, append(bytes.Clone(m.tag), m.data...), got.Body)
		}
	})
}

func TestChunksHaveTheHeadersTheSpecificationSays(t *testing.T) {
	c := &chunker{size: 128, streamID: 1}
	s := &chunkStream{id: csidVideo, kind: typeVideo}
	data := bytes.Repeat([]byte{9}, 130)
	tag := []byte{1, 2}
	for _, step := range []struct {
		name      string
		timestamp uint32
		first     []byte
		next      []byte
	}{
		{"the first has type 0 and the extended timestamp, in the next chunk too", 0x01000000,
			[]byte{6, 0xFF, 0xFF, 0xFF, 0, 0, 132, 9, 1, 0, 0, 0, 1, 0, 0, 0}, []byte{3<<6 | 6, 1, 0, 0, 0}},
		{"a small step has type 1 and none", 0x01000028, []byte{1<<6 | 6, 0, 0, 0x28, 0, 0, 132, 9}, []byte{3<<6 | 6}},
		{"a step back has type 0", 5, []byte{6, 0, 0, 5, 0, 0, 132, 9, 1, 0, 0, 0}, []byte{3<<6 | 6}},
		{"a step too large for 24 bits has type 0", 0xFFFFFFF0,
			[]byte{6, 0xFF, 0xFF, 0xFF, 0, 0, 132, 9, 1, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xF0}, []byte{3<<6 | 6, 0xFF, 0xFF, 0xFF, 0xF0}},
		{"the wrap at 2^32 is a small step", 0x10, []byte{1<<6 | 6, 0, 0, 0x20, 0, 0, 132, 9}, []byte{3<<6 | 6}},
	} {
		want := append(bytes.Clone(step.first), append(bytes.Clone(tag), data[:126]...)...)
		want = append(append(want, step.next...), data[126:]...)
		require.Equal(t, want, c.append(nil, mediaMessage{stream: s, timestamp: step.timestamp, tag: tag, data: data}), step.name)
	}
}

func TestPacketsCarryTheirTimes(t *testing.T) {
	ts, err := newTracks(testTracks())
	require.NoError(t, err)
	c := &chunker{size: 1360, streamID: 1}
	for _, step := range []struct {
		name            string
		packet          media.Packet
		wantDTS, wantCT time.Duration
	}{
		{"a frame in order", media.Packet{PTS: 40 * time.Millisecond, DTS: 40 * time.Millisecond}, 40 * time.Millisecond, 0},
		{"a reordered frame", media.Packet{PTS: 200 * time.Millisecond, DTS: 80 * time.Millisecond}, 80 * time.Millisecond, 120 * time.Millisecond},
		{"thirds of a second are rounded down on both sides", media.Packet{PTS: 133_333_333, DTS: 100_900_000}, 100 * time.Millisecond, 33 * time.Millisecond},
		{"a time before the start is the start", media.Packet{PTS: 0, DTS: -5 * time.Millisecond}, 0, 0},
		{"five hours in", media.Packet{PTS: 5 * time.Hour, DTS: 5 * time.Hour}, 5 * time.Hour, 0},
		{"just before 2^32 ms", media.Packet{PTS: 1<<32*time.Millisecond - time.Millisecond, DTS: 1<<32*time.Millisecond - time.Millisecond},
			(1<<32 - 1) * time.Millisecond, 0},
		{"just after it the clock starts again", media.Packet{PTS: 1<<32*time.Millisecond + 39*time.Millisecond, DTS: 1<<32*time.Millisecond + 39*time.Millisecond},
			39 * time.Millisecond, 0},
	} {
		step.packet.Data = bytes.Repeat([]byte{7}, 4000)
		step.packet.Keyframe = true
		ts.video.started = false // a reader of its own needs a header that stands alone
		raw, err := rawReader(t, ts.appendPacket(nil, c, &step.packet), 1360).Read()
		require.NoError(t, err, step.name)
		require.Equal(t, step.wantDTS, raw.Timestamp, step.name)
		require.Equal(t, []byte{0x17, 1, byte(step.wantCT.Milliseconds() >> 16), byte(step.wantCT.Milliseconds() >> 8),
			byte(step.wantCT.Milliseconds())}, raw.Body[:5], step.name)
	}
}

func TestMetadata(t *testing.T) {
	ts, err := newTracks(testTracks())
	require.NoError(t, err)
	_, err = ts.metadata().Marshal()
	require.NoError(t, err)
	require.Equal(t, amf0.Data{"@setDataFrame", "onMetaData"}, ts.metadata()[:2])
	values := ts.metadata()[2]
	require.Contains(t, values, entry("width", 1280.0))
	require.Contains(t, values, entry("height", 720.0))
	require.Contains(t, values, entry("framerate", 25.0))
	require.Contains(t, values, entry("videodatarate", 2000.0))
	require.Contains(t, values, entry("audiosamplerate", 48000.0))
	require.Contains(t, values, entry("stereo", true))
}

func TestTracksThatCannotBePublished(t *testing.T) {
	video, audio := testTracks()[0], testTracks()[1]
	annexB := video
	annexB.Extradata = []byte{0, 0, 0, 1, 0x67, 1, 2, 3}
	hevc := video
	hevc.Codec = "hevc"
	noConfig := audio
	noConfig.Extradata = nil
	for name, list := range map[string][]media.Track{
		"none":                       {},
		"two video tracks":           {video, video},
		"another codec":              {hevc},
		"Annex B instead of avcC":    {annexB},
		"AAC without its parameters": {video, noConfig},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newTracks(list)
			require.Error(t, err)
		})
	}
}
