package push

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/clock"
	"github.com/roomcast/roomcast/media/fakesource"
	"github.com/roomcast/roomcast/media/input"
	"github.com/roomcast/roomcast/media/retry"
)

// playlist is a live one: it gives the packets of a segment when all of it is
// there, and begins with three. GOPs last gop.
type playlist struct {
	*fakesource.Source
	begin time.Time
	gop   time.Duration
	only  []media.MediaType               // its tracks; nil: both
	apart bool                            // a segment holds all of its pictures before any sound
	late  func(segment int) time.Duration // nil: none is
	batch []media.Packet                  // the rest of what was read
}

const segmentLength = 2 * time.Second

func (s *playlist) ReadPacket() (media.Packet, error) {
	for len(s.batch) == 0 {
		if err := s.readSegment(); err != nil {
			return media.Packet{}, err
		}
	}
	p := s.batch[0]
	s.batch = s.batch[1:]
	at := segmentLength * (p.DTS/segmentLength - 2)
	if s.late != nil {
		at += s.late(int(p.DTS / segmentLength))
	}
	return p, retry.Sleep(s.Ctx, time.Until(s.begin.Add(at)))
}

func (s *playlist) readSegment() error {
	for end := (s.Next/segmentLength + 1) * segmentLength; s.Next < end; {
		p, err := s.Source.ReadPacket()
		if err != nil && len(s.batch) == 0 {
			return err
		}
		if err != nil {
			break
		}
		p.Keyframe = p.Keyframe && p.DTS%s.gop == 0
		s.batch = append(s.batch, p)
	}
	if s.apart {
		slices.SortStableFunc(s.batch, func(a, b media.Packet) int { return a.Track - b.Track })
	}
	return nil
}

// playList plays a live playlist of a minute, of which list says more.
func (s *stage) playList(t *testing.T, list playlist) {
	t.Helper()
	s.job.Retry = noRetry
	open := fakesource.Opener(func(ctx context.Context) (media.Source, error) {
		info := fakesource.Stream(time.Minute)
		info.Container = "hls"
		if list.only != nil {
			info.Tracks = []media.Track{info.Tracks[list.only[0]]}
		}
		opened := list
		opened.Source, opened.begin = &fakesource.Source{Ctx: ctx, Of: info}, time.Now()
		return &opened, nil
	})
	require.Equal(t, media.KindSourceEnded, media.KindOf(s.playFrom(t.Context(), open, &fakeCoders{sound: filling})))
	requireRising(t, s.room.got)
	require.Equal(t, 1, s.room.dials)
}

// slowAt makes the room take that long for the packet that comes at or after each dts.
func (r *fakeRoom) slowAt(took time.Duration, at ...time.Duration) {
	r.writeErr = func(p media.Packet) error {
		if len(at) > 0 && p.DTS >= at[0] {
			at = at[1:]
			time.Sleep(took)
		}
		return nil
	}
}

// lag is how much later than at first a packet came, against its source.
func (r *fakeRoom) lag(a arrival) time.Duration {
	return a.at - r.got[0].at - (a.Position - r.got[0].Position)
}

// requireSameClock demands that the times of the room are the source's, but for
// rounding: what was left out is a gap, and sound is with its picture.
func (r *fakeRoom) requireSameClock(t *testing.T) {
	t.Helper()
	for _, a := range r.got {
		require.InDelta(t, a.Position-r.got[0].Position, a.PTS, float64(time.Millisecond), "track %d", a.Track)
	}
}

func TestASlowRoomMakesALivePlaylistDropToAKeyframeAndNoFurther(t *testing.T) {
	const long = clock.MaxForward + 3500*time.Millisecond
	for name, c := range map[string]struct {
		mode  media.TranscodeMode
		slow  time.Duration
		apart bool
	}{
		"copied":                   {mode: media.TranscodeAuto, slow: 5500 * time.Millisecond},
		"re-encoded":               {mode: media.TranscodeAlways, slow: 5500 * time.Millisecond},
		"copied, for long":         {mode: media.TranscodeAuto, slow: long},
		"re-encoded, for long":     {mode: media.TranscodeAlways, slow: long},
		"copied, tracks apart":     {mode: media.TranscodeAuto, slow: 5500 * time.Millisecond, apart: true},
		"re-encoded, tracks apart": {mode: media.TranscodeAlways, slow: 5500 * time.Millisecond, apart: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(nil)
				s.job.Options.Transcode = c.mode
				s.room.slowAt(c.slow, 20*time.Second)
				s.playList(t, playlist{gop: time.Second, apart: c.apart})
				s.room.requireSameClock(t)
				progress := s.job.Meter.Snapshot(time.Now())
				require.InDelta(t, 3000-len(s.room.got), progress.DroppedPackets, 12)
				lag := s.room.lag(s.room.got[len(s.room.got)-1])
				require.InDelta(t, 500*time.Millisecond, lag, float64(500*time.Millisecond), "it is the newest keyframe within reach")
				require.InDelta(t, (c.slow-lag)/fakesource.AudioFrame, progress.DroppedPackets, 12)
				require.InDelta(t, lag, progress.Slipped, float64(100*time.Millisecond))
				holes := slices.DeleteFunc(s.seen.messages, func(m string) bool { return !strings.HasPrefix(m, "nothing of the ") })
				require.Len(t, holes, 2, "one of each track")
				for kind, told := range holes {
					require.Contains(t, told, "too slow for it, and a live source does not wait")
					require.InDelta(t, progress.DroppedPackets*int64(fakesource.AudioFrame), progress.Coverage[kind].Lost, float64(300*time.Millisecond))
				}
				for _, a := range s.room.got {
					if a.at > 22500*time.Millisecond+c.slow { // what was re-encoded ahead has been sent
						require.Less(t, s.room.lag(a), input.LiveBehind)
					}
				}
			})
		})
	}
}

