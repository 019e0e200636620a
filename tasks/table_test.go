package tasks

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// sources parses the Go files, without tests, of the packages that name states,
// events, warnings and codes.
func sources(t *testing.T) []*ast.File {
	t.Helper()
	var files []*ast.File
	for _, dir := range []string{".", "store", "../media"} {
		paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
		require.NoError(t, err)
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			files = append(files, file)
		}
	}
	return files
}

// constants returns the values of all constants of a type.
func constants(files []*ast.File, typeName string) (values []string) {
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if name, ok := spec.Type.(*ast.Ident); ok && name.Name == typeName && len(spec.Values) == 1 {
				if value, ok := spec.Values[0].(*ast.BasicLit); ok {
					text, _ := strconv.Unquote(value.Value)
					values = append(values, text)
				}
			}
			return true
		})
	}
	return values
}

func TestEveryWordThatClientsReadIsInItsTable(t *testing.T) {
	files := sources(t)
	codes := make([]Entry, 0, len(CodeTable()))
	for _, c := range CodeTable() {
		codes = append(codes, Entry{string(c.Code), c.Meaning, c.Do})
		assert.NotEmpty(t, c.Do, "%s: say what to do", c.Code)
	}
	for _, tt := range []struct {
		types []string
		table []Entry
	}{
		{[]string{"State"}, StateTable()},
		{[]string{"EventType"}, EventTable()},
		{[]string{"WarningCode"}, WarningTable()},
		{[]string{"Side"}, SideTable()},
		{[]string{"Code", "Waiting"}, slices.Concat(codes, TroubleTable())},
	} {
		var want, got []string
		for _, name := range tt.types {
			want = append(want, constants(files, name)...)
		}
		for _, e := range tt.table {
			got = append(got, e.Name)
			assert.NotEmpty(t, e.Meaning, e.Name)
		}
		require.NotEmpty(t, want)
		assert.ElementsMatch(t, want, got, "the table of %v in tasks/table.go is to have each constant once", tt.types)
	}
}

func TestAWarningIsNamedByItsConstant(t *testing.T) {
	for _, file := range sources(t) {
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if f, ok := call.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Warned" {
					_, literal := call.Args[0].(*ast.BasicLit)
					assert.False(t, literal, "make it a WarningCode, in tasks/table.go too")
				}
			}
			return true
		})
	}
}

func TestWhatIsRetryableStandsInTheTable(t *testing.T) {
	retryable := map[Code]bool{}
	for _, c := range CodeTable() {
		retryable[c.Code] = c.Retryable
	}
	for k := media.KindInternal; k <= media.KindRoomNotAllowed; k++ {
		o := outcomeOf(k)
		assert.Equal(t, retryable[o.code], o.again, o.code)
	}
	for _, f := range []Failure{Damaged(), Poisoned()} {
		assert.Equal(t, retryable[f.Code], f.Retryable, f.Code)
	}
	assert.True(t, slices.IsSortedFunc(States(), func(a, b State) int {
		names := make([]string, 0, len(StateTable()))
		for _, e := range StateTable() {
			names = append(names, e.Name)
		}
		return slices.Index(names, string(a)) - slices.Index(names, string(b))
	}), "the table has the states in the order of States")
}
