package e2e

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media/fakeroom"
	"github.com/roomcast/roomcast/media/mediatest"
)

// trouble is one that a push, or Roomcast, may come into.
type trouble struct {
	name  string
	small bool // it is tried at the small size, too
	stack options
	// source is where the push plays from; a file when nil.
	source func(sc *scene) string
	// running pushes are in their room when it begins; else it is there before
	// they are asked for.
	running bool
	prepare func(sc *scene) // before anybody looks
	begin   func(sc *scene)
	request fields        // more of the push
	counts  time.Duration // from when on it is one
	// told is what each surface has to say, as an expression; none says why the
	// others say nothing.
	told map[surface]string
	none string
	// later is how much more time a surface has that only looks now and then.
	later map[surface]time.Duration
}

// limit is when a surface has to have told.
func (k trouble) limit(on surface) time.Duration {
	return (k.counts + on.within() + k.later[on]) * sized().tolerance
}

// ofPush is what the surfaces of a push say of a code, but for some; what is
// empty is said nowhere.
func ofPush(code, alert string, except map[surface]string) map[surface]string {
	code = regexp.QuoteMeta(code)
	all := map[surface]string{onMetric: `code="` + code + `".* [1-9]`, onAlert: alert, onLog: code}
	for _, on := range []surface{onGet, onList, onHistory, onSSE, onLs, onShow, onEvents, onPush, onMonitor, onWebhook} {
		all[on] = `\b` + code + `\b`
	}
	for on, want := range except {
		all[on] = want
		if want == "" {
			delete(all, on)
		}
	}
	return all
}

// waits are what is not there for a push that no worker has had.
var waits = map[surface]string{onWebhook: "", onLog: ""}

func with(all, more map[surface]string) map[surface]string {
	out := map[surface]string{}
	for _, m := range []map[surface]string{all, more} {
		for on, want := range m {
			out[on] = want
		}
	}
	return out
}

// noInterruption is for a push that has not started, or that goes on publishing:
// webhooks tell of neither.
var noInterruption = map[surface]string{onWebhook: ""}

