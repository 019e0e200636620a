package input

import (
	"context"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/clock"
	"github.com/roomcast/roomcast/media/fakesource"
)

func at(i int) media.Packet {
	return media.Packet{DTS: time.Duration(i) * fakesource.Frame, Data: make([]byte, 100)}
}

func TestAFilesQueueLetsTheReaderWaitUntilHalfOfItIsFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(QueueLimits{Span: time.Second, Bytes: 1 << 20})
		put := 0
		done := make(chan error)
		go func() {
			for i := range 100 {
				if err := q.Put(t.Context(), at(i), false); err != nil {
					done <- err
					return
				}
				put++
			}
			q.Fail(io.EOF)
			done <- nil
		}()
		synctest.Wait()
		require.Equal(t, 26, put, "a second and one packet, the last put is still waiting")
		for i := range 100 {
			p, err := q.Get(t.Context(), time.Minute)
			require.NoError(t, err)
			require.Equal(t, at(i).DTS, p.DTS)
		}
		require.NoError(t, <-done)
		_, err := q.Get(t.Context(), time.Minute)
		require.ErrorIs(t, err, io.EOF)
		require.Zero(t, q.TakeDropped())
	})
}

func TestAFullQueueLetsGoOfAWriterWhoseContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(QueueLimits{Span: fakesource.Frame, Bytes: 1 << 20})
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(media.ErrStopped) })
		var err error
		for i := 0; err == nil; i++ {
			err = q.Put(ctx, at(i), false)
		}
		require.ErrorIs(t, err, media.ErrStopped)
	})
}

func TestALiveQueueGoesOnAtTheNewestKeyframe(t *testing.T) {
	q := NewQueue(QueueLimits{Span: 2 * time.Second, Bytes: 1 << 20, drop: true})
	for i := range 60 { // keyframes at 0, 25, 50, 75 …; full after 51
		require.NoError(t, q.Put(t.Context(), at(i), i%25 == 0))
	}
	require.EqualValues(t, 60, q.TakeDropped(), "nobody reads: everything is dropped until a keyframe comes")
	for i := 60; i < 80; i++ {
		require.NoError(t, q.Put(t.Context(), at(i), i%25 == 0))
	}
	p, err := q.Get(t.Context(), time.Minute)
	require.NoError(t, err)
	require.Equal(t, at(75).DTS, p.DTS)
	require.EqualValues(t, 15, q.TakeDropped())
}

func TestAQueueIsBoundedInBytes(t *testing.T) {
	q := NewQueue(QueueLimits{Span: time.Hour, Bytes: 1000, drop: true})
	for i := range 100 {
		require.NoError(t, q.Put(t.Context(), at(i), true))
		require.LessOrEqual(t, q.bytes, 1100)
	}
}

func TestAQueueThatGetsNothingHasStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(QueueLimits{Span: time.Second, Bytes: 1 << 20})
		begin := time.Now()
		_, err := q.Get(t.Context(), 10*time.Second)
		require.Equal(t, media.KindSourceStalled, media.KindOf(err))
		require.Equal(t, 10*time.Second, time.Since(begin))
	})
}

func TestTracksFarApartDoNotFillAQueue(t *testing.T) {
	q := NewQueue(QueueLimits{Span: 2 * time.Second, Bytes: 1 << 20, drop: true})
	for i := range 40 {
		p := at(i)
		p.Track = i % 2
		p.DTS += time.Duration(p.Track) * time.Hour
		require.NoError(t, q.Put(t.Context(), p, i%20 == 0))
	}
	require.Zero(t, q.TakeDropped())
}

func TestAQueueThatIsNeverEmptyStaysSmall(t *testing.T) {
	q := NewQueue(QueueLimits{Span: time.Minute, Bytes: 1 << 20})
	for i := range 10 {
		require.NoError(t, q.Put(t.Context(), at(i), false))
	}
	for i := range 10_000 {
		require.NoError(t, q.Put(t.Context(), at(10+i), false))
		p, err := q.Get(t.Context(), time.Minute)
		require.NoError(t, err)
		require.Equal(t, at(i).DTS, p.DTS)
	}
	require.LessOrEqual(t, cap(q.packets), 64)
}

