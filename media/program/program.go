package program

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/bitstream"
	"github.com/roomcast/roomcast/media/clock"
	"github.com/roomcast/roomcast/media/input"
	"github.com/roomcast/roomcast/media/retry"
)

// Program is the one place that decides what the rooms get next. It takes the
// packets of an input, gives them the room's times, and makes each of the room's
// tracks of them: copied, re-encoded, or filled in. Inputs come and go (loops,
// reconnects); the room's tracks and times go on.
//
// One goroutine at a time uses it, but for the methods that say otherwise.
type Program struct {
	Config
	sourceState
	playlist playlist
	timeline
	entry
	sentState
	commands
	planState
	tracks      [2]track          // by MediaType
	pending     bitstream.Pending // of what was left out
	catchUp     catchUp
	dropped     atomic.Int64 // packets of the source that came to nothing
	standing    standingPicture
	encodeAhead *encodeAhead // nil: what Next gives is made in between
}

// planState is what is done with the source.
type planState struct {
	announced media.Plan // whose Outputs the room knows: of the attempt before, then of this one
	plan      media.Plan
	planned   bool
}

// track is one of the room's, and what it is made of.
type track struct {
	output   outputTrack   // nil: the room has no such track
	source   *media.Track  // of the input, as it is now
	shown    time.Duration // room time up to which it was made
	damage   damage
	coverage trackCoverage
}

// timeline is how packets of the source come to be the room's.
type timeline struct {
	restamp     clock.Restamper
	aligner     *clock.Aligner     // of the input
	interleaver *clock.Interleaver // of what is made, where something is re-encoded
	ready       []media.Packet     // decided, and not yet given out
	ends        time.Duration      // room time at which what was shown ends
	anew        bool               // what comes next does not go on right after what came before
}

// entry is how the present input was gone over to.
type entry struct {
	exact      bool          // what it has from before begin is left out
	begin      time.Duration // room time
	starts     time.Duration // room time at which what it gives goes on
	from       time.Duration // position that it was opened at
	cut        bool          // it began with pictures that the container leaves out
	shift      time.Duration // from its clock to positions
	shifted    bool          // shift is known
	given      bool          // it has led to a packet
	reach      inputReach
	coverBegin coverBegin
}

// Config is what a program works with.
type Config struct {
	Opener      media.Opener
	Source      media.SourceRequest
	Options     media.Options
	Unconfirmed func() time.Duration // how much media is on its way to the rooms; nil: none
	Rules       media.Rules
	Transcoders media.Transcoders // nil: nothing can be re-encoded
	Retry       media.RetryPolicy
	WasLive     bool // to an attempt before
	Meter       *media.Meter
	Observer    media.Observer
}

// New returns the program of a job, of which nothing is open yet.
func New(cfg Config, job media.Job) *Program {
	m := &Program{Config: cfg}
	m.Source.Bounds = cfg.Rules.Bounds()
	m.announced = job.Before
	m.playlist.Config = &m.Config
	m.retries = retry.New(cfg.Retry)
	m.upTo = sourcePosition{position: max(job.Start, job.Options.StartAt), plays: job.Stood.Loop}
	if end := job.Options.EndAt; end > 0 { // the attempt before may have died in the moment of its end
		m.upTo.position = min(m.upTo.position, end-clock.Tick)
	}
	m.upTo.unclocked = job.Unclocked
	m.source = sourceFacts{Kind: input.Kind{Live: cfg.WasLive}, known: cfg.WasLive || job.Before != media.Plan{}}
	m.goOnFrom(job.Stood)
	return m
}

// load goes on with another input, which is the program's from now on.
func (pg *Program) load(o openedInput) error {
	f := o.input
	plan := pg.decide(o)
	if pg.planned && pg.tracks[media.Video].output == nil {
		plan.Video = nil
	}
	if tp := plan.Video; tp != nil && tp.Action == media.Copy && o.probe.Stands && pg.mayRecode() {
		*tp = media.TrackPlan{Action: media.Transcode, Reason: reasonStands}
	}
	pg.closeInput()
	pg.input, pg.cut, pg.pending = f, o.probe.Cut, bitstream.Pending{}
	if err := pg.keepAnnounced(&plan); err != nil {
		return err
	}
	if !pg.mayRecode() {
		if err := copyable(plan); err != nil {
			pg.Observer.Planned(f.Info, f.Live, plan)
			return err
		}
	}
	pg.tracks[media.Video].source, pg.tracks[media.Audio].source = f.Track(media.Video), f.Track(media.Audio)
	prepare := pg.openOutputs
	if pg.planned {
		prepare = pg.adapt
	}
	if err := prepare(plan); err != nil {
		return err
	}
	pg.copyAgain(plan.Video)
	// Viewers begin with a picture, and a decoder may keep its first for long.
	pg.interleaver.Lead(pg.index(media.Video), pg.coding(media.Video) && !f.Realtime)
	pg.alignInput()
	pg.align(o.from)
	return nil
}

