package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/roomcast/roomcast/internal/process"
)

// program is what is to run as a child.
type program struct {
	name string // for people
	path string
	args []string // everybody may read them
	env  []string
	log  string // the file that takes both of its outputs
}

// child is a running program. It dies with this process, whatever that dies
// of.
type child struct {
	program
	cmd     *exec.Cmd
	exited  <-chan struct{}
	err     error // its end; set before exited is closed
	stopped atomic.Bool
}

// start starts p. When p ends by itself, ended is told; ended may be nil.
func start(p program, ended func(error)) (*child, error) {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	defer func() { _ = log.Close() }()
	c := &child{program: p, cmd: exec.Command(p.path, p.args...)}
	c.cmd.Stdout, c.cmd.Stderr, c.cmd.Env = log, log, p.env
	c.exited, err = process.Child(c.cmd, func(err error) {
		if c.err = err; ended != nil && !c.stopped.Load() {
			ended(fmt.Errorf("%s ended by itself: %s", c.name, c.cmd.ProcessState))
		}
	})
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	return c, nil
}

// stop asks the child to end and kills it after limit. It returns when the
// child is gone; an end that was not clean is an error, unless the child had
// ended by itself: that was told already.
func (c *child) stop(limit time.Duration) error {
	select {
	case <-c.exited:
		return nil
	default:
	}
	c.stopped.Store(true)
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-c.exited:
		if c.err != nil {
			return fmt.Errorf("%s did not end cleanly: %w", c.name, c.err)
		}
		return nil
	case <-timer.C:
		_ = c.cmd.Process.Kill()
		<-c.exited
		return fmt.Errorf("%s did not end within %v and was killed", c.name, limit)
	}
}

// kill ends the child at once.
func (c *child) kill() {
	c.stopped.Store(true)
	_ = c.cmd.Process.Kill()
	<-c.exited
}

// wait waits for the child's own end and kills it when ctx ends first.
func (c *child) wait(ctx context.Context) error {
	select {
	case <-c.exited:
		return c.err
	case <-ctx.Done():
		c.kill()
		return context.Cause(ctx)
	}
}

const (
	pollEvery  = 30 * time.Millisecond
	readyLimit = 30 * time.Second
)

// ready waits until check succeeds. Its error is check's last one, or that the
// child has ended.
func (c *child) ready(ctx context.Context, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-c.exited:
			return fmt.Errorf("%w: %s: %s", errEndedEarly, c.name, c.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("%s does not get ready: %w", c.name, err)
		case <-tick.C:
		}
	}
}

// errEndedEarly is a program that ended before it was ready: somebody may have
// taken its port.
var errEndedEarly = errors.New("ended before it was ready")

// tail returns the last lines of a log file, for people.
func tail(path string, lines int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
