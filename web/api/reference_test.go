package api_test

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/contract"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/web/problem"
)

const reference = "../../docs/api.md"

func TestTheReferenceHasTheTablesOfTheCodeAndTheDescription(t *testing.T) {
	c, err := described()
	require.NoError(t, err)
	was, err := os.ReadFile(reference)
	require.NoError(t, err)
	text := string(was)
	for name, table := range map[string]string{
		"routes": routeTable(c.Doc), "states": entryTable("state", tasks.StateTable()), "events": entryTable("type", tasks.EventTable()),
		"codes": codeTable(), "sides": entryTable("side", tasks.SideTable()), "troubles": entryTable("code", tasks.TroubleTable()), "warnings": entryTable("code", tasks.WarningTable()), "fields": fieldTables(c.Doc),
	} {
		begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
		before, rest, ok := strings.Cut(text, begin)
		require.True(t, ok, "docs/api.md has no line %q", begin)
		_, after, ok := strings.Cut(rest, end)
		require.True(t, ok, "docs/api.md has no line %q", end)
		text = before + begin + table + end + after
	}
	if *update {
		require.NoError(t, os.WriteFile(reference, []byte(text), 0o644))
		return
	}
	assert.Equal(t, text, string(was), "run: go test ./web/api -update")
}

// row is a line of a table.
func row(cells ...string) string {
	for i, c := range cells {
		cells[i] = strings.ReplaceAll(strings.Join(strings.Fields(c), " "), "|", `\|`)
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}

func head(names ...string) string {
	return row(names...) + "|" + strings.Repeat("---|", len(names)) + "\n"
}

func code(s string) string { return "`" + s + "`" }

func routeTable(doc *openapi3.T) string {
	text := head("route", "what")
	for _, path := range slices.Sorted(maps.Keys(doc.Paths.Map())) {
		operations := doc.Paths.Value(path).Operations()
		for _, method := range slices.Sorted(maps.Keys(operations)) {
			if method != "HEAD" {
				text += row(code(method+" "+path), operations[method].Summary)
			}
		}
	}
	return text
}

func entryTable(name string, entries []tasks.Entry) string {
	if !slices.ContainsFunc(entries, func(e tasks.Entry) bool { return e.Do != "" }) {
		text := head(name, "meaning")
		for _, e := range entries {
			text += row(code(e.Name), e.Meaning)
		}
		return text
	}
	text := head(name, "meaning", "what to do")
	for _, e := range entries {
		text += row(code(e.Name), e.Meaning, e.Do)
	}
	return text
}

func codeTable() string {
	text := head("code", "HTTP", "retryable", "meaning", "what to do")
	for _, r := range problem.Table() {
		status, again := "", "no"
		if r.Status > 0 {
			status = fmt.Sprint(r.Status)
		}
		if r.Retryable {
			again = "yes"
		}
		text += row(code(string(r.Code)), status, again, r.Meaning, r.Do)
	}
	return text
}

// fieldTables has a table for each schema with members, those of a request
// first.
func fieldTables(doc *openapi3.T) string {
	order := []string{"PushRequest", "PushOptions", "Push", "Progress", "Source", "Plan"}
	names := slices.SortedFunc(maps.Keys(doc.Components.Schemas), func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(order, a), rank(order, b)), strings.Compare(a, b))
	})
	var text strings.Builder
	for _, name := range names {
		schema := doc.Components.Schemas[name].Value
		if own := ownProperties(schema); len(own) > 0 {
			text.WriteString("### " + name + "\n\n" + schema.Description)
			for _, part := range schema.AllOf {
				if part.Ref != "" {
					text.WriteString(" It has the members of " + typeOf(part) + ", too.")
				}
			}
			text.WriteString("\n\n" + fieldTable(schema, own) + "\n")
		}
	}
	return text.String()
}

// rank is the place in order; what is not there comes last.
func rank(order []string, name string) int {
	if i := slices.Index(order, name); i >= 0 {
		return i
	}
	return len(order)
}

// ownProperties are those that no other schema lends.
func ownProperties(s *openapi3.Schema) openapi3.Schemas {
	own := maps.Clone(s.Properties)
	for _, part := range s.AllOf {
		if part.Ref == "" {
			own = part.Value.Properties
		}
	}
	return own
}

func fieldTable(s *openapi3.Schema, own openapi3.Schemas) string {
	required := s.Required
	for _, part := range s.AllOf {
		required = slices.Concat(required, part.Value.Required)
	}
	text := head("field", "type", "meaning")
	for _, name := range slices.Sorted(maps.Keys(own)) {
		mark := ""
		if slices.Contains(required, name) {
			mark = "*"
		}
		meaning := own[name].Value.Description
		if own[name].Value.Deprecated {
			meaning = "Deprecated. " + meaning
		}
		text += row(code(name)+mark, typeOf(own[name]), meaning)
	}
	return text
}

// typeOf is a schema's type in words, with a link to what has a table.
func typeOf(ref *openapi3.SchemaRef) string {
	name := ref.Ref[strings.LastIndex(ref.Ref, "/")+1:]
	known, _ := contract.Properties(ref.Value)
	switch {
	case name != "" && len(known) > 0:
		return "[" + name + "](#" + strings.ToLower(name) + ")"
	case ref.Value.Items != nil:
		return "list of " + typeOf(ref.Value.Items)
	case len(ref.Value.Enum) > 0 && len(ref.Value.Enum) <= 4:
		var words []string
		for _, word := range ref.Value.Enum {
			words = append(words, code(fmt.Sprint(word)))
		}
		return strings.Join(words, ", ")
	case ref.Value.Format == "date-time":
		return "time"
	case ref.Value.AdditionalProperties.Schema != nil:
		return "object of " + typeOf(ref.Value.AdditionalProperties.Schema) + "s"
	}
	return strings.Join(ref.Value.Type.Slice(), " or ")
}
