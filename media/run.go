package media

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// run is one Play: what is mixed from the source, the open room, and the clock
// between them. Source and room are opened anew without each other.
type run struct {
	*Pusher
	job       Job
	mix       *mixer
	ahead     *ahead // nil: the mixer works in between
	position  time.Duration
	plays     int           // of the source, done before position
	reached   time.Duration // position that was shown or heard up to, in this play
	unclocked bool          // position is no time of the source's clock, which has stepped back
	away      bool          // something broke, and nothing has been sent since
	garbled   bool          // the source has been no media where it was before
	source    sourceFacts
	room      Publisher                 // nil: to be opened
	open      atomic.Pointer[Publisher] // room, for who does not play
	inRoom    context.Context           // ends with the room's session, too
	ended     atomic.Pointer[time.Time] // when the room ended its session; nil while it has not
	watching  sync.WaitGroup            // who notes that
	endPush   context.CancelCauseFunc   // with a cause, whatever it is waiting for
	overtime  *time.Timer               // ends the push; nil: never
	gate      *startGate
	told      *announcer // of room
	rise      rise
	pacer     pacer
	retries   *retries
	keys      keyWatch
	slow      bool // its user has been told so
	stay      stay
}

// sourceFacts are what run needs to know of an opened source; they are the same
// in all its plays.
type sourceFacts struct {
	known    bool // it was there once
	live     bool
	realtime bool
	bursty   bool
	duration time.Duration
}

func newRun(ctx context.Context, p *Pusher, job Job, endPush context.CancelCauseFunc) *run {
	r := &run{Pusher: p, job: job, endPush: endPush, retries: newRetries(job.Retry), plays: job.Stood.Loop, stay: stay{played: job.Stood.Played}}
	r.keys.limit = p.Door.Rules().MaxKeyInterval
	r.position, r.source.live = max(job.Start, job.Options.StartAt), job.WasLive
	if end := job.Options.EndAt; end > 0 { // the attempt before may have died in the moment of its end
		r.position = min(r.position, end-tick)
	}
	r.source.known = job.WasLive || job.Before != Plan{}
	job.Source.Log, job.Source.Came, job.Source.Conduct = job.Log, job.Meter.sourceGives, &Conduct{}
	r.mix = &mixer{mixerConfig: mixerConfig{
		rules:  p.Door.Rules(),
		meter:  job.Meter,
		reel:   &reel{opener: p.Opener, request: job.Source, options: job.Options, unconfirmed: r.unconfirmed},
		onPlan: func(f *feed, plan Plan) { job.Observer.Planned(f.info, f.live, plan) },
		onHole: func(media MediaType, from, hole time.Duration, reason string) {
			job.Observer.Warned(WarnHole, holeWarning(media, from, hole, reason))
		},
		onWarning: job.Observer.Warned,
	}, told: job.Before}
	r.mix.goOnFrom(job.Stood)
	r.unclocked = job.Unclocked
	if p.Transcoders != nil {
		r.mix.transcoders = p.Transcoders.With(ctx, job.Log, job.Source.Conduct)
	}
	return r
}

// judge is err, but for a source that was there before: it may come back under
// the same address, so it is not gone for good, nor are its name and its
// certificate. Nor is a live source that has played and gives something else now. A room that hangs up right after
// a publish, again and again, has another publisher, and so has one that says
// only then that the name is in use.
func (r *run) judge(err error) error {
	switch kind := KindOf(err); {
	case (kind == KindSourceNotFound || kind == KindSourceHost || kind == KindSourceTLS) && r.source.known:
		return &Error{Kind: KindSourceUnavailable, Op: "open source again", Err: err}
	case (kind == KindSourceInvalid || kind == KindSourceNoTrack) && r.source.live && (r.job.WasLive || r.stay.total(r.inRoomUntil()) > 0):
		r.garbled = true
		return &Error{Kind: KindSourceUnavailable, Op: "read source", Err: err}
	case (kind == KindRoomClosed || kind == KindRoomConflict) && r.room != nil && r.stay.kickedOut(r.inRoomUntil()):
		return &Error{Kind: KindRoomKicked, Op: "publish", Err: err}
	default:
		return err
	}
}