// decide plans what is done with an input.
func (pg *Program) decide(o openedInput) media.Plan {
	plan := planTracks(pg.Rules, o.input.Info.Tracks, o.probe, pg.Options)
	for _, t := range o.input.Info.Tracks {
		if tp := plan.Of(t.Type); tp.Action == media.Copy && o.input.Filter(t.Type).Config() == nil {
			*tp = media.TrackPlan{Action: media.Transcode, Reason: "no decoder configuration in it"}
		}
	}
	return plan
}

// align makes what the input gives next go on right after all that was shown. A
// picture that is re-encoded begins at from, others at the keyframe before it,
// which may lie before the source's first picture, too.
func (pg *Program) align(from time.Duration) {
	pg.starts = pg.restamp.Next
	pg.exact, pg.given, pg.shift, pg.shifted, pg.from = false, false, 0, false, from
	pg.goesOn()
	if !pg.coding(media.Video) || from <= 0 && !pg.cut || !pg.input.Seeks {
		pg.restamp.Cut()
		return
	}
	pg.exact, pg.begin = true, pg.restamp.CutAt(from+pg.input.Info.StartTime)
	pg.skipBefore(pg.begin)
}

// openOutputs makes the output tracks, for the whole push.
func (pg *Program) openOutputs(plan media.Plan) error {
	for _, kind := range []media.MediaType{media.Video, media.Audio} {
		l, err := pg.newOutput(kind, plan)
		if kind == media.Audio && pg.tracks[media.Video].output != nil && media.KindOf(err) == media.KindSourceUnsupported {
			plan = plan.With(media.Audio, pg.withoutSound(err))
			l, err = pg.newOutput(kind, plan)
		}
		if err != nil {
			pg.Observer.Planned(pg.input.Info, pg.input.Live, plan)
			return err
		}
		pg.tracks[kind].output = l
		if l != nil && plan.Output(kind) == (media.Output{}) {
			plan.Of(kind).Output = outputOf(bitstream.ShapeOf(l.track()))
		}
	}
	pg.Observer.Planned(pg.input.Info, pg.input.Live, plan)
	pg.plan, pg.announced, pg.planned = plan, plan, true
	hold := clock.FileHold
	if pg.input.Realtime {
		hold = clock.LiveHold
	}
	pg.interleaver = clock.NewInterleaver(len(pg.Tracks()), hold)
	return nil
}

// coding says whether a track is being re-encoded.
func (pg *Program) coding(kind media.MediaType) bool {
	_, ok := pg.tracks[kind].output.(*encodedTrack)
	return ok
}

// busy says whether making packets takes noticeable time: then it is done
// ahead.
func (pg *Program) busy() bool { return pg.coding(media.Video) || pg.coding(media.Audio) }

func (pg *Program) skipBefore(t time.Duration) {
	for _, track := range pg.tracks {
		if l, ok := track.output.(*encodedTrack); ok {
			l.SkipBefore(t)
		}
	}
}

// skipBeyond keeps what lies behind the part that is played out of the
// encoders: what they made of it would be missing between the plays.
func (pg *Program) skipBeyond(p media.Packet) {
	end := time.Duration(0)
	if pg.input.Until() > 0 {
		end = p.PTS + pg.input.Until() - pg.position(p)
	}
	for _, track := range pg.tracks {
		if l, ok := track.output.(*encodedTrack); ok {
			l.SkipFrom(end)
		}
	}
}

// Tracks returns the room's tracks; a packet's Track is an index into them.
func (pg *Program) Tracks() []media.Track {
	var tracks []media.Track
	for _, track := range pg.tracks {
		if l := track.output; l != nil {
			tracks = append(tracks, l.track())
		}
	}
	return tracks
}

// index returns a type's index into tracks.
func (pg *Program) index(kind media.MediaType) int {
	if kind == media.Audio && pg.tracks[media.Video].output != nil {
		return 1
	}
	return 0
}

