package media

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// How much of a source is looked at before anything is decided.
const (
	lookaheadSpan   = time.Second
	lookaheadVideos = 60 // packets of a file
	lookaheadLive   = 8  // packets of a live source: each costs viewers its duration
)

// Queue limits. A file is read ahead by a second, which hides a slow server; a
// live source may lag by two before it is taken from its newest keyframe.
const (
	fileAhead  = time.Second
	liveBehind = 2 * time.Second
	queueBytes = 8 << 20
)

// A source that gives no packet for this long has stalled, though it may still
// drip bytes. A playlist's segments last up to some ten seconds each.
const (
	stalledAfter    = 10 * time.Second
	stalledSegments = 30 * time.Second
)

// feed is one opening of a source: a goroutine reads it into a queue, in the
// form that a room takes.
type feed struct {
	source     Source
	info       SourceInfo
	live       bool // has no end
	realtime   bool // comes as fast as it is made: nothing to pace, and what lags is dropped
	conformers []conformer
	queue      *packetQueue
	cancel     context.CancelCauseFunc
	reading    sync.WaitGroup
	gate       *startGate
	held       []Packet // looked at already, and not yet given out
	damaged    int64    // packets that could not be parsed
}

// openFeed opens the source at position and starts reading it. ctx bounds the
// feed's life.
func openFeed(ctx context.Context, o Opener, r SourceRequest, position time.Duration) (*feed, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	source, err := o.Open(ctx, r)
	if err != nil {
		cancel(err)
		return nil, err
	}
	f := &feed{source: source, info: source.Info(), cancel: cancel}
	f.live = r.Mode == ModeLive || (r.Mode != ModeVOD && f.info.Live)
	f.realtime = f.live && !f.segmented()
	if position > 0 && !f.live {
		if err := source.Seek(position); err != nil {
			cancel(err)
			source.Close()
			return nil, err
		}
	}
	for _, t := range f.info.Tracks {
		f.conformers = append(f.conformers, newConformer(t))
	}
	f.gate = newStartGate(f.info.Tracks)
	limits := queueLimits{span: fileAhead, bytes: queueBytes}
	if f.realtime {
		limits = queueLimits{span: liveBehind, bytes: queueBytes, drop: true}
	}
	f.queue = newPacketQueue(limits)
	f.reading.Go(func() { f.queue.fail(f.read(ctx)) })
	return f, nil
}

// segmented says whether the source comes in bursts, a playlist's segment at a
// time: it is paced even when it is live.
func (f *feed) segmented() bool { return f.info.Container == "hls" }

// patience is how long no packet may come before the source has stalled.
func (f *feed) patience() time.Duration {
	if f.segmented() {
		return stalledSegments
	}
	return stalledAfter
}

// close ends the reading and the source.
func (f *feed) close() {
	f.cancel(errFeedClosed)
	f.reading.Wait()
	f.source.Close()
}

var errFeedClosed = errors.New("the source is not needed any more")

// read fills the queue until the source or ctx ends, and returns why.
func (f *feed) read(ctx context.Context) error {
	for {
		p, err := f.source.ReadPacket()
		if err != nil {
			return f.readError(ctx, err)
		}
		if p.Corrupt && f.info.Tracks[p.Track].Type == Video {
			f.queue.lose()
			continue
		}
		if err := f.queue.put(ctx, p, f.gate.isKey(p)); err != nil {
			return err
		}
	}
}

func (f *feed) readError(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case isEnd(err) && f.live:
		return &Error{Kind: KindSourceEnded, Op: "read source", Err: errors.New("the stream ended")}
	default:
		return err
	}
}

// look reads the first packets and keeps them for next. A source without a
// single packet is not media.
func (f *feed) look(ctx context.Context) (seen, error) {
	var s seen
	var watch orderWatch
	held := 0
	for !f.seenEnough(s) && held < queueBytes {
		p, err := f.get(ctx)
		if isEnd(err) && len(f.held) > 0 {
			break
		}
		if err != nil {
			return s, noMedia(err)
		}
		f.held, held = append(f.held, p), held+len(p.Data)
		if f.info.Tracks[p.Track].Type == Video {
			s.note(p, watch.reordered(p))
		}
	}
	if !f.configured() {
		return s, &Error{Kind: KindSourceInvalid, Op: "read source", Err: errors.New("no decoder configuration in it")}
	}
	return s, nil
}

