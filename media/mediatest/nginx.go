package mediatest

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"text/template"
	"time"
)

//go:embed nginx.conf.tmpl
var nginxConf string

// NginxConfig says what a private nginx serves.
type NginxConfig struct {
	// Root is the folder its file server serves; an empty one when empty.
	Root string
}

// NginxEvent is one of nginx's notices.
type NginxEvent struct {
	At   time.Time
	Call string // publish, publish_done, and play of what is live
	App  string
	Name string // the stream's, without its query
	Args url.Values
}

// Nginx is a private nginx with its RTMP module: an application "push" that
// records what is published, and an application "live" to publish to and to
// pull from.
type Nginx struct {
	HTTP string // "http://127.0.0.1:port", the file server
	RTMP string // "rtmp://127.0.0.1:port"; append "/push/name" or "/live/name"

	dir     string
	proc    *Process
	mu      sync.Mutex
	events  []NginxEvent
	changed chan struct{} // closed at every event
}

// StartNginx starts an nginx on free loopback ports; it ends with the test.
func StartNginx(t testing.TB, cfg NginxConfig) *Nginx {
	t.Helper()
	n := &Nginx{dir: t.TempDir(), changed: make(chan struct{})}
	hooks := httptest.NewServer(http.HandlerFunc(n.notice))
	t.Cleanup(hooks.Close)
	for _, sub := range []string{"root", "rec", "tmp"} {
		if err := os.Mkdir(filepath.Join(n.dir, sub), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if cfg.Root == "" {
		cfg.Root = filepath.Join(n.dir, "root")
	}
	const tries = 3 // a free port may be taken before nginx binds it
	for range tries {
		err := n.start(t, cfg, hooks.URL)
		if err == nil {
			return n
		}
		t.Logf("nginx: %v\n%s", err, n.proc.Output())
	}
	t.Fatal("nginx did not start: apt-get install -y nginx-light libnginx-mod-rtmp")
	return nil
}

func (n *Nginx) start(t testing.TB, cfg NginxConfig, hooks string) error {
	t.Helper()
	httpPort, rtmpPort := freePort(t), freePort(t)
	n.HTTP = fmt.Sprintf("http://127.0.0.1:%d", httpPort)
	n.RTMP = fmt.Sprintf("rtmp://127.0.0.1:%d", rtmpPort)
	var conf bytes.Buffer
	err := template.Must(template.New("nginx.conf").Parse(nginxConf)).Execute(&conf, map[string]any{
		"Dir": n.dir, "Root": cfg.Root, "HTTPPort": httpPort, "RTMPPort": rtmpPort, "Hooks": hooks,
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(n.dir, "nginx.conf")
	if err := os.WriteFile(path, conf.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	n.proc = start(t, "nginx-light libnginx-mod-rtmp", "", "nginx", "-p", n.dir, "-c", path, "-e", "stderr")
	t.Cleanup(n.Stop)
	return n.serves()
}

// serves waits until nginx answers or has ended. It serves nothing before it
// has all of its ports; until then another nginx may answer on one.
func (n *Nginx) serves() error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if n.answers(ctx) {
			return nil
		}
		select {
		case <-tick.C:
		case <-n.proc.Done():
			return errors.New("nginx has ended")
		case <-ctx.Done():
			return errors.New("nginx does not answer")
		}
	}
}

// answers says whether it is this nginx that answers on its HTTP port.
func (n *Nginx) answers(ctx context.Context) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, n.HTTP+"/whose", nil)
	if err != nil {
		return false
	}
	r.Close = true
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 4<<10))
	return err == nil && string(body) == n.dir
}

func freePort(t testing.TB) int {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().(*net.TCPAddr).Port
}

// notice answers nginx's on_publish, on_publish_done and on_play.
func (n *Nginx) notice(_ http.ResponseWriter, r *http.Request) {
	at := time.Now()
	if r.ParseForm() != nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.events = append(n.events, NginxEvent{
		At: at, Call: r.Form.Get("call"), App: r.Form.Get("app"), Name: r.Form.Get("name"), Args: r.Form,
	})
	close(n.changed)
	n.changed = make(chan struct{})
}

// Events returns all notices so far.
func (n *Nginx) Events() []NginxEvent {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]NginxEvent(nil), n.events...)
}

// WaitEvent waits until a notice, past or to come, of this call came for the
// stream's name.
func (n *Nginx) WaitEvent(ctx context.Context, call, name string) (NginxEvent, error) {
	for {
		n.mu.Lock()
		changed := n.changed
		n.mu.Unlock()
		for _, e := range n.Events() {
			if e.Call == call && e.Name == name {
				return e, nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return NginxEvent{}, fmt.Errorf("wait for %s of %s: %w", call, name, context.Cause(ctx))
		}
	}
}

// Recordings returns the FLV files recorded in "push" of the stream's name, in
// the order of their names. They are complete after publish_done.
func (n *Nginx) Recordings(name string) []string {
	files, _ := filepath.Glob(filepath.Join(n.dir, "rec", name+"-*.flv"))
	return files
}

// Log is nginx's error log so far.
func (n *Nginx) Log() string { return n.proc.Output() }

// Stop ends nginx.
func (n *Nginx) Stop() {
	_ = n.proc.Signal(syscall.SIGTERM)
	if n.proc.Wait(10*time.Second) != nil {
		n.proc.Kill()
	}
}
