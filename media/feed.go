package media

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// How much of a source is looked at before anything is decided.
const (
	lookaheadSpan   = time.Second
	lookaheadVideos = 60 // packets of a file
	lookaheadLive   = 8  // packets of a live source: each costs viewers its duration
	// lookaheadSlow is for how long as many pictures are waited for where the first
	// B-frame may come late: slides.
	lookaheadSlow = 30 * time.Second
	// longestLook is for how long a live source may keep a decoder configuration
	// to itself.
	longestLook = 5 * time.Second
)

// Queue limits. A file is read ahead by a second, which hides a slow server; a
// live playlist by what it offers, which tells how its clock runs against ours.
// A live source may lag by two before it is taken from a newer keyframe: of a
// playlist, that is what the room's slowness adds to what is offered.
const (
	fileAhead  = time.Second
	liveAhead  = 30 * time.Second
	liveBehind = 2 * time.Second
	queueBytes = 8 << 20
)

// A source that gives no packet for this long has stalled, though it may still
// drip bytes. A live playlist's segments come up to some ten seconds apart.
const (
	stalledAfter    = 10 * time.Second
	stalledSegments = 30 * time.Second
)

// feed is one opening of a source: a goroutine reads it into a queue.
type feed struct {
	source     Source
	info       SourceInfo
	live       bool          // has no end
	realtime   bool          // comes as fast as it is made: nothing to pace, and what lags is dropped
	bursty     bool          // comes as fast as it is made, but a playlist's segment at a time: its clock is followed, what lags is left out
	seeks      bool          // goes to a position
	from       time.Duration // position that it is read from
	conformers []conformer
	queue      *packetQueue
	cancel     context.CancelCauseFunc
	release    context.CancelFunc // of a context made for this feed; may be nil
	reading    sync.WaitGroup
	gate       *startGate
	ending     ending
	held       []Packet         // looked at already, and not yet given out
	early      earlySound       // from before the gate opened
	left       int              // pictures from before the gate opened
	configs    configs          // of what was left out behind the queue
	corrupt    [2]atomic.Int64  // packets left out as damaged, or made of what is; by MediaType
	tail       [2]time.Duration // of it at the end, by MediaType; to be used when the queue has failed
	came       func()           // is told of each packet that is taken; may be nil
	passedOn   bool             // another feed has the source
	ended      chan struct{}    // closed when all of the source has been read
}

// part is what of a source a feed plays.
type part struct {
	from  time.Duration // position; live sources ignore it
	until time.Duration // position; 0: the source's end
}

// openFeed opens the source where part begins and starts reading it. ctx
// bounds the feed's life. What has left a live source's queue and not reached the
// room is told by beyond, which may be nil.
func openFeed(ctx context.Context, o Opener, r SourceRequest, part part, beyond func() time.Duration) (*feed, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	source, err := o.Open(ctx, r)
	if err != nil {
		cancel(err)
		return nil, err
	}
	f := newFeed(source, r.Mode)
	f.cancel, f.came = cancel, r.Came
	f.from = max(part.from, 0)
	if part.from > 0 && f.seeks {
		if err := source.Seek(part.from); err != nil {
			cancel(err)
			return nil, cmp.Or(source.Close(), err)
		}
		f.info = source.Info()
	}
	f.begin(ctx, part.until, beyond)
	return f, nil
}

func newFeed(source Source, mode SourceMode) *feed {
	f := &feed{source: source, info: source.Info(), ended: make(chan struct{})}
	f.live = mode == ModeLive || (mode != ModeVOD && f.info.Live)
	recorded := !f.info.Live && (f.info.Duration > 0 || f.info.Still) // it is all there, though played as live
	f.realtime, f.bursty = f.live && !recorded && !f.segmented(), f.live && !recorded && f.segmented()
	f.seeks = !f.live && !f.info.Live
	return f
}

// begin starts reading the source, up to a position.
func (f *feed) begin(ctx context.Context, until time.Duration, beyond func() time.Duration) {
	for _, t := range f.info.Tracks {
		f.conformers = append(f.conformers, newConformer(t))
	}
	f.gate = newStartGate(f.info.Tracks)
	if !f.live {
		f.ending = newEnding(f.info, f.gate, until)
	}
	f.queue = newPacketQueue(f.limits(beyond))
	f.early.span = fileWeave
	if f.realtime {
		f.early.span = earlyLive
	}
	f.reading.Go(func() { f.queue.fail(Caught(func() error { return f.read(ctx) })) })
}

