package media

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// popAll pops what is ready.
func popAll(i *interleaver) (out []Packet) {
	for {
		p, ok := i.pop()
		if !ok {
			return out
		}
		out = append(out, p)
	}
}

func TestTracksComeOutByDTSWhenNeitherIsLateByMoreThanHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hold := time.Duration(rapid.Int64Range(int64(100*time.Millisecond), int64(time.Second)).Draw(t, "hold"))
		late := time.Duration(rapid.Int64Range(-int64(hold), int64(hold)).Draw(t, "late"))
		i := newInterleaver(2, hold)
		var out []Packet
		in := jumpy{jumps: make([]time.Duration, 1), skew: late}.packets()
		for _, p := range in {
			i.push(p.Packet)
			out = append(out, popAll(i)...)
			for track := range i.lanes {
				l := &i.lanes[track]
				require.True(t, l.n == 0 || l.newest-l.first().DTS < hold+inSync)
			}
		}
		i.flush()
		out = append(out, popAll(i)...)
		require.Len(t, out, len(in))
		require.Zero(t, i.bytes)
		for k := 1; k < len(out); k++ {
			require.LessOrEqual(t, out[k-1].DTS, out[k].DTS)
		}
	})
}

func TestASilentTrackIsWaitedForAtMostForHold(t *testing.T) {
	for name, prepare := range map[string]func(*interleaver){
		"it never starts": func(*interleaver) {},
		"it goes silent": func(i *interleaver) {
			i.push(Packet{Track: 1})
			popAll(i)
		},
	} {
		i := newInterleaver(2, time.Second)
		prepare(i)
		for k := range 100 {
			i.push(Packet{DTS: time.Duration(k+1) * aFrame})
			popAll(i)
			require.Equal(t, min(k+1, 25), i.lanes[0].n, name)
		}
	}
}

func TestAnEndedTrackIsNotWaitedForUntilItComesAgain(t *testing.T) {
	i := newInterleaver(2, time.Second)
	i.push(packetAt(1))
	require.Empty(t, popAll(i))
	i.end(1)
	require.Len(t, popAll(i), 1)
	i.push(Packet{Track: 1, DTS: 2 * aFrame})
	i.push(packetAt(3))
	require.Len(t, popAll(i), 1, "the picture waits for sound again")
}

func TestATrackThatLeadsIsWaitedForUntilItHasBegun(t *testing.T) {
	i := newInterleaver(2, time.Second)
	i.lanes[0].leads = true
	sound := func(from, to int) {
		for k := from; k < to; k++ {
			i.push(Packet{Track: 1, DTS: time.Duration(k) * aFrame})
		}
	}
	for range 2 {
		sound(0, 1000)
		require.Empty(t, popAll(i))
		i.push(Packet{})
		require.Len(t, popAll(i), 1+1000-25, "then it is waited for as any other")
		sound(1000, 2000)
		require.Len(t, popAll(i), 1000)
		i.clear() // another feed
	}
}

func TestASingleTrackIsNotHeld(t *testing.T) {
	i := newInterleaver(1, time.Second)
	i.push(packetAt(0))
	require.Len(t, popAll(i), 1)
}

func TestAnInterleaverIsBoundedInBytes(t *testing.T) {
	i := newInterleaver(2, time.Hour)
	for k := range 1000 {
		p := packetAt(k)
		p.Data = make([]byte, 100<<10)
		i.push(p)
		popAll(i)
		require.LessOrEqual(t, i.bytes, interleaverBytes)
	}
}

func TestAClearedInterleaverIsEmpty(t *testing.T) {
	i := newInterleaver(2, time.Hour)
	for k := range 20 {
		i.push(packetAt(k))
	}
	require.Equal(t, 20, i.clear())
	i.flush()
	require.Empty(t, popAll(i))
	require.Zero(t, i.bytes)
}

func TestInterleavingAllocatesNothingPerPacket(t *testing.T) {
	i := newInterleaver(2, fileHold)
	k := 0
	step := func() {
		for range 100 {
			k++
			p := Packet{DTS: time.Duration(k) * aFrame}
			i.push(p)
			if k > 20 {
				p.DTS -= 20 * aFrame
				p.Track = 1
				i.push(p)
			}
			for _, ok := i.pop(); ok; _, ok = i.pop() {
			}
		}
	}
	step()
	require.Zero(t, testing.AllocsPerRun(10, step))
}

func packetAt(i int) Packet {
	return Packet{DTS: time.Duration(i) * aFrame, Data: make([]byte, 100)}
}
