package mediatest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is a running program. It is killed at the end of its test.
type Process struct {
	cmd  *exec.Cmd
	out  output
	done chan struct{}
	err  error // set before done is closed
}

// output is a bytes.Buffer to be read while it is written.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// start runs a program that Debian has in the named package, in a folder, or in the
// test's own.
func start(t testing.TB, debianPackage, dir, name string, args ...string) *Process {
	t.Helper()
	// t.Context ends before the clean-ups, which interrupt.
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), name, args...)
	cmd.Dir = dir
	if cmd.Err != nil {
		t.Fatalf("%s is not installed: apt-get install -y %s", cmd.Path, debianPackage)
	}
	p := &Process{cmd: cmd, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(p.Kill)
	return p
}

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Output is what it printed so far, to both of its outputs.
func (p *Process) Output() string { return p.out.String() }

// Wait waits for the program's end and returns its error, or an error after
// limit.
func (p *Process) Wait(limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.done:
		return p.err
	case <-timer.C:
		return errors.New(p.cmd.Path + " still runs after " + limit.String())
	}
}

// Interrupt asks the program to end, as Ctrl-C does: ffmpeg then unpublishes.
// It returns when the program has ended, at most 10 s later by killing it.
func (p *Process) Interrupt() {
	_ = p.cmd.Process.Signal(syscall.SIGINT)
	if p.Wait(10*time.Second) != nil {
		p.Kill()
	}
}

// Signal sends sig: SIGSTOP and SIGCONT freeze and thaw a publisher.
func (p *Process) Signal(sig os.Signal) error { return p.cmd.Process.Signal(sig) }

// Kill ends the program without a word and waits for it.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}