// play opens what is not open and feeds the room until something ends.
func (r *run) play(ctx context.Context) error {
	if limit := r.job.Options.MaxDuration; limit > 0 && r.stay.total(r.inRoomUntil()) >= limit {
		return errOvertime
	}
	for {
		err := r.playOn(ctx)
		if !errors.Is(err, ErrLateVideo) {
			return err
		}
		if err := r.takeVideo(ctx); err != nil {
			return err
		}
	}
}

// openSource opens the source at the position and plans what is done with it.
func (r *run) openSource(ctx context.Context) error {
	if r.mix.feed != nil {
		return nil
	}
	// What was made of the next play and not sent is made again.
	r.mix.reel.plays = r.plays
	r.job.Meter.waitForSource()
	open := r.mix.reel.open
	if r.unclocked {
		open = r.mix.reel.openUnclocked
	}
	o := open(ctx, r.position)
	r.job.Meter.sourceCame()
	if o.err != nil && r.source.live {
		return away(o.err)
	}
	if o.err != nil {
		return o.err
	}
	f := o.feed
	if r.source.live && !f.live {
		f.close()
		return errNowRecorded
	}
	r.warnOfParts(f)
	r.warnOfSpeed(f)
	r.warnOfCodecs(f)
	r.source = sourceFacts{known: true, live: f.live, realtime: f.realtime, bursty: f.bursty, duration: f.info.Duration}
	r.job.Meter.setDuration(r.source.duration)
	if r.unclocked {
		r.stepBack()
	}
	if err := r.mix.load(o); err != nil {
		return err
	}
	// A file may break at the same place again and again, a playlist of which
	// nothing more comes offers its last segments, and some servers the last
	// pictures of a sender that is away. One that was no media may be so again.
	if f.live && !f.bursty && !o.seen.ended && !r.garbled {
		r.retries.works(sourceSide)
	}
	r.pacer.reset()
	return nil
}

// away is err, but for a live source that gave nothing when it was opened
// again: while its sender is away a server may answer with a stream that is
// empty.
func away(err error) error {
	if kind := KindOf(err); kind == KindSourceInvalid || kind == KindSourceNoTrack {
		return &Error{Kind: KindSourceUnavailable, Op: "open source again", Err: err}
	}
	return err
}

// errNowRecorded is a live playlist that has got its end: opened anew, it would
// play from its beginning.
var errNowRecorded = &Error{Kind: KindSourceEnded, Op: "open source", Err: Because("its recording is in its place now", nil)}

// warnOfSpeed tells once that parts of the source are not played as it says.
func (r *run) warnOfSpeed(f *feed) {
	if f.info.Retimed && !r.source.known {
		r.job.Observer.Warned(WarnEditSpeed, "the source's edit list has parts that are to be played faster, slower or as a standing picture: "+
			"they are played at the speed they were recorded at; to have them as edited, export the video anew")
	}
}

// warnOfCodecs tells once of a picture or a sound that is missing because nothing
// here decodes it.
func (r *run) warnOfCodecs(f *feed) {
	for _, s := range f.info.Streams {
		played := func(t Track) bool { return t.Type.String() == s.Type }
		if s.NoDecoder && !r.source.known && !slices.ContainsFunc(f.info.Tracks, played) {
			r.job.Observer.Warned(WarnNoDecoder, noDecoder(s))
			return
		}
	}
}

func noDecoder(s Stream) string {
	return fmt.Sprintf("the source's %s is left out: its codec %s cannot be decoded by this build; convert it to H.264 and AAC, or to another codec that is played", s.Type, s.Codec)
}

