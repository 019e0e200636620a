package tasks

import (
	"cmp"
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"time"

	"github.com/roomcast/roomcast/media"
)

// run plays a claimed attempt to its end and writes down how it ended.
func (w *Worker) run(base context.Context, a *attempt) {
	ctx, cancel := a.under(base)
	defer cancel()
	secrets, err := w.Sealer.Open(a.lease.ID, a.secrets.sealed)
	if err != nil {
		w.end(base, a, &media.Error{Kind: media.KindInternal, Op: "open envelope", Err: err})
		return
	}
	a.secrets.Secrets = secrets
	start, unclocked := w.startPosition(ctx, a)
	a.meter.MoveTo(start)
	job := w.job(a, start) // before a claim may change what it is made of
	job.Unclocked = unclocked
	keeper := newResumeKeeper(w, a)
	var watching sync.WaitGroup
	watch, stopWatching := context.WithCancel(context.Background())
	watching.Go(func() { logProgress(watch, a) })
	watching.Go(func() { keeper.run(watch) })
	if a.successor != nil {
		a.log.Info("attempt prepares", "position", start)
		watching.Go(func() { w.claimOnRelease(watch, a) })
	} else {
		a.log.Info("attempt started", "position", start)
	}
	err = w.play(ctx, a, job)
	stopWatching()
	watching.Wait()
	saved := keeper.finish(err == nil && !a.cutShort())
	w.end(base, a, err)
	<-saved
}

// play plays a's job; a panic of the media is a fault of this push alone.
func (w *Worker) play(ctx context.Context, a *attempt, job media.Job) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			a.log.Error("panic", "fault", fault, "stack", string(debug.Stack()))
			err = &media.Error{Kind: media.KindInternal, Op: "play", Err: errors.New("panic")}
		}
	}()
	return w.Player.Play(ctx, job)
}

// job returns what the player is to do.
func (w *Worker) job(a *attempt, start time.Duration) media.Job {
	spec := a.push.Spec
	job := media.Job{
		Source: media.SourceRequest{URL: a.secrets.VideoSrc, Headers: a.secrets.Headers, HeadersForAll: spec.HeadersForAll, Mode: spec.Mode,
			Choice: spec.Options.Choice, AudioDelay: spec.Options.AudioDelay},
		Destination: media.Destination{SDKAppID: spec.SDKAppID, RoomID: spec.RoomID, UserID: spec.UserID, UserSig: a.secrets.UserSig},
		Start:       start, Options: spec.Options, Stood: lastProgress(a.push),
		WasLive: a.wasLive(),
		Meter:   a.meter, Observer: a, Retry: w.retryOf(a), Log: a.log,
		Keyframe: &a.pictures.keyframe,
		Asks: media.Asks{MayOpenRoom: func(ctx context.Context) (context.Context, context.CancelFunc, error) {
			return a.age.whileFresh(ctx, w.Lease, a.askRenew)
		}},
	}
	if p := a.push; p.Plan != nil && !p.StartedAt.IsZero() { // a room that was never opened was told nothing
		job.Before = *p.Plan
	}
	job.Fits = func() error { return w.fits(a) }
	if a.successor != nil {
		job.TakeOver = func(ctx context.Context) (media.Progress, error) { return w.awaitClaim(ctx, a) }
	}
	return job
}

// startPosition returns where a's source is to begin: where the last attempt
// of this push stood, else, for a push with redis:true, where the last push of
// this source did, else at the start of the part that was asked for; and
// whether the source's clock does not tell that position.
func (w *Worker) startPosition(ctx context.Context, a *attempt) (position time.Duration, unclocked bool) {
	part := a.push.Spec.Options
	if !a.push.StartedAt.IsZero() {
		last := lastProgress(a.push)
		a.meter.ResumeFrom(last.Resumed)
		return max(last.Position, part.StartAt), last.Unclocked
	}
	spec := a.push.Spec
	if !spec.Redis || spec.Mode == media.ModeLive {
		return part.StartAt, false
	}
	r, found, err := w.Resume.Load(ctx, a.resumeTarget(), spec.ResumeKey)
	switch {
	case err != nil && ctx.Err() == nil:
		a.Warned(WarnResume, "the resume record could not be read, so the push starts at the beginning: "+resumeTrouble(err))
	case err == nil && found && !r.Finished:
		from := within(part, r.Position)
		if from != part.StartAt {
			a.meter.ResumeFrom(from)
		}
		return from, r.Unclocked && from != part.StartAt
	}
	return part.StartAt, false
}

// within returns position, or the start of the part when it is outside of it:
// a resume record may be of a push that played another one.
func within(part media.Options, position time.Duration) time.Duration {
	if position < part.StartAt || part.EndAt > 0 && position >= part.EndAt {
		return part.StartAt
	}
	return position
}

// lastProgress is where p's attempt before this one stood; zero without one.
func lastProgress(p Push) media.Progress {
	if p.Progress == nil {
		return media.Progress{}
	}
	return *p.Progress
}

