package media

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// mixer is the one place that decides what the room gets next. It takes the
// packets of a feed, gives them the room's times, and makes each of the room's
// tracks of them: copied, re-encoded, or filled in. Feeds come and go (loops,
// reconnects); the room's tracks and times go on.
//
// One goroutine at a time uses it, but for the methods that say otherwise.
type mixer struct {
	mixerConfig
	feed    *feed
	lanes   [2]lane // by MediaType; nil: the room has no such track
	told    Plan    // whose Outputs the room knows: of the attempt before, then of this one
	plan    Plan
	planned bool
	// sources are the tracks of the feed as they are now, by MediaType.
	sources    [2]*Track
	restamp    restamper
	intake     *intake       // of the feed
	weave      *interleaver  // of what is made, where something is re-encoded
	ready      []Packet      // decided, and not yet given out
	exact      bool          // what a new feed has from before begin is left out
	begin      time.Duration // room time
	from       time.Duration // position that the feed was opened at
	cut        bool          // the feed began with pictures that the container leaves out
	shift      time.Duration // from the feed's clock to positions
	shifted    bool          // shift is known
	given      bool          // the feed has led to a packet
	shown      [2]time.Duration
	ends       time.Duration // room time at which what was shown ends
	wantKey    atomic.Bool
	overdue    atomic.Int64 // time.Duration that is wanted left out, in all
	leap       leap
	configs    configs // of what was left out
	dropped    atomic.Int64
	damage     [2]damage // by MediaType
	reach      reach     // of the feed
	stood      standing
	source     sourceFacts
	retries    *retries
	retryAt    time.Time // when the source may be opened again
	ahead      *ahead    // nil: what next gives is made in between
	anew       bool
	sentAny    bool
	absent     bool // it is being opened again
	lastSent   lastSent
	covers     [2]cover // by MediaType
	coverBegin coverBegin
	stands     stands
}

// mixerConfig is what a mixer works with.
type mixerConfig struct {
	rules       Rules
	reel        *reel
	transcoders Transcoders // nil: nothing can be re-encoded
	meter       *Meter
	observer    Observer
	retry       RetryPolicy
	wasLive     bool // to an attempt before
}

// newProgram returns the program of a job, of which nothing is open yet.
func newProgram(cfg mixerConfig, job Job) *mixer {
	m := &mixer{mixerConfig: cfg, told: job.Before, retries: newRetries(cfg.retry)}
	m.stood = standing{position: max(job.Start, job.Options.StartAt), plays: job.Stood.Loop}
	if end := job.Options.EndAt; end > 0 { // the attempt before may have died in the moment of its end
		m.stood.position = min(m.stood.position, end-tick)
	}
	m.stood.unclocked = job.Unclocked
	m.source = sourceFacts{live: cfg.wasLive, known: cfg.wasLive || job.Before != Plan{}}
	m.goOnFrom(job.Stood)
	return m
}

// load goes on with another feed, which is the mixer's from now on.
func (m *mixer) load(o opened) error {
	f := o.feed
	plan := m.decide(o)
	if m.planned && m.lanes[Video] == nil {
		plan.Video = nil
	}
	if tp := plan.Video; tp != nil && tp.Action == Copy && o.seen.stands && m.mayRecode() {
		*tp = TrackPlan{Action: Transcode, Reason: reasonStands}
	}
	m.closeFeed()
	m.feed, m.cut, m.configs = f, o.seen.cut, configs{}
	if err := m.keep(&plan); err != nil {
		return err
	}
	if !m.mayRecode() {
		if err := copyable(plan); err != nil {
			m.observer.Planned(f.info, f.live, plan)
			return err
		}
	}
	m.sources = [2]*Track{f.track(Video), f.track(Audio)}
	prepare := m.openLanes
	if m.planned {
		prepare = m.adapt
	}
	if err := prepare(plan); err != nil {
		return err
	}
	m.copyAgain(plan.Video)
	// Viewers begin with a picture, and a decoder may keep its first for long.
	m.weave.lanes[m.index(Video)].leads = m.coding(Video) && !f.realtime
	m.takeIn()
	m.align(o.from)
	return nil
}

