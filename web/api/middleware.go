package api

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/web/problem"
)

// Names under which handlers leave what the request's log line tells.
const (
	ctxPushID = "push_id"
	ctxKey    = "key"
)

const requestIDHeader = "X-Request-Id"

// observe names the request and writes its log line. Probes are logged at
// debug: they come every few seconds and say nothing.
func (s *server) observe(c *gin.Context) {
	start := time.Now()
	id := uuid.Must(uuid.NewV7()).String()
	c.Header(requestIDHeader, id)
	c.Next()

	s.Answered(c.FullPath(), c.Writer.Status())
	level := slog.LevelInfo
	switch route := c.FullPath(); {
	case route == "/healthz" || route == "/readyz" || route == "/metrics":
		level = slog.LevelDebug
	case c.Writer.Status() >= http.StatusInternalServerError:
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{
		slog.String("request_id", id),
		slog.String("method", c.Request.Method),
		slog.String("route", c.FullPath()),
		slog.Int("status", c.Writer.Status()),
		slog.Int64("ms", time.Since(start).Milliseconds()),
		slog.String("remote", c.Request.RemoteAddr),
	}
	for _, name := range []string{ctxKey, ctxPushID} {
		if v := c.GetString(name); v != "" {
			attrs = append(attrs, slog.String(name, v))
		}
	}
	s.Log.LogAttrs(c.Request.Context(), level, "request", attrs...)
}

// recovered turns a panic of a handler into a 500 and logs where it was.
func (s *server) recovered(c *gin.Context) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(cause)
		}
		s.Log.Error("handler panicked", "route", c.FullPath(), "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
		c.Abort()
		if !c.Writer.Written() {
			problem.Write(c.Writer, &tasks.Error{Code: tasks.CodeInternal, Msg: "something went wrong on our side; the log has the cause"})
		}
	}()
	c.Next()
}

// harden sets the headers that keep a browser from doing more with an answer
// than showing it. A page sets its own policy over this one.
func harden(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
}

// sameSite refuses what a browser sends here on behalf of another site, unless
// its method changes nothing.
func sameSite() gin.HandlerFunc {
	protection := http.NewCrossOriginProtection()
	return func(c *gin.Context) {
		if protection.Check(c.Request) != nil {
			refuse(c, &tasks.Error{Code: problem.CodeCrossSite, Msg: "another site's page may not change anything here"})
		}
	}
}

// onlyLoopbackNames keeps a page out that had its own name resolved to our
// loopback address: without keys, the name is all that tells it apart.
func onlyLoopbackNames(c *gin.Context) {
	host := c.Request.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	addr, err := netip.ParseAddr(trimBrackets(host))
	if host == "localhost" || err == nil && addr.IsLoopback() {
		return
	}
	refuse(c, &tasks.Error{
		Code: problem.CodeWrongHost,
		Msg:  "without ROOMCAST_API_KEYS this API is served as localhost or a loopback address only",
	})
}

func trimBrackets(host string) string {
	if len(host) > 2 && host[0] == '[' && host[len(host)-1] == ']' {
		return host[1 : len(host)-1]
	}
	return host
}

// fail answers with err. Only a fault of ours, or of what we need, is logged.
func (s *server) fail(c *gin.Context, err error) {
	e, ok := errors.AsType[*tasks.Error](err)
	if !ok {
		e = &tasks.Error{Code: tasks.CodeInternal, Msg: "something went wrong on our side; the log has the cause"}
	}
	if p := problem.Of(e); p.Status >= 500 && c.Request.Context().Err() == nil {
		level := slog.LevelWarn
		if p.Code == tasks.CodeInternal {
			level = slog.LevelError
		}
		s.Log.Log(c.Request.Context(), level, "request failed", "route", c.FullPath(), "code", string(p.Code), "err", err)
	}
	refuse(c, e)
}

func refuse(c *gin.Context, e *tasks.Error) {
	c.Abort()
	problem.Write(c.Writer, e)
}
