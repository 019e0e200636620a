package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/roomcast/roomcast/cmd/roomcast/client"
	"github.com/roomcast/roomcast/cmd/roomcast/follow"
	"github.com/roomcast/roomcast/cmd/roomcast/screen"
	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakeroom"
	"github.com/roomcast/roomcast/media/trtc"
)

// Config is how a demo runs.
type Config struct {
	// Seconds is how much of video and audio the room must have received; then
	// the demo ends. 0 plays until ctx ends.
	Seconds int
	// Source is a file or an address to play; a sample clip when empty.
	Source string
	// JSON prints an object a line.
	JSON bool
	// Bin is the folder of api and worker; that of this program when empty.
	Bin string
	// Root is the folder for clips and for the run's own folder, demo-<pid>.
	Root string
	// Keep leaves the run's folder, with a recording and a picture in it.
	Keep   bool
	Getenv func(string) string
	Stdout io.Writer
}

const (
	appID  = 1400000001
	roomID = "demo"
	userID = "demo"
	// guestID is the user, and the room, of the push that a person may paste.
	guestID = "guest"
	sigTTL  = 24 * time.Hour

	tailLines = 12 // of each log, after a failure
)

// How long the parts may take to end.
const (
	workerEnd = 10 * time.Second // it gives its pushes back first
	apiEnd    = 15 * time.Second
	redisEnd  = 10 * time.Second
)

// demo is a run.
type demo struct {
	cfg       Config
	root, dir string // absolute
	tools     tools
	secrets   secrets
	ended     func(error) // is told when a child ends by itself
	closing   []func() error

	screen    *screen.Screen
	room      *fakeroom.Server
	source    string // its address
	files     string // host:port that sources may be at
	redisAddr string
	api       *client.Client
}

// Run runs the demo until ctx ends, or until Seconds have been received. It
// returns when everything it started has ended.
func Run(ctx context.Context, cfg Config) error {
	if cfg.Seconds < 0 {
		return errors.New("--seconds must not be negative")
	}
	if err := checkFile(cfg.Source); err != nil {
		return err
	}
	d, err := prepare(cfg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	d.ended = func(err error) { cancel(err) }
	err = d.run(ctx)
	switch cause := context.Cause(ctx); {
	case cause == nil:
	case !errors.Is(cause, context.Canceled):
		err = cause // a child's end explains whatever followed from it
	case cfg.Seconds == 0 && errors.Is(err, errInterrupted):
		err = nil
	}
	err = errors.Join(err, d.close())
	return d.leave(err)
}

func prepare(cfg Config) (*demo, error) {
	if cfg.Bin == "" {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find this program: %w", err)
		}
		cfg.Bin = filepath.Dir(self)
	}
	bin, err := filepath.Abs(cfg.Bin)
	if err != nil {
		return nil, err
	}
	found, err := findTools(bin, cfg.Source == "" || cfg.Seconds > 0)
	if err != nil {
		return nil, err
	}
	root, err := filepath.Abs(cfg.Root)
	if err != nil {
		return nil, err
	}
	d := &demo{cfg: cfg, root: root, tools: found, secrets: newSecrets(), screen: screen.New(cfg.Stdout, cfg.Getenv)}
	d.dir = filepath.Join(root, fmt.Sprintf("demo-%d", os.Getpid()))
	if err := os.RemoveAll(d.dir); err != nil { // of a process long gone
		return nil, err
	}
	return d, os.MkdirAll(d.dir, 0o700)
}

// run starts everything, in the order in which one needs the other, and plays.
func (d *demo) run(ctx context.Context) error {
	steps := []func(context.Context) error{d.startRedis, d.startRoom, d.startFiles, d.startAPI, d.startWorker}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return interrupted(ctx, err)
		}
	}
	if d.cfg.Seconds > 0 {
		return interrupted(ctx, d.measure(ctx))
	}
	return d.play(ctx)
}

var errInterrupted = errors.New("interrupted")

// interrupted puts the end of ctx in the place of the error that it led to.
func interrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return errInterrupted
	}
	return err
}

// say prints the one line of a step.
func (d *demo) say(step, format string, args ...any) {
	const name = 9 // how wide the steps' names are
	text := fmt.Sprintf(format, args...)
	if d.cfg.JSON {
		_ = follow.Encode(d.screen, map[string]string{"step": step, "message": text})
		return
	}
	fmt.Fprintln(d.screen, d.screen.Wrap(client.Printable(fmt.Sprintf("%-*s%s", name, step, text)), name))
}

// view shows a push, lines shows its changes alone.
func (d *demo) view() follow.View {
	if d.cfg.JSON {
		return d.lines()
	}
	return follow.NewView(d.screen)
}

func (d *demo) lines() follow.View {
	if d.cfg.JSON {
		return follow.NewJSON(d.screen, io.Discard)
	}
	return follow.NewLines(d.screen)
}

func (d *demo) logOf(name string) string { return filepath.Join(d.dir, name+".log") }

// shown is a path of the run's folder as the user sees it.
func (d *demo) shown(path string) string {
	return filepath.Join(d.cfg.Root, strings.TrimPrefix(path, d.root))
}

// atEnd has f called by close, before what was added earlier.
func (d *demo) atEnd(f func() error) { d.closing = append(d.closing, f) }

// close ends everything in the reverse order of its start.
func (d *demo) close() error {
	var all []error
	for i := len(d.closing) - 1; i >= 0; i-- {
		all = append(all, d.closing[i]())
	}
	d.closing = nil
	return errors.Join(all...)
}

