package hls

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// A playlist's parts need not have both tracks to their ends.
func TestAPartOfAPlaylistBehindADiscontinuityFollowsAllBeforeIt(t *testing.T) {
	const picture, sound = 0, 1
	at := func(track int, seconds float64) media.Packet {
		t := time.Duration(seconds * float64(time.Second))
		return media.Packet{Track: track, PTS: t, DTS: t, Duration: 100 * time.Millisecond}
	}
	for name, c := range map[string]struct {
		before, after []media.Packet
		want          []float64
	}{
		"the sound went on alone":                       {[]media.Packet{at(picture, 0.9), at(sound, 0.9), at(sound, 1.9)}, []media.Packet{at(picture, 500), at(sound, 500)}, []float64{2, 2}},
		"the picture went on alone":                     {[]media.Packet{at(sound, 0.9), at(picture, 1.9)}, []media.Packet{at(sound, 500), at(picture, 500)}, []float64{2, 2}},
		"sound begins with it":                          {[]media.Packet{at(picture, 0.9)}, []media.Packet{at(sound, 500), at(picture, 501)}, []float64{1, 2}},
		"sound begins with it, with the first clock":    {[]media.Packet{at(picture, 0.9)}, []media.Packet{at(sound, 1), at(picture, 1)}, []float64{1, 1}},
		"the other one has gone to the clock already":   {[]media.Packet{at(picture, 0.9), at(sound, 0.9)}, []media.Packet{at(sound, 500.5), at(picture, 500)}, []float64{1, 0.5}},
		"the clock of one of them is taken for wrapped": {[]media.Packet{at(picture, 0.9), at(sound, 0.9)}, []media.Packet{at(sound, 500), at(picture, 500.1+wrap.Seconds())}, []float64{1, 1.1}},
		"the sound has come back to a clock that it had": {
			[]media.Packet{at(picture, 0.9), at(sound, 0.9)}, []media.Packet{at(picture, 61), at(picture, 61.9), at(sound, 2), at(picture, 2.6)}, []float64{1, 1.9, 2, 2.6},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := &timeline{}
			for _, p := range c.before {
				require.Equal(t, p, l.place(p, media.MediaType(p.Track), nil))
			}
			for i, p := range c.after {
				require.InDelta(t, c.want[i], l.place(p, media.MediaType(p.Track), nil).DTS.Seconds(), 0.001, "packet %d", i)
			}
		})
	}
}
