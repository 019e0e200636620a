package media

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAPictureThatStandsBeforeItsTimeCountsAsHeld(t *testing.T) {
	for _, mode := range []TranscodeMode{TranscodeAuto, TranscodeAlways} {
		t.Run(string(mode), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, s := newMadeOf([]clipPart{{length: 6 * time.Second, picture: true, sound: true, late: -3 * time.Second}}), newStage(nil)
				s.job.Options.Transcode = mode
				require.NoError(t, s.playFrom(t.Context(), m.open, &fakeCoders{}))
				c := s.job.Meter.Snapshot(time.Now()).Coverage[Video]
				require.InDelta(t, 3, c.Held.Seconds(), 0.1, "%+v", c)
				require.InDelta(t, 3, c.Taken.Seconds(), 0.1, "%+v", c)
			})
		})
	}
}
