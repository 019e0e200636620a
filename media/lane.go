package media

import (
	"bytes"
	"time"
)

// lane makes one of the room's tracks of a source's packets, which come with
// the room's times and the source's data.
type lane interface {
	// track describes what the room gets, Extradata in FLV's form.
	track() Track
	// put takes a packet and returns what the room gets of it; a *planChange
	// is an error that says the lane cannot go on with it.
	put(p Packet) ([]Packet, error)
	// flush returns what is still inside.
	flush() ([]Packet, error)
	// takeDamaged returns how many packets came to nothing since it was asked
	// last.
	takeDamaged() int64
	close()
}

// planChange says that a track cannot be copied any more, and why.
type planChange struct{ reason string }

func (c *planChange) Error() string { return c.reason }

// copyLane brings packets into FLV's form and otherwise leaves them alone.
type copyLane struct {
	rules   Rules
	out     Track
	conform conformer
	order   orderWatch
	cuts    cutWatch
	gop     gopBuffer // of the video, as the source carries it
	shape   Track     // out as its decoder configuration has it
	damaged int64
	one     [1]Packet
	// told is the configuration of what was made up before, where it does for
	// what is copied, too: viewers are told nothing new.
	told []byte
}

func newCopyLane(r Rules, t Track, c conformer) *copyLane {
	t.Extradata = c.config()
	return &copyLane{rules: r, out: t, conform: c, shape: shapeOf(t)}
}

func (l *copyLane) track() Track {
	t := l.out
	if l.told != nil {
		t.Extradata = l.told
	}
	return t
}

func (l *copyLane) flush() ([]Packet, error) { return nil, nil }
func (l *copyLane) close()                   {}

func (l *copyLane) takeDamaged() int64 {
	n := l.damaged
	l.damaged = 0
	return n
}

// input goes on with a source opened anew. The room's track stays what it is:
// another size or rate is a *planChange.
func (l *copyLane) input(t Track, c conformer) error {
	if reason := difference(l.shape, configured(t, c.config())); reason != "" {
		return &planChange{reason}
	}
	l.conform, l.order, l.cuts, l.gop = c, orderWatch{}, cutWatch{}, gopBuffer{}
	return nil
}

func (l *copyLane) put(p Packet) ([]Packet, error) {
	if p.NoPTS {
		p.PTS, p.NoPTS = p.DTS, false
	}
	video := l.out.Type == Video
	if video && l.order.reordered(p) && !l.rules.BFrames {
		return nil, &planChange{reasonBFrames}
	}
	if video && l.cuts.cut(p) {
		return nil, &planChange{reasonCut}
	}
	if p.Extradata != nil {
		l.conform = newConformer(Track{Type: l.out.Type, Codec: l.out.Codec, Extradata: p.Extradata})
	}
	raw := p
	data, err := l.conform.conform(p.Data)
	if err != nil || len(data) == 0 {
		l.damaged++
		return nil, nil
	}
	if l.conform.bidirectional() && !l.rules.BFrames {
		return nil, &planChange{reasonBFrames}
	}
	p.Data, p.Extradata = data, nil
	if config := l.conform.config(); !bytes.Equal(config, l.out.Extradata) && config != nil {
		if err := l.reconfigure(config); err != nil {
			return nil, err
		}
	}
	if video {
		l.gop.add(raw)
	}
	l.one[0] = p
	return l.one[:], nil
}

// reconfigure takes a new decoder configuration if it leaves the track what it
// is to viewers.
func (l *copyLane) reconfigure(config []byte) error {
	shape := configured(l.out, config)
	if reason := difference(l.shape, shape); reason != "" {
		return &planChange{reason}
	}
	l.shape, l.out.Extradata = shape, config
	return nil
}

// codeLane re-encodes.
type codeLane struct {
	Transcoder
	// told is the configuration of the sound that was copied before, where it
	// does for what comes out, too: viewers are told nothing new.
	told  []byte
	still *still        // nil: it is sound
	end   time.Duration // as SkipFrom was told
	// Of sound: where what was put in ends, and the last hole before: an encoder
	// fills it.
	heard            time.Duration
	holeFrom, holeTo time.Duration
}

