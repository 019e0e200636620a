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
	retold  bool      // the rooms are to be opened anew: they were told other tracks
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
	input.Kind
	known    bool // it was there once
	duration time.Duration
	garbled  bool // it has been no media where it was before
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
			if p, ok := pg.pop(); ok {
				return p, nil
			}
		}
		if err := pg.openOnce(ctx, wait); err != nil {
			return media.Packet{}, err
		}
		if pg.retold {
			pg.retold = false
			return media.Packet{}, ErrNewTracks
		}
		if !pg.busy() {
			return pg.makeNext(ctx, wait)
		}
		span := codeAhead
		if pg.source.Realtime {
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
	err = pg.judge(err)
	pg.closeSource()
	pause, again := pg.retries.Next(media.KindOf(err))
	if !again {
		return err
	}
	pg.retryAt = time.Now().Add(pause)
	pg.Do(ForceKeyframe{})
	pg.Meter.Reconnected()
	pg.Observer.Reconnecting(err, pause, pg.retries.Until(media.KindOf(err)))
	return nil
}

// judge is err, but for a source that was there before: it may come back under
// the same address, so it is not gone for good, nor are its name and its
// certificate. Nor is a live source that has played and gives something else now.
func (pg *Program) judge(err error) error {
	switch kind := media.KindOf(err); {
	case (kind == media.KindSourceNotFound || kind == media.KindSourceHost || kind == media.KindSourceTLS) && pg.source.known:
		return &media.Error{Kind: media.KindSourceUnavailable, Op: "open source again", Err: err}
	case (kind == media.KindSourceInvalid || kind == media.KindSourceNoTrack) && pg.source.Live && (pg.WasLive || pg.sentAny):
		pg.source.garbled = true
		return &media.Error{Kind: media.KindSourceUnavailable, Op: "read source", Err: err}
	default:
		return err
	}
}

// openOnce opens the source, unless it is open, when its time has come. errHeld says
// that there is something to be shown meanwhile.
func (pg *Program) openOnce(ctx, wait context.Context) error {
	if pg.input != nil {
		return nil
	}
	// What was made of the next play and not sent is made again.
	pg.playlist.plays = pg.upTo.plays
	pg.Meter.WaitForSource()
	o, err := pg.bring(ctx, wait)
	if err != nil {
		return err
	}
	pg.Meter.SourceCame()
	if o.err != nil && pg.source.Live {
		return away(o.err)
	}
	if o.err != nil {
		return o.err
	}
	f := o.input
	if pg.source.Live && !f.Live {
		f.Close()
		return errNowRecorded
	}
	pg.warnOfParts(f)
	pg.warnOfSpeed(f)
	pg.warnOfCodecs(f)
	pg.source = sourceFacts{Kind: f.Kind, known: true, duration: f.Info.Duration, garbled: pg.source.garbled}
	pg.Meter.SetDuration(pg.source.duration)
	if pg.upTo.unclocked {
		pg.stepBack()
	}
	if err := pg.load(o); err != nil {
		pg.closeInput()
		return err
	}
	// A file may break at the same place again and again, a playlist of which
	// nothing more comes offers its last segments, and some servers the last
	// pictures of a sender that is away. One that was no media may be so again.
	if f.Live && !f.Bursty && !o.probe.Ended && !pg.source.garbled {
		pg.retries.Works(retry.SourceSide)
	}
	pg.anew, pg.absent = true, false
	return nil
}

