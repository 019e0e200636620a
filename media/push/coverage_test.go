package push

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakesource"
)

// errVanished ends an attempt as the death of its worker does.
var errVanished = fmt.Errorf("the worker has vanished")

// playAttempts plays a push in attempts that end at ends; each goes on from what
// was known for a while before. It returns where the last one stood.
func playAttempts(t *testing.T, play func(ctx context.Context, s *stage) error, job func(*media.Job), ends ...time.Duration) media.Progress {
	t.Helper()
	var stood media.Progress
	for n := range len(ends) + 1 {
		s := newStage(nil)
		s.job.Options.FillAudio = true
		job(&s.job)
		s.job.Start, s.job.Stood = stood.Position, stood
		s.job.Meter.GoOnFrom(stood)
		ctx, vanish := context.WithCancelCause(t.Context())
		var told atomic.Pointer[media.Progress]
		if n < len(ends) {
			time.AfterFunc(ends[n]-900*time.Millisecond, func() { p := s.job.Meter.Snapshot(time.Now()); told.Store(&p) })
			time.AfterFunc(ends[n], func() { vanish(errVanished) })
		}
		err := play(ctx, s)
		vanish(nil)
		if n == len(ends) {
			require.True(t, err == nil || media.KindOf(err) == media.KindSourceEnded, "%v", err)
			return s.job.Meter.Snapshot(time.Now())
		}
		require.ErrorIs(t, err, errVanished)
		stood = *told.Load()
		time.Sleep(3 * time.Second) // its lease
	}
	panic("unreachable")
}

func TestCoverageCountsWhatAllAttemptsPlayedOnce(t *testing.T) {
	second := time.Second
	whole := clipPart{length: 20 * second, picture: true, sound: true}
	for name, c := range map[string]struct {
		parts []clipPart
		job   func(*media.Job)
		ends  []time.Duration
		want  [2]media.Coverage
	}{
		"of one attempt": {parts: []clipPart{whole}, want: [2]media.Coverage{{Taken: 20 * second}, {Taken: 20 * second}}},
		"of a takeover":  {parts: []clipPart{whole}, ends: []time.Duration{7500 * time.Millisecond}, want: [2]media.Coverage{{Taken: 20 * second}, {Taken: 20 * second}}},
		"of takeovers that follow each other at once": {parts: []clipPart{whole}, ends: []time.Duration{7500 * time.Millisecond, 1100 * time.Millisecond, 1300 * time.Millisecond, 4 * second},
			want: [2]media.Coverage{{Taken: 20 * second}, {Taken: 20 * second}}},
		"of a takeover in the second play": {parts: []clipPart{whole}, ends: []time.Duration{28 * second},
			job: func(j *media.Job) { j.Options.Repeat = 2 }, want: [2]media.Coverage{{Taken: 40 * second}, {Taken: 40 * second}}},
		"of a takeover where the second play begins": {parts: []clipPart{whole}, ends: []time.Duration{20900 * time.Millisecond},
			job: func(j *media.Job) { j.Options.Repeat = 2 }, want: [2]media.Coverage{{Taken: 40 * second}, {Taken: 40 * second}}},
		"of a part that was asked for, from a keyframe": {parts: []clipPart{whole}, ends: []time.Duration{5 * second},
			job: func(j *media.Job) { j.Options.StartAt, j.Options.EndAt = 4800*time.Millisecond, 14800*time.Millisecond }, want: [2]media.Coverage{{Taken: 10 * second}, {Taken: 10 * second}}},
		"of a takeover in a hole of both": {parts: []clipPart{{length: 6 * second, picture: true, sound: true}, {gap: 8 * second, length: 6 * second, picture: true, sound: true}},
			ends: []time.Duration{10 * second}, want: [2]media.Coverage{{Taken: 12 * second, Held: 8 * second}, {Taken: 12 * second, Filled: 8 * second}}},
		"of a takeover where the sound is over": {parts: []clipPart{{length: 8 * second, picture: true, sound: true}, {length: 12 * second, picture: true}},
			ends: []time.Duration{14 * second}, want: [2]media.Coverage{{Taken: 20 * second}, {Taken: 8 * second, Filled: 12 * second}}},
		"of a takeover before the sound begins": {parts: []clipPart{{length: 8 * second, picture: true}, {length: 12 * second, picture: true, sound: true}},
			ends: []time.Duration{5 * second}, want: [2]media.Coverage{{Taken: 20 * second}, {Taken: 12 * second, Filled: 8 * second}}},
		"of a takeover while the first picture stands": {parts: []clipPart{{length: 6 * second, sound: true}, {length: 14 * second, picture: true, sound: true}},
			ends: []time.Duration{3300 * time.Millisecond}, want: [2]media.Coverage{{Taken: 14 * second, Held: 6 * second}, {Taken: 20 * second}}},
		"of a takeover in a hole that nothing can stand for": {parts: []clipPart{{length: 6 * second, picture: true, sound: true}, {length: 8 * second, sound: true}, {length: 6 * second, picture: true, sound: true}},
			job: func(j *media.Job) { j.Options.Transcode = media.TranscodeNever }, ends: []time.Duration{10 * second}, want: [2]media.Coverage{{Taken: 12 * second, Lost: 8 * second}, {Taken: 20 * second}}},
	} {
		for _, mode := range []media.TranscodeMode{media.TranscodeAuto, media.TranscodeAlways} {
			t.Run(name+" "+string(mode), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m := newMadeOf(c.parts)
					got := playAttempts(t, func(ctx context.Context, s *stage) error {
						return s.playFrom(ctx, m.open, &fakeCoders{})
					}, func(j *media.Job) {
						j.Options.Transcode = mode
						if c.job != nil {
							c.job(j)
						}
					}, c.ends...)
					for kind, want := range c.want {
						c := got.Coverage[kind]
						require.InDelta(t, want.Total().Seconds(), c.Total().Seconds(), 0.15, "%v: %+v", media.MediaType(kind), c)
						require.InDelta(t, want.Taken.Seconds(), c.Taken.Seconds(), 1.2, "%v: %+v", media.MediaType(kind), c)
						require.InDelta(t, want.Lost.Seconds(), c.Lost.Seconds(), 0.15, "%v: %+v", media.MediaType(kind), c)
					}
				})
			})
		}
	}
}

