package program

import (
	"bytes"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/bitstream"
	"github.com/roomcast/roomcast/media/clock"
)

// outputTrack makes one of the room's tracks of a source's packets, which come with
// the room's times and the source's data.
type outputTrack interface {
	// track describes what the room gets, Extradata in FLV's form.
	track() media.Track
	// put takes a packet and returns what the room gets of it; a *planChange
	// is an error that says the output track cannot go on with it.
	put(p media.Packet) ([]media.Packet, error)
	// flush returns what is still inside.
	flush() ([]media.Packet, error)
	// takeDamaged returns how many packets came to nothing since it was asked
	// last.
	takeDamaged() int64
	close()
}

// planChange says that a track cannot be copied any more, and why.
type planChange struct{ reason string }

func (c *planChange) Error() string { return c.reason }

// copiedTrack brings packets into FLV's form and otherwise leaves them alone.
type copiedTrack struct {
	rules   media.Rules
	out     media.Track
	filter  bitstream.Filter
	order   bitstream.OrderWatch
	cuts    bitstream.CutWatch
	gop     bitstream.GOP // of the video, as the source carries it
	shape   media.Track   // out as its decoder configuration has it
	damaged int64
	one     [1]media.Packet
	// told is the configuration of what was made up before, where it does for
	// what is copied, too: viewers are told nothing new.
	told []byte
}

func newCopiedTrack(r media.Rules, t media.Track, c bitstream.Filter) *copiedTrack {
	t.Extradata = c.Config()
	return &copiedTrack{rules: r, out: t, filter: c, shape: bitstream.ShapeOf(t)}
}

func (l *copiedTrack) track() media.Track {
	t := l.out
	if l.told != nil {
		t.Extradata = l.told
	}
	return t
}

func (l *copiedTrack) flush() ([]media.Packet, error) { return nil, nil }
func (l *copiedTrack) close()                         {}

func (l *copiedTrack) takeDamaged() int64 {
	n := l.damaged
	l.damaged = 0
	return n
}

// input goes on with a source opened anew. The room's track stays what it is:
// another size or rate is a *planChange.
func (l *copiedTrack) input(t media.Track, c bitstream.Filter) error {
	if reason := bitstream.Difference(l.shape, bitstream.Configured(t, c.Config())); reason != "" {
		return &planChange{reason}
	}
	l.filter, l.order, l.cuts, l.gop = c, bitstream.OrderWatch{}, bitstream.CutWatch{}, bitstream.GOP{}
	return nil
}

func (l *copiedTrack) put(p media.Packet) ([]media.Packet, error) {
	if p.NoPTS {
		p.PTS, p.NoPTS = p.DTS, false
	}
	video := l.out.Type == media.Video
	if video && l.order.Reordered(p) && !l.rules.BFrames {
		return nil, &planChange{reasonBFrames}
	}
	if video && l.cuts.Cut(p) {
		return nil, &planChange{reasonCut}
	}
	if p.Extradata != nil {
		l.filter = bitstream.NewFilter(media.Track{Type: l.out.Type, Codec: l.out.Codec, Extradata: p.Extradata})
	}
	raw := p
	data, err := l.filter.Conform(p.Data)
	if err != nil || len(data) == 0 {
		l.damaged++
		return nil, nil
	}
	if l.filter.Bidirectional() && !l.rules.BFrames {
		return nil, &planChange{reasonBFrames}
	}
	p.Data, p.Extradata = data, nil
	if config := l.filter.Config(); !bytes.Equal(config, l.out.Extradata) && config != nil {
		if err := l.reconfigure(config); err != nil {
			return nil, err
		}
	}
	if video {
		l.gop.Add(raw)
	}
	l.one[0] = p
	return l.one[:], nil
}

// reconfigure takes a new decoder configuration if it leaves the track what it
// is to viewers.
func (l *copiedTrack) reconfigure(config []byte) error {
	shape := bitstream.Configured(l.out, config)
	if reason := bitstream.Difference(l.shape, shape); reason != "" {
		return &planChange{reason}
	}
	l.shape, l.out.Extradata = shape, config
	return nil
}

// encodedTrack re-encodes.
type encodedTrack struct {
	media.Transcoder
	// told is the configuration of the sound that was copied before, where it
	// does for what comes out, too: viewers are told nothing new.
	told []byte
	hold *frameHold    // nil: it is sound
	end  time.Duration // as SkipFrom was told
	// Of sound: where what was put in ends, and the last hole before: an encoder
	// fills it.
	heard            time.Duration
	holeFrom, holeTo time.Duration
}

func newEncodedTrack(coder media.Transcoder) *encodedTrack {
	l := &encodedTrack{Transcoder: coder, heard: -clock.Forever}
	if coder.Output().Type == media.Video {
		l.hold = newFrameHold()
	}
	return l
}

