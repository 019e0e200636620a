package host

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/roomcast/roomcast/media"
)

const (
	opOpen = "open source"
	opRead = "read source"
	opSeek = "seek in source"

	defaultProbeTime = 15 * time.Second
	// comingBytes is what has to come of a source that is being opened for it not to be
	// silent: less is a drip.
	comingBytes = 16 << 10
	// openingBytes may come of a source before it is known what it is: the index of a
	// day is 100 MB. What some demuxers find no head and no tail of they read for ever.
	openingBytes = 256 << 20
	// further is how much of a source must have come between two deaths for the second
	// one to be another.
	further = 2 * time.Second
)

var (
	errClosed  = errors.New("source closed")
	errEndless = media.Because("it does not say what it is in its first 256 MB", nil)
)

// source is a source that a host takes apart. When the host dies, it goes on in
// another one, if its bytes can be read again or enough of them is kept, and its packets
// tell where it is; else its error says that it is to be opened anew.
type source struct {
	// ctx is a field because the contract of media.Opener makes one context bound all
	// calls of a Source.
	ctx     context.Context
	cancel  context.CancelCauseFunc
	pool    *Pool
	request media.SourceRequest
	way     media.Way
	log     logbook
	info    media.SourceInfo

	tracks  int // that have come
	packets []media.Packet
	last    error // after them
	wanted  int   // bytes that the host waits for; 0: it waits to be asked
	from    int64 // their position
	at      int64 // of the Way's bytes
	kept    kept
	replay  []byte    // of what is kept, that the host is still to get
	fetched time.Time // when a live source's bytes were read last
	old     int64     // position of the first byte that no host before had
	probe   *probe    // nil: it is open
	given   mark

	refusal  error // of the Way's, as the host was told last
	poisoned bool  // no host is to try it again

	working sync.Mutex // held by the method that works
	once    sync.Once

	host *host // nil: none
	conn *conn
}

var _ media.Source = (*source)(nil)

// mark is how far a source has been given.
type mark struct {
	seek    time.Duration    // the last position sought
	last    [2]time.Duration // times of the last packets, by track
	came    [2]bool
	began   bool          // anything has come that has a time
	reached time.Duration // the furthest time that has come
	died    time.Duration // reached when the host before died, or where it began
	skips   [2]bool       // tracks of which what comes has been given
	lost    bool          // its packets do not tell where it is
}

// Demux opens a source by gate, whose error it returns. Errors are *media.Error, or
// wrap ctx's cause.
func (p *Pool) Demux(ctx context.Context, r media.SourceRequest, gate media.Gate) (media.Source, error) {
	parent := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	s := &source{ctx: ctx, cancel: cancel, pool: p, request: r, log: logbook{log: cmp.Or(r.Log, p.cfg.Log)}}
	s.probe = newProbe(cmp.Or(r.ProbeTimeout, defaultProbeTime), cancel)
	defer s.probe.stop()
	var err error
	if s.way, err = gate.Open(ctx, r); err != nil {
		cancel(err)
		return nil, cmp.Or(s.ended(opOpen), err)
	}
	if s.way.Bytes.Seekable() {
		s.kept.stop()
	}
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
	return media.NewStill(ctx, s.info, slices.Clone(p.Data)), nil
}

// probe bounds the opening: not how long it takes, but for how long nothing comes.
type probe struct {
	limit     time.Duration
	timer     *time.Timer
	cancel    context.CancelCauseFunc
	drip, all int // bytes that came, since it was given time and since the begin
}

func newProbe(limit time.Duration, cancel context.CancelCauseFunc) *probe {
	return &probe{limit: limit, cancel: cancel, timer: time.AfterFunc(limit, func() { cancel(media.ErrProbe) })}
}

func (p *probe) came(n int) {
	if p == nil {
		return
	}
	if p.all += n; p.all > openingBytes && p.timer.Stop() {
		p.cancel(errEndless)
		return
	}
	if p.drip += n; p.drip >= comingBytes && p.timer.Stop() {
		p.drip = 0
		p.timer.Reset(p.limit)
	}
}

