package hls

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/clock"
)

// Demuxer takes apart what comes over a gate's way: media/libav.Opener.
type Demuxer interface {
	Demux(ctx context.Context, r media.SourceRequest, gate media.Gate) (media.Source, error)
}

// Config is what a Source works with. All of it is required.
type Config struct {
	Client  *http.Client // makes all requests; its errors wrap *media.Error
	Demuxer Demuxer
	// Explain says in words what an error status means.
	Explain func(answer *http.Response) error
	// Silence is for how long nothing may come.
	Silence time.Duration
	// Stood is one for all sources.
	Stood *Stood
	Log   *slog.Logger
}

const opOpen = "open source"

// mostUnplayed is how many variants are opened of which none can be played: each may
// cost what a source may. Nor is another looked at when the playlists before were as
// much to read as one may be.
const mostUnplayed = 3

var (
	errClosed      = errors.New("source closed")
	errNested      = media.Because("its playlist leads to another playlist of playlists", nil)
	errNotSeekable = errors.New("a live source cannot be sought")
	errOtherTracks = media.Sentence("the source's playlist goes on, where the push is to, with other tracks than it began with, which cannot be played")
)

// Source is an HLS stream being read.
type Source struct {
	// ctx is a field because the contract of media.Opener makes one context bound
	// all calls of a Source.
	ctx      context.Context
	cancel   context.CancelCauseFunc
	request  media.SourceRequest
	fetcher  *fetcher
	demuxer  Demuxer
	stood    *Stood
	log      *slog.Logger
	info     media.SourceInfo
	chains   []*chain
	timeline *timeline // of a recording; else nil
	looked   int64     // work of reading the playlists that were opened
	delay    clock.SoundDelay
	ahead    clock.Ahead

	mu     sync.Mutex
	closed bool
}

var _ media.Source = (*Source)(nil)

// Open opens what a playlist leads to. ctx bounds the life of the Source.
func Open(ctx context.Context, cfg Config, r media.SourceRequest, p Playlist) (*Source, error) {
	s := &Source{
		request: r, fetcher: &fetcher{client: cfg.Client, explain: cfg.Explain, silence: cfg.Silence}, demuxer: cfg.Demuxer, stood: cfg.Stood,
		log: cmp.Or(r.Log, cfg.Log, slog.Default()), delay: clock.SoundDelay{By: r.AudioDelay},
	}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	err := s.open(p)
	if err == nil {
		return s, nil
	}
	if ctx.Err() != nil && media.KindOf(err) == media.KindInternal {
		err = fmt.Errorf("%s: %w", opOpen, context.Cause(ctx))
	}
	return nil, cmp.Or(s.Close(), err)
}

func (s *Source) open(p Playlist) error {
	m := p.master
	if m == nil {
		return s.openWith(p, nil, 0)
	}
	m.sort(s.request.Bounds)
	if len(m.variants) == 0 {
		return invalid(media.Because("its playlist names no variant", nil))
	}
	var first error
	opened := 0 // that hold what cannot be played
	for i, v := range m.variants {
		err := s.openVariant(p, m, v)
		last := i+1 == len(m.variants) || s.looked >= mostText
		if err == nil && v.width == 0 && !last && s.tooBig() {
			s.log.Info("another variant is looked at, for this one is too big")
			if err = s.stop(); err != nil {
				return err
			}
			continue
		}
		if err == nil || s.ctx.Err() != nil {
			return err
		}
		first = cmp.Or(first, err)
		if len(s.chains) > 0 {
			opened++
		}
		if !passable(err) || opened == mostUnplayed || last {
			return first
		}
		if err := s.stop(); err != nil {
			return err
		}
		s.log.Warn("another variant is taken", "error", err)
	}
	return first
}

// playlist fetches one to open it.
func (s *Source) playlist(address string) (Playlist, error) {
	p, err := s.fetcher.playlist(s.ctx, address)
	s.looked += p.work()
	return p, err
}

// passable says whether another variant may do where one failed. None does without a
// password, or within a playlist that leads where it may not, or to playlists of
// playlists.
func passable(err error) bool {
	if r, ok := errors.AsType[refused](err); ok {
		return r.status != http.StatusUnauthorized
	}
	switch media.KindOf(err) { //nolint:exhaustive // the others are of all variants
	case media.KindSourceUnavailable, media.KindSourceNotFound, media.KindSourceInvalid, media.KindSourceUnsupported, media.KindSourceTooLarge:
		return !errors.Is(err, errNested)
	}
	return false
}

