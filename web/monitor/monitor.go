// Package monitor serves asynqmon, the page of the queue, in a way that fits
// Roomcast: it changes nothing, shows no payload as it is, and needs nothing
// from another host. Who may see it is its caller's to decide.
package monitor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"

	"github.com/hibiken/asynqmon"

	"github.com/roomcast/roomcast/internal/redisconn"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/web/problem"
)

// Root is where the monitor is mounted.
const Root = "/monitor"

const unreadable = "unreadable payload"

// shared is an asynq.RedisConnOpt that hands out a client we have already.
// asynq's own options lose user names and TLS (FACTS.md).
type shared struct{ client redisconn.Client }

func (s shared) MakeRedisClient() any { return s.client }

// Monitor is the page and what it asks for.
type Monitor struct {
	asynqmon http.Handler
	index    page
}

// New returns a Monitor of the queues on client, which stays the caller's to
// close.
func New(client redisconn.Client) *Monitor {
	h := asynqmon.New(asynqmon.Options{
		RootPath:         Root,
		RedisConnOpt:     shared{client},
		PayloadFormatter: asynqmon.PayloadFormatterFunc(formatPayload),
		ResultFormatter:  asynqmon.ResultFormatterFunc(func(string, []byte) string { return "" }),
		ReadOnly:         true,
	})
	return &Monitor{asynqmon: h, index: newPage(fetch(h, Root+"/").body.Bytes())}
}

// ServeHTTP answers GET and HEAD. asynqmon's ReadOnly hides its buttons and
// refuses changes as well; this does not depend on it.
func (m *Monitor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		problem.Write(w, &tasks.Error{Code: problem.CodeReadOnly, Msg: "the monitor only shows; stop a push with DELETE /v1/pushes/{id}"})
		return
	}
	if strings.HasPrefix(r.URL.Path, Root+"/api/") {
		m.asynqmon.ServeHTTP(w, r)
		return
	}
	m.serveAsset(w, r)
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

// formatPayload shows what a person looks for and nothing as it is: a payload
// we did not write could hold anything.
func formatPayload(_ string, payload []byte) string {
	var t tasks.Task
	if err := json.Unmarshal(payload, &t); err != nil || t.ID == "" {
		return unreadable
	}
	text := fmt.Sprintf("room %s, user %s, from %s, attempt %d of push %s", t.Room, t.User, t.SourceHost, t.Epoch, t.ID)
	if strings.ContainsFunc(text, unprintable) {
		return unreadable
	}
	return text
}
