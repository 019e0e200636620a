package media

import (
	"context"
	"time"
)

// openRoom dials the room, with a signature checked now, once the lease allows
// it. One that has gone while the source was away is told as such.
func (r *run) openRoom(ctx context.Context) error {
	if r.room != nil {
		return r.room.Err()
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
	tracks := r.mix.tracks()
	r.job.Meter.room.begin(time.Now())
	room, err := r.Dialer.Dial(leased, address, tracks)
	r.job.Meter.room.end(time.Now())
	if err != nil && leased.Err() != nil && ctx.Err() == nil {
		return &Error{Kind: KindRoomNotAllowed, Op: "publish", Err: context.Cause(leased)}
	}
	if err != nil {
		return err
	}
	r.retries.works(nameSide)
	r.open.Store(&room)
	r.room, r.gate, r.told = room, newStartGate(tracks), newAnnouncer(tracks)
	r.stay.begin(time.Now(), address)
	r.watchRoom(ctx, room)
	r.mix.startWithKey()
	r.pacer.reset()
	return nil
}

// watchRoom notes when the room ends its session, and ends inRoom then. That
// bounds waits, and neither the source's life, which may be longer, nor writes:
// their context is to outlast a while without a source, or the answers that the
// room wants meanwhile would end with it. An end that is not tried again is that
// of the push, whatever it is waiting for.
func (r *run) watchRoom(ctx context.Context, room Publisher) {
	inRoom, leave := context.WithCancelCause(ctx)
	r.inRoom = inRoom
	r.ended.Store(nil)
	r.watching.Go(func() {
		<-room.Done()
		now := time.Now()
		r.ended.Store(&now)
		err := room.Err()
		leave(err)
		if err != nil && r.job.Retry(KindOf(err)).For <= 0 {
			r.endPush(err)
		}
	})
}

// inRoomUntil returns when the room ended its session, or the time if it has
// not.
func (r *run) inRoomUntil() time.Time {
	if at := r.ended.Load(); at != nil {
		return *at
	}
	return time.Now()
}

// limitStay ends the push once it has been in the room for as long as it may,
// beginning now, if it still is then.
func (r *run) limitStay(now time.Time) {
	limit := r.job.Options.MaxDuration
	if limit <= 0 {
		return
	}
	r.overtime = time.AfterFunc(limit-r.stay.total(now), func() {
		if r.ended.Load() == nil {
			r.endPush(errOvertime)
		}
	})
}

// tellOvertime tells that the push ends because of that.
func (r *run) tellOvertime() {
	r.job.Meter.setPlayed(r.stay.total(r.inRoomUntil()))
	r.job.Observer.Warned(WarnMaxDuration, "the push has been in the room for as long as it may (maxDurationSec, or the operator's limit), and ends")
}

// unconfirmed returns how much media is on its way to the room. It may be called
// beside the other methods.
func (r *run) unconfirmed() time.Duration {
	room := r.open.Load()
	if room == nil {
		return 0
	}
	return (*room).Unconfirmed()
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
	r.watching.Wait()
	if r.overtime != nil {
		r.overtime.Stop()
	}
	r.room = nil
	r.open.Store(nil)
	r.stay.end(r.inRoomUntil())
}
