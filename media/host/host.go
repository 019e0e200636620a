package host

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/roomcast/roomcast/media"
	"golang.org/x/sys/unix"
)

// host is one child process.
type host struct {
	pool     *Pool
	said     chan struct{} // closed when it has said hello, or is gone
	gone     chan struct{} // closed when it has ended
	failed   error         // why it does not serve; set before it is said
	moved    atomic.Int64  // bytes that have gone over its sessions
	mayShare atomic.Bool   // it was one push's, which may share again

	// Guarded by the pool's mu.
	process // after it has said hello it does not change
	use
	ending
	leaving bool   // it takes nothing new
	last    uint32 // number of a session
	seen    seen
}

// process is a host's, once it has been started.
type process struct {
	cmd     *exec.Cmd // nil: it has not been
	control *net.UnixConn
	statm   *os.File // its memory; opened before it cannot be looked at any more
	empty   int64    // bytes that it had allocated when it was ready
}

// use is who lives in a host.
type use struct {
	sessions int
	served   int                    // sessions, those that are over too
	guests   map[*media.Conduct]int // how many of the sessions are of which source
	own      bool                   // it is one push's
	opening  int64                  // bytes that are set aside for sources that are being opened
	encodes  bool                   // it re-encodes
}

// ending is how a host has ended, and for whom.
type ending struct {
	killed  string         // why it was, empty if it was not by us
	culprit *media.Conduct // of the source for which it was killed; nil: that is not known
	signal  os.Signal
	blamed  map[*media.Conduct]bool
}

// seen is what the looks at a host have seen.
type seen struct {
	cpu   time.Duration
	moved int64
	alone int // looks in a row that found it one push's own
}

// Why a host is killed.
const (
	wasStopped = "was stopped"  // by somebody: it did nothing wrong
	disobeyed  = "did not obey" // it may be slow alone
	hung       = "gave nothing" // though it had all that it had asked for
	overworked = "used a core"  // for nothing
	babbled    = "said what is no frame of ours"
)

// errDied says that the host of a session is gone.
var errDied = errors.New("the media host has died")

// run starts a host, hears what it says of itself, and waits for its end.
func (h *host) run() {
	if h.failed = h.begin(); h.failed == nil {
		h.failed = h.hear()
	}
	close(h.said)
	if h.failed != nil && !h.retired() {
		h.pool.cfg.Log.Error("a media host cannot be started", "error", h.failed)
		h.kill("failed to start")
	}
	if h.cmd != nil {
		_ = h.cmd.Wait()
	}
	h.end()
}

// retired says whether nobody wants h any more, which is told to end.
func (h *host) retired() bool {
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	return h.leaving && h.killed == ""
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
		// C's allocator would have an arena for each thread, and Go moves a source from one to
		// the next: each keeps what was once used of it. mallopt comes too late for this.
		"MALLOC_ARENA_MAX=1",
		// The tables of a long recording are mapped: what they leave behind when they grow goes
		// back. A picture of 1080p is less, and stays in the arena.
		"MALLOC_MMAP_THRESHOLD_=4194304",
	}
	if options, ok := os.LookupEnv("GORACE"); ok { // of the race detector, which tests build in
		cmd.Env = append(cmd.Env, "GORACE="+options)
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
	if h.encodes || h.own {
		memory = p.cfg.EncodeMemory
	}
	err := p.cfg.prlimit(pid, unix.RLIMIT_DATA, &unix.Rlimit{Cur: uint64(memory), Max: uint64(max(memory, p.cfg.EncodeMemory))}, nil)
	if h.encodes {
		nice, failed := nicer()
		err = errors.Join(err, failed, unix.Setpriority(unix.PRIO_PGRP, pid, nice))
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

// nice is that of this process: it may give others no less without a right.
func nice() (int, error) {
	priority, err := unix.Getpriority(unix.PRIO_PROCESS, os.Getpid())
	return 20 - priority, err // as getpriority(2) has it
}

// nicer is how nice what gives way to this process is.
func nicer() (int, error) {
	own, err := nice()
	return min(own+givesWay, mostNice), err
}

// niceFor is how nice a source that has behaved as c is opened; 0: as it is read. One of
// which something has been given, or that has played, goes on where viewers may wait.
func niceFor(c *media.Conduct, given bool) int {
	if given || c.Proven() {
		return 0
	}
	nice, err := nicer()
	if err != nil {
		return 0
	}
	return nice
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
	h.pool.begun, h.seen.cpu, h.empty = said, h.cpu(), h.allocated()
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
	if death != "" && h.failed == nil {
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

// settle gives back what was set aside for a source: what it needs, it has.
func (h *host) settle(n need) {
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	h.opening -= n.memory
}

// isOwn says whether h is one push's.
func (h *host) isOwn() bool {
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	return h.own
}

// enter counts one more session. mu is held.
func (h *host) enter(c *media.Conduct) {
	h.sessions++
	h.served++
	h.guests[c]++
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

// rejoin opens one more session in h, unless that is nil or takes none.
func (h *host) rejoin(c *media.Conduct) *conn {
	if h == nil || !h.join(c) {
		return nil
	}
	session, err := h.connect()
	if err != nil {
		h.leave(c)
		return nil
	}
	return session
}

// takes says whether a source that has played, or not, may live in h. What lives alone
// begins with a host that nobody had before. mu is held.
func (h *host) takes(n need, most int) bool {
	switch {
	case h.leaving || h.own || h.served >= mostServed:
		return false
	case h.served == 0:
		return true
	case n.own():
		return false
	}
	if h.proven() != n.conduct.Proven() {
		most = mostMixed
	}
	return h.sessions < most && h.allocated()+h.opening+n.memory <= h.pool.cfg.Memory
}

// vacate lets h end in which one push lives alone that may share again, when there are
// others for it to live with. n is what it needs there.
func (h *host) vacate(n need) bool {
	p := h.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	others := func(o *host) bool { return o != h && o.sessions > 0 && o.takes(n, p.cfg.Pushes) }
	if h.sessions != 1 || h.leaving || !slices.ContainsFunc(p.hosts, others) {
		return false
	}
	p.retire(h)
	return true
}

// grown is how many bytes h has allocated since it was ready.
func (h *host) grown() int64 {
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	return max(h.allocated()-h.empty, 0)
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

// overworks says whether h has used more than half a core since the last look, and
// more than what it has moved can have cost. Who re-encodes may use what there is.
func (h *host) overworks() bool {
	select {
	case <-h.said:
	default:
		return false // its start takes what it takes
	}
	now := seen{cpu: h.cpu(), moved: h.moved.Load()}
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	used, moved := now.cpu-h.seen.cpu, now.moved-h.seen.moved
	h.seen.cpu, h.seen.moved = now.cpu, now.moved
	most := h.pool.cfg.work + time.Duration(float64(moved)/bytesOfSecond*float64(time.Second))
	return !h.encodes && used > most
}

// forgive lets a push share again that has lived alone for a while: others may join it
// in its host, and it may join them, see vacate. mu is held.
func (h *host) forgive() {
	if !h.own || h.leaving || h.sessions == 0 {
		return
	}
	if h.seen.alone++; h.seen.alone <= aloneLooks {
		return
	}
	h.own = h.encodes
	h.mayShare.Store(!h.encodes)
	for c := range h.guests {
		c.Forgive()
	}
}
