package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
)

const (
	requestTimeout = 15 * time.Second
	// checkTimeout is that of a request that has a source looked at, which a
	// worker does for 15 s.
	checkTimeout = 30 * time.Second
	maxAnswer    = 4 << 20
)

// Client calls one API. It may be used by many goroutines.
type Client struct {
	base string // without a slash at its end
	key  media.Secret
	http *http.Client
}

// New returns a client of the API at base, "http://127.0.0.1:8080"; key may be
// empty. Redirects are not followed: the key is for base alone.
func New(base string, key media.Secret) (*Client, error) {
	u, err := url.Parse(base)
	switch {
	case err != nil:
		return nil, errors.New("the API's address is not a URL")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, errors.New("the API's address must look like http://host:port or https://host")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("the API's address must not have a user, password, query or fragment")
	}
	return &Client{
		base: strings.TrimRight(u.String(), "/"), key: key,
		http: &http.Client{
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Base is the API's address.
func (c *Client) Base() string { return c.base }

// HasKey says whether the client presents a key.
func (c *Client) HasKey() bool { return c.key != "" }

// Start starts a push. An idempotencyKey may be empty.
func (c *Client) Start(ctx context.Context, r Request, idempotencyKey string) (Push, error) {
	header := http.Header{}
	if idempotencyKey != "" {
		header.Set("Idempotency-Key", idempotencyKey)
	}
	return c.post(ctx, r, call{path: "/v1/pushes", header: header})
}

// Check returns the push that Start would start, without an id, after a worker
// has looked at its source; nothing is started.
func (c *Client) Check(ctx context.Context, r Request) (Push, error) {
	return c.post(ctx, r, call{path: "/v1/pushes?dryRun=true&probe=true", header: http.Header{}, limit: checkTimeout})
}

func (c *Client) post(ctx context.Context, r Request, what call) (Push, error) {
	body, err := json.Marshal(r.open())
	if err != nil {
		return Push{}, fmt.Errorf("write the request: %w", err)
	}
	what.method, what.body = http.MethodPost, body
	what.header.Set("Content-Type", "application/json")
	var p Push
	return p, c.call(ctx, what, &p)
}

// Get returns the push with this id.
func (c *Client) Get(ctx context.Context, id string) (Push, error) {
	var p Push
	return p, c.call(ctx, call{method: http.MethodGet, path: pushPath(id)}, &p)
}

// Stop asks for the push's end and returns it as it stands then; it may still
// be stopping.
func (c *Client) Stop(ctx context.Context, id string) (Push, error) {
	var p Push
	return p, c.call(ctx, call{method: http.MethodDelete, path: pushPath(id)}, &p)
}

// Events returns what happened to the push, oldest first.
func (c *Client) Events(ctx context.Context, id string) ([]Event, error) {
	var h History
	err := c.call(ctx, call{method: http.MethodGet, path: pushPath(id) + "/events"}, &h)
	return h.Events, err
}

// List returns the newest pushes that f lets through.
func (c *Client) List(ctx context.Context, f Filter) (Page, error) {
	path := "/v1/pushes"
	if q := f.query(); q != "" {
		path += "?" + q
	}
	var p Page
	return p, c.call(ctx, call{method: http.MethodGet, path: path}, &p)
}

// Alive returns nil when the API answers at all.
func (c *Client) Alive(ctx context.Context) error {
	return c.call(ctx, call{method: http.MethodGet, path: "/healthz"}, nil)
}

// Ready returns what the API found of what it works with; when it cannot work
// now, an *Error that says why.
func (c *Client) Ready(ctx context.Context) ([]Check, error) {
	var a Readiness
	err := c.call(ctx, call{method: http.MethodGet, path: "/readyz"}, &a)
	return a.Checks, err
}

func pushPath(id string) string { return "/v1/pushes/" + url.PathEscape(id) }

type call struct {
	method, path string
	header       http.Header
	body         []byte
	limit        time.Duration // requestTimeout when 0
}

// call sends a request and decodes the answer into to, unless that is nil.
func (c *Client) call(ctx context.Context, what call, to any) error {
	limit := cmp.Or(what.limit, requestTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer in %v", limit))
	defer cancel()
	answer, err := c.send(ctx, what)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return &Error{Base: c.base, Err: why(ctx, err)}
	}
	if answer.StatusCode >= 300 {
		return refusal(c.base, answer, body)
	}
	if to == nil {
		return nil
	}
	if err := json.Unmarshal(body, to); err != nil {
		return &Error{Base: c.base, Status: answer.StatusCode, Err: fmt.Errorf("its answer is not what Roomcast's API sends: %w", err)}
	}
	return nil
}

// send sends a request; the answer's body is to be closed.
func (c *Client) send(ctx context.Context, what call) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, what.method, c.base+what.path, bytes.NewReader(what.body))
	if err != nil {
		return nil, fmt.Errorf("make a request for %s: %w", c.base, err)
	}
	if what.header != nil {
		r.Header = what.header
	}
	r.Header.Set("User-Agent", "roomcast")
	if c.key != "" {
		r.Header.Set("Authorization", "Bearer "+c.key.Reveal())
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, &Error{Base: c.base, Err: why(ctx, err)}
	}
	return answer, nil
}

// why is the reason of an error: that of the context if it has ended, else err
// without what net/http says about the method and the address.
func why(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

func refusal(base string, answer *http.Response, body []byte) error {
	e := &Error{Base: base, Status: answer.StatusCode}
	kind, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	var p Problem
	if kind == "application/problem+json" && json.Unmarshal(body, &p) == nil && p.Detail != "" {
		p.Code = newer(p.Code)
		e.Problem = &p
	}
	return e
}

// newer is a code by its present name.
func newer(code tasks.Code) tasks.Code {
	if code == "expired_usersig" {
		return tasks.CodeUserSigExpired
	}
	if code == "store_unavailable" {
		return tasks.CodeRedisUnavailable
	}
	return code
}
