package media

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const (
	inSync = 40 * time.Millisecond
	aFrame = 40 * time.Millisecond
)

// anyPacket draws a packet whose timestamps may be anything.
func anyPacket(t *rapid.T) Packet {
	at := time.Duration(rapid.Int64Range(-int64(time.Hour), int64(100*time.Hour)).Draw(t, "dts"))
	if rapid.IntRange(0, 50).Draw(t, "huge") == 0 {
		at = time.Duration(rapid.Int64().Draw(t, "any dts"))
	}
	return Packet{
		Track: rapid.IntRange(0, 1).Draw(t, "track"), DTS: at,
		PTS:      at + time.Duration(rapid.Int64Range(-int64(time.Second), int64(time.Second)).Draw(t, "shift")),
		NoDTS:    rapid.Bool().Draw(t, "no dts"),
		NoPTS:    rapid.Bool().Draw(t, "no pts"),
		Keyframe: rapid.Bool().Draw(t, "keyframe"),
		Duration: time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "duration")),
	}
}

func TestATrackWhoseStepBackIsTakenForAWrapStaysBesideTheOther(t *testing.T) {
	for name, by := range map[string][2]time.Duration{"of the picture": {wrapTS, 0}, "of the sound": {0, wrapTS}} {
		for _, first := range []MediaType{Video, Audio} {
			t.Run(name+", the first is of the "+wordFor(first), func(t *testing.T) {
				var r restamper
				var last [2]time.Duration
				part := func(from time.Duration, by [2]time.Duration, lead int) {
					for i := range 50 {
						for _, media := range []MediaType{first, 1 - first} {
							at := from + time.Duration(i)*aFrame
							if media != first && i < lead { // it comes late
								continue
							}
							p := r.restamp(Packet{Track: int(media), PTS: at + by[media], DTS: at + by[media], Duration: aFrame})
							last[media] = p.PTS
						}
					}
				}
				part(200*time.Second, [2]time.Duration{}, 0)
				part(102*time.Second, by, 8)
				require.Equal(t, 100*aFrame-aFrame, last[first])
				require.Equal(t, last[first], last[1-first])
			})
		}
	}
}

func TestTheRoomsTimestampsRiseWhateverTheSourceDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r restamper
		w := newWire()
		for range rapid.IntRange(1, 200).Draw(t, "packets") {
			if rapid.IntRange(0, 20).Draw(t, "cut") == 0 {
				r.cut()
			}
			p := r.restamp(anyPacket(t))
			require.False(t, p.NoDTS)
			require.NoError(t, w.send(p))
		}
	})
}

// wire is rise with its promises checked.
type wire struct {
	rise rise
	last [2]time.Duration
}

func newWire() *wire { return &wire{last: [2]time.Duration{-1, -1}} }

func (w *wire) send(p Packet) error {
	out, ok := w.rise.stamp(p, MediaType(p.Track))
	if !ok {
		return nil
	}
	limit := maxHurriedVideo
	if p.Track == int(Audio) {
		limit = maxHurriedAudio
	}
	switch {
	case out.DTS <= w.last[p.Track]:
		return errorf("DTS does not rise", out)
	case out.PTS < out.DTS, out.NoPTS, out.NoDTS:
		return errorf("PTS below DTS", out)
	case out.DTS < 0, out.DTS%tick != 0, out.PTS%tick != 0:
		return errorf("not a room's time", out)
	case p.DTS >= 0 && (out.DTS <= p.DTS-tick || out.DTS > p.DTS+limit):
		return errorf("away from its true time", out)
	}
	w.last[p.Track] = out.DTS
	return nil
}

func TestARegularSourceKeepsItsDistances(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r restamper
		start := time.Duration(rapid.Int64Range(-int64(time.Second), int64(30*time.Hour)).Draw(t, "start"))
		for i := range 300 {
			at := time.Duration(i) * 21333 * time.Microsecond
			out := r.restamp(Packet{Track: i % 2, DTS: start + at, PTS: start + at})
			require.Equal(t, at, out.DTS)
			require.Equal(t, at, out.PTS)
		}
	})
}