func TestWhatIsMadeUpDoesNotKeepALivePlaylistBehind(t *testing.T) {
	for _, there := range []media.MediaType{media.Video, media.Audio} {
		t.Run("only "+there.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(nil)
				s.job.Options.FillAudio, s.job.Options.FillVideo = true, true
				s.room.slowAt(5500*time.Millisecond, 20*time.Second)
				s.playList(t, playlist{gop: time.Second, only: []media.MediaType{there}})
				s.room.requireSameClock(t)
				require.Positive(t, s.job.Meter.Snapshot(time.Now()).DroppedPackets)
				for _, a := range s.room.got {
					if a.at > 28*time.Second {
						require.LessOrEqual(t, s.room.lag(a), time.Second)
					}
				}
			})
		})
	}
}

func TestALivePlaylistIsNeverFurtherBehindThanItsLimitAndAGroupOfPictures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const gop = 6 * time.Second
		s := newStage(nil)
		var slow []time.Duration
		for at := 2 * time.Second; at < 50*time.Second; at += 3 * time.Second {
			slow = append(slow, at)
		}
		s.room.slowAt(900*time.Millisecond, slow...)
		s.playList(t, playlist{gop: gop})
		s.room.requireSameClock(t)
		require.Positive(t, s.job.Meter.Snapshot(time.Now()).DroppedPackets)
		for i, a := range s.room.got {
			require.LessOrEqual(t, s.room.lag(a), input.LiveBehind+3*900*time.Millisecond, "while a keyframe is waited for")
			require.GreaterOrEqual(t, s.room.lag(a), -40*time.Millisecond, "it is not taken to where it was not yet")
			if i > 0 {
				require.Less(t, a.at-s.room.got[i-1].at, time.Second, "no picture stands for longer than the room made it")
			}
		}
	})
}

func TestALivePlaylistWhoseSegmentsAreLateSlipsAndDropsNothing(t *testing.T) {
	for _, mode := range []media.TranscodeMode{media.TranscodeAuto, media.TranscodeAlways} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(nil)
			s.job.Options.Transcode = mode
			s.room.slowAt(time.Second, 10*time.Second) // the room alone is not slow enough
			s.playList(t, playlist{gop: time.Second, late: func(n int) time.Duration {
				if n >= 10 {
					return 12 * time.Second
				}
				return 0
			}})
			require.Zero(t, s.job.Meter.Snapshot(time.Now()).DroppedPackets)
			require.InDelta(t, 9, s.job.Meter.Snapshot(time.Now()).Slipped.Seconds(), 1.5)
			require.InDelta(t, 3000, len(s.room.got), 12)
		})
	}
}

func TestTheRoomIsToBlameForWhatItMadeUsWaitOnly(t *testing.T) {
	for name, c := range map[string]struct {
		room, source time.Duration
		buffered     time.Duration
		behind       time.Duration
	}{
		"the room":                    {room: 3 * time.Second, buffered: 5 * time.Second, behind: 3*time.Second - fakesource.Frame},
		"the source":                  {source: 3 * time.Second, buffered: 5 * time.Second},
		"both":                        {room: time.Second, source: 2 * time.Second, buffered: 5 * time.Second, behind: time.Second},
		"the room, but nothing came":  {room: 3 * time.Second},
		"the room, and it was caught": {room: (300 * time.Millisecond), buffered: 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var p clock.Pacer
				for i := range 1000 {
					p.Follow(c.buffered)
					if i == 500 {
						time.Sleep(c.source)
					}
					_, err := p.Wait(t.Context(), time.Duration(i)*fakesource.Frame)
					require.NoError(t, err)
					if i == 499 {
						time.Sleep(c.room)
						p.Wrote(c.room)
					}
				}
				require.Equal(t, c.behind, p.Wanted())
			})
		})
	}
}

func TestWhatTheClockHasCaughtUpIsNotLeftOutAsWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p clock.Pacer
		begin, slow := time.Now(), 1500*time.Millisecond
		for i := range 50_000 {
			dts := time.Duration(i) * fakesource.Frame
			p.Follow(time.Since(begin) + 4*time.Second - dts)
			_, err := p.Wait(t.Context(), dts)
			require.NoError(t, err)
			if i == 1500 {
				time.Sleep(slow)
				p.Wrote(slow)
			}
			if i == 1502 {
				require.Equal(t, slow-fakesource.Frame, p.Wanted())
			}
		}
		require.Less(t, p.Wanted(), 100*time.Millisecond)
	})
}
