package host

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/roomcast/roomcast/media"
	"golang.org/x/sys/unix"
)

// Config is what a Pool works with.
type Config struct {
	// Command starts a host, which calls Serve.
	Command []string
	// Program is the file of the program; Command's first word where it is empty.
	Program string
	// Sandbox is what Command's hosts enter: with SandboxRequire, one whose limits
	// cannot be set does not serve either.
	Sandbox SandboxMode
	// Pushes is how many copied pushes share a host; 0 means 16.
	Pushes int
	// Memory is how many bytes a host may allocate, EncodeMemory one that re-encodes;
	// 0 means 512 MB and 1 GB.
	Memory, EncodeMemory int64
	Log                  *slog.Logger

	// Of tests.
	look    time.Duration // how often hosts are looked at; 0 means lookEvery
	work    time.Duration // how much of a core one may use meanwhile; 0 means half
	owes    time.Duration // after how long a host hangs; 0 means owesTime
	prlimit func(pid, resource int, limit, old *unix.Rlimit) error
}

const (
	defaultPushes       = 16
	defaultMemory       = 512 << 20
	defaultEncodeMemory = 1 << 30
	// mostMixed is how many pushes a host takes whatever their age: one host for each
	// would cost more memory than 1.5 MB a push.
	mostMixed = 4
	// mostServed is after how many sessions a host is replaced by a new one.
	mostServed = 2000
	// encodeNice is the priority of hosts that re-encode: copies go first.
	encodeNice = 5
	// obeyTime is how long a host may take to end a session.
	obeyTime = 500 * time.Millisecond
	// retireTime is how long one may take to end in which nothing is: nobody waits for
	// it, and it may still be starting.
	retireTime = 5 * time.Second
	// startTime is how long one may take to start.
	startTime = 20 * time.Second
)

// Pool starts media hosts and says who lives in which. It is safe for concurrent use.
type Pool struct {
	cfg Config

	mu      sync.Mutex
	hosts   []*host // that run, or are being started
	closed  bool
	ended   sync.WaitGroup
	begun   hello
	started int64
	deaths  map[Death]int64
	preview previews
	stops   chan os.Signal // tells that children have stopped, or ended
	forks   chan func()    // see fork
	forked  sync.WaitGroup
	limits  sync.Once // they could not be set, which has been logged
}

// host is one child process.
type host struct {
	pool   *Pool
	said   chan struct{} // closed when it has said hello, or is gone
	gone   chan struct{} // closed when it has ended
	failed error         // why it does not serve
	moved  atomic.Int64  // bytes that have gone over its sessions

	// Guarded by the pool's mu until it has said hello; they do not change then.
	cmd     *exec.Cmd // nil: it has not been started
	control *net.UnixConn
	statm   *os.File // its memory; opened before it cannot be looked at any more

	// Guarded by the pool's mu.
	sessions int
	served   int
	guests   map[*media.Conduct]int // how many of the sessions are of which source
	own      bool                   // it is one push's
	encodes  bool                   // it re-encodes
	leaving  bool                   // it takes nothing new
	killed   string                 // why it was, empty if it was not by us
	culprit  *media.Conduct         // of the source for which it was killed; nil: that is not known
	signal   os.Signal
	blamed   map[*media.Conduct]bool
	last     uint32 // number of a session
	seen     seen
}

// seen is what the looks at a host have seen.
type seen struct {
	cpu   time.Duration
	moved int64
	alone int // looks in a row that found it one push's own
}

// New returns a Pool after its first host has started, or failed to.
func New(ctx context.Context, c Config) (*Pool, error) {
	if c.Pushes <= 0 {
		c.Pushes = defaultPushes
	}
	if c.Memory <= 0 {
		c.Memory = defaultMemory
	}
	if c.EncodeMemory <= 0 {
		c.EncodeMemory = defaultEncodeMemory
	}
	c.look = cmp.Or(c.look, lookEvery)
	c.work = cmp.Or(c.work, c.look/2)
	c.owes = cmp.Or(c.owes, owesTime)
	if c.prlimit == nil {
		c.prlimit = unix.Prlimit
	}
	p := &Pool{cfg: c, deaths: map[Death]int64{}, stops: make(chan os.Signal, 1), forks: make(chan func())}
	signal.Notify(p.stops, syscall.SIGCHLD)
	p.forked.Go(p.fork)
	p.ended.Go(p.watch)
	p.mu.Lock()
	h := p.start()
	p.mu.Unlock()
	if err := h.ready(ctx); err != nil {
		h.kill("did not start")
		p.Close()
		return nil, fmt.Errorf("start a media host: %w", err)
	}
	return p, nil
}

