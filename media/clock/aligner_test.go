package clock

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// popped is the PTS and DTS of what an aligner gives, in frames.
func popped(in *Aligner) (got [][2]int) {
	for p, ok := in.Pop(); ok; p, ok = in.Pop() {
		if p.Track == 0 {
			got = append(got, [2]int{int(p.PTS / frame), int(p.DTS / frame)})
		}
	}
	return got
}

// With B-frames, the first pictures behind a hole have the DTS of those before it
// where these are made of the PTS (Matroska), or the hole was cut (mp4).
func TestAPictureThatIsShownBehindAHoleIsNotDecodedBeforeIt(t *testing.T) {
	for name, c := range map[string]struct{ pictures, want [][2]int }{ // PTS and DTS
		"B-frames":       {[][2]int{{2, 0}, {1, 1}, {4, 2}, {3, 3}}, [][2]int{{2, 0}, {1, 1}, {4, 2}, {3, 3}}},
		"a hole":         {[][2]int{{1, 0}, {100, 1}, {102, 2}, {101, 100}, {104, 101}}, [][2]int{{1, 0}, {100, 100}, {102, 100}, {101, 100}, {104, 101}}},
		"slides":         {[][2]int{{0, 0}, {100, 0}, {50, 50}, {200, 100}, {150, 150}}, [][2]int{{0, 0}, {100, 50}, {50, 50}, {200, 150}, {150, 150}}},
		"DTS that stay":  {[][2]int{{0, 0}, {100, 1}, {101, 2}, {102, 3}, {103, 20}, {104, 40}}, [][2]int{{0, 0}, {100, 1}, {101, 2}, {102, 3}, {103, 20}, {104, 40}}},
		"DTS that stand": {slices.Repeat([][2]int{{0, 0}, {100, 0}}, 12), slices.Repeat([][2]int{{0, 0}, {100, 0}}, 12)},
		"the last one":   {[][2]int{{0, 0}, {100, 1}}, [][2]int{{0, 0}, {100, 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			in := NewAligner([]media.Track{{Type: media.Video}}, false)
			in.lag = 0
			for _, p := range c.pictures {
				in.Push(media.Packet{PTS: time.Duration(p[0]) * frame, DTS: time.Duration(p[1]) * frame})
			}
			got := popped(in)
			require.Equal(t, len(got) < len(c.want), in.Holds())
			in.Flush()
			require.Equal(t, c.want, append(got, popped(in)...))
			require.False(t, in.Holds())
		})
	}
	live := NewAligner([]media.Track{{Type: media.Video}}, true)
	live.Push(media.Packet{})
	live.Push(media.Packet{PTS: 100 * frame, DTS: frame})
	require.Len(t, popped(live), 2, "nothing of a live source waits")
}

func TestWhatWaitsForAnotherTrackIsBoundedInBytes(t *testing.T) {
	const size = 4 << 20
	both := []media.Track{{Type: media.Video}, {Type: media.Audio}}
	for name, c := range map[string]struct {
		tracks []media.Track
		packet media.Packet
	}{
		"pictures that come early":             {both, media.Packet{PTS: time.Hour, Data: make([]byte, size)}},
		"a track for one that may come late":   {both[:1], media.Packet{Data: make([]byte, size)}},
		"decoder configurations without media": {both[:1], media.Packet{Extradata: make([]byte, size)}},
	} {
		t.Run(name, func(t *testing.T) {
			in := NewAligner(c.tracks, false)
			in.Push(media.Packet{})
			held, most := 0, 0
			for range 64 {
				in.Push(c.packet)
				held += size
				for _, ok := in.Pop(); ok; _, ok = in.Pop() {
					held -= size
				}
				most = max(most, held)
			}
			require.LessOrEqual(t, most, 2*interleaverBytes+2*size)
		})
	}
}
