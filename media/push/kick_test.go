package push

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/clock"
	"github.com/roomcast/roomcast/media/fakesource"
	"github.com/roomcast/roomcast/media/retry"
)

// inLongGroups is a live source whose keyframes are gop apart.
type inLongGroups struct {
	*inRealTime
	gop time.Duration
}

func (s *inLongGroups) ReadPacket() (media.Packet, error) {
	p, err := s.inRealTime.ReadPacket()
	p.Keyframe = p.Keyframe && p.DTS%s.gop == 0
	return p, err
}

// dialled is told of each publish that the room accepts.
type dialled struct {
	*fakeRoom
	then func()
}

func (d dialled) Dial(ctx context.Context, a media.PublishAddress, tracks []media.Track) (media.Sink, error) {
	room, err := d.fakeRoom.Dial(ctx, a, tracks)
	if err == nil {
		d.then()
	}
	return room, err
}

// patient tries everything again but a kick.
func patient(k media.Kind) media.Retry {
	if k == media.KindRoomKicked {
		return media.Retry{}
	}
	return media.Retry{AtOnce: true, First: 500 * time.Millisecond, Max: 5 * time.Second, For: 5 * time.Minute}
}

func TestARoomThatHangsUpSoonThreeTimesIsAConflictHoweverLateItHasAPicture(t *testing.T) {
	for name, c := range map[string]struct {
		gop  time.Duration // of a live source
		mode media.TranscodeMode
	}{
		"a keyframe a second":     {gop: time.Second},
		"one in four":             {gop: 4 * time.Second},
		"one in ten":              {gop: 10 * time.Second},
		"re-encoded, one in ten":  {gop: 10 * time.Second, mode: media.TranscodeAlways},
		"a file, slow to decode":  {mode: media.TranscodeAlways},
		"a file, that is as fast": {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(nil)
				s.job.Options.Transcode = c.mode
				s.job.Retry = patient
				open := fakesource.Opener(func(ctx context.Context) (media.Source, error) {
					if c.gop == 0 {
						return &fakesource.Source{Ctx: ctx, Of: fakesource.Clip(time.Hour)}, nil
					}
					return &inLongGroups{&inRealTime{&fakesource.Source{Ctx: ctx, Of: fakesource.Stream(time.Hour)}, time.Now()}, c.gop}, nil
				})
				begin := time.Now()
				p := &Pusher{Opener: open, Dialer: s.room.hangsUpAfter(500 * time.Millisecond), Door: &s.room, Transcoders: &fakeCoders{picture: slowToBegin}}
				require.Equal(t, media.KindRoomKicked, media.KindOf(p.Play(t.Context(), s.job)))
				require.Equal(t, mostKicks, s.room.dials)
				require.Less(t, time.Since(begin), 15*time.Second)
			})
		})
	}
}

// goesAway is a live source that is there for five seconds, and then away as
// absent makes it until it is back.
func goesAway(back time.Duration, absent func(ctx context.Context) error) fakesource.OpenerFunc {
	begin := time.Now()
	return func(ctx context.Context, _ media.SourceRequest) (media.Source, error) {
		if now := time.Since(begin); now > 0 && now < back {
			return nil, absent(ctx)
		}
		length := 5 * time.Second
		if back > 0 && time.Since(begin) >= back {
			length = time.Hour
		}
		return &inRealTime{&fakesource.Source{Ctx: ctx, Of: fakesource.Stream(length)}, time.Now()}, nil
	}
}

// refused and hanging are ways to be away.
func refused(context.Context) error {
	return &media.Error{Kind: media.KindSourceUnavailable, Op: "open source"}
}

func hanging(ctx context.Context) error {
	if err := retry.Sleep(ctx, 30*time.Second); err != nil {
		return err
	}
	return refused(ctx)
}

// silent is a live source that says nothing more from five seconds on.
func silent(ctx context.Context, _ media.SourceRequest) (media.Source, error) {
	s := &fakesource.Source{Ctx: ctx, Of: fakesource.Stream(time.Hour), FailAt: 5 * time.Second}
	return &mute{&inRealTime{s, time.Now()}}, nil
}

type mute struct{ *inRealTime }

func (s *mute) ReadPacket() (media.Packet, error) {
	p, err := s.inRealTime.ReadPacket()
	if s.Next >= s.FailAt {
		return media.Packet{}, retry.Sleep(s.Ctx, clock.Forever)
	}
	return p, err
}

