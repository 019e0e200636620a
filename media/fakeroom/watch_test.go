package fakeroom

import (
	"encoding/binary"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/mediatest"
)

// messages reads a clip as the messages a publisher would send, shifted by dts.
func messages(t *testing.T, s mediatest.Spec, dts time.Duration) []Packet {
	t.Helper()
	s.Container = "flv"
	if s.Seconds == 0 {
		s.Seconds = 2
	}
	buf, err := os.ReadFile(mediatest.Clip(t, s))
	require.NoError(t, err)
	var out []Packet
	for buf = buf[13:]; len(buf) >= 15; {
		size := int(binary.BigEndian.Uint32(buf) & 0xffffff)
		ms := binary.BigEndian.Uint32(buf[4:])>>8 | uint32(buf[7])<<24
		p := Packet{Type: media.Video, DTS: dts + time.Duration(ms)*time.Millisecond, Data: buf[11 : 11+size]}
		if buf[0] == flvTagAudio {
			p.Type = media.Audio
		}
		if buf[0] != 18 && size > 5 { // no metadata, no end of sequence
			out = append(out, p)
		}
		buf = buf[11+size+4:]
	}
	return out
}

// play feeds messages to a session as if they came on time, each tick later
// than their DTS says, and returns the verdict, if any.
func play(s *session, tick time.Duration, list []Packet) *verdict {
	for i, p := range list {
		p.At = s.s.StartedAt.Add(p.DTS + time.Duration(i)*tick)
		if v := s.take(p); v != nil {
			return v
		}
	}
	return nil
}

func testSession(cfg Config) *session {
	return &session{
		s:    Session{StartedAt: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)},
		tape: newTape(cfg.withDefaults()),
	}
}

func TestAGoodStreamBreaksNoRule(t *testing.T) {
	s := testSession(Config{})
	require.Nil(t, play(s, 0, messages(t, mediatest.Spec{}, 0)))
	snap := s.snapshot()
	require.Empty(t, snap.Violations)
	require.Zero(t, snap.Video.MaxLate)
	require.Zero(t, snap.Video.MaxEarly)
	require.Equal(t, 60, snap.Video.Packets)
	require.Equal(t, 2, snap.Video.Keyframes)
	require.Less(t, snap.MaxSkew, 100*time.Millisecond)
	require.NoError(t, snap.Report().Check(1900*time.Millisecond, 0))
}

func TestLatenessAndDriftAreMeasured(t *testing.T) {
	s := testSession(Config{})
	list := messages(t, mediatest.Spec{AudioCodec: mediatest.None}, 0)
	require.Nil(t, play(s, 10*time.Millisecond, list))
	snap := s.snapshot()
	require.Equal(t, 590*time.Millisecond, snap.Video.Drift)
	require.Equal(t, snap.Video.Drift, snap.Video.MaxLate)
	require.InDelta(t, 43, snap.Video.MaxGap.Milliseconds(), 1.1)
	require.ErrorContains(t, snap.Report().Check(time.Second, 0), "audio")
}

func TestMediaFasterThanRealTimeIsReported(t *testing.T) {
	s := testSession(Config{})
	for _, p := range messages(t, mediatest.Spec{}, 0) {
		p.At = s.s.StartedAt
		require.Nil(t, s.take(p))
	}
	require.ErrorContains(t, s.snapshot().Report().Check(time.Second, 0), "real time")
}

func TestBFramesAreSeenInTheOrderOfTimestamps(t *testing.T) {
	s := testSession(Config{})
	v := play(s, 0, messages(t, mediatest.Spec{BFrames: 2}, 0))
	require.NotNil(t, v)
	require.Equal(t, EndCut, v.end)
	require.True(t, s.s.Broke(BFrames))
	require.GreaterOrEqual(t, s.s.Video.LastAt.Sub(s.s.StartedAt), cutAfter)
}

func TestBFramesAreSeenByTheirSlices(t *testing.T) {
	s := testSession(Config{})
	sent := messages(t, mediatest.Spec{BFrames: 2}, 0)
	for _, p := range sent {
		p.PTS = p.DTS // as of a container that has no PTS
	}
	v := play(s, 0, sent)
	require.NotNil(t, v)
	require.True(t, s.s.Broke(BFrames))
}

func TestAChangeInMidStream(t *testing.T) {
	for name, c := range map[string]struct {
		second mediatest.Spec
		kind   ViolationKind
		cut    bool
	}{
		"of the resolution cuts": {mediatest.Spec{Width: 320, Height: 240}, Resolution, true},
		"of the SPS is recorded": {mediatest.Spec{Args: []string{"-level", "5.1"}}, NewSPS, false},
		"of the audio is recorded": {
			mediatest.Spec{Args: []string{"-ac", "1"}}, AudioSetup, false,
		},
		"back in time is recorded": {mediatest.Spec{}, Timestamps, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := testSession(Config{})
			require.Nil(t, play(s, 0, messages(t, mediatest.Spec{}, 0)))
			shift := 2100 * time.Millisecond
			if c.kind == Timestamps {
				shift = 0
			}
			v := play(s, 0, messages(t, c.second, shift))
			require.Equal(t, c.cut, v != nil)
			require.True(t, s.s.Broke(c.kind), s.s.Violations)
		})
	}
}

