package monitor_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"

	"github.com/hibiken/asynq"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redisconn"
	"github.com/roomcast/roomcast/internal/redistest"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/web/monitor"
)

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
	m := monitor.New(client)
	task, err := json.Marshal(tasks.Task{ID: "p1", Epoch: 3, Room: "r1", User: "anna", SourceHost: "a.example"})
	require.NoError(t, err)
	enqueue(t, client, "p1.3", task)
	enqueue(t, client, "stranger", []byte(`{"userSig":"canary"}`))
	enqueue(t, client, "garbage", []byte("canary"))

	t.Run("payloads are shown in our words or not at all", func(t *testing.T) {
		w := ask(m, "GET", "/monitor/api/queues/push/pending_tasks")
		require.Equal(t, 200, w.Code, w.Body)
		assert.Contains(t, w.Body.String(), `"payload":"room r1, user anna, from a.example, attempt 3 of push p1"`)
		assert.Contains(t, w.Body.String(), `"payload":"unreadable payload"`)
		assert.NotContains(t, w.Body.String(), "canary")
	})

	t.Run("one task is shown like in the list", func(t *testing.T) {
		w := ask(m, "GET", "/monitor/api/queues/push/tasks/stranger")
		require.Equal(t, 200, w.Code, w.Body)
		assert.Contains(t, w.Body.String(), "unreadable payload")
		assert.NotContains(t, w.Body.String(), "canary")
	})

	t.Run("nothing can be changed", func(t *testing.T) {
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT"} {
			for _, target := range []string{"/monitor/api/queues/push:pause", "/monitor/api/queues/push", "/monitor"} {
				w := ask(m, method, target)
				assert.Equal(t, 405, w.Code)
				assert.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
				assert.Contains(t, w.Body.String(), `"code":"read_only"`)
			}
		}
		info, err := asynq.NewInspectorFromRedisClient(client).GetQueueInfo("push")
		require.NoError(t, err)
		assert.False(t, info.Paused)
		assert.Equal(t, 3, info.Pending)
	})
}

func TestThePageNeedsNoOtherHost(t *testing.T) {
	m := monitor.New(redistest.New(t, redistest.Config{}).Client(t))
	foreign := regexp.MustCompile(`(?:src|href)="(?:https?:)?//`)
	for _, target := range []string{"/monitor", "/monitor/", "/monitor/queues/push", "/monitor/queues/push/tasks/p1.3"} {
		t.Run(target, func(t *testing.T) {
			w := ask(m, "GET", target)
			require.Equal(t, 200, w.Code)
			assert.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
			assert.Contains(t, w.Body.String(), `<div id="root">`)
			assert.Contains(t, w.Body.String(), `FLAG_READ_ONLY="true"`)
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
	m := monitor.New(redistest.New(t, redistest.Config{}).Client(t))
	page := ask(m, "GET", "/monitor/").Body.String()
	files := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page, -1)
	require.NotEmpty(t, files)
	for _, f := range files {
		w := ask(m, "GET", f[1])
		assert.Equal(t, 200, w.Code, f[1])
		assert.NotContains(t, w.Header().Get("Content-Type"), "text/html", f[1])
	}
	logo := ask(m, "GET", "/monitor/static/media/logo-color.c2b0c1f3.svg")
	assert.Equal(t, "image/svg+xml", logo.Header().Get("Content-Type"))
	assert.Contains(t, logo.Header().Get("Cache-Control"), "max-age")
}