// leave removes the run's folder, unless it is to stay or tells about a
// failure that is not the source's, whose logs it shows the end of.
func (d *demo) leave(err error) error {
	_, ofSource := errors.AsType[sourceError](err)
	failed := err != nil && !ofSource && !errors.Is(err, errInterrupted)
	if !failed && !d.cfg.Keep {
		d.say("ended", "everything that was started has ended")
		return errors.Join(err, os.RemoveAll(d.dir))
	}
	d.say("ended", "everything that was started has ended; logs are in %s", d.shown(d.dir))
	for _, name := range []string{"redis", "api", "worker"} {
		if text := tail(d.logOf(name), tailLines); failed && text != "" {
			fmt.Fprintf(d.screen, "--- the end of %s\n%s\n", d.shown(d.logOf(name)), client.Printable(text))
		}
	}
	return err
}

func (d *demo) startRedis(ctx context.Context) error {
	c, addr, err := d.launch(ctx, d.redis())
	if err != nil {
		return err
	}
	d.redisAddr = addr
	d.atEnd(func() error { return c.stop(redisEnd) })
	d.say("redis", "%s, append-only file in %s", addr, d.shown(d.dir))
	return nil
}

func (d *demo) startRoom(context.Context) error {
	cfg := fakeroom.Config{
		Keys: map[uint32]string{appID: d.secrets.sdk.Reveal()}, KeepEnded: 1,
		RecordAll: d.cfg.Seconds > 0, MaxBytes: int64(d.cfg.Seconds+60) << 20,
	}
	room, err := fakeroom.Start(cfg)
	if err != nil {
		return err
	}
	d.room = room
	d.atEnd(func() error { room.Close(); return nil })
	d.say("room", "%s, a stand-in for TRTC's", room.URL())
	return nil
}

// checkFile says what is wrong with a source that is a file.
func checkFile(source string) error {
	if source == "" || strings.Contains(source, "://") {
		return nil
	}
	info, err := os.Stat(source)
	if err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no file", source)
	}
	return err
}

// startFiles serves the file that is to be played; an address of somebody else's
// is only let through.
func (d *demo) startFiles(ctx context.Context) error {
	path, length := d.cfg.Source, ""
	if strings.Contains(path, "://") {
		d.source, d.files = path, hostPort(path)
		return nil
	}
	if path == "" {
		seconds := clipSeconds
		if d.cfg.Seconds > 0 {
			seconds = d.cfg.Seconds + 10
		}
		var err error
		if path, err = d.clip(ctx, seconds); err != nil {
			return err
		}
		length = fmt.Sprintf(", %d s", seconds)
	}
	source, closeServer, err := serveFile(path)
	if err != nil {
		return err
	}
	d.source, d.files = source, hostPort(source)
	d.atEnd(func() error { closeServer(); return nil })
	d.say("files", "%s%s", d.source, length)
	return nil
}

// hostPort returns where an address leads to, "" if that cannot be told.
func hostPort(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	ports := map[string]string{"http": "80", "https": "443", "rtmp": "1935", "rtmps": "443", "rtsp": "554", "rtsps": "322"}
	port := cmp.Or(u.Port(), ports[u.Scheme])
	if port == "" {
		return ""
	}
	return net.JoinHostPort(u.Hostname(), port)
}

func (d *demo) startAPI(ctx context.Context) error {
	c, addr, err := d.launch(ctx, d.apiService())
	if err != nil {
		return err
	}
	d.atEnd(func() error { return c.stop(apiEnd) })
	if d.api, err = client.New("http://"+addr, d.secrets.api); err != nil {
		return err
	}
	key := filepath.Join(d.dir, "api-key")
	if err := os.WriteFile(key, []byte(d.secrets.api.Reveal()+"\n"), 0o600); err != nil {
		return err
	}
	d.say("api", "%s, its key is in %s", d.api.Base(), d.shown(key))
	d.say("monitor", "%s/monitor, by the page's session, or with any user name and the key as the password", d.api.Base())
	return nil
}

func (d *demo) startWorker(ctx context.Context) error {
	c, addr, err := d.launch(ctx, d.workerService())
	if err != nil {
		return err
	}
	d.atEnd(func() error { return c.stop(workerEnd) })
	d.say("worker", "http://%s/metrics", addr)
	return nil
}

// request is the demo's own push, signed as a customer's server would.
func (d *demo) request() (client.Request, error) {
	door, err := trtc.New(trtc.Config{Keys: map[uint32]media.Secret{appID: d.secrets.sdk}})
	if err != nil {
		return client.Request{}, err
	}
	sig, err := door.MintUserSig(appID, userID, sigTTL)
	return client.Request{
		VideoSrc: media.Secret(d.source), SDKAppID: appID, RoomID: roomID, UserID: userID, UserSig: sig,
	}, err
}

// paste prints lines with which another terminal can use the demo. Its key is
// good for nothing else and ends with it. No signature is needed: the API has
// the key of the demo's application.
func (d *demo) paste() error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	self = quoted(self)
	d.say("yours", "paste this into another terminal to use it yourself:")
	text := fmt.Sprintf(`export ROOMCAST_API=%s
export ROOMCAST_API_KEY=%s
%s push %s --app %d --room %s --user %s --detach
%s show @last
%s watch
%s stop @last
`, d.api.Base(), d.secrets.api.Reveal(), self, quoted(d.source), appID, guestID, guestID, self, self, self)
	if d.cfg.JSON {
		return follow.Encode(d.screen, map[string]string{"step": "paste", "message": text})
	}
	_, err = io.WriteString(d.screen, client.Printable(text))
	return err
}

// quoted is a word of a shell's command line.
func quoted(word string) string {
	if !strings.ContainsFunc(word, func(r rune) bool {
		return !strings.ContainsRune("-_./:@%+=,", r) && (r < '0' || r > '9' && r < 'A' || r > 'Z' && r < 'a' || r > 'z')
	}) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
