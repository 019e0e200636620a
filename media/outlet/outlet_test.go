package outlet

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/clock"
)

// door leads into rooms without rules.
type door struct{ media.Door }

func (door) Rules() media.Rules { return media.Rules{} }

func TestWhatIsHurriedForOneRoomComesToAnotherAtItsTime(t *testing.T) {
	room := Config{Door: door{}, Meter: media.NewMeter(0)}
	g := NewGroup([]Config{room, room}, 0)
	enter := func(o *Outlet) {
		o.conn.Store(&connection{gate: clock.NewStartGate([]media.Track{{Type: media.Video}})})
	}
	key := func(at time.Duration) []media.Packet { return []media.Packet{{PTS: at, DTS: at, Keyframe: true}} }
	enter(g.all[0])
	require.Len(t, g.Stamp(key(time.Second)), 1)
	enter(g.all[1])
	due := g.Stamp(key(700 * time.Millisecond)) // its clock has stepped back
	require.Len(t, due, 1)
	require.Equal(t, time.Second+clock.Tick, due[0].DTS)
	require.Equal(t, time.Second+clock.Tick, g.all[0].due.last().DTS)
	require.Equal(t, 700*time.Millisecond, g.all[1].due.last().DTS)
}