func (f *feed) limits(beyond func() time.Duration) queueLimits {
	limits := queueLimits{span: fileAhead, bytes: queueBytes}
	switch {
	case f.realtime:
		limits.span, limits.drop, limits.beyond = liveBehind, true, beyond
	case f.bursty:
		limits.span = liveAhead
	case len(f.info.Tracks) > 1:
		limits.weave = fileWeave
	}
	return limits
}

// segmented says whether the source comes a playlist's segment at a time: it
// is paced even when it is live.
func (f *feed) segmented() bool { return f.info.Container == "hls" }

// patience is how long no packet may come before the source has stalled.
func (f *feed) patience() time.Duration {
	if f.segmented() && f.info.Live {
		return stalledSegments
	}
	return stalledAfter
}

// close ends the reading and the source.
func (f *feed) close() {
	if f.passedOn {
		return
	}
	f.cancel(errFeedClosed)
	_ = f.source.Close() // nobody needs it any more
	f.reading.Wait()
	if f.release != nil {
		f.release()
	}
}

var errFeedClosed = errors.New("the source is not needed any more")

// read fills the queue until the source, its part or ctx ends, and returns
// why. Damaged is what libav says is, and what is not well formed. After a damaged
// picture none goes on before the next keyframe: those between are made of it.
func (f *feed) read(ctx context.Context) error {
	damaged := false
	var tracks [2]Track // the reader's own: the feed's change when they are given out
	copy(tracks[:], f.info.Tracks)
	var left [2]time.Duration // out since the last packet, by index
	defer func() {
		for i, t := range tracks {
			f.tail[t.Type] += left[i]
		}
	}()
	steps := clockSteps{woven: f.info.Container == "flv"} // fragments hold all of a track before the other
	for {
		p, err := f.source.ReadPacket()
		beyond := err == nil && f.ending.beyond(p)
		if f.ending.over {
			err = io.EOF
		}
		if err != nil {
			if isEnd(err) && !f.live {
				close(f.ended)
			}
			return f.readError(ctx, err)
		}
		if beyond {
			continue
		}
		if f.realtime {
			p = steps.mend(p, time.Now())
		}
		t := &tracks[p.Track]
		if p.Change != nil {
			*t = *p.Change
		}
		if p.Extradata != nil {
			t.Extradata = p.Extradata
		}
		lost := !wellFormed(*t, p.Data)
		if t.Type == Video {
			damaged = p.Corrupt || lost || (damaged && !p.Keyframe)
			lost = damaged
		}
		if lost {
			f.corrupt[t.Type].Add(1)
			left[p.Track] += min(max(p.Duration, 0), maxFrame)
			f.queue.lose(p)
			continue
		}
		p.lost, left[p.Track] = left[p.Track], 0
		if err := f.queue.put(ctx, p, f.gate.isKey(p)); err != nil {
			return err
		}
	}
}

// accept makes a track what p, which is looked at or given out, says it is from
// now on.
func (f *feed) accept(p Packet) {
	if p.Change == nil {
		return
	}
	tracks, conformers := slices.Clone(f.info.Tracks), slices.Clone(f.conformers)
	if p.Track == len(tracks) {
		tracks, conformers = append(tracks, Track{}), append(conformers, nil)
	}
	tracks[p.Track], conformers[p.Track] = *p.Change, newConformer(*p.Change)
	_, _ = conformers[p.Track].conform(p.Data) // for what is in it
	f.info.Tracks, f.conformers = tracks, conformers
}

// readThrough says whether all of the source has been read.
func (f *feed) readThrough() bool {
	select {
	case <-f.ended:
		return true
	default:
		return false
	}
}

// takeTail returns, once, how much of a track was damaged at the end.
func (f *feed) takeTail(media MediaType) time.Duration {
	tail := f.tail[media]
	f.tail[media] = 0
	return tail
}

