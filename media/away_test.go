package media

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A server of live streams may answer while the sender is away: with nothing
// but a header, or a playlist without a segment.
func TestALiveSourceThatIsEmptyWhileItsSenderIsAwayIsWaitedFor(t *testing.T) {
	for _, kind := range []Kind{KindSourceInvalid, KindSourceNoTrack} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(func(int) fakeSource {
					ended := &Error{Kind: KindSourceUnavailable, Op: "read source", Err: errors.New("reset")}
					return fakeSource{info: stream(time.Minute), failAt: 5 * time.Second, err: ended}
				})
				s.job.Retry = func(k Kind) Retry {
					if k == KindSourceUnavailable {
						return Retry{First: time.Second, Max: time.Second, For: 20 * time.Second}
					}
					return Retry{}
				}
				opens := 0
				err := s.playFrom(t.Context(), func(ctx context.Context, r SourceRequest) (Source, error) {
					if opens++; opens > 1 && opens < 5 {
						return nil, &Error{Kind: kind, Op: "probe source", Err: errors.New("nothing in it")}
					}
					if opens > 5 {
						return nil, &Error{Kind: KindSourceBlocked, Op: "open source", Err: errors.New("that is enough")}
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
	Source
	begin time.Time
	after time.Duration
	err   error
}

func (b *breaking) ReadPacket() (Packet, error) {
	if time.Since(b.begin) >= b.after {
		return Packet{}, b.err
	}
	return b.Source.ReadPacket()
}

// A relay may give an error page, or a recording of noise, in the place of its stream.
func TestALiveSourceThatIsNoMediaInMidPlayIsTriedAgainWithPatience(t *testing.T) {
	garbage := &Error{Kind: KindSourceInvalid, Op: "read source", Err: Because("what it sends is damaged", nil)}
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
				s.job.Retry = func(k Kind) Retry {
					if k == KindSourceUnavailable {
						return Retry{First: time.Second, Max: time.Second, For: 20 * time.Second}
					}
					return Retry{}
				}
				begin := time.Now()
				err := s.playFrom(t.Context(), func(ctx context.Context, r SourceRequest) (Source, error) {
					source, _ := script{info: stream(time.Minute), pictures: moving(0, 60), timed: true}.open(ctx, r)
					b := &breaking{source, time.Now(), c.plays, garbage}
					if opens++; opens > c.opens {
						b.after, b.err = 20*time.Second, &Error{Kind: KindSourceBlocked, Op: "read source", Err: errors.New("that is enough")}
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
		err := s.playFrom(t.Context(), func(context.Context, SourceRequest) (Source, error) {
			return nil, &Error{Kind: KindSourceInvalid, Op: "probe source", Err: errors.New("nothing in it")}
		}, nil)
		require.Equal(t, KindSourceInvalid, KindOf(err))
	})
}

// The attempt before has played it; a proxy or a packager may not have it for a
// while.
func TestASourceThatWasThereBeforeIsWaitedFor(t *testing.T) {
	for name, before := range map[string]Job{
		"a stream": {WasLive: true},
		"a file":   {Before: Plan{Video: &TrackPlan{Action: Copy, Output: Output{Width: 640, Height: 360}}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(whole(5 * time.Second))
				s.job.WasLive, s.job.Before = before.WasLive, before.Before
				s.job.Retry = func(k Kind) Retry {
					if k == KindSourceUnavailable {
						return Retry{First: time.Second, Max: time.Second, For: 20 * time.Second}
					}
					return Retry{}
				}
				begin := time.Now()
				err := s.playFrom(t.Context(), func(context.Context, SourceRequest) (Source, error) {
					return nil, &Error{Kind: KindSourceNotFound, Op: "open source", Err: errors.New("HTTP 404")}
				}, nil)
				require.InDelta(t, 20, time.Since(begin).Seconds(), 1.5)
				require.Equal(t, KindSourceUnavailable, KindOf(err), "it may come back: a new push may succeed")
				require.ErrorContains(t, err, "HTTP 404")
				require.Contains(t, s.seen.lines, "reconnecting source_unavailable")
			})
		})
	}
}

// A name may be unknown, and a certificate be renewed late, for a while.
func TestAHostThatWasThereBeforeIsWaitedFor(t *testing.T) {
	for _, kind := range []Kind{KindSourceHost, KindSourceTLS} {
		for _, before := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v, there before: %v", kind, before), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newStage(whole(5 * time.Second))
					s.job.WasLive = before
					s.job.Retry = func(k Kind) Retry {
						if k == KindSourceUnavailable {
							return Retry{First: time.Second, Max: time.Second, For: 20 * time.Second}
						}
						if k == KindSourceHost { // tasks.RetryOf's
							return Retry{First: 4 * time.Second, Max: 8 * time.Second, For: 8 * time.Second}
						}
						return Retry{}
					}
					begin, tries := time.Now(), 0
					err := s.playFrom(t.Context(), func(context.Context, SourceRequest) (Source, error) {
						tries++
						return nil, &Error{Kind: kind, Op: "connect to source", Err: errors.New("no address")}
					}, nil)
					took := time.Since(begin).Seconds()
					switch {
					case before:
						require.Equal(t, KindSourceUnavailable, KindOf(err))
						require.InDelta(t, 20, took, 1.5)
					case kind == KindSourceHost:
						require.Equal(t, kind, KindOf(err))
						require.Equal(t, 3, tries)
						require.InDelta(t, 8, took, 0.1)
					default:
						require.Equal(t, kind, KindOf(err))
						require.Equal(t, 1, tries)
					}
				})
			})
		}
	}
}

func TestALivePlaylistMayBeSilentForLongerThanARecordedOne(t *testing.T) {
	for name, c := range map[string]struct {
		info SourceInfo
		want time.Duration
	}{
		"a file":              {SourceInfo{Container: "mov"}, 10 * time.Second},
		"a recorded playlist": {SourceInfo{Container: "hls"}, 10 * time.Second},
		"a live playlist":     {SourceInfo{Container: "hls", Live: true}, 30 * time.Second},
		"a stream":            {SourceInfo{Container: "flv", Live: true}, 10 * time.Second},
	} {
		require.Equal(t, c.want, (&feed{info: c.info}).patience(), name)
	}
}
