package input

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/bitstream"
	"github.com/roomcast/roomcast/media/clock"
)

// Queue limits. A file is read ahead by a second, which hides a slow server; a
// live playlist by what it offers, which tells how its clock runs against ours.
// A live source may lag by two before it is taken from a newer keyframe: of a
// playlist, that is what the room's slowness adds to what is offered.
const (
	FileAhead  = time.Second
	liveAhead  = 30 * time.Second
	LiveBehind = 2 * time.Second
	QueueBytes = 8 << 20
)

// A source that gives no packet for this long has stalled, though it may still
// drip bytes. A live playlist's segments come up to some ten seconds apart.
const (
	stalledAfter    = 10 * time.Second
	stalledSegments = 30 * time.Second
)

// Input is one opening of a source: a goroutine reads it into a queue. One goroutine
// uses its methods, but for those that say otherwise.
type Input struct {
	Info media.SourceInfo
	Kind
	From   time.Duration // position that it is read from
	source media.Source
	reading
	filters []bitstream.Filter
	came    func() // is told of each packet that is taken; may be nil
	// What is given out begins with the gate, and ends with trim.
	gate            *clock.StartGate
	trim            trim
	ahead           []media.Packet    // looked at already, and not yet given out
	early           earlySound        // from before the gate opened
	skippedPictures int               // pictures from before the gate opened
	pending         bitstream.Pending // of what was left out behind the queue
}

// Kind is how the packets of a source come.
type Kind struct {
	Live     bool // it has no end
	Realtime bool // as fast as they are made: nothing to pace, and what lags is dropped
	Bursty   bool // as fast as they are made, but a playlist's segment at a time: its clock is followed, what lags is left out
	Seeks    bool // it goes to a position
}

// reading is what reads a source.
type reading struct {
	queue    *Queue
	cancel   context.CancelCauseFunc
	release  context.CancelFunc // of a context made for this input; may be nil
	running  sync.WaitGroup
	corrupt  [2]atomic.Int64  // packets left out as damaged, or made of what is; by MediaType
	tail     [2]time.Duration // of it at the end, by MediaType; to be used when the queue has failed
	passedOn bool             // another input has the source
	through  atomic.Bool      // all of the source has been read
}

// Part is what of a source an input plays.
type Part struct {
	From  time.Duration // position; live sources ignore it
	Until time.Duration // position; 0: the source's end
}

// Open opens the source where part begins and starts reading it. ctx
// bounds the input's life. What has left a live source's queue and not reached the
// room is told by beyond, which may be nil.
func Open(ctx context.Context, o media.Opener, r media.SourceRequest, part Part, beyond func() time.Duration) (*Input, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	source, err := o.Open(ctx, r)
	if err != nil {
		cancel(err)
		return nil, err
	}
	f := newInput(source, r.Mode)
	f.cancel, f.came = cancel, r.Came
	f.From = max(part.From, 0)
	if part.From > 0 && f.Seeks {
		if err := source.Seek(part.From); err != nil {
			cancel(err)
			return nil, cmp.Or(source.Close(), err)
		}
		f.Info = source.Info()
	}
	f.begin(ctx, part.Until, beyond)
	return f, nil
}

func newInput(source media.Source, mode media.SourceMode) *Input {
	f := &Input{source: source, Info: source.Info()}
	f.Live = mode == media.ModeLive || (mode != media.ModeVOD && f.Info.Live)
	recorded := !f.Info.Live && (f.Info.Duration > 0 || f.Info.Still) // it is all there, though played as live
	f.Realtime, f.Bursty = f.Live && !recorded && !f.Segmented(), f.Live && !recorded && f.Segmented()
	f.Seeks = !f.Live && !f.Info.Live
	return f
}

