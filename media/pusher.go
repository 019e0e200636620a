package media

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Job is one attempt: what to play, from where, into which room.
type Job struct {
	Source      SourceRequest
	Destination Destination
	Start       time.Duration // position to start from; live sources ignore it
	Meter       *Meter
	Observer    Observer
	Retry       RetryPolicy
	// MayOpenRoom waits until this worker may open a room connection, that is
	// until its lease is fresh, or returns ctx's cause. The context it returns
	// ends when that is no longer so; the caller cancels it.
	MayOpenRoom func(ctx context.Context) (context.Context, context.CancelFunc, error)
	// TakeOver, unless nil, is called once, when the source is open and before
	// the room is: it waits until the push is this attempt's and returns the
	// position to go on from, or ctx's cause.
	TakeOver func(ctx context.Context) (time.Duration, error)
	Log      *slog.Logger
}

// Observer is told what happens in an attempt. Its methods must not block.
type Observer interface {
	// Planned is called once, when the source has been looked at.
	Planned(info SourceInfo, live bool, p Plan)
	// Publishing is called whenever the room has accepted a first packet.
	Publishing()
	// Reconnecting is called before the wait that precedes another try.
	Reconnecting(err error, wait time.Duration)
	// Warned tells what a person should know and what does not stop the push.
	Warned(code, message string)
}

// Pusher plays sources into rooms. It is safe for concurrent use.
type Pusher struct {
	Opener Opener
	Dialer Dialer
	Door   Door
}

// endedEarly is how much of its length a source may leave out at its end.
const endedEarly = 2 * time.Second

// leaveTime bounds an unpublish: a room that does not read must not hold up a
// stop.
const leaveTime = 150 * time.Millisecond