func TestKeysAreCountedWithinReach(t *testing.T) {
	const jump = time.Hour // of the source's clock, at the third second
	for name, c := range map[string]struct {
		reach time.Duration
		by    Leader
		keys  int
	}{
		"the first":             {reach: 900 * time.Millisecond, by: Leader{Picture: true}, keys: 1},
		"several":               {reach: 2100 * time.Millisecond, by: Leader{Picture: true}, keys: 3},
		"beyond a broken clock": {reach: 4 * time.Second, by: Leader{Picture: true}, keys: 5},
		"not more than come":    {reach: time.Hour, by: Leader{Picture: true}, keys: 6},
		"any sound":             {reach: time.Second, by: Leader{Track: 1}, keys: 11},
	} {
		t.Run(name, func(t *testing.T) {
			q := NewQueue(QueueLimits{Span: 2 * jump, Bytes: 1 << 20})
			for i := range 60 {
				p := media.Packet{DTS: time.Duration(i) * 100 * time.Millisecond, Keyframe: i%10 == 0}
				if i >= 30 {
					p.DTS += jump
				}
				sound := p
				sound.Track, sound.Keyframe = 1, true
				require.NoError(t, q.Put(t.Context(), sound, false))
				require.NoError(t, q.Put(t.Context(), p, p.Keyframe))
			}
			require.Equal(t, c.keys, q.KeysWithin(c.reach, c.by))
		})
	}
}

func TestATrackLeftBehindIsNotReadAheadFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(QueueLimits{Span: time.Second, Bytes: 1 << 30, alignSpan: clock.AlignSpan})
		ctx, cancel := context.WithCancelCause(t.Context())
		var writing sync.WaitGroup
		writing.Go(func() {
			_ = q.Put(ctx, media.Packet{Track: 1}, false)
			for k := 0; q.Put(ctx, at(k), false) == nil; k++ {
			}
		})
		synctest.Wait()
		require.InDelta(t, clock.AlignSpan, q.Buffered(), float64(2*fakesource.Frame))
		for range 600 {
			_, err := q.Get(ctx, time.Minute)
			require.NoError(t, err)
			synctest.Wait()
		}
		require.LessOrEqual(t, q.Buffered(), time.Second+fakesource.Frame)
		cancel(media.ErrStopped)
		writing.Wait()
	})
}

func TestASourceIsReadAheadByAsMuchAsItsTracksAreApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(QueueLimits{Span: time.Second, Bytes: 1 << 20, alignSpan: clock.AlignSpan})
		ctx, cancel := context.WithCancelCause(t.Context())
		put := [2]int{}
		var writing sync.WaitGroup
		writing.Go(func() {
			for from := 0; ; from += 150 { // fragments of 6 s
				for k := range 300 {
					p := at(from + k%150)
					p.Track = k / 150
					if q.Put(ctx, p, false) != nil {
						return
					}
					put[p.Track]++
				}
			}
		})
		for range 2000 {
			synctest.Wait()
			spans := q.Spans()
			require.GreaterOrEqual(t, min(spans[0], spans[1]), 6*time.Second-fakesource.Frame)
			require.LessOrEqual(t, max(spans[0], spans[1]), 13*time.Second)
			_, err := q.Get(ctx, time.Minute)
			require.NoError(t, err)
		}
		require.Greater(t, put[0]+put[1], 2300)
		cancel(media.ErrStopped)
		writing.Wait()
	})
}

func TestAConfigurationOutlivesThePacketThatToldIt(t *testing.T) {
	config := []byte{1, 2, 3}
	packet := func(dts time.Duration, key bool, config []byte) media.Packet {
		return media.Packet{DTS: dts, PTS: dts, Keyframe: key, Extradata: config, Data: []byte{1}}
	}
	q := NewQueue(QueueLimits{Span: 2 * time.Second, Bytes: 1 << 20, drop: true})
	put := func(p media.Packet) { require.NoError(t, q.Put(t.Context(), p, p.Keyframe)) }
	put(packet(0, true, nil))
	put(packet(time.Second, true, config))
	put(packet(3*time.Second, false, nil)) // more than the queue may hold
	put(packet(3500*time.Millisecond, false, nil))
	q.lose(packet(3600*time.Millisecond, true, nil))
	put(packet(4*time.Second, true, nil))
	put(packet(5*time.Second, true, nil))
	p, err := q.Get(t.Context(), time.Second)
	require.NoError(t, err)
	require.Equal(t, 4*time.Second, p.DTS)
	require.Equal(t, config, p.Extradata)
	p, err = q.Get(t.Context(), time.Second)
	require.NoError(t, err)
	require.Nil(t, p.Extradata, "it is told once")
}

func TestAQueueCountsAllThatAPacketHolds(t *testing.T) {
	q := NewQueue(QueueLimits{Span: time.Hour, Bytes: 1 << 20, drop: true})
	for range 4 {
		require.NoError(t, q.Put(t.Context(), media.Packet{Extradata: make([]byte, 1<<19), Change: &media.Track{Extradata: make([]byte, 1<<19)}}, true))
	}
	require.Positive(t, q.TakeDropped())
}