// tooBig says whether the room does not take the picture as it is.
func (s *Source) tooBig() bool {
	return slices.ContainsFunc(s.info.Tracks, func(t media.Track) bool { return t.Type == media.Video && fit(t.Width, t.Height, s.request.Bounds) < 0 })
}

func (s *Source) openVariant(at Playlist, m *master, v variant) error {
	address, err := resolve(at.address.Reveal(), v.uri)
	if err != nil {
		return err
	}
	p, err := s.playlist(address)
	if err != nil {
		return err
	}
	if p.master != nil {
		return invalid(errNested)
	}
	sounds := m.sounds(v)
	if len(sounds) == 0 {
		return s.openWith(p, nil, 0)
	}
	chosen, err := chooseSound(sounds, s.request.Choice.Audio)
	if err != nil {
		return err
	}
	for i := range sounds {
		if sounds[i].uri == "" {
			continue
		}
		if sounds[i].uri, err = resolve(at.address.Reveal(), sounds[i].uri); err != nil {
			return err
		}
		if sounds[i].uri == address { // it is the variant's own
			sounds[i].uri = ""
		}
	}
	return s.openWith(p, sounds, chosen)
}

// openWith opens a variant with one of the sounds beside it, if there are any.
func (s *Source) openWith(p Playlist, sounds []rendition, chosen int) error {
	main := &chain{source: s, gives: [2]bool{true, true}, choice: s.request.Choice}
	if err := main.take(p); err != nil {
		return err
	}
	s.chains = []*chain{main}
	if len(sounds) > 0 {
		main.choice.Audio = ""
	}
	if len(sounds) > 0 && sounds[chosen].uri != "" {
		own, err := s.playlist(sounds[chosen].uri)
		if err != nil {
			return err
		}
		sound := &chain{source: s, gives: [2]bool{media.Audio: true}}
		main.gives[media.Audio] = false
		if err := sound.take(own); err != nil {
			return err
		}
		s.chains = append(s.chains, sound)
	}
	s.timeline = nil
	if main.list.recorded() || s.request.Mode == media.ModeVOD {
		s.timeline = &timeline{}
	}
	if s.timeline == nil {
		s.fetcher.silence = min(s.fetcher.silence, max(leastSilence, 2*max(main.list.target, main.list.step())))
	}
	kept := 0
	for _, c := range s.chains {
		kept += c.list.kept
		if s.timeline == nil {
			c.list.keepNewest()
		} else if c.list.cut || kept > mostKept {
			return c.list.tooLong()
		}
	}
	if err := s.begin(); err != nil {
		return err
	}
	s.describe(sounds, chosen)
	if s.timeline == nil {
		return nil
	}
	first, found, err := main.lead(s.leading())
	if !found {
		first = s.info.StartTime
	}
	*s.timeline = timeline{start: first, begins: s.info.StartTime}
	return err
}

// take reads the chain's playlist.
func (c *chain) take(p Playlist) error {
	if p.refused != nil {
		return p.refused
	}
	c.list, c.address, c.base = p.list, p.asked.Reveal(), p.address.Reveal()
	if len(c.list.segments) == 0 {
		kind := media.KindSourceUnavailable
		if c.list.recorded() || c.list.target == 0 {
			kind = media.KindSourceInvalid
		}
		return &media.Error{Kind: kind, Op: opPlaylist, Err: media.Because("its playlist has no segments", nil)}
	}
	return nil
}

// begin starts the chains, and learns what they hold.
func (s *Source) begin() error {
	main, begin := s.chains[0], uint64(0)
	if s.timeline == nil {
		var err error
		if begin, err = s.stood.begin(main.address, main.list); err != nil {
			return err
		}
	}
	for _, c := range s.chains {
		switch {
		case s.timeline != nil:
			c.start(c.list.segments[0].number)
		case c == main:
			c.start(begin)
		default:
			c.start(c.list.beside(main.list, begin))
		}
	}
	for _, c := range s.chains {
		if err := c.begin(); err != nil {
			return cmp.Or(ended(err), err)
		}
	}
	s.info.StartTime = s.chains[0].startTime()
	for _, c := range s.chains[1:] {
		s.info.StartTime = min(s.info.StartTime, c.startTime())
	}
	s.info.Tracks = s.tracks()
	return nil
}

