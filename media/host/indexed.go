package host

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/bitstream"
	"github.com/roomcast/roomcast/media/mp4"
	"github.com/roomcast/roomcast/media/offheap"
)

const (
	// agreedPackets is how many packets of each track a host and the tables have to tell the
	// same of, in a row, mostDoubts how often they may differ, as at the begin of an edit,
	// mostFinds how often a packet is looked for in them.
	agreedPackets = 16
	mostDoubts    = 1000
	mostFinds     = 4
	// mostFrames is how many frames a packet of sound lasts at most: what is longer is a hole
	// behind it, as rc_read of media/libav has it.
	mostFrames = 4
)

// index is where the packets of a plain mp4 stand, by its own tables. The host opens the
// file, seeks in it and gives its first packets; where the tables tell the same of these, they
// tell of all that follow, and the file needs its host no more. In doubt, a host goes on.
type index struct {
	tables []*mp4.Track
	tracks [mostTracks]indexed
	doubts int
	finds  int  // since the host has begun
	leads  bool // no host has the file
	pieces [2]piece
	sparse bool           // little of the last piece was used
	memory offheap.Memory // of the samples
	owner  *offheap.Pieces
}

// unindex leaves the rest of the source to hosts.
func (s *source) unindex() {
	if s.index != nil {
		s.index.leavePieces()
		s.index.memory.Free()
	}
	s.index = nil
}

// indexed is a track of a source.
type indexed struct {
	chosen   bool
	table    *mp4.Track // nil: none of its packets has been found
	cursor   mp4.Cursor
	next     mp4.Sample    // of the cursor
	over     bool          // there is none
	dts, pts int64         // what libav adds, in units of the table
	frame    time.Duration // of sound: how long a packet lasts
	agreed   int
}

// newIndex returns the index of a source that has been opened, nil when its file is not one
// whose packets stand in it as they are given.
func newIndex(file *passed, size int64, info media.SourceInfo) *index {
	if file == nil || file.off || info.Live || info.Still || info.Retimed || len(info.Tracks) > mostTracks || !strings.HasPrefix(info.Container, "mov") {
		return nil
	}
	x := &index{owner: &offheap.Pieces{}}
	for n, t := range info.Tracks {
		if !x.tracks[n].choose(t) {
			return nil
		}
	}
	var err error
	if x.tables, err = mp4.Read(file, size, &x.memory); err != nil {
		x.memory.Free()
		return nil
	}
	return x
}

// choose says whether the packets of t are its samples as they stand.
func (t *indexed) choose(track media.Track) bool {
	t.chosen = true
	switch track.Codec {
	case media.H264: // else each picture has to be looked at: it may be of two fields
		_, sure := bitstream.DescribeH264(track.Extradata)
		return sure
	case "hevc":
		return true
	case media.AAC:
		_, t.frame, _ = bitstream.DescribeAAC(track.Extradata)
		return t.frame > 0
	}
	return false
}

// forget forgets where the track is.
func (t *indexed) forget() { *t = indexed{chosen: t.chosen, frame: t.frame} }

// begin forgets where the source is: a host gives its packets from another place.
func (x *index) begin() {
	if x == nil {
		return
	}
	x.leads, x.sparse, x.finds = false, false, 0
	x.leavePieces()
	for n := range x.tracks {
		x.tracks[n].forget()
	}
}

// leading says whether packets are read without a host.
func (x *index) leading() bool { return x != nil && x.leads }

// lead says whether the tables lead on from here. The host is left then.
func (s *source) lead() bool {
	x := s.index
	if x == nil || x.leads || !x.ready() || !s.movable() {
		return x.leading()
	}
	s.leave()
	if s.way.Onward != nil {
		s.way.Onward()
	}
	x.leads, s.packets = true, nil
	w := &s.window
	left, given := w.borders()
	x.pieces = [2]piece{{at: left, data: w.left}, {at: given, data: w.given, used: w.kept}}
	*w = window{}
	return true
}

