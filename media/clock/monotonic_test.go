package clock

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func errorf(what string, p media.Packet) error {
	return fmt.Errorf("%s: track %d, DTS %v, PTS %v", what, p.Track, p.DTS, p.PTS)
}

func TestTimesAreRoundedDownToMilliseconds(t *testing.T) {
	var r Monotonic
	p, ok := r.Stamp(media.Packet{DTS: 33_999_999, PTS: 66_999_999}, media.Video)
	require.True(t, ok)
	require.Equal(t, 33*time.Millisecond, p.DTS)
	require.Equal(t, 66*time.Millisecond, p.PTS)
}

func TestEqualTimesAreMovedApartByAMillisecond(t *testing.T) {
	var r Monotonic
	for i := range 10 {
		p, ok := r.Stamp(media.Packet{DTS: frame, PTS: frame}, media.Video)
		require.True(t, ok)
		require.Equal(t, frame+time.Duration(i)*Tick, p.DTS)
		require.Equal(t, p.DTS, p.PTS)
	}
}

func TestAHurriedPictureIsShownWhenItShouldBe(t *testing.T) {
	var r Monotonic
	r.Stamp(media.Packet{DTS: 10 * frame, PTS: 10 * frame}, media.Video)
	p, ok := r.Stamp(media.Packet{DTS: 9 * frame, PTS: 11 * frame}, media.Video)
	require.True(t, ok)
	require.Equal(t, 10*frame+Tick, p.DTS)
	require.Equal(t, 11*frame, p.PTS)
}

func TestVideoThatComesTooLateIsDroppedUpToAKeyframe(t *testing.T) {
	var r Monotonic
	for _, step := range []struct {
		dts  time.Duration
		key  bool
		want bool
	}{
		{2 * time.Second, true, true},
		{1490 * time.Millisecond, false, false},
		{1490 * time.Millisecond, true, false},
		{2040 * time.Millisecond, false, false},
		{2080 * time.Millisecond, true, true},
		{2120 * time.Millisecond, false, true},
	} {
		_, ok := r.Stamp(media.Packet{DTS: step.dts, PTS: step.dts, Keyframe: step.key}, media.Video)
		require.Equal(t, step.want, ok, step.dts)
	}
	require.EqualValues(t, 3, r.TakeDropped())
	require.Zero(t, r.TakeDropped())
}

func TestAudioThatWasHeardAlreadyIsDropped(t *testing.T) {
	var r Monotonic
	_, ok := r.Stamp(media.Packet{Track: 1, DTS: time.Second, PTS: time.Second}, media.Audio)
	require.True(t, ok)
	_, ok = r.Stamp(media.Packet{Track: 1, DTS: 950 * time.Millisecond, PTS: 950 * time.Millisecond}, media.Audio)
	require.False(t, ok)
	_, ok = r.Stamp(media.Packet{Track: 1, DTS: 990 * time.Millisecond, PTS: 990 * time.Millisecond}, media.Audio)
	require.True(t, ok)
}
