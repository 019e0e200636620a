package push

import (
	"bytes"
	"cmp"
	"context"
	"io"
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

// script is a source of sound, a packet every 20 ms, and of the pictures that
// are written down. Each picture's data is its PTS in seconds.
type script struct {
	info     media.SourceInfo
	pictures []media.Packet
	late     time.Duration // by how much pictures stand behind their sound
	timed    bool          // it comes in its own time
	silent   bool

	ctx     context.Context
	packets []media.Packet
	begin   time.Time
}

// shows returns keyframes that are shown at these seconds.
func shows(seconds ...float64) (out []media.Packet) {
	for _, at := range seconds {
		pts := time.Duration(at * float64(time.Second))
		out = append(out, media.Packet{PTS: pts, DTS: pts, Duration: fakesource.Frame, Keyframe: true, Data: []byte{0, 0, 0, 1, 0x65, byte(at)}})
	}
	return out
}

func moving(from, to float64) (out []media.Packet) {
	for at := from; at < to-0.001; at += fakesource.Frame.Seconds() {
		out = append(out, shows(at)...)
	}
	return out
}

func (s script) open(ctx context.Context, _ media.SourceRequest) (media.Source, error) {
	s.ctx, s.begin = ctx, time.Now()
	all := slices.Clone(s.pictures)
	for at := time.Duration(0); at < s.info.Duration && !s.silent; at += fakesource.AudioFrame {
		all = append(all, media.Packet{Track: 1, PTS: at, DTS: at, Duration: fakesource.AudioFrame, Data: []byte{0xaa}})
	}
	slices.SortStableFunc(all, func(a, b media.Packet) int { return cmp.Compare(s.comes(a), s.comes(b)) })
	s.packets = all
	if s.silent {
		s.info.Tracks = s.info.Tracks[:1]
	}
	return &s, nil
}

// comes is when a packet is in the source.
func (s *script) comes(p media.Packet) time.Duration {
	at := clock.DecodedAt(&p)
	if p.Track == 0 && at > 0 {
		return at + s.late
	}
	return at
}

func (s *script) Info() media.SourceInfo { return s.info }
func (s *script) Close() error           { return nil }

func (s *script) Seek(pos time.Duration) error {
	from := 0
	for i, p := range s.packets {
		if p.Track == 0 && p.Keyframe && p.PTS <= pos {
			from = i
		}
	}
	s.packets = s.packets[from:]
	return nil
}

func (s *script) ReadPacket() (media.Packet, error) {
	if len(s.packets) == 0 {
		return media.Packet{}, io.EOF
	}
	p := s.packets[0]
	s.packets = s.packets[1:]
	if s.timed {
		if err := retry.Sleep(s.ctx, time.Until(s.begin.Add(s.comes(p)))); err != nil {
			return media.Packet{}, err
		}
	}
	return p, nil
}

// recode plays what is scripted, re-encoded.
func (s *stage) recode(t *testing.T, from script) error {
	t.Helper()
	s.job.Options.Transcode = media.TranscodeAlways
	return s.playFrom(t.Context(), from.open, &fakeCoders{})
}

// requireAlways demands that there is a picture all the time, until the end, that
// it is the right one, and that it is not sent late.
func (r *fakeRoom) requireAlways(t *testing.T, pictures []media.Packet, end time.Duration) {
	t.Helper()
	requireRising(t, r.got)
	right := slices.SortedFunc(slices.Values(pictures), func(a, b media.Packet) int { return cmp.Compare(a.PTS, b.PTS) })
	last := r.of(0)[0].DTS
	for i, a := range r.of(0) {
		require.LessOrEqual(t, a.DTS-last, 2*time.Second, "picture %d", i)
		last = a.DTS
		for len(right) > 1 && right[1].PTS-a.DTS < clock.Tick {
			right = right[1:]
		}
		require.Equal(t, right[0].Data, a.Data, "at %v", a.DTS)
	}
	require.Len(t, right, 1, "all are shown")
	require.LessOrEqual(t, end-last, 1001*time.Millisecond)
	for _, a := range r.got {
		require.InDelta(t, (a.DTS - r.got[0].DTS).Seconds(), a.at.Seconds(), 0.2, "sent in time, track %d", a.Track)
	}
}

func TestAPictureIsKeptBeforeTheViewersWhileItsFileHasNoOther(t *testing.T) {
	hole := slices.Concat(moving(0, 3), moving(12, 15))
	ordered := func(pts, dts float64) media.Packet {
		p := shows(pts)[0]
		p.DTS, p.Keyframe = time.Duration(dts*float64(time.Second)), pts == 0
		return p
	}
	undecoded := func(p media.Packet) []media.Packet {
		p.DTS, p.NoDTS = 0, true
		return []media.Packet{p}
	}
	for name, from := range map[string]script{
		"one":                        {pictures: shows(0)},
		"slides":                     {pictures: shows(0, 3, 6, 9, 12)},
		"slides without sound":       {pictures: shows(0, 3, 6, 9, 12, 14.9), silent: true},
		"slides at odd times":        {pictures: shows(0, 2.2, 2.4, 4.3, 7.9, 8.1, 13)},
		"a hole":                     {pictures: hole},
		"a hole without sound":       {pictures: hole, silent: true},
		"two, then none":             {pictures: shows(0, 0.04)},
		"pictures far in the file":   {pictures: moving(0, 15), late: 6 * time.Second},
		"slides far in the file":     {pictures: shows(0, 3, 6, 9, 12), late: 6 * time.Second},
		"slides in another order":    {pictures: []media.Packet{ordered(0, -4), ordered(6, -2), ordered(2, 0), ordered(4, 2), ordered(12, 4), ordered(8, 6), ordered(10, 8)}},
		"pictures begin after sound": {pictures: shows(0.5, 3)},
		"pictures begin long after sound, and have no DTS yet": {pictures: append(undecoded(shows(5)[0]), moving(5+fakesource.Frame.Seconds(), 15)...)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				from.info = fakesource.Clip(15 * time.Second)
				s := newStage(nil)
				s.job.Options.FillAudio = true
				require.NoError(t, s.recode(t, from))
				first := from.pictures[0].PTS
				if first >= (300*time.Millisecond) && !from.silent { // it stands from where the sound begins
					first, from.pictures[0].PTS = 0, 0
				}
				for i := range from.pictures { // viewers' time begins with the first
					from.pictures[i].PTS -= first - s.room.of(0)[0].DTS
				}
				s.room.requireAlways(t, from.pictures, s.room.got[len(s.room.got)-1].DTS)
				require.Zero(t, s.job.Meter.Snapshot(time.Now()).DroppedPackets)
				require.Zero(t, s.job.Meter.Snapshot(time.Now()).Slipped)
				require.NotContains(t, s.seen.lines, "warned ended_early")
			})
		})
	}
}

