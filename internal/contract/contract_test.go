package contract

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const small = `
openapi: 3.1.0
info: {title: small, version: "1"}
paths:
  /things:
    post:
      parameters: [{name: colour, in: query, schema: {type: string}}]
      requestBody: {content: {application/json: {schema: {$ref: "#/components/schemas/Thing"}}}}
      responses:
        "202": {description: taken, content: {application/json: {schema: {$ref: "#/components/schemas/Thing"}}}}
        4XX: {description: refused, content: {application/problem+json: {schema: {$ref: "#/components/schemas/Problem"}}}}
  /things/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: string}}]
    get:
      responses:
        "200": {description: it, content: {application/json: {schema: {$ref: "#/components/schemas/Thing"}}, text/event-stream: {schema: {type: string}}}}
components:
  schemas:
    Base: {type: object, properties: {name: {type: string}}}
    Thing:
      allOf:
        - $ref: "#/components/schemas/Base"
        - {type: object, properties: {size: {type: integer}, parts: {type: array, items: {$ref: "#/components/schemas/Base"}}, labels: {type: object, additionalProperties: {type: string}}}}
    Problem: {type: object, required: [code], properties: {code: {type: string, enum: [bad, no_route]}}}
`

func TestWhatTheDescriptionLacksIsNamed(t *testing.T) {
	c, err := Load([]byte(small))
	require.NoError(t, err)
	for name, tt := range map[string]struct {
		method, target, sent string
		status               int
		kind, body           string
		want                 string // a part of the one complaint; empty for none
	}{
		"all is described":          {"POST", "/things?colour=red", `{"name":"a"}`, 202, "application/json", `{"name":"a","size":1,"parts":[{"name":"b"}],"labels":{"x":"y"}}`, ""},
		"names in any case":         {"POST", "/things", `{"NAME":"a","Size":1}`, 202, "application/json", `{}`, ""},
		"a slash behind":            {"POST", "/things/", `{}`, 202, "application/json", `{}`, ""},
		"an operation":              {"DELETE", "/things/1", "", 200, "application/json", `{}`, "no operation"},
		"an address":                {"GET", "/others", "", 200, "application/json", `{}`, "no operation"},
		"a field of an answer":      {"GET", "/things/1", "", 200, "application/json", `{"weight":1}`, "the answer.weight is not in web/api/openapi.yaml: add it"},
		"a field below":             {"GET", "/things/1", "", 200, "application/json", `{"parts":[{"weight":1}]}`, "the answer.parts[].weight"},
		"a field of a request":      {"POST", "/things", `{"weight":1}`, 202, "application/json", `{}`, "the request.weight"},
		"a parameter":               {"POST", "/things?weight=1", `{}`, 202, "application/json", `{}`, "the parameter weight"},
		"a status":                  {"GET", "/things/1", "", 418, "application/json", `{}`, "status is not supported"},
		"a content type":            {"GET", "/things/1", "", 200, "text/html", `{}`, "text/html"},
		"another type":              {"GET", "/things/1", "", 200, "application/json", `{"size":"big"}`, "integer"},
		"a request of another type": {"POST", "/things", `{"size":"big"}`, 202, "application/json", `{}`, "integer"},
		"a refused request":         {"POST", "/things", `{"size":"big"}`, 400, "application/problem+json", `{"code":"bad"}`, ""},
		"a code":                    {"POST", "/things", `{}`, 400, "application/problem+json", `{"code":"worse"}`, "code"},
		"a code where nothing is":   {"GET", "/others", "", 404, "application/problem+json", `{"code":"worse"}`, "code"},
		"nothing is there":          {"GET", "/others", "", 404, "application/problem+json", `{"code":"no_route"}`, ""},
		"a stream is not read":      {"GET", "/things/1", "", 200, "text/event-stream", "data: {}\n\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			complaints := c.complaints(exchange{
				httptest.NewRequest(tt.method, tt.target, nil), []byte(tt.sent), tt.status, http.Header{"Content-Type": {tt.kind}}, []byte(tt.body),
			})
			if tt.want == "" {
				assert.Empty(t, complaints)
				return
			}
			require.Len(t, complaints, 1)
			assert.Contains(t, complaints[0], tt.want)
			assert.Contains(t, complaints[0], file)
		})
	}
}

// witness is a test that may fail.
type witness struct {
	testing.TB
	said []string
}

func (w *witness) Errorf(format string, _ ...any) { w.said = append(w.said, format) }

func TestHandlerAndTransportReport(t *testing.T) {
	c, err := Load([]byte(small))
	require.NoError(t, err)
	answer := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write([]byte(`{"weight":1}`))
	}
	ask := func(url string) *http.Request {
		r := httptest.NewRequest("POST", url, strings.NewReader(`{}`))
		r.RequestURI = ""
		return r
	}
	atServer, atClient := &witness{TB: t}, &witness{TB: t}
	c.Handler(atServer, http.HandlerFunc(answer)).ServeHTTP(httptest.NewRecorder(), ask("/things"))
	assert.Len(t, atServer.said, 1)

	server := httptest.NewServer(http.HandlerFunc(answer))
	defer server.Close()
	w, err := c.Transport(atClient, server.Client().Transport).RoundTrip(ask(server.URL + "/things"))
	require.NoError(t, err)
	require.NoError(t, w.Body.Close())
	assert.Len(t, atClient.said, 1)
}