func (f *feed) readError(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case isEnd(err) && f.live:
		return &Error{Kind: KindSourceEnded, Op: "read source"}
	default:
		return err
	}
}

// look reads the first packets and keeps them for next. A source without a
// single packet is not media.
func (f *feed) look(ctx context.Context) (seen, error) {
	var s seen
	var order orderWatch
	var cuts cutWatch
	var rate rateWatch
	var came [2]bool // by index
	held := 0
	begin := time.Now()
	for held < queueBytes {
		patient := time.Since(begin) < longestLook
		if f.seenEnough(s, patient) || f.realtime && !patient {
			break
		}
		p, err := f.get(ctx, f.patience())
		if s.ended = (isEnd(err) || KindOf(err) == KindSourceEnded) && len(f.held) > 0; s.ended {
			break
		}
		if err != nil {
			return s, noMedia(err)
		}
		f.held, held = append(f.held, p), held+len(p.Data)
		if p.Change != nil && p.Track < len(f.conformers) && came[p.Track] {
			break // what is known is of the stream before
		}
		f.accept(p)
		came[p.Track] = true
		_, _ = f.conformers[p.Track].conform(p.Data) // for what is in it
		if f.info.Tracks[p.Track].Type == Video {
			s.pictures++
			s.reordered = order.reordered(p) || f.conformers[p.Track].bidirectional() || s.reordered
			s.cut = cuts.cut(p) || s.cut
			s.stands = s.stands || p.stands()
			s.fps = rate.fps(p)
		}
	}
	f.turn()
	return s, nil
}

// turn makes the tracks be shown as their first pictures say.
func (f *feed) turn() {
	f.info.Tracks = slices.Clone(f.info.Tracks) // they are the source's, too
	for i, t := range f.info.Tracks {
		f.info.Tracks[i] = t.turned(f.conformers[i])
	}
}

// seenEnough says whether what has been looked at tells all; patient, whether
// there is time for pictures that are far apart.
func (f *feed) seenEnough(s seen, patient bool) bool {
	if len(f.held) == 0 {
		return false
	}
	limit := lookaheadVideos
	if f.realtime {
		limit = lookaheadLive
	}
	span := f.held[len(f.held)-1].DTS - f.held[0].DTS
	switch ready := f.configured() && (f.gate.audioOnly || s.pictures > 0); {
	case !ready:
		return false
	case s.pictures >= limit:
		return true
	case span > lookaheadSpan && patient && s.pictures < lookaheadLive && !s.reordered && f.mayReorder():
		return span > lookaheadSlow
	default:
		return span > lookaheadSpan
	}
}

// isEnd says whether err is a source's end: io.EOF, but not inside an *Error.
func isEnd(err error) bool {
	_, fault := errors.AsType[*Error](err)
	return !fault && errors.Is(err, io.EOF)
}

func noMedia(err error) error {
	if isEnd(err) {
		return &Error{Kind: KindSourceInvalid, Op: "read source", Err: Because("it ended before there was a picture or sound in it", nil)}
	}
	return err
}

// configured says whether the decoder configuration of every track that could
// be copied is known.
func (f *feed) configured() bool {
	for i, c := range f.conformers {
		codec := f.info.Tracks[i].Codec
		if c.config() == nil && (codec == H264 || codec == AAC) {
			return false
		}
	}
	return true
}

// mayReorder says whether there may be B-frames in a picture that could be copied.
func (f *feed) mayReorder() bool {
	if t := f.track(Video); t == nil || t.Codec != H264 {
		return false
	}
	config := f.conformer(Video).config()
	return config != nil && mayReorder(config)
}

// track returns the source's track of a type, nil when it has none.
func (f *feed) track(m MediaType) *Track {
	for i := range f.info.Tracks {
		if f.info.Tracks[i].Type == m {
			return &f.info.Tracks[i]
		}
	}
	return nil
}

// conformer returns what brings the packets of a track into FLV's form.
func (f *feed) conformer(m MediaType) conformer {
	return f.conformers[slices.IndexFunc(f.info.Tracks, func(t Track) bool { return t.Type == m })]
}

// mostBeforeKey is how many pictures may come before one that a player can begin
// with: nearly three minutes of them, at 30 a second.
const mostBeforeKey = 5000

