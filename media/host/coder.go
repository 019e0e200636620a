package host

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/roomcast/roomcast/media"
)

const (
	// mostReplay is how many bytes of packets are kept, from the last keyframe on, for a
	// host that takes over.
	mostReplay = 4 << 20
	// mostMade is how many packets come of an order, a hole that is filled among them.
	mostMade = 1 << 16
	// patience is how long a host may work at one order.
	patience = 20 * time.Second
)

// Transcoders returns what re-encodes in hosts of this pool.
func (p *Pool) Transcoders() media.Transcoders {
	return &transcoders{ctx: context.Background(), pool: p, log: p.cfg.Log}
}

// transcoders are those of one push, which have a host of their own.
type transcoders struct {
	// ctx is a field because no call of a Transcoder has one: it is the push's.
	ctx     context.Context
	pool    *Pool
	log     *slog.Logger
	conduct *media.Conduct

	mu   sync.Mutex
	host *host // the last one
}

var _ media.Transcoders = (*transcoders)(nil)

func (ts *transcoders) With(ctx context.Context, log *slog.Logger, c *media.Conduct) media.Transcoders {
	return &transcoders{ctx: ctx, pool: ts.pool, log: log, conduct: c}
}

// connect opens a session in the push's host, or in a new one where that has died.
func (ts *transcoders) connect() (*host, *conn, error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	c := ts.host.rejoin(ts.conduct)
	if c == nil {
		h, fresh, err := ts.pool.session(ts.ctx, need{conduct: ts.conduct, encodes: true})
		if err != nil {
			return nil, nil, err
		}
		ts.host, c = h, fresh
	}
	c.bound(ts.ctx)
	return ts.host, c, nil
}

// Video implements media.Transcoders.
func (ts *transcoders) Video(t media.Track, to media.VideoOutput) (media.Transcoder, error) {
	return ts.transcoder(t, func(t media.Track) opening { return opening{Video: &videoOpening{t, to}} })
}

// Audio implements media.Transcoders.
func (ts *transcoders) Audio(t media.Track, to media.AudioOutput) (media.Transcoder, error) {
	return ts.transcoder(t, func(t media.Track) opening { return opening{Audio: &audioOpening{t, to}} })
}

func (ts *transcoders) transcoder(t media.Track, how func(media.Track) opening) (media.Transcoder, error) {
	c := &transcoder{all: ts, how: how, input: t, log: logbook{log: ts.log}}
	err := c.open()
	for c.dead(err) && c.mayTryAgain() {
		err = c.open()
	}
	if err != nil {
		c.Close()
		return nil, c.inWords("open transcoder", err)
	}
	return c, nil
}

// Black implements media.Transcoders.
func (ts *transcoders) Black(to media.VideoOutput) (media.Track, []media.Packet, error) {
	t, out, err := ts.black(to)
	for tries := 1; errors.Is(err, errDied) && ts.ctx.Err() == nil && tries < mostStarts; tries++ {
		t, out, err = ts.black(to) // nothing of a source is in it: the host died of something else
	}
	if _, typed := errors.AsType[*media.Error](err); err != nil && !typed {
		err = cmp.Or(context.Cause(ts.ctx), errShort(err))
	}
	return t, out, err
}

func (ts *transcoders) black(to media.VideoOutput) (media.Track, []media.Packet, error) {
	h, c, err := ts.connect()
	if err != nil {
		return media.Track{}, nil, err
	}
	defer func() { go h.finish(c, ts.conduct, false) }()
	_ = c.SetDeadline(time.Now().Add(patience))
	log := logbook{log: ts.log}
	made, err := c.open(opening{Black: &to}, &log)
	if err != nil {
		return made.Output, nil, err
	}
	payload, err := c.await(kindWork, &log)
	if err != nil {
		return made.Output, nil, err
	}
	out, _, err := answer(payload)
	return made.Output, out, err
}

func internal(op string, err error) error {
	return &media.Error{Kind: media.KindInternal, Op: op, Err: err}
}

// open says what a session is, with the bytes that go with that, and returns what became
// of it.
func (c *conn) open(o opening, log *logbook, with ...[]byte) (m made, err error) {
	o.Level = levelOf(log.log)
	err = c.sendJSON(kindOpen, o)
	if err == nil && len(with) > 0 {
		err = c.send(kindBytes, with...)
	}
	if err != nil {
		return m, errors.Join(errDied, err)
	}
	payload, err := c.await(kindOpen, log)
	if err == nil {
		err = decode(payload, &m)
	}
	if err == nil && !soundTrack(m.Output) {
		err = errFrame
	}
	return m, cmp.Or(err, m.Fault.error())
}

