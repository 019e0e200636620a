package push

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakesource"
)

// zeroed makes zeros of a source's packets between two times.
func (m *madeOf) zeroed(kind media.MediaType, from, to time.Duration) *madeOf {
	for i, p := range m.packets {
		if p.Track == int(kind) && p.PTS >= from && p.PTS < to {
			m.packets[i].Data = make([]byte, len(p.Data))
		}
	}
	return m
}

func TestWhatCameAndDidNotGetThroughIsLost(t *testing.T) {
	from, to := 5*time.Second, 6300*time.Millisecond
	key := 7 * groupLength * fakesource.Frame // the next one
	within := func(p media.Packet) bool { return p.PTS >= from && p.PTS < to }
	for name, c := range map[string]struct {
		mode   media.TranscodeMode
		breaks func(media.Packet) bool // what decoders cannot take; nil: it is zeros in the source
	}{
		"it is copied": {media.TranscodeAuto, nil},
		"it is copied, and may not be re-encoded":        {media.TranscodeNever, nil},
		"it is re-encoded":                               {media.TranscodeAlways, nil},
		"it is re-encoded, and a decoder cannot take it": {media.TranscodeAlways, within},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, s := newMadeOf([]clipPart{{length: 12 * time.Second, picture: true, sound: true}}), newStage(nil)
				if c.breaks == nil {
					m.zeroed(media.Video, from, to).zeroed(media.Audio, from, to)
				}
				s.job.Options.FillAudio, s.job.Options.Transcode = true, c.mode
				require.NoError(t, s.playFrom(t.Context(), m.open, &fakeCoders{breaks: c.breaks}))
				cover := s.job.Meter.Snapshot(time.Now()).Coverage
				for kind, want := range [2]time.Duration{key - from, to - from} {
					c := cover[kind]
					require.InDelta(t, 12, c.Total().Seconds(), 0.1, "%v: %+v", media.MediaType(kind), c)
					require.InDelta(t, want.Seconds(), c.Lost.Seconds(), 0.1, "%v: %+v", media.MediaType(kind), c)
					require.InDelta(t, 12-want.Seconds(), c.Taken.Seconds(), 0.1, "%v: %+v", media.MediaType(kind), c)
				}
				require.Len(t, s.seen.messages, 4, "a hole and a share of each track: %q", s.seen.messages)
			})
		})
	}
}

func TestSoundThatIsDamagedToTheEndIsLost(t *testing.T) {
	for _, mode := range []media.TranscodeMode{media.TranscodeAuto, media.TranscodeAlways} {
		synctest.Test(t, func(t *testing.T) {
			m, s := newMadeOf([]clipPart{{length: 12 * time.Second, picture: true, sound: true}}), newStage(nil)
			m.zeroed(media.Audio, 9*time.Second, 12*time.Second)
			s.job.Options.FillAudio, s.job.Options.Transcode = true, mode
			require.NoError(t, s.playFrom(t.Context(), m.open, &fakeCoders{}))
			c := s.job.Meter.Snapshot(time.Now()).Coverage[media.Audio]
			require.InDelta(t, 3, c.Lost.Seconds(), 0.15, "%+v", c)
			require.Contains(t, s.seen.lines, "warned hole")
		})
	}
}

func TestZerosInAFileAreNotSentToTheRoom(t *testing.T) {
	for _, mode := range []media.TranscodeMode{media.TranscodeAuto, media.TranscodeAlways, media.TranscodeNever} {
		t.Run(string(mode), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				from, to := 5*time.Second, 6300*time.Millisecond
				m, s := newMadeOf([]clipPart{{length: 12 * time.Second, picture: true, sound: true}}), newStage(nil)
				m.zeroed(media.Video, from, to).zeroed(media.Audio, from, to)
				s.job.Options.FillAudio, s.job.Options.Transcode = true, mode
				require.NoError(t, s.playFrom(t.Context(), m.open, &fakeCoders{}))
				key := 7 * groupLength * fakesource.Frame // the next one
				for _, a := range s.room.got {
					require.NotEmpty(t, bytes.Trim(a.Data, "\x00"), "track %d at %v", a.Track, a.PTS)
					if a.Track == int(media.Video) && a.Origin == media.Taken {
						require.True(t, a.PTS < from || a.PTS >= key, "a picture from %v, which needs those that are lost", a.PTS)
					}
				}
				require.NotEmpty(t, s.room.of(int(media.Audio)))
			})
		})
	}
}
