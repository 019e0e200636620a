package media

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// leaveTime bounds an unpublish: a room that does not read must not hold up a
// stop.
const leaveTime = 150 * time.Millisecond

// outlet is one room being fed. It opens the room, and again after what that can
// help; it begins with a keyframe, and tells the room what decoders need.
//
// One goroutine runs keep, another one stamps and writes.
type outlet struct {
	outletConfig
	group   *outlets
	conn    atomic.Pointer[connection] // nil: it is not in its room
	rise    rise
	keys    keyWatch
	mu      sync.Mutex // of those below
	stay    stay
	retries *retries
}

// outletConfig is what an outlet works with.
type outletConfig struct {
	dialer      Dialer
	door        Door
	destination Destination
	// mayOpen is Job.MayOpenRoom.
	mayOpen  func(ctx context.Context) (context.Context, context.CancelFunc, error)
	retry    RetryPolicy
	longest  time.Duration // in the room, in all; 0: without an end
	meter    *Meter
	observer Observer
	log      *slog.Logger
}

// connection is one publish session.
type connection struct {
	room     Publisher
	gate     *startGate
	told     *announcer
	broken   chan error // capacity 1: why the session is of no use any more
	overtime *time.Timer
}

// fail makes keep give the session up.
func (c *connection) fail(err error) {
	select {
	case c.broken <- err:
	default:
	}
}

// errOvertime says that the push has been in the room for as long as it may.
var errOvertime = errors.New("in the room for as long as it may")

func newOutlet(cfg outletConfig, played time.Duration) *outlet {
	o := &outlet{outletConfig: cfg, retries: newRetries(cfg.retry), stay: stay{played: played}}
	o.keys.limit = cfg.door.Rules().MaxKeyInterval
	return o
}

