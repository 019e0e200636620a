package clock

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/roomcast/roomcast/media"
)

const (
	inSync = 40 * time.Millisecond
	frame  = 40 * time.Millisecond
)

// anyPacket draws a packet whose timestamps may be anything.
func anyPacket(t *rapid.T) media.Packet {
	at := time.Duration(rapid.Int64Range(-int64(time.Hour), int64(100*time.Hour)).Draw(t, "dts"))
	if rapid.IntRange(0, 50).Draw(t, "huge") == 0 {
		at = time.Duration(rapid.Int64().Draw(t, "any dts"))
	}
	return media.Packet{
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
		for _, first := range []media.MediaType{media.Video, media.Audio} {
			t.Run(name+", the first is of the "+media.WordFor(first), func(t *testing.T) {
				var r Restamper
				var last [2]time.Duration
				part := func(from time.Duration, by [2]time.Duration, lead int) {
					for i := range 50 {
						for _, kind := range []media.MediaType{first, 1 - first} {
							at := from + time.Duration(i)*frame
							if kind != first && i < lead { // it comes late
								continue
							}
							p := r.Restamp(media.Packet{Track: int(kind), PTS: at + by[kind], DTS: at + by[kind], Duration: frame})
							last[kind] = p.PTS
						}
					}
				}
				part(200*time.Second, [2]time.Duration{}, 0)
				part(102*time.Second, by, 8)
				require.Equal(t, 100*frame-frame, last[first])
				require.Equal(t, last[first], last[1-first])
			})
		}
	}
}

func TestTheRoomsTimestampsRiseWhateverTheSourceDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r Restamper
		w := newWire()
		for range rapid.IntRange(1, 200).Draw(t, "packets") {
			if rapid.IntRange(0, 20).Draw(t, "cut") == 0 {
				r.Cut()
			}
			p := r.Restamp(anyPacket(t))
			require.False(t, p.NoDTS)
			require.NoError(t, w.send(p))
		}
	})
}

// wire is rise with its promises checked.
type wire struct {
	rise Monotonic
	last [2]time.Duration
}

func newWire() *wire { return &wire{last: [2]time.Duration{-1, -1}} }

func (w *wire) send(p media.Packet) error {
	out, ok := w.rise.Stamp(p, media.MediaType(p.Track))
	if !ok {
		return nil
	}
	limit := MaxHurriedVideo
	if p.Track == int(media.Audio) {
		limit = maxHurriedAudio
	}
	switch {
	case out.DTS <= w.last[p.Track]:
		return errorf("DTS does not rise", out)
	case out.PTS < out.DTS, out.NoPTS, out.NoDTS:
		return errorf("PTS below DTS", out)
	case out.DTS < 0, out.DTS%Tick != 0, out.PTS%Tick != 0:
		return errorf("not a room's time", out)
	case p.DTS >= 0 && (out.DTS <= p.DTS-Tick || out.DTS > p.DTS+limit):
		return errorf("away from its true time", out)
	}
	w.last[p.Track] = out.DTS
	return nil
}

func TestARegularSourceKeepsItsDistances(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r Restamper
		start := time.Duration(rapid.Int64Range(-int64(time.Second), int64(30*time.Hour)).Draw(t, "start"))
		for i := range 300 {
			at := time.Duration(i) * 21333 * time.Microsecond
			out := r.Restamp(media.Packet{Track: i % 2, DTS: start + at, PTS: start + at})
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
			var r Restamper
			in := [2]time.Duration{time.Hour, time.Hour + apart}
			var out [2]time.Duration
			for i := range 100 {
				track := i % 2
				if audioComesFirst {
					track = 1 - track
				}
				out[track] = r.Restamp(media.Packet{Track: track, DTS: in[track], PTS: in[track]}).PTS
				in[track] += frame
			}
			require.Equal(t, apart, out[1]-out[0], name)
		}
	}
}

func TestACutGoesOnRightAfterWhatWasSent(t *testing.T) {
	var r Restamper
	for i := range 10 {
		r.Restamp(media.Packet{DTS: time.Duration(i) * frame, PTS: time.Duration(i) * frame})
	}
	r.Cut()
	p := r.Restamp(media.Packet{DTS: time.Hour, PTS: time.Hour})
	require.Equal(t, 10*frame, p.DTS)
}