// FFmpeg is the version of the libraries in the hosts.
func (p *Pool) FFmpeg() string { return p.said().FFmpeg }

// Sandbox says what the hosts have given up.
func (p *Pool) Sandbox() Sandbox { return p.said().Sandbox }

// said is what the newest host has said of itself.
func (p *Pool) said() hello {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.begun
}

// Close ends all hosts, once.
func (p *Pool) Close() {
	p.preview.end()
	p.mu.Lock()
	p.closed = true
	for _, h := range p.hosts {
		p.retire(h)
	}
	p.mu.Unlock()
	signal.Stop(p.stops)
	close(p.stops)
	p.ended.Wait()
	close(p.forks)
	p.forked.Wait()
}

// watch looks after the hosts until the pool is closed.
func (p *Pool) watch() {
	look := time.NewTicker(p.cfg.look)
	defer look.Stop()
	for {
		select {
		case _, open := <-p.stops:
			if !open {
				return
			}
			p.killStopped()
		case <-look.C:
			p.look()
		}
	}
}

// killStopped kills hosts that somebody has stopped: they give nothing, and say
// nothing of it.
func (p *Pool) killStopped() {
	for _, h := range p.living() {
		var what unix.Siginfo
		err := unix.Waitid(unix.P_PID, h.cmd.Process.Pid, &what, unix.WSTOPPED|unix.WNOHANG|unix.WNOWAIT, nil)
		if err == nil && what.Signo != 0 {
			h.kill(wasStopped)
		}
	}
}

const (
	lookEvery = 10 * time.Second
	// aloneLooks is how many looks a push lives alone whose host has died: a minute.
	aloneLooks = 6
	// bytesOfSecond is how much a host moves in a second of a core, at the least.
	bytesOfSecond = 50 << 20
)

// look kills hosts that use more of a core than they can need, lets those share again
// that have lived alone for a while, and has one ready.
func (p *Pool) look() {
	for _, h := range p.living() {
		if h.overworks() {
			h.kill(overworked)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range p.hosts {
		h.forgive()
	}
	p.spare()
}

// overworks says whether h has used more than half a core since the last look, and
// more than what it has moved can have cost. Who re-encodes may use what there is.
func (h *host) overworks() bool {
	now := seen{cpu: h.cpu(), moved: h.moved.Load()}
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	used, moved := now.cpu-h.seen.cpu, now.moved-h.seen.moved
	h.seen.cpu, h.seen.moved = now.cpu, now.moved
	most := h.pool.cfg.work + time.Duration(float64(moved)/bytesOfSecond*float64(time.Second))
	return !h.encodes && used > most
}

// forgive lets a push share again that has lived alone for a while: others may join it
// in its host, and it may join others when it is opened next. mu is held.
func (h *host) forgive() {
	if !h.own || h.leaving || h.sessions == 0 {
		return
	}
	if h.seen.alone++; h.seen.alone <= aloneLooks {
		return
	}
	h.own = h.encodes
	for c := range h.guests {
		c.Forgive()
	}
}

// living are the hosts that have been started, and have not ended.
func (p *Pool) living() []*host {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.hosts), func(h *host) bool { return h.cmd == nil })
}

// Why a host is killed.
const (
	wasStopped = "was stopped"  // by somebody: it did nothing wrong
	disobeyed  = "did not obey" // it may be slow alone
	hung       = "gave nothing" // though it had all that it had asked for
	overworked = "used a core"  // for nothing
	babbled    = "said what is no frame of ours"
)

// PIDs are the process ids of the hosts that run.
func (p *Pool) PIDs() []int {
	var pids []int
	for _, h := range p.living() {
		pids = append(pids, h.cmd.Process.Pid)
	}
	return pids
}

