package outlet

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/clock"
	"github.com/roomcast/roomcast/media/retry"
)

// leaveTime bounds an unpublish: a room that does not read must not hold up a
// stop.
const leaveTime = 150 * time.Millisecond

// Outlet is one room being fed. It opens the room, and again after what that can
// help; it begins with a keyframe, and tells the room what decoders need.
//
// One goroutine runs keep, another one stamps and writes.
type Outlet struct {
	Config
	group     *Group
	conn      atomic.Pointer[connection] // nil: it is not in its room
	monotonic clock.Monotonic
	keys      keyWatch
	due       due
	mu        sync.Mutex // of those below
	session   roomSession
	retries   *retry.Retries
}

// Config is what an outlet works with.
type Config struct {
	Dialer      media.Dialer
	Door        media.Door
	Destination media.Destination
	// MayOpen is Job.MayOpenRoom.
	MayOpen  func(ctx context.Context) (context.Context, context.CancelFunc, error)
	Retry    media.RetryPolicy
	Longest  time.Duration // in the room, in all; 0: without an end
	Meter    *media.Meter
	Observer media.Observer
	Log      *slog.Logger
}

// connection is one publish session.
type connection struct {
	room     media.Sink
	gate     *clock.StartGate
	config   *configSender
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

// ErrOvertime says that the push has been in the room for as long as it may.
var ErrOvertime = errors.New("in the room for as long as it may")

func newOutlet(cfg Config, group *Group, played time.Duration) *Outlet {
	o := &Outlet{Config: cfg, group: group, retries: retry.New(cfg.Retry), session: roomSession{played: played}}
	o.keys.limit = cfg.Door.Rules().MaxKeyInterval
	return o
}

// keep keeps the outlet in its room, which is opened with tracks, until ctx ends or
// it has to be given up, and returns why.
func (o *Outlet) keep(ctx context.Context, tracks []media.Track) error {
	for {
		err := o.visit(ctx, tracks)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, ErrOvertime):
			return err
		}
		o.mu.Lock()
		wait, again := o.retries.Next(media.KindOf(err))
		until := o.retries.Until(media.KindOf(err))
		o.mu.Unlock()
		if !again {
			return err
		}
		o.Meter.Reconnected()
		o.Observer.Reconnecting(err, wait, until)
		if err := retry.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// visit opens the room and stays until the session is over or of no use, and
// returns why.
func (o *Outlet) visit(ctx context.Context, tracks []media.Track) error {
	c, err := o.open(ctx, tracks)
	if err != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.session.refused(media.KindOf(err))
		return err
	}
	o.conn.Store(c)
	o.group.entered()
	select {
	case <-c.room.Done():
		_, err = c.room.Write(ctx, nil)
	case err = <-c.broken:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	now := time.Now()
	o.drop(c)
	o.close(ctx, c)
	o.mu.Lock()
	defer o.mu.Unlock()
	if kind := media.KindOf(err); (kind == media.KindRoomClosed || kind == media.KindRoomConflict) && o.session.kickedOut(now) {
		// A room that hangs up right after a publish, again and again, has another
		// publisher, and so has one that says only then that the name is in use.
		err = &media.Error{Kind: media.KindRoomKicked, Op: "publish", Err: err}
	}
	o.session.end(now)
	return err
}

// drop gives nothing to a connection any more.
func (o *Outlet) drop(c *connection) {
	if o.conn.CompareAndSwap(c, nil) {
		o.group.left()
	}
}

// open dials the room, with a signature checked now, once the lease allows it.
func (o *Outlet) open(ctx context.Context, tracks []media.Track) (*connection, error) {
	leased, cancel, err := o.MayOpen(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	if err := o.overtime(); err != nil {
		return nil, err
	}
	address, err := o.Door.Address(o.Destination, time.Now())
	if err != nil {
		return nil, err
	}
	o.Meter.WaitForRoom(time.Now())
	room, err := o.Dialer.Dial(leased, address, tracks)
	o.Meter.RoomCame(time.Now())
	if err != nil && leased.Err() != nil && ctx.Err() == nil {
		return nil, &media.Error{Kind: media.KindRoomNotAllowed, Op: "publish", Err: context.Cause(leased)}
	}
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.retries.Works(retry.NameSide)
	o.session.begin(time.Now(), address)
	return &connection{room: room, gate: clock.NewStartGate(tracks), config: newConfigSender(tracks), broken: make(chan error, 1)}, nil
}

func (o *Outlet) close(ctx context.Context, c *connection) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
	defer cancel()
	if err := c.room.Close(ctx); err != nil {
		o.Log.Debug("room closed with an error", "error", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if c.overtime != nil {
		c.overtime.Stop()
	}
}

// stamp makes p due as the room gets it. False says that it does not: it is away, or
// cannot begin with p, or p comes too late.
func (o *Outlet) stamp(p *media.Packet) bool {
	c := o.due.conn
	if c == nil {
		return false
	}
	if !c.gate.Pass(p) {
		o.Meter.Dropped(1)
		return false
	}
	stamped, ok := o.monotonic.Stamp(*p, p.Kind)
	o.Meter.Dropped(o.monotonic.TakeDropped())
	if ok {
		o.due.packets = append(o.due.packets, stamped)
	}
	return ok
}

// write gives the room what is due, and returns how many bytes it took. False says that
// the room has not got it: its session is over.
func (o *Outlet) write(ctx context.Context) (bytes int64, sent bool) {
	packets, c := o.due.packets, o.due.conn
	if len(packets) == 0 || o.conn.Load() != c {
		return 0, false
	}
	for i := range packets {
		c.config.attach(&packets[i])
	}
	o.Meter.WaitForRoom(time.Now())
	bytes, err := c.room.Write(ctx, packets)
	now := time.Now()
	o.Meter.RoomCame(now)
	if err != nil {
		c.fail(err)
		o.drop(c)
		return bytes, false
	}
	o.note(c, packets, now)
	return bytes, true
}

// note notes that the room has taken packets, and warns of what is to be seen in them.
func (o *Outlet) note(c *connection, packets []media.Packet, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.conn.Load() != c { // its session has ended meanwhile, and is counted
		return
	}
	o.retries.Sent(now)
	if o.session.sent(now) && o.Longest > 0 {
		c.overtime = time.AfterFunc(o.Longest-o.session.played, func() { c.fail(ErrOvertime) })
	}
	for i := range packets {
		if p := &packets[i]; p.Kind == media.Video && o.keys.tooFar(p) {
			o.Observer.Warned(media.WarnLongGOP, "the source's keyframes are more than "+o.keys.limit.String()+
				" apart; viewers who join wait that long for a picture. With transcode: always they come every two seconds")
		}
	}
	if message := o.session.signature(now); message != "" {
		o.Observer.Warned(media.WarnUserSigExpires, message)
	}
}

// played returns for how long there was something in the room by now.
func (o *Outlet) played(now time.Time) time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.session.total(now)
}

// overtime is ErrOvertime once the push has been in the room for as long as it may.
func (o *Outlet) overtime() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.Longest > 0 && o.session.played >= o.Longest {
		return ErrOvertime
	}
	return nil
}

// unconfirmed returns how much media is on its way to the room. It may be called
// beside the other methods.
func (o *Outlet) unconfirmed() time.Duration {
	if c := o.conn.Load(); c != nil {
		return c.room.Unconfirmed()
	}
	return 0
}

// Group is the outlets of one push.
type Group struct {
	Enter func() // is told of each that comes into its room; set before Keep
	all   []*Outlet
	mu    sync.Mutex              // of those below
	open  int                     // how many are in their room
	some  chan struct{}           // closed while one is
	empty context.CancelCauseFunc // of who waits for that to end; may be nil
}

// NewGroup returns the outlets of a push that was in its rooms for played before.
func NewGroup(rooms []Config, played time.Duration) *Group {
	g := &Group{some: make(chan struct{})}
	for _, room := range rooms {
		g.all = append(g.all, newOutlet(room, g, played))
	}
	return g
}

// GoOnFrom says for how long the push was in its rooms before, which was not known when
// they were made. It is called before Keep.
func (g *Group) GoOnFrom(played time.Duration) {
	for _, o := range g.all {
		o.session.played = played
	}
}

// ErrNoRoom says that no room is there to be given anything.
var ErrNoRoom = errors.New("no outlet is in its room")

func (g *Group) entered() {
	g.Enter()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open++; g.open == 1 {
		close(g.some)
	}
}

func (g *Group) left() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open--; g.open > 0 {
		return
	}
	g.some = make(chan struct{})
	if g.empty != nil {
		g.empty(ErrNoRoom)
	}
}