// begin starts reading the source, up to a position.
func (in *Input) begin(ctx context.Context, until time.Duration, beyond func() time.Duration) {
	for _, t := range in.Info.Tracks {
		in.filters = append(in.filters, bitstream.NewFilter(t))
	}
	in.gate = clock.NewStartGate(in.Info.Tracks)
	if !in.Live {
		in.trim = newTrim(in.Info, in.gate, until)
	}
	in.queue = NewQueue(in.limits(beyond))
	in.early.span = clock.AlignSpan
	if in.Realtime {
		in.early.span = earlyLive
	}
	in.running.Go(func() { in.queue.Fail(media.Caught(func() error { return in.read(ctx) })) })
}

func (in *Input) limits(beyond func() time.Duration) QueueLimits {
	limits := QueueLimits{Span: FileAhead, Bytes: QueueBytes}
	switch {
	case in.Realtime:
		limits.Span, limits.drop, limits.beyond = LiveBehind, true, beyond
	case in.Bursty:
		limits.Span = liveAhead
	case len(in.Info.Tracks) > 1:
		limits.alignSpan = clock.AlignSpan
	}
	return limits
}

// Segmented says whether the source comes a playlist's segment at a time: it
// is paced even when it is live.
func (in *Input) Segmented() bool { return in.Info.Container == "hls" }

// Patience is how long no packet may come before the source has stalled.
func (in *Input) Patience() time.Duration {
	if in.Segmented() && in.Info.Live {
		return stalledSegments
	}
	return stalledAfter
}

// Close ends the reading and the source.
func (in *Input) Close() {
	if in.passedOn {
		return
	}
	in.cancel(errInputClosed)
	_ = in.source.Close() // nobody needs it any more
	in.running.Wait()
	in.queue.clear()
	media.Release(in.ahead)
	if in.release != nil {
		in.release()
	}
}

var errInputClosed = errors.New("the source is not needed any more")

// read fills the queue until the source, its part or ctx ends, and returns
// why. Damaged is what libav says is, and what is not well formed. After a damaged
// picture none goes on before the next keyframe: those between are made of it.
func (in *Input) read(ctx context.Context) error {
	damaged := false
	var tracks [2]media.Track // the reader's own: the input's change when they are given out
	copy(tracks[:], in.Info.Tracks)
	var left [2]time.Duration // out since the last packet, by index
	defer func() {
		for i, t := range tracks {
			in.tail[t.Type] += left[i]
		}
	}()
	steps := clock.StepRemover{Interleaved: in.Info.Container == "flv"} // fragments hold all of a track before the other
	for {
		p, err := in.source.ReadPacket()
		beyond := err == nil && in.trim.beyond(&p)
		if in.trim.over {
			p.Release()
			err = io.EOF
		}
		if err != nil {
			if IsEnd(err) && !in.Live {
				in.through.Store(true)
			}
			return in.readError(ctx, err)
		}
		if beyond {
			p.Release()
			continue
		}
		if in.Realtime {
			p = steps.Remove(p, time.Now())
		}
		t := &tracks[p.Track]
		if p.Change != nil {
			*t = *p.Change
		}
		if p.Extradata != nil {
			t.Extradata = p.Extradata
		}
		lost := !bitstream.WellFormed(*t, p.Data)
		if t.Type == media.Video {
			damaged = p.Corrupt || lost || (damaged && !p.Keyframe)
			lost = damaged
		}
		if lost {
			in.corrupt[t.Type].Add(1)
			left[p.Track] += min(max(p.Duration, 0), clock.MaxFrame)
			in.queue.lose(p)
			continue
		}
		p.Lost, left[p.Track] = left[p.Track], 0
		if err := in.queue.Put(ctx, p, in.gate.IsKey(&p)); err != nil {
			return err
		}
	}
}

// accept makes a track what p, which is looked at or given out, says it is from
// now on.
func (in *Input) accept(p *media.Packet) {
	if p.Change == nil {
		return
	}
	tracks, conformers := slices.Clone(in.Info.Tracks), slices.Clone(in.filters)
	if p.Track == len(tracks) {
		tracks, conformers = append(tracks, media.Track{}), append(conformers, nil)
	}
	tracks[p.Track], conformers[p.Track] = *p.Change, bitstream.NewFilter(*p.Change)
	_, _ = conformers[p.Track].Conform(p.Data) // for what is in it
	in.Info.Tracks, in.filters = tracks, conformers
}

