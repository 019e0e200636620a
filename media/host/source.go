package host

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/still"
)

const (
	opOpen = "open source"
	opRead = "read source"
	opSeek = "seek in source"

	// owesTime is for how long a host has given nothing that hangs, when it does not
	// obey either.
	owesTime = 5 * time.Second
)

var (
	errClosed = errors.New("source closed")
	// errCrowded says that a host has no memory left for a source, which is not alone in it.
	errCrowded = errors.New("the media host has no memory left beside its other sources")
	errMoves   = media.Sentence("the worker's process that reads the source has no memory left beside its other sources: it is opened anew in one of its own")
)

// source is a source that a host takes apart. When the host dies, it goes on in
// another one, if its bytes can be read again or enough of them is kept, and its packets
// tell where it is; else its error says that it is to be opened anew.
type source struct {
	cancel  context.CancelCauseFunc
	pool    *Pool
	request media.SourceRequest
	log     logbook
	supply

	info    media.SourceInfo
	tracks  int // that have come
	window  window
	packets []media.Packet
	last    error // after them
	given   mark
	index   *index // nil: a host tells where each packet is

	working sync.Mutex // held by the method that works
	once    sync.Once

	host    *host // nil: none
	conn    *conn
	grown   int64     // bytes that a host had allocated for it alone
	crowded bool      // the last one that it had to leave had no memory left beside others
	owes    time.Time // since when the host has given nothing though it waits for nothing; zero: it has
}

var _ media.Source = (*source)(nil)

// Demux opens a source by gate, whose error it returns. Errors are *media.Error, or
// wrap ctx's cause.
func (p *Pool) Demux(ctx context.Context, r media.SourceRequest, gate media.Gate) (media.Source, error) {
	if r.Conduct.Poisoned() {
		return nil, errPoisoned(opOpen)
	}
	parent := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	s := &source{
		cancel: cancel, pool: p, request: r, log: logbook{log: cmp.Or(r.Log, p.cfg.Log)}, supply: supply{ctx: ctx, begun: time.Now()},
	}
	s.probe = newProbe(cmp.Or(r.ProbeTimeout, defaultProbeTime), cancel)
	defer s.probe.stop()
	var err error
	if s.way, err = gate.Open(ctx, r); err != nil {
		cancel(err)
		return nil, cmp.Or(s.ended(opOpen), err)
	}
	if s.way.Bytes.Seekable() {
		s.kept.stop()
		if r.AudioDelay == 0 {
			s.passed = &passed{}
		}
	}
	defer s.passed.forget()
	err = s.open()
	for s.dead(err) && s.died() && s.rewind() {
		err = s.open()
	}
	if err != nil {
		err = s.inWords(opOpen, err)
		_ = s.Close()
		return nil, err
	}
	if !s.probe.stop() {
		_ = s.Close()
		return nil, s.ended(opOpen)
	}
	s.probe = nil
	s.index = newIndex(s.passed, s.way.Bytes.Size(), s.info)
	if s.info.Still {
		return s.still(parent)
	}
	return s, nil
}

// still returns the source of the picture, and ends its session.
func (s *source) still(ctx context.Context) (media.Source, error) {
	defer func() { _ = s.Close() }()
	p, err := s.ReadPacket()
	if err != nil {
		return nil, err
	}
	return still.New(ctx, s.info, slices.Clone(p.Data)), nil
}

// sent is err, of sending, as dead knows it.
func (s *source) sent(err error) error {
	if err == nil {
		return nil
	}
	return cmp.Or(s.ended(opRead), errors.Join(errDied, err))
}

// open opens a session and lets its host look at the source.
func (s *source) open() error {
	s.leave()
	n := s.need()
	h, c, err := s.pool.session(s.ctx, n)
	if err != nil {
		return err
	}
	defer h.settle(n)
	s.host, s.conn = h, c
	c.bound(s.ctx)
	s.wanted, s.last, s.packets, s.window = 0, nil, nil, window{}
	s.index.begin()
	b := s.way.Bytes
	err = s.sent(c.sendJSON(kindOpen, opening{Level: levelOf(s.log.log), Source: &sourceOpening{
		Name: nameOf(s.way.URL), Mode: s.request.Mode, Choice: s.request.Choice, Bounds: s.request.Bounds, AudioDelay: int64(s.request.AudioDelay),
		Seekable: b.Seekable(), Size: b.Size(), Recorded: s.way.Recorded, Nice: niceFor(s.request.Conduct, s.given.began),
	}}))
	if err != nil {
		return err
	}
	said, err := s.hear(kindOpen)
	if err != nil {
		return err
	}
	for i, stream := range said.Info.Streams { // people read them
		said.Info.Streams[i].Language, said.Info.Streams[i].Title = media.Clean(stream.Language), media.Clean(stream.Title)
	}
	s.info, s.tracks = said.Info, len(said.Info.Tracks)
	s.kept.opened(said.Info.Container)
	return s.told(said.Fault)
}

