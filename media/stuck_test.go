package media

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// deafSource stops giving packets and obeys nobody until it is let go.
type deafSource struct {
	*fakeSource
	after time.Duration
	letGo chan struct{}
}

func (s *deafSource) ReadPacket() (Packet, error) {
	if s.next >= s.after {
		<-s.letGo
		return Packet{}, context.Canceled
	}
	return s.fakeSource.ReadPacket()
}

func (s *deafSource) Close() error {
	time.Sleep(150 * time.Millisecond)
	return &Error{Kind: KindSourceTooLarge, Op: "close source", Err: ErrStuck}
}

func TestASourceThatCannotBeInterruptedEndsThePush(t *testing.T) {
	for name, c := range map[string]struct {
		stopAt time.Duration // 0: never
		ends   time.Duration
		want   error
	}{
		"when it stalls":     {0, 5*time.Second + stalledAfter, ErrStuck},
		"when it is stopped": {7 * time.Second, 7 * time.Second, ErrStopped},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				letGo := make(chan struct{})
				defer close(letGo)
				opens := 0
				s := newStage(whole(10 * time.Second))
				open := func(ctx context.Context, _ SourceRequest) (Source, error) {
					opens++
					return &deafSource{&fakeSource{info: clip(10 * time.Second), ctx: ctx}, 5 * time.Second, letGo}, nil
				}
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				if c.stopAt > 0 {
					time.AfterFunc(c.stopAt, func() { cancel(ErrStopped) })
				}
				begin := time.Now()
				err := (&Pusher{Opener: openerFunc(open), Dialer: &s.room, Door: &s.room}).Play(ctx, s.job)
				require.ErrorIs(t, err, c.want)
				require.Equal(t, 1, opens, "it is not opened again")
				require.InDelta(t, c.ends.Seconds(), time.Since(begin).Seconds(), 2)
				require.Equal(t, 1, s.room.closes)
			})
		})
	}
}
