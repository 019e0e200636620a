package media

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAConnectionThatLastedWithoutAPacketIsNoKick(t *testing.T) {
	var s stay
	now := time.Now()
	for range 2 * kickMany {
		s.begin(now, PublishAddress{})
		now = now.Add(kickSoon)
		require.False(t, s.kickedOut(now))
	}
}

func TestTheWarningOfASignatureSaysWhatComesAfterIt(t *testing.T) {
	now := time.Now()
	for renewable, want := range map[bool]string{true: "a new one is minted", false: "cannot come back"} {
		var s stay
		s.begin(now, PublishAddress{Expires: now.Add(time.Minute), Renewable: renewable})
		message := s.signature(now)
		require.Contains(t, message, want)
	}
}