// Play plays a job's source into its room until the source is over (nil), ctx
// ends (its cause, within 200 ms whatever hangs) or something cannot be helped
// by trying again (an *Error).
func (p *Pusher) Play(ctx context.Context, job Job) error {
	r := &run{Pusher: p, job: job, position: job.Start, retries: newRetries(job.Retry)}
	defer r.leave(ctx)
	for {
		err := r.play(ctx)
		if errors.Is(err, errPlayedOut) {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		kind := r.kindOf(err)
		r.giveUp(ctx, kind)
		wait, ok := r.retries.next(kind)
		if !ok {
			return err
		}
		job.Meter.reconnected()
		job.Observer.Reconnecting(err, wait)
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// kindOf is KindOf, but for a source that was there before: it may come back
// under the same address, so it is not gone for good.
func (r *run) kindOf(err error) Kind {
	kind := KindOf(err)
	if kind == KindSourceNotFound && r.planned {
		return KindSourceUnavailable
	}
	return kind
}

// run is one Play: the opened source, the open room, and the clock between
// them. Each of the two is opened anew without the other.
type run struct {
	*Pusher
	job      Job
	position time.Duration // of the source; where a feed opened now starts
	planned  bool
	feed     *feed     // nil: to be opened
	room     Publisher // nil: to be opened
	sent     int64     // bytes the room took before the last packet
	fresh    bool      // nothing sent yet in this room connection
	order    orderWatch
	restamp  restamper
	pacer    pacer
	retries  *retries
}

// play opens what is not open and feeds the room until something ends.
func (r *run) play(ctx context.Context) error {
	if err := r.openSource(ctx); err != nil {
		return err
	}
	if err := r.openRoom(ctx); err != nil {
		return err
	}
	for {
		if err := r.step(ctx); err != nil {
			return err
		}
	}
}

// openSource opens the feed at the position and plans what is done with it.
func (r *run) openSource(ctx context.Context) error {
	if r.feed != nil {
		return nil
	}
	f, err := openFeed(ctx, r.Opener, r.job.Source, r.position)
	if err != nil {
		return err
	}
	s, err := f.look(ctx)
	if err == nil {
		err = r.plan(f, s)
	}
	if err != nil {
		f.close()
		return err
	}
	r.feed = f
	r.order = orderWatch{}
	r.restamp.cut()
	r.pacer.reset()
	return nil
}

func (r *run) plan(f *feed, s seen) error {
	plan := r.Door.Rules().plan(f.info.Tracks, s)
	if !r.planned {
		r.planned = true
		r.job.Meter.setDuration(f.info.Duration)
		r.job.Observer.Planned(f.info, f.live, plan)
		if limit := r.Door.Rules().MaxKeyInterval; limit > 0 && s.keyInterval() > limit {
			r.job.Observer.Warned("long_gop", "keyframes are "+s.keyInterval().String()+
				" apart; viewers who join wait that long for a picture")
		}
	}
	return plan.copyable()
}

// openRoom dials the room, with a signature checked now, once the lease allows
// it.
func (r *run) openRoom(ctx context.Context) error {
	if r.room != nil {
		return nil
	}
	if err := r.takeOver(ctx); err != nil {
		return err
	}
	leased, cancel, err := r.job.MayOpenRoom(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	address, err := r.Door.Address(r.job.Destination, time.Now())
	if err != nil {
		return err
	}
	room, err := r.Dialer.Dial(leased, address, r.feed.tracks())
	if err != nil && leased.Err() != nil && ctx.Err() == nil {
		return &Error{Kind: KindRoomNotAllowed, Op: "publish", Err: context.Cause(leased)}
	}
	if err != nil {
		return err
	}
	r.room, r.sent, r.fresh = room, 0, true
	r.feed.gate.shut()
	r.pacer.reset()
	return nil
}

// step decides what the room gets next and gives it when its time has come.
func (r *run) step(ctx context.Context) error {
	p, err := r.feed.next(ctx)
	r.job.Meter.dropped(r.feed.takeDropped())
	if isEnd(err) {
		return r.playOut(ctx)
	}
	if err != nil {
		return err
	}
	video := r.feed.info.Tracks[p.Track].Type == Video
	if video && r.order.reordered(p) && !r.Door.Rules().BFrames {
		return &Error{Kind: KindSourceUnsupported, Op: "read source", Err: errors.New("the video began to have B-frames in mid-stream")}
	}
	position := p.PTS - r.feed.info.StartTime
	if p.NoPTS {
		position = p.DTS - r.feed.info.StartTime
	}
	p = r.restamp.restamp(p)
	var late time.Duration
	if !r.feed.realtime {
		if late, err = r.pacer.wait(ctx, p.DTS); err != nil {
			return err
		}
	}
	if err := r.room.WritePacket(ctx, p); err != nil {
		return err
	}
	r.sentPacket(p, position, late)
	return nil
}

// errPlayedOut says that the source is over and all of it was sent. It is not
// io.EOF: that also stands inside errors of connections.
var errPlayedOut = errors.New("played out")

// playOut waits until the last picture has been shown for its time, and
// returns errPlayedOut.
func (r *run) playOut(ctx context.Context) error {
	if _, err := r.pacer.wait(ctx, r.restamp.next); err != nil {
		return err
	}
	length := r.feed.info.Duration
	if missing := length - r.position; missing > endedEarly && !r.feed.live {
		r.job.Observer.Warned("ended_early", fmt.Sprintf("the source ended at %v although it says it is %v long; it may have been cut short",
			r.position.Round(time.Second), length.Round(time.Second)))
	} else if length > 0 {
		r.job.Meter.MoveTo(length)
	}
	return errPlayedOut
}

func (r *run) sentPacket(p Packet, position, late time.Duration) {
	now, total := time.Now(), r.room.SentBytes()
	video := r.feed.info.Tracks[p.Track].Type == Video
	r.job.Meter.sent(now, sentPacket{bytes: total - r.sent, late: late, picture: video})
	r.sent = total
	if video || r.feed.gate.audioOnly {
		r.position = max(position, 0)
		r.job.Meter.MoveTo(r.position)
	}
	r.retries.sent(now)
	if r.fresh {
		r.fresh = false
		r.job.Observer.Publishing()
	}
}

// giveUp closes what an error of kind leaves useless. A file is opened again
// at the position when its room went, so that nothing of it is left out; a
// stream is kept and goes on at its next keyframe.
func (r *run) giveUp(ctx context.Context, kind Kind) {
	if !kind.ofRoom() {
		r.closeFeed()
		return
	}
	r.closeRoom(ctx)
	if r.feed != nil && !r.feed.realtime {
		r.closeFeed()
	}
}

// leave unpublishes first: that is what viewers see.
func (r *run) leave(ctx context.Context) {
	r.closeRoom(ctx)
	r.closeFeed()
}

func (r *run) closeRoom(ctx context.Context) {
	if r.room == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
	defer cancel()
	if err := r.room.Close(ctx); err != nil {
		r.job.Log.Debug("room closed with an error", "error", err)
	}
	r.room = nil
}

func (r *run) closeFeed() {
	if r.feed != nil {
		r.feed.close()
		r.feed = nil
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
