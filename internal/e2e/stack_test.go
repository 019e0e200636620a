package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/roomcast/roomcast/internal/contract"
	"github.com/roomcast/roomcast/internal/redistest"
	"github.com/roomcast/roomcast/media/fakeroom"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
	"github.com/roomcast/roomcast/web/api"
	"github.com/stretchr/testify/require"
	"github.com/tencentyun/tls-sig-api-v2-golang/tencentyun"
)

const (
	appID  = 1400000001
	appKey = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	apiKey = "an-api-key-for-tests"
)

// described is the API's description, read once.
var described = sync.OnceValues(func() (*contract.Contract, error) { return contract.Load(api.OpenAPI()) })

// bin is where TestMain has put api and worker.
var bin string

// atOnce is how many tests run beside each other: they wait far more than they work.
const atOnce = 4

func TestMain(m *testing.M) {
	if os.Getenv(siteSetting) != "" {
		log.Fatal(serveSite())
	}
	if !full {
		_ = flag.Set("test.parallel", strconv.Itoa(atOnce)) // the command line wins
	}
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "roomcast-e2e-")
	if err != nil {
		log.Print(err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	args := []string{"build", "-o", dir, "../../cmd/api", "../../cmd/worker", "../../cmd/roomcast"}
	if !full { // the race detector would be what is measured
		args = slices.Insert(args, 1, "-race")
	}
	build := exec.Command("go", args...)
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		log.Print(err)
		return 1
	}
	bin = dir
	return m.Run()
}

// options says what a stack is started with.
type options struct {
	room    string   // an RTMP endpoint; the stack's own stand-in room when empty
	workers int      // 1 when 0, none when negative
	allow   string   // ROOMCAST_SOURCE_ALLOW; all of loopback when empty
	env     []string // further settings of api and worker
	redis   redistest.Config
	url     string // ROOMCAST_REDIS_URL; a Redis of the stack's own when empty
	forget  bool   // the stand-in room keeps no packets, only counts
}

// stack is Roomcast running: Redis, the API, workers and a room.
type stack struct {
	t       testing.TB
	client  *http.Client // holds every exchange against the API's description
	redis   *redistest.Server
	room    *fakeroom.Server
	api     *process
	workers []*process
	url     string
	since   time.Time // of the API's start
	env     []string
}

func newStack(t testing.TB, o options) *stack {
	t.Helper()
	description, err := described()
	require.NoError(t, err)
	s := &stack{t: t, client: &http.Client{Transport: description.Transport(t, http.DefaultTransport)}}
	if o.url == "" {
		s.redis = redistest.New(t, o.redis)
		o.url = s.redis.URL()
		speed.give(t, s.redis)
	}
	if o.room == "" {
		cfg := fakeroom.Config{Keys: map[uint32]string{appID: appKey}, RecordAll: true}
		if o.forget {
			cfg.RecordAll, cfg.Keep = false, -1
		}
		room, err := fakeroom.Start(cfg)
		require.NoError(t, err)
		t.Cleanup(room.Close)
		s.room, o.room = room, room.URL()
	}
	if o.allow == "" {
		o.allow = "127.0.0.0/8"
	}
	key := sha256.Sum256([]byte(apiKey))
	s.env = append([]string{
		"ROOMCAST_REDIS_URL=" + o.url, "ROOMCAST_LISTEN=127.0.0.1:0", "ROOMCAST_WORKER_LISTEN=127.0.0.1:0",
		"ROOMCAST_API_KEYS=test:" + hex.EncodeToString(key[:]),
		"ROOMCAST_SECRET_KEY=" + base64.StdEncoding.EncodeToString(key[:]),
		"ROOMCAST_RTMP_ENDPOINT=" + o.room, "ROOMCAST_SOURCE_ALLOW=" + o.allow, "ROOMCAST_WORKER_CORES=1000", // what cores carry has a test of its own
	}, o.env...)
	s.startAPI()
	for range max(o.workers, 1) {
		if o.workers >= 0 {
			s.addWorker()
		}
	}
	return s
}

// startAPI starts the API, again at the address it had.
func (s *stack) startAPI() {
	s.t.Helper()
	s.api = start(s.t, filepath.Join(bin, "api"), s.env...)
	addr, _ := s.api.waitLine(s.t, "listening")["addr"].(string)
	s.since = time.Now()
	if s.url == "" {
		s.url = "http://" + addr
		s.env = append(s.env, "ROOMCAST_LISTEN="+addr)
	}
}

// addWorker starts a worker; env overrides settings of the stack.
func (s *stack) addWorker(env ...string) *process {
	s.t.Helper()
	w := start(s.t, filepath.Join(bin, "worker"), slices.Concat(s.env, env)...)
	w.waitLine(s.t, "worker started")
	speed.learn(w)
	s.workers = append(s.workers, w)
	return w
}

// speed is of the encoder: the first worker measures it, and each would that has a new Redis.
var speed encoderSpeed

type encoderSpeed struct {
	mu         sync.Mutex
	machine    string
	megapixels float64
}