// await returns the next frame, which must be of a kind; log lines are written.
func (c *conn) await(k kind, log *logbook) ([]byte, error) {
	for {
		got, payload, err := c.receive(fresh)
		switch {
		case err != nil:
			return nil, errors.Join(errDied, err)
		case got == kindLog:
			if err := log.write(payload); err != nil {
				return nil, err
			}
		case got != k:
			return nil, errFrame
		default:
			return payload, nil
		}
	}
}

// answer reads answerOf's.
func answer(payload []byte) (out []media.Packet, damaged int64, err error) {
	in := scanner{rest: payload}
	damaged = int64(min(in.uvarint(), 1<<32))
	text := in.bytes()
	count := in.uvarint()
	if in.err != nil || count > mostMade {
		return nil, 0, errFrame
	}
	for range count {
		out = append(out, in.own(1))
	}
	if in.err != nil {
		return nil, 0, in.err
	}
	if len(text) > 0 {
		var f fault
		if err := decode(text, &f); err != nil {
			return nil, 0, err
		}
		err = f.error()
	}
	return out, damaged, err
}

// replay is the packets from the last keyframe on, in order, for a host that takes over.
type replay struct {
	packets []media.Packet
	bytes   int
}

func (r *replay) clear() {
	clear(r.packets)
	r.packets, r.bytes = r.packets[:0], 0
}

func (r *replay) keep(p media.Packet) {
	if p.Keyframe || r.bytes+p.Size() > mostReplay {
		r.clear()
	}
	if len(r.packets) > 0 || p.Keyframe {
		r.packets, r.bytes = append(r.packets, p), r.bytes+p.Size()
	}
}

// transcoder is a track that is re-encoded in a host. When that dies, another one goes
// on, with what has come since the last keyframe.
type transcoder struct {
	all    *transcoders
	how    func(media.Track) opening
	log    logbook
	host   *host
	conn   *conn
	output media.Track

	input                media.Track
	before               []byte // orders that go with the next one
	replay               replay
	skipBefore, skipFrom time.Duration
	shown                time.Duration // where what came out ends
	died                 time.Duration // shown, when the host before died
	data                 []byte        // of the packet before
	damaged              int64
}

var _ media.Transcoder = (*transcoder)(nil)

// open opens a session.
func (c *transcoder) open() error {
	c.Close()
	h, conn, err := c.all.connect()
	if err != nil {
		return err
	}
	c.host, c.conn = h, conn
	_ = conn.SetDeadline(time.Now().Add(patience))
	if c.all.ctx.Err() != nil {
		return context.Cause(c.all.ctx)
	}
	m, err := conn.open(c.how(c.input), &c.log)
	if err != nil {
		return err
	}
	if c.output.Codec != "" && string(c.output.Extradata) != string(m.Output.Extradata) {
		return errOther
	}
	c.output = m.Output
	return nil
}

// errOther is no more than a precaution: the same encoder with the same settings says
// the same.
var errOther = errors.New("another encoder has another decoder configuration")

func (c *transcoder) Output() media.Track { return c.output }

// order appends to what goes with the next order.
func (c *transcoder) order(o order, at time.Duration) {
	c.before = binary.AppendVarint(append(c.before, byte(o)), int64(at))
}

func (c *transcoder) SkipBefore(t time.Duration) {
	c.skipBefore = t
	c.order(orderSkipBefore, t)
}

func (c *transcoder) SkipFrom(t time.Duration) {
	c.skipFrom = t
	c.order(orderSkipFrom, t)
}

func (c *transcoder) ForceKey() { c.before = append(c.before, byte(orderForceKey)) }

// do sends an order and returns what came of it.
func (c *transcoder) do(o order, payload []byte) ([]media.Packet, error) {
	orders := append(append(c.before, byte(o)), payload...)
	c.before = orders[:0]
	out, err := c.work(orders)
	for c.dead(err) {
		if !c.mayTryAgain() {
			break
		}
		if out, err = c.revive(); err == nil && (o == orderFlush || o == orderRepeat) {
			var more []media.Packet
			more, err = c.work(append([]byte{byte(o)}, payload...))
			out = append(out, more...)
		}
	}
	for _, p := range out {
		c.shown = max(c.shown, p.PTS+p.Duration)
	}
	return out, c.inWords("transcode "+c.output.Type.String(), err)
}

