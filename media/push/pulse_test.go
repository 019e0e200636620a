package push

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakesource"
	"github.com/roomcast/roomcast/media/retry"
)

func TestThePulseSaysWhatIsWaitedForAndForHowLongInAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := media.NewMeter(0)
		require.Equal(t, media.Pulse{}, m.Pulse(time.Now()))
		begin := time.Now()
		m.WaitForSource()
		time.Sleep(time.Second)
		m.WaitForSource()
		time.Sleep(time.Second)
		p := m.Pulse(time.Now())
		require.True(t, p.SourceSince.Equal(begin), "a wait that goes on is the same")
		require.Equal(t, 2*time.Second, p.Source)
		m.SourceCame()
		m.SourceCame()
		time.Sleep(time.Second)
		m.Sent(time.Now(), media.SentPacket{})
		p = m.Pulse(time.Now())
		require.Zero(t, p.SourceSince)
		require.Equal(t, 2*time.Second, p.Source)
		require.True(t, p.Sent.Equal(time.Now()))
		m.SourceGives()
		require.Zero(t, m.Pulse(time.Now()).SourceSince, "nobody waits")
		(*media.Meter)(nil).WaitForSource() // a program may have none
		(*media.Meter)(nil).SourceGives()
		(*media.Meter)(nil).SourceCame()
	})
}

// A live source's sound comes while its picture is waited for: in the opening of
// it, and in the looking at what it gives.
func TestASourceThatGivesSoundWhileItsPictureIsWaitedForIsNotSilent(t *testing.T) {
	for name, wait := range map[string]struct{ opening, picture, key time.Duration }{
		"opened": {opening: 8 * time.Second}, "looked at": {picture: 4 * time.Second}, "without a keyframe": {key: 6 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(nil)
				s.job.Retry = noRetry
				open := fakesource.OpenerFunc(func(ctx context.Context, r media.SourceRequest) (media.Source, error) {
					for begin := time.Now(); time.Since(begin) < wait.opening; {
						if err := retry.Sleep(ctx, fakesource.AudioFrame); err != nil {
							return nil, err
						}
						r.Came()
					}
					return &lateInIt{inRealTime{&fakesource.Source{Ctx: ctx, Of: fakesource.Stream(10 * time.Second)}, time.Now()}, wait.picture, wait.key}, nil
				})
				over := make(chan error, 1)
				go func() { over <- s.playFrom(t.Context(), open, &fakeCoders{}) }()
				for {
					select {
					case err := <-over:
						require.Equal(t, media.KindSourceEnded, media.KindOf(err))
						require.NotEmpty(t, s.room.of(0))
						return
					case <-time.After(100 * time.Millisecond):
						if since := s.job.Meter.Pulse(time.Now()).SourceSince; !since.IsZero() {
							require.Less(t, time.Since(since), time.Second)
						}
					}
				}
			})
		})
	}
}

// lateInIt gives no picture before one position, and no keyframe before another.
type lateInIt struct {
	inRealTime
	picture, key time.Duration
}

func (s *lateInIt) ReadPacket() (media.Packet, error) {
	for {
		p, err := s.inRealTime.ReadPacket()
		p.Keyframe = p.Keyframe && p.DTS >= s.key
		if err != nil || p.Track == 1 || p.DTS >= s.picture {
			return p, err
		}
	}
}