// warnOfParts tells once that a source turned out to be live of which a part,
// or more plays than one, were asked for.
func (r *run) warnOfParts(f *feed) {
	o := r.job.Options
	asked := o.StartAt > 0 || o.EndAt > 0 || !o.PlaysOnce()
	switch {
	case r.source.known:
	case f.live && asked:
		r.job.Observer.Warned(WarnLiveNoParts, "the source is live: it is played from now on, without regard to startAtMs, endAtMs and repeat")
	case !f.seeks && o.StartAt > 0:
		r.job.Observer.Warned(WarnLiveNoParts, "the source cannot go to a position: it is played from where it begins, without regard to startAtMs")
	}
}

// step gives the room what comes next when its time has come, for which it waits
// as long as the room's session lasts.
func (r *run) step(ctx context.Context) error {
	p, err := r.next(ctx)
	r.job.Meter.dropped(r.mix.takeDropped())
	if isEnd(err) {
		return r.playOut(ctx)
	}
	if err != nil {
		return err
	}
	if !r.gate.pass(p) {
		r.job.Meter.dropped(1)
		return nil
	}
	p, ok := r.rise.stamp(p, r.gate.kind(p))
	r.job.Meter.dropped(r.rise.takeDropped())
	if !ok {
		return nil
	}
	var late time.Duration
	if r.source.realtime {
		r.job.Meter.behind.Store(int64(r.pacer.fall(p.DTS)))
	} else {
		r.pacer.skip(p.leftOut)
		if late, err = r.pace(r.inRoom, p.DTS); err != nil {
			return err
		}
		r.job.Meter.setSlipped(r.pacer.slipped())
	}
	p = r.told.announce(p, r.gate.kind(p))
	begin := time.Now()
	r.job.Meter.room.begin(begin)
	err = r.room.WritePacket(ctx, p)
	r.job.Meter.room.end(time.Now())
	if err != nil {
		return err
	}
	r.pacer.wrote(time.Since(begin))
	return r.sent(p, late)
}

// pace waits until the time of a room DTS has come, and returns how late it is.
func (r *run) pace(ctx context.Context, dts time.Duration) (late time.Duration, err error) {
	r.job.Meter.paced.begin(time.Now())
	defer func() { r.job.Meter.paced.end(time.Now()) }()
	return r.pacer.wait(ctx, dts)
}

// next returns the mixer's next packet.
func (r *run) next(ctx context.Context) (Packet, error) {
	if r.source.bursty {
		r.pacer.follow(r.buffered())
		r.mix.leaveOut(r.pacer.wanted())
	}
	if r.ahead == nil && r.mix.busy() {
		span := codeAhead
		if r.source.realtime {
			span = codeAheadLive
		}
		r.ahead = startAhead(ctx, r.mix, span)
	}
	if r.ahead != nil {
		return r.ahead.get(r.inRoom)
	}
	return r.mix.next(ctx, r.inRoom)
}

// buffered returns how much of a live source has come and not been sent.
func (r *run) buffered() time.Duration {
	media := r.mix.buffered()
	if r.ahead != nil {
		media += r.ahead.queue.buffered()
	}
	return media
}

// errPlayedOut says that the source is over and all of it was sent. It is not
// io.EOF: that also stands inside errors of connections.
var errPlayedOut = errors.New("played out")

// errOvertime says that the push has been in the room for as long as it may.
var errOvertime = errors.New("in the room for as long as it may")

// playOut waits until the last picture has been shown for its time, and
// returns errPlayedOut.
func (r *run) playOut(ctx context.Context) error {
	r.mix.forgetBeyond()
	r.mix.accountEnd()
	if _, err := r.pace(ctx, r.mix.restamp.next); err != nil {
		return err
	}
	r.warnOfLosses()
	length := r.source.duration
	if until := r.job.Options.EndAt; until > 0 && (length == 0 || until < length) {
		length = until
	}
	if length == 0 && !r.source.live {
		length = r.reached
	}
	reached := max(r.position, r.reached, r.mix.elapsed())
	if missing := length - reached; missing > endedEarly && !r.source.live {
		r.job.Observer.Warned(WarnEndedEarly, fmt.Sprintf("the source ended at %v although it says it is %v long; it may have been cut short, so check the file",
			reached.Round(time.Second), length.Round(time.Second)))
	} else if length > 0 {
		r.job.Meter.MoveTo(length)
	}
	return errPlayedOut
}