func TestAKickWhileTheSourceIsAwayEndsThePushAtOnce(t *testing.T) {
	for _, kind := range []media.Kind{media.KindRoomKicked, media.KindRoomDenied} {
		for name, open := range map[string]func() fakesource.OpenerFunc{
			"refused": func() fakesource.OpenerFunc { return goesAway(time.Minute, refused) },
			"hanging": func() fakesource.OpenerFunc { return goesAway(time.Minute, hanging) },
			"silent":  func() fakesource.OpenerFunc { return silent },
		} {
			t.Run(kind.String()+", "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newStage(nil)
					s.job.Source.Mode = media.ModeLive
					s.job.Retry = func(k media.Kind) media.Retry {
						if k == kind {
							return media.Retry{}
						}
						return media.Retry{First: 10 * time.Second, Max: 10 * time.Second, For: 5 * time.Minute}
					}
					begin := time.Now()
					time.AfterFunc(12*time.Second, func() { s.room.hangUp(kind) })
					require.Equal(t, kind, media.KindOf(s.playFrom(t.Context(), open(), nil)))
					require.Equal(t, 12*time.Second, time.Since(begin))
					require.Equal(t, 1, s.room.dials)
				})
			})
		}
	}
}

func TestARoomThatBreaksWhileTheSourceIsAwayIsOpenedBesideIt(t *testing.T) {
	for name, absent := range map[string]func(context.Context) error{"refused": refused, "hanging": hanging} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(nil)
				s.job.Source.Mode = media.ModeLive
				s.job.Retry = func(k media.Kind) media.Retry {
					if k.OfRoom() {
						return media.Retry{AtOnce: true, First: time.Second, Max: time.Second, For: time.Minute}
					}
					return media.Retry{First: time.Second, Max: time.Second, For: 10 * time.Minute}
				}
				ctx, cancel := context.WithCancelCause(t.Context())
				opens := 0
				away := goesAway(2*time.Minute, absent)
				open := fakesource.OpenerFunc(func(ctx context.Context, r media.SourceRequest) (media.Source, error) {
					source, err := away(ctx, r)
					if err != nil {
						return nil, err
					}
					opens++
					return source, nil
				})
				time.AfterFunc(12*time.Second, func() {
					s.room.refuses(&media.Error{Kind: media.KindRoomUnavailable, Op: "publish"})
					s.room.hangUp(media.KindRoomClosed)
				})
				time.AfterFunc(3*time.Minute, func() { cancel(media.ErrStopped) })
				require.ErrorIs(t, s.playFrom(ctx, open, nil), media.ErrStopped)
				require.Equal(t, 3, s.room.dials, "the room's trouble is its own")
				require.Equal(t, 2, opens, "nor is the source opened for it")
				again := slices.IndexFunc(s.room.got, func(a arrival) bool { return a.at > 12*time.Second })
				require.Positive(t, again)
				require.InDelta(t, 12*time.Second+3*time.Minute-s.room.got[again].at, s.job.Meter.Snapshot(time.Now()).Played,
					float64(time.Second), "not while there was no room")
			})
		})
	}
}

func TestARoomThatBreaksWhileALiveSourceIsSilentIsOpenedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(nil)
		s.job.Source.Mode = media.ModeLive
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(7*time.Second, func() { s.room.hangUp(media.KindRoomClosed) })
		time.AfterFunc(8*time.Second, func() { cancel(media.ErrStopped) })
		require.ErrorIs(t, s.playFrom(ctx, silent, nil), media.ErrStopped)
		require.Equal(t, 2, s.room.dials)
	})
}

func TestQuickClosesWithALongStayBetweenThemAreNoKicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(10 * time.Minute))
		s.job.Retry = patient
		ends := []struct {
			after time.Duration
			kind  media.Kind
		}{
			{time.Second, media.KindRoomClosed}, {time.Minute, media.KindRoomUnavailable},
			{time.Second, media.KindRoomClosed}, {time.Minute, media.KindRoomUnavailable},
			{time.Second, media.KindRoomClosed}, {time.Second, media.KindRoomClosed},
		}
		room := dialled{&s.room, func() {
			if n := s.room.dials - 1; n < len(ends) {
				time.AfterFunc(ends[n].after, func() { s.room.hangUp(ends[n].kind) })
			}
		}}
		require.NoError(t, (&Pusher{Opener: fakesource.OpenerFunc(s.open), Dialer: room, Door: &s.room}).Play(t.Context(), s.job))
		require.Equal(t, len(ends)+1, s.room.dials)
	})
}

// mostKicks are as many in a row as are another publisher's doing.
const mostKicks = 3
