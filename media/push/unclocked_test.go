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

// stepBackAt is when the clock of joined begins anew, and joinedLength how much
// there is of it.
const (
	stepBackAt   = 8 * time.Second
	joinedLength = 20 * time.Second
)

// joined is two recordings in one file: the clock of the second begins at zero. It
// finds only what is in the first. The Offset of a packet is its place in milliseconds.
type joined struct{ *fakesource.Source }

func (s joined) Info() media.SourceInfo {
	info := s.Of
	info.Duration = joinedLength - stepBackAt // by its last timestamp
	return info
}

func (s joined) ReadPacket() (media.Packet, error) {
	p, err := s.Source.ReadPacket()
	p.Offset = p.PTS.Milliseconds()
	if p.DTS >= stepBackAt {
		p.PTS, p.DTS = p.PTS-stepBackAt, p.DTS-stepBackAt
	}
	return p, err
}

// playJoined plays a joined file of which an opening fails at a place (0: never).
func (s *stage) playJoined(t *testing.T, coders media.Transcoders, failsAt func(opens int) time.Duration) error {
	t.Helper()
	return s.playFrom(t.Context(), fakesource.Opener(func(ctx context.Context) (media.Source, error) {
		f := &fakesource.Source{Ctx: ctx, Of: fakesource.Clip(joinedLength), FailAt: failsAt(len(s.opened)), Err: &media.Error{Kind: media.KindSourceUnavailable, Op: "read source"}}
		s.opened = append(s.opened, f)
		return joined{f}, nil
	}), coders)
}

// handedOverUnclocked is handedOver for what stood behind the step.
func handedOverUnclocked(position time.Duration) func(context.Context) (media.Progress, error) {
	return func(ctx context.Context) (media.Progress, error) {
		p, err := handedOver(500*time.Millisecond, position)(ctx)
		p.Unclocked = true
		return p, err
	}
}

func never(int) time.Duration { return 0 }

// places are of the pictures that the room got.
func (r *fakeRoom) places() (places []time.Duration) {
	for _, p := range r.of(int(media.Video)) {
		places = append(places, time.Duration(p.Offset)*time.Millisecond)
	}
	return places
}

func TestThePositionGoesOnWhereTheSourcesClockStepsBack(t *testing.T) {
	for _, mode := range []media.TranscodeMode{media.TranscodeAuto, media.TranscodeAlways} {
		t.Run(string(mode), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(nil)
				s.job.Options.Transcode = mode
				for _, at := range []time.Duration{3 * time.Second, stepBackAt + time.Second, 15 * time.Second} {
					time.AfterFunc(at, func() {
						got := s.job.Meter.Snapshot(time.Now())
						require.InDelta(t, at.Seconds(), got.Position.Seconds(), 0.1)
						require.Equal(t, at > stepBackAt, got.Unclocked)
						require.Equal(t, at > stepBackAt, got.Duration == 0, "what the clock says of the length is not true")
					})
				}
				require.NoError(t, s.playJoined(t, &fakeCoders{}, never))
				require.InDelta(t, joinedLength.Seconds(), s.job.Meter.Snapshot(time.Now()).Position.Seconds(), 0.05)
				require.Equal(t, []string{"planned", "publishing"}, s.seen.lines)
			})
		})
	}
}

func TestASourceWhoseClockSteppedBackGoesOnWhereItStood(t *testing.T) {
	const stood = 10700 * time.Millisecond
	for name, c := range map[string]struct {
		start     time.Duration
		unclocked bool
		takeOver  func(context.Context) (media.Progress, error)
		failsAt   func(opens int) time.Duration
		opens     int
		from      time.Duration
	}{
		"taken over": {start: stood, unclocked: true, opens: 1, from: 10 * time.Second},
		"handed over, the source being before the step": {
			start: 7300 * time.Millisecond, takeOver: handedOverUnclocked(stood), opens: 1, from: 10 * time.Second},
		"handed over, the source being behind it": {
			start: 9300 * time.Millisecond, unclocked: true, takeOver: handedOverUnclocked(stood), opens: 1, from: 10 * time.Second},
		"handed over, far on": {
			start: 0, takeOver: handedOverUnclocked(17 * time.Second), opens: 2, from: 17 * time.Second},
		"opened again, having failed": {
			start: 7 * time.Second, opens: 2, from: 7 * time.Second,
			failsAt: func(opens int) time.Duration { return []time.Duration{stood, 0}[opens] }},
	} {
		for _, mode := range []media.TranscodeMode{media.TranscodeAuto, media.TranscodeAlways} {
			t.Run(name+" "+string(mode), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newStage(nil)
					s.job.Start, s.job.Unclocked, s.job.TakeOver, s.job.Options.Transcode = c.start, c.unclocked, c.takeOver, mode
					failsAt := c.failsAt
					if failsAt == nil {
						failsAt = never
					}
					require.NoError(t, s.playJoined(t, &fakeCoders{}, failsAt))
					require.Len(t, s.opened, c.opens)
					places, from := s.room.places(), c.from
					if mode == media.TranscodeAlways { // what is re-encoded begins at the very picture
						from = max(from, c.start, map[bool]time.Duration{true: stood}[c.takeOver != nil && c.from == 10*time.Second])
					}
					require.InDelta(t, from.Seconds(), places[0].Seconds(), 0.05)
					require.Equal(t, joinedLength-fakesource.Frame, places[len(places)-1])
					for i := 1; i < len(places); i++ {
						if places[i] < places[i-1] { // opened again, at the keyframe before or at the very picture
							require.Greater(t, c.opens, 1)
							require.InDelta(t, stood.Seconds(), places[i].Seconds(), 0.75)
							continue
						}
						require.LessOrEqual(t, places[i]-places[i-1], fakesource.Frame, "nothing is left out")
					}
					requireRising(t, s.room.got)
					require.InDelta(t, joinedLength.Seconds(), s.job.Meter.Snapshot(time.Now()).Position.Seconds(), 0.05)
				})
			})
		}
	}
}

func TestASourceOfUnknownLengthIsAtItsEndWhenItIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(nil)
		require.NoError(t, s.playFrom(t.Context(), fakesource.Opener(func(ctx context.Context) (media.Source, error) {
			return unmeasured{&fakesource.Source{Ctx: ctx, Of: fakesource.Clip(3 * time.Second)}}, nil
		}), nil))
		require.Equal(t, 3*time.Second, s.job.Meter.Snapshot(time.Now()).Position)
	})
}

// unmeasured does not say how long it is.
type unmeasured struct{ *fakesource.Source }

func (s unmeasured) Info() media.SourceInfo {
	info := s.Of
	info.Duration = 0
	return info
}