func (c *transcoder) work(orders []byte) ([]media.Packet, error) {
	if c.conn == nil {
		return nil, errDied
	}
	_ = c.conn.SetDeadline(time.Now().Add(patience))
	if c.all.ctx.Err() != nil {
		return nil, context.Cause(c.all.ctx)
	}
	if err := c.conn.send(kindWork, orders); err != nil {
		return nil, errors.Join(errDied, err)
	}
	payload, err := c.conn.await(kindWork, &c.log)
	if err != nil {
		return nil, err
	}
	out, damaged, err := answer(payload)
	c.damaged += damaged
	return out, err
}

// revive goes on in another host: what has come since the last keyframe is decoded
// again, and what was not shown yet is encoded.
func (c *transcoder) revive() ([]media.Packet, error) {
	if err := c.open(); err != nil {
		return nil, err
	}
	orders := []byte{}
	if from := max(c.skipBefore, c.shown); from > 0 {
		orders = binary.AppendVarint(append(orders, byte(orderSkipBefore)), int64(from))
	}
	if c.skipFrom != 0 {
		orders = binary.AppendVarint(append(orders, byte(orderSkipFrom)), int64(c.skipFrom))
	}
	var all []media.Packet
	for i := range c.replay.packets {
		text, err := appendPacket(append(orders, byte(orderTranscode)), &c.replay.packets[i], nil)
		if err != nil {
			return all, err
		}
		out, err := c.work(text)
		if all = append(all, out...); err != nil {
			return all, err
		}
		orders = orders[:0]
	}
	if len(c.replay.packets) == 0 {
		c.before = orders // it has come to nothing; the next packet goes on
	}
	return all, nil
}

// Input implements media.Coder.
func (c *transcoder) Input(t media.Track) ([]media.Packet, error) {
	text, err := json.Marshal(finiteTrack(t))
	if err != nil {
		return nil, internal("transcode", err)
	}
	c.input, c.data = *finiteTrack(t), nil
	c.replay.clear()
	return c.do(orderInput, appendBytes(nil, text))
}

// Transcode implements media.Coder.
func (c *transcoder) Transcode(p media.Packet) ([]media.Packet, error) {
	o, sent := orderTranscode, p
	if p.Repeats(c.data) {
		o, sent.Data = orderAgain, nil
	}
	c.data = p.Data
	sent.Track, sent.Change, sent.LeftOut = 0, nil, nil
	payload, err := appendPacket(nil, &sent, nil)
	if err != nil {
		return nil, internal("transcode", err)
	}
	p.Track, p.Change, p.LeftOut = 0, nil, nil
	c.replay.keep(p)
	return c.do(o, payload)
}

// Repeat implements media.Coder.
func (c *transcoder) Repeat(at time.Duration) ([]media.Packet, error) {
	return c.do(orderRepeat, binary.AppendVarint(nil, int64(at)))
}

// Flush implements media.Coder.
func (c *transcoder) Flush() ([]media.Packet, error) { return c.do(orderFlush, nil) }

// Damaged implements media.CoderInfo.
func (c *transcoder) Damaged() int64 {
	n := c.damaged
	c.damaged = 0
	return n
}

// Close implements media.Transcoder.
func (c *transcoder) Close() {
	if c.host != nil {
		go c.host.finish(c.conn, c.all.conduct, false)
		c.host, c.conn = nil, nil
	}
}

func (c *transcoder) dead(err error) bool {
	if errors.Is(err, errFrame) && c.host != nil {
		c.host.killFor(c.all.conduct, babbled)
		return true
	}
	return errors.Is(err, errDied)
}

// mayTryAgain notes a death, and says whether another host may try.
func (c *transcoder) mayTryAgain() bool {
	if c.host == nil || c.all.ctx.Err() != nil {
		return false
	}
	got := c.shown-c.died >= further
	c.died = c.shown
	c.host.blame(c.all.conduct, got)
	return !c.all.conduct.Poisoned() && !c.all.conduct.Harried()
}

func (c *transcoder) inWords(op string, err error) error {
	_, typed := errors.AsType[*media.Error](err)
	switch {
	case err == nil || typed:
		return err
	case c.all.ctx.Err() != nil:
		return fmt.Errorf("%s: %w", op, context.Cause(c.all.ctx))
	case c.all.conduct.Poisoned():
		return errPoisoned(op)
	case errors.Is(err, errDied) || errors.Is(err, errFrame) || errors.Is(err, errOther):
		return errGoneOn(op)
	default:
		return internal(op, fmt.Errorf("in a media host: %w", err))
	}
}
