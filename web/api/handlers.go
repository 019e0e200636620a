package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/web/problem"
	"github.com/roomcast/roomcast/web/view"
)

const (
	maxBody        = 64 << 10
	changeTimeout  = 20 * time.Second // a start waits 10 s for a Redis that fails over, and may have to clean up
	templateAnswer = "Async run task submitted"
	// templateIDHeader is where clients of the serverless template look for
	// the push id.
	templateIDHeader = "x-scf-reqid"
)

func (s *server) start(c *gin.Context) error {
	p, err := s.begin(c)
	if err != nil {
		return err
	}
	c.Header("Location", "/v1/pushes/"+p.ID)
	return writeJSON(c, http.StatusAccepted, view.Of(p))
}

// startAsTemplate is the door of the serverless template: same body, its
// answer.
func (s *server) startAsTemplate(c *gin.Context) error {
	if _, err := s.begin(c); err != nil {
		return err
	}
	c.String(http.StatusOK, templateAnswer)
	return nil
}

func (s *server) begin(c *gin.Context) (tasks.Push, error) {
	body, err := readBody(c)
	if err != nil {
		return tasks.Push{}, err
	}
	r, err := decodeRequest(body)
	if err != nil {
		return tasks.Push{}, err
	}
	if r.IdempotencyKey, err = idempotencyKey(c.Request); err != nil {
		return tasks.Push{}, err
	}
	ctx, cancel := changing(c)
	defer cancel()
	p, err := s.pushes.Start(ctx, r)
	if err != nil {
		return tasks.Push{}, err
	}
	c.Set(ctxPushID, p.ID)
	c.Header(requestIDHeader, p.ID)
	c.Header(templateIDHeader, p.ID)
	return p, nil
}

func (s *server) stop(c *gin.Context) error {
	id, err := pushID(c)
	if err != nil {
		return err
	}
	ctx, cancel := changing(c)
	defer cancel()
	p, err := s.pushes.Stop(ctx, id)
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusAccepted, view.Of(p))
}

func (s *server) get(c *gin.Context) error {
	id, err := pushID(c)
	if err != nil {
		return err
	}
	p, err := s.pushes.Get(c.Request.Context(), id)
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, view.Of(p))
}

func (s *server) list(c *gin.Context) error {
	f, err := decodeFilter(c.Request.URL.RawQuery)
	if err != nil {
		return err
	}
	page, err := s.pushes.List(c.Request.Context(), f)
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, view.OfPage(page))
}

func (s *server) events(c *gin.Context) error {
	id, err := pushID(c)
	if err != nil {
		return err
	}
	events, err := s.history.Events(c.Request.Context(), id)
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, view.OfEvents(events))
}

// changing outlives the client: what it has asked for is done whole or not at
// all, also when it hangs up in between.
func changing(c *gin.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(c.Request.Context()), changeTimeout)
}

// pushID takes the id from the path; what is no UUID is no push, and does not
// reach the store.
func pushID(c *gin.Context) (string, error) {
	id := c.Param("id")
	if len(id) != 36 || uuid.Validate(id) != nil {
		return "", &tasks.Error{Code: tasks.CodeNotFound, Msg: "there is no such push; a push id is a UUID"}
	}
	c.Set(ctxPushID, id)
	return id, nil
}

func readBody(c *gin.Context) ([]byte, error) {
	if t := c.GetHeader("Content-Type"); t != "" {
		if media, _, err := mime.ParseMediaType(t); err != nil || media != "application/json" {
			return nil, &tasks.Error{Code: problem.CodeUnsupportedMediaType, Msg: "send the body as Content-Type: application/json"}
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, &tasks.Error{Code: problem.CodeBodyTooLarge, Msg: "the body may have at most 65536 bytes"}
	}
	if err != nil {
		return nil, &tasks.Error{Code: tasks.CodeInvalidRequest, Msg: "the body broke off before its end", Err: err}
	}
	return body, nil
}

func idempotencyKey(r *http.Request) (string, error) {
	keys := r.Header.Values("Idempotency-Key")
	if len(keys) == 0 {
		return "", nil
	}
	if key := keys[0]; len(keys) == 1 && key != "" && len(key) <= 255 && visibleASCII(key) {
		return key, nil
	}
	return "", &tasks.Error{
		Code: tasks.CodeInvalidRequest,
		Msg:  "Idempotency-Key must be given once, with 1 to 255 visible ASCII characters",
	}
}

func visibleASCII(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func writeJSON(c *gin.Context, status int, v any) error {
	c.Header("Content-Type", "application/json; charset=utf-8")
	c.Status(status)
	enc := json.NewEncoder(c.Writer)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // the client is gone if this fails
	return nil
}