// ReadThrough says whether all of the source has been read.
func (in *Input) ReadThrough() bool { return in.through.Load() }

// TakeTail returns, once, how much of a track was damaged at the end.
func (in *Input) TakeTail(kind media.MediaType) time.Duration {
	tail := in.tail[kind]
	in.tail[kind] = 0
	return tail
}

func (in *Input) readError(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case IsEnd(err) && in.Live:
		return &media.Error{Kind: media.KindSourceEnded, Op: "read source"}
	default:
		return err
	}
}

// IsEnd says whether err is a source's end: io.EOF, but not inside an *Error.
func IsEnd(err error) bool {
	_, fault := errors.AsType[*media.Error](err)
	return !fault && errors.Is(err, io.EOF)
}

// Track returns the source's track of a type, nil when it has none.
func (in *Input) Track(m media.MediaType) *media.Track {
	for i := range in.Info.Tracks {
		if in.Info.Tracks[i].Type == m {
			return &in.Info.Tracks[i]
		}
	}
	return nil
}

// Filter returns what brings the packets of a track into FLV's form.
func (in *Input) Filter(m media.MediaType) bitstream.Filter {
	return in.filters[slices.IndexFunc(in.Info.Tracks, func(t media.Track) bool { return t.Type == m })]
}

// mostBeforeKey is how many pictures may come before one that a player can begin
// with: nearly three minutes of them, at 30 a second.
const mostBeforeKey = 5000

var errNoKey = &media.Error{Kind: media.KindSourceInvalid, Op: "read source", Err: media.Because("no picture in it that a player could begin with", nil)}

// Next returns the next packet from the first keyframe on. io.EOF is the
// source's end; after patience without a packet it has stalled.
func (in *Input) Next(ctx context.Context, patience time.Duration) (media.Packet, error) {
	for {
		p, err := in.take(ctx, patience)
		if err != nil {
			return p, err
		}
		begun := in.gate.Open
		switch passed := in.gate.Pass(&p); {
		case passed:
			in.pending.Attach(&p)
			if !begun {
				p = in.begins(p)
			}
			return p, nil
		case !begun && in.gate.Kind(&p) == media.Audio:
			in.early.add(p, &in.pending)
		case !begun:
			in.pending.LeaveOut(&p)
			if in.skippedPictures++; in.skippedPictures > mostBeforeKey {
				return p, errNoKey
			}
		default:
			in.pending.LeaveOut(&p)
		}
	}
}

// leastLead is by how much sound must begin before the picture for the picture to
// stand before it: less is what encoders and muxers leave.
const leastLead = 300 * time.Millisecond

// begins puts the sound from before key, the first picture, behind it, and returns
// what comes first. Of a file that is read from before its first picture no sound
// is left out: the picture stands until its time comes, sent again each second.
func (in *Input) begins(key media.Packet) media.Packet {
	early := in.early.packets
	in.early.packets = nil
	begin := in.Info.StartTime + in.From
	leads := !in.Live && !key.NoPTS && (in.From == 0 || in.Seeks && clock.ShownAt(&key) > begin)
	if leads && in.From > 0 {
		early = slices.DeleteFunc(early, func(p media.Packet) bool {
			before := clock.ShownAt(&p)+p.Duration <= begin
			if before {
				in.pending.LeaveOut(&p)
			}
			return before
		})
	}
	var all []media.Packet
	stands, lead := key, time.Duration(0)
	if leads && len(early) > 0 {
		in.gate.From = clock.ShownAt(&early[0])
		if in.From > 0 {
			in.gate.From = max(in.gate.From, begin)
		}
		all, lead = standBeside(&stands, early, in.gate.From)
	}
	if lead < leastLead {
		in.gate.From = clock.ShownAt(&key)
		in.ahead = append(early, in.ahead...)
		media.Release(slices.DeleteFunc(all, func(p media.Packet) bool { return p.Origin != media.Held }))
		return key
	}
	in.ahead = append(append(all[1:len(all):len(all)], stands), in.ahead...)
	return all[0]
}

