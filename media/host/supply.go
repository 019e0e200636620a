package host

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/roomcast/roomcast/media"
)

const (
	defaultProbeTime = 15 * time.Second
	// openingBytes may come of a source before it is known what it is: the index of a
	// day is 100 MB. What some demuxers find no head and no tail of they read for ever.
	openingBytes = 256 << 20
	// What hosts may fetch of a source beyond its size: so much at once, and so much a
	// second. One whose tracks lie far apart is read in many places.
	fetchedAgain     = 256 << 20
	fetchedAgainRate = 4 << 20
)

var errEndless = media.Because("it does not say what it is in its first 256 MB", nil)

// supply is the bytes of a source, on their way to its host.
type supply struct {
	// ctx is a field because the contract of media.Opener makes one context bound all
	// calls of a Source.
	ctx     context.Context
	way     media.Way
	refusal error  // of the Way's, as the host was told last
	probe   *probe // nil: the source is open

	wanted  int   // bytes that the host waits for; 0: it waits to be asked
	from    int64 // their position
	at      int64 // of the Way's bytes
	begun   time.Time
	fed     int64     // bytes that hosts have had
	came    int       // bytes that have come since it was told that some had
	fetched time.Time // when a live source's bytes were read last

	passed *passed // while a file is being opened
	kept   kept
	replay []byte // of what is kept, that the host is still to get
	old    int64  // position of the first byte that no host before had
}

// rewinds says whether rewind can.
func (b *supply) rewinds() bool {
	return b.ctx.Err() == nil && (b.way.Bytes.Seekable() || b.kept.suffices())
}

// rewind makes the next host begin with the source's begin, or with what is kept of it.
// It returns false when it cannot.
func (b *supply) rewind() bool {
	if !b.rewinds() {
		return false
	}
	b.at = 0
	b.probe.begins()
	if b.way.Bytes.Seekable() {
		_, err := b.way.Bytes.Seek(0, io.SeekStart)
		return err == nil
	}
	b.replay = b.kept.again()
	b.old = int64(len(b.replay))
	return true
}

// next reads what is there of the bytes that are wanted, into a buffer that is lent. Packets
// keep the buffer: where less than half of it came, that has one of its own. Without a byte
// there is an error, and no buffer.
func (b *supply) next() ([]byte, error) {
	buffer := lent(b.wanted)[:b.wanted]
	n, err := b.load(buffer)
	switch {
	case err != nil:
		giveBack(buffer)
		return nil, err
	case 2*n < cap(buffer):
		defer giveBack(buffer)
		return slices.Clone(buffer[:n]), nil
	}
	return buffer[:n], nil
}

// load reads what is there of the bytes that are wanted. Without a byte there is an error.
func (b *supply) load(to []byte) (int, error) {
	if b.way.Bytes.Seekable() {
		b.wait(tooEarly(b.fed-max(b.way.Bytes.Size(), 0), time.Since(b.begun)))
	}
	if b.from != b.at {
		at, err := b.way.Bytes.Seek(b.from, io.SeekStart)
		if err != nil {
			return 0, err
		}
		b.at = at
	}
	n, err := b.fetch(to)
	b.wanted, b.at, b.fed = 0, b.at+int64(n), b.fed+int64(n)
	if n == 0 {
		return 0, cmp.Or(err, io.ErrNoProgress)
	}
	b.probe.came(n)
	return n, nil
}

// fetch reads what is there of the source's bytes: first those that the host before had.
func (b *supply) fetch(to []byte) (int, error) {
	if len(b.replay) > 0 {
		n := copy(to, b.replay)
		b.replay = b.replay[n:]
		return n, nil
	}
	if !b.way.Bytes.Seekable() && b.probe == nil && !b.way.Recorded {
		b.gather()
	}
	n, err := readWhatIsThere(b.way.Bytes, to)
	b.came += n
	b.passed.add(b.at, to[:n])
	b.kept.add(to[:n])
	return n, err
}

// gatherTime is how far apart a live source's bytes are handed to its host at least:
// they come in pieces of a packet of the network, and each turn has its price.
const gatherTime = 20 * time.Millisecond

// gather lets a live source's bytes come together.
func (b *supply) gather() {
	b.wait(gatherTime - time.Since(b.fetched))
	b.fetched = time.Now()
}

func (b *supply) wait(d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-b.ctx.Done():
	}
}

// tooEarly is how long a source that has been there for so long waits before more is
// fetched of it, when so many bytes have been fetched beyond its size: hosts could fetch
// it again and again.
func tooEarly(again int64, after time.Duration) time.Duration {
	return time.Duration(float64(again-fetchedAgain)/fetchedAgainRate*float64(time.Second)) - after
}

// fullRead is as much as comes at once of what is there already.
const fullRead = 16 << 10

// readWhatIsThere reads as much as there is, and waits for no more. What does not tell
// whether it is ready has more behind what came at once. Its error is that of the first
// read.
func readWhatIsThere(r io.Reader, to []byte) (int, error) {
	more := func(last int) bool { return last >= fullRead }
	if r, tells := r.(interface{ Ready() bool }); tells {
		more = func(last int) bool { return last > 0 && r.Ready() }
	}
	n, err := r.Read(to)
	for last := n; err == nil && n < len(to) && more(last); n += last {
		last, _ = r.Read(to[n:])
	}
	return n, err
}

// why says why the bytes have ended.
func (b *supply) why() (w why) {
	if b.way.Refusal != nil {
		b.refusal = b.way.Refusal()
	}
	if b.refusal != nil {
		w.Refusal = faultOf(&media.Error{Kind: media.KindOf(b.refusal), Op: opRead})
	}
	if b.way.Found != nil {
		w.Found = b.way.Found()
	}
	return w
}

// endOf says that there are no more bytes: at the source's end, or for a reason that is
// nothing to a host.
func endOf(err error) end {
	if err == nil || err == io.EOF { //nolint:errorlint // as io.Reader has it
		return end{faultOf(err)}
	}
	return end{faultOf(errors.New("its bytes cannot be read"))}
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
	if p.drip += n; p.drip >= media.ComingBytes && p.timer.Stop() {
		p.drip = 0
		p.timer.Reset(p.limit)
	}
}

// begins notes that the source is read from its begin again.
func (p *probe) begins() {
	if p != nil {
		p.all = 0
	}
}

// stop returns false when the time is over.
func (p *probe) stop() bool { return p.timer.Stop() }
