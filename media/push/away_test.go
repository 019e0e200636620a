package push

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakesource"
	"github.com/roomcast/roomcast/media/input"
)

// unavailableIsAwaited lets what is unavailable be tried each second, for 20 s; all else is
// not tried again.
func unavailableIsAwaited(k media.Kind) media.Retry {
	if k == media.KindSourceUnavailable {
		return media.Retry{First: time.Second, Max: time.Second, For: 20 * time.Second}
	}
	return media.Retry{}
}

// A server of live streams may answer while the sender is away: with nothing
// but a header, or a playlist without a segment.
func TestALiveSourceThatIsEmptyWhileItsSenderIsAwayIsWaitedFor(t *testing.T) {
	for _, kind := range []media.Kind{media.KindSourceInvalid, media.KindSourceNoTrack} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(func(int) fakesource.Source {
					ended := &media.Error{Kind: media.KindSourceUnavailable, Op: "read source", Err: errors.New("reset")}
					return fakesource.Source{Of: fakesource.Stream(time.Minute), FailAt: 5 * time.Second, Err: ended}
				})
				s.job.Retry = unavailableIsAwaited
				opens := 0
				err := s.playFrom(t.Context(), func(ctx context.Context, r media.SourceRequest) (media.Source, error) {
					if opens++; opens > 1 && opens < 5 {
						return nil, &media.Error{Kind: kind, Op: "probe source", Err: errors.New("nothing in it")}
					}
					if opens > 5 {
						return nil, &media.Error{Kind: media.KindSourceBlocked, Op: "open source", Err: errors.New("that is enough")}
					}
					return s.open(ctx, r)
				}, nil)
				require.ErrorContains(t, err, "that is enough")
				require.Equal(t, 1, s.room.dials)
			})
		})
	}
}

// breaking is a source that ends with an error.
type breaking struct {
	media.Source
	begin time.Time
	after time.Duration
	err   error
}

func (b *breaking) ReadPacket() (media.Packet, error) {
	if time.Since(b.begin) >= b.after {
		return media.Packet{}, b.err
	}
	return b.Source.ReadPacket()
}

// A relay may give an error page, or a recording of noise, in the place of its stream.
func TestALiveSourceThatIsNoMediaInMidPlayIsTriedAgainWithPatience(t *testing.T) {
	garbage := &media.Error{Kind: media.KindSourceInvalid, Op: "read source", Err: media.Because("what it sends is damaged", nil)}
	for name, c := range map[string]struct {
		plays time.Duration // each time
		opens int           // that are so
		took  time.Duration
		err   string
	}{
		"once":            {plays: 15 * time.Second, opens: 1, took: 36 * time.Second, err: "that is enough"},
		"again and again": {plays: 2 * time.Second, opens: 100, took: 22 * time.Second, err: "what it sends is damaged"},
		"from its begin":  {opens: 100, err: "what it sends is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opens := 0
				s := newStage(nil)
				s.job.Retry = unavailableIsAwaited
				begin := time.Now()
				err := s.playFrom(t.Context(), func(ctx context.Context, r media.SourceRequest) (media.Source, error) {
					source, _ := script{info: fakesource.Stream(time.Minute), pictures: moving(0, 60), timed: true}.open(ctx, r)
					b := &breaking{source, time.Now(), c.plays, garbage}
					if opens++; opens > c.opens {
						b.after, b.err = 20*time.Second, &media.Error{Kind: media.KindSourceBlocked, Op: "read source", Err: errors.New("that is enough")}
					}
					return b, nil
				}, nil)
				require.ErrorContains(t, err, c.err)
				require.InDelta(t, c.took.Seconds(), time.Since(begin).Seconds(), 3)
			})
		})
	}
}

func TestASourceThatHasNothingTheFirstTimeFailsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(time.Second))
		err := s.playFrom(t.Context(), func(context.Context, media.SourceRequest) (media.Source, error) {
			return nil, &media.Error{Kind: media.KindSourceInvalid, Op: "probe source", Err: errors.New("nothing in it")}
		}, nil)
		require.Equal(t, media.KindSourceInvalid, media.KindOf(err))
	})
}

