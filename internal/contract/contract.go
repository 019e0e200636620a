// Package contract holds the requests and answers of tests against the
// description of the API (web/api/openapi.yaml). What the description lacks
// fails the test, with what to add.
package contract

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

const file = "web/api/openapi.yaml"

// Contract is a description that has been read. It is safe for concurrent use.
type Contract struct {
	Doc *openapi3.T

	routes routers.Router
	sound  sync.Map // the sums of exchanges that are as described: who waits asks the same again and again
}

// Load reads a description, which has to be a sound one.
func Load(text []byte) (*Contract, error) {
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err == nil {
		err = doc.Validate(context.Background())
	}
	var routes routers.Router
	if err == nil {
		routes, err = gorillamux.NewRouter(doc)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return &Contract{Doc: doc, routes: routes}, nil
}

// Handler is next, every exchange of which is checked.
func (c *Contract) Handler(t testing.TB, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent := keep(&r.Body)
		tee := &tee{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(tee, r)
		c.report(t, exchange{r, *sent, tee.status, w.Header(), tee.body.Bytes()})
	})
}

// tee keeps what is written.
type tee struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (t *tee) WriteHeader(status int) {
	t.status = status
	t.ResponseWriter.WriteHeader(status)
}

func (t *tee) Write(b []byte) (int, error) {
	t.body.Write(b)
	return t.ResponseWriter.Write(b)
}

// Flush and Unwrap let a handler stream.
func (t *tee) Flush() { _ = http.NewResponseController(t.ResponseWriter).Flush() }

func (t *tee) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// Transport is next, every exchange of which is checked, but for streams.
func (c *Contract) Transport(t testing.TB, next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		r = r.Clone(r.Context())
		sent := keep(&r.Body)
		w, err := next.RoundTrip(r)
		if err != nil || isStream(w.Header) {
			return w, err
		}
		body, err := io.ReadAll(w.Body)
		_ = w.Body.Close()
		if err != nil {
			return nil, err
		}
		w.Body = io.NopCloser(bytes.NewReader(body))
		c.report(t, exchange{r, *sent, w.StatusCode, w.Header, body})
		return w, nil
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// keep reads a body and puts it back.
func keep(body *io.ReadCloser) *[]byte {
	var text []byte
	if *body != nil && *body != http.NoBody {
		text, _ = io.ReadAll(*body) // short if it breaks off: the API's own test
		_ = (*body).Close()
		*body = io.NopCloser(bytes.NewReader(text))
	}
	return &text
}

func isStream(h http.Header) bool {
	kind, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	return kind == "text/event-stream"
}

// exchange is a request and its answer.
type exchange struct {
	request *http.Request
	sent    []byte
	status  int
	header  http.Header
	body    []byte
}

// sum tells exchanges apart by all that is described of them.
func (e exchange) sum() [sha256.Size]byte {
	headers := slices.Sorted(maps.Keys(e.header))
	parts := [][]byte{[]byte(fmt.Sprint(e.request.Method, e.request.URL, e.status, headers, e.header["Content-Type"])), e.sent, e.body}
	return sha256.Sum256(bytes.Join(parts, []byte{0}))
}

func (c *Contract) report(t testing.TB, e exchange) {
	sum := e.sum()
	if _, ok := c.sound.Load(sum); ok {
		return
	}
	complaints := c.complaints(e)
	if complaints == nil {
		c.sound.Store(sum, nil)
	}
	for _, complaint := range complaints {
		t.Errorf("%s %s, answered %d: %s", e.request.Method, e.request.URL.Path, e.status, complaint)
	}
}

// complaints says what of an exchange is not as it is described.
func (c *Contract) complaints(e exchange) []string {
	if strings.HasPrefix(e.request.URL.Path, "/monitor") {
		return nil // asynq's own
	}
	route, params := c.find(e.request)
	if route == nil {
		if e.status < 400 {
			return []string{"it is no operation of " + file + ": add it"}
		}
		return c.problem(e)
	}
	in := &openapi3filter.RequestValidationInput{
		Request: e.request.Clone(context.Background()), PathParams: params, Route: route,
		Options: &openapi3filter.Options{
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true, SkipSettingDefaults: true,
		},
	}
	var complaints []string
	if e.status < 300 {
		complaints = c.ofRequest(e, in)
	}
	if isStream(e.header) {
		return complaints
	}
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: e.status, Header: e.header, Options: in.Options,
		Body: io.NopCloser(bytes.NewReader(e.body)),
	}
	if err := openapi3filter.ValidateResponse(context.Background(), out); err != nil {
		complaints = append(complaints, "the answer is not as "+file+" says: "+err.Error())
	}
	answer := route.Operation.Responses.Status(e.status)
	if answer == nil {
		return complaints
	}
	return append(complaints, unknown("the answer", answer.Value.Content, e.header.Get("Content-Type"), e.body)...)
}

