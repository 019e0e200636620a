package hls

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/roomcast/roomcast/media"
)

// mostBad is how many runs in a row may hold nothing that can be read.
const mostBad = 3

// sample is a packet of a chain, with the times of its clock.
type sample struct {
	media.Packet
	kind  media.MediaType
	clock uint64        // how many discontinuities there were before
	hole  time.Duration // that the playlist has before it
}

// chain is one media playlist being read: its segments, run after run. A run is what
// goes on without a break, and has a demuxer of its own.
type chain struct {
	source  *Source
	address string // that its playlist was asked for by
	base    string // that gave it
	list    *list
	gives   [2]bool // by media.MediaType
	choice  media.TrackChoice

	feed   *feed
	end    func() // of the loader; returns when it has ended
	run    media.Source
	offset time.Duration // of the run's times
	tracks [2]chainTrack // by media.MediaType
	bad    int

	held []sample // read ahead
	head *sample  // looked at, and placed
	over bool

	passed time.Duration // DTS of what was given last
	alone  time.Duration // how much was since it was of one clock with the other chain's
}

// chainTrack is one of a chain's tracks over all runs, and what its next packet is to
// tell.
type chainTrack struct {
	now    *media.Track // what it is; nil: there was none
	news   *media.Track // what it has become, told with the next packet
	config []byte       // the same, of its decoder configuration
	fresh  bool         // nothing of the run has come
}

// start begins with a segment.
func (c *chain) start(number uint64) {
	s := c.source
	ctx, cancel := context.WithCancel(s.ctx)
	l := &loader{
		f: s.fetcher, log: s.log, next: number,
		updates: updates{f: s.fetcher, address: c.address, base: c.base, list: c.list, fixed: s.timeline != nil || c.list.over, stood: s.stood},
		items:   make(chan item, mostChunks), ahead: make(chan struct{}, mostAhead),
	}
	c.feed = &feed{ctx: ctx, loader: l}
	c.held, c.head, c.over, c.bad = nil, nil, false, 0
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		cancel()
		return
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.run(ctx)
	}()
	c.end = func() { cancel(); <-ended }
}

// stop ends what start began.
func (c *chain) stop() error {
	err := c.endRun()
	c.source.mu.Lock()
	end := c.end
	if !c.source.closed {
		c.end = nil
	}
	c.source.mu.Unlock()
	if end != nil {
		end()
	}
	return err
}

func (c *chain) endRun() error {
	run := c.source.release(c)
	if run == nil {
		return nil
	}
	return run.Close()
}

// begin opens the next run. The error is io.EOF at the end.
func (c *chain) begin() error {
	if err := c.feed.begin(); err != nil {
		return err
	}
	f, r := c.feed, c.source.request
	r.AudioDelay, r.Choice = 0, c.choice
	way := media.Way{Bytes: f, URL: f.first.address, Recorded: c.source.timeline != nil, Refusal: f.refusal, Found: f.words}
	run, err := c.source.demuxer.Demux(f.ctx, r, way)
	if err != nil {
		return err
	}
	if !c.source.hold(c, run) {
		return errors.Join(c.source.gone(), run.Close())
	}
	c.offset = 0
	if f.first.clock != nil {
		c.offset = *f.first.clock - run.Info().StartTime
	}
	c.tracks[media.Video].fresh, c.tracks[media.Audio].fresh = true, true
	for _, t := range run.Info().Tracks {
		c.tracks[t.Type].meet(t, strings.HasPrefix(run.Info().Container, "mov"))
	}
	return nil
}

// meet notes what the track is from now on; apart says that its decoder configuration
// comes beside its packets.
func (c *chainTrack) meet(t media.Track, apart bool) {
	before := c.now
	c.now, c.config = &t, nil
	switch {
	case before == nil:
	case t.Codec != before.Codec,
		apart && (t.Width != before.Width || t.Height != before.Height || t.SampleRate != before.SampleRate || t.Channels != before.Channels):
		c.news = &t
	case apart && !bytes.Equal(t.Extradata, before.Extradata):
		c.config = t.Extradata
	}
}

// tell makes a packet of the track say what it is to tell.
func (c *chainTrack) tell(p *media.Packet) {
	if p.Change == nil && c.news != nil {
		p.Change = c.news
	}
	if p.Change == nil && p.Extradata == nil {
		p.Extradata = c.config
	}
	c.news, c.config = nil, nil
}

// read returns the next packet that the chain gives, io.EOF after the last.
func (c *chain) read() (sample, error) {
	if len(c.held) > 0 {
		return media.TakeFirst(&c.held), nil
	}
	return c.readOn()
}

func (c *chain) readOn() (sample, error) {
	for {
		if c.run == nil {
			if err := c.next(); err != nil {
				return sample{}, err
			}
		}
		p, err := c.run.ReadPacket()
		switch {
		case err == nil:
			c.bad = 0
			if p, ok := c.sample(p); ok {
				return p, nil
			}
		case errors.Is(err, media.ErrLateVideo): // the next packets tell it
			for _, t := range c.run.Info().Tracks {
				c.tracks[t.Type].now = &t
			}
		case err == io.EOF: //nolint:errorlint // as media.Source has it
			if err := c.endRun(); err != nil {
				return sample{}, err
			}
		default:
			return sample{}, err
		}
	}
}

// next begins the next run that holds something.
func (c *chain) next() error {
	for {
		err := c.begin()
		switch media.KindOf(err) { //nolint:exhaustive // the others are for good
		case media.KindSourceInvalid, media.KindSourceNoTrack:
			if c.bad++; c.feed.refusal() == nil && c.known() && c.bad < mostBad {
				c.source.log.Warn("a part is left out that cannot be read", "error", err)
				continue
			}
		}
		return err
	}
}

// known says whether any track is.
func (c *chain) known() bool {
	return c.tracks[media.Video].now != nil || c.tracks[media.Audio].now != nil
}

// sample makes one of a run's packet, unless the chain does not give it.
func (c *chain) sample(p media.Packet) (sample, bool) {
	var kind media.MediaType
	if p.Change != nil {
		kind, c.tracks[p.Change.Type].now = p.Change.Type, p.Change
	} else {
		kind = c.run.Info().Tracks[p.Track].Type
	}
	if !c.gives[kind] {
		return sample{}, false
	}
	c.tracks[kind].tell(&p)
	if !p.NoPTS {
		p.PTS += c.offset
	}
	if !p.NoDTS {
		p.DTS += c.offset
	}
	s := sample{Packet: p, kind: kind, clock: c.feed.first.segment.clock}
	if c.tracks[kind].fresh {
		s.hole, c.tracks[kind].fresh = c.feed.hole, false
	}
	return s, true
}

// mostLead is how many packets are read ahead in search of the first of a track.
const mostLead = 4096

// lead reads ahead to where a track begins.
func (c *chain) lead(kind media.MediaType) (at time.Duration, found bool, err error) {
	for range mostLead {
		p, err := c.readOn()
		if err == io.EOF { //nolint:errorlint // as media.Source has it
			return 0, false, nil
		}
		if err != nil {
			return 0, false, err
		}
		c.held = append(c.held, p)
		if p.kind == kind && !p.NoPTS {
			return p.PTS, true, nil
		}
	}
	return 0, false, nil
}