var errNoKey = &Error{Kind: KindSourceInvalid, Op: "read source", Err: Because("no picture in it that a player could begin with", nil)}

// next returns the next packet from the first keyframe on. io.EOF is the
// source's end; after patience without a packet it has stalled.
func (f *feed) next(ctx context.Context, patience time.Duration) (Packet, error) {
	for {
		p, err := f.take(ctx, patience)
		if err != nil {
			return p, err
		}
		begun := f.gate.open
		switch passed := f.gate.pass(p); {
		case passed:
			f.configs.pass(&p)
			if !begun {
				p = f.begins(p)
			}
			return p, nil
		case !begun && f.gate.kind(p) == Audio:
			f.early.add(p, &f.configs)
		case !begun:
			f.configs.lose(p)
			if f.left++; f.left > mostBeforeKey {
				return p, errNoKey
			}
		default:
			f.configs.lose(p)
		}
	}
}

// leastLead is by how much sound must begin before the picture for the picture to
// stand before it: less is what encoders and muxers leave.
const leastLead = 300 * time.Millisecond

// begins puts the sound from before key, the first picture, behind it, and returns
// what comes first. Of a file that is read from before its first picture no sound
// is left out: the picture stands until its time comes, sent again each second.
func (f *feed) begins(key Packet) Packet {
	early := f.early.packets
	f.early.packets = nil
	begin := f.info.StartTime + f.from
	leads := !f.live && !key.NoPTS && (f.from == 0 || f.seeks && shownAt(key) > begin)
	if leads && f.from > 0 {
		early = slices.DeleteFunc(early, func(p Packet) bool {
			before := shownAt(p)+p.Duration <= begin
			if before {
				f.configs.lose(p)
			}
			return before
		})
	}
	var all []Packet
	lead := time.Duration(0)
	if leads && len(early) > 0 {
		f.gate.from = shownAt(early[0])
		if f.from > 0 {
			f.gate.from = max(f.gate.from, begin)
		}
		all, lead = standBeside(&key, early, f.gate.from)
	}
	if lead < leastLead {
		f.gate.from = shownAt(key)
		f.held = append(early, f.held...)
		return key
	}
	f.held = append(append(all[1:len(all):len(all)], key), f.held...)
	return all[0]
}

// standBeside returns the sound that comes before key and, from a time of it on, key
// as it stands meanwhile, and for how long it does. The sound's clock may break, and
// need not be key's.
func standBeside(key *Packet, sound []Packet, from time.Duration) (all []Packet, lead time.Duration) {
	for len(sound) > 0 {
		n, end := 0, shownAt(sound[0])
		for n < len(sound) && goesOn(end, shownAt(sound[n])) {
			end = max(end, shownAt(sound[n])+sound[n].Duration)
			n++
		}
		until := end
		if at := shownAt(*key); n == len(sound) && at >= shownAt(sound[0])-maxApart && at <= end+maxApart { // of one clock
			until, end = decodedAt(*key), at
		}
		for at := from; at < until; at += stillTime {
			p := *key
			p.PTS, p.DTS, p.NoDTS, p.Duration, p.origin = at, at, false, min(stillTime, end-at), held
			all = append(all, p)
			key.Extradata, key.Change = nil, nil
		}
		all, lead, sound = append(all, sound[:n]...), lead+end-from, sound[n:]
		if len(sound) > 0 {
			from = shownAt(sound[0])
		}
	}
	return all, lead
}

// goesOn says whether what is shown at t goes on with a clock that has come to end.
func goesOn(end, t time.Duration) bool { return t >= end-maxBackward && t <= end+maxForward }

// get returns the next packet that was read.
func (f *feed) get(ctx context.Context, patience time.Duration) (Packet, error) {
	p, err := f.queue.get(ctx, patience)
	if err == nil && f.came != nil {
		f.came()
	}
	return p, err
}

func (f *feed) take(ctx context.Context, patience time.Duration) (Packet, error) {
	var p Packet
	var err error
	if len(f.held) > 0 {
		p = f.held[0]
		f.held = f.held[1:]
	} else {
		p, err = f.get(ctx, patience)
	}
	f.accept(p)
	return p, err
}