// socketPair returns two ends of a stream.
func socketPair() (here *net.UnixConn, there *os.File, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	there = os.NewFile(uintptr(fds[1]), "host")
	f := os.NewFile(uintptr(fds[0]), "worker")
	defer func() { _ = f.Close() }()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, nil, errors.Join(err, there.Close())
	}
	return c.(*net.UnixConn), there, nil //nolint:forcetypeassert // it is one
}

// start adds a host, which starts while others work. mu is held.
func (p *Pool) start() *host {
	h := &host{pool: p, said: make(chan struct{}), gone: make(chan struct{}), guests: map[*media.Conduct]int{}, blamed: map[*media.Conduct]bool{}}
	p.hosts = append(p.hosts, h)
	p.started++
	p.ended.Go(h.run)
	return h
}

// fork starts processes. It keeps its thread for as long as they live: the kernel kills
// them (Pdeathsig) when the thread ends that has started them (go.dev/issue/27505).
func (p *Pool) fork() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for start := range p.forks {
		start()
	}
}

// run starts a host, hears what it says of itself, and waits for its end.
func (h *host) run() {
	if h.failed = h.begin(); h.failed == nil {
		h.failed = h.hear()
	}
	close(h.said)
	if h.failed != nil {
		h.kill("failed to start")
	}
	if h.cmd != nil {
		_ = h.cmd.Wait()
	}
	h.end()
}

// begin starts the process.
func (h *host) begin() error {
	p := h.pool
	control, there, err := socketPair()
	if err != nil {
		return err
	}
	defer func() { _ = there.Close() }()
	cmd := exec.Command(p.cfg.Command[0], p.cfg.Command[1:]...) //nolint:gosec // it is this program
	cmd.Path = cmp.Or(p.cfg.Program, cmd.Path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL} // a group: see bound
	cmd.ExtraFiles = []*os.File{there}
	cmd.Env = []string{
		"GOMAXPROCS=1",
		"GOMEMLIMIT=" + strconv.FormatInt(p.cfg.Memory/4, 10),
	}
	started := make(chan error)
	p.forks <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return errors.Join(err, control.Close())
	}
	statm, _ := os.Open(fmt.Sprintf("/proc/%d/statm", cmd.Process.Pid)) // nil: it is not known
	p.mu.Lock()
	defer p.mu.Unlock()
	h.cmd, h.control, h.statm = cmd, control, statm
	switch {
	case h.killed != "":
		_ = cmd.Process.Kill()
	case h.leaving:
		_ = control.CloseWrite()
	}
	return h.bound()
}

// bound bounds what a host allocates, and makes one that re-encodes, which is a process
// group, give way to the copies with all of its threads. mu is held. An error is one with
// which the host may not serve.
func (h *host) bound() error {
	p, pid := h.pool, h.cmd.Process.Pid
	memory := p.cfg.Memory
	if h.encodes {
		memory = p.cfg.EncodeMemory
	}
	err := p.cfg.prlimit(pid, unix.RLIMIT_DATA, &unix.Rlimit{Cur: uint64(memory), Max: uint64(max(memory, p.cfg.EncodeMemory))}, nil)
	if h.encodes {
		err = errors.Join(err, unix.Setpriority(unix.PRIO_PGRP, pid, encodeNice))
	}
	if errors.Is(err, unix.ESRCH) { // it has ended
		err = nil
	}
	if err != nil && p.cfg.Sandbox == SandboxRequire {
		return fmt.Errorf("its limits cannot be set: %w; ROOMCAST_SANDBOX is require", err)
	}
	if err != nil {
		p.limits.Do(func() { p.cfg.Log.Warn("the limits of media hosts cannot be set", "error", err) })
	}
	return nil
}

// hear returns why a host does not serve, by the first thing that it says.
func (h *host) hear() error {
	k, payload, err := newConn(h.control).receive(fresh)
	if err != nil {
		return fmt.Errorf("it ended at once: %w", err)
	}
	if k == kindEnd {
		var f fault
		if err := decode(payload, &f); err != nil {
			return err
		}
		return errors.New(f.Text)
	}
	var said hello
	if err := decode(payload, &said); err != nil || said.Version != version {
		return errors.New("it is of another version than this worker: was the program replaced?")
	}
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	h.pool.begun = said
	return nil
}

