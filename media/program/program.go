package program

import (
	"context"
	"errors"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/clock"
	"github.com/roomcast/roomcast/media/input"
	"github.com/roomcast/roomcast/media/retry"
)

// Program is the one place that decides what the rooms get next. It takes the
// packets of an input, gives them the room's times, and makes each of the room's
// tracks of them: copied, re-encoded, or filled in. Inputs come and go (loops,
// reconnects); the room's tracks and times go on.
//
// It asks its parts, each of which decides one thing. A part knows only others that stand
// above it in this list.
//
// One goroutine at a time uses it, but for the methods that say otherwise.
type Program struct {
	Config
	commands commands
	playlist playlist
	progress progress // how far the push is
	recovery recovery // whether the source is opened again
	tracks   roomTracks
	times    timeline
	coverage coverage
	catchUp  catchUp // what is left out of a live source
	mux      mux
	hold     pictureHold // how long a picture stands
	absence  absence     // what there is without a source

	input       *input.Input // nil: it is away
	encodeAhead *encodeAhead // nil: what Next gives is made in between
	batch       batch        // what Next gave last
}

// Config is what a program works with.
type Config struct {
	Opener      media.Opener
	Source      media.SourceRequest
	Options     media.Options
	Unconfirmed func() time.Duration // how much media is on its way to the rooms; nil: none
	// Together returns up to which room time what there is goes out with a packet of dts.
	Together    func(dts time.Duration) (end time.Duration)
	Rules       media.Rules
	Transcoders media.Transcoders // nil: nothing can be re-encoded
	Retry       media.RetryPolicy
	WasLive     bool // to an attempt before
	Meter       *media.Meter
	Keyframe    *media.LastKeyframe // the last one that a room has taken
	Observer    media.Observer
	Fits        func() error // media.Job's
}

// New returns the program of a job, of which nothing is open yet.
func New(cfg Config, job media.Job) *Program {
	cfg.Source.Bounds = cfg.Rules.Bounds()
	pg := &Program{Config: cfg}
	known := cfg.WasLive || job.Before != media.Plan{}
	pg.playlist.Config = &pg.Config
	pg.progress = newProgress(&pg.Config, job)
	pg.recovery = recovery{Config: &pg.Config, progress: &pg.progress, retries: retry.New(cfg.Retry)}
	pg.recovery.source = sourceFacts{Kind: input.Kind{Live: cfg.WasLive}, known: known}
	pg.tracks.planner = planner{Config: &pg.Config, announced: job.Before}
	pg.times.progress = &pg.progress
	pg.coverage = coverage{Config: &pg.Config, tracks: &pg.tracks, times: &pg.times}
	pg.catchUp = catchUp{tracks: &pg.tracks, times: &pg.times, commands: &pg.commands, playlist: &pg.playlist}
	pg.mux = mux{tracks: &pg.tracks, times: &pg.times, coverage: &pg.coverage, catchUp: &pg.catchUp, commands: &pg.commands, playlist: &pg.playlist}
	pg.hold = pictureHold{tracks: &pg.tracks, times: &pg.times, mux: &pg.mux}
	pg.absence = absence{tracks: &pg.tracks, times: &pg.times, mux: &pg.mux, progress: &pg.progress, keyframe: cfg.Keyframe}
	pg.coverage.goOnFrom(job.Stood)
	return pg
}

// Open opens the source at the position and plans what is done with it, and tries
// again where that can help. ctx bounds the source's life.
func (pg *Program) Open(ctx context.Context) error {
	for {
		err := pg.openOnce(ctx, ctx)
		if err == nil {
			return nil
		}
		if err = pg.helped(ctx, ctx, err); err != nil {
			return err
		}
	}
}

// nextPacket returns the first packet of what Next returns.
func (pg *Program) nextPacket(ctx, wait context.Context) (media.Packet, error) {
	for {
		p, err := pg.nextOnce(ctx, wait)
		if err == nil || input.IsEnd(err) {
			return p, err
		}
		if errors.Is(err, media.ErrLateVideo) {
			err = pg.takeVideo(ctx)
		}
		if errors.Is(err, ErrNewTracks) {
			return p, err
		}
		if errors.Is(err, errNotOpen) {
			pg.awaitPlay()
			continue
		}
		if err == nil || errors.Is(err, errHeld) {
			continue
		}
		if err = pg.helped(ctx, wait, err); err != nil {
			return p, err
		}
	}
}

