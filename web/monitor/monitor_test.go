package monitor_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/roomcast/roomcast/internal/redisconn"
	"github.com/roomcast/roomcast/internal/redistest"
	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/web/monitor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(client redisconn.Client, active ...tasks.Push) *monitor.Monitor {
	return monitor.New(monitor.Config{
		Client:  client,
		Active:  func(context.Context) ([]tasks.Push, error) { return active, nil },
		Declare: func(context.Context) error { return nil },
	})
}

func ask(h http.Handler, method, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w
}

func enqueue(t *testing.T, client redisconn.Client, id string, payload []byte) {
	t.Helper()
	_, err := asynq.NewClientFromRedisClient(client).EnqueueContext(context.Background(),
		asynq.NewTask("push:run", payload), asynq.TaskID(id), asynq.Queue("push"))
	require.NoError(t, err)
}

func TestMonitor(t *testing.T) {
	client := redistest.New(t, redistest.Config{}).Client(t)
	m := open(client,
		tasks.Push{ID: "p1", Epoch: 3, State: tasks.Publishing, Progress: &media.Progress{Position: 75 * time.Second, Duration: time.Hour}},
		tasks.Push{ID: "p2", Epoch: 1, State: tasks.Queued, Trouble: tasks.WaitingForSlot.Trouble(time.Now().Add(-90 * time.Second))},
		tasks.Push{ID: "p3", Epoch: 2, State: tasks.Publishing})
	task, err := json.Marshal(tasks.Task{ID: "p1", Epoch: 3, Room: "r1", User: "anna", SourceHost: "a.example"})
	require.NoError(t, err)
	enqueue(t, client, "p1.3", task)
	for _, id := range []string{"p2", "p3", "p4"} {
		text, err := json.Marshal(tasks.Task{ID: id, Epoch: 1, Room: "r1", User: "anna", SourceHost: strings.Repeat("a", 60) + ".example"})
		require.NoError(t, err)
		enqueue(t, client, id+".1", text)
	}
	enqueue(t, client, "stranger", []byte(`{"userSig":"canary"}`))
	enqueue(t, client, "garbage", []byte("canary"))

	t.Run("payloads are shown in our words or not at all", func(t *testing.T) {
		w := ask(m, "GET", "/monitor/api/queues/push/pending_tasks")
		require.Equal(t, 200, w.Code, w.Body)
		assert.Contains(t, w.Body.String(), `"payload":"publishing 1:15 / 1:00:00\nroom r1, user anna\nfrom a.example\np1"`)
		assert.Regexp(t, `"payload":"! queue: no_free_slot 1:3\d\\nqueued\\nroom r1, user anna\\nfrom `+strings.Repeat("a", 39)+`…\\np2"`, w.Body.String())
		assert.Contains(t, w.Body.String(), `"payload":"attempt 2 is at it by now\nroom`)
		assert.Contains(t, w.Body.String(), `"payload":"ended\nroom`)
		assert.Contains(t, w.Body.String(), `"payload":"unreadable payload"`)
		assert.NotContains(t, w.Body.String(), "canary")
	})

	t.Run("one task is shown like in the list", func(t *testing.T) {
		w := ask(m, "GET", "/monitor/api/queues/push/tasks/stranger")
		require.Equal(t, 200, w.Code, w.Body)
		assert.Contains(t, w.Body.String(), "unreadable payload")
		assert.NotContains(t, w.Body.String(), "canary")
	})
}

func TestWhoReadsWhileRedisIsAwayIsToldSoInWords(t *testing.T) {
	m := monitor.New(monitor.Config{
		Client: redistest.New(t, redistest.Config{}).Client(t),
		Declare: func(ctx context.Context) error {
			_, bounded := ctx.Deadline()
			assert.True(t, bounded)
			return errors.New("i/o timeout")
		},
	})
	w := ask(m, "GET", "/monitor/api/queues")
	assert.Equal(t, 503, w.Code)
	assert.Contains(t, w.Body.String(), `"code":"redis_unavailable"`)
	assert.Contains(t, w.Body.String(), "Redis cannot be reached")
	assert.NotContains(t, w.Body.String(), "i/o")
	assert.Equal(t, 200, ask(m, "GET", "/monitor/").Code, "the page opens, and says it")
}

func TestThePageNeedsNoOtherHost(t *testing.T) {
	m := open(redistest.New(t, redistest.Config{}).Client(t))
	foreign := regexp.MustCompile(`(?:src|href)="(?:https?:)?//`)
	for _, target := range []string{"/monitor", "/monitor/", "/monitor/queues/push", "/monitor/queues/push/tasks/p1.3"} {
		t.Run(target, func(t *testing.T) {
			w := ask(m, "GET", target)
			require.Equal(t, 200, w.Code)
			assert.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
			assert.Contains(t, w.Body.String(), `<div id="root">`)
			assert.Contains(t, w.Body.String(), `FLAG_READ_ONLY="false"`)
			assert.NotRegexp(t, foreign, w.Body.String())
			assert.NotContains(t, w.Body.String(), "manifest", "browsers fetch it without the password")
			policy := w.Header().Get("Content-Security-Policy")
			assert.Contains(t, policy, "default-src 'none'; script-src 'self' 'sha256-")
			assert.NotContains(t, policy, "http")
			assert.NotContains(t, policy, "script-src 'self' 'unsafe-inline'")
		})
	}
}

func TestEveryFileOfThePageIsThere(t *testing.T) {
	m := open(redistest.New(t, redistest.Config{}).Client(t))
	page := ask(m, "GET", "/monitor/").Body.String()
	files := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page, -1)
	require.NotEmpty(t, files)
	for _, f := range files {
		w := ask(m, "GET", f[1])
		assert.Equal(t, 200, w.Code, f[1])
		assert.NotContains(t, w.Header().Get("Content-Type"), "text/html", f[1])
	}
	assert.Contains(t, page, `<script src="/monitor/notice.js">`)
	logo := ask(m, "GET", "/monitor/static/media/logo-color.c2b0c1f3.svg")
	assert.Equal(t, "image/svg+xml", logo.Header().Get("Content-Type"))
	assert.Contains(t, logo.Header().Get("Cache-Control"), "max-age")
}
