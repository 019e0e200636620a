package media

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// keyless is a source without a picture to begin with.
type keyless struct{ Source }

func (s *keyless) ReadPacket() (Packet, error) {
	p, err := s.Source.ReadPacket()
	p.Keyframe = p.Keyframe && p.Track != 0
	return p, err
}

func TestASourceWithoutAPictureToBeginWithIsNoneThatWasPlayed(t *testing.T) {
	for name, info := range map[string]SourceInfo{
		"a short file": clip(4 * time.Second), "a long file": clip(time.Hour), "a stream": stream(time.Hour),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(nil)
				s.job.Retry = func(Kind) Retry { return Retry{} }
				err := s.playFrom(t.Context(), func(ctx context.Context, _ SourceRequest) (Source, error) {
					return &keyless{&inRealTime{fakeSource: &fakeSource{ctx: ctx, info: info}, begin: time.Now()}}, nil
				}, nil)
				require.Equal(t, KindSourceInvalid, KindOf(err), "%v", err)
				require.Empty(t, s.room.got)
			})
		})
	}
}