// decide plans what is done with a feed.
func (m *mixer) decide(o opened) Plan {
	plan := planTracks(m.rules, o.feed.info.Tracks, o.seen, m.reel.options)
	for _, t := range o.feed.info.Tracks {
		if tp := plan.of(t.Type); tp.Action == Copy && o.feed.conformer(t.Type).config() == nil {
			*tp = TrackPlan{Action: Transcode, Reason: "no decoder configuration in it"}
		}
	}
	return plan
}

// align makes what the feed gives next go on right after all that was shown. A
// picture that is re-encoded begins at from, others at the keyframe before it,
// which may lie before the source's first picture, too.
func (m *mixer) align(from time.Duration) {
	m.exact, m.given, m.shift, m.shifted, m.from = false, false, 0, false, from
	m.goesOn()
	if !m.coding(Video) || from <= 0 && !m.cut || !m.feed.seeks {
		m.restamp.cut()
		return
	}
	m.exact, m.begin = true, m.restamp.cutAt(from+m.feed.info.StartTime)
	m.skipBefore(m.begin)
}

// openLanes makes the lanes, for the whole push.
func (m *mixer) openLanes(plan Plan) error {
	for _, media := range []MediaType{Video, Audio} {
		l, err := m.lane(media, plan)
		if media == Audio && m.lanes[Video] != nil && KindOf(err) == KindSourceUnsupported {
			plan = plan.with(Audio, m.withoutSound(err))
			l, err = m.lane(media, plan)
		}
		if err != nil {
			m.observer.Planned(m.feed.info, m.feed.live, plan)
			return err
		}
		m.lanes[media] = l
		if l != nil && plan.output(media) == (Output{}) {
			plan.of(media).Output = outputOf(shapeOf(l.track()))
		}
	}
	m.observer.Planned(m.feed.info, m.feed.live, plan)
	m.plan, m.told, m.planned = plan, plan, true
	hold := fileHold
	if m.feed.realtime {
		hold = liveHold
	}
	m.weave = newInterleaver(len(m.tracks()), hold)
	return nil
}

// coding says whether a track is being re-encoded.
func (m *mixer) coding(media MediaType) bool {
	_, ok := m.lanes[media].(*codeLane)
	return ok
}

// busy says whether making packets takes noticeable time: then it is done
// ahead.
func (m *mixer) busy() bool { return m.coding(Video) || m.coding(Audio) }

func (m *mixer) skipBefore(t time.Duration) {
	for _, l := range m.lanes {
		if l, ok := l.(*codeLane); ok {
			l.SkipBefore(t)
		}
	}
}

// skipBeyond keeps what lies behind the part that is played out of the
// encoders: what they made of it would be missing between the plays.
func (m *mixer) skipBeyond(p Packet) {
	end := time.Duration(0)
	if m.feed.ending.at > 0 {
		end = p.PTS + m.feed.ending.at - m.position(p)
	}
	for _, l := range m.lanes {
		if l, ok := l.(*codeLane); ok {
			l.SkipFrom(end)
		}
	}
}

// tracks returns the room's tracks; a packet's Track is an index into them.
func (m *mixer) tracks() []Track {
	var tracks []Track
	for _, l := range m.lanes {
		if l != nil {
			tracks = append(tracks, l.track())
		}
	}
	return tracks
}

// index returns a type's index into tracks.
func (m *mixer) index(media MediaType) int {
	if media == Audio && m.lanes[Video] != nil {
		return 1
	}
	return 0
}

// makeNext makes what next returns, of an open source.
func (m *mixer) makeNext(ctx, wait context.Context) (Packet, error) {
	for {
		if p, ok := m.pop(); ok {
			return p, nil
		}
		if err := m.work(ctx, wait); err != nil {
			return Packet{}, err
		}
	}
}