func newCodeLane(coder Transcoder) *codeLane {
	l := &codeLane{Transcoder: coder, heard: -forever}
	if coder.Output().Type == Video {
		l.still = newStill()
	}
	return l
}

func (l *codeLane) track() Track {
	t := l.Output()
	if l.told != nil {
		t.Extradata = l.told
	}
	return t
}

func (l *codeLane) takeDamaged() int64 { return l.Damaged() }
func (l *codeLane) close()             { l.Close() }

func (l *codeLane) put(p Packet) ([]Packet, error) {
	if l.still == nil {
		return l.putSound(p)
	}
	before, err := l.refill()
	if err != nil {
		return before, err
	}
	l.still.put(p)
	out, err := l.Transcode(p)
	return append(before, l.still.passed(out)...), err
}

func (l *codeLane) putSound(p Packet) ([]Packet, error) {
	if p.PTS-l.heard > smallHole {
		l.holeFrom, l.holeTo = l.heard, p.PTS
	}
	l.heard = max(l.heard, p.PTS+p.Duration)
	out, err := l.Transcode(p)
	for i := range out {
		if out[i].PTS >= l.holeFrom && out[i].PTS+out[i].Duration <= l.holeTo {
			out[i].origin = filled
		}
	}
	return out, err
}

func (l *codeLane) flush() ([]Packet, error) {
	if l.still == nil {
		return l.Flush()
	}
	before, err := l.refillUnshown()
	if err != nil {
		return before, err
	}
	out, err := l.Flush()
	l.still.emptied, l.still.settled = true, max(l.still.settled, l.still.newest)
	return append(before, l.still.passed(out)...), err
}

func (l *codeLane) Input(t Track) ([]Packet, error) {
	if l.still == nil {
		return l.Transcoder.Input(t)
	}
	before, err := l.refillUnshown()
	if err != nil {
		return before, err
	}
	out, err := l.Transcoder.Input(t)
	l.still.passed(out)
	l.still.restart()
	return append(before, out...), err
}

// refillUnshown is for the end of what a decoder is given: what it was emptied of
// is to be shown, too.
func (l *codeLane) refillUnshown() ([]Packet, error) {
	if l.still.newest <= l.still.settled {
		return nil, nil
	}
	return l.refill()
}

// SkipBefore begins with what stands at t.
func (l *codeLane) SkipBefore(t time.Duration) {
	l.Transcoder.SkipBefore(t)
	if l.still != nil {
		l.still.from, l.still.due = t, t // even if nothing was shown yet
	}
}

func (l *codeLane) SkipFrom(t time.Duration) {
	l.Transcoder.SkipFrom(t)
	l.end = t
}

// fillLane makes a track that the source does not have: silence or black, one
// group of packets over and over.
type fillLane struct {
	out   Track
	group []Packet      // times from zero
	span  time.Duration // of the group
	begun bool
	base  time.Duration // room time of the present group
	next  int           // index into group
}

func (l *fillLane) track() Track                 { return l.out }
func (l *fillLane) put(Packet) ([]Packet, error) { return nil, nil }
func (l *fillLane) flush() ([]Packet, error)     { return nil, nil }
func (l *fillLane) takeDamaged() int64           { return 0 }
func (l *fillLane) close()                       {}

// until returns the packets that are due at room time t, from where the lane
// was before.
func (l *fillLane) until(t time.Duration) []Packet {
	if !l.begun {
		l.begun, l.base = true, t
	}
	var out []Packet
	for {
		p := l.group[l.next]
		at := l.base + p.DTS
		if at > t {
			return out
		}
		if t-at >= fillGap { // a gap of the source, too: what follows it needs a keyframe
			l.next, l.base = 0, t-fillGap+tick
			continue
		}
		p.PTS, p.DTS, p.origin = at+p.PTS-p.DTS, at, filled
		out = append(out, p)
		if l.next++; l.next == len(l.group) {
			l.next, l.base = 0, l.base+l.span
		}
	}
}

// restart begins the group anew, with its keyframe.
func (l *fillLane) restart() { l.base, l.next = l.base+l.group[l.next].DTS, 0 }

// fillGap is how much is made up for at once: the longest gap in the content.
const fillGap = maxForward