func TestCoverageCountsOnceWhatIsSentAgainToARoomThatBroke(t *testing.T) {
	for _, mode := range []media.TranscodeMode{media.TranscodeAuto, media.TranscodeAlways} {
		t.Run(string(mode), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, s := newMadeOf([]clipPart{{length: 20 * time.Second, picture: true, sound: true}}), newStage(nil)
				s.job.Options.Transcode = mode
				s.room.breakAt(7700*time.Millisecond, media.KindRoomClosed)
				require.NoError(t, s.playFrom(t.Context(), m.open, &fakeCoders{}))
				require.Equal(t, 2, s.room.dials)
				for kind, c := range s.job.Meter.Snapshot(time.Now()).Coverage {
					require.InDelta(t, 20, c.Taken.Seconds(), 0.1, "%v: %+v", media.MediaType(kind), c)
					require.InDelta(t, 20, c.Total().Seconds(), 0.1, "%v: %+v", media.MediaType(kind), c)
				}
			})
		})
	}
}

func TestWhatALiveSourceSentWhileNobodyHadThePushIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last *stage
		got := playAttempts(t, func(ctx context.Context, s *stage) error {
			last = s
			open := fakesource.Opener(func(ctx context.Context) (media.Source, error) {
				return &inRealTime{&fakesource.Source{Ctx: ctx, Of: fakesource.Stream(10 * time.Second)}, time.Now()}, nil
			})
			s.job.Retry = noRetry
			return s.playFrom(ctx, open, nil)
		}, func(*media.Job) {}, 6*time.Second)
		for kind, c := range got.Coverage { // 5.1 s of the first are known to be played, and 3.9 s nobody had it
			require.InDelta(t, 5.1+10, c.Taken.Seconds(), 0.4, "%v: %+v", media.MediaType(kind), c)
			require.InDelta(t, 3.9, c.Lost.Seconds(), 0.4, "%v: %+v", media.MediaType(kind), c)
		}
		require.Len(t, last.seen.messages, 2, "of the picture and the sound: %q", last.seen.messages)
		for _, m := range last.seen.messages {
			require.Contains(t, m, "no worker had the push")
		}
	})
}

