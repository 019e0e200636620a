package host

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math"
	"runtime"
	"time"

	"github.com/roomcast/roomcast/media"
	"golang.org/x/sys/unix"
)

const (
	// A batch of packets is handed over when it is this large, or when its next packet
	// needs bytes that are not here.
	batchBytes   = 512 << 10
	batchPackets = 1024
	// mostPlaced is how many bytes of a batch are told by their places at most, which may
	// lie above each other: the last packet's may be all of a window.
	mostPlaced = batchBytes + mostLeft + mostRead
	// What is asked for of the source's bytes at once: at first, and where it is read
	// in a row.
	firstRead = 32 << 10
	mostRead  = 128 << 10
	// fewLeft is how few bytes are left of a file that is read in a row when more are fetched:
	// about two pictures. Who waits when libav asks keeps a thread and wakes two more.
	fewLeft = 16 << 10
)

// opened is what became of a source, or of a seek in it.
type opened struct {
	Fault *fault
	Info  media.SourceInfo
}

// end is that of the source's bytes.
type end struct{ Fault *fault }

// why is what a Way knows of the end of its source.
type why struct {
	Refusal *fault
	Found   string
}

// batch is packets that are to be handed over.
type batch struct {
	buffer []byte
	count  int
	bytes  int // of the packets, also of those that are told by their place
}

// servedSource is a source in its host.
type servedSource struct {
	*session
	media.Source
	packets batch
	bytes   *fetched
	recycle func([]byte)
	still   bool // all packets have the same data
}

func (s *session) serveSource(ctx context.Context, av Libav, o sourceOpening) error {
	served := &servedSource{session: s, recycle: av.Recycle}
	served.bytes = &fetched{served: served, seekable: o.Seekable, size: o.Size, wanted: firstRead}
	way := media.Way{
		Bytes: served.bytes, Recorded: o.Recorded, URL: media.Secret(o.Name),
		Refusal: func() error { return served.why().Refusal.error() },
		Found:   func() string { return served.why().Found },
	}
	var src media.Source
	err := niced(o.Nice, func() (err error) {
		src, err = av.Demuxer.Demux(ctx, media.SourceRequest{
			URL: way.URL, Mode: o.Mode, Choice: o.Choice, Bounds: o.Bounds, AudioDelay: time.Duration(o.AudioDelay), Log: s.log,
		}, given{way, served.bytes})
		return err
	})
	if err != nil {
		return s.sendJSON(kindOpen, opened{Fault: faultOf(err)})
	}
	served.Source, served.still = src, src.Info().Still
	return errors.Join(served.run(), src.Close())
}

// niced calls f, in a thread of this niceness where that is not 0.
func niced(nice int, f func() error) error {
	if nice == 0 {
		return f()
	}
	ended := make(chan error)
	go func() {
		runtime.LockOSThread() // the thread ends with f: it may not be less nice again
		_ = unix.Setpriority(unix.PRIO_PROCESS, 0, nice)
		ended <- media.Caught(f)
	}()
	return <-ended
}

// given is the gate to a way that is open.
type given struct {
	way   media.Way
	bytes *fetched
}

// Open bounds the way's life by ctx, which a seek that stalls ends.
func (g given) Open(ctx context.Context, _ media.SourceRequest) (media.Way, error) {
	g.bytes.ctx = ctx
	return g.way, nil
}

func (s *servedSource) run() error {
	if err := s.sendJSON(kindOpen, opened{Info: finite(s.Info())}); err != nil {
		return err
	}
	for {
		f, err := s.next()
		if err != nil {
			return err
		}
		switch f.kind { //nolint:exhaustive // the others are for nobody here
		case kindRead:
			err = s.read()
		case kindSeek:
			err = s.seek(f.payload)
		default:
			err = errFrame
		}
		if err != nil {
			return err
		}
	}
}

// read reads until a batch is full or the source says what is no packet.
func (s *servedSource) read() error {
	for {
		s.bytes.foresee()
		p, err := s.ReadPacket()
		if err != nil {
			return s.sendBatch(0, &opened{Fault: faultOf(err), Info: finite(s.Info())})
		}
		if s.packets.count == 0 {
			s.packets.buffer = lent(mostRead)
		}
		if p.Change != nil {
			p.Change = finiteTrack(*p.Change)
		}
		if s.packets.buffer, err = appendPacket(s.packets.buffer, &p, &s.bytes.window); err != nil {
			return err
		}
		s.packets.bytes += p.Size()
		if !s.still {
			s.recycle(p.Data)
		}
		if s.packets.count++; s.packets.count >= batchPackets || s.packets.bytes >= batchBytes {
			return s.sendBatch(0, nil)
		}
	}
}

