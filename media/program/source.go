package program

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/clock"
	"github.com/roomcast/roomcast/media/input"
	"github.com/roomcast/roomcast/media/retry"
)

// sourceState is how it stands with the source.
type sourceState struct {
	input   *input.Input // nil: it is away
	source  sourceFacts
	retries *retry.Retries
	retryAt time.Time // when the source may be opened again
	absent  bool      // it is being opened again
}

// sentState is what a room has taken.
type sentState struct {
	upTo     sourcePosition
	sentAny  bool
	lastSent lastSent
}

// sourcePosition is where in the source a push is: up to there, a room has taken it.
type sourcePosition struct {
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

// Open opens the source at the position and plans what is done with it, and tries
// again where that can help. ctx bounds the source's life.
func (m *Program) Open(ctx context.Context) error {
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

// Next returns the next packet the room is to get: room times, its position
// in the source, a Track of tracks. io.EOF is the end of the last play, errNewTracks
// says that tracks has changed. A source that fails is opened again, until that cannot
// help any more. wait, a child of ctx, bounds the wait for a packet and nothing else.
func (m *Program) Next(ctx, wait context.Context) (media.Packet, error) {
	for {
		p, err := m.nextOnce(ctx, wait)
		if err == nil || input.IsEnd(err) {
			return p, err
		}
		if errors.Is(err, media.ErrLateVideo) {
			err = m.takeVideo(ctx)
		}
		if errors.Is(err, ErrNewTracks) {
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

func (m *Program) nextOnce(ctx, wait context.Context) (media.Packet, error) {
	if m.encodeAhead == nil {
		if m.input == nil { // what is shown while it is away
			if p, ok := m.pop(); ok {
				return p, nil
			}
		}
		if err := m.openOnce(ctx, wait); err != nil {
			return media.Packet{}, err
		}
		if !m.busy() {
			return m.makeNext(ctx, wait)
		}
		span := codeAhead
		if m.source.realtime {
			span = codeAheadLive
		}
		m.encodeAhead = startEncodeAhead(ctx, m, span)
	}
	return m.encodeAhead.get(wait)
}

// helped closes a source that failed with err; nil says that it is to be opened again,
// which waits for its time.
func (m *Program) helped(ctx, wait context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case wait.Err() != nil:
		return context.Cause(wait)
	}
	err = m.judge(err)
	m.closeSource()
	pause, again := m.retries.Next(media.KindOf(err))
	if !again {
		return err
	}
	m.retryAt = time.Now().Add(pause)
	m.Do(ForceKeyframe{})
	m.Meter.Reconnected()
	m.Observer.Reconnecting(err, pause, m.retries.Until(media.KindOf(err)))
	return nil
}

// judge is err, but for a source that was there before: it may come back under
// the same address, so it is not gone for good, nor are its name and its
// certificate. Nor is a live source that has played and gives something else now.
func (m *Program) judge(err error) error {
	switch kind := media.KindOf(err); {
	case (kind == media.KindSourceNotFound || kind == media.KindSourceHost || kind == media.KindSourceTLS) && m.source.known:
		return &media.Error{Kind: media.KindSourceUnavailable, Op: "open source again", Err: err}
	case (kind == media.KindSourceInvalid || kind == media.KindSourceNoTrack) && m.source.live && (m.WasLive || m.sentAny):
		m.source.garbled = true
		return &media.Error{Kind: media.KindSourceUnavailable, Op: "read source", Err: err}
	default:
		return err
	}
}

// openOnce opens the source, unless it is open, when its time has come. errHeld says
// that there is something to be shown meanwhile.
func (m *Program) openOnce(ctx, wait context.Context) error {
	if m.input != nil {
		return nil
	}
	// What was made of the next play and not sent is made again.
	m.playlist.plays = m.upTo.plays
	m.Meter.WaitForSource()
	o, err := m.bring(ctx, wait)
	if err != nil {
		return err
	}
	m.Meter.SourceCame()
	if o.err != nil && m.source.live {
		return away(o.err)
	}
	if o.err != nil {
		return o.err
	}
	f := o.input
	if m.source.live && !f.Live {
		f.Close()
		return errNowRecorded
	}
	m.warnOfParts(f)
	m.warnOfSpeed(f)
	m.warnOfCodecs(f)
	m.source = sourceFacts{known: true, live: f.Live, realtime: f.Realtime, bursty: f.Bursty, duration: f.Info.Duration, garbled: m.source.garbled}
	m.Meter.SetDuration(m.source.duration)
	if m.upTo.unclocked {
		m.stepBack()
	}
	if err := m.load(o); err != nil {
		return err
	}
	// A file may break at the same place again and again, a playlist of which
	// nothing more comes offers its last segments, and some servers the last
	// pictures of a sender that is away. One that was no media may be so again.
	if f.Live && !f.Bursty && !o.probe.Ended && !m.source.garbled {
		m.retries.Works(retry.SourceSide)
	}
	m.anew, m.absent = true, false
	return nil
}

// bring waits for the source to be opened at the position.
func (m *Program) bring(ctx, wait context.Context) (openedInput, error) {
	if !m.absent {
		m.absent, m.lastSent.at = true, time.Now()
	}
	for {
		pause := time.Until(m.retryAt)
		var coming <-chan openedInput
		if pause <= 0 {
			m.playlist.begin(ctx, m.upTo.position, m.upTo.unclocked)
			coming, pause = m.playlist.coming, clock.Forever
		}
		if m.holdsAbsent() {
			pause = min(pause, m.nextHold())
		}
		timer := time.NewTimer(pause)
		select {
		case o := <-coming:
			timer.Stop()
			m.playlist.coming = nil
			return o, nil
		case <-wait.Done():
			timer.Stop()
			return openedInput{}, context.Cause(wait)
		case <-timer.C:
		}
		if m.holdsAbsent() && m.holdAbsent() {
			return openedInput{}, errHeld
		}
	}
}

// away is err, but for a live source that gave nothing when it was opened
// again: while its sender is away a server may answer with a stream that is
// empty.
func away(err error) error {
	if kind := media.KindOf(err); kind == media.KindSourceInvalid || kind == media.KindSourceNoTrack {
		return &media.Error{Kind: media.KindSourceUnavailable, Op: "open source again", Err: err}
	}
	return err
}

// errNowRecorded is a live playlist that has got its end: opened anew, it would
// play from its beginning.
var errNowRecorded = &media.Error{Kind: media.KindSourceEnded, Op: "open source", Err: media.Because("its recording is in its place now", nil)}

// ErrNewTracks says that the rooms are to be opened anew, with other tracks.
var ErrNewTracks = errors.New("the tracks have changed")

// takeVideo goes on with a source that has a picture now. A room is told its
// tracks when it is opened: one without a picture is opened anew, unless it could
// not be given this one. What was played of the sound goes on.
func (m *Program) takeVideo(ctx context.Context) error {
	m.Meter.Dropped(m.stopEncodeAhead())
	o := m.playlist.openAgain(ctx, m.input)
	if o.err != nil {
		return away(o.err)
	}
	m.anew = true
	switch {
	case m.tracks[media.Video].output != nil:
	case !m.mayRecode() && copyable(m.decide(o)) != nil:
		m.warn(media.WarnLeftOut, clock.LeftOut(media.Video, neverRecoded))
	default:
		m.warn(media.WarnLateVideo, "the source's picture came after its sound had been published: the room was opened again with both")
		m.closeOutputs()
		if err := m.load(o); err != nil {
			return err
		}
		return ErrNewTracks
	}
	return m.load(o)
}

// TakeOver goes on from where the attempt before stood: with the source, which was
// opened while that one still played it.
func (m *Program) TakeOver(ctx context.Context, stood media.Progress) error {
	m.goOnFrom(stood)
	m.upTo.plays, m.playlist.plays, m.upTo.unclocked = stood.Loop, stood.Loop, stood.Unclocked
	reached, err := m.bringTo(ctx, max(stood.Position, m.Options.StartAt))
	if err != nil {
		if err = m.helped(ctx, ctx, err); err != nil {
			return err
		}
	}
	if !reached {
		m.closeSource()
	}
	return m.Open(ctx)
}

// bringTo leaves out what comes before a position, or of a live source what has piled
// up. It returns false when the source is to be opened anew.
func (m *Program) bringTo(ctx context.Context, position time.Duration) (bool, error) {
	if !m.input.Seeks {
		return true, m.input.SkipToNewest(ctx)
	}
	m.upTo.position = position
	reached, err := m.input.SkipTo(ctx, position, input.MaxSkip)
	if reached {
		m.align(position)
	}
	return reached, err
}

// Pause is for a time without a room. A file is opened again at the position when
// its room went, so that nothing of it is left out, but not when nothing of it was
// taken yet; a stream is kept and goes on at its next keyframe.
func (m *Program) Pause() {
	begun := m.encodeAhead != nil || m.given
	switch {
	case m.source.realtime: // the tracks may change while it works
		m.Meter.Dropped(m.stopEncodeAhead())
	case begun || m.source.live:
		m.closeSource()
	}
	m.anew, m.absent = true, false
}

// closeSource closes the source; what was made of it and not sent is made again.
func (m *Program) closeSource() {
	m.stopEncodeAhead()
	m.closeInput()
}

// stopEncodeAhead ends the making ahead, and returns how many packets that it has made are
// lost.
func (m *Program) stopEncodeAhead() int64 {
	if m.encodeAhead == nil {
		return 0
	}
	lost := m.encodeAhead.stop()
	m.encodeAhead = nil
	return lost
}

// TakeAnew says, once, whether what comes next does not go on right after what came
// before.
func (m *Program) TakeAnew() bool {
	anew := m.anew
	m.anew = false
	return anew
}

// soundLead is by how much sound may be ahead of its picture before the push is
// where the sound is: with a still, or where the picture has ended.
const soundLead = 3 * time.Second

// Sent notes that a room has taken p, which may lead: the position moves on.
func (m *Program) Sent(p media.Packet) {
	if p.Origin != media.Taken { // made up: it says nothing of the source
		return
	}
	m.sentAny = true
	m.retries.Sent(time.Now())
	m.lastSent.note(p)
	s := &m.upTo
	at := p.Position
	if p.Play != s.plays {
		s.reached = 0
	}
	s.reached = max(s.reached, at+p.Duration)
	if !p.Leads {
		if at -= soundLead; p.Play != s.plays || at <= s.position {
			return
		}
	}
	s.position, s.plays = at, p.Play
	m.Meter.Advance(at, p.Play)
	if p.Unclocked && !s.unclocked {
		m.stepBack()
	}
}

// stepBack notes that the source's clock has stepped back: it tells neither
// positions nor how long the source is.
func (m *Program) stepBack() {
	m.upTo.unclocked, m.source.duration = true, 0
	m.Meter.SetUnclocked()
}

// endedEarly is how much of its length a source may leave out at its end.
const endedEarly = 2 * time.Second

// Over returns the room time at which all that next gave has been shown.
func (m *Program) Over() time.Duration {
	m.forgetBeyond()
	m.accountEnd()
	return m.restamp.Next
}

// TellEnd says of a source that has been played whole what was missing of it.
func (m *Program) TellEnd() {
	m.warnOfLosses()
	length := m.source.duration
	if until := m.Options.EndAt; until > 0 && (length == 0 || until < length) {
		length = until
	}
	if m.upTo.unclocked {
		length = m.upTo.reached
	}
	reached := max(m.upTo.position, m.upTo.reached, m.elapsed())
	if missing := length - reached; missing > endedEarly && !m.source.live {
		m.Observer.Warned(media.WarnEndedEarly, fmt.Sprintf("the source ended at %v although it says it is %v long; it may have been cut short, so check the file",
			reached.Round(time.Second), length.Round(time.Second)))
	} else if length > 0 {
		m.Meter.MoveTo(length)
	}
}

// warnOfSpeed tells once that parts of the source are not played as it says.
func (m *Program) warnOfSpeed(f *input.Input) {
	if f.Info.Retimed && !m.source.known {
		m.Observer.Warned(media.WarnEditSpeed, "the source's edit list has parts that are to be played faster, slower or as a standing picture: "+
			"they are played at the speed they were recorded at; to have them as edited, export the video anew")
	}
}

// warnOfCodecs tells once of a picture or a sound that is missing because nothing
// here decodes it.
func (m *Program) warnOfCodecs(f *input.Input) {
	for _, s := range f.Info.Streams {
		played := func(t media.Track) bool { return t.Type.String() == s.Type }
		if s.NoDecoder && !m.source.known && !slices.ContainsFunc(f.Info.Tracks, played) {
			m.Observer.Warned(media.WarnNoDecoder, noDecoder(s))
			return
		}
	}
}

// warnOfParts tells once that a source turned out to be live of which a part,
// or more plays than one, were asked for.
func (m *Program) warnOfParts(f *input.Input) {
	o := m.Options
	asked := o.StartAt > 0 || o.EndAt > 0 || !o.PlaysOnce()
	switch {
	case m.source.known:
	case f.Live && asked:
		m.Observer.Warned(media.WarnLiveNoParts, "the source is live: it is played from now on, without regard to startAtMs, endAtMs and repeat")
	case !f.Seeks && o.StartAt > 0:
		m.Observer.Warned(media.WarnLiveNoParts, "the source cannot go to a position: it is played from where it begins, without regard to startAtMs")
	}
}

// warnOfLosses says of a push that is over what of it was lost.
func (m *Program) warnOfLosses() {
	for kind, c := range m.Meter.Snapshot(time.Now()).Coverage {
		if part := c.LostPart(); part > lostShare && c.Lost >= leastLost {
			m.Observer.Warned(media.WarnLost, fmt.Sprintf("%.0f %% of the %s was lost, %v of %v: the source has none there, or it could not be used, or no worker had the push; the warnings of holes say where", 100*part, media.WordFor(media.MediaType(kind)),
				c.Lost.Round(smallHole), c.Total().Round(smallHole)))
		}
	}
}

func noDecoder(s media.Stream) string {
	return fmt.Sprintf("the source's %s is left out: its codec %s cannot be decoded by this build; convert it to H.264 and AAC, or to another codec that is played", s.Type, s.Codec)
}