// Wait waits until an outlet is in its room, and returns a context that ends when
// none is, with the cause ErrNoRoom. The caller cancels it.
func (g *Group) Wait(ctx context.Context) (context.Context, context.CancelFunc, error) {
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

// Keep keeps all in their rooms, which are opened with tracks, until ctx ends (nil) or
// the last is given up, and returns why that was.
func (g *Group) Keep(ctx context.Context, tracks []media.Track) error {
	ends := make(chan error, len(g.all))
	for _, o := range g.all {
		go func() { ends <- media.Caught(func() error { return o.keep(ctx, tracks) }) }()
	}
	var err error
	for range g.all {
		err = <-ends
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// Overtime is ErrOvertime once the push has been in all rooms for as long as it may.
func (g *Group) Overtime() (err error) {
	for _, o := range g.all {
		if err = o.overtime(); err == nil {
			return nil
		}
	}
	return err
}

// Stamp makes packets due in the outlets that can take them, and returns, in place,
// those that one can. A DTS of them is when it is due.
func (g *Group) Stamp(packets []media.Packet) []media.Packet {
	for _, o := range g.all {
		o.due.begin(o.conn.Load())
	}
	taken := packets[:0]
	for i := range packets {
		p := &packets[i]
		due, some := p.DTS, false
		for _, o := range g.all {
			if o.stamp(p) && !some {
				due, some = o.due.last().DTS, true
			}
		}
		if p.DTS = due; some {
			taken = append(taken, *p)
		} else {
			p.Release()
		}
	}
	clear(packets[len(taken):])
	return taken
}

// Write gives the rooms what was stamped, and returns how many bytes they took and
// whether one has got it.
func (g *Group) Write(ctx context.Context) (bytes int64, sent bool) {
	for _, o := range g.all {
		n, took := o.write(ctx)
		bytes, sent = bytes+n, sent || took
	}
	return bytes, sent
}

// Played returns for how long there was something in one of the rooms by now.
func (g *Group) Played(now time.Time) (longest time.Duration) {
	for _, o := range g.all {
		longest = max(longest, o.played(now))
	}
	return longest
}

// Unconfirmed returns how much media is on its way to the room that is slowest. It may
// be called beside the other methods.
func (g *Group) Unconfirmed() (most time.Duration) {
	for _, o := range g.all {
		most = max(most, o.unconfirmed())
	}
	return most
}

// due is what is to be written next into a room.
type due struct {
	packets []media.Packet
	conn    *connection // for which they were stamped
}

// begin forgets what was due before.
func (d *due) begin(conn *connection) {
	clear(d.packets)
	d.packets, d.conn = d.packets[:0], conn
}

func (d *due) last() *media.Packet { return &d.packets[len(d.packets)-1] }