func (f *feed) seenEnough(s seen) bool {
	if len(f.held) == 0 {
		return false
	}
	limit := lookaheadVideos
	if f.realtime {
		limit = lookaheadLive
	}
	ready := f.configured() && (f.gate.audioOnly || s.pictures > 0)
	span := f.held[len(f.held)-1].DTS - f.held[0].DTS
	return ready && (s.pictures >= limit || span > lookaheadSpan)
}

// isEnd says whether err is a source's end: io.EOF, but not inside an *Error.
func isEnd(err error) bool {
	_, fault := errors.AsType[*Error](err)
	return !fault && errors.Is(err, io.EOF)
}

func noMedia(err error) error {
	if isEnd(err) {
		return &Error{Kind: KindSourceInvalid, Op: "read source", Err: errors.New("no packet in it")}
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

// tracks returns the source's tracks with extradata in FLV's form.
func (f *feed) tracks() []Track {
	tracks := make([]Track, len(f.info.Tracks))
	for i, t := range f.info.Tracks {
		t.Extradata = f.conformers[i].config()
		tracks[i] = t
	}
	return tracks
}

// next returns the next packet the room can be given: none before the first
// keyframe. io.EOF is the source's end.
func (f *feed) next(ctx context.Context) (Packet, error) {
	for {
		p, err := f.take(ctx)
		if err != nil {
			return p, err
		}
		if f.gate.pass(p) {
			return p, nil
		}
	}
}

func (f *feed) take(ctx context.Context) (Packet, error) {
	if len(f.held) > 0 {
		p := f.held[0]
		f.held = f.held[1:]
		return p, nil
	}
	return f.get(ctx)
}

// get returns the next packet in FLV's form.
func (f *feed) get(ctx context.Context) (Packet, error) {
	for {
		p, err := f.queue.get(ctx, f.patience())
		if err != nil {
			return p, err
		}
		p.Data, err = f.conformers[p.Track].conform(p.Data)
		if errors.Is(err, errParameterSetChanged) {
			return p, &Error{Kind: KindSourceUnsupported, Op: "read source", Err: err}
		}
		if err == nil && len(p.Data) > 0 {
			return p, nil
		}
		f.damaged++
	}
}

// takeDropped returns how many packets never reached the room since it was
// asked last.
func (f *feed) takeDropped() int64 {
	n := f.queue.takeDropped() + f.damaged
	f.damaged = 0
	return n
}

// startGate holds a room's feed shut until a packet that a decoder can start
// with: a video keyframe, or anything where there is no video. Audio from
// before the first picture is left out.
type startGate struct {
	video     int // index of the video track
	audioOnly bool
	open      bool
	from      time.Duration // PTS of the first picture
}

func newStartGate(tracks []Track) *startGate {
	g := &startGate{audioOnly: true}
	for i, t := range tracks {
		if t.Type == Video {
			g.video, g.audioOnly = i, false
		}
	}
	return g
}

func (g *startGate) isKey(p Packet) bool {
	return g.audioOnly || (p.Track == g.video && p.Keyframe)
}

func (g *startGate) pass(p Packet) bool {
	if !g.open {
		if !g.isKey(p) {
			return false
		}
		g.open, g.from = true, p.PTS
		return true
	}
	return g.audioOnly || p.Track == g.video || p.PTS+p.Duration > g.from
}

// shut makes the gate wait for a keyframe again.
func (g *startGate) shut() { g.open = false }

// orderWatch notices B-frames: pictures whose PTS do not rise in the order of
// their DTS. A constant distance between PTS and DTS is none.
type orderWatch struct {
	any  bool
	last time.Duration
}

func (w *orderWatch) reordered(p Packet) bool {
	if p.NoPTS {
		return false
	}
	back := w.any && p.PTS < w.last && w.last-p.PTS < lookaheadSpan
	w.any, w.last = true, p.PTS
	return back
}

func (s *seen) note(p Packet, reordered bool) {
	s.pictures++
	s.reordered = s.reordered || reordered
	if p.Keyframe {
		s.keys = append(s.keys, p.PTS)
	}
}
