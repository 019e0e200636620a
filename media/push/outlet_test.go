package push

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakesource"
	"github.com/roomcast/roomcast/media/outlet"
)

// playInto plays into several rooms at once.
func (s *stage) playInto(t *testing.T, rooms ...*fakeRoom) error {
	p := &Pusher{Opener: fakesource.OpenerFunc(s.open), Dialer: rooms[0], Door: rooms[0]}
	ctx, end := context.WithCancelCause(t.Context())
	var configs []outlet.Config
	for _, room := range rooms {
		configs = append(configs, outlet.Config{Dialer: room, Door: room, MayOpen: s.job.MayOpenRoom, Retry: s.job.Retry,
			Meter: s.job.Meter, Log: s.job.Log})
	}
	session := newSession(ctx, p, s.job, configs)
	session.end = end
	defer session.program.Close()
	return session.play(ctx)
}

func TestARoomThatIsAwayStopsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(20 * time.Second))
		var steady, breaks fakeRoom
		breaks.breakAt(5*time.Second, media.KindRoomClosed)
		time.AfterFunc(time.Second, func() {
			gone := &media.Error{Kind: media.KindRoomUnavailable, Op: "publish"}
			breaks.refuses(gone, gone, gone)
		})
		require.NoError(t, s.playInto(t, &steady, &breaks))
		require.Len(t, s.opened, 1, "nor is the source opened for it")
		require.GreaterOrEqual(t, len(steady.got), 19*50, "all, or from the second keyframe on where the other was there first")
		requireInTime(t, steady.got)
		require.Equal(t, 5, breaks.dials)
		requireRising(t, breaks.got)
		for i, p := range breaks.got[1:] {
			if step := p.DTS - breaks.got[i].DTS; step > time.Second/2 {
				require.True(t, p.Keyframe, "it goes on with a keyframe at %v", p.DTS)
				require.Less(t, step, 5*time.Second)
				return
			}
		}
		t.Fatal("it was never away")
	})
}

func TestAPushThatIsRefusedByOneOfItsRoomsGoesOnInTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(5 * time.Second))
		s.job.Retry = noRetry
		var steady fakeRoom
		denied := fakeRoom{dialErrs: []error{&media.Error{Kind: media.KindRoomDenied, Op: "publish"}}}
		require.NoError(t, s.playInto(t, &denied, &steady))
		require.Len(t, steady.got, 5*50)
		require.Empty(t, denied.got)
	})
}