func TestAGapInTheSoundOfMoreThanASecondIsAHole(t *testing.T) {
	second := time.Second
	picture, both := clipPart{length: 2 * second, picture: true}, clipPart{length: 3 * second, picture: true, sound: true}
	short := picture
	short.length = 800 * time.Millisecond
	for name, c := range map[string]struct {
		parts []clipPart
		want  []string
	}{
		"twice":             {[]clipPart{both, picture, both, picture, both}, []string{"from 3s on for 2s", "from 8s on for 2s"}},
		"at the end":        {[]clipPart{both, picture}, []string{"from 3s on for "}},
		"of less":           {[]clipPart{both, short, both}, nil},
		"of a silent track": {[]clipPart{picture}, nil},
	} {
		for _, mode := range []media.TranscodeMode{media.TranscodeAuto, media.TranscodeAlways} {
			t.Run(name+" "+string(mode), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m, s := newMadeOf(c.parts), newStage(nil)
					if len(m.shown[media.Audio]) == 0 {
						m.info.Tracks = m.info.Tracks[:1]
					}
					s.job.Options.FillAudio, s.job.Options.Transcode = true, mode
					require.NoError(t, s.playFrom(t.Context(), m.open, &fakeCoders{}))
					require.Len(t, s.seen.messages, len(c.want), "%q", s.seen.messages)
					for i, want := range c.want {
						require.Contains(t, s.seen.messages[i], "nothing of the sound "+want)
					}
					require.Zero(t, s.job.Meter.Snapshot(time.Now()).Coverage[media.Audio].Lost)
				})
			})
		}
	}
}

func TestAHoleBehindABreakOfTheClockIsToldWhereItIsPlayed(t *testing.T) {
	both, picture := clipPart{length: 3 * time.Second, picture: true, sound: true}, clipPart{length: 2 * time.Second, picture: true}
	for name, jump := range map[string]time.Duration{"back": -time.Minute, "forward": time.Minute, "by a day": 26 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, s := newMadeOf([]clipPart{both, both, picture, both}), newStage(nil)
				for i := range m.packets {
					if p := &m.packets[i]; p.PTS >= both.length {
						p.PTS, p.DTS = p.PTS+jump, p.DTS+jump
					}
				}
				s.job.Options.FillAudio = true
				require.NoError(t, s.playFrom(t.Context(), m.open, &fakeCoders{}))
				require.Len(t, s.seen.messages, 1)
				require.Contains(t, s.seen.messages[0], "nothing of the sound from 6s on for 2s")
			})
		})
	}
}

func TestAPictureThatStandsBeforeItsTimeCountsAsHeld(t *testing.T) {
	for _, mode := range []media.TranscodeMode{media.TranscodeAuto, media.TranscodeAlways} {
		t.Run(string(mode), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, s := newMadeOf([]clipPart{{length: 6 * time.Second, picture: true, sound: true, late: -3 * time.Second}}), newStage(nil)
				s.job.Options.Transcode = mode
				require.NoError(t, s.playFrom(t.Context(), m.open, &fakeCoders{}))
				c := s.job.Meter.Snapshot(time.Now()).Coverage[media.Video]
				require.InDelta(t, 3, c.Held.Seconds(), 0.1, "%+v", c)
				require.InDelta(t, 3, c.Taken.Seconds(), 0.1, "%+v", c)
			})
		})
	}
}

func TestWhatADelayOfTheSoundLeavesSilentIsNoHoleOfTheSources(t *testing.T) {
	for name, c := range map[string]struct {
		delay time.Duration
		parts []clipPart
		told  bool
	}{
		"later":          {2 * time.Second, []clipPart{{length: 8 * time.Second, picture: true, sound: true, late: 2 * time.Second}}, false},
		"late by itself": {0, []clipPart{{length: 8 * time.Second, picture: true, sound: true, late: 2 * time.Second}}, true},
		"earlier":        {-2 * time.Second, []clipPart{{length: 6 * time.Second, picture: true, sound: true}, {length: 2 * time.Second, picture: true}}, false},
		"ends early":     {0, []clipPart{{length: 6 * time.Second, picture: true, sound: true}, {length: 2 * time.Second, picture: true}}, true},
		"later, and with a hole": {2 * time.Second, []clipPart{{length: 8 * time.Second, picture: true, sound: true, late: 2 * time.Second},
			{length: 2 * time.Second, picture: true}, {length: 4 * time.Second, picture: true, sound: true}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, s := newMadeOf(c.parts), newStage(nil)
				s.job.Options.AudioDelay, s.job.Options.FillAudio = c.delay, true
				require.NoError(t, s.playFrom(t.Context(), m.open, &fakeCoders{}))
				require.Equal(t, c.told, slices.Contains(s.seen.lines, "warned hole"), s.seen.lines)
			})
		})
	}
}
