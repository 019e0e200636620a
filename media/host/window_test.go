package host

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net"
	"testing"

	"github.com/roomcast/roomcast/media"
	"github.com/stretchr/testify/require"
)

func randomBytes(n int) []byte {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // as good as any
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

func TestDataIsFoundWhereItStandsAlsoAcrossWhatWasLeft(t *testing.T) {
	text := randomBytes(4000)
	var host, worker window
	for _, w := range []*window{&host, &worker} {
		w.add(1000, text[:2000])
	}
	at, ok := host.find(text[100:1500], 1100-mostBefore)
	require.True(t, ok)
	require.EqualValues(t, 1100, at)
	require.Equal(t, text[100:1500], worker.bytes(at, 1400))

	require.Equal(t, 500, host.unfound())
	for _, w := range []*window{&host, &worker} {
		w.leave(500)
		w.add(3000, text[2000:])
	}
	for from, to := range map[int]int{1500: 1700, 1600: 2000, 1700: 2500, 2000: 2100, 3900: 4000} {
		at, ok := host.find(text[from:to], int64(1000+from))
		require.True(t, ok, "%d to %d", from, to)
		require.EqualValues(t, 1000+from, at)
		require.Equal(t, text[from:to], worker.bytes(at, to-from))
	}
}

func TestDataIsNotFoundThatIsNotThereAsItIs(t *testing.T) {
	text := randomBytes(2000)
	var w window
	w.add(0, text[:1000])
	w.leave(100)
	w.add(1000, text[1000:])
	other := bytes.Clone(text[950:1200])
	other[200]++
	for name, c := range map[string]struct {
		data     []byte
		position int64
	}{
		"before what was left":           {text[850:1050], 850},
		"further behind":                 {text[1300:1400], 1300 - mostBefore - 1},
		"before its position":            {text[1300:1400], 1301},
		"longer than what is there":      {append(bytes.Clone(text[1900:]), 0), 1900},
		"with another byte":              {other, 950},
		"so little that its place is as": {text[1300 : 1300+leastPlaced-1], 1300},
		"at a position before all":       {text[1300:1400], -1 << 62},
		"at a position behind all":       {text[1300:1400], 1 << 62},
	} {
		_, ok := w.find(c.data, c.position)
		require.False(t, ok, name)
	}
}

func TestAWindowGivesNothingThatIsNotInIt(t *testing.T) {
	var w window
	w.add(0, randomBytes(1000))
	w.leave(100)
	w.add(1000, randomBytes(1000))
	require.NotNil(t, w.bytes(900, 1100))
	for _, c := range [][2]int64{{899, 10}, {-1, 10}, {1900, 101}, {2001, 1}, {2000, 1}, {950, 0}, {950, -1}, {-1 << 63, 1}, {1<<63 - 1, 1}, {1000, 1<<63 - 1}} {
		require.Nil(t, w.bytes(c[0], int(c[1])), "%d bytes at %d", c[1], c[0])
	}
}

func TestAWindowThatMovesElsewhereLeavesNothing(t *testing.T) {
	text := randomBytes(1000)
	var w window
	w.add(0, text)
	_, ok := w.find(text[:900], 0)
	require.True(t, ok)
	w.leave(w.unfound())
	w.add(5000, text)
	require.Nil(t, w.bytes(4990, 20))
	require.Zero(t, w.unfound())

	large := randomBytes(mostLeft + 1000)
	w.add(6000, large)
	_, ok = w.find(large[:100], 6000)
	require.True(t, ok)
	require.Zero(t, w.unfound(), "too much is left for it to stay")
	w.leave(mostLeft + 1)
	require.Empty(t, w.left)
}

func TestFewPacketsDoNotKeepAllThatWasRead(t *testing.T) {
	const size = 10000
	for name, c := range map[string]struct {
		wanted byte
		count  int
		part   bool // they are part of what was read
	}{"few": {100, 3, false}, "many": {100, 4, true}, "before it is read to its end": {0, 4, false}} {
		t.Run(name, func(t *testing.T) {
			text := randomBytes(4 * mostKeeps * size)
			var host window
			host.add(0, text)
			payload := append([]byte{c.wanted, 0, 0, 0}, byte(c.count))
			for i := range c.count {
				var err error
				payload, err = appendPacket(payload, &media.Packet{Offset: int64(i * size), Data: text[i*size:][:size]}, &host)
				require.NoError(t, err)
			}
			s := hearing(t, 1)
			s.window.add(0, text)
			require.NoError(t, s.take(payload))
			for i, p := range s.packets {
				require.Equal(t, text[i*size:][:size], p.Data)
				require.Equal(t, c.part, &p.Data[0] == &text[i*size])
			}
		})
	}
}

func TestNoTwoPacketsAreTheSameMemory(t *testing.T) {
	text := randomBytes(2000)
	var w window
	w.add(0, text)
	first := w.bytes(500, 200)
	require.True(t, &first[0] == &text[500])
	for _, at := range []int64{500, 699, 100} {
		again := w.bytes(at, 200)
		require.Equal(t, text[at:at+200], again)
		require.False(t, &again[0] == &text[at], "at %d", at)
	}
	behind := w.bytes(700, 200)
	require.True(t, &behind[0] == &text[700])
}

// repeating is a source of packets that all have the same data.
type repeating struct {
	media.Source
	data []byte
}

func (r repeating) ReadPacket() (media.Packet, error) { return media.Packet{Data: r.data}, nil }

func TestPacketsOfTheSamePlaceFillABatchAsAllOthers(t *testing.T) {
	here, there, err := socketPair()
	require.NoError(t, err)
	defer func() { _ = here.Close() }()
	f, err := net.FileConn(there)
	require.NoError(t, errors.Join(err, there.Close()))
	defer func() { _ = f.Close() }()
	data := randomBytes(100 << 10)
	s := servedSource{session: &session{conn: newConn(here)}, Source: repeating{data: data}, bytes: &fetched{}, recycle: func([]byte) {}}
	s.bytes.window.add(0, data)
	require.NoError(t, s.read())
	_, payload, err := newConn(f).receive(fresh)
	require.NoError(t, err)
	worker := hearing(t, 1)
	worker.window.add(0, data)
	require.NoError(t, worker.take(payload))
	require.Len(t, worker.packets, batchBytes/len(data)+1)
}

func TestBothEndsOfASessionHaveTheSameWindowWhateverIsRead(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // as good as any
	source := make([]byte, 1<<20)
	for i := range source {
		source[i] = byte(random.IntN(2)) // that much of it is alike
	}
	var host, worker window
	found := 0
	for range 3000 {
		at := host.end
		if random.IntN(4) == 0 || at >= int64(len(source)) {
			at = int64(random.IntN(len(source)))
		}
		given := source[at:min(at+1+int64(random.IntN(3000)), int64(len(source)))]
		for _, w := range []*window{&host, &worker} {
			w.add(at, bytes.Clone(given))
		}
		for range random.IntN(8) {
			begin := min(max(at+int64(random.IntN(3000)-1500), 0), int64(len(source)))
			n := min(int64(random.IntN(1000)), int64(len(source))-begin)
			data := source[begin:][:n]
			if place, ok := host.find(data, begin+int64(random.IntN(200)-150)); ok {
				found++
				require.Equal(t, data, worker.bytes(place, len(data)))
			}
		}
		left := host.unfound()
		host.leave(left)
		worker.leave(left)
		require.Equal(t, host.left, worker.left)
	}
	require.Greater(t, found, 1000)
}
