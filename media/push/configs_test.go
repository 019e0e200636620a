package push

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakesource"
)

// keyless is a source without a picture to begin with.
type keyless struct{ media.Source }

func (s *keyless) ReadPacket() (media.Packet, error) {
	p, err := s.Source.ReadPacket()
	p.Keyframe = p.Keyframe && p.Track != 0
	return p, err
}

func TestASourceWithoutAPictureToBeginWithIsNoneThatWasPlayed(t *testing.T) {
	for name, info := range map[string]media.SourceInfo{
		"a short file": fakesource.Clip(4 * time.Second), "a long file": fakesource.Clip(time.Hour), "a stream": fakesource.Stream(time.Hour),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(nil)
				s.job.Retry = noRetry
				err := s.playFrom(t.Context(), func(ctx context.Context, _ media.SourceRequest) (media.Source, error) {
					return &keyless{&inRealTime{Source: &fakesource.Source{Ctx: ctx, Of: info}, begin: time.Now()}}, nil
				}, nil)
				require.Equal(t, media.KindSourceInvalid, media.KindOf(err), "%v", err)
				require.Empty(t, s.room.got)
			})
		})
	}
}