// work makes something of the source's next packet, or takes one from the feed.
func (m *mixer) work(ctx, wait context.Context) error {
	if m.feed.readThrough() {
		m.reel.prepare(ctx)
	}
	if p, ok := m.intake.pop(); ok {
		return m.put(ctx, p)
	}
	m.meter.waitForSource()
	p, err := m.feed.next(wait, m.intake.patience(m.feed.patience()))
	if KindOf(err) != KindSourceStalled {
		m.meter.sourceCame()
	}
	m.lose(m.feed.queue.takeDropped())
	for media := range m.feed.corrupt {
		if err := m.spoiled(MediaType(media), m.intake.ends, m.feed.corrupt[media].Swap(0)); err != nil {
			return err
		}
	}
	switch {
	case err == nil:
		m.receive(p)
		return nil
	case m.intake.holds() && KindOf(err) == KindSourceStalled:
		return m.put(ctx, m.intake.force())
	case m.intake.holds() && wait.Err() == nil && m.complete(err):
		m.intake.flush()
		return nil
	case KindOf(err) == KindSourceEnded && m.finish(ctx): // the next reading says it again
		return nil
	case !isEnd(err) || m.finish(ctx):
		return ignoreEnd(err)
	case !m.given && m.from == m.reel.options.StartAt: // it would be opened over and over, or be complete without a packet
		return errNothing
	case m.reel.more():
		return m.rewind(ctx)
	default:
		return err
	}
}

// ignoreEnd is for an end that has been dealt with.
func ignoreEnd(err error) error {
	if isEnd(err) {
		return nil
	}
	return err
}

// finish brings out what is still inside at the end of a feed; false when
// there was nothing.
func (m *mixer) finish(ctx context.Context) bool {
	for media, l := range m.lanes {
		if l != nil {
			m.miss(MediaType(media), m.feed.takeTail(MediaType(media)))
			out, err := l.flush()
			if err == nil {
				m.take(MediaType(media), out)
			}
		}
	}
	m.standOut(ctx)
	m.drain()
	return len(m.ready) > 0
}

// drain makes ready what is held to be woven.
func (m *mixer) drain() {
	m.weave.flush()
	for p, ok := m.weave.pop(); ok; p, ok = m.weave.pop() {
		m.ready = append(m.ready, p)
	}
}

// put makes what the room gets of a packet of the source.
func (m *mixer) put(ctx context.Context, p Packet) error {
	media := m.feed.info.Tracks[p.Track].Type
	if p.Change != nil {
		if err := m.stand(ctx, media, p); err != nil { // while the lane has the picture that does
			return err
		}
		if err := m.follow(media, *p.Change); err != nil {
			return err
		}
	}
	if p.Extradata != nil {
		m.renew(media, p.Extradata)
	}
	m.intake.ends = max(m.intake.ends, max(p.PTS, p.DTS)+m.restamp.length(p))
	if m.leaps(p) {
		m.configs.lose(p)
		return nil
	}
	m.configs.pass(&p)
	if m.exact && !m.coding(media) && p.PTS+p.Duration <= m.begin {
		m.configs.lose(p)
		return nil // sound from before the picture goes on
	}
	if picture, ok := m.lanes[Video].(*codeLane); ok && m.wantKey.CompareAndSwap(true, false) {
		picture.ForceKey()
	}
	m.skipBeyond(p)
	if err := m.stand(ctx, media, p); err != nil {
		return err
	}
	m.hushBehind(p.DTS)
	if media == Video {
		if err := m.resume(p); err != nil {
			return err
		}
		m.stands.note(p)
	}
	m.miss(media, p.lost)
	out, err := m.lanes[media].put(p)
	if change, ok := errors.AsType[*planChange](err); ok {
		out, err = m.change(ctx, media, change.reason, &p)
	}
	if err != nil {
		return err
	}
	m.take(media, out)
	if err := m.damage[media].note(p.DTS, 1, 0); err != nil {
		return err
	}
	damaged := m.lanes[media].takeDamaged()
	m.miss(media, time.Duration(damaged)*m.restamp.length(p))
	return m.spoiled(media, p.DTS, damaged)
}

