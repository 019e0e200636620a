package clock

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/roomcast/roomcast/media"
)

// popAll pops what is ready.
func popAll(i *Interleaver) (out []media.Packet) {
	for {
		p, ok := i.Pop()
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
		i := NewInterleaver(2, hold)
		var out []media.Packet
		in := jumpy{jumps: make([]time.Duration, 1), skew: late}.packets()
		for _, p := range in {
			i.Push(p.Packet)
			out = append(out, popAll(i)...)
			for track := range i.queues {
				l := &i.queues[track]
				require.True(t, l.n == 0 || l.newest-l.first().DTS < hold+inSync)
			}
		}
		i.Flush()
		out = append(out, popAll(i)...)
		require.Len(t, out, len(in))
		require.Zero(t, i.bytes)
		for k := 1; k < len(out); k++ {
			require.LessOrEqual(t, out[k-1].DTS, out[k].DTS)
		}
	})
}

func TestASilentTrackIsWaitedForAtMostForHold(t *testing.T) {
	for name, prepare := range map[string]func(*Interleaver){
		"it never starts": func(*Interleaver) {},
		"it goes silent": func(i *Interleaver) {
			i.Push(media.Packet{Track: 1})
			popAll(i)
		},
	} {
		i := NewInterleaver(2, time.Second)
		prepare(i)
		for k := range 100 {
			i.Push(media.Packet{DTS: time.Duration(k+1) * frame})
			popAll(i)
			require.Equal(t, min(k+1, 25), i.queues[0].n, name)
		}
	}
}

func TestAnEndedTrackIsNotWaitedForUntilItComesAgain(t *testing.T) {
	i := NewInterleaver(2, time.Second)
	i.Push(at(1))
	require.Empty(t, popAll(i))
	i.End(1)
	require.Len(t, popAll(i), 1)
	i.Push(media.Packet{Track: 1, DTS: 2 * frame})
	i.Push(at(3))
	require.Len(t, popAll(i), 1, "the picture waits for sound again")
}

func TestATrackThatLeadsIsWaitedForUntilItHasBegun(t *testing.T) {
	i := NewInterleaver(2, time.Second)
	i.queues[0].leads = true
	sound := func(from, to int) {
		for k := from; k < to; k++ {
			i.Push(media.Packet{Track: 1, DTS: time.Duration(k) * frame})
		}
	}
	for range 2 {
		sound(0, 1000)
		require.Empty(t, popAll(i))
		i.Push(media.Packet{})
		require.Len(t, popAll(i), 1+1000-25, "then it is waited for as any other")
		sound(1000, 2000)
		require.Len(t, popAll(i), 1000)
		i.Clear() // another input
	}
}

func TestASingleTrackIsNotHeld(t *testing.T) {
	i := NewInterleaver(1, time.Second)
	i.Push(at(0))
	require.Len(t, popAll(i), 1)
}

func TestAnInterleaverIsBoundedInBytes(t *testing.T) {
	i := NewInterleaver(2, time.Hour)
	for k := range 1000 {
		p := at(k)
		p.Data = make([]byte, 100<<10)
		i.Push(p)
		popAll(i)
		require.LessOrEqual(t, i.bytes, interleaverBytes)
	}
}

func TestAClearedInterleaverIsEmpty(t *testing.T) {
	i := NewInterleaver(2, time.Hour)
	for k := range 20 {
		i.Push(at(k))
	}
	require.Equal(t, 20, i.Clear())
	i.Flush()
	require.Empty(t, popAll(i))
	require.Zero(t, i.bytes)
}

func TestInterleavingAllocatesNothingPerPacket(t *testing.T) {
	i := NewInterleaver(2, FileHold)
	k := 0
	step := func() {
		for range 100 {
			k++
			p := media.Packet{DTS: time.Duration(k) * frame}
			i.Push(p)
			if k > 20 {
				p.DTS -= 20 * frame
				p.Track = 1
				i.Push(p)
			}
			for _, ok := i.Pop(); ok; _, ok = i.Pop() {
			}
		}
	}
	step()
	require.Zero(t, testing.AllocsPerRun(10, step))
}

func at(i int) media.Packet {
	return media.Packet{DTS: time.Duration(i) * frame, Data: make([]byte, 100)}
}