func (s *source) need() need {
	return need{conduct: s.request.Conduct, memory: openingMemory(s.way.Bytes.Size()) + s.grown}
}

// hear waits for what a host says to one of its orders, and serves it meanwhile.
func (s *source) hear(to kind) (opened, error) {
	s.came = 0
	for {
		k, payload, err := s.receive()
		if err != nil {
			return opened{}, err
		}
		switch k { //nolint:exhaustive // the others are for nobody here
		case to:
			var said opened
			err := decode(payload, &said)
			if err == nil && !sound(said.Info) {
				err = errFrame
			}
			return said, err
		case kindBatch:
			if err := s.take(payload); err != nil {
				return opened{}, err
			}
			if s.wanted == 0 || len(s.packets) > 0 { // nobody has asked for packets
				return opened{}, errFrame
			}
			if err := s.feed(); err != nil {
				return opened{}, err
			}
			if s.came >= media.ComingBytes && s.request.Came != nil { // of a long index, no packet for long
				s.came = 0
				s.request.Came()
			}
		default:
			return opened{}, errFrame
		}
	}
}

// receive returns the next frame that is for the source.
func (s *source) receive() (kind, []byte, error) {
	for {
		s.owes = time.Now()
		k, payload, err := s.conn.receive(borrowed)
		if err != nil {
			return 0, nil, cmp.Or(s.ended(opRead), errors.Join(errDied, err))
		}
		s.owes = time.Time{}
		switch k { //nolint:exhaustive // the others are for nobody here
		case kindLog:
			err = s.log.write(payload)
		case kindWhy:
			err = s.sent(s.conn.sendJSON(kindWhy, s.why()))
		default:
			return k, payload, nil
		}
		if err != nil {
			return 0, nil, err
		}
	}
}

// told is what a host has said. In place of a refusal that it gives back, it is the
// refusal itself: its words may hold an address, which no host learns.
func (s *source) told(f *fault) error {
	err := f.error()
	if errors.Is(err, media.ErrMemory) && s.request.Conduct != nil && !s.host.isOwn() {
		return errCrowded
	}
	if s.refusal == nil || f == nil || f.Cause != nil || media.KindOf(err) != media.KindOf(s.refusal) {
		return err
	}
	return s.refusal
}

// take takes what a host has made, and gives its bytes back.
func (s *source) take(payload []byte) error {
	defer giveBack(payload)
	in := scanner{rest: payload, window: &s.window}
	wanted, from, left := in.uvarint(), in.varint(), in.uvarint()
	last := in.bytes()
	count := in.uvarint()
	if in.err != nil || wanted > mostRead || from < 0 || count > batchPackets {
		return errFrame
	}
	s.wanted, s.from = int(wanted), from
	before := len(s.packets)
	for range count {
		p := in.own(s.tracks)
		if in.err != nil {
			return in.err
		}
		s.tracks = max(s.tracks, p.Track+1)
		s.kept.came(p, s.info.Tracks)
		if s.index != nil && !s.index.follow(&p) {
			s.unindex()
		}
		s.packets = append(s.packets, p)
	}
	s.window.release(s.packets[before:], wanted > 0)
	if wanted > 0 {
		s.window.leave(int(min(left, mostLeft+1)))
	}
	if len(last) > 0 {
		var said opened
		if err := decode(last, &said); err != nil || !sound(said.Info) || said.Fault == nil {
			return errFrame
		}
		s.last = s.told(said.Fault)
		if errors.Is(s.last, media.ErrLateVideo) {
			s.info, s.tracks = said.Info, len(said.Info.Tracks)
		}
	}
	return nil
}

// feed gives the host the bytes that it waits for.
func (s *source) feed() error {
	data, err := s.next()
	if ended := s.ended(opRead); ended != nil {
		return ended
	}
	if len(data) == 0 {
		return s.sent(s.conn.sendJSON(kindEnd, endOf(err)))
	}
	s.window.add(s.at-int64(len(data)), data)
	return s.sent(s.conn.send(kindBytes, data))
}

// Info returns what the source turned out to be.
func (s *source) Info() media.SourceInfo { return s.info }

