package monitor_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redisconn"
	"github.com/roomcast/roomcast/internal/redistest"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/web/monitor"
)

// fakePushes knows the pushes in it and notes which are stopped.
type fakePushes struct {
	mu      sync.Mutex
	known   map[string]tasks.Push
	broken  map[string]error // by push
	stopped []string
}

func (f *fakePushes) Get(_ context.Context, id string) (tasks.Push, error) {
	p, ok := f.known[id]
	if !ok {
		return p, &tasks.Error{Code: tasks.CodeNotFound, Msg: "there is no push " + id}
	}
	return p, f.broken[id]
}

func (f *fakePushes) Stop(ctx context.Context, id string) (tasks.Push, error) {
	p, err := f.Get(ctx, id)
	if err != nil {
		return p, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopped = append(f.stopped, id)
	return p, nil
}

// scene is a queue, the pushes behind it and the monitor of both.
type scene struct {
	t       *testing.T
	client  redisconn.Client
	pushes  *fakePushes
	monitor *monitor.Monitor
}

func newScene(t *testing.T) *scene {
	push := func(state tasks.State, epoch int64) tasks.Push { return tasks.Push{State: state, Epoch: epoch} }
	s := &scene{t: t, client: redistest.New(t, redistest.Config{}).Client(t)}
	s.pushes = &fakePushes{
		known: map[string]tasks.Push{
			"p1": push(tasks.Publishing, 3), "p2": push(tasks.Queued, 1), "ended": push(tasks.Stopped, 1),
			"away": push(tasks.Publishing, 1), "odd": push(tasks.Publishing, 1),
		},
		broken: map[string]error{
			"away": &tasks.Error{Code: tasks.CodeRedisUnavailable, Msg: "Redis is away", Retryable: true},
			"odd":  errors.New("canary"),
		},
	}
	s.monitor = open(s.client, s.pushes)
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

// left is what is still in the queue.
func (s *scene) left() []string {
	var ids []string
	inspector := asynq.NewInspectorFromRedisClient(s.client)
	for _, list := range []func(string, ...asynq.ListOption) ([]*asynq.TaskInfo, error){
		inspector.ListPendingTasks, inspector.ListScheduledTasks, inspector.ListArchivedTasks,
	} {
		infos, err := list("push")
		require.NoError(s.t, err)
		for _, i := range infos {
			ids = append(ids, i.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// cancels subscribes to asynq's cancellations; what it returns waits for a
// mark of its own and tells what came before.
func (s *scene) cancels() func() []string {
	const channel = "asynq:cancel" // asynq's, internal/base
	sub := s.client.Subscribe(s.t.Context(), channel)
	_, err := sub.Receive(s.t.Context())
	require.NoError(s.t, err)
	return func() (ids []string) {
		defer sub.Close()
		require.NoError(s.t, s.client.Publish(s.t.Context(), channel, "mark").Err())
		for {
			m, err := sub.ReceiveMessage(s.t.Context())
			require.NoError(s.t, err)
			if m.Payload == "mark" {
				return ids
			}
			ids = append(ids, m.Payload)
		}
	}
}

func TestCancelStopsThePushAndNeverReachesAsynq(t *testing.T) {
	for _, tt := range []struct {
		name, path, body string
		status           int
		answer           string
		stopped          []string
	}{
		{"a running attempt", "/api/queues/push/active_tasks/p1.3:cancel", "", 204, "", []string{"p1"}},
		{"an attempt that was taken over meanwhile", "/api/queues/push/active_tasks/p1.2:cancel", "", 204, "", []string{"p1"}},
		{"a push that has ended", "/api/queues/push/active_tasks/ended.1:cancel", "", 204, "", []string{"ended"}},
		{"a push nobody knows", "/api/queues/push/active_tasks/p9.1:cancel", "", 404, `"code":"not_found"`, nil},
		{"a task that is not ours", "/api/queues/push/active_tasks/stranger:cancel", "", 404, "belongs to no push", nil},
		{"an epoch that is no number", "/api/queues/push/active_tasks/p1.x:cancel", "", 404, "belongs to no push", nil},
		{"an epoch we do not write so", "/api/queues/push/active_tasks/p1.03:cancel", "", 404, "belongs to no push", nil},
		{"a store that is away", "/api/queues/push/active_tasks/away.1:cancel", "", 503, `"code":"redis_unavailable"`, nil},
		{"a fault of ours", "/api/queues/push/active_tasks/odd.1:cancel", "", 500, `"code":"internal"`, nil},
		{
			"several", "/api/queues/push/active_tasks:batch_cancel", `{"task_ids":["p1.3","stranger","odd.1","p2.1"]}`, 200,
			`{"canceled_ids":["p1.3","p2.1"],"error_ids":["stranger","odd.1"]}`, []string{"p1", "p2"},
		},
		{"none", "/api/queues/push/active_tasks:batch_cancel", `{"task_ids":[]}`, 200, `{"canceled_ids":[],"error_ids":[]}`, nil},
		{
			"no more are tried while the store is away", "/api/queues/push/active_tasks:batch_cancel", `{"task_ids":["p1.3","away.1","p2.1"]}`, 200,
			`{"canceled_ids":["p1.3"],"error_ids":["away.1","p2.1"]}`, []string{"p1"},
		},
		{"a body that is none", "/api/queues/push/active_tasks:batch_cancel", `["p1.3"]`, 400, `"code":"invalid_request"`, nil},
		{"a body with more", "/api/queues/push/active_tasks:batch_cancel", `{"ids":["p1.3"]}`, 400, `"code":"invalid_request"`, nil},
		{"a body without end", "/api/queues/push/active_tasks:batch_cancel", `{"task_ids":["` + strings.Repeat("x", 70000), 413, `"code":"body_too_large"`, nil},
		{"all of a queue nobody knows", "/api/queues/nowhere/active_tasks:cancel_all", "", 404, "there is no such queue", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t)
			cancelled := s.cancels()
			w := s.send("POST", tt.path, tt.body)
			assert.Equal(t, tt.status, w.Code, w.Body)
			assert.Contains(t, w.Body.String(), tt.answer)
			assert.NotContains(t, w.Body.String(), "canary")
			assert.Equal(t, tt.stopped, s.pushes.stopped)
			assert.Empty(t, cancelled())
		})
	}
}

func TestCancelAllStopsWhatRunsAndLeavesTheHandlersAlone(t *testing.T) {
	s := newScene(t)
	const n = 3
	running, release, disturbed := make(chan struct{}, n), make(chan struct{}), make(chan error, n)
	server := asynq.NewServerFromRedisClient(s.client, asynq.Config{
		Concurrency: n, Queues: map[string]int{"push": 1}, LogLevel: asynq.FatalLevel, TaskCheckInterval: 100 * time.Millisecond,
	})
	require.NoError(t, server.Start(asynq.HandlerFunc(func(ctx context.Context, _ *asynq.Task) error {
		running <- struct{}{}
		<-release
		disturbed <- ctx.Err()
		return nil
	})))
	defer server.Shutdown()
	for _, id := range []string{"p1.3", "p2.1", "ended.1"} {
		enqueue(t, s.client, id, nil)
		<-running
	}
	cancelled := s.cancels()
	w := s.send("POST", "/api/queues/push/active_tasks:cancel_all", "")
	assert.Equal(t, 204, w.Code, w.Body)
	assert.ElementsMatch(t, []string{"p1", "p2", "ended"}, s.pushes.stopped)
	assert.Empty(t, cancelled())
	close(release)
	for range n {
		assert.NoError(t, <-disturbed)
	}
}

func TestDeleteStopsThePushThatWaitsForTheTask(t *testing.T) {
	pending := []string{"away.1", "ended.1", "p1.2", "p2.1", "p9.1", "stranger"}
	without := func(ids ...string) []string {
		return slices.DeleteFunc(slices.Clone(pending), func(id string) bool { return slices.Contains(ids, id) })
	}
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		answer                   string
		stopped, left            []string
	}{
		{"an attempt that is due", "DELETE", "/pending_tasks/p2.1", "", 204, "", []string{"p2"}, without("p2.1")},
		{"an attempt that was taken over leaves the push alone", "DELETE", "/retry_tasks/p1.2", "", 204, "", nil, without("p1.2")},
		{"a newer attempt than the record knows", "DELETE", "/scheduled_tasks/p1.4", "", 204, "", []string{"p1"}, pending},
		{"a push that has ended", "DELETE", "/archived_tasks/ended.1", "", 204, "", nil, without("ended.1")},
		{"a push nobody knows any more", "DELETE", "/pending_tasks/p9.1", "", 204, "", nil, without("p9.1")},
		{"a task that is not ours", "DELETE", "/completed_tasks/stranger", "", 204, "", nil, without("stranger")},
		{"a task that has gone", "DELETE", "/pending_tasks/nothing", "", 204, "", nil, pending},
		{"a store that is away keeps the task", "DELETE", "/pending_tasks/away.1", "", 503, `"code":"redis_unavailable"`, nil, pending},
		{
			"several", "POST", "/pending_tasks:batch_delete", `{"task_ids":["stranger","p2.1","away.1","p9.1"]}`, 200,
			`{"deleted_ids":["stranger","p2.1"],"failed_ids":["away.1","p9.1"]}`, []string{"p2"}, without("stranger", "p2.1"),
		},
		{"all of none", "DELETE", "/scheduled_tasks:delete_all", "", 200, `{"deleted":0}`, nil, pending},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t)
			for _, id := range pending {
				enqueue(t, s.client, id, nil)
			}
			w := s.send(tt.method, "/api/queues/push"+tt.path, tt.body)
			assert.Equal(t, tt.status, w.Code, w.Body)
			assert.Contains(t, w.Body.String(), tt.answer)
			assert.Equal(t, tt.stopped, s.pushes.stopped)
			assert.Equal(t, tt.left, s.left())
		})
	}
}