// makeNext makes what next returns, of an open source.
func (pg *Program) makeNext(ctx, wait context.Context) (media.Packet, error) {
	for {
		if p, ok := pg.pop(); ok {
			return p, nil
		}
		if err := pg.work(ctx, wait); err != nil {
			return media.Packet{}, err
		}
	}
}

// work makes something of the source's next packet, or takes one from the input.
func (pg *Program) work(ctx, wait context.Context) error {
	if pg.input.ReadThrough() {
		pg.playlist.prepare(ctx)
	}
	if p, ok := pg.aligner.Pop(); ok {
		return pg.put(ctx, p)
	}
	pg.Meter.WaitForSource()
	p, err := pg.input.Next(wait, pg.aligner.Patience(pg.input.Patience()))
	if media.KindOf(err) != media.KindSourceStalled {
		pg.Meter.SourceCame()
	}
	pg.lose(pg.input.TakeDropped())
	for kind := range pg.tracks {
		if err := pg.spoiled(media.MediaType(kind), pg.aligner.Ends, pg.input.TakeCorrupt(media.MediaType(kind))); err != nil {
			return err
		}
	}
	switch {
	case err == nil:
		pg.receive(p)
		return nil
	case pg.aligner.Holds() && media.KindOf(err) == media.KindSourceStalled:
		return pg.put(ctx, pg.aligner.Force())
	case pg.aligner.Holds() && wait.Err() == nil && pg.complete(err):
		pg.aligner.Flush()
		return nil
	case media.KindOf(err) == media.KindSourceEnded && pg.finish(ctx): // the next reading says it again
		return nil
	case !input.IsEnd(err) || pg.finish(ctx):
		return ignoreEnd(err)
	case !pg.given && pg.from == pg.Options.StartAt: // it would be opened over and over, or be complete without a packet
		return errNothing
	case pg.playlist.more():
		return pg.rewind(ctx)
	default:
		return err
	}
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
	for kind, track := range pg.tracks {
		if l := track.output; l != nil {
			pg.miss(media.MediaType(kind), pg.input.TakeTail(media.MediaType(kind)))
			out, err := l.flush()
			if err == nil {
				pg.take(media.MediaType(kind), out)
			}
		}
	}
	pg.holdToEnd(ctx)
	pg.drain()
	return len(pg.ready) > 0
}

// drain makes ready what is held to be woven.
func (pg *Program) drain() {
	pg.interleaver.Flush()
	for p, ok := pg.interleaver.Pop(); ok; p, ok = pg.interleaver.Pop() {
		pg.ready = append(pg.ready, p)
	}
}

// put makes what the room gets of a packet of the source.
func (pg *Program) put(ctx context.Context, p media.Packet) error {
	kind := pg.input.Info.Tracks[p.Track].Type
	if p.Change != nil {
		if err := pg.hold(ctx, kind, p); err != nil { // while the output track has the picture that does
			return err
		}
		if err := pg.follow(kind, *p.Change); err != nil {
			return err
		}
	}
	if p.Extradata != nil {
		pg.renew(kind, p.Extradata)
	}
	pg.aligner.Ends = max(pg.aligner.Ends, max(p.PTS, p.DTS)+pg.restamp.Length(p))
	if pg.catchesUp(p) {
		pg.pending.Keep(p)
		return nil
	}
	pg.pending.Attach(&p)
	if pg.exact && !pg.coding(kind) && p.PTS+p.Duration <= pg.begin {
		pg.pending.Keep(p)
		return nil // sound from before the picture goes on
	}
	if picture, ok := pg.tracks[media.Video].output.(*encodedTrack); ok && pg.wantKey.CompareAndSwap(true, false) {
		picture.ForceKey()
	}
	pg.skipBeyond(p)
	if err := pg.hold(ctx, kind, p); err != nil {
		return err
	}
	pg.fillSilenceBehind(p.DTS)
	if kind == media.Video {
		if err := pg.resume(p); err != nil {
			return err
		}
		pg.standing.note(p)
	}
	pg.miss(kind, p.Lost)
	out, err := pg.tracks[kind].output.put(p)
	if change, ok := errors.AsType[*planChange](err); ok {
		out, err = pg.change(ctx, kind, change.reason, &p)
	}
	if err != nil {
		return err
	}
	pg.take(kind, out)
	if err := pg.tracks[kind].damage.note(p.DTS, 1, 0); err != nil {
		return err
	}
	damaged := pg.tracks[kind].output.takeDamaged()
	pg.miss(kind, time.Duration(damaged)*pg.restamp.Length(p))
	return pg.spoiled(kind, p.DTS, damaged)
}

