package push

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakesource"
)

// within is a policy with patience for d and short waits.
func within(d time.Duration) media.RetryPolicy {
	return func(k media.Kind) media.Retry {
		if k == media.KindRoomKicked {
			return media.Retry{}
		}
		return media.Retry{First: 500 * time.Millisecond, Max: 2 * time.Second, For: d}
	}
}

func TestANameInUseIsWaitedForAsLongAfterEachPublishThatTheRoomAccepts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(10 * time.Second))
		s.job.Retry = within(95 * time.Second)
		free := time.Now().Add(time.Minute)
		room := takenUntil{&s.room, &free}
		s.room.breakAt(5*time.Second, media.KindRoomClosed)
		breaks := s.room.writeErr
		s.room.writeErr = func(p media.Packet) error {
			err := breaks(p)
			if err != nil {
				free = time.Now().Add(90 * time.Second) // until then our own lost user is in the room
			}
			return err
		}
		begin := time.Now()
		require.NoError(t, (&Pusher{Opener: fakesource.OpenerFunc(s.open), Dialer: room, Door: &s.room}).Play(t.Context(), s.job))
		require.InDelta(t, 60+5+90+5, time.Since(begin).Seconds(), 10)
	})
}

// takenUntil is a room in which our name is in use until then.
type takenUntil struct {
	*fakeRoom
	free *time.Time
}

func (r takenUntil) Dial(ctx context.Context, a media.PublishAddress, tracks []media.Track) (media.Publisher, error) {
	if time.Now().Before(*r.free) {
		return nil, &media.Error{Kind: media.KindRoomConflict, Op: "publish"}
	}
	return r.fakeRoom.Dial(ctx, a, tracks)
}

func TestARoomThatSaysAfterThePublishThatTheNameIsInUseIsNotFought(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(time.Hour))
		s.job.Retry = within(95 * time.Second)
		s.room.always = func(media.Packet) error { return &media.Error{Kind: media.KindRoomConflict, Op: "room connection"} }
		require.Equal(t, media.KindRoomKicked, media.KindOf(s.play(t.Context())))
		require.Equal(t, mostKicks, s.room.dials)
	})
}

func TestALiveSourceMayBeAwayForItsTimeEachTime(t *testing.T) {
	for name, info := range map[string]media.SourceInfo{"a stream": fakesource.Stream(8 * time.Second), "a file that is played as live": fakesource.Clip(8 * time.Second)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(nil)
				s.job.Source.Mode, s.job.Retry = media.ModeLive, within(5*time.Second)
				var opened []time.Time
				open := fakesource.Opener(func(ctx context.Context) (media.Source, error) {
					if len(opened) == 20 {
						return nil, &media.Error{Kind: media.KindSourceUnavailable, Op: "open source"}
					}
					opened = append(opened, time.Now())
					return &inRealTime{&fakesource.Source{Ctx: ctx, Of: info}, time.Now()}, nil
				})
				require.Equal(t, media.KindSourceUnavailable, media.KindOf(s.playFrom(t.Context(), open, nil)))
				require.Len(t, opened, 20)
				last := len(opened) - 1
				require.Greater(t, opened[last].Sub(opened[last-1]), 9*time.Second, "it is not asked without pause")
				require.InDelta(t, 8+5, time.Since(opened[last]).Seconds(), 1)
				require.Equal(t, 1, s.room.dials)
			})
		})
	}
}

// A server whose sender has gone may go on with the last segments.
func TestALivePlaylistThatGivesTheSameAgainAndAgainIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(func(int) fakesource.Source {
			info := fakesource.Stream(6 * time.Second)
			info.Container = "hls"
			return fakesource.Source{Of: info}
		})
		s.job.Retry = within(time.Minute)
		begin := time.Now()
		require.Equal(t, media.KindSourceEnded, media.KindOf(s.play(t.Context())))
		require.InDelta(t, 60, time.Since(begin).Seconds(), 15)
	})
}
