package push

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/clock"
	"github.com/roomcast/roomcast/media/input"
	"github.com/roomcast/roomcast/media/outlet"
	"github.com/roomcast/roomcast/media/program"
	"github.com/roomcast/roomcast/media/retry"
)

// session is one Play: a program, the outlets that are fed with it, and the clock
// between them. Program and outlets each try again by themselves.
type session struct {
	job      media.Job
	program  *program.Program
	outlets  *outlet.Group
	pacer    clock.Pacer
	end      context.CancelCauseFunc // ends the push
	troubled atomic.Bool             // something is away, or was, and nothing has been sent since
	slow     bool                    // its user has been told so
	leaving  []media.SentPacket      // what is told of a batch; kept for the next one
}

// newSession returns the session of a job that is played into rooms. Its end is to be set.
func newSession(ctx context.Context, p *Pusher, job media.Job, rooms []outlet.Config) *session {
	job.Source.Log, job.Source.Came, job.Source.Conduct = job.Log, job.Meter.SourceGives, &media.Conduct{}
	if job.Keyframe == nil {
		job.Keyframe = &media.LastKeyframe{}
	}
	s := &session{job: job}
	s.troubled.Store(true)
	told := observer{job.Observer, &s.troubled}
	for i := range rooms {
		rooms[i].Observer = told
	}
	s.outlets = outlet.NewGroup(rooms, job.Stood.Played)
	cfg := program.Config{
		Opener: p.Opener, Source: job.Source, Options: job.Options, Unconfirmed: s.outlets.Unconfirmed, Together: s.together, Rules: p.Door.Rules(),
		Retry: job.Retry, WasLive: job.WasLive, Meter: job.Meter, Keyframe: job.Keyframe, Observer: told, Fits: job.Fits,
	}
	if p.Transcoders != nil {
		cfg.Transcoders = p.Transcoders.With(ctx, job.Log, job.Source.Conduct)
	}
	s.program = program.New(cfg, job)
	s.outlets.Enter = func() { s.program.Do(program.ForceKeyframe{}) }
	return s
}

// observer passes on what a push's program and outlets tell, and notes their troubles.
type observer struct {
	media.Observer
	troubled *atomic.Bool
}

func (o observer) Reconnecting(err error, wait time.Duration, until time.Time) {
	o.Observer.Reconnecting(err, wait, until)
	o.troubled.Store(true) // behind it: what is sent meanwhile tells of publishing once more
}

// play plays until the program is over (nil), or what ends the push.
func (s *session) play(ctx context.Context) error {
	if err := s.outlets.Overtime(); err != nil {
		return err
	}
	if err := s.program.Open(ctx); err != nil {
		return err
	}
	if s.job.TakeOver != nil {
		stood, err := s.job.TakeOver(ctx)
		if err != nil {
			return err
		}
		if err := s.program.TakeOver(ctx, stood); err != nil {
			return err
		}
		s.outlets.GoOnFrom(stood.Played)
	}
	for {
		if err := s.playIn(ctx); !errors.Is(err, program.ErrNewTracks) {
			return err
		}
		s.troubled.Store(true)
	}
}

// playIn plays in rooms that are opened with the program's tracks as they are now.
func (s *session) playIn(ctx context.Context) error {
	staying, leave := context.WithCancelCause(ctx)
	var keeping sync.WaitGroup
	defer keeping.Wait()
	defer leave(program.ErrNotNeeded)
	keeping.Go(func() {
		if err := s.outlets.Keep(staying, s.program.Tracks()); err != nil {
			s.end(err)
		}
	})
	for {
		inRoom, cancel, err := s.outlets.Wait(ctx)
		if err != nil {
			return err
		}
		s.pacer.Reset()
		err = s.feed(ctx, inRoom)
		cancel()
		switch {
		case err == nil || errors.Is(err, program.ErrNewTracks):
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !errors.Is(err, outlet.ErrNoRoom):
			return err
		}
		s.program.Pause()
	}
}