// standBeside returns the sound that comes before key and, from a time of it on, key
// as it stands meanwhile, and for how long it does. The sound's clock may break, and
// need not be key's.
func standBeside(key *media.Packet, sound []media.Packet, from time.Duration) (all []media.Packet, lead time.Duration) {
	for len(sound) > 0 {
		n, end := 0, clock.ShownAt(&sound[0])
		for n < len(sound) && goesOn(end, clock.ShownAt(&sound[n])) {
			end = max(end, clock.ShownAt(&sound[n])+sound[n].Duration)
			n++
		}
		until := end
		if at := clock.ShownAt(key); n == len(sound) && at >= clock.ShownAt(&sound[0])-clock.MaxApart && at <= end+clock.MaxApart { // of one clock
			until, end = clock.DecodedAt(key), at
		}
		for at := from; at < until; at += clock.FrameHold {
			p := *key
			p.Piece.Use()
			p.PTS, p.DTS, p.NoDTS, p.Duration, p.Origin = at, at, false, min(clock.FrameHold, end-at), media.Held
			all = append(all, p)
			key.Extradata, key.Change = nil, nil
		}
		all, lead, sound = append(all, sound[:n]...), lead+end-from, sound[n:]
		if len(sound) > 0 {
			from = clock.ShownAt(&sound[0])
		}
	}
	return all, lead
}

// goesOn says whether what is shown at t goes on with a clock that has come to end.
func goesOn(end, t time.Duration) bool {
	return t >= end-clock.MaxBackward && t <= end+clock.MaxForward
}

// get returns the next packet that was read.
func (in *Input) get(ctx context.Context, patience time.Duration) (media.Packet, error) {
	p, err := in.queue.Get(ctx, patience)
	if err == nil && in.came != nil {
		in.came()
	}
	return p, err
}

func (in *Input) take(ctx context.Context, patience time.Duration) (media.Packet, error) {
	var p media.Packet
	var err error
	if len(in.ahead) > 0 {
		if p = media.TakeFirst(&in.ahead); len(in.ahead) == 0 {
			in.ahead = nil
		}
	} else {
		p, err = in.get(ctx, patience)
	}
	in.accept(&p)
	return p, err
}

// MaxSkip is how much of a source is read and left out rather than sought.
const MaxSkip = 10 * time.Second

// SkipTo leaves out what comes before the last keyframe at or before position,
// or before position itself where the first picture comes later. The source's clock
// may step back on the way: its times are positions no more.
// It returns false when that keyframe is not ahead, or by more than most: the
// source is better sought, and the input of no use then.
func (in *Input) SkipTo(ctx context.Context, position, most time.Duration) (bool, error) {
	opened := in.From
	in.From = position
	target := in.Info.StartTime + position
	var kept []media.Packet
	var clk clock.Restamper
	found, pictures, before := false, 0, time.Duration(0)
	for {
		p, err := in.take(ctx, in.Patience())
		if IsEnd(err) { // the input says so again after what is kept
			break
		}
		if err != nil {
			return false, err
		}
		steady, ahead := clk.Steady(p)
		if !p.NoDTS && target-steady.DTS > most {
			return false, nil
		}
		if in.gate.IsKey(&p) && steady.PTS <= target {
			since := clock.ShownAt(&p) - MaxSkip
			if ahead != before { // of another clock
				since = clock.Forever
			}
			found, kept, before = true, in.soundOf(kept, since), ahead
		}
		kept = append(kept, p)
		if in.gate.Kind(&p) == media.Video {
			pictures++
		}
		if in.isPast(steady, target) {
			found = found || opened <= position && pictures == 1 && in.gate.Kind(&p) == media.Video && p.Keyframe
			break
		}
	}
	in.ahead = append(kept, in.ahead...)
	in.Info.StartTime -= before
	return found, nil
}

