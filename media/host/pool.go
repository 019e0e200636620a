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
	"slices"
	"strconv"
	"sync"
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
	// Pushes is how many copied pushes share a host; 0 means 16.
	Pushes int
	// Memory is how many bytes a host may allocate, EncodeMemory one that re-encodes;
	// 0 means 512 MB and 1 GB.
	Memory, EncodeMemory int64
	Log                  *slog.Logger

	rest time.Duration // how often idle hosts are looked at; 0 means 10 s
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
	hosts   []*host // that run
	closed  bool
	ended   sync.WaitGroup
	begun   hello
	started int64
	deaths  map[Death]int64
	preview previews
	stops   chan os.Signal // tells that children have stopped, or ended
}

// host is one child process.
type host struct {
	pool    *Pool
	cmd     *exec.Cmd
	control *net.UnixConn
	said    chan struct{} // closed when it has said hello, or is gone
	gone    chan struct{} // closed when it has ended
	failed  error         // what it said in place of hello
	statm   *os.File      // its memory; opened before it cannot be looked at any more

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
	blamed   map[*media.Conduct]bool // whether they are poisoned
	last     uint32                  // number of a session
	seen     struct {                // at the last look
		served int
		cpu    time.Duration
	}
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
	if c.rest <= 0 {
		c.rest = restEvery
	}
	p := &Pool{cfg: c, deaths: map[Death]int64{}, stops: make(chan os.Signal, 1)}
	signal.Notify(p.stops, syscall.SIGCHLD)
	p.ended.Go(p.watch)
	p.mu.Lock()
	h, err := p.start()
	p.mu.Unlock()
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	if err := h.ready(ctx); err != nil {
		h.kill("did not start")
		return nil, errors.Join(fmt.Errorf("start a media host: %w", err), p.Close())
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

// Close ends all hosts.
func (p *Pool) Close() error {
	p.mu.Lock()
	if !p.closed {
		signal.Stop(p.stops)
		close(p.stops)
	}
	p.closed = true
	for _, h := range slices.Clone(p.hosts) {
		p.retire(h)
	}
	p.mu.Unlock()
	p.ended.Wait()
	return nil
}

// restEvery is how often idle hosts are looked at, and mostUnrest how much of a core's
// time they may use meanwhile: what works there works for nobody.
const (
	restEvery  = 10 * time.Second
	mostUnrest = 2 * time.Second
)

// watch looks after the hosts until the pool is closed.
func (p *Pool) watch() {
	rest := time.NewTicker(p.cfg.rest)
	defer rest.Stop()
	for {
		select {
		case _, open := <-p.stops:
			if !open {
				return
			}
			p.killStopped()
		case <-rest.C:
			p.killRestless()
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

// killRestless kills hosts that have worked since the last look though nothing was in
// them.
func (p *Pool) killRestless() {
	for _, h := range p.living() {
		used := h.cpu()
		p.mu.Lock()
		restless := h.sessions == 0 && h.served == h.seen.served && used-h.seen.cpu > mostUnrest
		h.seen.served, h.seen.cpu = h.served, used
		p.mu.Unlock()
		if restless {
			h.kill("worked for nobody")
		}
	}
}

// living are the hosts that run.
func (p *Pool) living() []*host {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.hosts)
}

const (
	// wasStopped is why a host is killed that did nothing wrong.
	wasStopped = "was stopped"
	// disobeyed is why one is killed that may be slow alone.
	disobeyed = "did not obey"
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

// start starts a host. mu is held.
func (p *Pool) start() (*host, error) {
	control, there, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer func() { _ = there.Close() }()
	cmd := exec.Command(p.cfg.Command[0], p.cfg.Command[1:]...) //nolint:gosec // it is this program
	cmd.Path = cmp.Or(p.cfg.Program, cmd.Path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // see yield
	cmd.ExtraFiles = []*os.File{there}
	cmd.Env = []string{
		"GOMAXPROCS=1",
		"GOMEMLIMIT=" + strconv.FormatInt(p.cfg.Memory/4, 10),
	}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, control.Close())
	}
	statm, _ := os.Open(fmt.Sprintf("/proc/%d/statm", cmd.Process.Pid)) // nil: it is not known
	h := &host{pool: p, cmd: cmd, control: control, statm: statm, said: make(chan struct{}), gone: make(chan struct{}), guests: map[*media.Conduct]int{}}
	p.hosts = append(p.hosts, h)
	p.started++
	h.limit(p.cfg.Memory)
	p.ended.Go(h.watch)
	return h, nil
}

// limit bounds what a host allocates.
func (h *host) limit(memory int64) {
	most := uint64(memory)
	_ = unix.Prlimit(h.cmd.Process.Pid, unix.RLIMIT_DATA, &unix.Rlimit{Cur: most, Max: uint64(max(h.pool.cfg.EncodeMemory, memory))}, nil)
}

// watch hears what a host says of itself, and waits for its end.
func (h *host) watch() {
	c := newConn(h.control)
	k, payload, err := c.receive(fresh)
	switch {
	case err != nil:
		h.failed = fmt.Errorf("it ended at once: %w", err)
	case k == kindEnd:
		var f fault
		if h.failed = decode(payload, &f); h.failed == nil {
			h.failed = errors.New(f.Text)
		}
	default:
		var said hello
		if err := decode(payload, &said); err != nil || said.Version != version {
			h.failed = errors.New("it is of another version than this worker: was the program replaced?")
			break
		}
		h.pool.mu.Lock()
		h.pool.begun = said
		h.pool.mu.Unlock()
	}
	close(h.said)
	if h.failed != nil {
		h.kill("failed to start")
	}
	_ = h.cmd.Wait()
	h.end()
}

// end notes how a host has ended.
func (h *host) end() {
	_ = h.control.Close()
	p := h.pool
	p.mu.Lock()
	p.hosts = slices.DeleteFunc(p.hosts, func(o *host) bool { return o == h })
	status, _ := h.cmd.ProcessState.Sys().(syscall.WaitStatus)
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
	_ = h.statm.Close() // nil does no harm
	if death != "" {
		p.cfg.Log.Warn("a media host has died; its pushes go on in others", "how", how, "sessions", sessions, "pid", h.cmd.Process.Pid)
	}
}

// kill ends a host that does not do what it is to do.
func (h *host) kill(why string) {
	h.pool.mu.Lock()
	if h.killed == "" {
		h.killed = why
	}
	h.leaving = true
	h.pool.mu.Unlock()
	_ = h.cmd.Process.Kill()
}

// killFor ends a host that does not do what it is to do with a source that has behaved
// as c: nobody else in it is to blame.
func (h *host) killFor(c *media.Conduct, why string) {
	h.pool.mu.Lock()
	if h.killed == "" {
		h.culprit = c
	}
	h.pool.mu.Unlock()
	h.kill(why)
}

// retire lets a host end, in which nothing is. mu is held.
func (p *Pool) retire(h *host) {
	h.leaving = true
	_ = h.control.CloseWrite() // it ends then
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

// take returns the host that a new session is to live in, which counts it.
func (p *Pool) take(n need) (*host, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errors.New("the media hosts have ended")
	}
	proven := n.conduct.Proven()
	own := n.encodes || n.conduct.Dying()
	i := slices.IndexFunc(p.hosts, func(h *host) bool { return h.takes(proven, own, p.cfg.Pushes) })
	var h *host
	if i >= 0 {
		h = p.hosts[i]
	} else {
		var err error
		if h, err = p.start(); err != nil {
			return nil, err
		}
	}
	h.own = own
	h.enter(n.conduct)
	if n.encodes && !h.encodes {
		h.encodes = true
		h.limit(p.cfg.EncodeMemory)
		h.yield()
	}
	p.spare()
	return h, nil
}

// enter counts one more session. mu is held.
func (h *host) enter(c *media.Conduct) {
	h.sessions++
	h.served++
	h.guests[c]++
}

// takes says whether a source that has played, or not, may live in h. mu is held.
func (h *host) takes(proven, own bool, most int) bool {
	switch {
	case h.leaving || h.own || h.served >= mostServed:
		return false
	case h.sessions == 0:
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

// spare keeps one host ready that nobody has. mu is held.
func (p *Pool) spare() {
	if slices.ContainsFunc(p.hosts, (*host).idle) {
		return
	}
	if _, err := p.start(); err != nil {
		p.cfg.Log.Error("a media host cannot be started", "error", err)
	}
}

// idle says whether nobody has h, who may. mu is held.
func (h *host) idle() bool { return h.sessions == 0 && !h.leaving && h.served < mostServed }

// yield makes all threads of a host, which is a process group, give way to the copies.
func (h *host) yield() {
	_ = unix.Setpriority(unix.PRIO_PGRP, h.cmd.Process.Pid, encodeNice)
}

// leave notes that a session of h has ended, of a source that has behaved as c.
func (h *host) leave(c *media.Conduct) {
	p := h.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if h.guests[c]--; h.guests[c] <= 0 {
		delete(h.guests, c)
	}
	if h.sessions--; h.sessions > 0 || h.leaving {
		return
	}
	spare := slices.ContainsFunc(p.hosts, func(o *host) bool { return o != h && o.idle() })
	if h.own || spare || h.served >= mostServed || p.closed {
		p.retire(h)
	}
}

// finish ends a session of h, of a source that has behaved as by, and kills h when it
// does not obey.
func (h *host) finish(c *conn, by *media.Conduct) {
	defer h.leave(by)
	if c == nil {
		return
	}
	defer func() { _ = c.Close() }()
	_ = h.tell(c.number, nil) // an error says that it is gone
	if end, ok := c.Conn.(*net.UnixConn); ok {
		_ = end.CloseWrite()
	}
	c.leave(obeyTime)
	if _, err := io.Copy(io.Discard, c.Conn); errors.Is(err, os.ErrDeadlineExceeded) {
		h.killFor(by, disobeyed)
		h.blame(by, true) // it is opened next in a host of its own
	}
}

// mostStarts is how many hosts are tried that end before anything is in them.
const mostStarts = 3

// session opens a session in a host that has started: what one dies of before is
// nobody's fault who was to live in it.
func (p *Pool) session(ctx context.Context, n need) (h *host, c *conn, err error) {
	for range mostStarts {
		if h, err = p.take(n); err != nil {
			return nil, nil, err
		}
		if err = h.ready(ctx); err == nil {
			c, err = h.connect()
		}
		if err == nil {
			return h, c, nil
		}
		h.leave(n.conduct)
		if ctx.Err() != nil {
			return nil, nil, context.Cause(ctx)
		}
		h.awaitEnd()
	}
	return nil, nil, &media.Error{Kind: media.KindSourceDropped, Op: "start a media host", Err: err}
}

// ready waits until h has said what it is.
func (h *host) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	select {
	case <-h.said:
	case <-ctx.Done():
		return errors.New("it did not start in time")
	}
	if h.failed != nil {
		return h.failed
	}
	return nil
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

// connect opens a session in h.
func (h *host) connect() (*conn, error) {
	here, there, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer func() { _ = there.Close() }()
	c := newConn(here)
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

// blame notes the death of h with what was in it: once, however many sessions that had.
// further says whether the source had got further than at the last one. It returns
// whether the source is poisoned.
func (h *host) blame(c *media.Conduct, further bool) (poisoned bool) {
	h.awaitEnd()
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	if poisoned, known := h.blamed[c]; known {
		return poisoned
	}
	if h.culprit != nil && h.culprit != c {
		return false
	}
	how := media.Death
	if h.byOthers() {
		how = media.Killing
	}
	if h.blamed == nil {
		h.blamed = map[*media.Conduct]bool{}
	}
	h.blamed[c] = c.Died(how, further)
	return h.blamed[c]
}

// byOthers says of a host that is gone whether that may have come from outside. The
// pool's mu is held.
func (h *host) byOthers() bool {
	return h.killed == wasStopped || h.killed == disobeyed ||
		h.killed == "" && h.signal == syscall.SIGKILL // the system's, which is out of memory, or somebody's
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
	return &media.Error{Kind: media.KindSourcePoisoned, Op: op, Err: media.Because("is it damaged?", nil)}
}
