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
	tracks      [2]track   // by MediaType
	announced   media.Plan // whose Outputs the room knows: of the attempt before, then of this one
	plan        media.Plan
	planned     bool
	pending     bitstream.Pending // of what was left out
	catchUp     catchUp
	dropped     atomic.Int64 // packets of the source that came to nothing
	standing    standingPicture
	encodeAhead *encodeAhead // nil: what Next gives is made in between
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
	Unconfirmed func() time.Duration // how much media is on its way to the rooms
	Rules       media.Rules
	Transcoders media.Transcoders // nil: nothing can be re-encoded
	Retry       media.RetryPolicy
	WasLive     bool // to an attempt before
	Meter       *media.Meter
	Observer    media.Observer
}

// New returns the program of a job, of which nothing is open yet.
func New(cfg Config, job media.Job) *Program {
	m := &Program{Config: cfg, announced: job.Before}
	m.playlist = playlist{opener: cfg.Opener, request: cfg.Source, options: cfg.Options, unconfirmed: cfg.Unconfirmed}
	m.retries = retry.New(cfg.Retry)
	m.upTo = sourcePosition{position: max(job.Start, job.Options.StartAt), plays: job.Stood.Loop}
	if end := job.Options.EndAt; end > 0 { // the attempt before may have died in the moment of its end
		m.upTo.position = min(m.upTo.position, end-clock.Tick)
	}
	m.upTo.unclocked = job.Unclocked
	m.source = sourceFacts{live: cfg.WasLive, known: cfg.WasLive || job.Before != media.Plan{}}
	m.goOnFrom(job.Stood)
	return m
}

// load goes on with another input, which is the program's from now on.
func (m *Program) load(o openedInput) error {
	f := o.input
	plan := m.decide(o)
	if m.planned && m.tracks[media.Video].output == nil {
		plan.Video = nil
	}
	if tp := plan.Video; tp != nil && tp.Action == media.Copy && o.probe.Stands && m.mayRecode() {
		*tp = media.TrackPlan{Action: media.Transcode, Reason: reasonStands}
	}
	m.closeInput()
	m.input, m.cut, m.pending = f, o.probe.Cut, bitstream.Pending{}
	if err := m.keepAnnounced(&plan); err != nil {
		return err
	}
	if !m.mayRecode() {
		if err := copyable(plan); err != nil {
			m.Observer.Planned(f.Info, f.Live, plan)
			return err
		}
	}
	m.tracks[media.Video].source, m.tracks[media.Audio].source = f.Track(media.Video), f.Track(media.Audio)
	prepare := m.openOutputs
	if m.planned {
		prepare = m.adapt
	}
	if err := prepare(plan); err != nil {
		return err
	}
	m.copyAgain(plan.Video)
	// Viewers begin with a picture, and a decoder may keep its first for long.
	m.interleaver.Lead(m.index(media.Video), m.coding(media.Video) && !f.Realtime)
	m.alignInput()
	m.align(o.from)
	return nil
}

