package api

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/contract"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/web/problem"
	"github.com/roomcast/roomcast/web/view"
)

func description(t testing.TB) *openapi3.T {
	t.Helper()
	c, err := contract.Load(OpenAPI())
	require.NoError(t, err)
	return c.Doc
}

func schema(t testing.TB, doc *openapi3.T, name string) *openapi3.Schema {
	t.Helper()
	require.Contains(t, doc.Components.Schemas, name, "add the schema to web/api/openapi.yaml")
	return doc.Components.Schemas[name].Value
}

func TestTheDescriptionHasEveryRoute(t *testing.T) {
	engine, ok := New(Config{
		Health: http.NotFoundHandler(), Page: http.NotFoundHandler(), Monitor: http.NotFoundHandler(), Metrics: http.NotFoundHandler(), Log: slog.New(slog.DiscardHandler),
	}).(*gin.Engine)
	require.True(t, ok)
	served := map[string]bool{}
	for _, r := range engine.Routes() {
		path := r.Path
		for part := range strings.SplitSeq(r.Path, "/") {
			if name, ok := strings.CutPrefix(part, ":"); ok {
				path = strings.Replace(path, part, "{"+name+"}", 1)
			}
		}
		if path != "/" {
			path = strings.TrimSuffix(path, "/")
		}
		if !strings.HasPrefix(path, "/monitor") { // all methods, and what is asynq's below it
			served[r.Method+" "+path] = true
		}
	}
	described := map[string]bool{}
	for path, item := range description(t).Paths.Map() {
		for method := range item.Operations() {
			if path != "/monitor" {
				described[method+" "+path] = true
			}
		}
	}
	for route := range served {
		assert.Contains(t, described, route, "add it to the paths of web/api/openapi.yaml")
	}
	for route := range described {
		assert.Contains(t, served, route, "it is in web/api/openapi.yaml, and nothing serves it")
	}
}

func TestTheDescriptionHasEveryField(t *testing.T) {
	doc := description(t)
	for name, shape := range map[string]any{"Push": view.Push{}, "Page": view.Page{}, "History": view.History{}, "Samples": view.Samples{}, "Session": session{}, "Problem": problem.Problem{},
		"LiveEvent": liveEvent{}, "LiveProgress": liveProgress{}, "Snapshot": struct { // as writeSnapshot writes it
			Pushes []json.RawMessage `json:"pushes"`
		}{}, "Reset": reset{}} {
		compareFields(t, name, schema(t, doc, name), reflect.TypeOf(shape))
	}
}

// compareFields compares the members that Go writes with those of a schema.
func compareFields(t *testing.T, where string, s *openapi3.Schema, shape reflect.Type) {
	t.Helper()
	ready := reflect.TypeFor[json.RawMessage]()
	for shape != ready && (shape.Kind() == reflect.Pointer || shape.Kind() == reflect.Slice) {
		if shape.Kind() == reflect.Slice {
			require.NotNil(t, s.Items, "%s is a list: web/api/openapi.yaml is to say so", where)
			s = s.Items.Value
		}
		shape = shape.Elem()
	}
	if shape.Kind() != reflect.Struct { // also what is JSON already, a push
		return
	}
	known, _ := contract.Properties(s)
	written := map[string]reflect.StructField{}
	for _, f := range reflect.VisibleFields(shape) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && name != "-" {
			written[name] = f
		}
	}
	for name, f := range written {
		if assert.Contains(t, known, name, "%s.%s is written by the API: add it to web/api/openapi.yaml", where, name) {
			compareFields(t, where+"."+name, known[name], f.Type)
		}
	}
	for name := range known {
		assert.Contains(t, written, name, "%s.%s is in web/api/openapi.yaml, and the API does not write it", where, name)
	}
}

func TestTheDescriptionHasWhatARequestMaySay(t *testing.T) {
	doc := description(t)
	known, _ := contract.Properties(schema(t, doc, "PushRequest"))
	for _, f := range fields {
		assert.Contains(t, known, f.name, "add it to PushRequest, or to PushOptions, in web/api/openapi.yaml")
	}
	for name, property := range known {
		_, ok := fieldOf(strings.ToLower(name))
		assert.True(t, ok, "%s is in web/api/openapi.yaml, and no field of a request", name)
		assert.NotEmpty(t, property.Description, name)
	}
	var parameters []string
	for _, p := range doc.Paths.Value("/v1/pushes").Get.Parameters {
		parameters = append(parameters, p.Value.Name)
	}
	assert.Equal(t, filterNames, parameters, "the parameters of GET /v1/pushes in web/api/openapi.yaml")
}

func TestTheDescriptionHasEveryWord(t *testing.T) {
	doc := description(t)
	var codes []tasks.Entry
	for _, row := range problem.Table() {
		codes = append(codes, tasks.Entry{Name: string(row.Code)})
	}
	codes = append(codes, tasks.TroubleTable()...)
	for name, table := range map[string][]tasks.Entry{
		"State": tasks.StateTable(), "Side": tasks.SideTable(), "EventType": tasks.EventTable(), "WarningCode": tasks.WarningTable(), "Code": codes,
	} {
		var words []any
		for _, e := range table {
			words = append(words, e.Name)
		}
		assert.ElementsMatch(t, words, schema(t, doc, name).Enum, "the enum of %s in web/api/openapi.yaml is to be the table of tasks or web/problem", name)
	}
}

func TestTheDescriptionSaysWhatEveryOperationIs(t *testing.T) {
	for path, item := range description(t).Paths.Map() {
		for method, o := range item.Operations() {
			assert.NotEmpty(t, o.Summary, "%s %s", method, path)
			assert.NotEmpty(t, o.OperationID, "%s %s", method, path)
		}
	}
}