func TestDeleteAllTakesMoreThanOnePage(t *testing.T) {
	s := newScene(t)
	const n = 1100
	for i := range n {
		enqueue(t, s.client, fmt.Sprintf("stranger%d", i), nil)
	}
	enqueue(t, s.client, "p2.1", nil)
	w := s.send("DELETE", "/api/queues/push/pending_tasks:delete_all", "")
	assert.Equal(t, 200, w.Code, w.Body)
	assert.JSONEq(t, fmt.Sprintf(`{"deleted":%d}`, n+1), w.Body.String())
	assert.Equal(t, []string{"p2"}, s.pushes.stopped)
	assert.Empty(t, s.left())
}

func TestEveryOtherChangeIsRefusedInWords(t *testing.T) {
	s := newScene(t)
	enqueue(t, s.client, "p2.1", nil)
	var refused []string
	for _, state := range []string{"pending", "scheduled", "retry", "archived", "completed", "groups/g/aggregating"} {
		for _, action := range []string{"/p2.1:archive", "/p2.1:run", ":archive_all", ":run_all", ":batch_archive", ":batch_run"} {
			refused = append(refused, "POST /api/queues/push/"+state+"_tasks"+action)
		}
	}
	refused = append(refused, "POST /api/queues/push:pause", "POST /api/queues/push:resume", "DELETE /api/queues/push",
		"DELETE /api/queues/push/active_tasks/p2.1", "POST /api/queues/push/active_tasks/p2.1",
		"DELETE /api/queues/push/groups/g/aggregating_tasks/p2.1", "DELETE /api/queues/push/groups/g/aggregating_tasks:delete_all",
		"DELETE /api/queues/push/pending_tasks:batch_delete", "POST /api/queues/push/pending_tasks:delete_all",
		"DELETE /api/queues/push/tasks/p2.1", "PUT /api/queues/push/pending_tasks/p2.1", "PATCH /api/queues/push",
		"OPTIONS /api/queues/push", "POST /", "POST /notice.js", "POST /api/unknown")
	for _, request := range refused {
		method, path, _ := strings.Cut(request, " ")
		w := s.send(method, path, `{"task_ids":["p2.1"]}`)
		assert.Equal(t, 403, w.Code, request)
		assert.Equal(t, "application/problem+json", w.Header().Get("Content-Type"), request)
		assert.Contains(t, w.Body.String(), `"code":"monitor_read_only"`, request)
		assert.Contains(t, w.Body.String(), "the monitor can stop a push", request)
	}
	assert.Empty(t, s.pushes.stopped)
	assert.Equal(t, []string{"p2.1"}, s.left())
	info, err := asynq.NewInspectorFromRedisClient(s.client).GetQueueInfo("push")
	require.NoError(t, err)
	assert.False(t, info.Paused)
}

