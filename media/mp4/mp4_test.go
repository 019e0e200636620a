package mp4

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media/offheap"
)

func words(values ...uint32) (b []byte) {
	for _, v := range values {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

// What libav mends in tables, or reads in a way of its own, is left to it.
func TestTablesThatLibavMendsAreNotPlain(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*tables)
		want   bool
	}{
		"plain":                                {func(*tables) {}, true},
		"chunks of several lengths":            {func(t *tables) { t.samples = words(1, 1, 1, 2, 3, 1) }, true},
		"a run of no samples":                  {func(t *tables) { t.steps = words(2, 1, 0, 7, 2, 1) }, false},
		"a distance of no samples":             {func(t *tables) { t.shifts = words(2, 1, 0, 7, 2, 1) }, false},
		"too few durations":                    {func(t *tables) { t.steps = words(3, 1) }, false},
		"two lengths of the same chunk":        {func(t *tables) { t.samples = words(1, 2, 1, 1, 2, 1) }, false},
		"chunks whose lengths are in no order": {func(t *tables) { t.samples = words(1, 2, 1, 5, 1, 1, 2, 2, 1) }, false},
		"a keyframe that does not come":        {func(t *tables) { t.allKeys, t.keys = false, words(1, 5) }, false},
	} {
		track := &tables{
			Track: &Track{Scale: 1}, film: 1, count: 4, sizes: words(1, 1, 1, 1), chunks: words(0, 4), samples: words(1, 2, 1), steps: words(4, 1), allKeys: true,
		}
		track.edit.length = math.MaxInt64
		c.change(track)
		var memory offheap.Memory
		defer memory.Free()
		_, err := pack([]*tables{track}, 8, &memory)
		require.Equal(t, c.want, err == nil, name)
	}
}

// However samples lie and last, cursors tell the same of them as the tables, also of more than
// one block's and of more paces than have numbers.
func TestSamplesAreThoseOfTheTables(t *testing.T) {
	const samples, most = 40_000, 100_000
	for _, tracks := range []int{1, 2, 5} {
		random := rand.New(rand.NewPCG(1, uint64(tracks)))
		value := func(values int) uint32 { return uint32(1 + random.IntN(values)) }
		var all []*tables
		for range tracks {
			table := &tables{Track: &Track{Scale: 1}, film: 1, count: samples, samples: words(1, 1, 1), keys: words(1, samples)}
			table.edit.length = math.MaxInt64
			for i := range samples {
				table.sizes = append(table.sizes, words(value(most))...)
				at := uint32(i) * most
				if random.IntN(100) == 0 {
					at = value(samples * most)
				}
				table.chunks = append(table.chunks, words(at)...)
				table.steps = append(table.steps, words(1, value(1+i/100))...)
				table.shifts = append(table.shifts, words(1, -value(3))...)
			}
			all = append(all, table)
		}
		var memory offheap.Memory
		defer memory.Free()
		packed, err := pack(all, samples*most*2, &memory)
		require.NoError(t, err)
		for i, track := range packed {
			w, c := all[i].begin(), track.Begin()
			for w.take() {
				s, ok := c.Next()
				require.True(t, ok && s == w.next, "track %d, sample %d: %v, %v", i, w.taken, s, w.next)
			}
			_, more := c.Next()
			require.True(t, w.over() && !more)
		}
	}
}

// Tracks that lie in the same place of a file take more to tell of than their tables have.
func TestSamplesThatTakeMoreThanTablesMayAreNotPlain(t *testing.T) {
	const tracks, samples = 16, 500_000
	sizes := bytes.Repeat(words(mostSample, mostSample-1), samples/2)
	var all []*tables
	for range tracks {
		table := &tables{
			Track: &Track{Scale: 1}, film: 1, count: samples, sizes: sizes, chunks: words(0), samples: words(1, samples, 1), steps: words(samples, 1), allKeys: true,
		}
		table.edit.length = math.MaxInt64
		all = append(all, table)
	}
	var memory offheap.Memory
	defer memory.Free()
	_, err := pack(all, math.MaxInt64, &memory)
	require.ErrorIs(t, err, ErrNotPlain)
	require.LessOrEqual(t, len(memory), mostTables/blockBytes+1)
}

// What is not there is looked for once, however many tracks there are.
func TestASampleIsFoundInWhicheverTrackHasIt(t *testing.T) {
	var all []*tables
	for i := range uint32(3) {
		table := &tables{Track: &Track{Scale: 1}, film: 1, count: 2, sizes: words(1, 1), chunks: words(i, 10-i), samples: words(1, 1, 1), steps: words(2, 1), allKeys: true}
		table.edit.length = math.MaxInt64
		all = append(all, table)
	}
	var memory offheap.Memory
	defer memory.Free()
	tracks, err := pack(all, 20, &memory)
	require.NoError(t, err)
	for i, track := range tracks {
		for n, offset := range []int64{int64(i), int64(10 - i)} {
			of, c := Find(tracks, offset)
			require.Same(t, track, of)
			s, _ := c.Next()
			require.Equal(t, Sample{Offset: offset, Size: 1, DTS: int64(n), Duration: 1, Keyframe: true}, s)
		}
	}
	of, _ := Find(tracks, 5)
	require.Nil(t, of)
}