// ReadPacket returns the next packet of a chosen track, io.EOF after the last,
// media.ErrLateVideo once.
func (s *source) ReadPacket() (media.Packet, error) {
	s.working.Lock()
	defer s.working.Unlock()
	for {
		if over := s.over(opRead); over != nil {
			return media.Packet{}, over
		}
		if err := s.moveIn(); err != nil {
			return media.Packet{}, s.inWords(opRead, err)
		}
		p, err := s.read()
		switch {
		case errors.Is(err, errUnindexed):
			s.unindex()
			if err := s.revive(); err != nil {
				return media.Packet{}, s.inWords(opRead, err)
			}
			continue
		case err == nil && s.given.has(p):
			if p.Offset < s.old || s.old == 0 {
				continue // it was given before the host died
			}
			return media.Packet{}, s.goneOn(opRead) // the times have changed with the host
		case err == nil:
			s.given.note(p)
			s.accept(p)
			return p, nil
		case !s.dead(err):
			return p, s.inWords(opRead, err)
		}
		if !s.died() {
			return media.Packet{}, s.inWords(opRead, errDied)
		}
		if err := s.revive(); err != nil {
			return media.Packet{}, s.inWords(opRead, err)
		}
	}
}

// accept makes a track what p, which is given, says it is from now on.
func (s *source) accept(p media.Packet) {
	if p.Change == nil {
		return
	}
	s.info.Tracks = slices.Clone(s.info.Tracks)
	if p.Track == len(s.info.Tracks) {
		s.info.Tracks = append(s.info.Tracks, *p.Change)
	} else {
		s.info.Tracks[p.Track] = *p.Change
	}
}

func (s *source) read() (media.Packet, error) {
	for {
		if len(s.packets) > 0 {
			return media.TakeFirst(&s.packets), nil
		}
		if err := s.last; err != nil {
			s.last = nil
			return media.Packet{}, err
		}
		if s.lead() {
			return s.readIndexed()
		}
		if err := s.ask(); err != nil {
			return media.Packet{}, err
		}
	}
}

// ask lets the host go on until it answers.
func (s *source) ask() error {
	var err error
	if s.wanted > 0 {
		err = s.feed()
	} else {
		err = s.sent(s.conn.send(kindRead))
	}
	if err != nil {
		return err
	}
	k, payload, err := s.receive()
	if err != nil {
		return err
	}
	if k != kindBatch {
		return errFrame
	}
	return s.take(payload)
}

// Seek moves to the keyframe at or before pos.
func (s *source) Seek(pos time.Duration) error {
	s.working.Lock()
	defer s.working.Unlock()
	if over := s.over(opSeek); over != nil {
		return over
	}
	s.given = mark{seek: pos}
	err := s.seek(pos)
	for s.dead(err) && s.died() && s.rewind() {
		if err = s.open(); err == nil {
			err = s.seek(pos)
		}
	}
	return s.inWords(opSeek, err)
}

func (s *source) seek(pos time.Duration) error {
	if s.index.leading() {
		if !s.rewind() {
			return s.goneOn(opSeek)
		}
		if err := s.open(); err != nil {
			return err
		}
	}
	for s.wanted > 0 { // the host is in the middle of reading
		if err := s.ask(); err != nil {
			return err
		}
		s.packets = nil
	}
	s.packets, s.last = nil, nil
	s.index.begin()
	if err := s.sent(s.conn.sendJSON(kindSeek, pos)); err != nil {
		return err
	}
	said, err := s.hear(kindSeek)
	if err != nil {
		return err
	}
	if err := s.told(said.Fault); err != nil {
		return err
	}
	if len(said.Info.Tracks) < s.tracks {
		return errFrame
	}
	s.info, s.tracks = said.Info, len(said.Info.Tracks)
	return nil
}

// dead says whether err is that of a host that has died, or does not do as it should,
// which ends it.
func (s *source) dead(err error) bool {
	crowded, babbles := errors.Is(err, errCrowded), errors.Is(err, errFrame) && s.host != nil // not of one that did not even start
	if !crowded && !babbles && !errors.Is(err, errDied) {
		return false
	}
	s.crowded = crowded
	switch {
	case babbles:
		s.host.killFor(s.request.Conduct, babbled)
	case crowded: // the host lives on with the others
		s.request.Conduct.Died(media.Beside, false)
		s.leave()
	}
	return true
}

// died notes a death; it returns false when no other host is to try it, or not now.
func (s *source) died() bool {
	c := s.request.Conduct
	if s.host != nil {
		s.host.blame(c, s.given.gotFurther())
	}
	return !c.Poisoned() && !c.Harried()
}

// movable says whether another host can go on with what comes after the last packet given.
func (s *source) movable() bool {
	return !s.given.lost && !(s.way.Bytes.Seekable() && s.info.Live) && s.rewinds()
}