func TestSilenceKeepsUpWithThePictureInAHole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(nil)
		s.job.Options.FillAudio = true
		s.job.Retry = noRetry
		m := newMadeOf([]clipPart{{length: 4 * time.Second, picture: true, sound: true}, {length: 6 * time.Second, picture: true}})
		m.info, m.timed = fakesource.Stream(10*time.Second), true
		require.Equal(t, media.KindSourceEnded, media.KindOf(s.playFrom(t.Context(), m.open, nil)))
		var newest [2]time.Duration
		behind := time.Duration(0)
		for _, a := range s.room.got {
			newest[a.Track] = a.DTS
			if a.DTS > 7*time.Second {
				behind = max(behind, newest[0]-newest[1])
			}
		}
		require.Greater(t, behind, (2 * time.Second))
		require.LessOrEqual(t, behind, (2*time.Second)+fakesource.Frame+25*time.Millisecond)
	})
}

func TestTheLastPictureStandsForItsLengthAndSilenceBesideIt(t *testing.T) {
	for name, length := range map[string]time.Duration{"as it says": time.Second, "as the one before, where it says none": 0} {
		t.Run(name, func(t *testing.T) {
			for _, mode := range []media.TranscodeMode{media.TranscodeAuto, media.TranscodeAlways} {
				synctest.Test(t, func(t *testing.T) {
					s := newStage(nil)
					s.job.Options.FillAudio, s.job.Options.Transcode = true, mode
					pictures := shows(0, 1, 2, 3)
					for i := range pictures {
						pictures[i].Duration = length
					}
					require.NoError(t, s.playFrom(t.Context(), script{info: fakesource.Clip(4 * time.Second), pictures: pictures, silent: true}.open, &fakeCoders{}))
					for kind, c := range s.job.Meter.Snapshot(time.Now()).Coverage {
						require.InDelta(t, 4, c.Total().Seconds(), 0.05, "%v: %+v", media.MediaType(kind), c)
						require.Zero(t, c.Lost)
					}
					require.Equal(t, []string{"planned", "publishing"}, s.seen.lines)
				})
			}
		})
	}
}