// ended says so of a playlist that ends before it has begun.
func ended(err error) error {
	if err != io.EOF { //nolint:errorlint // as io.Reader has it
		return nil
	}
	return &media.Error{Kind: media.KindSourceNotFound, Op: opOpen, Err: media.Because("none of the segments of its playlist is there", nil)}
}

// beside returns the number of the segment that is of the same time as one of another
// list, as far as both tell; else that of a live stream's begin.
func (l *list) beside(other *list, begin uint64) uint64 {
	at := other.segment(begin).at
	for _, s := range slices.Backward(l.segments) {
		if !at.IsZero() && !s.at.IsZero() && !s.at.After(at) {
			return s.number
		}
	}
	return l.liveStart()
}

func (c *chain) startTime() time.Duration { return c.run.Info().StartTime + c.offset }

// tracks are those of the chains, the picture first.
func (s *Source) tracks() (all []media.Track) {
	for _, m := range []media.MediaType{media.Video, media.Audio} {
		if t := s.track(m); t != nil {
			all = append(all, *t)
		}
	}
	return all
}

// track is the one of a type; nil: none.
func (s *Source) track(m media.MediaType) *media.Track {
	for _, c := range s.chains {
		if t := c.tracks[m].now; c.gives[m] && t != nil {
			return t
		}
	}
	return nil
}

// leading is the type of the first chain's track that positions are found by.
func (s *Source) leading() media.MediaType {
	if s.chains[0].tracks[media.Video].now != nil || !s.chains[0].gives[media.Audio] {
		return media.Video
	}
	return media.Audio
}

// describe fills in what Info says of the whole source.
func (s *Source) describe(sounds []rendition, chosen int) {
	main := s.chains[0]
	own := main.run.Info()
	s.info.Container, s.info.Live, s.info.Streams, s.info.Retimed = "hls", s.timeline == nil, own.Streams, own.Retimed
	s.info.Duration = 0
	if !s.info.Live {
		s.info.Duration = main.list.length()
	}
	if len(sounds) == 0 {
		return
	}
	s.info.Streams = slices.DeleteFunc(slices.Clone(own.Streams), func(t media.Stream) bool { return t.Type == media.Audio.String() })
	heard := s.chains[len(s.chains)-1].run.Info().Streams
	for i, r := range sounds {
		t := media.Stream{
			Type: media.Audio.String(), Language: media.Clean(r.language), Title: media.Clean(r.name), Channels: r.channels, Default: r.isDefault,
			AudioTrack: i, Chosen: i == chosen, LeftOut: "not chosen",
		}
		for _, h := range heard {
			if h.Type == t.Type && h.Chosen {
				t.Codec = h.Codec // a group's are alike
			}
			if h.Type == t.Type && h.Chosen && t.Chosen {
				t.Channels, t.LeftOut = h.Channels, ""
			}
		}
		s.info.Streams = append(s.info.Streams, t)
	}
}

// Info returns what the source turned out to be.
func (s *Source) Info() media.SourceInfo { return s.info }

// ReadPacket returns the next packet of the chosen tracks, io.EOF after the last,
// media.ErrLateVideo once. The packet is the caller's.
func (s *Source) ReadPacket() (media.Packet, error) {
	if s.ctx.Err() != nil {
		return media.Packet{}, s.gone()
	}
	if p, ok := s.ahead.Take(); ok {
		return p, nil
	}
	return s.read()
}

// gone is what is said behind the source's end.
func (s *Source) gone() error { return fmt.Errorf("%s: %w", opFetch, context.Cause(s.ctx)) }

func (s *Source) read() (media.Packet, error) {
	if !s.delay.Counts(s.info.Tracks) {
		return s.readTimed()
	}
	return s.delay.Read(s.readTimed, s.typeOf)
}