func TestAStreamThatCannotBeDecoded(t *testing.T) {
	good := messages(t, mediatest.Spec{AudioCodec: mediatest.None}, 0)
	short := append([]Packet(nil), good...)
	short[5].Data = short[5].Data[:len(short[5].Data)-3]
	for name, list := range map[string][]Packet{
		"no SPS":               good[1:],
		"no keyframe at first": append([]Packet{good[0]}, good[10:]...),
		"a frame cut short":    short,
		"an empty message":     {{Type: media.Video, Data: []byte{0x17}}},
		"a config cut short":   {{Type: media.Video, Data: good[0].Data[:12]}},
	} {
		t.Run(name, func(t *testing.T) {
			s := testSession(Config{})
			require.Nil(t, play(s, 0, list))
			require.True(t, s.s.Broke(Structure))
		})
	}
}

func TestTimestampsUnwrap(t *testing.T) {
	var u unwrapper
	const wrap = (1 << 32) * time.Millisecond
	require.Equal(t, wrap-10*time.Millisecond, u.unwrap(wrap-10*time.Millisecond))
	require.Equal(t, wrap+5*time.Millisecond, u.unwrap(5*time.Millisecond))
	require.Equal(t, wrap-2*time.Millisecond, u.unwrap(wrap-2*time.Millisecond))
}

func TestTheTapeKeepsWhatItIsToldTo(t *testing.T) {
	list := messages(t, mediatest.Spec{Seconds: 4}, 0)
	size := int64(0)
	for _, p := range list {
		size += int64(len(p.Data))
	}
	for name, c := range map[string]struct {
		cfg       Config
		min, max  time.Duration
		truncated bool
	}{
		"nothing":            {Config{Keep: -1}, 0, 0, false},
		"the last 1.5 s":     {Config{Keep: 1500 * time.Millisecond}, 1400 * time.Millisecond, 3 * time.Second, false},
		"all":                {Config{RecordAll: true}, 3900 * time.Millisecond, 4100 * time.Millisecond, false},
		"all up to a limit":  {Config{RecordAll: true, MaxBytes: size / 2}, time.Second, 3 * time.Second, true},
		"the last up to one": {Config{MaxBytes: size / 2}, 500 * time.Millisecond, 3 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := testSession(c.cfg)
			require.Nil(t, play(s, 0, list))
			packets := s.tape.snapshot()
			require.Equal(t, c.truncated, s.snapshot().Truncated)
			if c.max == 0 {
				require.Empty(t, packets)
				return
			}
			span := packets[len(packets)-1].DTS - packets[0].DTS
			require.GreaterOrEqual(t, span, c.min)
			require.LessOrEqual(t, span, c.max)
			checkDecodable(t, packets)
		})
	}
}

// checkDecodable decodes packets as an FLV file.
func checkDecodable(t *testing.T, packets []Packet) {
	t.Helper()
	path := t.TempDir() + "/x.flv"
	f, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, writeFLV(f, packets))
	require.NoError(t, f.Close())
	mediatest.Decode(t, path)
	require.True(t, mediatest.Probe(t, path).Of("video")[0].Keyframe())
}

func FuzzTake(f *testing.F) {
	f.Add(true, []byte{0x17, 0, 0, 0, 0, 1, 66, 0, 30, 0xff, 0xe1, 0, 1, 0x67, 1, 0, 1, 0x68})
	f.Add(true, []byte{0x17, 1, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0x65})
	f.Add(false, []byte{0xaf, 0, 0x12, 0x10})
	f.Add(false, []byte{0xaf, 1})
	f.Fuzz(func(_ *testing.T, video bool, data []byte) {
		s := testSession(Config{})
		p := Packet{Type: media.Audio, Data: data}
		if video {
			p.Type = media.Video
		}
		_ = s.take(p)
		_ = s.take(Packet{Type: p.Type, Data: data, DTS: time.Millisecond})
		s.tape.snapshot()
	})
}

func FuzzParseStreamKey(f *testing.F) {
	f.Add("room?sdkappid=1400000123&userid=u&usersig=s")
	f.Add("?&&=&sdkappid=99999999999")
	f.Fuzz(func(t *testing.T, key string) {
		a, err := parseStreamKey(key)
		if err == nil && (a.room == "" || a.user == "" || a.app == 0) {
			t.Fatalf("%q was accepted as %+v", key, a)
		}
		if err == nil {
			_ = a.verify(map[uint32]string{a.app: "key"}, time.Unix(0, 0))
		}
	})
}