// stop returns false when the time is over.
func (p *probe) stop() bool { return p.timer.Stop() }

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
	h, c, err := s.pool.session(s.ctx, need{conduct: s.request.Conduct})
	if err != nil {
		return err
	}
	s.host, s.conn = h, c
	c.bound(s.ctx)
	s.wanted, s.last, s.packets = 0, nil, nil
	b := s.way.Bytes
	err = s.sent(c.sendJSON(kindOpen, opening{Level: levelOf(s.log.log), Source: &sourceOpening{
		Name: nameOf(s.way.URL), Mode: s.request.Mode, Choice: s.request.Choice, AudioDelay: int64(s.request.AudioDelay),
		Seekable: b.Seekable(), Size: b.Size(), Recorded: s.way.Recorded,
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

// hear waits for what a host says to one of its orders, and serves it meanwhile.
func (s *source) hear(to kind) (opened, error) {
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
			if err := s.feed(); err != nil {
				return opened{}, err
			}
		default:
			return opened{}, errFrame
		}
	}
}

// receive returns the next frame that is for the source.
func (s *source) receive() (kind, []byte, error) {
	for {
		k, payload, err := s.conn.receive(fresh)
		if err != nil {
			return 0, nil, cmp.Or(s.ended(opRead), errors.Join(errDied, err))
		}
		switch k { //nolint:exhaustive // the others are for nobody here
		case kindLog:
			err = s.log.write(payload)
		case kindWhy:
			err = s.explain()
		default:
			return k, payload, nil
		}
		if err != nil {
			return 0, nil, err
		}
	}
}

// explain tells a host why the bytes have ended.
func (s *source) explain() error {
	var w why
	if s.way.Refusal != nil {
		s.refusal = s.way.Refusal()
	}
	if s.refusal != nil {
		w.Refusal = &fault{Typed: true, Kind: int(media.KindOf(s.refusal)), Op: opRead}
	}
	if s.way.Found != nil {
		w.Found = s.way.Found()
	}
	return s.sent(s.conn.sendJSON(kindWhy, w))
}

// told is what a host has said. In place of a refusal that it gives back, it is the
// refusal itself: its words may hold an address, which no host learns.
func (s *source) told(f *fault) error {
	err := f.error()
	if s.refusal == nil || f == nil || f.Is != "" || f.Sentence+f.Reason+f.Text != "" || media.KindOf(err) != media.KindOf(s.refusal) {
		return err
	}
	return s.refusal
}

// endOf says that there are no more bytes: at the source's end, or for a reason that is
// nothing to a host.
func endOf(err error) end {
	if err == nil || err == io.EOF { //nolint:errorlint // as io.Reader has it
		return end{faultOf(err)}
	}
	return end{&fault{Text: "its bytes cannot be read"}}
}

// take takes what a host has made.
func (s *source) take(payload []byte) error {
	in := scanner{rest: payload}
	wanted, from := in.uvarint(), in.varint()
	last := in.bytes()
	count := in.uvarint()
	if in.err != nil || wanted > mostRead || from < 0 || count > batchPackets {
		return errFrame
	}
	s.wanted, s.from = int(wanted), from
	for range count {
		p := in.packet(s.tracks)
		if in.err != nil {
			return in.err
		}
		s.tracks = max(s.tracks, p.Track+1)
		s.kept.came(p, s.info.Tracks)
		s.packets = append(s.packets, p)
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
	b := s.way.Bytes
	if s.from != s.at {
		at, err := b.Seek(s.from, io.SeekStart)
		if err != nil {
			return s.sent(s.conn.sendJSON(kindEnd, endOf(err)))
		}
		s.at = at
	}
	buffer := lent(s.wanted)[:s.wanted]
	defer giveBack(buffer)
	n, err := s.fetch(buffer)
	if ended := s.ended(opRead); ended != nil {
		return ended
	}
	s.wanted, s.at = 0, s.at+int64(n)
	if n > 0 {
		s.probe.came(n)
		err = s.conn.send(kindBytes, buffer[:n])
	} else {
		err = s.conn.sendJSON(kindEnd, endOf(cmp.Or(err, io.ErrNoProgress)))
	}
	return s.sent(err)
}

// fetch reads what is there of the source's bytes: first those that the host before had.
func (s *source) fetch(to []byte) (int, error) {
	if len(s.replay) > 0 {
		n := copy(to, s.replay)
		s.replay = s.replay[n:]
		return n, nil
	}
	if !s.way.Bytes.Seekable() && s.probe == nil && !s.way.Recorded {
		s.gather()
	}
	n, err := readWhatIsThere(s.way.Bytes, to)
	s.kept.add(to[:n])
	return n, err
}

// gatherTime is how far apart a live source's bytes are handed to its host at least:
// they come in pieces of a packet of the network, and each turn has its price.
const gatherTime = 20 * time.Millisecond

// gather lets a live source's bytes come together.
func (s *source) gather() {
	if wait := gatherTime - time.Since(s.fetched); wait > 0 {
		select {
		case <-time.After(wait):
		case <-s.ctx.Done():
		}
	}
	s.fetched = time.Now()
}

// fullRead is as much as comes at once of what is there already.
const fullRead = 16 << 10

// readWhatIsThere reads as much as there is, and waits for no more. Its error is that
// of the first read.
func readWhatIsThere(r io.Reader, to []byte) (int, error) {
	n, err := r.Read(to)
	for last := n; err == nil && last >= fullRead && n < len(to); n += last {
		last, _ = r.Read(to[n:])
	}
	return n, err
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
		p, err := s.read()
		switch {
		case err == nil && s.given.has(p):
			if p.Offset < s.old || s.old == 0 {
				continue // it was given before the host died
			}
			return media.Packet{}, errGoneOn(opRead) // the times have changed with the host
		case err == nil:
			s.given.note(p)
			s.accept(p)
			return p, nil
		case !s.dead(err):
			return p, s.inWords(opRead, err)
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
			p := s.packets[0]
			s.packets[0] = media.Packet{}
			s.packets = s.packets[1:]
			return p, nil
		}
		if err := s.last; err != nil {
			s.last = nil
			return media.Packet{}, err
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
	for s.wanted > 0 { // the host is in the middle of reading
		if err := s.ask(); err != nil {
			return err
		}
	}
	s.packets, s.last = nil, nil
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
	if errors.Is(err, errFrame) {
		s.host.killFor(s.request.Conduct, "said what is no frame of ours")
		return true
	}
	return errors.Is(err, errDied)
}

// died notes a death; it returns false when no other host is to try it, or not now.
func (s *source) died() bool {
	s.poisoned = s.host.blame(s.request.Conduct, s.given.gotFurther())
	return !s.poisoned && !s.request.Conduct.Harried()
}

// rewind makes the next host begin with the source's begin, or with what is kept of it.
// It returns false when it cannot.
func (s *source) rewind() bool {
	if s.ctx.Err() != nil {
		return false
	}
	s.at = 0
	if s.way.Bytes.Seekable() {
		_, err := s.way.Bytes.Seek(0, io.SeekStart)
		return err == nil
	}
	var ok bool
	s.replay, ok = s.kept.again()
	s.old = int64(len(s.replay))
	return ok
}

// revive goes on in another host with what comes after the last packet given.
func (s *source) revive() error {
	before := s.info
	for {
		if !s.died() {
			return errDied
		}
		if s.given.lost || s.way.Bytes.Seekable() && s.info.Live || !s.rewind() {
			return errGoneOn(opRead)
		}
		err := s.goOn(before)
		if err == nil {
			return nil
		}
		if !s.dead(err) {
			return cmp.Or(s.ended(opRead), errGoneOn(opRead))
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

// timeOf is the time by which packets of a track follow each other.
func timeOf(p media.Packet) (time.Duration, bool) {
	if p.NoDTS {
		return p.PTS, !p.NoPTS
	}
	return p.DTS, true
}

// note notes a packet that is given.
func (m *mark) note(p media.Packet) {
	t, timed := timeOf(p)
	switch {
	case !timed:
	case m.began:
		m.reached = max(m.reached, t)
	default:
		m.began, m.reached, m.died = true, t, t
	}
	switch {
	case m.lost:
	case !timed || p.Track >= len(m.last) || p.Change != nil || m.came[p.Track] && (t < m.last[p.Track] || p.Extradata != nil):
		m.lost = true
	default:
		m.last[p.Track], m.came[p.Track] = t, true
	}
}

// gotFurther says, when a host has died, whether much has come since the last one did,
// or since where it began.
func (m *mark) gotFurther() bool {
	got := m.reached-m.died >= further
	m.died = m.reached
	return got
}

// position is where a source begins that is to go on, counted from its start; begun
// says whether anything of it has been given.
func (m *mark) position(start time.Duration) (at time.Duration, begun bool) {
	for i, came := range m.came {
		if came && (!begun || m.last[i]-start < at) {
			at, begun = m.last[i]-start, true
		}
	}
	return at, begun
}

// skip makes all that has been given be left out.
func (m *mark) skip() { m.skips = m.came }

// has says whether p has been given.
func (m *mark) has(p media.Packet) bool {
	if p.Track >= len(m.skips) || !m.skips[p.Track] {
		return false
	}
	t, timed := timeOf(p)
	m.skips[p.Track] = timed && t <= m.last[p.Track]
	return m.skips[p.Track]
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
	if ended := s.ended(op); ended != nil || s.conn != nil {
		return ended
	}
	return errGoneOn(op)
}

// inWords is err as who opened the source may get it.
func (s *source) inWords(op string, err error) error {
	_, typed := errors.AsType[*media.Error](err)
	switch {
	case err == nil || err == io.EOF || typed || errors.Is(err, media.ErrLateVideo): //nolint:errorlint // as media.Source has it
		return err
	case s.poisoned:
		return errPoisoned(op)
	case errors.Is(err, errDied) || errors.Is(err, errFrame):
		return errGoneOn(op)
	}
	return cmp.Or(s.ended(op), error(&media.Error{Kind: media.KindInternal, Op: op, Err: err}))
}

var errLeftAlone = errors.New("its media host has died") // no errDied: nobody is to revive it

// errGoneOn is the end of a source that is to be opened anew.
func errGoneOn(op string) error {
	return &media.Error{Kind: media.KindSourceDropped, Op: op, Err: errLeftAlone}
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
	})
	return nil
}

// leave ends the session. Nobody waits for the host, but one that does not obey is
// killed.
func (s *source) leave() {
	if s.host != nil {
		go s.host.finish(s.conn, s.request.Conduct)
		s.host, s.conn = nil, nil
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

// What a host may say a source is.
const (
	mostStreams = 512
	mostPixels  = 1 << 16 // of a side
	mostRate    = 1 << 20 // hertz
	mostVoices  = 1 << 10 // channels
)

// sound says whether i can be of a source.
func sound(i media.SourceInfo) bool {
	if len(i.Tracks) > mostTracks || len(i.Streams) > mostStreams || i.Duration < 0 || len(i.Tracks) == 2 && i.Tracks[0].Type == i.Tracks[1].Type {
		return false
	}
	for _, t := range i.Tracks {
		if !soundTrack(t) {
			return false
		}
	}
	return len(i.Tracks) > 0 || !i.Still
}

func soundTrack(t media.Track) bool {
	within := func(n, most int) bool { return n >= 0 && n <= most }
	return known(t.Type) && within(t.Width, mostPixels) && within(t.Height, mostPixels) && within(t.SampleRate, mostRate) &&
		within(t.Channels, mostVoices) && t.FPS >= 0
}

// levelOf is the least level of which log wants lines.
func levelOf(log *slog.Logger) slog.Level {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn} {
		if log.Enabled(context.Background(), level) {
			return level
		}
	}
	return slog.LevelError
}