// follow compares what the tables tell with a packet that a host has given. It returns false
// when they are not to be trusted.
func (x *index) follow(p *media.Packet) bool {
	t := &x.tracks[p.Track]
	if !t.chosen {
		return false
	}
	if (t.table == nil || t.over || t.next.Offset != p.Offset) && !x.find(t, p) {
		x.doubts++
		return x.doubts < mostDoubts
	}
	if t.agreed == 0 { // the first, or edits have moved those before
		t.dts = unitsOf(p.DTS, t.table.Scale) - t.next.DTS
		t.pts = unitsOf(p.PTS, t.table.Scale) - t.next.DTS - t.next.Shift
	}
	if t.same(p) {
		t.agreed++
	} else {
		x.doubts++
		t.agreed = 0
	}
	t.advance()
	return x.doubts < mostDoubts
}

// find finds p in the tables.
func (x *index) find(t *indexed, p *media.Packet) bool {
	t.forget()
	if x.finds++; x.finds > mostFinds {
		return false
	}
	if t.table, t.cursor = mp4.Find(x.tables, p.Offset); t.table == nil {
		return false
	}
	t.advance()
	return true
}

func (t *indexed) advance() {
	s, ok := t.cursor.Next()
	t.next, t.over = s, !ok
}

// packet is what the tables tell of the next packet.
func (t *indexed) packet(track int) media.Packet {
	s, scale := t.next, t.table.Scale
	p := media.Packet{
		Track: track, DTS: timeIn(s.DTS+t.dts, scale), PTS: timeIn(s.DTS+s.Shift+t.pts, scale), Duration: timeIn(s.Duration, scale),
		Keyframe: s.Keyframe, Offset: s.Offset,
	}
	if t.table.Type == media.Audio && p.Duration > mostFrames*t.frame {
		p.Duration = t.frame
	}
	return p
}

// same says whether p is what the tables tell.
func (t *indexed) same(p *media.Packet) bool {
	q := t.packet(p.Track)
	return len(p.Data) == t.next.Size && p.DTS == q.DTS && p.PTS == q.PTS && p.Duration == q.Duration && p.Keyframe == q.Keyframe &&
		!p.NoPTS && !p.NoDTS && !p.Corrupt && !p.Discard && p.Extradata == nil && p.Change == nil && p.LeftOut == nil
}

// ready says whether enough packets have been the same.
func (x *index) ready() bool {
	for _, t := range x.tracks {
		if t.chosen && t.agreed < agreedPackets {
			return false
		}
	}
	return true
}

// track returns the track whose packet comes next, -1 behind the last one: as libav has it,
// in the order of the file, but for what comes a second before it.
func (x *index) track() int {
	best := -1
	for n := range x.tracks {
		switch t := &x.tracks[n]; {
		case !t.chosen || t.over:
		case best < 0 || t.before(&x.tracks[best]):
			best = n
		}
	}
	return best
}

func (t *indexed) before(o *indexed) bool {
	here, there := timeIn(t.next.DTS+t.dts, t.table.Scale), timeIn(o.next.DTS+o.dts, o.table.Scale)
	if (here - there).Abs() > time.Second {
		return here < there
	}
	return t.next.Offset < o.next.Offset
}

// unitsOf is d in units of 1/scale s, rounded.
func unitsOf(d time.Duration, scale int64) int64 {
	second := int64(time.Second)
	whole, rest := int64(d)/second, int64(d)%second
	return whole*scale + rounded(rest*scale, second)
}

// timeIn is the time of units of 1/scale s, rounded as libav does.
func timeIn(units, scale int64) time.Duration {
	second := int64(time.Second)
	return time.Duration(units/scale*second + rounded(units%scale*second, scale))
}

func rounded(a, b int64) int64 {
	if a < 0 {
		return -((-a + b/2) / b)
	}
	return (a + b/2) / b
}

// errUnindexed says that a host has to go on.
var errUnindexed = errors.New("the tables of the source do not lead on")