func (l *encodedTrack) track() media.Track {
	t := l.Output()
	if l.told != nil {
		t.Extradata = l.told
	}
	return t
}

func (l *encodedTrack) takeDamaged() int64 { return l.Damaged() }
func (l *encodedTrack) close()             { l.Close() }

func (l *encodedTrack) put(p media.Packet) ([]media.Packet, error) {
	if l.hold == nil {
		return l.putSound(p)
	}
	before, err := l.refill()
	if err != nil {
		return before, err
	}
	l.hold.put(p)
	out, err := l.Transcode(p)
	return append(before, l.hold.passed(out)...), err
}

func (l *encodedTrack) putSound(p media.Packet) ([]media.Packet, error) {
	if p.PTS-l.heard > smallHole {
		l.holeFrom, l.holeTo = l.heard, p.PTS
	}
	l.heard = max(l.heard, p.PTS+p.Duration)
	out, err := l.Transcode(p)
	for i := range out {
		if out[i].PTS >= l.holeFrom && out[i].PTS+out[i].Duration <= l.holeTo {
			out[i].Origin = media.Filled
		}
	}
	return out, err
}

func (l *encodedTrack) flush() ([]media.Packet, error) {
	if l.hold == nil {
		return l.Flush()
	}
	before, err := l.refillUnshown()
	if err != nil {
		return before, err
	}
	out, err := l.Flush()
	l.hold.emptied, l.hold.settled = true, max(l.hold.settled, l.hold.newest)
	return append(before, l.hold.passed(out)...), err
}

func (l *encodedTrack) Input(t media.Track) ([]media.Packet, error) {
	if l.hold == nil {
		return l.Transcoder.Input(t)
	}
	before, err := l.refillUnshown()
	if err != nil {
		return before, err
	}
	out, err := l.Transcoder.Input(t)
	l.hold.passed(out)
	l.hold.restart()
	return append(before, out...), err
}

// refillUnshown is for the end of what a decoder is given: what it was emptied of
// is to be shown, too.
func (l *encodedTrack) refillUnshown() ([]media.Packet, error) {
	if l.hold.newest <= l.hold.settled {
		return nil, nil
	}
	return l.refill()
}

// SkipBefore begins with what stands at t.
func (l *encodedTrack) SkipBefore(t time.Duration) {
	l.Transcoder.SkipBefore(t)
	if l.hold != nil {
		l.hold.from, l.hold.due = t, t // even if nothing was shown yet
	}
}

// makeNothingBefore keeps what would fill a hole before t from being made up: a picture
// that is repeated, the silence of an encoder.
func (l *encodedTrack) makeNothingBefore(t time.Duration) {
	if l.hold == nil {
		l.SkipBefore(t)
	} else {
		l.hold.from = max(l.hold.from, t)
	}
}

func (l *encodedTrack) SkipFrom(t time.Duration) {
	l.Transcoder.SkipFrom(t)
	l.end = t
}

// filledTrack makes a track that the source does not have: silence or black, one
// group of packets over and over.
type filledTrack struct {
	out   media.Track
	group []media.Packet // times from zero
	span  time.Duration  // of the group
	begun bool
	base  time.Duration // room time of the present group
	next  int           // index into group
}

func (l *filledTrack) track() media.Track                       { return l.out }
func (l *filledTrack) put(media.Packet) ([]media.Packet, error) { return nil, nil }
func (l *filledTrack) flush() ([]media.Packet, error)           { return nil, nil }
func (l *filledTrack) takeDamaged() int64                       { return 0 }
func (l *filledTrack) close()                                   {}

// until returns the packets that are due at room time t, from where the output track
// was before.
func (l *filledTrack) until(t time.Duration) []media.Packet {
	if !l.begun {
		l.begun, l.base = true, t
	}
	var out []media.Packet
	for {
		p := l.group[l.next]
		at := l.base + p.DTS
		if at > t {
			return out
		}
		if t-at >= fillGap { // a gap of the source, too: what follows it needs a keyframe
			l.next, l.base = 0, t-fillGap+clock.Tick
			continue
		}
		p.PTS, p.DTS, p.Origin = at+p.PTS-p.DTS, at, media.Filled
		out = append(out, p)
		if l.next++; l.next == len(l.group) {
			l.next, l.base = 0, l.base+l.span
		}
	}
}

// restart begins the group anew, with its keyframe.
func (l *filledTrack) restart() { l.base, l.next = l.base+l.group[l.next].DTS, 0 }

// fillGap is how much is made up for at once: the longest gap in the content.
const fillGap = clock.MaxForward
