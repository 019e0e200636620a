package program

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/bitstream"
)

func TestBlackGoesOnWithAKeyframeAfterAGap(t *testing.T) {
	l := &filledTrack{span: time.Second}
	for i := range 10 {
		at := time.Duration(i) * 100 * time.Millisecond
		l.group = append(l.group, media.Packet{DTS: at, PTS: at, Keyframe: i == 0, Data: []byte{byte(i)}})
	}
	last := time.Duration(-1)
	for _, to := range []time.Duration{0, 350 * time.Millisecond, 5 * time.Second, 9850 * time.Millisecond, 9900 * time.Millisecond} {
		for _, p := range l.until(to) {
			require.Greater(t, p.DTS, last)
			require.LessOrEqual(t, p.DTS, to)
			require.True(t, p.Keyframe || p.DTS-last <= 100*time.Millisecond && p.Data[0] > 0, "after a gap, at %v", p.DTS)
			last = p.DTS
		}
		require.Less(t, to-last, 100*time.Millisecond)
	}
}

func TestWhatATrackCannotDoIsNothingOfIt(t *testing.T) {
	copied := newCopiedTrack(media.Rules{}, media.Track{Type: media.Audio}, bitstream.NewFilter(media.Track{Type: media.Audio}))
	for name, output := range map[string]outputTrack{"copied": copied, "filled": &filledTrack{}, "none": nil} {
		t.Run(name, func(t *testing.T) {
			var track track
			track.become(output)
			require.Nil(t, track.encoded)
			track.encoded.skipBefore(time.Second)
			track.encoded.skipFrom(time.Second)
			track.encoded.makeNothingBefore(time.Second)
			out, err := track.encoded.stand(time.Second)
			require.NoError(t, err)
			require.Empty(t, append(out, track.filled.further(time.Second)...))
			track.close()
			require.Nil(t, track.output)
		})
	}
}
