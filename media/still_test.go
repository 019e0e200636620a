package media

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// sparse is a source of which few pictures are there.
type sparse struct {
	*fakeSource
	keep func(at time.Duration) bool
}

func (s *sparse) ReadPacket() (Packet, error) {
	for {
		p, err := s.fakeSource.ReadPacket()
		if err != nil || p.Track != 0 || s.keep(p.PTS) {
			return p, err
		}
	}
}

// playSparse plays a source of this length, re-encoded.
func (s *stage) playSparse(t *testing.T, info SourceInfo, keep func(at time.Duration) bool) error {
	t.Helper()
	s.job.Options.Transcode = TranscodeAlways
	open := openerFunc(func(ctx context.Context, _ SourceRequest) (Source, error) {
		return &sparse{&fakeSource{ctx: ctx, info: info}, keep}, nil
	})
	return s.playFrom(t.Context(), open, &fakeCoders{})
}

func first(at time.Duration) bool { return at == 0 }

func TestTheSoundOfAPictureThatItsDecoderKeepsIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(nil)
		require.NoError(t, s.playSparse(t, clip(10*time.Second), first))
		requireRising(t, s.room.got)
		require.Len(t, s.room.of(1), 250)
		require.Zero(t, s.job.Meter.Snapshot(time.Now()).DroppedPackets)
		require.True(t, s.room.got[0].Keyframe)
	})
}
