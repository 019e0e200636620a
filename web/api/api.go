package api

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/web/problem"
)

// Pushes starts, stops and finds pushes. Its errors are *tasks.Error.
type Pushes interface {
	Start(ctx context.Context, r tasks.Request) (p tasks.Push, replayed bool, err error)
	Preflight(ctx context.Context, r tasks.Request, look bool) (tasks.Push, error)
	Stop(ctx context.Context, id string) (tasks.Push, error)
	Get(ctx context.Context, id string) (tasks.Push, error)
	List(ctx context.Context, f tasks.Filter) (tasks.Page, error)
}

// History tells what happened to a push, and how it went. Its errors are
// *tasks.Error.
type History interface {
	Events(ctx context.Context, id string) ([]tasks.Event, error)
	Samples(ctx context.Context, id string) ([]tasks.Sample, error)
}

// Workers knows the workers that are there. Its errors are *tasks.Error.
type Workers interface {
	Fleet(ctx context.Context) (tasks.Fleet, error)
}

// Previews are pictures of what rooms get. Its errors are *tasks.Error.
type Previews interface {
	Preview(ctx context.Context, id string) (tasks.Preview, error)
}

// Webhooks are those that could not be delivered. Its errors are *tasks.Error.
type Webhooks interface {
	DeadWebhooks(ctx context.Context, limit int) ([]tasks.DeadWebhook, error)
	ResendWebhook(ctx context.Context, id string) error
}

// Config is what New needs; Page, Monitor and Metrics may be nil.
type Config struct {
	Pushes   Pushes
	History  History
	Workers  Workers
	Webhooks Webhooks
	Previews Previews
	Keys     []Key        // none: no key is asked for, and only loopback names are served
	Sessions Box          // seals what a session's cookie holds; not needed without Keys
	Health   http.Handler // serves /healthz and /readyz
	Live     *Hub         // of the streams; its Run is the caller's
	Page     http.Handler // serves the page and /assets/; what it loads asks for a key
	Monitor  http.Handler // serves /monitor and all below, behind a key
	Metrics  http.Handler // serves /metrics, behind a key
	// Answered is told the pattern of each request's route, empty for none, and
	// the status of its answer. It may be nil.
	Answered func(route string, status int)
	Log      *slog.Logger
}

type server struct {
	Config
	looks looks
	door  door
}

// New returns the handler of all routes.
func New(cfg Config) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	s := &server{Config: cfg, door: door{cfg.Keys, cfg.Sessions}}
	if s.Answered == nil {
		s.Answered = func(string, int) {}
	}
	r := gin.New()
	r.HandleMethodNotAllowed = true
	r.RedirectTrailingSlash = false
	r.Use(s.observe, s.recovered, harden)
	if len(cfg.Keys) == 0 {
		r.Use(onlyLoopbackNames)
	}
	r.Use(sameSite())
	r.NoRoute(noRoute)
	r.NoMethod(noMethod)
	s.routes(r)
	return r
}

func (s *server) routes(r *gin.Engine) {
	r.GET("/", forPeople(s.Page, about))
	if s.Page != nil {
		r.GET("/assets/:file", gin.WrapH(s.Page))
		for _, path := range []string{"/pushes/:id", "/new", "/workers"} {
			r.GET(path, forPeople(s.Page, noRoute))
		}
	}
	r.GET("/openapi.yaml", describe)
	r.Match([]string{http.MethodGet, http.MethodHead}, "/healthz", gin.WrapH(s.Health))
	r.Match([]string{http.MethodGet, http.MethodHead}, "/readyz", gin.WrapH(s.Health))

	r.POST("/v1/session", s.handle(s.signIn))
	r.GET("/v1/session", s.handle(s.session))
	r.DELETE("/v1/session", signOut)

	keyed := r.Group("/", s.door.requireKey(false))
	keyed.POST("/", s.handle(s.startAsTemplate))
	for _, path := range []string{"/v1/pushes", "/v1/pushes/"} {
		keyed.POST(path, s.handle(s.start))
		keyed.GET(path, s.handle(s.list))
	}
	keyed.GET("/v1/pushes/:id", s.handle(s.get))
	keyed.DELETE("/v1/pushes/:id", s.handle(s.stop))
	keyed.GET("/v1/pushes/:id/events", s.handle(s.events))
	keyed.GET("/v1/pushes/:id/preview.jpg", s.handle(s.preview))
	keyed.GET("/v1/pushes/:id/samples", s.handle(s.samples))
	keyed.GET("/v1/workers", s.handle(s.fleet))
	keyed.GET("/v1/webhooks", s.handle(s.deadWebhooks))
	keyed.POST("/v1/webhooks/:id/resend", s.handle(s.resendWebhook))
	keyed.GET("/v1/events", s.handle(s.watch))

	if s.Metrics != nil {
		keyed.GET("/metrics", gin.WrapH(s.Metrics))
	}
	if s.Monitor != nil {
		page := r.Group("/monitor", s.door.requireKey(true))
		page.Any("", gin.WrapH(s.Monitor))
		page.Any("/*path", gin.WrapH(s.Monitor))
	}
}

// handle answers with the error of h, if it has one.
func (s *server) handle(h func(*gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := h(c); err != nil {
			s.fail(c, err)
		}
	}
}

// forPeople answers a browser that asks for HTML with the page, and all others
// as program does.
func forPeople(page http.Handler, program gin.HandlerFunc) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.Header("Vary", "Accept")
		if page == nil || !accepts(c.Request, "text/html") {
			program(c)
			return
		}
		page.ServeHTTP(c.Writer, c.Request)
	}
}

func about(c *gin.Context) {
	c.String(http.StatusOK, "Roomcast puts a video into a TRTC room: POST /v1/pushes\n")
}

func noRoute(c *gin.Context) {
	problem.Write(c.Writer, &tasks.Error{Code: problem.CodeNoRoute, Msg: "there is nothing at this address; pushes are at /v1/pushes"})
}

func noMethod(c *gin.Context) {
	problem.Write(c.Writer, &tasks.Error{
		Code: problem.CodeMethodNotAllowed,
		Msg:  "this address answers only to " + c.Writer.Header().Get("Allow"),
	})
}
