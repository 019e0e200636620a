package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/roomcast/roomcast/internal/contract"
	"github.com/roomcast/roomcast/internal/process"
	"github.com/roomcast/roomcast/internal/redistest"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/secret"
	"github.com/roomcast/roomcast/tasks/store"
	"github.com/roomcast/roomcast/web/api"
)

func TestMain(m *testing.M) {
	if addr := os.Getenv(listenersEnv); addr != "" {
		listeners(addr)
		return
	}
	if addr := os.Getenv(askersEnv); addr != "" {
		askers(addr)
		return
	}
	goleak.VerifyTestMain(m, redistest.IgnoreDials())
}

const (
	apiKey = "canary-api-key"
	sdkKey = "canary-sdk-key"
)

var secretKey = base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{9}, 32))

// instance is a running API.
type instance struct {
	t    testing.TB
	base string
	stop func()       // ends it, and demands that it ends well; once
	api  *http.Client // holds every exchange against the description
	mu   sync.Mutex
	log  bytes.Buffer

	replayed []string // what the header said of each keyed request
}

var listening = regexp.MustCompile(`msg=listening addr=(\S+)`)

// start runs the API against redis until the test is over, and demands a clean
// end.
func start(t testing.TB, redis *redistest.Server, settings ...string) *instance {
	t.Helper()
	sum := sha256.Sum256([]byte(apiKey))
	environ := append([]string{
		"ROOMCAST_LISTEN=127.0.0.1:0",
		"ROOMCAST_LOG_LEVEL=debug",
		"ROOMCAST_REDIS_URL=" + redis.URL(),
		"ROOMCAST_SECRET_KEY=" + secretKey,
		"ROOMCAST_SDK_KEYS=1400000000=" + sdkKey,
		"ROOMCAST_API_KEYS=ci:" + hex.EncodeToString(sum[:]),
	}, settings...)
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, environ, in)
		_ = in.Close()
	}()
	description, err := contract.Load(api.OpenAPI())
	require.NoError(t, err)
	i := &instance{t: t, api: &http.Client{Transport: description.Transport(t, http.DefaultTransport)}}
	lines, drained := bufio.NewScanner(out), make(chan struct{})
	for i.base == "" && lines.Scan() {
		i.keep(lines.Text())
		if m := listening.FindStringSubmatch(lines.Text()); m != nil {
			i.base = "http://" + m[1]
		}
	}
	go func() {
		defer close(drained)
		for lines.Scan() {
			i.keep(lines.Text())
		}
	}()
	i.stop = sync.OnceFunc(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		assert.NoError(t, <-ended)
		<-drained
		assert.NotContains(t, i.text(), "canary")
	})
	t.Cleanup(i.stop)
	require.NotEmpty(t, i.base, i.text())
	return i
}

func (i *instance) keep(line string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.log.WriteString(line + "\n")
}

func (i *instance) text() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.log.String()
}

// do asks with the API key and returns status, header and body.
func (i *instance) do(method, path, body string) (int, http.Header, string) {
	i.t.Helper()
	r, err := http.NewRequestWithContext(i.t.Context(), method, i.base+path, strings.NewReader(body))
	require.NoError(i.t, err)
	r.Header.Set("Authorization", "Bearer "+apiKey)
	w, err := i.api.Do(r)
	require.NoError(i.t, err)
	defer w.Body.Close()
	text, err := io.ReadAll(w.Body)
	require.NoError(i.t, err)
	return w.StatusCode, w.Header, string(text)
}

func request(change string) string {
	return `{"videoSrc":"https://a.example/v.mp4?token=canary","sdkAppId":1400000000,"roomId":"r1","userId":"anna"` + change + `}`
}

func TestAPushIsStartedShownAndStopped(t *testing.T) {
	redis := redistest.New(t, redistest.Config{})
	i := start(t, redis)
	status, header, body := i.do("POST", "/v1/pushes", request(""))
	require.Equal(t, 202, status, body)
	id := header.Get("X-Scf-Reqid")
	require.NotEmpty(t, id)

	status, _, body = i.do("GET", "/v1/pushes/"+id, "")
	require.Equal(t, 200, status)
	var push struct {
		Status    string `json:"status"`
		CreatedAt string `json:"createdAt"`
		VideoSrc  string `json:"videoSrc"`
	}
	require.NoError(t, json.Unmarshal([]byte(body), &push))
	assert.Equal(t, "queued", push.Status)
	assert.Equal(t, "https://a.example/v.mp4", push.VideoSrc)
	assert.NotEmpty(t, push.CreatedAt)

	status, _, body = i.do("POST", "/v1/pushes", request(""))
	assert.Equal(t, 409, status)
	assert.Contains(t, body, `"pushId":"`+id+`"`)

	_, _, body = i.do("GET", "/monitor/api/queues/push/pending_tasks", "")
	assert.Contains(t, body, `queued\nroom r1, user anna\nfrom a.example\n`+id)

	for range 2 {
		status, _, body = i.do("DELETE", "/v1/pushes/"+id, "")
		assert.Equal(t, 202, status)
		assert.Contains(t, body, `"status":"stopped"`)
	}
	_, _, body = i.do("GET", "/v1/pushes/"+id+"/events", "")
	assert.Contains(t, body, `"state":"stopped"`)
}

