package libav

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheEncoderIsMeasuredInTime(t *testing.T) {
	begin := time.Now()
	pixels, err := NewSpeeds(slog.New(slog.DiscardHandler)).Speed()
	require.NoError(t, err)
	// From a slow core under the race detector to one that does not exist.
	require.Greater(t, pixels, int64(1_000_000))
	require.Less(t, pixels, int64(5_000_000_000))
	require.Less(t, time.Since(begin), time.Minute)
	t.Logf("%d million pixels a second in %v", pixels/1_000_000, time.Since(begin))
}