// muxed is a clip of length as a file has it: pictures reordered by delay,
// audio with priming, by DTS.
func muxed(length, delay time.Duration) []media.Packet {
	const pictures, sounds = 33_333_333, 21_333_333
	var packets []media.Packet
	for i := time.Duration(0); i*pictures < length; i++ {
		dts := i*pictures - delay
		packets = append(packets, media.Packet{DTS: dts, PTS: dts + delay, Duration: pictures, Keyframe: i == 0})
	}
	for at := time.Duration(-sounds); at < length; at += sounds {
		packets = append(packets, media.Packet{Track: 1, DTS: at, PTS: at, Duration: sounds, Keyframe: true})
	}
	slices.SortStableFunc(packets, func(a, b media.Packet) int { return int(a.DTS - b.DTS) })
	return packets
}

func TestALoopHasNoGapOrOverlapBeyondOneFrame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		length := time.Duration(rapid.Int64Range(int64(time.Second), int64(3*time.Second)).Draw(t, "length"))
		delay := time.Duration(rapid.IntRange(0, 3).Draw(t, "delay")) * 33_333_333
		clip := muxed(length, delay)
		var r Restamper
		var w Monotonic
		var shown [2][]time.Duration
		for range 4 {
			r.Cut()
			for _, p := range clip {
				if p.Track == 1 && p.PTS+p.Duration <= 0 {
					continue // the input leaves out what is before the first picture
				}
				if p, ok := w.Stamp(r.Restamp(p), media.MediaType(p.Track)); ok {
					shown[p.Track] = append(shown[p.Track], p.PTS)
				}
			}
		}
		require.Zero(t, w.TakeDropped())
		for track, frames := range [2]time.Duration{33_333_333, 21_333_333} {
			slices.Sort(shown[track])
			for i := 1; i < len(shown[track]); i++ {
				step := shown[track][i] - shown[track][i-1]
				require.InDelta(t, frames, step, float64(33_333_333+Tick), "track %d at %v", track, shown[track][i])
			}
		}
		require.InDelta(t, 4*length, shown[0][len(shown[0])-1], float64(4*34*time.Millisecond+delay))
	})
}