// spoiled counts n packets that came to nothing because they are damaged.
func (pg *Program) spoiled(kind media.MediaType, at time.Duration, n int64) error {
	if n == 0 {
		return nil
	}
	pg.lose(n)
	return pg.tracks[kind].damage.note(at, 0, n)
}

func (pg *Program) lose(n int64) {
	if n > 0 {
		pg.dropped.Add(n)
	}
}

// TakeDropped returns how many packets of the source came to nothing since it
// was asked last. It may be called beside the other methods.
func (pg *Program) TakeDropped() int64 { return pg.dropped.Swap(0) }

func (pg *Program) closeInput() {
	pg.playlist.drop()
	if pg.input != nil {
		pg.input.Close()
		pg.input, pg.ready = nil, nil
		pg.forgetHeld()
		if pg.interleaver != nil {
			pg.interleaver.Clear()
		}
	}
}

func (pg *Program) Close() {
	pg.closeSource()
	pg.closeOutputs()
}

// alignInput makes the aligner of a new input.
func (pg *Program) alignInput() {
	tracks := pg.input.Info.Tracks
	pg.aligner = clock.NewAligner(tracks, pg.input.Realtime)
	pg.aligner.Ends = pg.restamp.Next
	pg.reach = inputReach{heard: -clock.Forever}
	pg.catchUp.keys = 0
	for i, t := range tracks {
		if pg.tracks[t.Type].output == nil {
			pg.aligner.End(i)
		}
	}
}

// receive gives a packet of the input the room's time.
func (pg *Program) receive(p media.Packet) {
	kind := pg.input.Info.Tracks[p.Track].Type
	if p.LeftOut != nil {
		pg.warn(media.WarnNoDecoder, noDecoder(*p.LeftOut))
	}
	if p.Change != nil && pg.tracks[kind].output == nil {
		pg.warn(media.WarnLeftOut, leftOut(kind, "the room was told that there is none; with fillAudio there is silence until it comes"))
	}
	if pg.tracks[kind].output != nil {
		pg.aligner.Push(pg.restamp.Restamp(p))
	}
}

func (pg *Program) warn(code media.WarningCode, message string) {
	pg.Observer.Warned(code, message)
}

// complete says whether what is held is to be played although no more comes,
// because of err. A file that broke is read again, from the last picture that
// was sent: a fragment of which the other track is missing is not shown, unless
// it is all there was, or a file whose server breaks off again and again would
// never move on.
func (pg *Program) complete(err error) bool {
	return input.IsEnd(err) || pg.input.Live || !pg.given || pg.aligner.Longest() <= input.FileAhead
}

// forgetHeld makes the next input go on where what was given out ends.
func (pg *Program) forgetHeld() {
	if pg.aligner != nil && pg.aligner.Clear() > 0 {
		pg.restamp.Next = min(pg.restamp.Next, pg.aligner.Ends)
	}
	pg.aligner = nil
}

// Buffered returns how much of a live source that comes in bursts has come and was not
// given out, and false of others. It may be called beside the other methods.
func (pg *Program) Buffered() (most time.Duration, bursty bool) {
	if !pg.source.Bursty || pg.input == nil {
		return 0, false
	}
	for track, queued := range pg.input.Spans() {
		most = max(most, queued+pg.aligner.Span(track))
	}
	if pg.encodeAhead != nil {
		most += pg.encodeAhead.queue.Buffered()
	}
	return most, true
}

// Realtime says whether the source's packets come as fast as they are made, and are not
// to be paced.
func (pg *Program) Realtime() bool { return pg.source.Realtime }

// take passes on what an output track made, and fills in the other track up to there.
func (pg *Program) take(kind media.MediaType, out []media.Packet) {
	for _, p := range out {
		if pg.beyond(p) {
			continue
		}
		if kind == media.Audio {
			pg.fillSilence(p.PTS)
		}
		pg.tracks[kind].shown = max(pg.tracks[kind].shown, p.PTS)
		pg.ends = max(pg.ends, p.PTS+pg.lasts(kind, p))
		if l, ok := pg.tracks[1-kind].output.(*filledTrack); ok {
			if kind == media.Audio && pg.wantKey.CompareAndSwap(true, false) {
				l.restart()
			}
			for _, filled := range l.until(p.DTS) {
				pg.give(1-kind, filled)
			}
		}
		pg.give(kind, p)
	}
}

