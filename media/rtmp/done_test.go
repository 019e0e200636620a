package rtmp

import (
	"context"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/stretchr/testify/require"
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
			require.NoError(t, p.Err())
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
			require.Equal(t, c.kind, media.KindOf(p.Err()))
			require.Equal(t, p.Err(), p.WritePacket(context.Background(), media.Packet{}))
		})
	}
}

func TestOurOwnCloseIsNoEndByTheRoom(t *testing.T) {
	p := open(t, &Dialer{}, func(r *room) { _, _ = r.until("deleteStream") })
	require.NoError(t, p.Close(context.Background()))
	<-p.Done()
	require.NoError(t, p.Err())
}
