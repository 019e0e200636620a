package media

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func errorf(what string, p Packet) error {
	return fmt.Errorf("%s: track %d, DTS %v, PTS %v", what, p.Track, p.DTS, p.PTS)
}

func TestTimesAreRoundedDownToMilliseconds(t *testing.T) {
	var r rise
	p, ok := r.stamp(Packet{DTS: 33_999_999, PTS: 66_999_999}, Video)
	require.True(t, ok)
	require.Equal(t, 33*time.Millisecond, p.DTS)
	require.Equal(t, 66*time.Millisecond, p.PTS)
}

func TestEqualTimesAreMovedApartByAMillisecond(t *testing.T) {
	var r rise
	for i := range 10 {
		p, ok := r.stamp(Packet{DTS: aFrame, PTS: aFrame}, Video)
		require.True(t, ok)
		require.Equal(t, aFrame+time.Duration(i)*tick, p.DTS)
		require.Equal(t, p.DTS, p.PTS)
	}
}

func TestAHurriedPictureIsShownWhenItShouldBe(t *testing.T) {
	var r rise
	r.stamp(Packet{DTS: 10 * aFrame, PTS: 10 * aFrame}, Video)
	p, ok := r.stamp(Packet{DTS: 9 * aFrame, PTS: 11 * aFrame}, Video)
	require.True(t, ok)
	require.Equal(t, 10*aFrame+tick, p.DTS)
	require.Equal(t, 11*aFrame, p.PTS)
}

func TestVideoThatComesTooLateIsDroppedUpToAKeyframe(t *testing.T) {
	var r rise
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
		_, ok := r.stamp(Packet{DTS: step.dts, PTS: step.dts, Keyframe: step.key}, Video)
		require.Equal(t, step.want, ok, step.dts)
	}
	require.EqualValues(t, 3, r.takeDropped())
	require.Zero(t, r.takeDropped())
}

func TestAudioThatWasHeardAlreadyIsDropped(t *testing.T) {
	var r rise
	_, ok := r.stamp(Packet{Track: 1, DTS: time.Second, PTS: time.Second}, Audio)
	require.True(t, ok)
	_, ok = r.stamp(Packet{Track: 1, DTS: 950 * time.Millisecond, PTS: 950 * time.Millisecond}, Audio)
	require.False(t, ok)
	_, ok = r.stamp(Packet{Track: 1, DTS: 990 * time.Millisecond, PTS: 990 * time.Millisecond}, Audio)
	require.True(t, ok)
}
