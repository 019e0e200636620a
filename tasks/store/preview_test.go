package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
)

func TestALookIsToldWithTheRenewForTenSeconds(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	a, b := create(t, s, "a"), create(t, s, "b")
	la, lb := claim(t, s, a, "w"), claim(t, s, b, "w")
	publishes := func(l tasks.Lease) tasks.Renewal {
		return tasks.Renewal{Lease: l, State: tasks.Publishing, Started: time.Now()}
	}
	require.Equal(t, tasks.Kept, renew(t, s, publishes(la)))
	begin := time.Now()
	_, found, err := s.Look(ctx(t), a.ID)
	require.NoError(t, err)
	require.False(t, found)
	require.Equal(t, tasks.Watched, renew(t, s, publishes(la)))
	require.Equal(t, tasks.Kept, renew(t, s, publishes(lb)))
	require.Equal(t, tasks.Publishing, get(t, s, a.ID).State, "written like any other")
	left, err := rdb.PTTL(ctx(t), "{roomcast}:preview-wanted").Result()
	require.NoError(t, err)
	require.InDelta(t, 10, left.Seconds(), 2+time.Since(begin).Seconds())

	// b is looked at when a is not any more.
	require.NoError(t, rdb.ZAdd(ctx(t), "{roomcast}:preview-wanted", z(float64(time.Now().Add(-time.Second).UnixMilli()), a.ID)).Err())
	require.Equal(t, tasks.Kept, renew(t, s, publishes(la)))
	_, _, err = s.Look(ctx(t), b.ID)
	require.NoError(t, err)
	require.Equal(t, tasks.Watched, renew(t, s, publishes(lb)))
	members, err := rdb.ZRange(ctx(t), "{roomcast}:preview-wanted", 0, -1).Result()
	require.NoError(t, err)
	require.Equal(t, []string{b.ID}, members, "who does not look is forgotten")

	_, err = s.Stop(ctx(t), b.ID)
	require.NoError(t, err)
	require.Equal(t, tasks.Stop, renew(t, s, publishes(lb)), "a stop counts more")
}

func TestLooksThatCannotBeReadCostNoLease(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	p := create(t, s, "a")
	l := claim(t, s, p, "w")
	require.NoError(t, rdb.Set(ctx(t), "{roomcast}:preview-wanted", "no set", 0).Err())
	require.Equal(t, tasks.Kept, renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing, Started: time.Now()}))
	_, _, err := s.Look(ctx(t), p.ID)
	require.Error(t, err)
	require.Equal(t, tasks.Kept, renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing, Started: time.Now()}))
}

func TestAPreviewIsKeptForTenSeconds(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	p := create(t, s, "a")
	l := claim(t, s, p, "w")
	want := tasks.Preview{JPEG: []byte("\xff\xd8\x00\r\n\xff\xd9"), At: time.UnixMilli(1764374400123)}
	begin := time.Now()
	require.NoError(t, s.SavePreview(ctx(t), l, want))
	got, found, err := s.Look(ctx(t), p.ID)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, want, got)
	left, err := rdb.PTTL(ctx(t), "{roomcast}:preview:"+p.ID).Result()
	require.NoError(t, err)
	require.InDelta(t, 10, left.Seconds(), 2+time.Since(begin).Seconds())
}

func TestOnlyTheOwnerOfAPushShowsIt(t *testing.T) {
	s, _ := fresh(t, store.Config{Lease: time.Millisecond})
	p := create(t, s, "a")
	old := claim(t, s, p, "w1")
	next := old
	next.Epoch, next.Worker = takeover(t, s, expired(t, s, 1)[0]), "w2"
	_, err := tryClaim(ctx(t), s, next, tasks.Place{})
	require.NoError(t, err)
	mine := tasks.Preview{JPEG: []byte("mine"), At: time.UnixMilli(2000)}
	require.NoError(t, s.SavePreview(ctx(t), next, mine))

	stale := tasks.Preview{JPEG: []byte("stale"), At: time.UnixMilli(3000)}
	require.ErrorIs(t, s.SavePreview(ctx(t), old, stale), tasks.ErrStale)
	other := next
	other.Worker = "w3"
	require.ErrorIs(t, s.SavePreview(ctx(t), other, stale), tasks.ErrStale)
	require.ErrorIs(t, s.SavePreview(ctx(t), tasks.Lease{ID: newID(t), Epoch: 1, Worker: "w"}, stale), tasks.ErrGone)
	got, _, err := s.Look(ctx(t), p.ID)
	require.NoError(t, err)
	require.Equal(t, mine, got)

	_, err = s.Finish(ctx(t), next, tasks.End{State: tasks.Completed})
	require.NoError(t, err)
	require.ErrorIs(t, s.SavePreview(ctx(t), next, stale), tasks.ErrStale, "it has ended")
}