func (pg *Program) nextOnce(ctx, wait context.Context) (media.Packet, error) {
	if pg.encodeAhead == nil {
		if pg.input == nil { // what is shown while it is away
			if p, ok := pg.mux.pop(); ok {
				return p, nil
			}
		}
		if err := pg.openOnce(ctx, wait); err != nil {
			return media.Packet{}, err
		}
		if pg.tracks.retold {
			pg.tracks.retold = false
			return media.Packet{}, ErrNewTracks
		}
		if !pg.tracks.busy() {
			return pg.makeNext(ctx, wait)
		}
		span := codeAhead
		if pg.recovery.source.Realtime {
			span = codeAheadLive
		}
		pg.encodeAhead = startEncodeAhead(ctx, pg, span)
	}
	return pg.encodeAhead.get(wait)
}

// helped closes a source that failed with err; nil says that it is to be opened again,
// which waits for its time.
func (pg *Program) helped(ctx, wait context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case wait.Err() != nil:
		return context.Cause(wait)
	}
	pg.closeSource()
	if err = pg.recovery.failed(err); err != nil {
		return err
	}
	pg.Do(ForceKeyframe{})
	return nil
}

// openOnce opens the source, unless it is open, when its time has come. errHeld says
// that there is something to be shown meanwhile.
func (pg *Program) openOnce(ctx, wait context.Context) error {
	if pg.input != nil {
		return nil
	}
	// What was made of the next play and not sent is made again.
	pg.playlist.plays = pg.progress.plays
	pg.Meter.WaitForSource()
	o, err := pg.bring(ctx, wait)
	if err != nil {
		return err
	}
	pg.Meter.SourceCame()
	if err := pg.recovery.accept(o); err != nil {
		return err
	}
	if err := pg.load(o); err != nil {
		pg.closeInput()
		return err
	}
	pg.recovery.works(o)
	pg.times.anew, pg.absence.away = true, false
	return nil
}

// bring waits for the source to be opened at the position.
func (pg *Program) bring(ctx, wait context.Context) (openedInput, error) {
	pg.absence.begin()
	for {
		pause := time.Until(pg.recovery.at)
		var coming <-chan openedInput
		if pause <= 0 {
			pg.playlist.begin(ctx, pg.progress.position, pg.progress.unclocked)
			coming, pause = pg.playlist.coming, clock.Forever
		}
		if pg.absence.holds() {
			pause = min(pause, pg.absence.next())
		}
		timer := time.NewTimer(pause)
		select {
		case o := <-coming:
			timer.Stop()
			pg.playlist.coming = nil
			return o, nil
		case <-wait.Done():
			timer.Stop()
			return openedInput{}, context.Cause(wait)
		case <-timer.C:
		}
		if pg.absence.holds() && pg.absence.hold() {
			return openedInput{}, errHeld
		}
	}
}

// load goes on with another input, which is the program's from now on.
func (pg *Program) load(o openedInput) error {
	f := o.input
	plan := pg.tracks.planFor(o)
	pg.closeInput()
	pg.input = f
	pg.times.take(f, o.probe.Cut)
	if err := pg.tracks.take(f, &plan); err != nil {
		return err
	}
	if err := pg.makeTracks(plan); err != nil {
		return err
	}
	pg.hold.copyAgain(plan.Video)
	pg.mux.lead(f.Realtime)
	pg.times.align(pg.wanted)
	pg.hold.goOn()
	pg.catchUp.goOn()
	pg.align(o.from)
	return nil
}

