package rtmp

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func TestTheEndOfASessionIsToldToWhoDoesNotWrite(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(*room)
		kind media.Kind
	}{
		"the room says why":       {func(r *room) { _ = r.status("error", "NetStream.Publish.Kicked", "the same user came again") }, media.KindRoomKicked},
		"the room only closes it": {func(*room) {}, media.KindRoomClosed},
	} {
		t.Run(name, func(t *testing.T) {
			end := make(chan struct{})
			p := open(t, &Dialer{}, func(r *room) {
				if r.header() == nil {
					<-end
					c.end(r)
				}
			})
			require.NoError(t, write(context.Background(), p))
			select {
			case <-p.Done():
				t.Fatal("it has not ended")
			default:
			}
			close(end)
			select {
			case <-p.Done():
			case <-time.After(10 * time.Second):
				t.Fatal("nothing is told")
			}
			require.Equal(t, c.kind, media.KindOf(write(context.Background(), p)))
			require.Equal(t, write(context.Background(), p), write(context.Background(), p, media.Packet{}))
		})
	}
}

func TestOurOwnCloseIsNoEndByTheRoom(t *testing.T) {
	p := open(t, &Dialer{}, func(r *room) { _, _ = r.until("deleteStream") })
	require.NoError(t, p.Close(context.Background()))
	<-p.Done()
	require.NoError(t, write(context.Background(), p))
}