// A picture that is shown before another is not the last, however long an mp4 says
// that it lasts: that is until the next one is decoded.
func TestAPictureOutOfOrderStandsOnlyUntilTheNextOneIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(nil)
		pictures := slices.Concat(moving(0, 3), moving(6, 8))
		early := &pictures[75+1] // the second behind the hole
		early.PTS, early.DTS, early.Duration = early.PTS+fakesource.Frame, 3*time.Second, 3*time.Second
		pictures[75+2].PTS -= fakesource.Frame
		require.NoError(t, s.recode(t, script{info: fakesource.Clip(8 * time.Second), pictures: pictures, silent: true}))
		require.InDelta(t, 8, s.room.got[len(s.room.got)-1].PTS.Seconds(), 0.1)
		require.InDelta(t, 8, s.job.Meter.Snapshot(time.Now()).Played.Seconds(), 0.1)
	})
}

func TestAPictureStandsWhereverAFileIsBegunAndOverLoops(t *testing.T) {
	for name, c := range map[string]struct {
		options  media.Options
		pictures []media.Packet
	}{
		"a start in it":       {media.Options{StartAt: 5 * time.Second}, shows(0)},
		"a start in slides":   {media.Options{StartAt: 4500 * time.Millisecond}, shows(0, 3, 6, 9)},
		"a part of it, twice": {media.Options{StartAt: 5 * time.Second, EndAt: 8 * time.Second, Repeat: 2}, shows(0)},
		"all of it, twice":    {media.Options{Repeat: 2}, shows(0)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(nil)
				s.job.Options = c.options
				require.NoError(t, s.recode(t, script{info: fakesource.Clip(10 * time.Second), pictures: c.pictures}))
				length := (cmp.Or(c.options.EndAt, 10*time.Second) - c.options.StartAt) * time.Duration(max(1, c.options.Repeat))
				require.InDelta(t, length/fakesource.AudioFrame, len(s.room.of(1)), 2)
				last := time.Duration(0)
				for _, a := range s.room.of(0) {
					require.LessOrEqual(t, a.DTS-last, 1001*time.Millisecond, "over the seam, too")
					last = a.DTS
				}
				require.GreaterOrEqual(t, last, length-1001*time.Millisecond)
				require.Equal(t, time.Duration(0), s.room.of(0)[0].DTS)
				require.True(t, s.room.of(0)[0].Keyframe)
				if len(c.pictures) > 1 {
					require.Equal(t, byte(3), s.room.of(0)[0].Data[5], "the one that stands there")
				}
				requireRising(t, s.room.got)
			})
		})
	}
}

func TestAStandingPictureBeginsWithAKeyframeInARoomOpenedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(nil)
		s.room.breakAt(5300*time.Millisecond, media.KindRoomClosed)
		require.NoError(t, s.recode(t, script{info: fakesource.Clip(10 * time.Second), pictures: shows(0)}))
		require.Equal(t, 2, s.room.dials)
		requireRising(t, s.room.got)
		again := slices.IndexFunc(s.room.got, func(a arrival) bool { return a.DTS >= 5300*time.Millisecond })
		require.Zero(t, s.room.got[again].Track)
		require.True(t, s.room.got[again].Keyframe)
	})
}