var troubles = []trouble{
	{
		name: "source 403", small: true,
		source: func(sc *scene) string {
			return mediatest.ServeHandler(sc.t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusForbidden)
			})) + "/a.mp4"
		},
		told: ofPush("source_unauthorized", "RoomcastPushesFail", nil),
	},
	{
		name:   "unknown name",
		source: func(*scene) string { return "http://no-such-host.invalid/a.mp4" },
		told:   ofPush("source_host", "RoomcastPushesFail", noInterruption),
	},
	{
		name: "expired signature, at the start",
		begin: func(sc *scene) {
			sc.kind.request = fields{"userSig": userSig(sc.t, "api", 1)}
			sc.sigOfPush = userSig(sc.t, "cli", 1)
			<-time.After(2100 * time.Millisecond) // it counts whole seconds
		},
		told: map[surface]string{onPost: "400 usersig_expired", onPush: "usersig_expired|signature|userSig"},
		none: "there is no push",
	},
	{
		name: "expired signature, after a cut", running: true,
		request: fields{"userSig": ""}, // a short one
		begin: func(sc *scene) {
			<-time.After(time.Until(sc.signed.Add(shortSig + 2*time.Second)))
			sc.begun = time.Now()
			sc.room.Cut("")
		},
		told: ofPush("usersig_expired", "RoomcastPushesFail", nil),
	},
	{
		name:  "room refuses",
		begin: func(sc *scene) { sc.room.Misbehave(fakeroom.Fault{Kind: fakeroom.Reject, Words: "package not bought"}) },
		told:  ofPush("room_denied", "RoomcastPushesFail", nil),
	},
	{
		name: "source stalls", small: true, running: true, source: liveSource, counts: 3 * time.Second,
		begin: func(sc *scene) { require.NoError(sc.t, sc.publisher.Signal(syscall.SIGSTOP)) },
		told:  ofPush("source_silent", "RoomcastPushesInTrouble", nil),
	},
	{
		name: "source opens and gives nothing", counts: 3 * time.Second,
		source: func(sc *scene) string {
			return mediatest.ServeHandler(sc.t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "video/mp4")
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			})) + "/a.mp4"
		},
		told: ofPush("source_silent", "RoomcastPushesInTrouble", noInterruption),
	},
	{
		name: "no worker", small: true,
		begin: func(sc *scene) {
			require.Zero(sc.t, sc.workers[0].end(sc.t))
			sc.workers = nil
		},
		told: ofPush("no_worker", "RoomcastNoWorker", with(waits, map[surface]string{onReady: "no_worker", onDoctor: "FAIL  no worker"})),
		none: "nobody is there to deliver or to log",
	},
	{
		name: "slots full", stack: options{env: []string{"ROOMCAST_WORKER_SLOTS=1"}},
		prepare: func(sc *scene) {
			sc.waitStatus(sc.stack.push(sc.file(), "other", "other", nil), "publishing")
		},
		told: ofPush("no_free_slot", "RoomcastPushesWait", with(waits, map[surface]string{onReady: "no_free_slot", onDoctor: "note  no worker has a free slot"})),
		none: "it is told when it starts",
	},
	{
		name: "wrong secret key", stack: options{workers: -1},
		prepare: func(sc *scene) {
			sc.addWorker("ROOMCAST_SECRET_KEY=" + base64.StdEncoding.EncodeToString([]byte("another key of thirty-two bytes.")))
		},
		told: ofPush("no_key", "RoomcastWorkerWithoutKey", with(waits, map[surface]string{onReady: "no_key", onDoctor: "FAIL  no worker has the secret key", onLog: "ROOMCAST_SECRET_KEY"})),
		none: "it is told when it starts",
	},
	{
		name: "Redis away", small: true, running: true, counts: time.Second,
		begin: func(sc *scene) { require.NoError(sc.t, sc.redis.Stop()) },
		told: map[surface]string{
			onPost: "503 redis_unavailable", onGet: "503 redis_unavailable", onList: "503 redis_unavailable", onHistory: "503 redis_unavailable",
			onLs: "redis_unavailable", onShow: "redis_unavailable", onEvents: "redis_unavailable", onMonitor: "503 redis_unavailable", onMetric: "^roomcast_redis_up 0", onAlert: "RoomcastRedisAway",
			onLog: "(?i)redis", onReady: "503 not_ready: waiting for redis", onDoctor: "FAIL .*redis",
		},
		none:  "streams, and who follows by them, wait with a heartbeat; webhooks lie in Redis",
		later: map[surface]time.Duration{onDoctor: 3 * time.Second}, // it asks twice
	},
	{
		name: "Redis evicts", running: true,
		begin: func(sc *scene) {
			require.NoError(sc.t, sc.redis.Client(sc.t).ConfigSet(sc.t.Context(), "maxmemory-policy", "allkeys-lru").Err())
		},
		told: map[surface]string{
			onMetric: "^roomcast_redis_evicts 1", onAlert: "RoomcastRedisEvicts", onLog: "evicts", onReady: "503 not_ready: .*evicts",
			onDoctor: "FAIL .*evicts",
		},
		none:  "no push has lost anything",
		later: map[surface]time.Duration{onLog: time.Minute},
	},
	{
		name: "file comes slowly", counts: 10 * time.Second,
		source: func(sc *scene) string { return dripped(sc, true) },
		told:   ofPush("source_slow", "RoomcastPushesInTrouble", noInterruption),
	},
	{
		name: "live stream comes slowly", counts: 10 * time.Second,
		source: func(sc *scene) string { return dripped(sc, false) },
		told:   ofPush("source_slow", "RoomcastPushesInTrouble", noInterruption),
	},
	{
		name: "room slow", running: true, counts: 10 * time.Second,
		begin: func(sc *scene) { sc.room.Misbehave(fakeroom.Fault{Kind: fakeroom.ReadSlowly, BytesPerSecond: 20_000}) },
		told:  ofPush("room_slow", "RoomcastPushesInTrouble", noInterruption),
	},
}

const (
	shortSig    = 8 * time.Second // of a signature that is to expire
	longSeconds = 300
)

// longClip outlasts each trouble.
func longClip(t testing.TB, container string) string {
	return mediatest.Clip(t, mediatest.Spec{Seconds: longSeconds, Width: 320, Height: 180, FPS: 15, GOPSeconds: 1, Container: container})
}

// dripped serves a clip more slowly than it is played: of a length that it tells,
// which makes it a file, or as a stream.
func dripped(sc *scene, file bool) string {
	data, err := os.ReadFile(longClip(sc.t, "mpegts"))
	require.NoError(sc.t, err)
	const beats = 20 // a second
	each := int(float64(len(data)) / longSeconds * 0.7 / beats)
	return mediatest.ServeHandler(sc.t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "video/mp2t")
		if file {
			w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		}
		tick := time.NewTicker(time.Second / beats)
		defer tick.Stop()
		for part := range slices.Chunk(data, each) {
			if _, err := w.Write(part); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			<-tick.C
		}
	})) + "/a.ts"
}

