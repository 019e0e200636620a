package client

import (
	"bytes"
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
	maxAnswer      = 4 << 20
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
			Timeout:       requestTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Base is the API's address.
func (c *Client) Base() string { return c.base }

// HasKey says whether the client presents a key.
func (c *Client) HasKey() bool { return c.key != "" }

// CloseIdle closes the connections that are kept for further calls.
func (c *Client) CloseIdle() { c.http.CloseIdleConnections() }

// Start starts a push. An idempotencyKey may be empty.
func (c *Client) Start(ctx context.Context, r Request, idempotencyKey string) (Push, error) {
	body, err := json.Marshal(r.open())
	if err != nil {
		return Push{}, fmt.Errorf("start push: %w", err)
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if idempotencyKey != "" {
		header.Set("Idempotency-Key", idempotencyKey)
	}
	var p Push
	return p, c.call(ctx, call{http.MethodPost, "/v1/pushes", header, body}, &p)
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
}

// call sends a request and decodes the answer into to, unless that is nil.
func (c *Client) call(ctx context.Context, what call, to any) error {
	r, err := http.NewRequestWithContext(ctx, what.method, c.base+what.path, bytes.NewReader(what.body))
	if err != nil {
		return fmt.Errorf("make a request for %s: %w", c.base, err)
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
		return &Error{Base: c.base, Err: unwrapURL(err)}
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return &Error{Base: c.base, Err: err}
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

// unwrapURL takes off what net/http says about the method and the address.
func unwrapURL(err error) error {
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