// makeTracks makes the room's tracks of the present input: at first, for the whole push.
func (pg *Program) makeTracks(plan media.Plan) error {
	if !pg.tracks.planned {
		if err := pg.tracks.open(plan); err != nil {
			return err
		}
		pg.mux.open(pg.input.Realtime)
		return nil
	}
	for _, kind := range kinds {
		out, err := pg.tracks.goOn(kind, plan)
		if pg.input.Live { // a file goes on where the room was
			pg.mux.take(kind, out)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// wanted says whether the room has a track of a type.
func (pg *Program) wanted(kind media.MediaType) bool { return pg.tracks.of[kind].output != nil }

// align makes what the input gives next go on right after all that was shown.
func (pg *Program) align(from time.Duration) {
	pg.mux.given = false
	pg.coverage.goesOn()
	if pg.times.goOn(from, pg.tracks.encodes(media.Video)); pg.times.exact {
		pg.tracks.skipBefore(pg.times.begin)
	}
}

// makeNext makes the packet that comes next, of an open source.
func (pg *Program) makeNext(ctx, wait context.Context) (media.Packet, error) {
	if err := pg.batch.takeFailure(); err != nil {
		return media.Packet{}, err
	}
	for {
		if p, ok := pg.mux.pop(); ok {
			return p, nil
		}
		if err := pg.work(ctx, wait); err != nil {
			return media.Packet{}, err
		}
	}
}

// workOn makes something of the source's next packet, or takes one from the input, if
// there is one. What the input fails with it fails with again.
func (pg *Program) workOn(ctx, wait context.Context) (made bool, err error) {
	if pg.input.ReadThrough() {
		pg.playlist.prepare(ctx)
	}
	if p, ok := pg.times.aligner.Pop(); ok {
		return true, pg.put(wait, &p)
	}
	p, failure := pg.input.Next(wait, 0)
	if err := pg.noteLosses(); err != nil || failure != nil {
		return false, err
	}
	pg.Meter.SourceCame()
	pg.receive(&p)
	return true, nil
}

// work is workOn, and waits for a packet where there is none.
func (pg *Program) work(ctx, wait context.Context) error {
	if made, err := pg.workOn(ctx, wait); made || err != nil {
		return err
	}
	aligner := pg.times.aligner
	pg.Meter.WaitForSource()
	p, err := pg.input.Next(wait, aligner.Patience(pg.input.Patience()))
	if media.KindOf(err) != media.KindSourceStalled {
		pg.Meter.SourceCame()
	}
	if err := pg.noteLosses(); err != nil {
		return err
	}
	switch {
	case err == nil:
		pg.receive(&p)
		return nil
	case aligner.Holds() && media.KindOf(err) == media.KindSourceStalled:
		p = aligner.Force()
		return pg.put(wait, &p)
	case aligner.Holds() && wait.Err() == nil && pg.complete(err):
		aligner.Flush()
		return nil
	case media.KindOf(err) == media.KindSourceEnded && pg.finish(wait): // the next reading says it again
		return nil
	case !input.IsEnd(err) || pg.finish(wait):
		return ignoreEnd(err)
	case !pg.mux.given && pg.times.from == pg.Options.StartAt: // it would be opened over and over, or be complete without a packet
		return errNothing
	case pg.playlist.more():
		return pg.rewind(ctx, wait)
	default:
		return err
	}
}

// noteLosses counts what the input has thrown away.
func (pg *Program) noteLosses() error {
	pg.tracks.lose(pg.input.TakeDropped())
	for _, kind := range kinds {
		if err := pg.tracks.spoiled(kind, pg.times.aligner.Ends, pg.input.TakeCorrupt(kind)); err != nil {
			return err
		}
	}
	return nil
}

// receive gives a packet of the input the room's time.
func (pg *Program) receive(p *media.Packet) {
	kind := pg.input.Info.Tracks[p.Track].Type
	if p.LeftOut != nil {
		pg.Observer.Warned(media.WarnNoDecoder, noDecoder(*p.LeftOut))
	}
	if pg.wanted(kind) {
		pg.times.aligner.Push(pg.times.restamp.Restamp(*p))
		return
	}
	p.Release()
	if p.Change != nil {
		pg.Observer.Warned(media.WarnLeftOut, leftOut(kind, "the room was told that there is none; with fillAudio there is silence until it comes"))
	}
}

// put makes what the room gets of a packet of the source.
func (pg *Program) put(ctx context.Context, p *media.Packet) error {
	kind := pg.input.Info.Tracks[p.Track].Type
	if p.Change != nil {
		if err := pg.hold.before(ctx, kind, p); err != nil { // while the output track has the picture that does
			return err
		}
		if err := pg.follow(kind, *p.Change); err != nil {
			return err
		}
	}
	if p.Extradata != nil {
		pg.tracks.renew(kind, p.Extradata)
	}
	pg.times.passed(p)
	if pg.tracks.stale {
		pg.tracks.stale = false
		pg.tracks.skipBefore(p.PTS)
	}
	if pg.catchUp.leavesOut(p) {
		pg.tracks.lose(1)
		pg.times.pending.LeaveOut(p)
		return nil
	}
	pg.times.pending.Attach(p)
	if pg.times.exact && !pg.tracks.encodes(kind) && p.PTS+p.Duration <= pg.times.begin {
		pg.times.pending.LeaveOut(p)
		return nil // sound from before the picture goes on
	}
	if picture := pg.tracks.picture().encoded; picture != nil && pg.commands.wantKey.CompareAndSwap(true, false) {
		picture.coder.ForceKey()
	}
	pg.skipBeyond(p)
	if err := pg.hold.before(ctx, kind, p); err != nil {
		return err
	}
	pg.mux.fillSilenceBehind(p.DTS)
	if kind == media.Video {
		if err := pg.hold.next(p); err != nil {
			return err
		}
	}
	return pg.putThrough(ctx, kind, p)
}

// putThrough puts a packet of the source into its track, and counts what came of it.
func (pg *Program) putThrough(ctx context.Context, kind media.MediaType, p *media.Packet) error {
	track := &pg.tracks.of[kind]
	if p.Late {
		track.coverage.late = p.DTS
	}
	track.miss(p.Lost)
	out, err := pg.tracks.put(ctx, kind, *p)
	if err != nil {
		return err
	}
	pg.mux.take(kind, out)
	if err := track.damage.note(p.DTS, 1, 0); err != nil {
		return err
	}
	damaged := track.output.takeDamaged()
	track.miss(time.Duration(damaged) * pg.times.restamp.Length(p))
	return pg.tracks.spoiled(kind, p.DTS, damaged)
}

// follow goes on with another stream of the source that has taken a track's part.
func (pg *Program) follow(kind media.MediaType, t media.Track) error {
	out, plan, err := pg.tracks.follow(kind, t)
	pg.mux.take(kind, out)
	if kind == media.Video {
		pg.hold.copyAgain(plan)
	}
	return err
}

// skipBeyond keeps what lies behind the part that is played out of the
// encoders: what they made of it would be missing between the plays.
func (pg *Program) skipBeyond(p *media.Packet) {
	end := time.Duration(0)
	if pg.input.Until() > 0 {
		end = pg.times.partEnds(p.PTS)
	}
	pg.tracks.skipFrom(end)
}

// complete says whether what is held is to be played although no more comes,
// because of err. A file that broke is read again, from the last picture that
// was sent: a fragment of which the other track is missing is not shown, unless
// it is all there was, or a file whose server breaks off again and again would
// never move on.
func (pg *Program) complete(err error) bool {
	return input.IsEnd(err) || pg.input.Live || !pg.mux.given || pg.times.aligner.Longest() <= input.FileAhead
}

// ignoreEnd is for an end that has been dealt with.
func ignoreEnd(err error) error {
	if input.IsEnd(err) {
		return nil
	}
	return err
}

// finish brings out what is still inside at the end of an input; false when
// there was nothing.
func (pg *Program) finish(ctx context.Context) bool {
	for _, kind := range kinds {
		track := &pg.tracks.of[kind]
		if track.output == nil {
			continue
		}
		track.miss(pg.input.TakeTail(kind))
		if out, err := track.output.flush(); err == nil {
			pg.mux.take(kind, out)
		}
	}
	pg.hold.toEnd(ctx)
	pg.mux.drain()
	return len(pg.mux.ready) > 0
}

// rewind goes on with the next play.
func (pg *Program) rewind(ctx, wait context.Context) error {
	next := pg.playlist.next(ctx, wait)
	if next.err != nil {
		return next.err
	}
	pg.times.endPart()
	return pg.load(next)
}

// awaitPlay leaves an input whose play is over: the next one is waited for as a source that
// is away.
func (pg *Program) awaitPlay() {
	pg.times.endPart()
	pg.stopEncodeAhead()
	pg.closeInput()
	pg.progress.nextPlay()
}

var errNothing = &media.Error{Kind: media.KindSourceInvalid, Op: "play", Err: media.Sentence("there is nothing to play in the source, or in the part of it that was asked for; check startAtMs and endAtMs, and whether the source is whole")}

// ErrNewTracks says that the rooms are to be opened anew, with other tracks.
var ErrNewTracks = errors.New("the tracks have changed")

// takeVideo goes on with a source that has a picture now. A room is told its
// tracks when it is opened: one without a picture is opened anew, unless it could
// not be given this one. What was played of the sound goes on.
func (pg *Program) takeVideo(ctx context.Context) error {
	pg.Meter.Dropped(pg.stopEncodeAhead())
	o := pg.playlist.openAgain(ctx, pg.input)
	if o.err != nil {
		return away(o.err)
	}
	pg.times.anew = true
	switch {
	case pg.wanted(media.Video):
	case !pg.tracks.mayRecode() && copyable(pg.tracks.decide(o)) != nil:
		pg.Observer.Warned(media.WarnLeftOut, leftOut(media.Video, neverRecoded))
	default:
		pg.Observer.Warned(media.WarnLateVideo, "the source's picture came after its sound had been published: the room was opened again with both")
		pg.tracks.close()
		pg.tracks.retold = true
	}
	return pg.load(o)
}

// TakeOver goes on from where the attempt before stood: with the source, which was
// opened while that one still played it.
func (pg *Program) TakeOver(ctx context.Context, stood media.Progress) error {
	pg.coverage.goOnFrom(stood)
	pg.progress.plays, pg.playlist.plays = stood.Loop, stood.Loop
	if stood.Unclocked {
		pg.progress.stepBack()
	}
	reached, err := pg.bringTo(ctx, max(stood.Position, pg.Options.StartAt))
	if err != nil {
		if err = pg.helped(ctx, ctx, err); err != nil {
			return err
		}
	}
	if !reached {
		pg.closeSource()
	}
	return pg.Open(ctx)
}

// bringTo leaves out what comes before a position, or of a live source what has piled
// up. It returns false when the source is to be opened anew.
func (pg *Program) bringTo(ctx context.Context, position time.Duration) (bool, error) {
	if !pg.input.Seeks {
		return true, pg.input.SkipToNewest(ctx)
	}
	pg.progress.position = position
	reached, err := pg.input.SkipTo(ctx, position, input.MaxSkip)
	if reached {
		pg.align(position)
	}
	return reached, err
}

// Tracks returns the room's tracks; a packet's Track is an index into them.
func (pg *Program) Tracks() []media.Track { return pg.tracks.all() }

// Do carries out a command. It may be called beside the other methods.
func (pg *Program) Do(c Command) { c.apply(&pg.commands) }

// Sent notes that a room has taken packets by now: the position moves on.
func (pg *Program) Sent(packets []media.Packet, now time.Time) {
	position, plays := pg.progress.position, pg.progress.plays
	taken := false
	for i := range packets {
		p := &packets[i]
		pg.absence.last.note(p, now)
		pg.progress.note(p)
		taken = taken || p.Origin == media.Taken
	}
	if taken {
		pg.recovery.retries.Sent(now)
	}
	if pg.progress.position != position || pg.progress.plays != plays {
		pg.Meter.Advance(pg.progress.position, pg.progress.plays)
	}
}

// TakeDropped returns how many packets of the source came to nothing since it
// was asked last. It may be called beside the other methods.
func (pg *Program) TakeDropped() int64 { return pg.tracks.dropped.Swap(0) }

// TakeAnew says, once, whether what comes next does not go on right after what came
// before.
func (pg *Program) TakeAnew() bool {
	anew := pg.times.anew
	pg.times.anew = false
	return anew
}

// Buffered returns how much of a live source that comes in bursts has come and was not
// given out, and false of others. It may be called beside the other methods.
func (pg *Program) Buffered() (most time.Duration, bursty bool) {
	if !pg.recovery.source.Bursty || pg.input == nil {
		return 0, false
	}
	most = pg.times.buffered()
	if pg.encodeAhead != nil {
		most += pg.encodeAhead.queue.Buffered()
	}
	return most, true
}

// Realtime says whether the source's packets come as fast as they are made, and are not
// to be paced.
func (pg *Program) Realtime() bool { return pg.recovery.source.Realtime }

// Over returns the room time at which all that Next gave has been shown.
func (pg *Program) Over() time.Duration {
	pg.times.endPart()
	pg.coverage.end()
	return pg.times.restamp.Next
}

// TellEnd says of a source that has been played whole what was missing of it.
func (pg *Program) TellEnd() {
	pg.progress.end(pg.recovery.source.Live, pg.times.played(pg.times.ends))
}

// Pause is for a time without a room. A file is opened again at the position when
// its room went, so that nothing of it is left out, but not when nothing of it was
// taken yet; a stream is kept and goes on at its next keyframe: what was made of it by
// now is too old then.
func (pg *Program) Pause() {
	begun := pg.encodeAhead != nil || pg.mux.given
	switch {
	case pg.recovery.source.Realtime: // the tracks may change while it works
		pg.Meter.Dropped(pg.stopEncodeAhead() + pg.mux.clear())
		pg.tracks.stale = true
	case begun || pg.recovery.source.Live:
		pg.closeSource()
	}
	pg.times.anew, pg.absence.away = true, false
}

// Close closes the source, and what its tracks are made with.
func (pg *Program) Close() {
	pg.closeSource()
	pg.tracks.close()
}

// closeSource closes the source; what was made of it and not sent is made again.
func (pg *Program) closeSource() {
	pg.stopEncodeAhead()
	pg.playlist.drop()
	pg.closeInput()
}

// stopEncodeAhead ends the making ahead, and returns how many packets that it has made are
// lost.
func (pg *Program) stopEncodeAhead() int64 {
	if pg.encodeAhead == nil {
		return 0
	}
	lost := pg.encodeAhead.stop()
	pg.encodeAhead = nil
	return lost
}

func (pg *Program) closeInput() {
	if pg.input != nil {
		pg.input.Close()
		pg.input, pg.batch.failure = nil, nil
		pg.times.leave()
		pg.mux.clear()
	}
}