// decide plans what is done with an input.
func (m *Program) decide(o openedInput) media.Plan {
	plan := planTracks(m.Rules, o.input.Info.Tracks, o.probe, m.Options)
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
func (m *Program) align(from time.Duration) {
	m.exact, m.given, m.shift, m.shifted, m.from = false, false, 0, false, from
	m.goesOn()
	if !m.coding(media.Video) || from <= 0 && !m.cut || !m.input.Seeks {
		m.restamp.Cut()
		return
	}
	m.exact, m.begin = true, m.restamp.CutAt(from+m.input.Info.StartTime)
	m.skipBefore(m.begin)
}

// openOutputs makes the output tracks, for the whole push.
func (m *Program) openOutputs(plan media.Plan) error {
	for _, kind := range []media.MediaType{media.Video, media.Audio} {
		l, err := m.newOutput(kind, plan)
		if kind == media.Audio && m.tracks[media.Video].output != nil && media.KindOf(err) == media.KindSourceUnsupported {
			plan = plan.With(media.Audio, m.withoutSound(err))
			l, err = m.newOutput(kind, plan)
		}
		if err != nil {
			m.Observer.Planned(m.input.Info, m.input.Live, plan)
			return err
		}
		m.tracks[kind].output = l
		if l != nil && plan.Output(kind) == (media.Output{}) {
			plan.Of(kind).Output = outputOf(bitstream.ShapeOf(l.track()))
		}
	}
	m.Observer.Planned(m.input.Info, m.input.Live, plan)
	m.plan, m.announced, m.planned = plan, plan, true
	hold := clock.FileHold
	if m.input.Realtime {
		hold = clock.LiveHold
	}
	m.interleaver = clock.NewInterleaver(len(m.Tracks()), hold)
	return nil
}

// coding says whether a track is being re-encoded.
func (m *Program) coding(kind media.MediaType) bool {
	_, ok := m.tracks[kind].output.(*encodedTrack)
	return ok
}

// busy says whether making packets takes noticeable time: then it is done
// ahead.
func (m *Program) busy() bool { return m.coding(media.Video) || m.coding(media.Audio) }

func (m *Program) skipBefore(t time.Duration) {
	for _, track := range m.tracks {
		if l, ok := track.output.(*encodedTrack); ok {
			l.SkipBefore(t)
		}
	}
}

// skipBeyond keeps what lies behind the part that is played out of the
// encoders: what they made of it would be missing between the plays.
func (m *Program) skipBeyond(p media.Packet) {
	end := time.Duration(0)
	if m.input.Until() > 0 {
		end = p.PTS + m.input.Until() - m.position(p)
	}
	for _, track := range m.tracks {
		if l, ok := track.output.(*encodedTrack); ok {
			l.SkipFrom(end)
		}
	}
}

// Tracks returns the room's tracks; a packet's Track is an index into them.
func (m *Program) Tracks() []media.Track {
	var tracks []media.Track
	for _, track := range m.tracks {
		if l := track.output; l != nil {
			tracks = append(tracks, l.track())
		}
	}
	return tracks
}

// index returns a type's index into tracks.
func (m *Program) index(kind media.MediaType) int {
	if kind == media.Audio && m.tracks[media.Video].output != nil {
		return 1
	}
	return 0
}

// makeNext makes what next returns, of an open source.
func (m *Program) makeNext(ctx, wait context.Context) (media.Packet, error) {
	for {
		if p, ok := m.pop(); ok {
			return p, nil
		}
		if err := m.work(ctx, wait); err != nil {
			return media.Packet{}, err
		}
	}
}

// work makes something of the source's next packet, or takes one from the input.
func (m *Program) work(ctx, wait context.Context) error {
	if m.input.ReadThrough() {
		m.playlist.prepare(ctx)
	}
	if p, ok := m.aligner.Pop(); ok {
		return m.put(ctx, p)
	}
	m.Meter.WaitForSource()
	p, err := m.input.Next(wait, m.aligner.Patience(m.input.Patience()))
	if media.KindOf(err) != media.KindSourceStalled {
		m.Meter.SourceCame()
	}
	m.lose(m.input.TakeDropped())
	for kind := range m.tracks {
		if err := m.spoiled(media.MediaType(kind), m.aligner.Ends, m.input.TakeCorrupt(media.MediaType(kind))); err != nil {
			return err
		}
	}
	switch {
	case err == nil:
		m.receive(p)
		return nil
	case m.aligner.Holds() && media.KindOf(err) == media.KindSourceStalled:
		return m.put(ctx, m.aligner.Force())
	case m.aligner.Holds() && wait.Err() == nil && m.complete(err):
		m.aligner.Flush()
		return nil
	case media.KindOf(err) == media.KindSourceEnded && m.finish(ctx): // the next reading says it again
		return nil
	case !input.IsEnd(err) || m.finish(ctx):
		return ignoreEnd(err)
	case !m.given && m.from == m.Options.StartAt: // it would be opened over and over, or be complete without a packet
		return errNothing
	case m.playlist.more():
		return m.rewind(ctx)
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
func (m *Program) finish(ctx context.Context) bool {
	for kind, track := range m.tracks {
		if l := track.output; l != nil {
			m.miss(media.MediaType(kind), m.input.TakeTail(media.MediaType(kind)))
			out, err := l.flush()
			if err == nil {
				m.take(media.MediaType(kind), out)
			}
		}
	}
	m.holdToEnd(ctx)
	m.drain()
	return len(m.ready) > 0
}

// drain makes ready what is held to be woven.
func (m *Program) drain() {
	m.interleaver.Flush()
	for p, ok := m.interleaver.Pop(); ok; p, ok = m.interleaver.Pop() {
		m.ready = append(m.ready, p)
	}
}

// put makes what the room gets of a packet of the source.
func (m *Program) put(ctx context.Context, p media.Packet) error {
	kind := m.input.Info.Tracks[p.Track].Type
	if p.Change != nil {
		if err := m.hold(ctx, kind, p); err != nil { // while the output track has the picture that does
			return err
		}
		if err := m.follow(kind, *p.Change); err != nil {
			return err
		}
	}
	if p.Extradata != nil {
		m.renew(kind, p.Extradata)
	}
	m.aligner.Ends = max(m.aligner.Ends, max(p.PTS, p.DTS)+m.restamp.Length(p))
	if m.catchesUp(p) {
		m.pending.Keep(p)
		return nil
	}
	m.pending.Attach(&p)
	if m.exact && !m.coding(kind) && p.PTS+p.Duration <= m.begin {
		m.pending.Keep(p)
		return nil // sound from before the picture goes on
	}
	if picture, ok := m.tracks[media.Video].output.(*encodedTrack); ok && m.wantKey.CompareAndSwap(true, false) {
		picture.ForceKey()
	}
	m.skipBeyond(p)
	if err := m.hold(ctx, kind, p); err != nil {
		return err
	}
	m.fillSilenceBehind(p.DTS)
	if kind == media.Video {
		if err := m.resume(p); err != nil {
			return err
		}
		m.standing.note(p)
	}
	m.miss(kind, p.Lost)
	out, err := m.tracks[kind].output.put(p)
	if change, ok := errors.AsType[*planChange](err); ok {
		out, err = m.change(ctx, kind, change.reason, &p)
	}
	if err != nil {
		return err
	}
	m.take(kind, out)
	if err := m.tracks[kind].damage.note(p.DTS, 1, 0); err != nil {
		return err
	}
	damaged := m.tracks[kind].output.takeDamaged()
	m.miss(kind, time.Duration(damaged)*m.restamp.Length(p))
	return m.spoiled(kind, p.DTS, damaged)
}

// spoiled counts n packets that came to nothing because they are damaged.
func (m *Program) spoiled(kind media.MediaType, at time.Duration, n int64) error {
	if n == 0 {
		return nil
	}
	m.lose(n)
	return m.tracks[kind].damage.note(at, 0, n)
}

func (m *Program) lose(n int64) {
	if n > 0 {
		m.dropped.Add(n)
	}
}

// TakeDropped returns how many packets of the source came to nothing since it
// was asked last. It may be called beside the other methods.
func (m *Program) TakeDropped() int64 { return m.dropped.Swap(0) }

func (m *Program) closeInput() {
	m.playlist.drop()
	if m.input != nil {
		m.input.Close()
		m.input, m.ready = nil, nil
		m.forgetHeld()
		if m.interleaver != nil {
			m.interleaver.Clear()
		}
	}
}

func (m *Program) Close() {
	m.closeSource()
	m.closeOutputs()
}

// alignInput makes the aligner of a new input.
func (m *Program) alignInput() {
	tracks := m.input.Info.Tracks
	m.aligner = clock.NewAligner(tracks, m.input.Realtime)
	m.aligner.Ends = m.restamp.Next
	m.reach = inputReach{heard: -clock.Forever}
	m.catchUp.keys = 0
	for i, t := range tracks {
		if m.tracks[t.Type].output == nil {
			m.aligner.End(i)
		}
	}
}

// receive gives a packet of the input the room's time.
func (m *Program) receive(p media.Packet) {
	kind := m.input.Info.Tracks[p.Track].Type
	if p.LeftOut != nil {
		m.warn(media.WarnNoDecoder, noDecoder(*p.LeftOut))
	}
	if p.Change != nil && m.tracks[kind].output == nil {
		m.warn(media.WarnLeftOut, clock.LeftOut(kind, "the room was told that there is none; with fillAudio there is silence until it comes"))
	}
	if m.tracks[kind].output != nil {
		m.aligner.Push(m.restamp.Restamp(p))
	}
}

func (m *Program) warn(code media.WarningCode, message string) {
	m.Observer.Warned(code, message)
}

// complete says whether what is held is to be played although no more comes,
// because of err. A file that broke is read again, from the last picture that
// was sent: a fragment of which the other track is missing is not shown, unless
// it is all there was, or a file whose server breaks off again and again would
// never move on.
func (m *Program) complete(err error) bool {
	return input.IsEnd(err) || m.input.Live || !m.given || m.aligner.Longest() <= input.FileAhead
}

// forgetHeld makes the next input go on where what was given out ends.
func (m *Program) forgetHeld() {
	if m.aligner != nil && m.aligner.Clear() > 0 {
		m.restamp.Next = min(m.restamp.Next, m.aligner.Ends)
	}
	m.aligner = nil
}

// Buffered returns how much of a live source that comes in bursts has come and was not
// given out, and false of others. It may be called beside the other methods.
func (m *Program) Buffered() (most time.Duration, bursty bool) {
	if !m.source.bursty || m.input == nil {
		return 0, false
	}
	for track, queued := range m.input.Spans() {
		most = max(most, queued+m.aligner.Span(track))
	}
	if m.encodeAhead != nil {
		most += m.encodeAhead.queue.Buffered()
	}
	return most, true
}

// Realtime says whether the source's packets come as fast as they are made, and are not
// to be paced.
func (m *Program) Realtime() bool { return m.source.realtime }

// take passes on what an output track made, and fills in the other track up to there.
func (m *Program) take(kind media.MediaType, out []media.Packet) {
	for _, p := range out {
		if m.beyond(p) {
			continue
		}
		if kind == media.Audio {
			m.fillSilence(p.PTS)
		}
		m.tracks[kind].shown = max(m.tracks[kind].shown, p.PTS)
		m.ends = max(m.ends, p.PTS+min(p.Duration, clock.MaxFrame))
		if l, ok := m.tracks[1-kind].output.(*filledTrack); ok {
			if kind == media.Audio && m.wantKey.CompareAndSwap(true, false) {
				l.restart()
			}
			for _, filled := range l.until(p.DTS) {
				m.give(1-kind, filled)
			}
		}
		m.give(kind, p)
	}
}

// beyond says whether p is shown after the part that is to be played.
func (m *Program) beyond(p media.Packet) bool {
	return m.input.Until() > 0 && m.position(p) >= m.input.Until()
}

// position returns where in the source p is shown. The segments of a live
// playlist may each have a clock of their own: what was shown is counted, from
// where an earlier attempt stood if the playlist is played as a recording.
func (m *Program) position(p media.Packet) time.Duration {
	if m.input == nil {
		return m.upTo.position
	}
	at, elapsed := m.restamp.Position(p.PTS)
	if m.input.Segmented() {
		at = elapsed
	}
	at -= m.input.Info.StartTime
	if !m.shifted {
		m.shifted = true
		if off := m.from - at; off.Abs() > maxOff && m.input.Segmented() && !m.input.Live && !m.input.Seeks {
			m.shift = off
		}
	}
	return max(at+m.shift, 0)
}

// elapsed is the position that all that was shown ends at, had the source's clock
// not broken on the way.
func (m *Program) elapsed() time.Duration { return m.played(m.ends) }

// played is position for who reads it: as if the source's clock had not broken on
// the way.
func (m *Program) played(room time.Duration) time.Duration {
	if m.input == nil {
		return m.upTo.position
	}
	if m.input.Segmented() {
		return m.position(media.Packet{PTS: room})
	}
	_, elapsed := m.restamp.Position(room)
	return max(elapsed-m.input.Info.StartTime, 0)
}

// maxOff is by how much the clock of what cannot be sought may differ from where
// it is thought to be.
const maxOff = 30 * time.Second

func (m *Program) give(kind media.MediaType, p media.Packet) {
	m.account(kind, p)
	m.given, p.Track = true, m.index(kind)
	p.Kind, p.Leads = kind, kind == media.Video || m.tracks[media.Video].output == nil
	p.Position, p.Play, p.Skipped = m.position(p), m.playlist.plays, m.catchUp.before(p.DTS)
	p.Unclocked = m.input != nil && !m.input.Segmented() && !m.input.Live && m.restamp.SteppedBack(p.PTS)
	p.Extradata, p.Config = nil, m.tracks[kind].output.track().Extradata
	if m.busy() && m.input != nil {
		m.interleaver.Push(p)
		return
	}
	m.ready = append(m.ready, p)
}

func (m *Program) pop() (media.Packet, bool) {
	if p, ok := m.interleaver.Pop(); ok {
		return p, true
	}
	if len(m.ready) == 0 {
		return media.Packet{}, false
	}
	p := m.ready[0]
	m.ready[0] = media.Packet{}
	if m.ready = m.ready[1:]; len(m.ready) == 0 {
		m.ready = nil
	}
	return p, true
}

// closeOutputs makes the next input decide anew what tracks the room has.
func (m *Program) closeOutputs() {
	for i := range m.tracks {
		track := &m.tracks[i]
		track.coverage.begun = false
		if track.output != nil {
			track.output.close()
			track.output = nil
		}
	}
	m.planned = false
}

// rewind goes on with the next play.
func (m *Program) rewind(ctx context.Context) error {
	next := m.playlist.next(ctx)
	if next.err != nil {
		return next.err
	}
	m.forgetBeyond()
	return m.load(next)
}

var errNothing = &media.Error{Kind: media.KindSourceInvalid, Op: "play", Err: media.Sentence("there is nothing to play in the source, or in the part of it that was asked for (startAtMs, endAtMs)")}

// forgetBeyond makes the next play go on where the part that is played ends,
// although the Restamper has seen more: pictures out of order, of which some
// are shown behind the end, and sound that lay behind it.
func (m *Program) forgetBeyond() {
	if m.input.Until() == 0 {
		return
	}
	end := m.restamp.Next - max(m.position(media.Packet{PTS: m.restamp.Next})-m.input.Until(), 0)
	m.restamp.Next = min(m.restamp.Next, max(end, m.ends))
}