// tooSlow is how long a push may stand still in all before its user is told.
const tooSlow = 10 * time.Second

// sent notes what the room has taken.
func (r *run) sent(p Packet, late time.Duration) error {
	now := time.Now()
	video := r.gate.kind(p) == Video
	r.job.Meter.sent(now, sentPacket{bytes: r.stay.bytes(r.room.SentBytes()), late: late, picture: video})
	if video && p.Keyframe {
		r.job.Keyframe.Set(p.Data, p.config)
	}
	if video && r.keys.tooFar(p) {
		r.job.Observer.Warned(WarnLongGOP, "the source's keyframes are more than "+r.keys.limit.String()+
			" apart; viewers who join wait that long for a picture. With transcode: always they come every two seconds")
	}
	r.pass(p, video || r.gate.audioOnly)
	r.retries.sent(now)
	first := r.stay.sent(now)
	if first {
		r.limitStay(now)
	}
	if first || r.away {
		r.away = false
		r.job.Observer.Publishing()
	}
	if !r.slow && r.pacer.slipped() >= tooSlow {
		r.slow = true
		r.job.Observer.Warned(WarnTooSlow, "the picture had to wait for "+tooSlow.String()+
			" in all: the source, the room or the worker's machine is too slow for it; a smaller width and height cost less, and a copied picture least")
	}
	played := r.stay.total(now)
	r.job.Meter.setPlayed(played)
	if played >= settled {
		r.job.Source.Conduct.Prove()
	}
	if message := r.stay.signature(now); message != "" {
		r.job.Observer.Warned(WarnUserSigExpires, message)
	}
	return nil
}

// soundLead is by how much sound may be ahead of its picture before the push is
// where the sound is: with a still, or where the picture has ended.
const soundLead = 3 * time.Second

// pass moves the position on to p, which leads or not.
func (r *run) pass(p Packet, leads bool) {
	at := p.position
	if p.play != r.plays {
		r.reached = 0
	}
	r.reached = max(r.reached, at+p.Duration)
	if !leads {
		if at -= soundLead; p.play != r.plays || at <= r.position {
			return
		}
	}
	r.position, r.plays = at, p.play
	r.job.Meter.moveTo(at, p.play)
	if p.unclocked && !r.unclocked {
		r.stepBack()
	}
}

// stepBack notes that the source's clock has stepped back: it tells neither
// positions nor how long the source is.
func (r *run) stepBack() {
	r.unclocked, r.source.duration = true, 0
	r.job.Meter.setUnclocked()
}

// giveUp closes what an error of kind leaves useless. A file is opened again
// at the position when its room went, so that nothing of it is left out, but
// not when nothing of it was taken yet; a stream is kept and goes on at its
// next keyframe.
func (r *run) giveUp(ctx context.Context, kind Kind) {
	r.away = true
	begun := r.ahead != nil || r.mix.given
	switch {
	case !kind.OfRoom():
		r.closeSource()
		return
	case r.source.realtime: // the tracks may change while the mixer works
		r.job.Meter.dropped(r.stopAhead())
	case begun || r.source.live:
		r.closeSource()
	}
	r.closeRoom(ctx)
}

// leave unpublishes first: that is what viewers see.
func (r *run) leave(ctx context.Context) {
	r.closeRoom(ctx)
	r.closeSource()
	r.mix.close()
}

func (r *run) closeSource() {
	r.stopAhead()
	r.mix.closeFeed()
}

// stopAhead takes the mixer back from ahead, and returns how many packets that
// it has made are lost.
func (r *run) stopAhead() int64 {
	if r.ahead == nil {
		return 0
	}
	lost := r.ahead.stop()
	r.ahead = nil
	return lost
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