// keep keeps the outlet in its room, which is opened with tracks, until ctx ends or
// it has to be given up, and returns why.
func (o *outlet) keep(ctx context.Context, tracks []Track) error {
	for {
		err := o.visit(ctx, tracks)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, errOvertime):
			return err
		}
		o.mu.Lock()
		wait, again := o.retries.next(KindOf(err))
		until := o.retries.until(KindOf(err))
		o.mu.Unlock()
		if !again {
			return err
		}
		o.meter.reconnected()
		o.observer.Reconnecting(err, wait, until)
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// visit opens the room and stays until the session is over or of no use, and
// returns why.
func (o *outlet) visit(ctx context.Context, tracks []Track) error {
	c, err := o.open(ctx, tracks)
	if err != nil {
		return err
	}
	o.conn.Store(c)
	o.group.entered()
	select {
	case <-c.room.Done():
		err = c.room.Err()
	case err = <-c.broken:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	now := time.Now()
	o.drop(c)
	o.close(ctx, c)
	o.mu.Lock()
	defer o.mu.Unlock()
	if kind := KindOf(err); (kind == KindRoomClosed || kind == KindRoomConflict) && o.stay.kickedOut(now) {
		// A room that hangs up right after a publish, again and again, has another
		// publisher, and so has one that says only then that the name is in use.
		err = &Error{Kind: KindRoomKicked, Op: "publish", Err: err}
	}
	o.stay.end(now)
	return err
}

// drop gives nothing to a connection any more.
func (o *outlet) drop(c *connection) {
	if o.conn.CompareAndSwap(c, nil) {
		o.group.left()
	}
}

// open dials the room, with a signature checked now, once the lease allows it.
func (o *outlet) open(ctx context.Context, tracks []Track) (*connection, error) {
	leased, cancel, err := o.mayOpen(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	o.mu.Lock()
	over := o.longest > 0 && o.stay.played >= o.longest
	o.mu.Unlock()
	if over {
		return nil, errOvertime
	}
	address, err := o.door.Address(o.destination, time.Now())
	if err != nil {
		return nil, err
	}
	o.meter.room.begin(time.Now())
	room, err := o.dialer.Dial(leased, address, tracks)
	o.meter.room.end(time.Now())
	if err != nil && leased.Err() != nil && ctx.Err() == nil {
		return nil, &Error{Kind: KindRoomNotAllowed, Op: "publish", Err: context.Cause(leased)}
	}
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.retries.works(nameSide)
	o.stay.begin(time.Now(), address)
	return &connection{room: room, gate: newStartGate(tracks), told: newAnnouncer(tracks), broken: make(chan error, 1)}, nil
}

func (o *outlet) close(ctx context.Context, c *connection) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
	defer cancel()
	if err := c.room.Close(ctx); err != nil {
		o.log.Debug("room closed with an error", "error", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if c.overtime != nil {
		c.overtime.Stop()
	}
}

// stamp returns p as the room gets it, and false when that does not: it is away, or
// cannot begin with p, or p comes too late.
func (o *outlet) stamp(p Packet) (Packet, bool) {
	c := o.conn.Load()
	if c == nil {
		return p, false
	}
	if !c.gate.pass(p) {
		o.meter.dropped(1)
		return p, false
	}
	p, ok := o.rise.stamp(p, p.kind)
	o.meter.dropped(o.rise.takeDropped())
	return p, ok
}

// write gives the room a packet that stamp has returned, whose time has come. False says
// that the room has not got it: its session is over.
func (o *outlet) write(ctx context.Context, p Packet) bool {
	c := o.conn.Load()
	if c == nil {
		return false
	}
	p = c.told.announce(p)
	o.meter.room.begin(time.Now())
	err := c.room.WritePacket(ctx, p)
	now := time.Now()
	o.meter.room.end(now)
	if err != nil {
		c.fail(err)
		o.drop(c)
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.retries.sent(now)
	if o.stay.sent(now) && o.longest > 0 {
		c.overtime = time.AfterFunc(o.longest-o.stay.played, func() { c.fail(errOvertime) })
	}
	if p.kind == Video && o.keys.tooFar(p) {
		o.observer.Warned(WarnLongGOP, "the source's keyframes are more than "+o.keys.limit.String()+
			" apart; viewers who join wait that long for a picture. With transcode: always they come every two seconds")
	}
	if message := o.stay.signature(now); message != "" {
		o.observer.Warned(WarnUserSigExpires, message)
	}
	return true
}

// sentBytes returns how many bytes the room took that were not told before, and
// played for how long there was something in it.
func (o *outlet) sentBytes() (bytes int64, played time.Duration) {
	c := o.conn.Load()
	o.mu.Lock()
	defer o.mu.Unlock()
	if c != nil {
		bytes = o.stay.bytes(c.room.SentBytes())
	}
	return bytes, o.stay.total(time.Now())
}

// unconfirmed returns how much media is on its way to the room. It may be called
// beside the other methods.
func (o *outlet) unconfirmed() time.Duration {
	if c := o.conn.Load(); c != nil {
		return c.room.Unconfirmed()
	}
	return 0
}

// outlets are those of one push.
type outlets struct {
	all   atomic.Pointer[[]*outlet]
	mu    sync.Mutex
	open  int                     // how many are in their room
	some  chan struct{}           // closed while one is; made by add
	enter func()                  // is told of each that comes into its room
	empty context.CancelCauseFunc // of who waits for that to end; may be nil
}

var errNoRoom = errors.New("no outlet is in its room")

func (g *outlets) entered() {
	g.enter()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open++; g.open == 1 {
		close(g.some)
	}
}

func (g *outlets) left() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open--; g.open > 0 {
		return
	}
	g.some = make(chan struct{})
	if g.empty != nil {
		g.empty(errNoRoom)
	}
}

// wait waits until an outlet is in its room, and returns a context that ends when
// none is, with the cause errNoRoom. The caller cancels it.
func (g *outlets) wait(ctx context.Context) (context.Context, context.CancelFunc, error) {
	for {
		g.mu.Lock()
		some := g.some
		if g.open > 0 {
			inRoom, leave := context.WithCancelCause(ctx)
			g.empty = leave
			g.mu.Unlock()
			return inRoom, func() { leave(nil) }, nil
		}
		g.mu.Unlock()
		select {
		case <-some:
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
	}
}

// add is called before any other method but unconfirmed.
func (g *outlets) add(o *outlet) {
	o.group = g
	all := append(slices.Clone(g.each()), o)
	g.all.Store(&all)
	if g.some == nil {
		g.some = make(chan struct{})
	}
}

func (g *outlets) each() []*outlet {
	if all := g.all.Load(); all != nil {
		return *all
	}
	return nil
}

// keep keeps all in their rooms, which are opened with tracks, until ctx ends (nil) or
// the last is given up, and returns why that was.
func (g *outlets) keep(ctx context.Context, tracks []Track) error {
	all := g.each()
	ends := make(chan error, len(all))
	for _, o := range all {
		go func() { ends <- Caught(func() error { return o.keep(ctx, tracks) }) }()
	}
	var err error
	for range all {
		err = <-ends
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// stamp appends to dues what the outlets get of p.
func (g *outlets) stamp(dues []due, p Packet) []due {
	for _, o := range g.each() {
		if p, ok := o.stamp(p); ok {
			dues = append(dues, due{o, p})
		}
	}
	return dues
}

// sent returns how many bytes the rooms took that were not told before, and for how
// long there was something in one of them.
func (g *outlets) sent() (bytes int64, played time.Duration) {
	for _, o := range g.each() {
		n, in := o.sentBytes()
		bytes, played = bytes+n, max(played, in)
	}
	return bytes, played
}

// unconfirmed returns how much media is on its way to the room that is slowest. It may
// be called beside the other methods.
func (g *outlets) unconfirmed() (most time.Duration) {
	for _, o := range g.each() {
		most = max(most, o.unconfirmed())
	}
	return most
}

// due is a packet for one of the outlets.
type due struct {
	outlet *outlet
	packet Packet
}