// bring waits for the source to be opened at the position.
func (pg *Program) bring(ctx, wait context.Context) (openedInput, error) {
	if !pg.absent {
		pg.goAway()
	}
	for {
		pause := time.Until(pg.retryAt)
		var coming <-chan openedInput
		if pause <= 0 {
			pg.playlist.begin(ctx, pg.upTo.position, pg.upTo.unclocked)
			coming, pause = pg.playlist.coming, clock.Forever
		}
		if pg.holdsAbsent() {
			pause = min(pause, pg.nextHold())
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
		if pg.holdsAbsent() && pg.holdAbsent() {
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
func (pg *Program) takeVideo(ctx context.Context) error {
	pg.Meter.Dropped(pg.stopEncodeAhead())
	o := pg.playlist.openAgain(ctx, pg.input)
	if o.err != nil {
		return away(o.err)
	}
	pg.anew = true
	switch {
	case pg.tracks[media.Video].output != nil:
	case !pg.mayRecode() && copyable(pg.decide(o)) != nil:
		pg.warn(media.WarnLeftOut, leftOut(media.Video, neverRecoded))
	default:
		pg.warn(media.WarnLateVideo, "the source's picture came after its sound had been published: the room was opened again with both")
		pg.closeOutputs()
		pg.retold = true
	}
	return pg.load(o)
}

// TakeOver goes on from where the attempt before stood: with the source, which was
// opened while that one still played it.
func (pg *Program) TakeOver(ctx context.Context, stood media.Progress) error {
	pg.goOnFrom(stood)
	pg.upTo.plays, pg.playlist.plays = stood.Loop, stood.Loop
	if stood.Unclocked {
		pg.stepBack()
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
	pg.upTo.position = position
	reached, err := pg.input.SkipTo(ctx, position, input.MaxSkip)
	if reached {
		pg.align(position)
	}
	return reached, err
}

// Pause is for a time without a room. A file is opened again at the position when
// its room went, so that nothing of it is left out, but not when nothing of it was
// taken yet; a stream is kept and goes on at its next keyframe.
func (pg *Program) Pause() {
	begun := pg.encodeAhead != nil || pg.given
	switch {
	case pg.source.Realtime: // the tracks may change while it works
		pg.Meter.Dropped(pg.stopEncodeAhead())
	case begun || pg.source.Live:
		pg.closeSource()
	}
	pg.anew, pg.absent = true, false
}

// closeSource closes the source; what was made of it and not sent is made again.
func (pg *Program) closeSource() {
	pg.stopEncodeAhead()
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

// TakeAnew says, once, whether what comes next does not go on right after what came
// before.
func (pg *Program) TakeAnew() bool {
	anew := pg.anew
	pg.anew = false
	return anew
}

// soundLead is by how much sound may be ahead of its picture before the push is
// where the sound is: with a still, or where the picture has ended.
const soundLead = 3 * time.Second

// Sent notes that a room has taken packets by now: the position moves on.
func (pg *Program) Sent(packets []media.Packet, now time.Time) {
	before := pg.upTo
	for i := range packets {
		p := &packets[i]
		pg.lastSent.note(p, now)
		if p.Origin == media.Taken {
			pg.sentAny = true
			pg.retries.Sent(now)
		}
		if p.Origin == media.Taken || p.Leads { // else it is made up, and says nothing of the source
			pg.moveOn(p)
		}
	}
	if at := pg.upTo; at.position != before.position || at.plays != before.plays {
		pg.Meter.Advance(at.position, at.plays)
	}
}

// moveOn moves the position on behind p, which may lead.
func (pg *Program) moveOn(p *media.Packet) {
	s := &pg.upTo
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
	if p.Unclocked && !s.unclocked {
		pg.stepBack()
	}
}

// stepBack notes that the source's clock has stepped back: it tells neither
// positions nor how long the source is.
func (pg *Program) stepBack() {
	pg.upTo.unclocked, pg.source.duration = true, 0
	pg.Meter.SetUnclocked()
}

// endedEarly is how much of its length a source may leave out at its end.
const endedEarly = 2 * time.Second

// Over returns the room time at which all that next gave has been shown.
func (pg *Program) Over() time.Duration {
	pg.forgetBeyond()
	pg.accountEnd()
	return pg.restamp.Next
}

// TellEnd says of a source that has been played whole what was missing of it.
func (pg *Program) TellEnd() {
	pg.warnOfLosses()
	length := pg.source.duration
	if until := pg.Options.EndAt; until > 0 && (length == 0 || until < length) {
		length = until
	}
	if length == 0 && !pg.source.Live {
		length = pg.upTo.reached
	}
	reached := max(pg.upTo.position, pg.upTo.reached, pg.elapsed())
	if missing := length - reached; missing > endedEarly && !pg.source.Live {
		pg.Observer.Warned(media.WarnEndedEarly, fmt.Sprintf("the source ended at %v although it says it is %v long; it may have been cut short, so check the file",
			reached.Round(time.Second), length.Round(time.Second)))
	} else if length > 0 {
		pg.Meter.MoveTo(length)
	}
}

// warnOfSpeed tells once that parts of the source are not played as it says.
func (pg *Program) warnOfSpeed(f *input.Input) {
	if f.Info.Retimed && !pg.source.known {
		pg.Observer.Warned(media.WarnEditSpeed, "the source's edit list has parts that are to be played faster, slower or as a standing picture: "+
			"they are played at the speed they were recorded at; to have them as edited, export the video anew")
	}
}

// warnOfCodecs tells once of a picture or a sound that is missing because nothing
// here decodes it.
func (pg *Program) warnOfCodecs(f *input.Input) {
	for _, s := range f.Info.Streams {
		played := func(t media.Track) bool { return t.Type.String() == s.Type }
		if s.NoDecoder && !pg.source.known && !slices.ContainsFunc(f.Info.Tracks, played) {
			pg.Observer.Warned(media.WarnNoDecoder, noDecoder(s))
			return
		}
	}
}

// warnOfParts tells once that a source turned out to be live of which a part,
// or more plays than one, were asked for.
func (pg *Program) warnOfParts(f *input.Input) {
	o := pg.Options
	asked := o.StartAt > 0 || o.EndAt > 0 || !o.PlaysOnce()
	switch {
	case pg.source.known:
	case f.Live && asked:
		pg.Observer.Warned(media.WarnLiveNoParts, "the source is live: it is played from now on, without regard to startAtMs, endAtMs and repeat")
	case !f.Seeks && o.StartAt > 0:
		pg.Observer.Warned(media.WarnLiveNoParts, "the source cannot go to a position: it is played from where it begins, without regard to startAtMs")
	}
}

// warnOfLosses says of a push that is over what of it was lost.
func (pg *Program) warnOfLosses() {
	for kind, c := range pg.Meter.Snapshot(time.Now()).Coverage {
		if part := c.LostPart(); part > lostShare && c.Lost >= leastLost {
			pg.Observer.Warned(media.WarnLost, fmt.Sprintf("%.0f %% of the %s was lost, %v of %v: the source has none there, or it could not be used, or no worker had the push; the warnings of holes say where", 100*part, media.WordFor(media.MediaType(kind)),
				c.Lost.Round(smallHole), c.Total().Round(smallHole)))
		}
	}
}

func noDecoder(s media.Stream) string {
	return fmt.Sprintf("the source's %s is left out: its codec %s cannot be decoded by this build; convert it to H.264 and AAC, or to another codec that is played", s.Type, s.Codec)
}