func TestTracksThatStartApartStayApart(t *testing.T) {
	for name, apart := range map[string]time.Duration{
		"audio 300 ms earlier": -300 * time.Millisecond,
		"audio 300 ms later":   300 * time.Millisecond,
		"audio 5 s later":      5 * time.Second,
		"audio 20 s later":     20 * time.Second,
	} {
		for _, audioComesFirst := range []bool{false, true} {
			var r restamper
			in := [2]time.Duration{time.Hour, time.Hour + apart}
			var out [2]time.Duration
			for i := range 100 {
				track := i % 2
				if audioComesFirst {
					track = 1 - track
				}
				out[track] = r.restamp(Packet{Track: track, DTS: in[track], PTS: in[track]}).PTS
				in[track] += aFrame
			}
			require.Equal(t, apart, out[1]-out[0], name)
		}
	}
}

func TestACutGoesOnRightAfterWhatWasSent(t *testing.T) {
	var r restamper
	for i := range 10 {
		r.restamp(Packet{DTS: time.Duration(i) * aFrame, PTS: time.Duration(i) * aFrame})
	}
	r.cut()
	p := r.restamp(Packet{DTS: time.Hour, PTS: time.Hour})
	require.Equal(t, 10*aFrame, p.DTS)
}

// muxed is a clip of length as a file has it: pictures reordered by delay,
// audio with priming, by DTS.
func muxed(length, delay time.Duration) []Packet {
	const pictures, sounds = 33_333_333, 21_333_333
	var packets []Packet
	for i := time.Duration(0); i*pictures < length; i++ {
		dts := i*pictures - delay
		packets = append(packets, Packet{DTS: dts, PTS: dts + delay, Duration: pictures, Keyframe: i == 0})
	}
	for at := time.Duration(-sounds); at < length; at += sounds {
		packets = append(packets, Packet{Track: 1, DTS: at, PTS: at, Duration: sounds, Keyframe: true})
	}
	slices.SortStableFunc(packets, func(a, b Packet) int { return int(a.DTS - b.DTS) })
	return packets
}

func TestALoopHasNoGapOrOverlapBeyondOneFrame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		length := time.Duration(rapid.Int64Range(int64(time.Second), int64(3*time.Second)).Draw(t, "length"))
		delay := time.Duration(rapid.IntRange(0, 3).Draw(t, "delay")) * 33_333_333
		clip := muxed(length, delay)
		var r restamper
		var w rise
		var shown [2][]time.Duration
		for range 4 {
			r.cut()
			for _, p := range clip {
				if p.Track == 1 && p.PTS+p.Duration <= 0 {
					continue // the feed leaves out what is before the first picture
				}
				if p, ok := w.stamp(r.restamp(p), MediaType(p.Track)); ok {
					shown[p.Track] = append(shown[p.Track], p.PTS)
				}
			}
		}
		require.Zero(t, w.takeDropped())
		for track, frames := range [2]time.Duration{33_333_333, 21_333_333} {
			slices.Sort(shown[track])
			for i := 1; i < len(shown[track]); i++ {
				step := shown[track][i] - shown[track][i-1]
				require.InDelta(t, frames, step, float64(33_333_333+tick), "track %d at %v", track, shown[track][i])
			}
		}
		require.InDelta(t, 4*length, shown[0][len(shown[0])-1], float64(4*34*time.Millisecond+delay))
	})
}

func TestAWrappedClockGoesOnWithoutASeam(t *testing.T) {
	for name, wrap := range map[string]time.Duration{"33 bits of 1/90000 s": wrapTS, "32 bits of 1/1000 s": wrapFLV} {
		var r restamper
		from := wrap - 50*aFrame
		for i := range 200 {
			// Audio comes a aFrame late, and of a packet PTS may wrap before DTS.
			at := from + time.Duration(i/2-i%2)*aFrame
			p := Packet{Track: i % 2, DTS: at % wrap, PTS: (at + 2*aFrame) % wrap}
			out := r.restamp(p)
			require.Equal(t, at-from, out.DTS, name)
			require.Equal(t, 2*aFrame, out.PTS-out.DTS, name)
			position, _ := r.position(out.DTS)
			require.Equal(t, at, position, name)
		}
	}
}

// jumpy is a source whose clock jumps for both tracks at the same moment of
// its content, and whose audio comes skew before or after its video.
type jumpy struct {
	jumps []time.Duration // after every 4 s of content
	skew  time.Duration
	noise time.Duration // added to every other timestamp of the audio
}

type timed struct {
	Packet
	content time.Duration
}

