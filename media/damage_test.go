package media

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// zeroed makes zeros of a source's packets between two times.
func (m *madeOf) zeroed(media MediaType, from, to time.Duration) *madeOf {
	for i, p := range m.packets {
		if p.Track == int(media) && p.PTS >= from && p.PTS < to {
			m.packets[i].Data = make([]byte, len(p.Data))
		}
	}
	return m
}

func TestWhatCameAndDidNotGetThroughIsLost(t *testing.T) {
	from, to := 5*time.Second, 6300*time.Millisecond
	key := 7 * groupLength * frame // the next one
	within := func(p Packet) bool { return p.PTS >= from && p.PTS < to }
	for name, c := range map[string]struct {
		mode   TranscodeMode
		breaks func(Packet) bool // what decoders cannot take; nil: it is zeros in the source
	}{
		"it is copied": {TranscodeAuto, nil},
		"it is copied, and may not be re-encoded":        {TranscodeNever, nil},
		"it is re-encoded":                               {TranscodeAlways, nil},
		"it is re-encoded, and a decoder cannot take it": {TranscodeAlways, within},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, s := newMadeOf([]clipPart{{length: 12 * time.Second, picture: true, sound: true}}), newStage(nil)
				if c.breaks == nil {
					m.zeroed(Video, from, to).zeroed(Audio, from, to)
				}
				s.job.Options.FillAudio, s.job.Options.Transcode = true, c.mode
				require.NoError(t, s.playFrom(t.Context(), m.open, &fakeCoders{breaks: c.breaks}))
				cover := s.job.Meter.Snapshot(time.Now()).Coverage
				for media, want := range [2]time.Duration{key - from, to - from} {
					c := cover[media]
					require.InDelta(t, 12, c.total().Seconds(), 0.1, "%v: %+v", MediaType(media), c)
					require.InDelta(t, want.Seconds(), c.Lost.Seconds(), 0.1, "%v: %+v", MediaType(media), c)
					require.InDelta(t, 12-want.Seconds(), c.Taken.Seconds(), 0.1, "%v: %+v", MediaType(media), c)
				}
				require.Len(t, s.seen.messages, 4, "a hole and a share of each track: %q", s.seen.messages)
			})
		})
	}
}

func TestSoundThatIsDamagedToTheEndIsLost(t *testing.T) {
	for _, mode := range []TranscodeMode{TranscodeAuto, TranscodeAlways} {
		synctest.Test(t, func(t *testing.T) {
			m, s := newMadeOf([]clipPart{{length: 12 * time.Second, picture: true, sound: true}}), newStage(nil)
			m.zeroed(Audio, 9*time.Second, 12*time.Second)
			s.job.Options.FillAudio, s.job.Options.Transcode = true, mode
			require.NoError(t, s.playFrom(t.Context(), m.open, &fakeCoders{}))
			c := s.job.Meter.Snapshot(time.Now()).Coverage[Audio]
			require.InDelta(t, 3, c.Lost.Seconds(), 0.15, "%+v", c)
			require.Contains(t, s.seen.lines, "warned hole")
		})
	}
}

func TestZerosInAFileAreNotSentToTheRoom(t *testing.T) {
	for _, mode := range []TranscodeMode{TranscodeAuto, TranscodeAlways, TranscodeNever} {
		t.Run(string(mode), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				from, to := 5*time.Second, 6300*time.Millisecond
				m, s := newMadeOf([]clipPart{{length: 12 * time.Second, picture: true, sound: true}}), newStage(nil)
				m.zeroed(Video, from, to).zeroed(Audio, from, to)
				s.job.Options.FillAudio, s.job.Options.Transcode = true, mode
				require.NoError(t, s.playFrom(t.Context(), m.open, &fakeCoders{}))
				key := 7 * groupLength * frame // the next one
				for _, a := range s.room.got {
					require.NotEmpty(t, bytes.Trim(a.Data, "\x00"), "track %d at %v", a.Track, a.PTS)
					if a.Track == int(Video) && a.origin == taken {
						require.True(t, a.PTS < from || a.PTS >= key, "a picture from %v, which needs those that are lost", a.PTS)
					}
				}
				require.NotEmpty(t, s.room.of(int(Audio)))
			})
		})
	}
}