// spoiled counts n packets that came to nothing because they are damaged.
func (m *mixer) spoiled(media MediaType, at time.Duration, n int64) error {
	if n == 0 {
		return nil
	}
	m.lose(n)
	return m.damage[media].note(at, 0, n)
}

func (m *mixer) lose(n int64) {
	if n > 0 {
		m.dropped.Add(n)
	}
}

// takeDropped returns how many packets of the source came to nothing since it
// was asked last. It may be called beside the other methods.
func (m *mixer) takeDropped() int64 { return m.dropped.Swap(0) }

// startWithKey makes the next picture one that viewers can start with, if it
// is in our hands. It may be called beside the other methods.
func (m *mixer) startWithKey() { m.wantKey.Store(true) }

func (m *mixer) closeFeed() {
	m.reel.drop()
	if m.feed != nil {
		m.feed.close()
		m.feed, m.ready = nil, nil
		m.forgetHeld()
		if m.weave != nil {
			m.weave.clear()
		}
	}
}

func (m *mixer) close() {
	m.closeSource()
	m.forgetLanes()
}

// takeIn makes the intake of a new feed.
func (m *mixer) takeIn() {
	tracks := m.feed.info.Tracks
	m.intake = newIntake(tracks, m.feed.realtime)
	m.intake.ends = m.restamp.next
	m.reach = reach{heard: -forever}
	m.leap.keys = 0
	for i, t := range tracks {
		if m.lanes[t.Type] == nil {
			m.intake.end(i)
		}
	}
}

// receive gives a packet of the feed the room's time.
func (m *mixer) receive(p Packet) {
	media := m.feed.info.Tracks[p.Track].Type
	if p.LeftOut != nil {
		m.warn(WarnNoDecoder, noDecoder(*p.LeftOut))
	}
	if p.Change != nil && m.lanes[media] == nil {
		m.warn(WarnLeftOut, leftOut(media, "the room was told that there is none; with fillAudio there is silence until it comes"))
	}
	if m.lanes[media] != nil {
		m.intake.push(m.restamp.restamp(p))
	}
}

func (m *mixer) warn(code WarningCode, message string) {
	m.observer.Warned(code, message)
}

// complete says whether what is held is to be played although no more comes,
// because of err. A file that broke is read again, from the last picture that
// was sent: a fragment of which the other track is missing is not shown, unless
// it is all there was, or a file whose server breaks off again and again would
// never move on.
func (m *mixer) complete(err error) bool {
	return isEnd(err) || m.feed.live || !m.given || m.intake.longest() <= fileAhead
}

// forgetHeld makes the next feed go on where what was given out ends.
func (m *mixer) forgetHeld() {
	if m.intake != nil && m.intake.clear() > 0 {
		m.restamp.next = min(m.restamp.next, m.intake.ends)
	}
	m.intake = nil
}

// buffered returns how much of a live source has come and was not given out. It
// may be called beside the other methods.
func (m *mixer) buffered() (most time.Duration) {
	for track, queued := range m.feed.queue.spans() {
		most = max(most, queued+m.intake.span(track))
	}
	return most
}

// take passes on what a lane made, and fills in the other track up to there.
func (m *mixer) take(media MediaType, out []Packet) {
	for _, p := range out {
		if m.beyond(p) {
			continue
		}
		if media == Audio {
			m.hush(p.PTS)
		}
		m.shown[media] = max(m.shown[media], p.PTS)
		m.ends = max(m.ends, p.PTS+min(p.Duration, maxFrame))
		if l, ok := m.lanes[1-media].(*fillLane); ok {
			if media == Audio && m.wantKey.CompareAndSwap(true, false) {
				l.restart()
			}
			for _, filled := range l.until(p.DTS) {
				m.give(1-media, filled)
			}
		}
		m.give(media, p)
	}
}

