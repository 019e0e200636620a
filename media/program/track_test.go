package program

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
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
