package tasks

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/stretchr/testify/require"
)

// studio is a PictureMaker and a PreviewStore. A picture is the number of its
// keyframe.
type studio struct {
	mu    sync.Mutex
	took  time.Duration // what a picture takes
	err   error
	key   []byte // of a push
	made  int
	saved []saved
}

type saved struct {
	Lease
	Preview
}

func (s *studio) Picture(k media.Keyframe) ([]byte, error) {
	time.Sleep(s.took)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made++
	if s.err != nil {
		return nil, s.err
	}
	return []byte(strconv.FormatInt(k.Number, 10)), nil
}

func (s *studio) SavePreview(_ context.Context, l Lease, p Preview) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saved = append(s.saved, saved{l, p})
	return nil
}

// did returns how many pictures were made, and what was kept.
func (s *studio) did() (made int, kept []saved) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.made, slices.Clone(s.saved)
}

// watchedWorld is a world whose worker plays pushes with a keyframe every gop.
func watchedWorld(t *testing.T, s *studio, gop time.Duration, ids ...string) (w *world, play func(id string)) {
	t.Helper()
	var pushes []Push
	for _, id := range ids {
		pushes = append(pushes, queued(id))
	}
	source := func(ctx context.Context, job media.Job) error {
		job.Observer.Publishing()
		for {
			job.Keyframe.Set(&media.Packet{Data: s.key})
			select {
			case <-time.After(gop):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
	w = &world{store: newFakeStore(pushes...)}
	c := w.config("w1", playerFunc(source))
	c.Previews, c.Pictures, c.Slots = s, s, len(ids)
	w.worker = NewWorker(c)
	ctx, cancel := context.WithCancel(context.Background())
	w.stop = cancel
	w.ran.Go(func() { w.worker.Run(ctx) })
	synctest.Wait()
	return w, func(id string) {
		done := w.handle(Task{ID: id, Epoch: 1})
		t.Cleanup(func() { require.NoError(t, <-done) })
	}
}

func TestWhileNobodyLooksNoPictureIsMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s studio
		w, play := watchedWorld(t, &s, time.Second, "a")
		defer w.close()
		play("a")
		time.Sleep(time.Minute)
		made, kept := s.did()
		require.Zero(t, made)
		require.Empty(t, kept)
	})
}

func TestWhoLooksGetsAPictureWithinASecondAndThenEveryTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s studio
		w, play := watchedWorld(t, &s, time.Second, "a", "b")
		defer w.close()
		play("a")
		play("b")
		time.Sleep(5500 * time.Millisecond)
		w.store.set(func(s *fakeStore) { s.verdicts["a"] = Watched })
		begin := time.Now()
		time.Sleep(time.Second)
		made, kept := s.did()
		require.Equal(t, []int{1, 1}, []int{made, len(kept)})
		require.Contains(t, []string{"6", "7"}, string(kept[0].JPEG), "of the newest keyframe")
		require.LessOrEqual(t, kept[0].At.Sub(begin), time.Second)
		time.Sleep(10 * time.Second)
		made, kept = s.did()
		require.Equal(t, []int{6, 6}, []int{made, len(kept)})
		require.Equal(t, Lease{ID: "a", Epoch: 1, Worker: "w1"}, kept[5].Lease)

		w.store.set(func(s *fakeStore) { s.verdicts["a"] = Kept })
		time.Sleep(10 * time.Second)
		made, _ = s.did()
		require.Equal(t, 6, made, "nobody looks any more")
	})
}

func TestOfAHugeKeyframeNoPictureIsMade(t *testing.T) {
	for want, size := range []int{mostKeyframe + 1, mostKeyframe} {
		synctest.Test(t, func(t *testing.T) {
			s := studio{key: make([]byte, size)}
			w, play := watchedWorld(t, &s, time.Hour, "a")
			defer w.close()
			play("a")
			w.store.set(func(s *fakeStore) { s.verdicts["a"] = Watched })
			time.Sleep(20 * time.Second)
			made, _ := s.did()
			require.Equal(t, want, made)
		})
	}
}