func TestAnotherSitesPageStopsNothing(t *testing.T) {
	const cancel = "/api/queues/push/active_tasks/p1.3:cancel"
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
			w := s.send("POST", cancel, "", tt.headers...)
			require.Equal(t, tt.status, w.Code, w.Body)
			if tt.status == http.StatusForbidden {
				assert.Contains(t, w.Body.String(), `"code":"cross_site"`)
				assert.Empty(t, s.pushes.stopped)
			}
		})
	}
}

func TestTheTaskOfWebhooksIsShownAndStopsNoPush(t *testing.T) {
	const id = "01939f2e-5b7a-7c3e-9f10-3f0c5a1b2c3d"
	s := newScene(t)
	s.pushes.known = map[string]tasks.Push{id: {ID: id, Epoch: 1, State: tasks.Publishing}}
	_, err := asynq.NewClientFromRedisClient(s.client).EnqueueContext(t.Context(),
		asynq.NewTask("webhook:deliver", []byte(`{"id":"`+id+`","n":1}`)), asynq.TaskID(id+".1"), asynq.Queue("webhook"))
	require.NoError(t, err)
	queue := monitor.Root + "/api/queues/webhook/"
	require.Contains(t, ask(s.monitor, http.MethodGet, queue+"pending_tasks").Body.String(), `webhooks of push\n`+id)
	for _, call := range []string{
		"POST active_tasks/" + id + ".1:cancel", "DELETE pending_tasks/" + id + ".1", "DELETE pending_tasks:delete_all",
	} {
		method, path, _ := strings.Cut(call, " ")
		require.Equal(t, http.StatusForbidden, ask(s.monitor, method, queue+path).Code, call)
	}
	require.Empty(t, s.pushes.stopped)
}