// liveSource is a stream whose publisher can be frozen.
func liveSource(sc *scene) string {
	nginx := mediatest.StartNginx(sc.t, mediatest.NginxConfig{})
	sc.publisher = mediatest.FFmpegPublish(sc.t, nginx.RTMP+"/live/show", longClip(sc.t, "mp4"))
	_, err := nginx.WaitEvent(patient(sc.t), "publish", "show")
	require.NoError(sc.t, err)
	return nginx.RTMP + "/live/show"
}

// scene is a stack in a trouble: a push of the API, one of the command line
// program, and all who are told.
type scene struct {
	*stack
	t         testing.TB
	kind      trouble
	hooks     *webhooks
	heard     *text // the stream
	printed   *text // by the program
	alarm     prometheus
	publisher *mediatest.Process
	src       string
	id        string // of the API's push
	answer    answer // to its POST
	sigOfPush string
	signed    time.Time
	begun     time.Time // the trouble
}

// file is a source that plays. Who reads from it does so up to the end.
func (sc *scene) file() string {
	clip := longClip(sc.t, "mp4")
	return mediatest.ServeHandler(sc.t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, clip) })) + "/a"
}

func newScene(t *testing.T, kind trouble) *scene {
	sc := &scene{t: t, kind: kind, hooks: receiveWebhooks(t), printed: &text{}}
	o := kind.stack
	o.forget = true
	o.env = append(o.env, "ROOMCAST_WEBHOOK_SECRET="+webhookSecret, "ROOMCAST_WEBHOOK_URL="+sc.hooks.URL)
	sc.stack = newStack(t, o)
	if kind.prepare != nil {
		kind.prepare(sc)
	}
	sc.heard = sc.listen()
	if full && kind.told[onAlert] != "" {
		sc.alarm = sc.watched()
	}
	return sc
}

// start asks for both pushes.
func (sc *scene) start() {
	sc.signed = time.Now()
	request := fields{}
	for k, v := range sc.kind.request {
		request[k] = v
	}
	sigOfPush := sc.sigOfPush
	if sigOfPush == "" {
		sigOfPush = userSig(sc.t, "cli", 3600)
	}
	if request["userSig"] == "" {
		request["userSig"], sigOfPush = userSig(sc.t, "api", int(shortSig.Seconds())), userSig(sc.t, "cli", int(shortSig.Seconds()))
	}
	sc.answer = sc.do(http.MethodPost, "/v1/pushes", sc.request(sc.src, "room", "api", request))
	sc.id, _ = sc.answer.body["id"].(string)
	cmd := sc.command("push", sc.src, "--room", "room", "--user", "cli", "--app", fmt.Sprint(appID))
	cmd.Env = append(cmd.Env, "ROOMCAST_USERSIG="+sigOfPush)
	cmd.Stdout, cmd.Stderr = sc.printed, sc.printed
	require.NoError(sc.t, cmd.Start())
	sc.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
}

// play brings the trouble about.
func (sc *scene) play() {
	source := sc.kind.source
	if source == nil {
		source = (*scene).file
	}
	sc.src = source(sc)
	if sc.kind.running {
		sc.start()
		for _, user := range []string{"api", "cli"} {
			_, err := sc.room.WaitMedia(patient(sc.t), user, 2*time.Second)
			require.NoError(sc.t, err)
		}
		require.Eventually(sc.t, func() bool { return strings.Contains(sc.printed.String(), "publishing") }, patience, 50*time.Millisecond)
	}
	sc.begun = time.Now()
	if sc.kind.begin != nil {
		sc.kind.begin(sc)
	}
	if !sc.kind.running {
		sc.begun = time.Now()
		sc.start()
	}
}

// asks are the surfaces. Reading all of them begins once the trouble has.
func (sc *scene) asks() map[surface]func() string {
	return map[surface]func() string{
		onPost: func() string {
			if !sc.kind.running {
				return sc.answer.refusal()
			}
			a, err := sc.ask(call{method: http.MethodPost, path: "/v1/pushes", body: sc.request(sc.src, "room", "late", nil)})
			if err != nil {
				return err.Error()
			}
			return a.refusal()
		},
		onGet:     func() string { return sc.shown(sc.id) },
		onList:    func() string { return sc.inList(sc.id) },
		onHistory: func() string { return sc.history(sc.id) },
		onSSE:     func() string { return streamed(sc.heard.String(), sc.id) },
		onMonitor: func() string { return sc.inMonitor(sc.id) },
		onLs:      func() string { return sc.stack.printed("ls", "--user", "api") },
		onShow:    func() string { return sc.stack.printed("show", sc.id) },
		onEvents:  func() string { return sc.stack.printed("events", sc.id) },
		onPush:    sc.printed.String,
		onWebhook: func() string { return sc.hooks.delivered(sc.id) },
		onMetric:  sc.scraped,
		onAlert:   sc.alarm.alerts,
		onLog:     func() string { return sc.logged(sc.id) },
		onReady: func() string {
			a := sc.fetch("/readyz")
			if a.code != http.StatusOK {
				return a.refusal()
			}
			return a.raw
		},
		onDoctor: func() string { return sc.stack.printed("doctor") },
	}
}

