package media

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// standing is where in the source a push is: up to there, a room has taken it.
type standing struct {
	position time.Duration
	plays    int           // of the source, done before position
	reached  time.Duration // position that was shown or heard up to, in this play
	// unclocked says that position is no time of the source's clock, which has
	// stepped back.
	unclocked bool
}

// sourceFacts are what a program needs to know of an opened source; they are the same
// in all its plays.
type sourceFacts struct {
	known    bool // it was there once
	live     bool
	realtime bool
	bursty   bool
	duration time.Duration
	garbled  bool // it has been no media where it was before
}

// open opens the source at the position and plans what is done with it, and tries
// again where that can help. ctx bounds the source's life.
func (m *mixer) open(ctx context.Context) error {
	for {
		err := m.openOnce(ctx, ctx)
		if err == nil {
			return nil
		}
		if err = m.helped(ctx, ctx, err); err != nil {
			return err
		}
	}
}

// next returns the next packet the room is to get: room times, its position
// in the source, a Track of tracks. io.EOF is the end of the last play, errNewTracks
// says that tracks has changed. A source that fails is opened again, until that cannot
// help any more. wait, a child of ctx, bounds the wait for a packet and nothing else.
func (m *mixer) next(ctx, wait context.Context) (Packet, error) {
	for {
		p, err := m.nextOnce(ctx, wait)
		if err == nil || isEnd(err) {
			return p, err
		}
		if errors.Is(err, ErrLateVideo) {
			err = m.takeVideo(ctx)
		}
		if errors.Is(err, errNewTracks) {
			return p, err
		}
		if err == nil || errors.Is(err, errHeld) {
			continue
		}
		if err = m.helped(ctx, wait, err); err != nil {
			return p, err
		}
	}
}

func (m *mixer) nextOnce(ctx, wait context.Context) (Packet, error) {
	if m.ahead == nil {
		if m.feed == nil { // what is shown while it is away
			if p, ok := m.pop(); ok {
				return p, nil
			}
		}
		if err := m.openOnce(ctx, wait); err != nil {
			return Packet{}, err
		}
		if !m.busy() {
			return m.makeNext(ctx, wait)
		}
		span := codeAhead
		if m.source.realtime {
			span = codeAheadLive
		}
		m.ahead = startAhead(ctx, m, span)
	}
	return m.ahead.get(wait)
}

// helped closes a source that failed with err; nil says that it is to be opened again,
// which waits for its time.
func (m *mixer) helped(ctx, wait context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case wait.Err() != nil:
		return context.Cause(wait)
	}
	err = m.judge(err)
	m.closeSource()
	pause, again := m.retries.next(KindOf(err))
	if !again {
		return err
	}
	m.retryAt = time.Now().Add(pause)
	m.startWithKey()
	m.meter.reconnected()
	m.observer.Reconnecting(err, pause, m.retries.until(KindOf(err)))
	return nil
}

// judge is err, but for a source that was there before: it may come back under
// the same address, so it is not gone for good, nor are its name and its
// certificate. Nor is a live source that has played and gives something else now.
func (m *mixer) judge(err error) error {
	switch kind := KindOf(err); {
	case (kind == KindSourceNotFound || kind == KindSourceHost || kind == KindSourceTLS) && m.source.known:
		return &Error{Kind: KindSourceUnavailable, Op: "open source again", Err: err}
	case (kind == KindSourceInvalid || kind == KindSourceNoTrack) && m.source.live && (m.wasLive || m.sentAny):
		m.source.garbled = true
		return &Error{Kind: KindSourceUnavailable, Op: "read source", Err: err}
	default:
		return err
	}
}

// openOnce opens the source, unless it is open, when its time has come. errHeld says
// that there is something to be shown meanwhile.
func (m *mixer) openOnce(ctx, wait context.Context) error {
	if m.feed != nil {
		return nil
	}
	// What was made of the next play and not sent is made again.
	m.reel.plays = m.stood.plays
	m.meter.waitForSource()
	o, err := m.bring(ctx, wait)
	if err != nil {
		return err
	}
	m.meter.sourceCame()
	if o.err != nil && m.source.live {
		return away(o.err)
	}
	if o.err != nil {
		return o.err
	}
	f := o.feed
	if m.source.live && !f.live {
		f.close()
		return errNowRecorded
	}
	m.warnOfParts(f)
	m.warnOfSpeed(f)
	m.warnOfCodecs(f)
	m.source = sourceFacts{known: true, live: f.live, realtime: f.realtime, bursty: f.bursty, duration: f.info.Duration, garbled: m.source.garbled}
	m.meter.setDuration(m.source.duration)
	if m.stood.unclocked {
		m.stepBack()
	}
	if err := m.load(o); err != nil {
		return err
	}
	// A file may break at the same place again and again, a playlist of which
	// nothing more comes offers its last segments, and some servers the last
	// pictures of a sender that is away. One that was no media may be so again.
	if f.live && !f.bursty && !o.seen.ended && !m.source.garbled {
		m.retries.works(sourceSide)
	}
	m.anew, m.absent = true, false
	return nil
}