// beyond says whether p is shown after the part that is to be played.
func (m *mixer) beyond(p Packet) bool {
	return m.feed.ending.at > 0 && m.position(p) >= m.feed.ending.at
}

// position returns where in the source p is shown. The segments of a live
// playlist may each have a clock of their own: what was shown is counted, from
// where an earlier attempt stood if the playlist is played as a recording.
func (m *mixer) position(p Packet) time.Duration {
	if m.feed == nil {
		return m.stood.position
	}
	at, elapsed := m.restamp.position(p.PTS)
	if m.feed.segmented() {
		at = elapsed
	}
	at -= m.feed.info.StartTime
	if !m.shifted {
		m.shifted = true
		if off := m.from - at; off.Abs() > maxOff && m.feed.segmented() && !m.feed.live && !m.feed.seeks {
			m.shift = off
		}
	}
	return max(at+m.shift, 0)
}

// elapsed is the position that all that was shown ends at, had the source's clock
// not broken on the way.
func (m *mixer) elapsed() time.Duration { return m.played(m.ends) }

// played is position for who reads it: as if the source's clock had not broken on
// the way.
func (m *mixer) played(room time.Duration) time.Duration {
	if m.feed == nil {
		return m.stood.position
	}
	if m.feed.segmented() {
		return m.position(Packet{PTS: room})
	}
	_, elapsed := m.restamp.position(room)
	return max(elapsed-m.feed.info.StartTime, 0)
}

// maxOff is by how much the clock of what cannot be sought may differ from where
// it is thought to be.
const maxOff = 30 * time.Second

func (m *mixer) give(media MediaType, p Packet) {
	m.account(media, p)
	m.given, p.Track = true, m.index(media)
	p.kind, p.leads = media, media == Video || m.lanes[Video] == nil
	p.position, p.play, p.leftOut = m.position(p), m.reel.plays, m.leap.before(p.DTS)
	p.unclocked = m.feed != nil && !m.feed.segmented() && !m.feed.live && m.restamp.steppedBack(p.PTS)
	p.Extradata, p.config = nil, m.lanes[media].track().Extradata
	if m.busy() && m.feed != nil {
		m.weave.push(p)
		return
	}
	m.ready = append(m.ready, p)
}

func (m *mixer) pop() (Packet, bool) {
	if p, ok := m.weave.pop(); ok {
		return p, true
	}
	if len(m.ready) == 0 {
		return Packet{}, false
	}
	p := m.ready[0]
	m.ready[0] = Packet{}
	if m.ready = m.ready[1:]; len(m.ready) == 0 {
		m.ready = nil
	}
	return p, true
}

// forgetLanes makes the next feed decide anew what tracks the room has.
func (m *mixer) forgetLanes() {
	for i, l := range m.lanes {
		m.covers[i].begun = false
		if l != nil {
			l.close()
			m.lanes[i] = nil
		}
	}
	m.planned = false
}

// rewind goes on with the next play.
func (m *mixer) rewind(ctx context.Context) error {
	next := m.reel.next(ctx)
	if next.err != nil {
		return next.err
	}
	m.forgetBeyond()
	return m.load(next)
}

var errNothing = &Error{Kind: KindSourceInvalid, Op: "play", Err: Sentence("there is nothing to play in the source, or in the part of it that was asked for (startAtMs, endAtMs)")}

// forgetBeyond makes the next play go on where the part that is played ends,
// although the restamper has seen more: pictures out of order, of which some
// are shown behind the end, and sound that lay behind it.
func (m *mixer) forgetBeyond() {
	if m.feed.ending.at == 0 {
		return
	}
	end := m.restamp.next - max(m.position(Packet{PTS: m.restamp.next})-m.feed.ending.at, 0)
	m.restamp.next = min(m.restamp.next, max(end, m.ends))
}