func TestAWrappedClockGoesOnWithoutASeam(t *testing.T) {
	for name, wrap := range map[string]time.Duration{"33 bits of 1/90000 s": wrapTS, "32 bits of 1/1000 s": wrapFLV} {
		var r Restamper
		from := wrap - 50*frame
		for i := range 200 {
			// Audio comes a aFrame late, and of a packet PTS may wrap before DTS.
			at := from + time.Duration(i/2-i%2)*frame
			p := media.Packet{Track: i % 2, DTS: at % wrap, PTS: (at + 2*frame) % wrap}
			out := r.Restamp(p)
			require.Equal(t, at-from, out.DTS, name)
			require.Equal(t, 2*frame, out.PTS-out.DTS, name)
			position, _ := r.Position(out.DTS)
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
	media.Packet
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
			all = append(all, timed{media.Packet{Track: track, DTS: clock, PTS: clock, Duration: step}, at})
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
		var r Restamper
		var off [2]time.Duration
		for i, p := range j.packets() {
			out := r.Restamp(p.Packet)
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
		var r Restamper
		var off [2]time.Duration
		for _, p := range j.packets() {
			out := r.Restamp(p.Packet)
			off[p.Track] = out.PTS - p.content
			if in := p.content % (4 * time.Second); in > 2900*time.Millisecond && in < 3200*time.Millisecond {
				require.LessOrEqual(t, (off[0] - off[1]).Abs(), inSync+j.noise, "at %v", p.content)
			}
		}
	})
}

func TestAJumpThatIsABreakForOneTrackOnlyLeavesBothOnOneOffset(t *testing.T) {
	for by := -80 * time.Millisecond; by <= 80*time.Millisecond; by += 4 * time.Millisecond {
		for _, limit := range []time.Duration{-MaxBackward, MaxForward} {
			for _, skew := range []time.Duration{-30 * time.Millisecond, 0, 30 * time.Millisecond} {
				j := jumpy{jumps: []time.Duration{limit + by}, skew: skew}
				var r Restamper
				var off [2]time.Duration
				for _, p := range j.packets() {
					off[p.Track] = r.Restamp(p.Packet).PTS - p.content
				}
				require.LessOrEqual(t, (off[0] - off[1]).Abs(), inSync, "jump %v, skew %v", j.jumps, skew)
			}
		}
	}
}

func TestASmallStepBackIsToldFromItsStragglers(t *testing.T) {
	for _, skew := range []time.Duration{-400 * time.Millisecond, 0, 400 * time.Millisecond} {
		j := jumpy{jumps: []time.Duration{-700 * time.Millisecond, -900 * time.Millisecond}, skew: skew, noise: 10 * time.Millisecond}
		var r Restamper
		for _, p := range j.packets() {
			out := r.Restamp(p.Packet)
			require.LessOrEqual(t, (out.PTS - p.content).Abs(), 3*inSync, "skew %v at %v", skew, p.content)
		}
	}
}

func TestStragglersOfATrackThatHasJumpedKeepTheirOldPlace(t *testing.T) {
	var r Restamper
	for i := range 50 {
		at := time.Hour + time.Duration(i/2)*frame
		r.Restamp(media.Packet{Track: i % 2, DTS: at, PTS: at})
	}
	for i, want := range []time.Duration{25 * frame, 26 * frame, 25 * frame, 27 * frame} {
		at := []time.Duration{9 * time.Hour, 9*time.Hour + frame, time.Hour + 25*frame, 9*time.Hour + 2*frame}[i]
		require.Equal(t, want, r.Restamp(media.Packet{DTS: at, PTS: at}).DTS)
	}
}

func TestAClockThatComesBackIsNotTakenForItsStraggler(t *testing.T) {
	var r Restamper
	at := time.Hour
	for i := range 200 {
		if i == 50 {
			at = 9 * time.Hour
		} else if i == 150 {
			at = time.Hour + 50*frame // where it was left
		}
		require.Equal(t, time.Duration(i)*frame, r.Restamp(media.Packet{DTS: at, PTS: at}).DTS)
		at += frame
	}
}

func TestTracksOfDifferentClocksBothPlay(t *testing.T) {
	var r Restamper
	for i := range 500 {
		at := time.Duration(i/2) * frame
		out := r.Restamp(media.Packet{Track: i % 2, DTS: at + time.Duration(i%2)*time.Hour, NoPTS: true})
		require.InDelta(t, at, out.DTS, float64(2*frame))
	}
}

func TestMissingTimestampsAreGuessed(t *testing.T) {
	for _, c := range []struct {
		name    string
		strip   func(i int, p *media.Packet)
		reorder bool
		within  time.Duration
	}{
		{"no DTS", func(_ int, p *media.Packet) { p.NoDTS, p.DTS = true, 0 }, false, 0},
		{"no PTS", func(_ int, p *media.Packet) { p.NoPTS, p.PTS = true, 0 }, false, 0},
		{"neither, but in every fifth", func(i int, p *media.Packet) {
			if i%5 != 0 {
				p.NoDTS, p.NoPTS, p.DTS, p.PTS = true, true, 0, 0
			}
		}, false, 0},
		{"neither, but durations", func(i int, p *media.Packet) {
			p.NoDTS, p.NoPTS, p.DTS, p.PTS, p.Duration = true, true, 0, 0, frame
		}, false, 0},
		{"no DTS, and B-frames", func(_ int, p *media.Packet) { p.NoDTS, p.DTS = true, 0 }, true, 3 * frame},
	} {
		var r Restamper
		var first time.Duration
		for i := range 300 {
			at := time.Duration(i) * frame
			p := media.Packet{DTS: at, PTS: at, Duration: frame}
			if c.reorder {
				p.PTS = time.Duration(i+[]int{0, 2, -1, -1}[i%4]) * frame // I P B B
			}
			pts := p.PTS
			c.strip(i, &p)
			out := r.Restamp(p)
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
	var r Restamper
	for i := range 100 {
		at := time.Duration(i) * frame
		out := r.Restamp(media.Packet{DTS: at + 60*time.Millisecond, PTS: at})
		require.Equal(t, at, out.PTS)
		require.Equal(t, at, out.DTS)
	}
}

func TestAPTSThatCannotBeTrueIsLeftOut(t *testing.T) {
	for _, pts := range []time.Duration{math.MinInt64, -time.Hour, 0, 2 * time.Hour, math.MaxInt64} {
		var r Restamper
		out := r.Restamp(media.Packet{DTS: time.Hour, PTS: pts})
		require.True(t, out.NoPTS)
		require.Equal(t, out.DTS, out.PTS)
	}
}

func TestAPositionIsTheSourceTimeOfAnyRecentPacket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r Restamper
		type mapped struct{ in, out time.Duration }
		var recent []mapped
		for range rapid.IntRange(1, 14).Draw(t, "segments") {
			r.Cut()
			at := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "start"))
			for range rapid.IntRange(1, 30).Draw(t, "packets") {
				recent = append(recent, mapped{at, r.Restamp(media.Packet{DTS: at, PTS: at, Duration: frame}).PTS})
				at += frame
			}
			for _, m := range recent {
				position, _ := r.Position(m.out)
				require.Equal(t, m.in, position)
			}
		}
	})
}

// BenchmarkRestamp gives a push's packets the room's times, picture and sound in turn.
func BenchmarkRestamp(b *testing.B) {
	var r Restamper
	p := media.Packet{Duration: frame}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		p.Track = n % 2
		p.PTS = time.Duration(n/2) * frame
		p.DTS = p.PTS
		r.Restamp(p)
	}
}