// feed gives the rooms what comes next when its time has come, until the program is
// over (nil) or inRoom ends.
func (s *session) feed(ctx, inRoom context.Context) error {
	for {
		if buffered, bursty := s.program.Buffered(); bursty {
			s.pacer.Follow(buffered)
			s.program.Do(program.CatchUp{Total: s.pacer.Wanted()})
		}
		packets, err := s.program.Next(ctx, inRoom)
		s.job.Meter.Dropped(s.program.TakeDropped())
		if input.IsEnd(err) {
			return s.playOut(inRoom)
		}
		if err != nil {
			return err
		}
		if s.program.TakeAnew() {
			s.pacer.Reset()
		}
		if err := s.give(ctx, inRoom, packets); err != nil {
			return err
		}
	}
}

// together returns up to which room time what there is goes out with a packet of dts.
func (s *session) together(dts time.Duration) (end time.Duration) {
	if s.program.Realtime() {
		return dts + clock.BatchSpan
	}
	return s.pacer.Together(dts)
}

// give gives packets, which are due together, to the outlets that can take them.
func (s *session) give(ctx, inRoom context.Context, packets []media.Packet) error {
	if packets = s.outlets.Stamp(packets); len(packets) == 0 {
		return nil
	}
	defer media.Release(packets) // what no room got the program reads again
	var late time.Duration
	if first := &packets[0]; s.program.Realtime() {
		s.job.Meter.SetBehind(s.pacer.Fall(first.DTS))
	} else {
		var err error
		s.pacer.Skip(first.Skipped)
		s.job.Meter.WaitForTime()
		late, err = s.pacer.WaitForBatch(inRoom, first.DTS)
		s.job.Meter.TimeCame()
		if err != nil {
			return err
		}
		s.job.Meter.SetSlipped(s.pacer.Slipped())
	}
	begin := time.Now()
	if bytes, sent := s.outlets.Write(ctx); sent {
		now := time.Now()
		s.pacer.Wrote(now.Sub(begin))
		s.sent(now, packets, bytes, late)
	}
	if inRoom.Err() != nil {
		return context.Cause(inRoom)
	}
	return nil
}

// playOut waits until the last picture has been shown for its time.
func (s *session) playOut(inRoom context.Context) error {
	s.job.Meter.WaitForTime()
	defer s.job.Meter.TimeCame()
	if _, err := s.pacer.Wait(inRoom, s.program.Over()); err != nil {
		return err
	}
	s.program.TellEnd()
	return nil
}

// tooSlow is how long a push may stand still in all before its user is told.
const tooSlow = 10 * time.Second

// sent notes packets that a room has taken by now, with bytes in all, the first of them so late.
func (s *session) sent(now time.Time, packets []media.Packet, bytes int64, late time.Duration) {
	played := s.outlets.Played(now)
	s.leaving = s.leaving[:0]
	taken := false
	for i := range packets {
		p := &packets[i]
		picture := p.Kind == media.Video
		left := media.SentPacket{Picture: picture}
		if late > 0 { // those behind it are due later
			left.Late = max(0, late-(p.DTS-packets[0].DTS))
		}
		s.leaving = append(s.leaving, left)
		if picture && p.Keyframe {
			s.job.Keyframe.Set(p)
		}
		taken = taken || p.Origin == media.Taken
	}
	s.leaving[0].Bytes = bytes
	s.job.Meter.Sent(now, s.leaving...)
	s.job.Meter.SetPlayed(played)
	s.program.Sent(packets, now)
	if taken && s.troubled.CompareAndSwap(true, false) {
		s.job.Observer.Publishing()
	}
	if !s.slow && s.pacer.Slipped() >= tooSlow {
		s.slow = true
		s.job.Observer.Warned(media.WarnTooSlow, "the picture had to wait for "+tooSlow.String()+
			" in all: the source, the room or the worker's machine is too slow for it; a smaller width and height cost less, and a copied picture least")
	}
	if played >= retry.Settled {
		s.job.Source.Conduct.Prove()
	}
}