// end notes how a host has ended.
func (h *host) end() {
	p := h.pool
	p.mu.Lock()
	p.hosts = slices.DeleteFunc(p.hosts, func(o *host) bool { return o == h })
	pid, status := 0, syscall.WaitStatus(0)
	if h.cmd != nil {
		pid, status = h.cmd.Process.Pid, h.cmd.ProcessState.Sys().(syscall.WaitStatus) //nolint:forcetypeassert // it is one
		_ = h.control.Close()
		_ = h.statm.Close() // nil does no harm
	}
	if status.Signaled() {
		h.signal = status.Signal()
	}
	death, how := deathOf(h.killed, status)
	if h.leaving && h.killed == "" && !status.Signaled() {
		death = ""
	}
	h.leaving = true
	if death != "" {
		p.deaths[death]++
	}
	sessions := h.sessions
	p.mu.Unlock()
	close(h.gone)
	switch {
	case h.failed != nil:
		p.cfg.Log.Error("a media host cannot be started", "error", h.failed)
	case death != "":
		p.cfg.Log.Warn("a media host has died; its pushes go on in others", "how", how, "sessions", sessions, "pid", pid)
	}
}

// kill ends a host that does not do what it is to do.
func (h *host) kill(why string) { h.killFor(nil, why) }

// killFor ends a host that does not do what it is to do with a source that has behaved
// as c: nobody else in it is to blame. nil is for nobody's.
func (h *host) killFor(c *media.Conduct, why string) {
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	if h.killed == "" {
		h.killed, h.culprit = why, c
	}
	h.leaving = true
	if h.cmd != nil {
		_ = h.cmd.Process.Kill()
	}
}

// retire lets a host end, in which nothing is. mu is held.
func (p *Pool) retire(h *host) {
	h.leaving = true
	if h.control != nil {
		_ = h.control.CloseWrite() // it ends then
	}
	go func() {
		select {
		case <-h.gone:
		case <-time.After(retireTime):
			h.kill("did not end")
		}
	}()
}

// need is what a session is for.
type need struct {
	conduct *media.Conduct
	encodes bool
}

// take returns the host that a new session is to live in, which counts it; it may be
// starting still.
func (p *Pool) take(n need) (*host, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errors.New("the media hosts have ended")
	}
	proven, own := n.conduct.Proven(), n.encodes || n.conduct.Apart()
	var h *host
	if i := slices.IndexFunc(p.hosts, func(h *host) bool { return h.takes(proven, own, p.cfg.Pushes) }); i >= 0 {
		h = p.hosts[i]
	} else {
		h = p.start()
	}
	h.own, h.encodes, h.seen.alone = own, n.encodes, 0
	h.enter(n.conduct)
	p.spare()
	if n.encodes && h.cmd != nil {
		return h, h.bound()
	}
	return h, nil
}

// enter counts one more session. mu is held.
func (h *host) enter(c *media.Conduct) {
	h.sessions++
	h.served++
	h.guests[c]++
}

// takes says whether a source that has played, or not, may live in h. What lives alone
// begins with a host that nobody had before. mu is held.
func (h *host) takes(proven, own bool, most int) bool {
	switch {
	case h.leaving || h.own || h.served >= mostServed:
		return false
	case h.served == 0:
		return true
	case own:
		return false
	case h.proven() == proven:
		return h.sessions < most
	default:
		return h.sessions < mostMixed
	}
}

// proven says whether a source in h has played. mu is held.
func (h *host) proven() bool {
	for c := range h.guests {
		if c.Proven() {
			return true
		}
	}
	return false
}

// spare keeps one host ready that nobody has had. mu is held.
func (p *Pool) spare() {
	idle := func(h *host) bool { return h.served == 0 && !h.leaving }
	if !p.closed && !slices.ContainsFunc(p.hosts, idle) {
		p.start()
	}
}

// leave notes that a session of h has ended, of a source that has behaved as c.
func (h *host) leave(c *media.Conduct) {
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	if h.guests[c]--; h.guests[c] <= 0 {
		delete(h.guests, c)
	}
	if h.sessions--; h.sessions == 0 && !h.leaving {
		h.pool.retire(h)
	}
}