// readIndexed returns the next packet of a source that has no host.
func (s *source) readIndexed() (media.Packet, error) {
	n := s.index.track()
	if n < 0 {
		return media.Packet{}, io.EOF
	}
	t := &s.index.tracks[n]
	p := t.packet(n)
	if err := s.cut(&p, t.next.Size); err != nil {
		return p, err
	}
	if info := s.info.Tracks[n]; p.Keyframe && info.Codec == media.H264 && bitstream.NewSet(p.Data, info.Extradata) {
		p.Release()
		return p, errUnindexed // it may become of two fields
	}
	t.advance()
	return p, nil
}

// cut gives p its n bytes. They are part of a piece that it shares with other packets, unless
// that would keep much more of it than they are.
func (s *source) cut(p *media.Packet, n int) error {
	x, from := s.index, &s.index.pieces[p.Track]
	if other := &x.pieces[1-p.Track]; other.has(p.Offset, n) != nil {
		from = other
	}
	have := from.has(p.Offset, n)
	if n > offheap.PieceBytes {
		return s.collect(p, have, n)
	}
	if len(have) < n && !(from == &x.pieces[p.Track] && from.takes(p.Offset, n)) {
		from = x.turn(p.Track, p.Offset, have)
	}
	for ; len(have) < n; have = from.has(p.Offset, n) {
		if err := s.fill(from); err != nil {
			return err
		}
	}
	from.used += n
	if x.sparse {
		p.Data = bytes.Clone(have)
		return nil
	}
	p.Data, p.Piece = have, from.memory
	p.Piece.Use()
	return nil
}

// collect gives p, which is longer than a piece, bytes of its own.
func (s *source) collect(p *media.Packet, have []byte, n int) error {
	p.Data = append(make([]byte, 0, n), have...)
	for len(p.Data) < n {
		got, err := s.readAt(p.Offset+int64(len(p.Data)), p.Data[len(p.Data):n])
		if err != nil {
			return err
		}
		p.Data = p.Data[:len(p.Data)+got]
	}
	return nil
}

// leastFill is how much room a piece has that is read on into.
const leastFill = 32 << 10

// takes says whether p can be read on until it has all of a packet, and that is worth it.
func (p *piece) takes(at int64, n int) bool {
	return p.memory != nil && at >= p.at && len(p.data)+leastFill <= offheap.PieceBytes && int(at-p.at)+n <= offheap.PieceBytes
}

// turn makes a track's piece one that begins with the begin of a packet.
func (x *index) turn(track int, at int64, begin []byte) *piece {
	p, before := &x.pieces[track], x.pieces[track]
	if len(p.data) > 0 {
		x.sparse = p.used < len(p.data)/mostKeeps
	}
	memory := x.owner.Take()
	*p = piece{at: at, data: memory.Bytes[:copy(memory.Bytes, begin)], memory: memory}
	before.memory.Release()
	if other := &x.pieces[1-track]; !x.needs(other) {
		other.leave()
	}
	return p
}

// fill reads on into p, which has room.
func (s *source) fill(p *piece) error {
	n, err := s.readAt(p.end(), p.memory.Bytes[len(p.data):])
	p.data = p.memory.Bytes[:len(p.data)+n]
	return err
}

// readAt reads what is there at a position. Without a byte there is an error.
func (s *source) readAt(at int64, to []byte) (int, error) {
	s.wanted, s.from = len(to), at
	n, err := s.load(to)
	if ended := s.ended(opRead); ended != nil {
		return 0, ended
	}
	if n == 0 {
		if s.why(); s.refusal != nil && err != io.EOF { //nolint:errorlint // as io.Reader has it
			return 0, s.refusal
		}
		return 0, errors.Join(errUnindexed, err)
	}
	return n, nil
}

// needs says whether a packet is still to come that begins in p.
func (x *index) needs(p *piece) bool {
	return slices.ContainsFunc(x.tracks[:], func(t indexed) bool { return t.chosen && !t.over && t.next.Offset < p.end() })
}

func (x *index) leavePieces() {
	for i := range x.pieces {
		x.pieces[i].leave()
	}
}