// lasts is how long p is shown or heard: a picture to the end of the part that is to
// be played at most.
func (pg *Program) lasts(kind media.MediaType, p media.Packet) time.Duration {
	d := min(p.Duration, clock.MaxFrame)
	if end := pg.input.Until(); kind == media.Video && end > 0 {
		d = min(d, end-pg.position(p))
	}
	return d
}

// beyond says whether p is shown after the part that is to be played.
func (pg *Program) beyond(p media.Packet) bool {
	return pg.input.Until() > 0 && pg.position(p) >= pg.input.Until()
}

// position returns where in the source p is shown. The segments of a live
// playlist may each have a clock of their own: what was shown is counted, from
// where an earlier attempt stood if the playlist is played as a recording.
func (pg *Program) position(p media.Packet) time.Duration {
	if pg.input == nil {
		return pg.upTo.position
	}
	at, elapsed := pg.restamp.Position(p.PTS)
	if pg.input.Segmented() {
		at = elapsed
	}
	at -= pg.input.Info.StartTime
	if !pg.shifted {
		pg.shifted = true
		if off := pg.from - at; off.Abs() > maxOff && pg.input.Segmented() && !pg.input.Live && !pg.input.Seeks {
			pg.shift = off
		}
	}
	return max(at+pg.shift, 0)
}

// elapsed is the position that all that was shown ends at, had the source's clock
// not broken on the way.
func (pg *Program) elapsed() time.Duration { return pg.played(pg.ends) }

// played is position for who reads it: as if the source's clock had not broken on
// the way.
func (pg *Program) played(room time.Duration) time.Duration {
	if pg.input == nil {
		return pg.upTo.position
	}
	if pg.input.Segmented() {
		return pg.position(media.Packet{PTS: room})
	}
	_, elapsed := pg.restamp.Position(room)
	return max(elapsed-pg.input.Info.StartTime, 0)
}

// maxOff is by how much the clock of what cannot be sought may differ from where
// it is thought to be.
const maxOff = 30 * time.Second

func (pg *Program) give(kind media.MediaType, p media.Packet) {
	pg.account(kind, p)
	pg.given, p.Track = true, pg.index(kind)
	p.Kind, p.Leads = kind, pg.input != nil && (kind == media.Video || pg.tracks[media.Video].output == nil)
	p.Position, p.Play, p.Skipped = pg.position(p), pg.playlist.plays, pg.catchUp.before(p.DTS)
	p.Unclocked = pg.input != nil && !pg.input.Segmented() && !pg.input.Live && pg.restamp.SteppedBack(p.PTS)
	p.Extradata, p.Config = nil, pg.tracks[kind].output.track().Extradata
	if pg.busy() && pg.input != nil {
		pg.interleaver.Push(p)
		return
	}
	pg.ready = append(pg.ready, p)
}

func (pg *Program) pop() (media.Packet, bool) {
	if p, ok := pg.interleaver.Pop(); ok {
		return p, true
	}
	if len(pg.ready) == 0 {
		return media.Packet{}, false
	}
	p := pg.ready[0]
	pg.ready[0] = media.Packet{}
	if pg.ready = pg.ready[1:]; len(pg.ready) == 0 {
		pg.ready = nil
	}
	return p, true
}

// closeOutputs makes the next input decide anew what tracks the room has.
func (pg *Program) closeOutputs() {
	for i := range pg.tracks {
		track := &pg.tracks[i]
		track.coverage.begun = false
		if track.output != nil {
			track.output.close()
			track.output = nil
		}
	}
	pg.planned = false
}

// rewind goes on with the next play.
func (pg *Program) rewind(ctx context.Context) error {
	next := pg.playlist.next(ctx)
	if next.err != nil {
		return next.err
	}
	pg.forgetBeyond()
	return pg.load(next)
}

var errNothing = &media.Error{Kind: media.KindSourceInvalid, Op: "play", Err: media.Sentence("there is nothing to play in the source, or in the part of it that was asked for; check startAtMs and endAtMs, and whether the source is whole")}

// forgetBeyond makes the next play go on where the part that is played ends,
// although the Restamper has seen more: pictures out of order, of which some
// are shown behind the end, and sound that lay behind it.
func (pg *Program) forgetBeyond() {
	if pg.input.Until() == 0 {
		return
	}
	end := pg.restamp.Next - max(pg.position(media.Packet{PTS: pg.restamp.Next})-pg.input.Until(), 0)
	pg.restamp.Next = min(pg.restamp.Next, max(end, pg.ends))
}
