package source

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func TestSoundStaysBesideItsPictureHoweverLongTheirClocksRunApart(t *testing.T) {
	wall := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		sound   float64                                     // seconds of its clock in one of the wall's
		report  func(now time.Duration) (off time.Duration) // by which those of sound are wrong
		atLeast time.Duration                               // sound is moved by, after a day
		atMost  time.Duration
	}{
		"clocks that are right":     {sound: 1},
		"a clock that is slow":      {sound: 1 - 100e-6, atLeast: 8500 * time.Millisecond, atMost: 8700 * time.Millisecond},
		"a clock that is fast":      {sound: 1 + 100e-6, atLeast: -8700 * time.Millisecond, atMost: -8500 * time.Millisecond},
		"tracks of two wall clocks": {sound: 1, report: func(time.Duration) time.Duration { return 40 * 365 * 24 * time.Hour }},
		"reports that jitter":       {sound: 1, report: func(now time.Duration) time.Duration { return now / time.Second * 7919 % 60 * time.Millisecond }, atLeast: -20 * time.Millisecond, atMost: 20 * time.Millisecond},
		"one that is wrong for seconds": {sound: 1, report: func(now time.Duration) time.Duration {
			if now > time.Hour && now < time.Hour+5*time.Second {
				return 500 * time.Millisecond
			}
			return 0
		}, atMost: 5 * time.Millisecond},
		"a wall clock that is set": {sound: 1, report: func(now time.Duration) time.Duration { return now / time.Hour * 24 * time.Hour }},
		"reports of another rate":  {sound: 1, report: func(now time.Duration) time.Duration { return now / 10 }, atMost: 15 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			var w driftWatch
			for now := time.Duration(0); now < 24*time.Hour; now += time.Second / 4 {
				w.note(media.Video, now, wall.Add(now))
				off := time.Duration(0)
				if c.report != nil {
					off = c.report(now)
				}
				w.note(media.Audio, time.Duration(float64(now)*c.sound), wall.Add(now+off))
			}
			require.GreaterOrEqual(t, w.moved, c.atLeast)
			require.LessOrEqual(t, w.moved, c.atMost)
		})
	}
}
