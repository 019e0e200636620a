package outlet

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func TestAConnectionThatLastedWithoutAPacketIsNoKick(t *testing.T) {
	var s roomSession
	now := time.Now()
	for range 2 * kickMany {
		s.begin(now, media.PublishAddress{})
		now = now.Add(kickSoon)
		require.False(t, s.kickedOut(now))
	}
}

func TestARoomThatFailsInBetweenHasNoOtherPublisher(t *testing.T) {
	for kind, want := range map[media.Kind]bool{media.KindRoomUnavailable: false, media.KindRoomConflict: true} {
		var s roomSession
		now, kicked := time.Now(), false
		for range kickMany {
			s.refused(kind)
			s.begin(now, media.PublishAddress{})
			kicked = s.kickedOut(now)
		}
		require.Equal(t, want, kicked, kind)
	}
}

func TestTheWarningOfASignatureSaysWhatComesAfterIt(t *testing.T) {
	now := time.Now()
	for renewable, want := range map[bool]string{true: "a new one is minted", false: "cannot come back"} {
		var s roomSession
		s.begin(now, media.PublishAddress{Expires: now.Add(time.Minute), Renewable: renewable})
		message := s.signature(now)
		require.Contains(t, message, want)
	}
}
