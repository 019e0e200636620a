package media

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// anyPacket draws a packet whose timestamps may be anything.
func anyPacket(t *rapid.T) Packet {
	at := time.Duration(rapid.Int64Range(-int64(time.Hour), int64(100*time.Hour)).Draw(t, "dts"))
	return Packet{
		Track: rapid.IntRange(0, 1).Draw(t, "track"), DTS: at,
		PTS:      at + time.Duration(rapid.Int64Range(-int64(time.Second), int64(time.Second)).Draw(t, "shift")),
		NoDTS:    rapid.Bool().Draw(t, "no dts"),
		NoPTS:    rapid.Bool().Draw(t, "no pts"),
		Duration: time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "duration")),
	}
}

func TestTheRoomsTimestampsRiseWhateverTheSourceDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r restamper
		last := [2]time.Duration{-1, -1}
		for range rapid.IntRange(1, 200).Draw(t, "packets") {
			if rapid.IntRange(0, 20).Draw(t, "cut") == 0 {
				r.cut()
			}
			p := r.restamp(anyPacket(t))
			require.Greater(t, p.DTS, last[p.Track])
			require.GreaterOrEqual(t, p.PTS, p.DTS)
			require.GreaterOrEqual(t, p.DTS, time.Duration(0))
			require.Zero(t, p.DTS%tick)
			last[p.Track] = p.DTS
		}
	})
}

func TestARegularSourceKeepsItsDistances(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r restamper
		start := time.Duration(rapid.Int64Range(-int64(time.Second), int64(30*time.Hour)).Draw(t, "start"))
		var first, firstIn time.Duration
		for i := range 300 {
			in := Packet{Track: i % 2, DTS: start + time.Duration(i)*21333*time.Microsecond}
			in.PTS = in.DTS
			out := r.restamp(in)
			if i == 0 {
				first, firstIn = out.DTS, in.DTS
			}
			require.InDelta(t, (in.DTS - firstIn).Milliseconds(), (out.DTS - first).Milliseconds(), 1.01)
		}
	})
}

func TestACutGoesOnRightAfterWhatWasSent(t *testing.T) {
	var r restamper
	for i := range 10 {
		r.restamp(Packet{DTS: time.Duration(i) * frame, PTS: time.Duration(i) * frame})
	}
	r.cut()
	p := r.restamp(Packet{DTS: time.Hour, PTS: time.Hour})
	require.Equal(t, 10*frame, p.DTS)
}

func TestAWrappedClockGoesOn(t *testing.T) {
	var r restamper
	wrap := time.Duration(1<<33) * time.Second / 90000
	var last Packet
	for i := range 100 {
		at := wrap - 50*frame + time.Duration(i)*frame
		if at >= wrap {
			at -= wrap
		}
		last = r.restamp(Packet{DTS: at, PTS: at})
	}
	require.InDelta(t, (99 * frame).Milliseconds(), last.DTS.Milliseconds(), 1)
}
