package push

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// fakePicture is a source that is a picture.
type fakePicture struct {
	ctx  context.Context
	next time.Duration
}

const pictureInterval = 500 * time.Millisecond

func (s *fakePicture) Close() error { return nil }
func (s *fakePicture) Info() media.SourceInfo {
	return media.SourceInfo{Container: "png_pipe", Still: true, Tracks: []media.Track{{Type: media.Video, Codec: "png", Width: 640, Height: 360, FPS: 2}}}
}

func (s *fakePicture) Seek(pos time.Duration) error {
	s.next = pos.Truncate(pictureInterval)
	return nil
}

func (s *fakePicture) ReadPacket() (media.Packet, error) {
	if s.ctx.Err() != nil {
		return media.Packet{}, context.Cause(s.ctx)
	}
	p := media.Packet{PTS: s.next, DTS: s.next, Duration: pictureInterval, Keyframe: true, Data: []byte{1}}
	s.next += pictureInterval
	return p, nil
}

func newPictureStage() *stage {
	s := newStage(nil)
	s.job.Options.FillAudio = true
	return s
}

func (s *stage) playPicture(t *testing.T, opens *int) error {
	t.Helper()
	return s.playFrom(t.Context(), func(ctx context.Context, _ media.SourceRequest) (media.Source, error) {
		*opens++
		return &fakePicture{ctx: ctx}, nil
	}, &fakeCoders{})
}

// requireStands demands a picture at least once a second, and sound without a
// hole, in time.
func (r *fakeRoom) requireStands(t *testing.T, length time.Duration) {
	t.Helper()
	requireRising(t, r.got)
	first := r.got[0]
	for track, most := range map[int]time.Duration{0: time.Second, 1: 30 * time.Millisecond} {
		last, all := first.DTS, 0
		for i := range r.got { // which may be hours
			a := &r.got[i]
			if a.Track != track {
				continue
			}
			all++
			if apart := (a.DTS - first.DTS) - (a.at - first.at); a.DTS-last > most || apart.Abs() > 600*time.Millisecond {
				require.Fail(t, "it does not stand in time", "track %d: %v after %v, %v late", track, a.DTS, last, -apart)
			}
			last = a.DTS
		}
		if all == 0 {
			continue
		}
		require.InDelta(t, length.Seconds(), (last - first.DTS).Seconds(), 1, "track %d", track)
	}
}

func TestAPictureOfWhichNobodySaysForHowLongItStandsIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, opens := newPictureStage(), 0
		s.job.Retry = noRetry
		err := s.playPicture(t, &opens)
		require.Equal(t, media.KindSourceUnsupported, media.KindOf(err))
		require.ErrorContains(t, err, "the source is a picture: say how long it is to stand with maxDurationSec, or mode: live")
		require.Equal(t, 1, opens)
		require.Zero(t, s.room.dials)
	})
}

func TestAPictureStandsForAsLongAsItIsAskedTo(t *testing.T) {
	for name, c := range map[string]struct {
		ask    func(j *media.Job)
		stands time.Duration
	}{
		"for at most so long": {func(j *media.Job) { j.Options.MaxDuration = 30 * time.Second }, 30 * time.Second},
		"from a position": {func(j *media.Job) {
			j.Options.MaxDuration, j.Options.StartAt = 30*time.Second, time.Hour+time.Millisecond
		}, 30 * time.Second},
		"up to a position":             {func(j *media.Job) { j.Options.EndAt = 20 * time.Second }, 20 * time.Second},
		"again and again":              {func(j *media.Job) { j.Options.EndAt, j.Options.Repeat = 10*time.Second, 3 }, 30 * time.Second},
		"repeated, though without end": {func(j *media.Job) { j.Options.MaxDuration, j.Options.Repeat = 30*time.Second, 3 }, 30 * time.Second},
		"as a stream":                  {func(j *media.Job) { j.Source.Mode, j.Options.MaxDuration = media.ModeLive, 30*time.Second }, 30 * time.Second},
		"for the rest of a push": {func(j *media.Job) {
			j.Options.MaxDuration, j.Start, j.Stood.Played = time.Minute, 50*time.Second, 50*time.Second
		}, 10 * time.Second},
		"for the rest of what is live": {func(j *media.Job) {
			j.Source.Mode, j.WasLive, j.Options.MaxDuration, j.Stood.Played = media.ModeLive, true, time.Minute, 50*time.Second
		}, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, opens := newPictureStage(), 0
				c.ask(&s.job)
				require.NoError(t, s.playPicture(t, &opens))
				s.room.requireStands(t, c.stands)
				require.NotContains(t, s.seen.lines, "warned ended_early")
			})
		})
	}
}

func TestAPictureWithoutSoundStandsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, opens := newPictureStage(), 0
		s.job.Options.FillAudio, s.job.Options.MaxDuration = false, 20*time.Second
		require.NoError(t, s.playPicture(t, &opens))
		require.Empty(t, s.room.of(1))
		s.room.requireStands(t, 20*time.Second)
	})
}

func TestAPictureThatIsLiveStandsUntilItIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, opens := newPictureStage(), 0
		s.job.Source.Mode = media.ModeLive
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Hour, func() { cancel(media.ErrStopped) })
		err := s.playFrom(ctx, func(ctx context.Context, _ media.SourceRequest) (media.Source, error) {
			opens++
			return &fakePicture{ctx: ctx}, nil
		}, &fakeCoders{})
		require.ErrorIs(t, err, media.ErrStopped)
		require.Equal(t, 1, opens, "it is fetched once")
		s.room.requireStands(t, time.Hour)
	})
}

func TestAPictureGoesOnInARoomThatBroke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, opens := newPictureStage(), 0
		s.job.Options.MaxDuration = 30 * time.Second
		time.AfterFunc(10*time.Second, func() { s.room.hangUp(media.KindRoomClosed) })
		require.NoError(t, s.playPicture(t, &opens))
		require.Equal(t, 2, s.room.dials)
		require.GreaterOrEqual(t, s.job.Meter.Snapshot(time.Now()).Position, 28*time.Second)
	})
}
