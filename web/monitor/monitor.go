// Package monitor serves asynqmon, the page of the queue, in a way that fits
// Roomcast: its Cancel stops a push for good, nothing else can be changed from
// it, it shows no payload as it is, and it needs nothing from another host. Who may see it is its caller's to decide.
package monitor

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/hibiken/asynqmon"

	"github.com/roomcast/roomcast/internal/redisconn"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/web/problem"
)

// Root is where the monitor is mounted.
const Root = "/monitor"

// redisTime is how long Redis may take to answer before it counts as away.
const redisTime = 2 * time.Second

// webhookTask is the task of webhooks in asynq, as tasks/queue names it.
const webhookTask = "webhook:deliver"

// cancels is what may be asked of asynqmon beside reading: the Cancel of running
// pushes. The worker that hears it makes it a durable stop (tasks/queue, OnCancel).
// A webhook is no push, and to end its task ends none.
var cancels = regexp.MustCompile(`^` + Root + `/api/queues/(push|resume)/active_tasks(/[^/]+:cancel|:batch_cancel|:cancel_all)$`)

// shared is an asynq.RedisConnOpt that hands out a client we have already.
// asynq's own options lose user names and TLS.
type shared struct{ client redisconn.Client }

func (s shared) MakeRedisClient() any { return s.client }

// Config is what New needs.
type Config struct {
	Client redisconn.Client // where the queues are; stays the caller's to close
	// Active returns the pushes that have not ended, all in one read.
	Active func(ctx context.Context) ([]tasks.Push, error)
	// Declare makes asynq know its queues although they are empty.
	Declare func(ctx context.Context) error
}

// Monitor is the page and what it asks for.
type Monitor struct {
	asynqmon http.Handler
	index    page
	declare  func(ctx context.Context) error
	origin   *http.CrossOriginProtection
}

// New returns a Monitor of cfg's queues.
func New(cfg Config) *Monitor {
	h := asynqmon.New(asynqmon.Options{
		RootPath:         Root,
		RedisConnOpt:     shared{cfg.Client},
		PayloadFormatter: &payloads{active: cfg.Active},
		ResultFormatter:  asynqmon.ResultFormatterFunc(func(string, []byte) string { return "" }),
	})
	return &Monitor{
		asynqmon: h,
		index:    newPage(fetch(h, Root+"/").body.Bytes()),
		declare:  cfg.Declare,
		origin:   http.NewCrossOriginProtection(),
	}
}

// ServeHTTP hands what reads, and Cancel, to asynqmon, and refuses what else
// changes something. A browser sends the password of HTTP Basic along with
// whatever another site makes it send, so a change must come from our own page or
// from no page at all.
func (m *Monitor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case m.origin.Check(r) != nil:
		problem.Write(w, &tasks.Error{Code: problem.CodeCrossSite, Msg: "another site's page may not change anything here"})
	case r.Method == http.MethodPost && cancels.MatchString(r.URL.Path):
		m.ask(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		problem.Write(w, &tasks.Error{
			Code: problem.CodeMonitorReadOnly,
			Msg:  "the monitor can cancel a push that runs and nothing else; one that waits is stopped on the page, or with DELETE /v1/pushes/{id}",
		})
	case strings.HasPrefix(r.URL.Path, Root+"/api/"):
		m.ask(w, r)
	case r.URL.Path == noticePath:
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		_, _ = w.Write(notice)
	default:
		m.serveAsset(w, r)
	}
}

// ask lets asynqmon answer unless Redis is away: that it would say late and in
// no words for people.
func (m *Monitor) ask(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), redisTime)
	defer cancel()
	if err := m.declare(ctx); err != nil {
		problem.Write(w, &tasks.Error{Code: tasks.CodeRedisUnavailable, Msg: "Redis cannot be reached or takes no writes; try again in a moment", Retryable: true, Err: err})
		return
	}
	m.asynqmon.ServeHTTP(w, r)
}

// serveAsset answers with a file of asynqmon's; its page, which it gives for
// every unknown path, is replaced by ours.
func (m *Monitor) serveAsset(w http.ResponseWriter, r *http.Request) {
	got := fetch(m.asynqmon, r.URL.Path)
	h := w.Header()
	maps.Copy(h, got.header)
	switch {
	case got.status == http.StatusOK && bytes.Equal(got.body.Bytes(), m.index.original):
		h.Set("Content-Security-Policy", m.index.policy)
		h.Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(m.index.clean)
		return
	case strings.HasSuffix(r.URL.Path, ".svg"):
		h.Set("Content-Type", "image/svg+xml") // asynqmon says text/plain, which no browser draws
	}
	if strings.HasPrefix(r.URL.Path, Root+"/static/") {
		h.Set("Cache-Control", "private, max-age=86400") // their names hold a hash
	}
	w.WriteHeader(got.status)
	_, _ = w.Write(got.body.Bytes())
}