// bring waits for the source to be opened at the position.
func (m *mixer) bring(ctx, wait context.Context) (opened, error) {
	if !m.absent {
		m.absent, m.lastSent.at = true, time.Now()
	}
	for {
		pause := time.Until(m.retryAt)
		var coming <-chan opened
		if pause <= 0 {
			m.reel.begin(ctx, m.stood.position, m.stood.unclocked)
			coming, pause = m.reel.coming, forever
		}
		if m.holds() {
			pause = min(pause, m.holdsIn())
		}
		timer := time.NewTimer(pause)
		select {
		case o := <-coming:
			timer.Stop()
			m.reel.coming = nil
			return o, nil
		case <-wait.Done():
			timer.Stop()
			return opened{}, context.Cause(wait)
		case <-timer.C:
		}
		if m.holds() && m.hold() {
			return opened{}, errHeld
		}
	}
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

// errNewTracks says that the rooms are to be opened anew, with other tracks.
var errNewTracks = errors.New("the tracks have changed")

// takeVideo goes on with a source that has a picture now. A room is told its
// tracks when it is opened: one without a picture is opened anew, unless it could
// not be given this one. What was played of the sound goes on.
func (m *mixer) takeVideo(ctx context.Context) error {
	m.meter.dropped(m.stopAhead())
	o := m.reel.openAgain(ctx, m.feed)
	if o.err != nil {
		return away(o.err)
	}
	m.anew = true
	switch {
	case m.lanes[Video] != nil:
	case !m.mayRecode() && copyable(m.decide(o)) != nil:
		m.warn(WarnLeftOut, leftOut(Video, neverRecoded))
	default:
		m.warn(WarnLateVideo, "the source's picture came after its sound had been published: the room was opened again with both")
		m.forgetLanes()
		if err := m.load(o); err != nil {
			return err
		}
		return errNewTracks
	}
	return m.load(o)
}

// takeOver goes on from where the attempt before stood: with the source, which was
// opened while that one still played it.
func (m *mixer) takeOver(ctx context.Context, stood Progress) error {
	m.goOnFrom(stood)
	m.stood.plays, m.reel.plays, m.stood.unclocked = stood.Loop, stood.Loop, stood.Unclocked
	reached, err := m.bringTo(ctx, max(stood.Position, m.reel.options.StartAt))
	if err != nil {
		if err = m.helped(ctx, ctx, err); err != nil {
			return err
		}
	}
	if !reached {
		m.closeSource()
	}
	return m.open(ctx)
}

// bringTo leaves out what comes before a position, or of a live source what has piled
// up. It returns false when the source is to be opened anew.
func (m *mixer) bringTo(ctx context.Context, position time.Duration) (bool, error) {
	if !m.feed.seeks {
		return true, m.feed.skipToNewest(ctx)
	}
	m.stood.position = position
	reached, err := m.feed.skipTo(ctx, position, maxSkip)
	if reached {
		m.align(position)
	}
	return reached, err
}

// pause is for a time without a room. A file is opened again at the position when
// its room went, so that nothing of it is left out, but not when nothing of it was
// taken yet; a stream is kept and goes on at its next keyframe.
func (m *mixer) pause() {
	begun := m.ahead != nil || m.given
	switch {
	case m.source.realtime: // the tracks may change while it works
		m.meter.dropped(m.stopAhead())
	case begun || m.source.live:
		m.closeSource()
	}
	m.anew, m.absent = true, false
}

// closeSource closes the source; what was made of it and not sent is made again.
func (m *mixer) closeSource() {
	m.stopAhead()
	m.closeFeed()
}

// stopAhead ends the making ahead, and returns how many packets that it has made are
// lost.
func (m *mixer) stopAhead() int64 {
	if m.ahead == nil {
		return 0
	}
	lost := m.ahead.stop()
	m.ahead = nil
	return lost
}

// takeAnew says, once, whether what comes next does not go on right after what came
// before.
func (m *mixer) takeAnew() bool {
	anew := m.anew
	m.anew = false
	return anew
}

// soundLead is by how much sound may be ahead of its picture before the push is
// where the sound is: with a still, or where the picture has ended.
const soundLead = 3 * time.Second

// sent notes that a room has taken p, which may lead: the position moves on.
func (m *mixer) sent(p Packet) {
	m.sentAny = true
	m.retries.sent(time.Now())
	if p.origin != taken {
		return
	}
	m.lastSent.note(p)
	s := &m.stood
	at := p.position
	if p.play != s.plays {
		s.reached = 0
	}
	s.reached = max(s.reached, at+p.Duration)
	if !p.leads {
		if at -= soundLead; p.play != s.plays || at <= s.position {
			return
		}
	}
	s.position, s.plays = at, p.play
	m.meter.moveTo(at, p.play)
	if p.unclocked && !s.unclocked {
		m.stepBack()
	}
}

// stepBack notes that the source's clock has stepped back: it tells neither
// positions nor how long the source is.
func (m *mixer) stepBack() {
	m.stood.unclocked, m.source.duration = true, 0
	m.meter.setUnclocked()
}

// endedEarly is how much of its length a source may leave out at its end.
const endedEarly = 2 * time.Second

// over returns the room time at which all that next gave has been shown.
func (m *mixer) over() time.Duration {
	m.forgetBeyond()
	m.accountEnd()
	return m.restamp.next
}

// tellEnd says of a source that has been played whole what was missing of it.
func (m *mixer) tellEnd() {
	m.warnOfLosses()
	length := m.source.duration
	if until := m.reel.options.EndAt; until > 0 && (length == 0 || until < length) {
		length = until
	}
	if m.stood.unclocked {
		length = m.stood.reached
	}
	reached := max(m.stood.position, m.stood.reached, m.elapsed())
	if missing := length - reached; missing > endedEarly && !m.source.live {
		m.observer.Warned(WarnEndedEarly, fmt.Sprintf("the source ended at %v although it says it is %v long; it may have been cut short, so check the file",
			reached.Round(time.Second), length.Round(time.Second)))
	} else if length > 0 {
		m.meter.MoveTo(length)
	}
}

// warnOfSpeed tells once that parts of the source are not played as it says.
func (m *mixer) warnOfSpeed(f *feed) {
	if f.info.Retimed && !m.source.known {
		m.observer.Warned(WarnEditSpeed, "the source's edit list has parts that are to be played faster, slower or as a standing picture: "+
			"they are played at the speed they were recorded at; to have them as edited, export the video anew")
	}
}

// warnOfCodecs tells once of a picture or a sound that is missing because nothing
// here decodes it.
func (m *mixer) warnOfCodecs(f *feed) {
	for _, s := range f.info.Streams {
		played := func(t Track) bool { return t.Type.String() == s.Type }
		if s.NoDecoder && !m.source.known && !slices.ContainsFunc(f.info.Tracks, played) {
			m.observer.Warned(WarnNoDecoder, noDecoder(s))
			return
		}
	}
}

// warnOfParts tells once that a source turned out to be live of which a part,
// or more plays than one, were asked for.
func (m *mixer) warnOfParts(f *feed) {
	o := m.reel.options
	asked := o.StartAt > 0 || o.EndAt > 0 || !o.PlaysOnce()
	switch {
	case m.source.known:
	case f.live && asked:
		m.observer.Warned(WarnLiveNoParts, "the source is live: it is played from now on, without regard to startAtMs, endAtMs and repeat")
	case !f.seeks && o.StartAt > 0:
		m.observer.Warned(WarnLiveNoParts, "the source cannot go to a position: it is played from where it begins, without regard to startAtMs")
	}
}

// warnOfLosses says of a push that is over what of it was lost.
func (m *mixer) warnOfLosses() {
	for media, c := range m.meter.Snapshot(time.Now()).Coverage {
		if part := c.lostPart(); part > lostShare && c.Lost >= leastLost {
			m.observer.Warned(WarnLost, fmt.Sprintf("%.0f %% of the %s was lost, %v of %v: the source has none there, or it could not be used, or no worker had the push; the warnings of holes say where", 100*part, wordFor(MediaType(media)),
				c.Lost.Round(smallHole), c.total().Round(smallHole)))
		}
	}
}

func noDecoder(s Stream) string {
	return fmt.Sprintf("the source's %s is left out: its codec %s cannot be decoded by this build; convert it to H.264 and AAC, or to another codec that is played", s.Type, s.Codec)
}
