package clock

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// A live source's clock may begin anew; then nothing is left waiting for a time
// that does not come.
func TestASoundDelayLetsEverythingGoWhenTheClockBreaks(t *testing.T) {
	for _, by := range []time.Duration{-time.Second, time.Second} {
		d := SoundDelay{By: by}
		put := func(kind media.MediaType, at time.Duration) {
			d.Add(media.Packet{Track: int(kind), PTS: at, DTS: at, Duration: 40 * time.Millisecond}, kind)
		}
		for _, clock := range []time.Duration{time.Hour, 0, 30 * time.Minute} {
			for at := time.Duration(0); at < 4*time.Second; at += 40 * time.Millisecond {
				put(media.Video, clock+at)
				put(media.Audio, clock+at)
			}
			require.Less(t, len(d.held), 30, "%v at %v", by, clock)
		}
		given := [2]int{}
		for _, p := range d.ready {
			given[p.Track]++
		}
		require.Equal(t, 300, given[0]+len(d.held)*map[bool]int{true: 1}[by < 0])
		require.InDelta(t, 300, given[1]+len(d.held)*map[bool]int{true: 1}[by > 0], 26)
	}
}