// readTimed returns what comes first of what the chains have.
func (s *Source) readTimed() (media.Packet, error) {
	var first *chain
	for _, c := range s.chains {
		if err := s.look(c); err != nil {
			return media.Packet{}, err
		}
		if c.head != nil && (first == nil || c.before(first)) {
			first = c
		}
	}
	if first == nil {
		return media.Packet{}, io.EOF
	}
	p, err := s.told(first.head)
	if err == nil {
		first.pass()
	}
	return p, err
}

// look reads a chain's next packet.
func (s *Source) look(c *chain) error {
	if c.head != nil || c.over {
		return nil
	}
	p, err := c.read()
	switch {
	case err == io.EOF: //nolint:errorlint // as media.Source has it
		c.over = true
		return nil
	case err != nil:
		return err
	case s.timeline != nil:
		s.timeline.tracks[p.kind].hole += p.hole
		p.Packet = s.timeline.place(p.Packet, p.kind, c.feed.opened)
	}
	c.head = &p
	return nil
}

// before says whether c's packet is to come before that of another chain. Of a live stream
// the one with fewer discontinuities does, for two segments: their playlists may count
// otherwise. Where the two are on clocks of their own, the one does of which less has come.
func (c *chain) before(other *chain) bool {
	p, q := c.head, other.head
	if c.source.timeline == nil && !p.NoDTS && !q.NoDTS {
		apart := (p.DTS - q.DTS).Abs() > maxApart
		switch {
		case p.clock == q.clock && !apart:
			c.alone, other.alone = 0, 0
		case p.clock != q.clock && c.alone+other.alone < 2*max(c.list.longest(), other.list.longest()):
			return p.clock < q.clock
		case apart:
			return c.alone < other.alone
		}
	}
	return p.NoDTS || !q.NoDTS && p.DTS < q.DTS
}

// pass notes that c's packet has been given.
func (c *chain) pass() {
	if step := c.head.DTS - c.passed; step > 0 && step <= maxForward {
		c.alone += step
	}
	c.passed, c.head = c.head.DTS, nil
}

// told is a packet as it is given, with the number of its track. The error is
// media.ErrLateVideo: of a source without a picture.
func (s *Source) told(p *sample) (media.Packet, error) {
	role, tracks := s.role(p.kind), slices.Clone(s.info.Tracks) // the ones before were given away
	if role == len(tracks) {
		t := p.Change
		if t == nil {
			t = s.track(p.kind)
		}
		if p.kind == media.Video {
			s.info.Tracks = append([]media.Track{*t}, tracks...)
			return media.Packet{}, media.ErrLateVideo
		}
		p.Change, tracks = t, append(tracks, *t)
	}
	p.Track = role
	p.Change = cmp.Or(p.Change, s.ahead.News[role])
	s.ahead.News[role] = nil
	if p.Change != nil {
		tracks[role] = *p.Change
		s.info.Tracks = tracks
	}
	return p.Packet, nil
}

// role is a type's index among Info's tracks; one that there is none of comes behind
// them.
func (s *Source) role(m media.MediaType) int {
	i := slices.IndexFunc(s.info.Tracks, func(t media.Track) bool { return t.Type == m })
	if i < 0 {
		return len(s.info.Tracks)
	}
	return i
}

// has says whether there is a track of a type.
func (s *Source) has(m media.MediaType) bool { return s.role(m) < len(s.info.Tracks) }

// hold makes run the chain's, unless the source has been closed.
func (s *Source) hold(c *chain, run media.Source) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		c.run = run
	}
	return !s.closed
}

// release takes the chain's run from it, to be closed; nil: Close does it.
func (s *Source) release(c *chain) media.Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	run := c.run
	c.run = nil
	return run
}

// stop ends the chains.
func (s *Source) stop() error {
	var errs []error
	for _, c := range s.chains {
		errs = append(errs, c.stop())
	}
	s.chains = nil
	return errors.Join(errs...)
}

// Close ends all that was begun, once, also while another method runs, which ends.
func (s *Source) Close() error {
	s.cancel(errClosed)
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	var errs []error
	for _, c := range s.chains { // nothing changes them, and what is theirs, any more
		if c.run != nil {
			errs = append(errs, c.run.Close())
		}
		if c.end != nil {
			c.end()
		}
	}
	s.fetcher.client.CloseIdleConnections()
	return errors.Join(errs...)
}