// moveIn goes on in a host with others, where the source has lived alone for long enough.
func (s *source) moveIn() error {
	if len(s.packets) > 0 || s.last != nil || s.host == nil || !s.host.mayShare.Load() || !s.movable() {
		return nil
	}
	s.grown = s.host.grown()
	if !s.host.vacate(s.need()) {
		s.grown = 0 // others may have joined it
		return nil
	}
	s.crowded = false
	return s.revive()
}

// revive goes on in another host with what comes after the last packet given.
func (s *source) revive() error {
	before := s.info
	for {
		if !s.movable() || !s.rewind() {
			return s.goneOn(opRead)
		}
		err := s.goOn(before)
		switch {
		case err == nil:
			return nil
		case !s.dead(err):
			return cmp.Or(s.ended(opRead), s.goneOn(opRead))
		case !s.died():
			return errDied
		}
	}
}

// goOn opens the source, which was like before, and makes it give what has not been
// given.
func (s *source) goOn(before media.SourceInfo) error {
	if err := s.open(); err != nil {
		return err
	}
	if !sameTracks(before, s.info) {
		return errChanged
	}
	s.info = before
	to, begun := s.given.position(before.StartTime)
	if !begun {
		to = s.given.seek
	}
	if to > 0 && s.way.Bytes.Seekable() {
		if err := s.seek(to); err != nil {
			return err
		}
	}
	s.given.skip()
	return nil
}

var errChanged = errors.New("another host finds something else in the source")

func sameTracks(a, b media.SourceInfo) bool {
	return slices.EqualFunc(a.Tracks, b.Tracks, func(a, b media.Track) bool { return a.Type == b.Type && a.Codec == b.Codec })
}

// ended returns why the source has ended from outside, nil if it has not.
func (s *source) ended(op string) error {
	if errors.Is(context.Cause(s.ctx), errEndless) {
		return &media.Error{Kind: media.KindSourceInvalid, Op: op, Err: errEndless}
	}
	return media.Interrupted(s.ctx, op)
}

// over returns why nothing more comes: it has ended, or no host has it any more.
func (s *source) over(op string) error {
	if ended := s.ended(op); ended != nil || s.conn != nil || s.index.leading() {
		return ended
	}
	return s.goneOn(op)
}

// goneOn is the end of a source that is to be opened anew.
func (s *source) goneOn(op string) error {
	if s.crowded {
		return &media.Error{Kind: media.KindSourceDropped, Op: op, Err: errMoves}
	}
	return errGoneOn(op)
}

// inWords is err as who opened the source may get it.
func (s *source) inWords(op string, err error) error {
	_, typed := errors.AsType[*media.Error](err)
	switch {
	case err == nil || err == io.EOF || typed || errors.Is(err, media.ErrLateVideo): //nolint:errorlint // as media.Source has it
		return err
	case s.request.Conduct.Poisoned():
		return errPoisoned(op)
	case errors.Is(err, errDied) || errors.Is(err, errFrame) || errors.Is(err, errCrowded):
		return cmp.Or(s.ended(op), s.goneOn(op)) // its time may have ended while its host died
	}
	return cmp.Or(s.ended(op), error(&media.Error{Kind: media.KindInternal, Op: op, Err: err}))
}

// Close ends the source, once, also while another method runs, which ends.
func (s *source) Close() error {
	s.once.Do(func() {
		s.cancel(errClosed)
		s.working.Lock()
		defer s.working.Unlock()
		s.leave()
		if s.way.Close != nil {
			s.way.Close()
		}
		s.way = media.Way{}
		s.packets = nil
		s.unindex()
	})
	return nil
}

// leave ends the session. Nobody waits for the host, but one that does not obey is
// killed.
func (s *source) leave() {
	if s.host != nil {
		go s.host.finish(s.conn, s.request.Conduct, !s.owes.IsZero() && time.Since(s.owes) > s.pool.cfg.owes)
		s.host, s.conn, s.owes = nil, nil, time.Time{}
	}
}

// nameOf is an address that says of a source's own no more than what helps to tell
// what it is: its scheme and how it ends.
func nameOf(address media.Secret) string {
	u, err := url.Parse(address.Reveal())
	if err != nil {
		return "file://source"
	}
	ending := strings.ToLower(path.Ext(u.Path))
	if !endings.MatchString(ending) {
		ending = ""
	}
	return strings.ToLower(u.Scheme) + "://source/source" + ending
}

var endings = regexp.MustCompile(`^\.[a-z0-9]{2,4}$`)