func TestTheTemplatesDoorStartsAPush(t *testing.T) {
	i := start(t, redistest.New(t, redistest.Config{}))
	status, header, body := i.do("POST", "/", request(`,"redis":true`))
	require.Equal(t, 200, status, body)
	assert.Equal(t, "Async run task submitted", body)
	status, _, _ = i.do("GET", "/v1/pushes/"+header.Get("x-scf-reqid"), "")
	assert.Equal(t, 200, status)
}

func TestABadRequestIsRefusedAndNothingIsEnqueued(t *testing.T) {
	redis := redistest.New(t, redistest.Config{})
	i := start(t, redis)
	for _, tt := range []struct {
		name, body string
		status     int
		want       string
	}{
		{"a field is missing", `{"sdkAppId":1400000000,"roomId":"r1","userId":"anna"}`, 400, `"field":"videoSrc"`},
		{"a bad room", strings.Replace(request(""), `"r1"`, `"r-1"`, 1), 400, `"field":"roomId"`},
		{"a bad user", strings.Replace(request(""), `"anna"`, `"an na"`, 1), 400, `"field":"userId"`},
		{"a garbage UserSig", request(`,"userSig":"canary"`), 400, `"code":"invalid_usersig"`},
		{"an audience", request(`,"clientRole":"audience"`), 400, `"field":"clientRole"`},
		{"a scheme that is not allowed", strings.Replace(request(""), "https:", "file:", 1), 403, `"field":"videoSrc"`},
		{"an unknown field", request(`,"room":"r"`), 400, `"field":"room"`},
		{"a Redis that is not listed", request(`,"redis":true,"redisHost":"canary.example"`), 400, `"field":"redisHost"`},
		{"a source inside", strings.Replace(request(""), "a.example", "127.0.0.1", 1), 403, `"code":"source_blocked"`},
		{"no UserSig and no key of the app", strings.Replace(request(""), "1400000000", "1400000001", 1), 400, `"field":"userSig"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, _, body := i.do("POST", "/v1/pushes", tt.body)
			assert.Equal(t, tt.status, status, body)
			assert.Contains(t, body, tt.want)
			assert.NotContains(t, body, "canary")
		})
	}
	client := redis.Client(t)
	keys, err := client.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	for _, k := range keys {
		assert.NotContains(t, k, "push", "a refused request left a key")
	}
}

// keyed asks for a push with an Idempotency-Key and returns status and id.
func (i *instance) keyed(body, key string) (int, string) {
	i.t.Helper()
	r, err := http.NewRequestWithContext(i.t.Context(), "POST", i.base+"/v1/pushes", strings.NewReader(body))
	require.NoError(i.t, err)
	r.Header.Set("Authorization", "Bearer "+apiKey)
	r.Header.Set("Idempotency-Key", key)
	w, err := i.api.Do(r)
	require.NoError(i.t, err)
	defer w.Body.Close()
	var answer struct{ ID, Code, PushID string }
	require.NoError(i.t, json.NewDecoder(w.Body).Decode(&answer))
	i.replayed = append(i.replayed, w.Header.Get("Idempotency-Replayed"))
	if w.StatusCode == 422 {
		assert.NotEmpty(i.t, answer.PushID, "the push that the key has started")
	}
	return w.StatusCode, answer.ID + answer.Code
}

func TestTheSameKeyAndBodyAreTheSamePushThoughSettingsChange(t *testing.T) {
	redis := redistest.New(t, redistest.Config{})
	secrets := func(ns ...byte) string {
		var keys []string
		for _, n := range ns {
			keys = append(keys, base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{n}, 32)))
		}
		return "ROOMCAST_SECRET_KEY=" + strings.Join(keys, ",")
	}
	first := start(t, redis, secrets(9))
	status, id := first.keyed(request(""), "k")
	require.Equal(t, 202, status, id)
	assert.Equal(t, []string{""}, first.replayed)
	for _, tt := range []struct{ name, setting string }{
		{"the source's scheme is not allowed any more", "ROOMCAST_SOURCE_SCHEMES=http"},
		{"the application's key is not there any more", "ROOMCAST_SDK_KEYS="},
		{"a new secret key is there", secrets(9, 8)},
		{"a new secret key seals", secrets(8, 9)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i := start(t, redis, tt.setting)
			status, again := i.keyed(request(""), "k")
			assert.Equal(t, 202, status)
			assert.Equal(t, id, again)
			assert.Equal(t, []string{"true"}, i.replayed)
			status, code := i.keyed(request(`,"redis":true`), "k")
			assert.Equal(t, 422, status)
			assert.Equal(t, "idempotency_key_reused", code)
		})
	}
}

// readiness asks a probe, again where a busy machine left its checks no time.
func (i *instance) readiness() (int, string) {
	i.t.Helper()
	for tries := 3; ; tries-- {
		noise := mediatest.WatchNoise(i.t)
		status, _, body := i.do("GET", "/readyz", "")
		made := status == 200 && !strings.Contains(body, `"status":"unknown"`)
		if stood := noise(); made || stood < time.Second || tries == 1 {
			return status, body
		}
	}
}

func TestReadinessFollowsRedis(t *testing.T) {
	redis := redistest.New(t, redistest.Config{})
	i := start(t, redis)
	status, _ := i.readiness()
	assert.Equal(t, 200, status)
	require.NoError(t, redis.Stop())
	status, header, body := i.do("GET", "/readyz", "")
	require.NoError(t, redis.Cont())
	assert.Equal(t, 503, status)
	assert.Equal(t, "application/problem+json", header.Get("Content-Type"))
	assert.Contains(t, body, "waiting for redis")
	admin := redis.Client(t)
	for replicas, want := range map[int]int{1: 503, 0: 200} {
		require.NoError(t, admin.ConfigSet(t.Context(), "min-replicas-to-write", strconv.Itoa(replicas)).Err())
		status, _ = i.readiness()
		assert.Equal(t, want, status, "a Redis that wants %d replicas and has none", replicas)
	}
	require.NoError(t, admin.ConfigSet(t.Context(), "min-replicas-to-write", "0").Err())
	status, _, _ = i.do("GET", "/healthz", "")
	assert.Equal(t, 200, status)
}

func TestReadinessFollowsTheSettingsOfRedis(t *testing.T) {
	redis := redistest.New(t, redistest.Config{})
	i := start(t, redis)
	set := func(policy string) {
		require.NoError(t, redis.Client(t).ConfigSet(t.Context(), "maxmemory-policy", policy).Err())
	}
	set("allkeys-lru")
	status, body := i.readiness()
	assert.Equal(t, 503, status)
	assert.Contains(t, body, `"detail":"redis evicts keys (maxmemory-policy allkeys-lru)`)
	set("noeviction")
	status, _ = i.readiness()
	assert.Equal(t, 200, status)
}

// wellWorker is a worker with room for what the API starts.
func wellWorker(t *testing.T) tasks.WorkerReport {
	t.Helper()
	keys, err := secret.ParseKeys(secretKey)
	require.NoError(t, err)
	sealer, err := secret.New(keys...)
	require.NoError(t, err)
	return tasks.WorkerReport{Name: "w", Version: process.Version(), Since: time.Now(), Slots: 9, State: tasks.WorkerReady, Keys: sealer.Keys()}
}

// addWorker lets one be there, so that no push waits for it.
func addWorker(t *testing.T, redis *redistest.Server) {
	t.Helper()
	_, err := store.New(redis.Client(t), store.Config{Lease: time.Hour}).Renew(t.Context(), wellWorker(t), nil)
	require.NoError(t, err)
}

func TestTheFleetIsSeenAtAcceptanceAndByProbes(t *testing.T) {
	redis := redistest.New(t, redistest.Config{})
	i := start(t, redis)
	records := store.New(redis.Client(t), store.Config{Lease: time.Hour})
	well := wellWorker(t)
	for n, tt := range []struct {
		code   string // of the push's trouble and of the probe's check
		change func(w *tasks.WorkerReport)
	}{
		{"no_worker", nil},
		{"no_key", func(w *tasks.WorkerReport) { w.Keys = []string{"another"} }},
		{"no_free_slot", func(w *tasks.WorkerReport) { w.Slots = 1 }},
		{"no_capacity", func(w *tasks.WorkerReport) { w.Capacity = &tasks.CapacityReport{Limit: 10, Taken: 9, Full: true} }},
		{"no_memory", func(w *tasks.WorkerReport) { w.State = tasks.WorkerNoMemory }},
		{"", func(w *tasks.WorkerReport) { w.Version = "older" }},
		{"", func(w *tasks.WorkerReport) { w.Sandbox = "lacks Landlock" }},
		{"", func(*tasks.WorkerReport) {}},
	} {
		t.Run(fmt.Sprint(n, tt.code), func(t *testing.T) {
			w := well
			if tt.change != nil {
				tt.change(&w)
				_, err := records.Renew(t.Context(), w, nil)
				require.NoError(t, err)
			}
			status, probe := i.readiness()
			assert.Equal(t, 200, status, "a load balancer must not take the API away")
			status, _, list := i.do("GET", "/v1/workers", "")
			assert.Equal(t, 200, status)
			status, _, push := i.do("POST", "/v1/pushes", strings.Replace(request(""), "anna", "anna"+strconv.Itoa(n), 1))
			require.Equal(t, 202, status, push)
			if tt.code == "" {
				assert.Contains(t, probe, `{"name":"workers","status":"ok"}`)
				assert.NotContains(t, push, `"trouble"`)
			} else {
				assert.Contains(t, probe, `{"name":"workers","status":"warning","code":"`+tt.code+`"`)
				assert.Contains(t, push, `"trouble":{"side":"`)
				assert.Contains(t, push, `"code":"`+tt.code+`"`)
			}
			assert.Equal(t, w.Version != process.Version(), strings.Contains(probe, "other_version"))
			assert.Equal(t, w.Sandbox != "", strings.Contains(probe, `"code":"no_sandbox","message":"the sandbox of a worker lacks Landlock`))
			assert.Equal(t, tt.change != nil, strings.Contains(list, `"name":"w"`), list)
			assert.NotContains(t, list+probe, well.Keys[0])
		})
	}
}

func TestARedisThatIsAwayIsSaidAfterThreeSeconds(t *testing.T) {
	for name, leave := range map[string]func(*redistest.Server){
		"it hangs": func(s *redistest.Server) { assert.NoError(t, s.Stop()) },
		"it died":  func(s *redistest.Server) { s.Kill() },
	} {
		t.Run(name, func(t *testing.T) {
			redis := redistest.New(t, redistest.Config{})
			i := start(t, redis)
			_, header, _ := i.do("POST", "/v1/pushes", request(""))
			push := "/v1/pushes/" + header.Get("X-Scf-Reqid")
			leave(redis)
			defer func() { _ = redis.Cont() }()
			begin, noise := time.Now(), mediatest.WatchNoise(t)
			var all sync.WaitGroup
			for _, ask := range [][2]string{{"POST", "/v1/pushes"}, {"GET", "/v1/pushes"}, {"GET", push}, {"GET", push + "/events"}, {"DELETE", push}} {
				all.Go(func() {
					var sent string
					if ask[0] == "POST" {
						sent = request("")
					}
					status, _, body := i.do(ask[0], ask[1], sent)
					assert.Equal(t, 503, status, ask)
					assert.Contains(t, body, `"code":"redis_unavailable"`, ask)
					assert.Contains(t, body, `"detail":"Redis `, ask)
					t.Log(ask, time.Since(begin))
				})
			}
			all.Wait()
			assert.Less(t, time.Since(begin), 4*time.Second+mediatest.Hops*noise()) // 3, and some for the machine
		})
	}
}

func TestStartFailsWithWhatToDo(t *testing.T) {
	key := "ROOMCAST_SECRET_KEY=" + base64.StdEncoding.EncodeToString(make([]byte, 32))
	redis := redistest.New(t, redistest.Config{})
	url := "ROOMCAST_REDIS_URL=" + redis.URL()
	for _, tt := range []struct {
		name     string
		settings []string
		want     string
	}{
		{"no secret key", nil, "ROOMCAST_SECRET_KEY is required"},
		{"no Redis", []string{key, "ROOMCAST_REDIS_URL=redis://127.0.0.1:1/0"}, "check Redis"},
		{"a Redis URL that is none", []string{key, "ROOMCAST_REDIS_URL=redis://"}, "ROOMCAST_REDIS_URL"},
		{"a taken port", []string{key, url, "ROOMCAST_LISTEN=" + redis.Addr()}, "listen on ROOMCAST_LISTEN"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := run(context.Background(), tt.settings, io.Discard)
			require.Error(t, err)
			assert.Contains(t, fmt.Sprint(err), tt.want)
		})
	}
}