// listen hears all surfaces that have something to say, all at once.
func (sc *scene) hearAll() map[surface]saying {
	var mu sync.Mutex
	heard, asks := map[surface]saying{}, sc.asks()
	var all sync.WaitGroup
	for on, want := range sc.kind.told {
		if on == onAlert && !full {
			continue
		}
		all.Go(func() {
			said := hear(on, asks[on], want, sc.begun, sc.kind.limit(on)*3/2) // what is late is told, too
			mu.Lock()
			defer mu.Unlock()
			heard[on] = said
		})
	}
	all.Wait()
	return heard
}

// requireSaid prints what was said of a trouble, and fails for a surface that was
// silent or late.
func (sc *scene) requireSaid(t *testing.T, heard map[surface]saying) {
	for _, on := range surfaces {
		said, asked := heard[on]
		switch limit := sc.kind.limit(on); {
		case !asked:
		case said.words == "":
			result(t, "%-8s SILENT for %.1f s", on, said.after.Seconds())
			t.Errorf("%s: %s says nothing; it shows\n%s", sc.kind.name, on, sc.asks()[on]())
		case said.after > limit:
			t.Errorf("%s: %s says it after %v, more than %v", sc.kind.name, on, said.after, limit)
			fallthrough
		default:
			result(t, "%-8s %5.1f s  %s", on, said.after.Seconds(), strings.ReplaceAll(said.words, cmp.Or(sc.id, "no id"), "ID"))
		}
	}
	if sc.kind.none != "" {
		result(t, "the others say nothing: %s", sc.kind.none)
	}
}

func TestChaosTenTroublesAreToldEverywhere(t *testing.T) {
	beside(t)
	var mu sync.Mutex
	rows := map[string]map[surface]saying{}
	t.Run("of", func(t *testing.T) {
		for _, kind := range troubles {
			if !full && !kind.small {
				continue
			}
			t.Run(kind.name, func(t *testing.T) {
				t.Parallel()
				sc := newScene(t, kind)
				sc.play()
				heard := sc.hearAll()
				sc.requireSaid(t, heard)
				if kind.name == "Redis away" {
					sc.requireGoesOn()
				}
				mu.Lock()
				defer mu.Unlock()
				rows[kind.name] = heard
			})
		}
	})
	printTable(t, rows)
}

// requireGoesOn fails unless the pushes are on the air and the stream is told
// what happens once Redis is back.
func (sc *scene) requireGoesOn() {
	sc.t.Helper()
	require.NoError(sc.t, sc.redis.Cont())
	require.Eventually(sc.t, func() bool { return sc.fetch("/readyz").code == http.StatusOK }, patience, 50*time.Millisecond)
	for _, user := range []string{"api", "cli"} {
		s, ok := sc.room.Session(user)
		require.True(sc.t, ok && s.Live(), "%s: %+v", user, s)
		require.Equal(sc.t, 1, len((&crowd{stack: sc.stack}).of(user)), "%s was published once", user)
	}
	sc.stop(sc.id)
	require.Eventually(sc.t, func() bool { return strings.Contains(streamed(sc.heard.String(), sc.id), "end stopped") }, patience, 50*time.Millisecond)
	require.NotContains(sc.t, sc.heard.String(), "HAS ENDED")
}

// printTable prints the seconds after which each surface has told each trouble.
func printTable(t *testing.T, rows map[string]map[surface]saying) {
	head := fmt.Sprintf("%-32s", "")
	for _, on := range surfaces {
		head += fmt.Sprintf("%9s", on)
	}
	result(t, "%s", head)
	for _, kind := range troubles {
		row, tried := rows[kind.name]
		if !tried {
			continue
		}
		line := fmt.Sprintf("%-32s", kind.name)
		for _, on := range surfaces {
			cell := "-"
			if said, asked := row[on]; asked && said.words == "" {
				cell = "SILENT"
			} else if asked {
				cell = fmt.Sprintf("%.1f", said.after.Seconds())
			}
			line += fmt.Sprintf("%9s", cell)
		}
		result(t, "%s", line)
	}
}