// learn takes what a worker says when it has started.
func (e *encoderSpeed) learn(w *process) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, line := range w.named("cores are counted") {
		e.machine, _ = line["machine"].(string)
		megapixels, _ := line["megapixels_a_second"].(float64)
		e.megapixels = max(e.megapixels, megapixels)
	}
}

// give writes it into a new Redis, as the worker that measured it has done in its own.
func (e *encoderSpeed) give(t testing.TB, r *redistest.Server) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.megapixels > 0 {
		keepSpeed(t, r, e.machine, e.megapixels)
	}
}

func keepSpeed(t testing.TB, r *redistest.Server, machine string, megapixels float64) {
	t.Helper()
	kept := store.New(r.Client(t), store.Config{})
	require.NoError(t, kept.KeepSpeed(t.Context(), machine, tasks.Cost(megapixels*1e6)))
}

// countBy replaces the worker by one that counts its cores by an encoder of so many
// megapixels a second: what fits does not depend on the machine then. Nothing else is
// kept in Redis.
func (s *stack) countBy(megapixels float64) {
	s.t.Helper()
	s.workers[0].kill()
	require.NoError(s.t, s.redis.Client(s.t).FlushDB(s.t.Context()).Err())
	speed.mu.Lock()
	machine := speed.machine
	speed.mu.Unlock()
	keepSpeed(s.t, s.redis, machine, megapixels)
	s.workers = nil
	s.addWorker()
}

// answer is what the API said.
type answer struct {
	code   int
	header http.Header
	body   map[string]any
	raw    string
}

func (s *stack) do(method, path string, body any) answer {
	s.t.Helper()
	a, err := s.ask(call{method: method, path: path, body: body})
	require.NoError(s.t, err)
	return a
}

// call is a request to the API.
type call struct {
	method, path string
	body         any
	key          string // Idempotency-Key
	accept       string
	url          string // of the API; the present one when empty
}

// ask does a call; the API may be away. It may be called from any goroutine.
func (s *stack) ask(c call) (answer, error) {
	var reader io.Reader
	if c.body != nil {
		text, err := json.Marshal(c.body)
		if err != nil {
			return answer{}, err
		}
		reader = bytes.NewReader(text)
	}
	if c.url == "" {
		c.url = s.url
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, c.method, c.url+c.path, reader)
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Authorization", "Bearer "+apiKey)
	if c.body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, value := range map[string]string{"Idempotency-Key": c.key, "Accept": c.accept} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	resp, err := s.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	a := answer{code: resp.StatusCode, header: resp.Header, raw: string(raw)}
	_ = json.Unmarshal(raw, &a.body)
	return a, err
}

// fields is a request's body.
type fields map[string]any

// userSig mints what a client would get from its own backend.
func userSig(t testing.TB, user string, seconds int) string {
	t.Helper()
	sig, err := tencentyun.GenUserSig(appID, appKey, user, seconds)
	require.NoError(t, err)
	return sig
}

// request returns a sound request; more overrides its fields.
func (s *stack) request(src, room, user string, more fields) fields {
	s.t.Helper()
	f := fields{"videoSrc": src, "sdkAppId": appID, "roomId": room, "userId": user, "userSig": userSig(s.t, user, 3600)}
	for k, v := range more {
		f[k] = v
	}
	return f
}

// push starts a push and returns its id.
func (s *stack) push(src, room, user string, more fields) string {
	s.t.Helper()
	a := s.do(http.MethodPost, "/v1/pushes", s.request(src, room, user, more))
	require.Equal(s.t, http.StatusAccepted, a.code, a.raw)
	id, _ := a.body["id"].(string)
	require.NotEmpty(s.t, id)
	return id
}

func (s *stack) get(id string) map[string]any {
	s.t.Helper()
	a := s.do(http.MethodGet, "/v1/pushes/"+id, nil)
	require.Equal(s.t, http.StatusOK, a.code, a.raw)
	return a.body
}

// stop asks for the end of a push.
func (s *stack) stop(id string) {
	s.t.Helper()
	a := s.do(http.MethodDelete, "/v1/pushes/"+id, nil)
	require.Equal(s.t, http.StatusAccepted, a.code, a.raw)
}

// waitFor waits until a push fulfils cond and returns it.
func (s *stack) waitFor(id, what string, cond func(push map[string]any) bool) map[string]any {
	s.t.Helper()
	var last map[string]any
	require.Eventually(s.t, func() bool {
		a := s.do(http.MethodGet, "/v1/pushes/"+id, nil)
		if !full && a.code == http.StatusServiceUnavailable { // Redis had no time on a busy machine
			return false
		}
		require.Equal(s.t, http.StatusOK, a.code, a.raw)
		last = a.body
		return cond(last)
	}, patience, 50*time.Millisecond, "push %s: %s; last: %v", id, what, &last)
	return last
}

func (s *stack) waitStatus(id string, status ...string) map[string]any {
	s.t.Helper()
	return s.waitFor(id, "status", func(p map[string]any) bool {
		for _, want := range status {
			if p["status"] == want {
				return true
			}
		}
		return false
	})
}

// positionMs returns a push's position.
func positionMs(push map[string]any) float64 {
	progress, _ := push["progress"].(map[string]any)
	ms, _ := progress["positionMs"].(float64)
	return ms
}