// ofRequest says why a request that the API took is not as described.
func (c *Contract) ofRequest(e exchange, in *openapi3filter.RequestValidationInput) (complaints []string) {
	body := in.Route.Operation.RequestBody
	if body != nil {
		e.sent = spelled(body.Value.Content, e.sent)
	}
	in.Request.Body = io.NopCloser(bytes.NewReader(e.sent))
	if in.Request.Header.Get("Content-Type") == "" {
		in.Request.Header.Set("Content-Type", "application/json") // which it may be without
	}
	if err := openapi3filter.ValidateRequest(context.Background(), in); err != nil {
		complaints = append(complaints, "the API took a request that is not as "+file+" says: "+err.Error())
	}
	for name := range in.Request.URL.Query() {
		described := name
		if strings.HasPrefix(name, "metadata.") { // a label's own name follows
			described = "metadata.NAME"
		}
		if in.Route.Operation.Parameters.GetByInAndName("query", described) == nil {
			complaints = append(complaints, fmt.Sprintf("the parameter %s is not in %s: add it to the operation", name, file))
		}
	}
	if body != nil {
		complaints = append(complaints, unknown("the request", body.Value.Content, "application/json", e.sent)...)
	}
	return complaints
}

// spelled writes the names of a body's members as its schema does: they are
// taken in any case.
func spelled(content openapi3.Content, body []byte) []byte {
	media := content["application/json"]
	var sent map[string]json.RawMessage
	if media == nil || media.Schema == nil || json.Unmarshal(body, &sent) != nil {
		return body
	}
	known, _ := Properties(media.Schema.Value)
	same := map[string]json.RawMessage{}
	for name, value := range sent {
		for property := range known {
			if strings.EqualFold(name, property) {
				name = property
			}
		}
		same[name] = value
	}
	text, err := json.Marshal(same)
	if err != nil {
		return body
	}
	return text
}

// problem checks an answer at an address that is not described.
func (c *Contract) problem(e exchange) []string {
	var p any
	if err := json.Unmarshal(e.body, &p); err != nil && e.request.Method != http.MethodHead {
		return []string{"an error is to be a problem: " + err.Error()}
	}
	schema := c.Doc.Components.Schemas["Problem"].Value
	if err := schema.VisitJSON(p, openapi3.EnableJSONSchema2020()); err != nil && e.request.Method != http.MethodHead {
		return []string{"the problem is not as " + file + " says: " + err.Error()}
	}
	return undeclared("the answer", schema, p)
}

// find returns the operation of a request, nil for none. A slash behind a path
// makes no other one.
func (c *Contract) find(r *http.Request) (*routers.Route, map[string]string) {
	r = r.Clone(context.Background())
	if r.URL.Path != "/" {
		r.URL.Path, r.URL.RawPath = strings.TrimSuffix(r.URL.Path, "/"), strings.TrimSuffix(r.URL.RawPath, "/")
	}
	route, params, err := c.routes.FindRoute(r)
	if err != nil {
		return nil, nil
	}
	return route, params
}

// unknown names the members of a JSON body that its schema does not.
func unknown(what string, content openapi3.Content, contentType string, body []byte) []string {
	kind, _, _ := mime.ParseMediaType(contentType)
	media := content[kind]
	var v any
	if media == nil || media.Schema == nil || json.Unmarshal(body, &v) != nil {
		return nil
	}
	return undeclared(what, media.Schema.Value, v)
}

func undeclared(where string, s *openapi3.Schema, v any) (complaints []string) {
	switch v := v.(type) {
	case map[string]any:
		known, open := Properties(s)
		for _, name := range slices.Sorted(maps.Keys(v)) {
			switch {
			case known[name] != nil:
				complaints = append(complaints, undeclared(where+"."+name, known[name], v[name])...)
			case !open:
				complaints = append(complaints, fmt.Sprintf("%s.%s is not in %s: add it to the properties of the schema", where, name, file))
			}
		}
	case []any:
		if s.Items != nil {
			for _, item := range v {
				complaints = append(complaints, undeclared(where+"[]", s.Items.Value, item)...)
			}
		}
	}
	return complaints
}

// Properties returns a schema's properties, those of its parts too; open says
// that it may have others.
func Properties(s *openapi3.Schema) (known map[string]*openapi3.Schema, open bool) {
	known = map[string]*openapi3.Schema{}
	for name, p := range s.Properties {
		known[name] = p.Value
	}
	for _, part := range slices.Concat(s.AllOf, s.OneOf, s.AnyOf) {
		more, partOpen := Properties(part.Value)
		maps.Copy(known, more)
		open = open || partOpen
	}
	return known, open || s.AdditionalProperties.Schema != nil
}