// The attempt before has played it; a proxy or a packager may not have it for a
// while.
func TestASourceThatWasThereBeforeIsWaitedFor(t *testing.T) {
	for name, before := range map[string]media.Job{
		"a stream": {WasLive: true},
		"a file":   {Before: media.Plan{Video: &media.TrackPlan{Action: media.Copy, Output: media.Output{Width: 640, Height: 360}}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(whole(5 * time.Second))
				s.job.WasLive, s.job.Before = before.WasLive, before.Before
				s.job.Retry = unavailableIsAwaited
				begin := time.Now()
				err := s.playFrom(t.Context(), func(context.Context, media.SourceRequest) (media.Source, error) {
					return nil, &media.Error{Kind: media.KindSourceNotFound, Op: "open source", Err: errors.New("HTTP 404")}
				}, nil)
				require.InDelta(t, 20, time.Since(begin).Seconds(), 1.5)
				require.Equal(t, media.KindSourceUnavailable, media.KindOf(err), "it may come back: a new push may succeed")
				require.ErrorContains(t, err, "HTTP 404")
				require.Contains(t, s.seen.lines, "reconnecting source_unavailable")
			})
		})
	}
}

// A name may be unknown, and a certificate be renewed late, for a while.
func TestAHostThatWasThereBeforeIsWaitedFor(t *testing.T) {
	for _, kind := range []media.Kind{media.KindSourceHost, media.KindSourceTLS} {
		for _, before := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v, there before: %v", kind, before), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newStage(whole(5 * time.Second))
					s.job.WasLive = before
					s.job.Retry = func(k media.Kind) media.Retry {
						if k == media.KindSourceHost { // tasks.RetryOf's
							return media.Retry{First: 4 * time.Second, Max: 8 * time.Second, For: 8 * time.Second}
						}
						return unavailableIsAwaited(k)
					}
					begin, tries := time.Now(), 0
					err := s.playFrom(t.Context(), func(context.Context, media.SourceRequest) (media.Source, error) {
						tries++
						return nil, &media.Error{Kind: kind, Op: "connect to source", Err: errors.New("no address")}
					}, nil)
					took := time.Since(begin).Seconds()
					switch {
					case before:
						require.Equal(t, media.KindSourceUnavailable, media.KindOf(err))
						require.InDelta(t, 20, took, 1.5)
					case kind == media.KindSourceHost:
						require.Equal(t, kind, media.KindOf(err))
						require.Equal(t, 3, tries)
						require.InDelta(t, 8, took, 0.1)
					default:
						require.Equal(t, kind, media.KindOf(err))
						require.Equal(t, 1, tries)
					}
				})
			})
		}
	}
}

// What it was let in by may have run out, and be good again when it is asked anew.
func TestALiveSourceThatRefusesWhereItPlayedIsWaitedFor(t *testing.T) {
	for _, kind := range []media.Kind{media.KindSourceUnauthorized, media.KindSourceGone} {
		for _, played := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v, played: %v", kind, played), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newStage(whole(5 * time.Second))
					s.job.WasLive = played
					s.job.Retry = unavailableIsAwaited
					begin := time.Now()
					err := s.playFrom(t.Context(), func(context.Context, media.SourceRequest) (media.Source, error) {
						return nil, &media.Error{Kind: kind, Op: "open source", Err: errors.New("it refuses")}
					}, nil)
					require.ErrorContains(t, err, "it refuses")
					if played {
						require.Equal(t, media.KindSourceUnavailable, media.KindOf(err))
						require.InDelta(t, 20, time.Since(begin).Seconds(), 1.5)
						return
					}
					require.Equal(t, kind, media.KindOf(err))
					require.Zero(t, time.Since(begin))
				})
			})
		}
	}
}

func TestALivePlaylistMayBeSilentForLongerThanARecordedOne(t *testing.T) {
	for name, c := range map[string]struct {
		info media.SourceInfo
		want time.Duration
	}{
		"a file":              {media.SourceInfo{Container: "mov"}, 10 * time.Second},
		"a recorded playlist": {media.SourceInfo{Container: "hls"}, 10 * time.Second},
		"a live playlist":     {media.SourceInfo{Container: "hls", Live: true}, 30 * time.Second},
		"a stream":            {media.SourceInfo{Container: "flv", Live: true}, 10 * time.Second},
	} {
		require.Equal(t, c.want, (&input.Input{Info: c.info}).Patience(), name)
	}
}
