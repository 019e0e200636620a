package api_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/contract"
	"github.com/roomcast/roomcast/tasks"
	sealing "github.com/roomcast/roomcast/tasks/secret"
	"github.com/roomcast/roomcast/web/api"
	"github.com/roomcast/roomcast/web/console"
)

const (
	id     = "01939f2e-5b7a-7c3e-9f10-3f0c5a1b2c3d"
	secret = "rc_key_of_ci"
	body   = `{"videoSrc":"https://a.example/v.mp4?token=canary","sdkAppId":1400000000,"roomId":"r1","userId":"anna","userSig":"canary"}`
)

// domain answers from its fields and remembers what it was asked.
type domain struct {
	push    tasks.Push
	page    tasks.Page
	history []tasks.Event
	samples []tasks.Sample
	fleet   tasks.Fleet
	dead    []tasks.DeadWebhook
	preview tasks.Preview
	err     error
	blow    any  // panics with it
	replays bool // a start answers with a push of before

	request tasks.Request
	filter  tasks.Filter
	asked   []string
	ctxErr  error
	until   time.Time // the deadline of the last call; zero for none
}

func (d *domain) note(ctx context.Context, what string) {
	d.asked = append(d.asked, what)
	d.ctxErr = ctx.Err()
	d.until, _ = ctx.Deadline()
	if d.blow != nil {
		panic(d.blow)
	}
}

func (d *domain) Start(ctx context.Context, r tasks.Request) (tasks.Push, bool, error) {
	d.request = r
	d.note(ctx, "start")
	return d.push, d.replays, d.err
}

func (d *domain) Preflight(ctx context.Context, r tasks.Request, look bool) (tasks.Push, error) {
	d.request = r
	d.note(ctx, fmt.Sprintf("preflight, look %v", look))
	return d.push, d.err
}

func (d *domain) Preview(ctx context.Context, id string) (tasks.Preview, error) {
	d.note(ctx, "preview "+id)
	return d.preview, d.err
}

func (d *domain) Stop(ctx context.Context, id string) (tasks.Push, error) {
	d.note(ctx, "stop "+id)
	return d.push, d.err
}

func (d *domain) Get(ctx context.Context, id string) (tasks.Push, error) {
	d.note(ctx, "get "+id)
	return d.push, d.err
}

func (d *domain) List(ctx context.Context, f tasks.Filter) (tasks.Page, error) {
	d.filter = f
	d.note(ctx, "list")
	return d.page, d.err
}

func (d *domain) Events(ctx context.Context, id string) ([]tasks.Event, error) {
	d.note(ctx, "events "+id)
	return d.history, d.err
}

func (d *domain) Samples(ctx context.Context, id string) ([]tasks.Sample, error) {
	d.note(ctx, "samples "+id)
	return d.samples, d.err
}

func (d *domain) Fleet(ctx context.Context) (tasks.Fleet, error) {
	d.note(ctx, "fleet")
	return d.fleet, d.err
}

func (d *domain) DeadWebhooks(ctx context.Context, limit int) ([]tasks.DeadWebhook, error) {
	d.note(ctx, "webhooks "+strconv.Itoa(limit))
	return d.dead, d.err
}

func (d *domain) ResendWebhook(ctx context.Context, id string) error {
	d.note(ctx, "resend "+id)
	return d.err
}

// described is what every exchange of a face is held against.
var described = sync.OnceValues(func() (*contract.Contract, error) { return contract.Load(api.OpenAPI()) })

// face is an API over a domain, with its log.
type face struct {
	*domain
	log     bytes.Buffer
	handler http.Handler
}

func newFace(t testing.TB, change func(*api.Config)) *face {
	t.Helper()
	f := &face{domain: &domain{push: youngPush()}}
	cfg := api.Config{
		Pushes: f.domain, History: f.domain, Workers: f.domain, Webhooks: f.domain, Previews: f.domain,
		Keys: []api.Key{{Name: "ci", SHA256: sha256.Sum256([]byte(secret))}, {Name: "ops", SHA256: sha256.Sum256([]byte("other"))}},
		Health: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/readyz" {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, `{"status":"ready","checks":[{"name":"redis","status":"ok"}]}`)
				return
			}
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = io.WriteString(w, "health "+r.URL.Path)
		}),
		Sessions: box(t, 9), Page: console.Handler(),
		Monitor: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "monitor "+r.Method+" "+r.URL.Path)
		}),
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
			_, _ = io.WriteString(w, "roomcast_x 1\n")
		}),
		Log: slog.New(slog.NewTextHandler(&f.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&cfg)
	}
	c, err := described()
	require.NoError(t, err)
	f.handler = c.Handler(t, api.New(cfg))
	return f
}

// box seals with the first of secret keys, each of them one byte over and over.
func box(t testing.TB, keys ...byte) api.Box {
	t.Helper()
	var all []sealing.Key
	for _, k := range keys {
		all = append(all, sealing.Key(bytes.Repeat([]byte{k}, 32)))
	}
	s, err := sealing.New(all...)
	require.NoError(t, err)
	return s.Box("session")
}

// do sends a request with the key of ci; each header is "Name: value", and one
// without a value is left out.
func (f *face) do(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+secret)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		switch {
		case value == "":
			r.Header.Del(name)
		case name == "Host":
			r.Host = value
		default:
			r.Header.Add(name, value)
		}
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	return w
}

func noKeys(cfg *api.Config) { cfg.Keys = nil }

func TestMain(m *testing.M) { verifyNoLeaks(m) }

func basic(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}