// sendBatch hands over what there is: how many bytes are wanted, from where, and how many
// of those before are left in the window then; an error's JSON; packets.
func (s *servedSource) sendBatch(wanted int, last *opened) error {
	head := binary.AppendUvarint(nil, uint64(wanted))
	head = binary.AppendVarint(head, s.bytes.at)
	head = binary.AppendUvarint(head, uint64(s.bytes.window.unfound()))
	var text []byte
	if last != nil {
		var err error
		if text, err = json.Marshal(last); err != nil {
			return err
		}
	}
	head = appendBytes(head, text)
	head = binary.AppendUvarint(head, uint64(s.packets.count))
	packets := s.packets.buffer
	defer giveBack(packets)
	s.packets = batch{}
	return s.send(kindBatch, head, packets)
}

func (s *servedSource) seek(payload []byte) error {
	var to time.Duration
	if err := decode(payload, &to); err != nil {
		return err
	}
	err := s.Seek(to)
	return s.sendJSON(kindSeek, opened{Fault: faultOf(err), Info: finite(s.Info())})
}

// next returns the worker's next frame. The bytes of a long one are lent.
func (s *servedSource) next() (frame, error) { return s.nextIn(borrowed) }

// why asks the worker why the source's bytes have ended.
func (s *servedSource) why() (w why) {
	if s.send(kindWhy) != nil {
		return w
	}
	f, err := s.next()
	if err != nil || f.kind != kindWhy {
		return w
	}
	_ = decode(f.payload, &w) // then nothing is known
	return w
}

// fetched is a source's bytes, which the worker fetches.
type fetched struct {
	served   *servedSource
	seekable bool
	size     int64
	at       int64  // of the next byte that is asked for
	there    []byte // before it
	window   window // that they are in
	wanted   int
	full     bool  // as much came at last as was asked for
	early    error // of foresee
	ended    error
	// ctx is a field because the contract of media.Gate makes one context bound all reads.
	ctx context.Context
}

var _ media.Bytes = (*fetched)(nil)

func (f *fetched) Seekable() bool { return f.seekable }
func (f *fetched) Size() int64    { return f.size }

func (f *fetched) Read(to []byte) (int, error) {
	if len(f.there) == 0 {
		if err := f.fetch(); err != nil {
			return 0, err
		}
	}
	n := copy(to, f.there)
	f.there = f.there[n:]
	return n, nil
}

// foresee fetches what libav is about to ask for, of a source that gives more than is asked
// for: the packets of one that is slow, or live, do not wait for it.
func (f *fetched) foresee() {
	left := f.window.unfound()
	if f.seekable && f.full && f.early == nil && f.wanted == mostRead && len(f.there) == 0 && left > 0 && left <= fewLeft {
		f.early = f.fetch()
	}
}

func (f *fetched) fetch() error {
	err := cmp.Or(f.early, f.ended, f.ctx.Err())
	if f.early = nil; err != nil {
		return err
	}
	s := f.served
	if err := s.sendBatch(f.wanted, nil); err != nil {
		return err
	}
	f.window.leave(f.window.unfound())
	got, err := s.next()
	if err != nil {
		return err
	}
	switch got.kind { //nolint:exhaustive // the others are for nobody here
	case kindBytes:
		f.window.add(f.at, got.payload) // as the worker has by now
		f.there, f.at = got.payload, f.at+int64(len(got.payload))
		f.full = len(got.payload) == f.wanted
		f.wanted = min(2*f.wanted, mostRead)
		return f.ctx.Err()
	case kindEnd:
		var e end
		if err := decode(got.payload, &e); err != nil {
			return err
		}
		err := cmp.Or(e.Fault.error(), io.EOF)
		if !f.seekable {
			f.ended = err
		}
		return err
	default:
		return errFrame
	}
}

func (f *fetched) Seek(offset int64, whence int) (int64, error) {
	here := f.at - int64(len(f.there))
	switch whence {
	case io.SeekCurrent:
		offset += here
	case io.SeekEnd:
		if f.size < 0 {
			return here, errors.New("its end is not known")
		}
		offset += f.size
	}
	switch {
	case offset < 0:
		return here, errors.New("a position before the begin")
	case offset == here:
	case !f.seekable:
		return here, errors.New("it cannot be sought")
	case offset > here && offset < f.at:
		f.there = f.there[offset-here:]
	default:
		f.there, f.at, f.wanted, f.early = nil, offset, firstRead, nil
	}
	return offset, nil
}

// finite is i without numbers that JSON cannot hold.
func finite(i media.SourceInfo) media.SourceInfo {
	tracks := make([]media.Track, len(i.Tracks))
	for n, t := range i.Tracks {
		tracks[n] = *finiteTrack(t)
	}
	i.Tracks = tracks
	return i
}

func finiteTrack(t media.Track) *media.Track {
	if math.IsNaN(t.FPS) || math.IsInf(t.FPS, 0) {
		t.FPS = 0
	}
	return &t
}
