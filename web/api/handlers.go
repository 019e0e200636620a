package api

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/web/problem"
	"github.com/roomcast/roomcast/web/view"
)

const (
	maxBody        = 64 << 10
	startTimeout   = 20 * time.Second // beyond what a start takes, see tasks.FailoverPatience
	redisTimeout   = 3 * time.Second  // in which all others are answered, also when Redis is away
	templateAnswer = "Async run task submitted"
	// replayedHeader says that the push is that of an earlier request with the
	// same Idempotency-Key.
	replayedHeader = "Idempotency-Replayed"
	// templateIDHeader is where clients of the serverless template look for
	// the push id.
	templateIDHeader = "x-scf-reqid"
)

func (s *server) start(c *gin.Context) error {
	dry, look, err := startMode(c.Request.URL.RawQuery)
	if err != nil {
		return err
	}
	if dry {
		return s.preflight(c, look)
	}
	p, err := s.begin(c)
	if err != nil {
		return err
	}
	c.Header("Location", "/v1/pushes/"+p.ID)
	return writeJSON(c, http.StatusAccepted, view.Of(p))
}

// preflight answers what a start would, and starts nothing.
func (s *server) preflight(c *gin.Context, look bool) error {
	r, err := readRequest(c)
	if err != nil {
		return err
	}
	if look {
		done, free := s.looks.enter(c.GetString(ctxKey))
		if !free {
			return &tasks.Error{Code: problem.CodeProbeBusy, Retryable: true, Msg: "a source is being looked at for this key; one at a time"}
		}
		defer done()
	}
	p, err := s.Pushes.Preflight(c.Request.Context(), r, look)
	if err != nil {
		return err
	}
	v := view.Of(p)
	v.ID = "" // there is no such push
	return writeJSON(c, http.StatusOK, v)
}

// startMode reads the query of a start: dryRun and probe, true or false.
func startMode(query string) (dry, look bool, err error) {
	var d decoder
	modes := map[string]*bool{"dryRun": &dry, "probe": &look}
	err = d.parameters(query, func(name string, values []string) string {
		to, known := modes[name]
		switch {
		case !known:
			return "is not a parameter; there are dryRun and probe"
		case len(values) > 1:
			return "is given twice"
		}
		return truth(to, values[0])
	})
	if err != nil {
		return false, false, err
	}
	if look && !dry {
		d.problem("probe", "goes with dryRun=true: a push looks at its source anyway")
	}
	if len(d.problems) > 0 {
		return false, false, d.err()
	}
	return dry, look, nil
}

// looks lets each key have one source looked at at a time.
type looks struct {
	mu   sync.Mutex
	keys map[string]bool
}

func (l *looks) enter(key string) (done func(), free bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keys[key] {
		return nil, false
	}
	if l.keys == nil {
		l.keys = map[string]bool{}
	}
	l.keys[key] = true
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.keys, key)
	}, true
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

func readRequest(c *gin.Context) (tasks.Request, error) {
	body, err := readBody(c)
	if err != nil {
		return tasks.Request{}, err
	}
	r, err := decodeRequest(body)
	if err != nil {
		return tasks.Request{}, err
	}
	r.IdempotencyKey, err = idempotencyKey(c.Request)
	return r, err
}

func (s *server) begin(c *gin.Context) (tasks.Push, error) {
	r, err := readRequest(c)
	if err != nil {
		return tasks.Push{}, err
	}
	ctx, cancel := changing(c, startTimeout)
	defer cancel()
	p, replayed, err := s.Pushes.Start(ctx, r)
	if err != nil {
		return tasks.Push{}, err
	}
	if replayed {
		c.Header(replayedHeader, "true")
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
	ctx, cancel := changing(c, redisTimeout)
	defer cancel()
	p, err := s.Pushes.Stop(ctx, id)
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusAccepted, view.Of(p))
}

func (s *server) get(c *gin.Context) error { return ofPush(c, s.Pushes.Get, view.Of) }

func (s *server) list(c *gin.Context) error {
	f, err := decodeFilter(c.Request.URL.RawQuery)
	if err != nil {
		return err
	}
	return answer(c, func(ctx context.Context) (tasks.Page, error) { return s.Pushes.List(ctx, f) }, view.OfPage)
}

func (s *server) events(c *gin.Context) error {
	if wantsStream(c.Request) {
		return s.follow(c)
	}
	return ofPush(c, s.History.Events, view.OfEvents)
}

func (s *server) samples(c *gin.Context) error { return ofPush(c, s.History.Samples, view.OfSamples) }

// ofPush answers with what ask knows of the push in the path, as show shows it.
func ofPush[T, V any](c *gin.Context, ask func(context.Context, string) (T, error), show func(T) V) error {
	id, err := pushID(c)
	if err != nil {
		return err
	}
	return answer(c, func(ctx context.Context) (T, error) { return ask(ctx, id) }, show)
}

// answer answers with what ask knows, as show shows it.
func answer[T, V any](c *gin.Context, ask func(context.Context) (T, error), show func(T) V) error {
	ctx, cancel := reading(c)
	defer cancel()
	known, err := ask(ctx)
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, show(known))
}

// changing outlives the client: what it has asked for is done whole or not at
// all, also when it hangs up in between.
func changing(c *gin.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(c.Request.Context()), limit)
}

func reading(c *gin.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.Request.Context(), redisTimeout)
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
	encode(c.Writer, v)
	return nil
}
