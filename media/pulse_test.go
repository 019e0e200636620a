package media

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestThePulseSaysWhatIsWaitedForAndForHowLongInAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMeter(0)
		require.Equal(t, Pulse{}, m.Pulse(time.Now()))
		begin := time.Now()
		m.waitForSource()
		time.Sleep(time.Second)
		m.waitForSource()
		time.Sleep(time.Second)
		p := m.Pulse(time.Now())
		require.True(t, p.SourceSince.Equal(begin), "a wait that goes on is the same")
		require.Equal(t, 2*time.Second, p.Source)
		m.sourceCame()
		m.sourceCame()
		time.Sleep(time.Second)
		m.sent(time.Now(), sentPacket{})
		p = m.Pulse(time.Now())
		require.Zero(t, p.SourceSince)
		require.Equal(t, 2*time.Second, p.Source)
		require.True(t, p.Sent.Equal(time.Now()))
		m.sourceGives()
		require.Zero(t, m.Pulse(time.Now()).SourceSince, "nobody waits")
		(*Meter)(nil).waitForSource() // a mixer may have none
		(*Meter)(nil).sourceGives()
		(*Meter)(nil).sourceCame()
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
				s.job.Retry = func(Kind) Retry { return Retry{} }
				open := openerFunc(func(ctx context.Context, r SourceRequest) (Source, error) {
					for begin := time.Now(); time.Since(begin) < wait.opening; {
						if err := sleep(ctx, audioFrame); err != nil {
							return nil, err
						}
						r.Came()
					}
					return &lateInIt{inRealTime{&fakeSource{ctx: ctx, info: stream(10 * time.Second)}, time.Now()}, wait.picture, wait.key}, nil
				})
				over := make(chan error, 1)
				go func() { over <- s.playFrom(t.Context(), open, &fakeCoders{}) }()
				for {
					select {
					case err := <-over:
						require.Equal(t, KindSourceEnded, KindOf(err))
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

func (s *lateInIt) ReadPacket() (Packet, error) {
	for {
		p, err := s.inRealTime.ReadPacket()
		p.Keyframe = p.Keyframe && p.DTS >= s.key
		if err != nil || p.Track == 1 || p.DTS >= s.picture {
			return p, err
		}
	}
}
