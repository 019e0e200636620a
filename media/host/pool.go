package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"slices"
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
	// givesWay is by how much is nicer than the worker what must not hold up copies: hosts
	// that re-encode, and threads that open what nobody has played yet.
	givesWay = 5
	mostNice = 19
	// obeyTime is how long a host may take to end a session: its threads may have to wait
	// for a core, and who is killed for that has the others in it opened anew.
	obeyTime = 1500 * time.Millisecond
	// retireTime is how long one may take to end in which nothing is: nobody waits for
	// it, and it may still be starting.
	retireTime = 5 * time.Second
	// timerSlack is by how much a host's timers may be late: Go's runtime looks after itself
	// each 20 µs for a while after each turn, which a virtual machine pays dearly for.
	timerSlack = time.Millisecond
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

// living are the hosts that have been started, and have not ended.
func (p *Pool) living() []*host {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.hosts), func(h *host) bool { return h.cmd == nil })
}

// PIDs are the process ids of the hosts that run.
func (p *Pool) PIDs() []int {
	var pids []int
	for _, h := range p.living() {
		pids = append(pids, h.cmd.Process.Pid)
	}
	return pids
}

// start adds a host, which starts while others work. mu is held.
func (p *Pool) start() *host {
	h := &host{pool: p, said: make(chan struct{}), gone: make(chan struct{})}
	h.guests, h.blamed = map[*media.Conduct]int{}, map[*media.Conduct]bool{}
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
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(timerSlack), 0, 0, 0) // hosts have it from here; without it they wake more often
	for start := range p.forks {
		start()
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
	memory  int64 // bytes that it may need to be opened
}

// own says whether it is to have a host of its own.
func (n need) own() bool { return n.encodes || n.conduct.Apart() }

// openingMemory is what is set aside for a source of so many bytes while it is opened: the
// index of a long mp4 is large, and larger while libav makes it.
func openingMemory(size int64) int64 {
	const some, most = 8 << 20, 112 << 20
	return some + min(max(size, 0)/2, most)
}

// take returns the host that a new session is to live in, which counts it; it may be
// starting still.
func (p *Pool) take(n need) (*host, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errors.New("the media hosts have ended")
	}
	var h *host
	if i := slices.IndexFunc(p.hosts, func(h *host) bool { return h.takes(n, p.cfg.Pushes) }); i >= 0 {
		h = p.hosts[i]
	} else {
		h = p.start()
	}
	h.own, h.encodes, h.seen.alone = n.own(), n.encodes, 0
	h.enter(n.conduct)
	h.opening += n.memory
	p.spare()
	if h.own && h.cmd != nil {
		return h, h.bound()
	}
	return h, nil
}

// spare keeps one host ready that nobody has had. mu is held.
func (p *Pool) spare() {
	idle := func(h *host) bool { return h.served == 0 && !h.leaving }
	if !p.closed && !slices.ContainsFunc(p.hosts, idle) {
		p.start()
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
		h.settle(n)
		h.leave(n.conduct)
		if ctx.Err() != nil {
			return nil, nil, context.Cause(ctx)
		}
		h.awaitEnd()
	}
	return nil, nil, errShort(failed)
}
