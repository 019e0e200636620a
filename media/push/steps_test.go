package push

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/clock"
	"github.com/roomcast/roomcast/media/fakesource"
)

// stepping is a source in real time of which the clock of one track, or of both,
// steps at a moment.
type stepping struct {
	inRealTime
	at time.Duration
	by [2]time.Duration
}

func (s *stepping) ReadPacket() (media.Packet, error) {
	p, err := s.inRealTime.ReadPacket()
	if err == nil && p.DTS >= s.at {
		p.PTS, p.DTS = p.PTS+s.by[p.Track], p.DTS+s.by[p.Track]
	}
	return p, err
}

// playStepping plays 20 s of it.
func playStepping(t *testing.T, at time.Duration, by [2]time.Duration, options media.Options) *stage {
	t.Helper()
	s := newStage(nil)
	s.job.Options, s.job.Retry = options, noRetry
	open := fakesource.Opener(func(ctx context.Context) (media.Source, error) {
		f := &fakesource.Source{Ctx: ctx, Of: fakesource.Stream(20 * time.Second)}
		f.Of.Container = "flv"
		return &stepping{inRealTime{f, time.Now()}, at, by}, nil
	})
	require.Equal(t, media.KindSourceEnded, media.KindOf(s.playFrom(t.Context(), open, &fakeCoders{})))
	requireRising(t, s.room.got)
	return s
}

func TestAStepOfALiveTracksClockLeavesPictureAndSoundWhole(t *testing.T) {
	for name, by := range map[string][2]time.Duration{
		"the picture's, 3 s":       {3 * time.Second, 0},
		"the picture's, 1.2 s":     {1200 * time.Millisecond, 0},
		"the sound's, 3 s":         {0, 3 * time.Second},
		"the sound's, 1.2 s":       {0, 1200 * time.Millisecond},
		"the picture's, 11 s":      {11 * time.Second, 0},
		"the sound's, 11 s":        {0, 11 * time.Second},
		"both, 3 s":                {3 * time.Second, 3 * time.Second},
		"both, an hour":            {time.Hour, time.Hour},
		"both, 3 s and a bit more": {3 * time.Second, 3*time.Second + 30*time.Millisecond},
	} {
		for kind, options := range map[string]media.Options{
			"copied": {FillAudio: true}, "re-encoded": {Transcode: media.TranscodeAlways, FillAudio: true},
		} {
			for when, at := range map[string]time.Duration{"on the way": 5 * time.Second, "before it is joined": 0} {
				if at == 0 && max(by[0], by[1]) < (2*time.Second) {
					continue // so far apart it may be true
				}
				t.Run(name+", "+kind+", "+when, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						requireWhole(t, playStepping(t, at, by, options))
					})
				})
			}
		}
	}
}

// requireWhole demands that all of both tracks came, together, and nothing else.
func requireWhole(t *testing.T, s *stage) {
	t.Helper()
	for track, step := range []time.Duration{fakesource.Frame, 2 * fakesource.AudioFrame} {
		got := s.room.of(track)
		require.InDelta(t, 20*time.Second/fakesource.Frame, len(got), 60, "track %d", track)
		for i, a := range got[1:] {
			require.LessOrEqual(t, a.DTS-got[i].DTS, step+synced, "track %d, before %v", track, a.DTS)
			require.InDelta(t, a.at.Seconds(), (a.DTS - s.room.got[0].DTS).Seconds(), 1.3, "track %d", track)
		}
	}
	for kind, c := range s.job.Meter.Snapshot(time.Now()).Coverage {
		require.Less(t, c.Held+c.Filled+c.Lost, 100*time.Millisecond, "%v: %+v", media.MediaType(kind), c)
	}
	var newest [2]arrival
	for _, a := range s.room.got {
		newest[a.Track] = a
		if other := newest[1-a.Track]; a.at > 2*time.Second {
			require.LessOrEqual(t, (a.DTS - other.DTS).Abs(), 5*fakesource.Frame, "at %v", a.at)
		}
	}
}

func TestAHoleOfALiveTrackIsNoStepOfItsClock(t *testing.T) {
	begin := time.Now()
	for name, gone := range map[string][2]bool{"the picture's": {true, false}, "the sound's": {false, true}, "both": {true, true}} {
		var s clock.StepRemover
		for at := time.Duration(0); at < 20*time.Second; at += fakesource.AudioFrame {
			for track, length := range []time.Duration{fakesource.Frame, fakesource.AudioFrame} {
				if at%length != 0 || gone[track] && at > 5*time.Second && at < 8*time.Second {
					continue
				}
				require.Equal(t, at, s.Remove(media.Packet{Track: track, DTS: at, PTS: at}, begin.Add(at)).DTS, "%s, track %d", name, track)
			}
		}
	}
}

func TestAClockThatStepsBackToTheOthersIsBelievedAgain(t *testing.T) {
	begin := time.Now()
	var s clock.StepRemover
	for at := time.Duration(0); at < 20*time.Second; at += fakesource.Frame {
		for track := range 2 {
			dts := at
			if track == 0 && at > 5*time.Second && at < 12*time.Second {
				dts += 4 * time.Second
			}
			require.Equal(t, at, s.Remove(media.Packet{Track: track, DTS: dts, PTS: dts}, begin.Add(at)).DTS, "track %d", track)
		}
	}
}

func TestWhatComesInABurstKeepsItsHolesAndItsPlace(t *testing.T) {
	now := time.Now()
	var s clock.StepRemover
	for at := time.Duration(0); at < 20*time.Second; at += fakesource.AudioFrame {
		require.Equal(t, at, s.Remove(media.Packet{Track: 1, DTS: at, PTS: at}, now).DTS)
		if at%fakesource.Frame == 0 && (at < 5*time.Second || at > 8*time.Second) {
			require.Equal(t, at, s.Remove(media.Packet{DTS: at, PTS: at}, now).DTS)
		}
	}
}