func (j jumpy) packets() []timed {
	var all []timed
	for track, step := range [2]time.Duration{33_333_333, 21_333_333} {
		for at := time.Duration(0); at < time.Duration(len(j.jumps)+1)*4*time.Second; at += step {
			clock := time.Hour + at
			for _, by := range j.jumps[:min(int(at/(4*time.Second)), len(j.jumps))] {
				clock += by
			}
			if track == 1 && len(all)%2 == 0 {
				clock += j.noise
			}
			all = append(all, timed{Packet{Track: track, DTS: clock, PTS: clock, Duration: step}, at})
		}
	}
	slices.SortStableFunc(all, func(a, b timed) int {
		return int(a.content + time.Duration(a.Track)*j.skew - b.content - time.Duration(b.Track)*j.skew)
	})
	return all
}

func drawSkew(t *rapid.T) time.Duration {
	return time.Duration(rapid.Int64Range(-int64(700*time.Millisecond), int64(700*time.Millisecond)).Draw(t, "skew"))
}

func TestJumpsOfBothTracksNeverMoveSoundAwayFromItsPicture(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		jump := rapid.OneOf(
			rapid.Int64Range(-int64(90*time.Minute), -int64(2*time.Second)),
			rapid.Int64Range(int64(12*time.Second), int64(90*time.Minute)))
		j := jumpy{skew: drawSkew(t)}
		for range rapid.IntRange(1, 40).Draw(t, "jumps") {
			j.jumps = append(j.jumps, time.Duration(jump.Draw(t, "jump")))
		}
		var r restamper
		var off [2]time.Duration
		for i, p := range j.packets() {
			out := r.restamp(p.Packet)
			off[p.Track] = out.PTS - p.content
			if i > 100 && (off[0]-off[1]).Abs() > inSync {
				t.Fatalf("%v apart at %v", off[0]-off[1], p.content)
			}
			if off[p.Track].Abs() > time.Duration(1+len(j.jumps))*inSync {
				t.Fatalf("%v off at %v", off[p.Track], p.content)
			}
		}
	})
}

func TestJumpsAroundTheLimitsLeaveBothTracksOnOneOffset(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		jump := rapid.OneOf(
			rapid.Int64Range(-int64(2*time.Second), int64(2*time.Second)),
			rapid.Int64Range(int64(9*time.Second), int64(12*time.Second)))
		j := jumpy{skew: drawSkew(t), noise: 10 * time.Millisecond}
		for range rapid.IntRange(1, 20).Draw(t, "jumps") {
			j.jumps = append(j.jumps, time.Duration(jump.Draw(t, "jump")))
		}
		var r restamper
		var off [2]time.Duration
		for _, p := range j.packets() {
			out := r.restamp(p.Packet)
			off[p.Track] = out.PTS - p.content
			if in := p.content % (4 * time.Second); in > 2900*time.Millisecond && in < 3200*time.Millisecond {
				require.LessOrEqual(t, (off[0] - off[1]).Abs(), inSync+j.noise, "at %v", p.content)
			}
		}
	})
}

func TestAJumpThatIsABreakForOneTrackOnlyLeavesBothOnOneOffset(t *testing.T) {
	for by := -80 * time.Millisecond; by <= 80*time.Millisecond; by += 4 * time.Millisecond {
		for _, limit := range []time.Duration{-maxBackward, maxForward} {
			for _, skew := range []time.Duration{-30 * time.Millisecond, 0, 30 * time.Millisecond} {
				j := jumpy{jumps: []time.Duration{limit + by}, skew: skew}
				var r restamper
				var off [2]time.Duration
				for _, p := range j.packets() {
					off[p.Track] = r.restamp(p.Packet).PTS - p.content
				}
				require.LessOrEqual(t, (off[0] - off[1]).Abs(), inSync, "jump %v, skew %v", j.jumps, skew)
			}
		}
	}
}

func TestASmallStepBackIsToldFromItsStragglers(t *testing.T) {
	for _, skew := range []time.Duration{-400 * time.Millisecond, 0, 400 * time.Millisecond} {
		j := jumpy{jumps: []time.Duration{-700 * time.Millisecond, -900 * time.Millisecond}, skew: skew, noise: 10 * time.Millisecond}
		var r restamper
		for _, p := range j.packets() {
			out := r.restamp(p.Packet)
			require.LessOrEqual(t, (out.PTS - p.content).Abs(), 3*inSync, "skew %v at %v", skew, p.content)
		}
	}
}

func TestStragglersOfATrackThatHasJumpedKeepTheirOldPlace(t *testing.T) {
	var r restamper
	for i := range 50 {
		at := time.Hour + time.Duration(i/2)*aFrame
		r.restamp(Packet{Track: i % 2, DTS: at, PTS: at})
	}
	for i, want := range []time.Duration{25 * aFrame, 26 * aFrame, 25 * aFrame, 27 * aFrame} {
		at := []time.Duration{9 * time.Hour, 9*time.Hour + aFrame, time.Hour + 25*aFrame, 9*time.Hour + 2*aFrame}[i]
		require.Equal(t, want, r.restamp(Packet{DTS: at, PTS: at}).DTS)
	}
}

