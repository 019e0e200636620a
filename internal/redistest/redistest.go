// Package redistest runs private redis-server processes for tests. A server
// listens on a free port of 127.0.0.1, keeps its files in a folder of its own
// and is ended by its own process id.
package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/roomcast/roomcast/internal/freeport"
	"github.com/roomcast/roomcast/internal/process"
	"github.com/roomcast/roomcast/internal/redisconn"
)

const (
	startTimeout = 20 * time.Second
	portTries    = 10
	pollEvery    = 10 * time.Millisecond
)

// Config changes how a server is started.
type Config struct {
	Password   string   // requirepass
	AppendOnly bool     // append-only file, fsync always, so that Restart keeps the data
	Args       []string // more arguments, as on the command line
	// SentinelOf makes it a Sentinel that watches this server under the name
	// "mymaster", with a quorum of 1.
	SentinelOf *Server
}

// Server is a running redis-server. Its methods are called from one goroutine.
type Server struct {
	cfg  Config
	dir  string
	port int

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited <-chan struct{}
}

// Start starts a server and returns once it answers. The caller closes it.
func Start(cfg Config) (*Server, error) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		return nil, errors.New("redis-server is missing: apt-get install -y redis-server")
	}
	dir, err := os.MkdirTemp("", "roomcast-redis-")
	if err != nil {
		return nil, fmt.Errorf("start redis-server: %w", err)
	}
	s := &Server{cfg: cfg, dir: dir}
	if err := s.writeSentinelConfig(); err != nil {
		return nil, fmt.Errorf("start redis-server: %w", err)
	}
	for range portTries {
		if s.port, err = freeport.Find(); err != nil {
			break
		}
		if err = s.launch(); err == nil {
			return s, nil
		}
	}
	_ = os.RemoveAll(dir)
	return nil, fmt.Errorf("start redis-server: %w", err)
}

// New starts a server for one test, which fails if that does not work.
func New(t testing.TB, cfg Config) *Server {
	t.Helper()
	s, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// Run is a TestMain: it starts one server for the test binary, gives it to
// use, runs the tests, ends the server and fails the binary when goroutines
// are left behind. It returns the exit code.
func Run(m *testing.M, use func(*Server)) int {
	s, err := Start(Config{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	use(s)
	code := m.Run()
	s.Close()
	if code == 0 {
		if err := goleak.Find(IgnoreDials()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

// IgnoreDials lets goleak pass over go-redis's retry of a dial that failed; it
// ends within a second of Close.
func IgnoreDials() goleak.Option {
	return goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial")
}

// Addr is host:port.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Port is the TCP port.
func (s *Server) Port() int { return s.port }

// URL is a redis:// URL with the password, if there is one.
func (s *Server) URL() string {
	if s.cfg.Password != "" {
		return "redis://:" + url.PathEscape(s.cfg.Password) + "@" + s.Addr() + "/0"
	}
	return "redis://" + s.Addr() + "/0"
}

// Client returns a client of the server, closed at the test's end.
func (s *Server) Client(t testing.TB) redisconn.Client {
	t.Helper()
	c, err := redisconn.New(redisconn.Config{URL: s.URL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Fresh empties the server and returns a client of it.
func (s *Server) Fresh(t testing.TB) redisconn.Client {
	t.Helper()
	c := s.Client(t)
	if err := c.FlushAll(context.Background()).Err(); err != nil {
		t.Fatalf("empty redis: %v", err)
	}
	return c
}

// Stop freezes the process (SIGSTOP); Cont wakes it.
func (s *Server) Stop() error { return s.signal(syscall.SIGSTOP) }

// Cont wakes a frozen process (SIGCONT).
func (s *Server) Cont() error { return s.signal(syscall.SIGCONT) }

// Kill ends the process at once (SIGKILL) and waits for its end.
func (s *Server) Kill() {
	s.mu.Lock()
	exited := s.exited
	s.mu.Unlock()
	if exited == nil {
		return
	}
	_ = s.signal(syscall.SIGKILL)
	<-exited
}

// Restart starts the process again on the same port and files, after Kill.
func (s *Server) Restart() error {
	s.Kill()
	return s.launch()
}

// Close ends the process and removes its files.
func (s *Server) Close() {
	s.Kill()
	_ = os.RemoveAll(s.dir)
}

func (s *Server) signal(sig syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return errors.New("redis-server does not run")
	}
	return s.cmd.Process.Signal(sig)
}

func (s *Server) args() []string {
	var args []string
	if s.cfg.SentinelOf != nil {
		args = append(args, s.sentinelConfig(), "--sentinel")
	}
	args = append(args,
		"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--dir", s.dir,
		"--daemonize", "no", "--logfile", filepath.Join(s.dir, "redis.log"), "--save", "",
	)
	if s.cfg.AppendOnly {
		args = append(args, "--appendonly", "yes", "--appendfsync", "always")
	} else {
		args = append(args, "--appendonly", "no")
	}
	if s.cfg.Password != "" {
		args = append(args, "--requirepass", s.cfg.Password)
	}
	return append(args, s.cfg.Args...)
}

// launch starts the process and waits until it answers or ends.
func (s *Server) launch() error {
	cmd := exec.CommandContext(context.Background(), "redis-server", s.args()...)
	exited, err := process.Child(cmd, nil) // it must not outlive a killed test binary
	if err != nil {
		<-exited
		return err
	}
	s.mu.Lock()
	s.cmd, s.exited = cmd, exited
	s.mu.Unlock()
	if err := s.waitReady(exited); err != nil {
		s.Kill()
		return err
	}
	return nil
}

func (s *Server) waitReady(exited <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	c, err := redisconn.New(redisconn.Config{URL: s.URL()})
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		// Somebody else's server on a taken port answers too; ours tells its
		// process id.
		if s.listens(ctx) {
			if info, err := c.Info(ctx, "server").Result(); err == nil && s.isOurs(info) {
				return nil
			}
		}
		select {
		case <-exited:
			return fmt.Errorf("redis-server ended: %s", s.lastLog())
		case <-ctx.Done():
			return fmt.Errorf("redis-server does not answer: %s", s.lastLog())
		case <-tick.C:
		}
	}
}

// listens keeps go-redis from logging every refused connection of a start.
func (s *Server) listens(ctx context.Context) bool {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", s.Addr())
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

func (s *Server) isOurs(info string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return containsLine(info, "process_id:"+strconv.Itoa(s.cmd.Process.Pid))
}