func TestALiveSourceWhosePictureIsAwayForAWhileLosesNoneAndIsNotLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(nil)
		pictures := slices.Concat(moving(0, 5), moving(12, 20))
		require.Equal(t, media.KindSourceEnded, media.KindOf(s.recodeLive(t, script{info: fakesource.Stream(20 * time.Second), pictures: pictures, timed: true})))
		requireRising(t, s.room.got)
		seen := map[time.Duration]bool{}
		last := time.Duration(0)
		for _, a := range s.room.of(0) {
			require.LessOrEqual(t, a.at-last, 2100*time.Millisecond)
			seen[a.PTS.Round(fakesource.Frame)], last = true, a.at
		}
		for _, p := range pictures[:len(pictures)-4] { // the coder keeps four
			require.True(t, seen[p.PTS.Round(fakesource.Frame)], "at %v", p.PTS)
		}
		for _, a := range s.room.of(1) {
			require.InDelta(t, a.DTS.Seconds(), a.at.Seconds(), 0.3) // what is inside at the end comes at once
		}
		for _, a := range s.room.of(0) {
			require.LessOrEqual(t, a.at-a.DTS, 1500*time.Millisecond)
		}
	})
}

func TestALiveSourceWhosePictureIsBehindItsSoundKeepsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(nil)
		require.Equal(t, media.KindSourceEnded, media.KindOf(s.recodeLive(t, script{info: fakesource.Stream(30 * time.Second), pictures: moving(0, 27), late: 3 * time.Second, timed: true})))
		requireRising(t, s.room.got)
		require.Greater(t, len(s.room.of(0)), 27*25-60)
	})
}

func (s *stage) recodeLive(t *testing.T, from script) error {
	t.Helper()
	s.job.Retry = noRetry
	return s.recode(t, from)
}

// groups makes pictures that others are made of: a keyframe each second.
func groups(pictures []media.Packet) []media.Packet {
	key := -clock.Forever
	for i := range pictures {
		p := &pictures[i]
		if p.Keyframe = p.PTS-key >= time.Second; p.Keyframe {
			key = p.PTS
		}
	}
	return pictures
}

func TestACopiedPictureThatStoodIsCopiedAgainOnceItHasGoneOnForAWhile(t *testing.T) {
	for name, c := range map[string]struct {
		pictures []media.Packet
		live     bool
		silent   bool
		repeat   int
		copied   float64 // from here on, in seconds
	}{
		"a file":               {pictures: groups(slices.Concat(moving(0, 5), moving(9, 30))), copied: 19},
		"a file without sound": {pictures: groups(slices.Concat(moving(0, 5), moving(9, 30))), silent: true, copied: 19},
		"two holes":            {pictures: groups(slices.Concat(moving(0, 5), moving(9, 12), moving(14, 30))), copied: 24},
		"a live stream":        {pictures: groups(slices.Concat(moving(0, 5), moving(9, 30))), live: true, copied: 18},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(nil)
				coders := &fakeCoders{}
				from := script{info: fakesource.Clip(30 * time.Second), pictures: c.pictures, silent: c.silent}
				s.job.Retry = noRetry
				if c.live {
					from.info, from.timed = fakesource.Stream(30*time.Second), true
				}
				err := s.playFrom(t.Context(), from.open, coders)
				require.Equal(t, c.live, err != nil)
				requireRising(t, s.room.got)
				require.Equal(t, []string{"planned", "publishing", "planned", "planned"}, s.seen.lines)
				require.Equal(t, media.TrackPlan{Action: media.Copy, Reason: "the room takes it as it is", Output: media.Output{Width: 640, Height: 360}}, *s.seen.plan.Video)
				require.Len(t, coders.made, 1)
				require.True(t, coders.made[0].closed, "nothing is kept of it")

				video := s.room.of(0)
				again := slices.IndexFunc(video[1:], func(a arrival) bool { return bytes.Equal(a.Extradata, from.info.Tracks[0].Extradata) }) + 1
				require.True(t, video[again].Keyframe)
				require.InDelta(t, c.copied, video[again].PTS.Seconds(), 1.001)
				shown := map[time.Duration]int{}
				for _, a := range video {
					shown[a.PTS.Round(fakesource.Frame/2)]++
				}
				for _, p := range c.pictures {
					require.Equal(t, 1, shown[p.PTS.Round(fakesource.Frame/2)], "at %v", p.PTS)
				}
				cover := s.job.Meter.Snapshot(time.Now()).Coverage[media.Video]
				require.Zero(t, cover.Lost)
				require.InDelta(t, 4, cover.Held.Seconds(), 2.1)
				require.Zero(t, s.job.Meter.Snapshot(time.Now()).DroppedPackets)
			})
		})
	}
}

