package clock

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// FuzzTimeline plays any sequence of timestamps through everything between a
// source and the pacer.
func FuzzTimeline(f *testing.F) {
	for _, seed := range timelineSeeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var r Restamper
		i, w := NewInterleaver(2, LiveHold), newWire()
		var top [2]time.Duration // highest DTS that came out of the Restamper
		pushed, popped := 0, 0
		drain := func() {
			for p, ok := i.Pop(); ok; p, ok = i.Pop() {
				popped++
				require.NoError(t, w.send(p))
			}
		}
		for ; len(data) >= timelineStep; data = data[timelineStep:] {
			p, cut := timelinePacket(data)
			if cut {
				r.Cut()
			}
			before := r.Next
			p = r.Restamp(p)
			require.False(t, p.NoDTS)
			require.GreaterOrEqual(t, r.Next, before)
			require.LessOrEqual(t, r.Next-before, MaxApart+MaxForward+maxComposition+MaxFrame, "a packet moves the room's time on by too much")
			r.Position(p.PTS)
			i.Push(p)
			pushed++
			top[p.Track] = max(top[p.Track], p.DTS)
			drain()
			for track := range i.queues {
				l := &i.queues[track]
				require.True(t, l.n == 0 || l.newest-l.first().DTS < LiveHold || i.queues[1-track].n > 0)
			}
		}
		i.Flush()
		drain()
		require.Equal(t, pushed, popped)
		for track := range top {
			require.LessOrEqual(t, w.last[track], top[track]+MaxHurriedVideo)
		}
	})
}

// timelineStep is how many bytes make a packet: flags, composition time and
// duration in signed and unsigned units of 10 ms, and eight bytes of DTS in ns.
const timelineStep = 11

func timelinePacket(b []byte) (p media.Packet, cut bool) {
	flags := b[0]
	dts := time.Duration(binary.LittleEndian.Uint64(b[3:]))
	return media.Packet{
		Track: int(flags & 1), NoDTS: flags&2 != 0, NoPTS: flags&4 != 0, Keyframe: flags&8 != 0,
		DTS: dts, PTS: dts + time.Duration(int8(b[1]))*10*time.Millisecond,
		Duration: time.Duration(b[2]) * 10 * time.Millisecond,
	}, flags&16 != 0
}

func timelineBytes(flags byte, composition int8, dts time.Duration) []byte {
	return binary.LittleEndian.AppendUint64([]byte{flags | 8, byte(composition), 4}, uint64(dts))
}

// timelineSeeds are sources whose clocks wrap, jump, stand still and lack
// timestamps.
func timelineSeeds() [][]byte {
	var wrap, jump, still, none, loop []byte
	for i := range 60 {
		track, step := byte(i%2), time.Duration(i/2)*frame
		wrap = append(wrap, timelineBytes(track, 8, (wrapTS-15*frame+step)%wrapTS)...)
		jump = append(jump, timelineBytes(track, 0, step+time.Duration(i/20)*time.Hour)...)
		still = append(still, timelineBytes(track, -4, time.Hour)...)
		none = append(none, timelineBytes(track|byte(i%4)<<1, 0, step)...)
		flags := track
		if i%20 == 0 {
			flags |= 16
		}
		loop = append(loop, timelineBytes(flags, 0, time.Duration(i%20/2)*frame-frame)...)
	}
	return [][]byte{wrap, jump, still, none, loop}
}
