package monitor_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hibiken/asynq"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redisconn"
	"github.com/roomcast/roomcast/internal/redistest"
	"github.com/roomcast/roomcast/web/monitor"
)

// scene is a queue with one task that waits, its monitor, and what is cancelled.
type scene struct {
	t       *testing.T
	client  redisconn.Client
	monitor *monitor.Monitor
	// cancelled waits for a mark of its own and tells what was cancelled before; it is
	// called once.
	cancelled func() []string
}

func newScene(t *testing.T) *scene {
	s := &scene{t: t, client: redistest.New(t, redistest.Config{}).Client(t)}
	s.monitor = open(s.client)
	enqueue(t, s.client, "p2.1", nil)
	const channel = "asynq:cancel" // asynq's, internal/base
	sub := s.client.Subscribe(t.Context(), channel)
	_, err := sub.Receive(t.Context())
	require.NoError(t, err)
	s.cancelled = func() (ids []string) {
		defer sub.Close()
		require.NoError(t, s.client.Publish(t.Context(), channel, "mark").Err())
		for {
			m, err := sub.ReceiveMessage(t.Context())
			require.NoError(t, err)
			if m.Payload == "mark" {
				return ids
			}
			ids = append(ids, m.Payload)
		}
	}
	return s
}

func (s *scene) send(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, "/monitor"+path, strings.NewReader(body))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	s.monitor.ServeHTTP(w, r)
	return w
}

func TestCancelReachesTheWorkers(t *testing.T) {
	for path, body := range map[string]string{
		"/api/queues/push/active_tasks/p1.3:cancel":   "",
		"/api/queues/resume/active_tasks/p1.3:cancel": "",
		"/api/queues/push/active_tasks:batch_cancel":  `{"task_ids":["p1.3"]}`,
	} {
		s := newScene(t)
		assert.Less(t, s.send("POST", path, body).Code, 300, path)
		assert.Equal(t, []string{"p1.3"}, s.cancelled(), path)
	}
}

func TestCancelAllIsForTheTasksThatRun(t *testing.T) {
	s := newScene(t)
	assert.Equal(t, 204, s.send("POST", "/api/queues/push/active_tasks:cancel_all", "").Code)
	assert.Empty(t, s.cancelled())
}

func TestEveryOtherChangeIsRefusedInWords(t *testing.T) {
	s := newScene(t)
	var refused []string
	for _, state := range []string{"pending", "scheduled", "retry", "archived", "completed", "groups/g/aggregating"} {
		for _, action := range []string{"/p2.1:archive", "/p2.1:run", ":archive_all", ":run_all", ":batch_archive", ":batch_run", ":batch_delete"} {
			refused = append(refused, "POST /api/queues/push/"+state+"_tasks"+action)
		}
		refused = append(refused, "DELETE /api/queues/push/"+state+"_tasks/p2.1", "DELETE /api/queues/push/"+state+"_tasks:delete_all")
	}
	refused = append(refused, "POST /api/queues/push:pause", "POST /api/queues/push:resume", "DELETE /api/queues/push",
		"DELETE /api/queues/push/active_tasks/p2.1", "POST /api/queues/push/active_tasks/p2.1",
		"DELETE /api/queues/push/active_tasks/p2.1:cancel", "POST /api/queues/push/pending_tasks/p2.1:cancel",
		"POST /api/queues/webhook/active_tasks/p2.1:cancel", "POST /api/queues/webhook/active_tasks:cancel_all",
		"DELETE /api/queues/push/tasks/p2.1", "PUT /api/queues/push/pending_tasks/p2.1", "PATCH /api/queues/push",
		"OPTIONS /api/queues/push", "POST /", "POST /notice.js", "POST /api/unknown")
	for _, request := range refused {
		method, path, _ := strings.Cut(request, " ")
		w := s.send(method, path, `{"task_ids":["p2.1"]}`)
		assert.Equal(t, 403, w.Code, request)
		assert.Equal(t, "application/problem+json", w.Header().Get("Content-Type"), request)
		assert.Contains(t, w.Body.String(), `"code":"monitor_read_only"`, request)
		assert.Contains(t, w.Body.String(), "the monitor can cancel a push that runs", request)
	}
	assert.Empty(t, s.cancelled())
	info, err := asynq.NewInspectorFromRedisClient(s.client).GetQueueInfo("push")
	require.NoError(t, err)
	assert.Equal(t, 1, info.Pending)
	assert.False(t, info.Paused)
}

func TestAnotherSitesPageCancelsNothing(t *testing.T) {
	for _, tt := range []struct {
		name    string
		headers []string
		status  int
	}{
		{"another site", []string{"Sec-Fetch-Site: cross-site"}, http.StatusForbidden},
		{"another host of our site", []string{"Sec-Fetch-Site: same-site"}, http.StatusForbidden},
		{"another origin in a browser that says no more", []string{"Origin: https://evil.example"}, http.StatusForbidden},
		{"a page without origin", []string{"Origin: null"}, http.StatusForbidden},
		{"our own page", []string{"Sec-Fetch-Site: same-origin", "Origin: http://example.com"}, http.StatusNoContent},
		{"our own page over plain HTTP, where browsers say less", []string{"Origin: http://example.com"}, http.StatusNoContent},
		{"no browser", nil, http.StatusNoContent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t)
			w := s.send("POST", "/api/queues/push/active_tasks/p1.3:cancel", "", tt.headers...)
			require.Equal(t, tt.status, w.Code, w.Body)
			if tt.status == http.StatusForbidden {
				assert.Contains(t, w.Body.String(), `"code":"cross_site"`)
				assert.Empty(t, s.cancelled())
			}
		})
	}
}

func TestTheTaskOfWebhooksIsShown(t *testing.T) {
	const id = "01939f2e-5b7a-7c3e-9f10-3f0c5a1b2c3d"
	s := newScene(t)
	_, err := asynq.NewClientFromRedisClient(s.client).EnqueueContext(t.Context(),
		asynq.NewTask("webhook:deliver", []byte(`{"id":"`+id+`","n":1}`)), asynq.TaskID(id+".1"), asynq.Queue("webhook"))
	require.NoError(t, err)
	require.Contains(t, s.send("GET", "/api/queues/webhook/pending_tasks", "").Body.String(), `webhooks of push\n`+id)
}