// end writes down how the attempt ended. It tries until the store has it or
// has given the push to another: until then the lease is renewed, so nobody
// takes over what is over.
func (w *Worker) end(base context.Context, a *attempt, err error) {
	if !a.owned() {
		a.log.Info("attempt was prepared in vain", "error", err)
		return
	}
	a.lastSample(time.Now())
	var write func(ctx context.Context) error
	switch cause := cmp.Or(a.cause(), context.Cause(base)); {
	case err == nil:
		write = w.finisher(a, Completed, nil)
	case errors.Is(cause, media.ErrTooLarge):
		fault := &media.Error{Kind: media.KindSourceTooLarge, Op: "open source", Err: media.ErrTooLarge}
		a.log.Error("attempt failed", "kind", fault.Kind, "error", err)
		write = w.finisher(a, Failed, FailureOf(fault))
	case errors.Is(cause, ErrMemory):
		w.noteUnfit(time.Now())
		write = func(ctx context.Context) error { return w.release(ctx, a, WaitingForMemory) }
	case errors.Is(cause, media.ErrLost):
		a.log.Warn("attempt lost", "reason", cause)
		return
	case errors.Is(cause, media.ErrStopped):
		write = w.finisher(a, Stopped, nil)
	case errors.Is(cause, media.ErrDraining), cause == nil && media.KindOf(err) == media.KindWorkerShort:
		if cause == nil {
			a.log.Error("attempt is given back: this worker is short of memory or processes", "error", err)
			w.noteUnfit(time.Now())
		}
		write = func(ctx context.Context) error { return w.release(ctx, a, "") }
	case errors.Is(err, ErrCapacity):
		w.Metrics.Refused(err)
		write = func(ctx context.Context) error { return w.release(ctx, a, WaitingForCapacity) }
	default:
		a.log.Error("attempt failed", "kind", media.KindOf(err), "error", err)
		write = w.finisher(a, Failed, FailureOf(err))
	}
	w.persist(base, a, func(ctx context.Context) error {
		if err := w.tell(ctx, a); err != nil {
			return err
		}
		err := write(ctx)
		if errors.Is(err, ErrGone) && w.restore(ctx, a, time.Now()) != Lost {
			err = write(ctx) // Redis had lost the record; a push is not to be lost with it
		}
		return err
	})
}

// tell renews a once more if it has something to say that its end does not
// carry: what the source was, and warnings.
func (w *Worker) tell(ctx context.Context, a *attempt) error {
	r := a.renewal(time.Now())
	if r.Source == nil && r.Warnings == nil {
		return nil
	}
	verdicts, err := w.Leases.Renew(ctx, w.report(), []Renewal{r})
	if err != nil {
		return err
	}
	switch verdicts[0] {
	case Kept, Watched, Stop:
		a.accepted(r, r.Progress.UpdatedAt)
	case Late: // the worker's own renew came between
		return w.tell(ctx, a)
	case Lost, Gone:
	}
	return nil
}

func (w *Worker) finisher(a *attempt, s State, f *Failure) func(context.Context) error {
	return func(ctx context.Context) error {
		end := End{State: s, Failure: f, LastReport: a.lastReport()}
		if s != Completed {
			end.Trouble = a.trouble().ended()
		}
		state, err := w.Store.Finish(ctx, a.lease, end)
		if err != nil {
			return err
		}
		if state == Failed {
			a.failure = f
		}
		a.log.Info("attempt ended", "state", state, "position", end.Progress.Position)
		a.metrics.Ended(state, a.failure.code())
		return nil
	}
}

// release gives the push back and rings for its next attempt; why says what that
// waits for, if it is known. A bell that cannot be rung is left to the sweeper.
func (w *Worker) release(ctx context.Context, a *attempt, why Waiting) error {
	report := a.lastReport()
	report.Waiting = why
	next, err := w.Store.Release(ctx, a.lease, report)
	if err != nil {
		return err
	}
	a.log.Info("attempt released", "next_epoch", next)
	if next == 0 {
		a.metrics.Ended(Stopped, "")
		return nil
	}
	p := a.push
	p.Epoch = next
	if err := w.Queue.Enqueue(ctx, TaskOf(p), goesBefore(p, why)); err != nil {
		a.log.Error("next attempt could not be enqueued", "next_epoch", next, "error", err)
	}
	return nil
}

// goesBefore says whether the next attempt of p, which waits for that, goes before new
// pushes: not if it has never been in its room and does not fit, for what goes before
// keeps others from the cores.
func goesBefore(p Push, why Waiting) bool {
	return why != WaitingForCapacity || !p.StartedAt.IsZero()
}

// persist calls write until it succeeds, is refused, or the worker ends.
func (w *Worker) persist(base context.Context, a *attempt, write func(context.Context) error) {
	err := retryWhile(base, isAway, func() error {
		ctx, cancel := context.WithTimeout(base, storeTime)
		defer cancel()
		return write(ctx)
	})
	if isTaken(err) { // another attempt's room connection may have ended this one first
		a.log.Warn("attempt lost", "reason", err)
		return
	}
	if err != nil {
		a.log.Warn("end of the attempt not written", "error", err)
	}
}

// logEvery is the distance of the push log's lines.
const logEvery = 10 * time.Second

func logProgress(ctx context.Context, a *attempt) {
	t := time.NewTicker(logEvery)
	defer t.Stop()
	for {
		select {
		case now := <-t.C:
			p := a.meter.Snapshot(now)
			a.log.Info("push progress", "position", p.Position.Truncate(time.Millisecond),
				"kbps", int64(p.Bitrate)/1000, "fps", int(p.FPS+0.5), "late_p99", p.LatenessP99, "dropped", p.DroppedPackets)
		case <-ctx.Done():
			return
		}
	}
}