func TestSlidesStayReencoded(t *testing.T) {
	for name, pictures := range map[string][]media.Packet{
		"at once": shows(0, 6, 12, 18, 24, 30, 36, 42, 48, 54),
		"later":   slices.Concat(moving(0, 5), shows(6, 12, 18, 24, 30, 36, 42, 48, 54)),
		"films":   slices.Concat(moving(0, 5), moving(7, 12), moving(14, 20), moving(22, 28), moving(30, 39), moving(41, 50), moving(52, 60)),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(nil)
				coders := &fakeCoders{}
				require.NoError(t, s.playFrom(t.Context(), script{info: fakesource.Clip(time.Minute), pictures: pictures}.open, coders))
				s.room.requireAlways(t, pictures, time.Minute)
				require.Len(t, coders.made, 1)
				require.Equal(t, []string{"planned", "publishing", "planned"}, s.seen.lines)
			})
		})
	}
}

func TestAPictureIsCopiedAgainInEveryPlayOfALoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(nil)
		s.job.Options.Repeat = 2
		coders := &fakeCoders{}
		pictures := groups(slices.Concat(moving(0, 5), moving(9, 25)))
		require.NoError(t, s.playFrom(t.Context(), script{info: fakesource.Clip(25 * time.Second), pictures: pictures}.open, coders))
		requireRising(t, s.room.got)
		require.Len(t, coders.made, 2)
		require.True(t, coders.made[0].closed && coders.made[1].closed)
		var actions []media.Action
		for _, p := range s.seen.plans {
			actions = append(actions, p.Video.Action)
		}
		require.Equal(t, []media.Action{media.Copy, media.Transcode, media.Copy, media.Transcode, media.Copy}, actions)
		require.Len(t, slices.DeleteFunc(s.room.of(0), func(a arrival) bool { return a.Origin == media.Held }), 2*len(pictures))
	})
}

func TestAPictureThatStoodStaysReencodedWhereItCannotBeCopiedAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pictures := groups(slices.Concat(moving(0, 5), moving(9, 30)))
		for i := range pictures { // B-frames from 12 s on
			if at := pictures[i].PTS; at >= 12*time.Second && i%3 == 1 && i+1 < len(pictures) {
				pictures[i].PTS, pictures[i+1].PTS = pictures[i+1].PTS, at
			}
		}
		s := newStage(nil)
		coders := &fakeCoders{}
		require.NoError(t, s.playFrom(t.Context(), script{info: fakesource.Clip(30 * time.Second), pictures: pictures}.open, coders))
		requireRising(t, s.room.got)
		require.Len(t, coders.made, 1)
		require.Equal(t, media.TrackPlan{Action: media.Transcode, Reason: "B-frames", Output: media.Output{Width: 640, Height: 360}}, *s.seen.plan.Video)
	})
}

func TestAPictureThatStandsBeyondTheEndOfItsPartDoesNotHoldUpTheNextPlay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(nil)
		s.job.Options.EndAt, s.job.Options.Repeat, s.job.Options.FillAudio = 2500*time.Millisecond, 2, true
		begin := time.Now()
		require.NoError(t, s.playFrom(t.Context(), func(ctx context.Context, _ media.SourceRequest) (media.Source, error) {
			slides := shows(0, 1, 2, 3, 4)
			for i := range slides {
				slides[i].Duration = time.Second
			}
			info := fakesource.Clip(5 * time.Second)
			info.Tracks = info.Tracks[:1]
			return &script{ctx: ctx, info: info, packets: slides}, nil
		}, &fakeCoders{}))
		require.InDelta(t, 5, time.Since(begin).Seconds(), 0.1)
		var pictures []time.Duration
		for _, p := range s.room.of(int(media.Video)) {
			pictures = append(pictures, p.PTS)
		}
		require.Equal(t, []time.Duration{0, time.Second, 2 * time.Second, 2500 * time.Millisecond, 3500 * time.Millisecond, 4500 * time.Millisecond}, pictures)
	})
}
