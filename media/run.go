package media

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// session is one Play: a program, the outlets that are fed with it, and the clock
// between them. Program and outlets each try again by themselves.
type session struct {
	job      Job
	program  *mixer
	outlets  outlets
	running  sync.WaitGroup // of the outlets
	pacer    pacer
	end      context.CancelCauseFunc // ends the push
	troubled atomic.Bool             // something is away, or was, and nothing has been sent since
	slow     bool                    // its user has been told so
	dues     []due
}

func newSession(ctx context.Context, p *Pusher, job Job, end context.CancelCauseFunc) *session {
	s := &session{job: job, end: end}
	s.troubled.Store(true)
	job.Source.Log, job.Source.Came, job.Source.Conduct = job.Log, job.Meter.sourceGives, &Conduct{}
	s.program = newProgram(mixerConfig{
		rules:    p.Door.Rules(),
		reel:     &reel{opener: p.Opener, request: job.Source, options: job.Options, unconfirmed: s.outlets.unconfirmed},
		meter:    job.Meter,
		observer: observer{job.Observer, &s.troubled},
		retry:    job.Retry,
		wasLive:  job.WasLive,
	}, job)
	if p.Transcoders != nil {
		s.program.transcoders = p.Transcoders.With(ctx, job.Log, job.Source.Conduct)
	}
	return s
}

// observer passes on what a push's program and outlets tell, and notes their troubles.
type observer struct {
	Observer
	troubled *atomic.Bool
}

func (o observer) Reconnecting(err error, wait time.Duration, until time.Time) {
	o.troubled.Store(true)
	o.Observer.Reconnecting(err, wait, until)
}

// play plays until the program is over (nil), or what ends the push.
func (s *session) play(ctx context.Context, rooms []outletConfig) error {
	if err := s.program.open(ctx); err != nil {
		return err
	}
	played := s.job.Stood.Played
	if s.job.TakeOver != nil {
		stood, err := s.job.TakeOver(ctx)
		if err != nil {
			return err
		}
		if err := s.program.takeOver(ctx, stood); err != nil {
			return err
		}
		played = stood.Played
	}
	s.outlets.enter = s.program.startWithKey
	for _, room := range rooms {
		room.observer = observer{room.observer, &s.troubled}
		s.outlets.add(newOutlet(room, played))
	}
	for {
		if err := s.playIn(ctx); !errors.Is(err, errNewTracks) {
			return err
		}
		s.troubled.Store(true)
	}
}

// playIn plays in rooms that are opened with the program's tracks as they are now.
func (s *session) playIn(ctx context.Context) error {
	running, leave := context.WithCancelCause(ctx)
	defer s.running.Wait()
	defer leave(errNotNeeded)
	s.running.Go(func() {
		if err := s.outlets.keep(running, s.program.tracks()); err != nil {
			s.end(err)
		}
	})
	for {
		inRoom, cancel, err := s.outlets.wait(ctx)
		if err != nil {
			return err
		}
		s.pacer.reset()
		err = s.feed(ctx, inRoom)
		cancel()
		switch {
		case err == nil || errors.Is(err, errNewTracks):
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !errors.Is(err, errNoRoom):
			return err
		}
		s.program.pause()
	}
}

// feed gives the rooms what comes next when its time has come, until the program is
// over (nil) or inRoom ends.
func (s *session) feed(ctx, inRoom context.Context) error {
	for {
		if s.program.source.bursty && s.program.feed != nil {
			s.pacer.follow(s.program.buffered())
			s.program.leaveOut(s.pacer.wanted())
		}
		p, err := s.program.next(ctx, inRoom)
		s.job.Meter.dropped(s.program.takeDropped())
		if isEnd(err) {
			return s.playOut(inRoom)
		}
		if err != nil {
			return err
		}
		if s.program.takeAnew() {
			s.pacer.reset()
		}
		if err := s.give(ctx, inRoom, p); err != nil {
			return err
		}
	}
}

// give gives a packet to the outlets that can take it.
func (s *session) give(ctx, inRoom context.Context, p Packet) error {
	s.dues = s.outlets.stamp(s.dues[:0], p)
	if len(s.dues) == 0 {
		return nil
	}
	var late time.Duration
	if dts := s.dues[0].packet.DTS; s.program.source.realtime {
		s.job.Meter.behind.Store(int64(s.pacer.fall(dts)))
	} else {
		var err error
		s.pacer.skip(p.leftOut)
		if late, err = s.pace(inRoom, dts); err != nil {
			return err
		}
		s.job.Meter.setSlipped(s.pacer.slipped())
	}
	begin, sent := time.Now(), false
	for _, d := range s.dues {
		sent = d.outlet.write(ctx, d.packet) || sent
	}
	clear(s.dues)
	if sent {
		s.pacer.wrote(time.Since(begin))
		s.sent(p, late)
	}
	if inRoom.Err() != nil {
		return context.Cause(inRoom)
	}
	return nil
}

// pace waits until the time of a room DTS has come, and returns how late it is.
func (s *session) pace(ctx context.Context, dts time.Duration) (late time.Duration, err error) {
	s.job.Meter.paced.begin(time.Now())
	defer func() { s.job.Meter.paced.end(time.Now()) }()
	return s.pacer.wait(ctx, dts)
}

// playOut waits until the last picture has been shown for its time.
func (s *session) playOut(inRoom context.Context) error {
	if _, err := s.pace(inRoom, s.program.over()); err != nil {
		return err
	}
	s.program.tellEnd()
	return nil
}

// tooSlow is how long a push may stand still in all before its user is told.
const tooSlow = 10 * time.Second

// sent notes what a room has taken.
func (s *session) sent(p Packet, late time.Duration) {
	bytes, played := s.outlets.sent()
	picture := p.kind == Video
	s.job.Meter.sent(time.Now(), sentPacket{bytes: bytes, late: late, picture: picture})
	s.job.Meter.setPlayed(played)
	if picture && p.Keyframe {
		s.job.Keyframe.Set(p.Data, p.config)
	}
	s.program.sent(p)
	if p.origin == taken && s.troubled.CompareAndSwap(true, false) {
		s.job.Observer.Publishing()
	}
	if !s.slow && s.pacer.slipped() >= tooSlow {
		s.slow = true
		s.job.Observer.Warned(WarnTooSlow, "the picture had to wait for "+tooSlow.String()+
			" in all: the source, the room or the worker's machine is too slow for it; a smaller width and height cost less, and a copied picture least")
	}
	if played >= settled {
		s.program.reel.request.Conduct.Prove()
	}
}