func TestAPictureThatStandsIsKeptAndNotMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s studio
		w, play := watchedWorld(t, &s, time.Hour, "a")
		defer w.close()
		play("a")
		w.store.set(func(s *fakeStore) { s.verdicts["a"] = Watched })
		time.Sleep(20500 * time.Millisecond)
		made, kept := s.did()
		require.Equal(t, 1, made)
		require.InDelta(t, 10, len(kept), 1)
		require.Equal(t, kept[0], kept[len(kept)-1], "with the time at which it was decoded")
	})
}

func TestPreviewsTakeAQuarterOfACoreHoweverManyAreWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := studio{took: 100 * time.Millisecond}
		ids := make([]string, 20)
		for i := range ids {
			ids[i] = "push" + strconv.Itoa(i)
		}
		w, play := watchedWorld(t, &s, time.Second, ids...)
		defer w.close()
		w.store.set(func(s *fakeStore) {
			for _, id := range ids {
				s.verdicts[id] = Watched
			}
		})
		for _, id := range ids {
			play(id)
		}
		time.Sleep(40 * time.Second)
		made, kept := s.did()
		require.InDelta(t, 100, made, 10, "40 s of which a quarter is at work")
		each := map[string]int{}
		for _, l := range kept {
			each[l.ID]++
		}
		for _, id := range ids {
			require.InDelta(t, 5, each[id], 1, id)
		}
	})
}

func TestAPushWhosePictureKillsItsDecoderHasNoMorePreviews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := studio{err: &media.Error{Kind: media.KindSourcePoisoned, Op: "make preview"}}
		w, play := watchedWorld(t, &s, time.Second, "a")
		defer w.close()
		w.store.set(func(s *fakeStore) { s.verdicts["a"] = Watched })
		play("a")
		time.Sleep(20 * time.Second)
		made, kept := s.did()
		require.Equal(t, []int{1, 0}, []int{made, len(kept)})
		s.mu.Lock()
		s.err = errors.New("damaged")
		s.mu.Unlock()
	})
}

func TestAKeyframeThatCannotBeDecodedIsFollowedByTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := studio{err: errors.New("damaged")}
		w, play := watchedWorld(t, &s, time.Second, "a")
		defer w.close()
		w.store.set(func(s *fakeStore) { s.verdicts["a"] = Watched })
		play("a")
		time.Sleep(20500 * time.Millisecond)
		made, kept := s.did()
		require.InDelta(t, 10, made, 1)
		require.Empty(t, kept)
	})
}

// gallery is a LookStore.
type gallery struct {
	asked []string
	has   map[string]Preview
}

func (g *gallery) Look(_ context.Context, id string) (Preview, bool, error) {
	g.asked = append(g.asked, id)
	p, found := g.has[id]
	return p, found, nil
}

func TestAPreviewThatIsNotThereSaysWhy(t *testing.T) {
	d := newDesk()
	_, err := d.service.Preview(t.Context(), "a")
	require.Equal(t, CodePreviewOff, CodeOf(err))

	g := &gallery{has: map[string]Preview{"seen": {JPEG: []byte{1}}, "over": {JPEG: []byte{1}}}}
	d.service.Previews = g
	sound := &media.Plan{Audio: &media.TrackPlan{Action: media.Copy}}
	both := &media.Plan{Video: &media.TrackPlan{Action: media.Copy}, Audio: sound.Audio}
	d.pushes.there = map[string]Push{}
	for _, p := range []Push{
		{ID: "seen", State: Publishing, Plan: both}, {ID: "young", State: Starting}, {ID: "over", State: Completed, Plan: both},
		{ID: "sound", State: Publishing, Plan: sound},
	} {
		d.pushes.there[p.ID] = p
	}
	for id, want := range map[string]Missing{"young": MissingYet, "over": MissingEnded, "sound": MissingVideo} {
		p, err := d.service.Preview(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, Preview{Missing: want}, p, id)
	}
	_, err = d.service.Preview(t.Context(), "unknown")
	require.Equal(t, CodeNotFound, CodeOf(err))
	p, err := d.service.Preview(t.Context(), "seen")
	require.NoError(t, err)
	require.Equal(t, g.has["seen"], p)
	require.ElementsMatch(t, []string{"young", "seen"}, g.asked, "who asks for what cannot be there does not look")
}