// isPast says whether no keyframe at or before target can follow p. A track
// that is ahead of the other says nothing yet.
func (in *Input) isPast(p media.Packet, target time.Duration) bool {
	if (in.gate.AudioOnly || p.Track == in.gate.Video) && !p.NoDTS {
		return p.DTS > target
	}
	return clock.ShownAt(&p) > target+MaxSkip
}

// SkipToNewest leaves out what of a live source has piled up before its newest
// keyframe. A playlist's burst is not piled up: it is played at its own pace.
func (in *Input) SkipToNewest(ctx context.Context) error {
	if !in.Realtime {
		return nil
	}
	var kept []media.Packet
	for range len(in.ahead) + in.queue.Left() {
		p, err := in.take(ctx, in.Patience())
		if err != nil {
			return err
		}
		if in.gate.IsKey(&p) {
			kept = in.soundOf(kept, clock.ShownAt(&p)-MaxSkip)
		}
		kept = append(kept, p)
	}
	in.ahead = append(kept, in.ahead...)
	in.queue.TakeDropped() // nobody had played it
	for i := range in.ahead {
		in.ahead[i].Late = false
	}
	return nil
}

// soundOf leaves of packets that stand before a keyframe what may be heard
// after it: sound of a time from since on.
func (in *Input) soundOf(packets []media.Packet, since time.Duration) []media.Packet {
	return slices.DeleteFunc(packets, func(p media.Packet) bool {
		sound := !in.gate.AudioOnly && in.gate.Kind(&p) == media.Audio && clock.ShownAt(&p) >= since
		if !sound {
			in.pending.LeaveOut(&p)
		}
		return !sound
	})
}

// Continue returns an input that goes on with in's source, which is its own from now
// on, after the source has told of another track.
func (in *Input) Continue(ctx context.Context, mode media.SourceMode, beyond func() time.Duration) *Input {
	in.running.Wait()
	ctx, cancel := context.WithCancelCause(ctx)
	end := in.cancel
	g := newInput(in.source, mode)
	g.came = in.came
	g.cancel = func(cause error) { cancel(cause); end(cause) }
	g.release, in.passedOn = in.release, true
	g.begin(ctx, 0, beyond)
	return g
}

// OnClose makes release be called when in is closed.
func (in *Input) OnClose(release func()) { in.release = release }

// Until is the position at which what is played of the source ends; 0: its end.
func (in *Input) Until() time.Duration { return in.trim.at }

// LooksAhead says whether packets that were looked at are still to be given out.
func (in *Input) LooksAhead() bool { return len(in.ahead) > 0 }

// TakeDropped returns how many packets of a live source were thrown away since it was
// asked last.
func (in *Input) TakeDropped() int64 { return in.queue.TakeDropped() }

// TakeCorrupt returns how many packets of a type were left out as damaged since it was
// asked last.
func (in *Input) TakeCorrupt(kind media.MediaType) int64 { return in.corrupt[kind].Swap(0) }

// Spans returns how much of each track has been read and not been taken. It may be
// called beside the other methods.
func (in *Input) Spans() [2]time.Duration { return in.queue.Spans() }

// KeysWithin returns how many keys stand in the first reach of media that has been read.
func (in *Input) KeysWithin(reach time.Duration, by Leader) int {
	return in.queue.KeysWithin(reach, by)
}

// PrependSound puts the packets that in looked at, which are all sound, before those of g,
// which goes on with its source.
func (in *Input) PrependSound(g *Input) {
	sound := slices.IndexFunc(g.Info.Tracks, func(t media.Track) bool { return t.Type == media.Audio })
	for i := range in.ahead {
		in.ahead[i].Track = sound
	}
	g.From, g.ahead = in.From, append(in.ahead, g.ahead...)
}
