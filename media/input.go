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

// isEnd says whether err is a source's end: io.EOF, but not inside an *Error.
func isEnd(err error) bool {
	_, fault := errors.AsType[*Error](err)
	return !fault && errors.Is(err, io.EOF)
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

// maxSkip is how much of a source is read and left out rather than sought.
const maxSkip = 10 * time.Second

// skipTo leaves out what comes before the last keyframe at or before position,
// or before position itself where the first picture comes later. The source's clock
// may step back on the way: its times are positions no more.
// It returns false when that keyframe is not ahead, or by more than most: the
// source is better sought, and the feed of no use then.
func (f *feed) skipTo(ctx context.Context, position, most time.Duration) (bool, error) {
	opened := f.from
	f.from = position
	target := f.info.StartTime + position
	var kept []Packet
	var clock restamper
	found, pictures, before := false, 0, time.Duration(0)
	for {
		p, err := f.take(ctx, f.patience())
		if isEnd(err) { // the feed says so again after what is kept
			break
		}
		if err != nil {
			return false, err
		}
		steady, ahead := clock.steady(p)
		if !p.NoDTS && target-steady.DTS > most {
			return false, nil
		}
		if f.gate.isKey(p) && steady.PTS <= target {
			since := shownAt(p) - maxSkip
			if ahead != before { // of another clock
				since = forever
			}
			found, kept, before = true, f.soundOf(kept, since), ahead
		}
		kept = append(kept, p)
		if f.gate.kind(p) == Video {
			pictures++
		}
		if f.isPast(steady, target) {
			found = found || opened <= position && pictures == 1 && f.gate.kind(p) == Video && p.Keyframe
			break
		}
	}
	f.held = append(kept, f.held...)
	f.info.StartTime -= before
	return found, nil
}

// isPast says whether no keyframe at or before target can follow p. A track
// that is ahead of the other says nothing yet.
func (f *feed) isPast(p Packet, target time.Duration) bool {
	if (f.gate.audioOnly || p.Track == f.gate.video) && !p.NoDTS {
		return p.DTS > target
	}
	return shownAt(p) > target+maxSkip
}

// skipToNewest leaves out what of a live source has piled up before its newest
// keyframe. A playlist's burst is not piled up: it is played at its own pace.
func (f *feed) skipToNewest(ctx context.Context) error {
	if !f.realtime {
		return nil
	}
	var kept []Packet
	for range len(f.held) + f.queue.waiting() {
		p, err := f.take(ctx, f.patience())
		if err != nil {
			return err
		}
		if f.gate.isKey(p) {
			kept = f.soundOf(kept, shownAt(p)-maxSkip)
		}
		kept = append(kept, p)
	}
	f.held = append(kept, f.held...)
	return nil
}

// soundOf leaves of packets that stand before a keyframe what may be heard
// after it: sound of a time from since on.
func (f *feed) soundOf(packets []Packet, since time.Duration) []Packet {
	return slices.DeleteFunc(packets, func(p Packet) bool {
		sound := !f.gate.audioOnly && f.gate.kind(p) == Audio && shownAt(p) >= since
		if !sound {
			f.configs.lose(p)
		}
		return !sound
	})
}

// again returns a feed that goes on with f's source, which is its own from now
// on, after the source has told of another track.
func (f *feed) again(ctx context.Context, mode SourceMode, beyond func() time.Duration) *feed {
	f.reading.Wait()
	ctx, cancel := context.WithCancelCause(ctx)
	end := f.cancel
	g := newFeed(f.source, mode)
	g.came = f.came
	g.cancel = func(cause error) { cancel(cause); end(cause) }
	g.release, f.passedOn = f.release, true
	g.begin(ctx, 0, beyond)
	return g
}
