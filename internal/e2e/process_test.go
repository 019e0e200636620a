package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience bounds every wait for something that has to happen: far beyond what
// it takes, for machines that are busy.
const patience = 30 * time.Second

// process is one of our programs, running, with its log.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // of its end

	mu      sync.Mutex
	lines   []logLine
	raw     strings.Builder
	changed chan struct{} // closed at every line
}

// logLine is one JSON line of a log.
type logLine map[string]any

// start runs bin with these settings until the end of the test.
func start(t testing.TB, bin string, env ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(bin), done: make(chan struct{}), changed: make(chan struct{})}
	p.cmd.Env = append([]string{"PATH=/usr/bin:/bin", "GORACE=halt_on_error=1 atexit_sleep_ms=0", "ROOMCAST_LOG_FORMAT=json"}, env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	r, w := io.Pipe()
	p.cmd.Stdout, p.cmd.Stderr = w, w
	require.NoError(t, p.cmd.Start())
	var reading sync.WaitGroup
	reading.Go(func() { p.read(r) })
	go func() {
		p.err = p.cmd.Wait()
		_ = w.Close()
		reading.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s:\n%s", bin, p.tail())
		}
	})
	return p
}

func (p *process) read(r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line logLine
		_ = json.Unmarshal(lines.Bytes(), &line)
		p.mu.Lock()
		p.raw.WriteString(lines.Text() + "\n")
		p.lines = append(p.lines, line)
		close(p.changed)
		p.changed = make(chan struct{})
		p.mu.Unlock()
	}
	_, _ = io.Copy(io.Discard, r)
}

// log returns the whole log.
func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.raw.String()
}

// tail is the end of the log, but for the API's line per request.
func (p *process) tail() string {
	var kept []string
	for line := range strings.Lines(p.log()) {
		if !strings.Contains(line, `"msg":"request"`) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept[max(0, len(kept)-40):], "")
}

// waitLine waits until a line with this message, past or to come, is logged.
func (p *process) waitLine(t testing.TB, msg string) logLine {
	t.Helper()
	limit := time.After(patience)
	for seen := 0; ; {
		p.mu.Lock()
		fresh, changed := p.lines[seen:], p.changed
		seen = len(p.lines)
		p.mu.Unlock()
		for _, line := range fresh {
			if line["msg"] == msg {
				return line
			}
		}
		select {
		case <-changed:
		case <-p.done:
			t.Fatalf("ended (%v) before it logged %q:\n%s", p.err, msg, p.tail())
		case <-limit:
			t.Fatalf("no %q in the log:\n%s", msg, p.tail())
		}
	}
}

// named returns the lines with this message that have been logged.
func (p *process) named(msg string) []logLine {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []logLine
	for _, line := range p.lines {
		if line["msg"] == msg {
			found = append(found, line)
		}
	}
	return found
}

// alive says whether it has not ended.
func (p *process) alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// end sends SIGTERM and returns the exit code.
func (p *process) end(t testing.TB) int {
	t.Helper()
	p.signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatalf("still running after SIGTERM:\n%s", p.tail())
	}
	return p.cmd.ProcessState.ExitCode()
}