func TestAClockThatComesBackIsNotTakenForItsStraggler(t *testing.T) {
	var r restamper
	at := time.Hour
	for i := range 200 {
		if i == 50 {
			at = 9 * time.Hour
		} else if i == 150 {
			at = time.Hour + 50*aFrame // where it was left
		}
		require.Equal(t, time.Duration(i)*aFrame, r.restamp(Packet{DTS: at, PTS: at}).DTS)
		at += aFrame
	}
}

func TestTracksOfDifferentClocksBothPlay(t *testing.T) {
	var r restamper
	for i := range 500 {
		at := time.Duration(i/2) * aFrame
		out := r.restamp(Packet{Track: i % 2, DTS: at + time.Duration(i%2)*time.Hour, NoPTS: true})
		require.InDelta(t, at, out.DTS, float64(2*aFrame))
	}
}

func TestMissingTimestampsAreGuessed(t *testing.T) {
	for _, c := range []struct {
		name    string
		strip   func(i int, p *Packet)
		reorder bool
		within  time.Duration
	}{
		{"no DTS", func(_ int, p *Packet) { p.NoDTS, p.DTS = true, 0 }, false, 0},
		{"no PTS", func(_ int, p *Packet) { p.NoPTS, p.PTS = true, 0 }, false, 0},
		{"neither, but in every fifth", func(i int, p *Packet) {
			if i%5 != 0 {
				p.NoDTS, p.NoPTS, p.DTS, p.PTS = true, true, 0, 0
			}
		}, false, 0},
		{"neither, but durations", func(i int, p *Packet) {
			p.NoDTS, p.NoPTS, p.DTS, p.PTS, p.Duration = true, true, 0, 0, aFrame
		}, false, 0},
		{"no DTS, and B-frames", func(_ int, p *Packet) { p.NoDTS, p.DTS = true, 0 }, true, 3 * aFrame},
	} {
		var r restamper
		var first time.Duration
		for i := range 300 {
			at := time.Duration(i) * aFrame
			p := Packet{DTS: at, PTS: at, Duration: aFrame}
			if c.reorder {
				p.PTS = time.Duration(i+[]int{0, 2, -1, -1}[i%4]) * aFrame // I P B B
			}
			pts := p.PTS
			c.strip(i, &p)
			out := r.restamp(p)
			if i == 0 {
				first = out.DTS
			}
			require.LessOrEqual(t, (out.DTS - first - at).Abs(), c.within, "%s at %d", c.name, i)
			require.Equal(t, p.NoPTS, out.NoPTS, c.name)
			if !p.NoPTS {
				require.Equal(t, pts, out.PTS, c.name)
			} else {
				require.Equal(t, out.DTS, out.PTS, c.name)
			}
		}
	}
}

func TestAPTSBelowItsDTSKeepsWhenItIsShown(t *testing.T) {
	var r restamper
	for i := range 100 {
		at := time.Duration(i) * aFrame
		out := r.restamp(Packet{DTS: at + 60*time.Millisecond, PTS: at})
		require.Equal(t, at, out.PTS)
		require.Equal(t, at, out.DTS)
	}
}

func TestAPTSThatCannotBeTrueIsLeftOut(t *testing.T) {
	for _, pts := range []time.Duration{math.MinInt64, -time.Hour, 0, 2 * time.Hour, math.MaxInt64} {
		var r restamper
		out := r.restamp(Packet{DTS: time.Hour, PTS: pts})
		require.True(t, out.NoPTS)
		require.Equal(t, out.DTS, out.PTS)
	}
}

func TestAPositionIsTheSourceTimeOfAnyRecentPacket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r restamper
		type mapped struct{ in, out time.Duration }
		var recent []mapped
		for range rapid.IntRange(1, 14).Draw(t, "segments") {
			r.cut()
			at := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "start"))
			for range rapid.IntRange(1, 30).Draw(t, "packets") {
				recent = append(recent, mapped{at, r.restamp(Packet{DTS: at, PTS: at, Duration: aFrame}).PTS})
				at += aFrame
			}
			for _, m := range recent {
				position, _ := r.position(m.out)
				require.Equal(t, m.in, position)
			}
		}
	})
}