// finish ends a session of h, of a source that has behaved as by, and kills h when it
// does not obey. owes says that it gave nothing before, for long.
func (h *host) finish(c *conn, by *media.Conduct, owes bool) {
	defer h.leave(by)
	defer func() { _ = c.Close() }()
	_ = h.tell(c.number, nil) // an error says that it is gone
	if end, ok := c.Conn.(*net.UnixConn); ok {
		_ = end.CloseWrite()
	}
	c.leave(obeyTime)
	if _, err := io.Copy(io.Discard, c.Conn); errors.Is(err, os.ErrDeadlineExceeded) {
		why := disobeyed
		if owes {
			why = hung
		}
		h.killFor(by, why)
		h.blame(by, false)
	}
}

// mostStarts is how many hosts are tried that end before anything is in them.
const mostStarts = 3

// session opens a session in a host that has started: what one dies of before is
// nobody's fault who was to live in it.
func (p *Pool) session(ctx context.Context, n need) (*host, *conn, error) {
	var failed error
	for range mostStarts {
		h, err := p.take(n)
		if h == nil {
			return nil, nil, errShort(err)
		}
		if err == nil {
			err = h.ready(ctx)
		}
		var c *conn
		if err == nil {
			c, err = h.connect()
		}
		if err == nil {
			return h, c, nil
		}
		failed = err
		h.leave(n.conduct)
		if ctx.Err() != nil {
			return nil, nil, context.Cause(ctx)
		}
		h.awaitEnd()
	}
	return nil, nil, errShort(failed)
}

// errShort is the end of what this worker has no host for: another worker may.
func errShort(err error) error {
	return &media.Error{Kind: media.KindWorkerShort, Op: "start a media host", Err: err}
}

// ready waits until h has said what it is.
func (h *host) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	select {
	case <-h.said:
		return h.failed
	case <-ctx.Done():
		return errors.New("it did not start in time")
	}
}

// awaitEnd waits for the end of a host that does not answer.
func (h *host) awaitEnd() {
	select {
	case <-h.gone:
	case <-time.After(obeyTime):
		h.kill("did not answer")
		<-h.gone
	}
}

// connect opens a session in h, which is ready.
func (h *host) connect() (*conn, error) {
	here, there, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer func() { _ = there.Close() }()
	c := newConn(here)
	c.moved = &h.moved
	h.pool.mu.Lock()
	h.last++
	c.number = h.last
	h.pool.mu.Unlock()
	if err := h.tell(c.number, syscall.UnixRights(int(there.Fd()))); err != nil {
		return nil, errors.Join(err, here.Close())
	}
	return c, nil
}

// tell sends a message over the control socket.
func (h *host) tell(number uint32, rights []byte) error {
	_, _, err := h.control.WriteMsgUnix(binary.BigEndian.AppendUint32(nil, number), rights, nil)
	return err
}

// errDied says that the host of a session is gone.
var errDied = errors.New("the media host has died")

// blame notes the death of h with a source that was in it: once, however many sessions
// it had. further says whether the source had got further than at the last one.
//
// What counts against a source is a death of the host's own with nobody else in it. All
// others have it live apart: it may be to blame.
func (h *host) blame(c *media.Conduct, further bool) {
	h.awaitEnd()
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	if h.blamed[c] || h.culprit != nil && h.culprit != c {
		return
	}
	h.blamed[c] = true
	switch {
	case h.byOthers():
		c.Died(media.Killing, further)
	case h.own && h.killed != disobeyed:
		c.Died(media.Death, further && h.killed == "")
	default:
		c.Died(media.Beside, further)
	}
}

// byOthers says of a host that is gone whether that may have come from outside. The
// pool's mu is held.
func (h *host) byOthers() bool {
	return h.killed == wasStopped || h.killed == "" && h.signal == syscall.SIGKILL // the system's, which is out of memory, or somebody's
}

// join makes h count one more session, of a source that has behaved as c, unless it
// takes none.
func (h *host) join(c *media.Conduct) bool {
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	if h.leaving {
		return false
	}
	h.enter(c)
	return true
}

// errPoisoned is the end of a source that kills what takes it apart.
func errPoisoned(op string) error {
	return &media.Error{Kind: media.KindSourcePoisoned, Op: op, Err: media.Because("what takes it apart died of it, again and again; is it damaged?", nil)}
}
