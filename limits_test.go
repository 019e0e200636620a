package roomcast_test

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
)

const limitsDoc = "docs/limits.md"

// programs are the folders whose constants are limits of a running Roomcast; what only
// tests and the demo use is left out.
var (
	programs = []string{"cmd/api", "cmd/roomcast", "cmd/worker", "media", "tasks", "web"}
	forTests = regexp.MustCompile(`(fakeroom|fakesource|mediatest|cmd/roomcast/(demo|stage)|testdata)(/|$)`)
)

// ofFormats are no limits but numbers of formats, and ends of all time.
var ofFormats = []string{"Forever", "Tick", "maxTimestamp", "mostTime", "ever", "wrap", "wrapTS", "wrapFLV", "flvWrap", "SilentAACDuration"}

// onlyTime lets constants be evaluated package by package: those of durations need
// nothing from elsewhere but package time.
type onlyTime struct{ types.Importer }

func (i onlyTime) Import(path string) (*types.Package, error) {
	if path != "time" {
		return nil, fmt.Errorf("%s is not needed", path)
	}
	return i.Importer.Import(path)
}

// durations returns the constants of type time.Duration, as "media/input.stalledAfter",
// each with its value as docs/limits.md writes it.
func durations(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	files := token.NewFileSet()
	imports := onlyTime{importer.ForCompiler(files, "source", nil)}
	folders := map[string]bool{}
	for _, file := range tree(t) {
		if strings.HasSuffix(file, ".go") && !forTests.MatchString(path.Dir(file)) && slices.ContainsFunc(programs, func(p string) bool { return isOf(file, p) }) {
			folders[path.Dir(file)] = true
		}
	}
	for folder := range folders {
		packages, err := parser.ParseDir(files, folder, func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, 0) //nolint:staticcheck // no build tags are there
		require.NoError(t, err)
		for _, p := range packages {
			checked, _ := (&types.Config{Importer: imports, FakeImportC: true, Error: func(error) {}}).Check(folder, files, slices.Collect(maps.Values(p.Files)), nil)
			for _, name := range checked.Scope().Names() {
				c, ok := checked.Scope().Lookup(name).(*types.Const)
				if !ok || c.Type().String() != "time.Duration" || slices.Contains(ofFormats, name) {
					continue
				}
				n, exact := constant.Int64Val(c.Val())
				require.True(t, exact, "%s: the value of %s is not known", files.Position(c.Pos()), name)
				found[folder+"."+name] = readable(time.Duration(n))
			}
			for _, file := range p.Files {
				require.Empty(t, hiddenLimits(file), "%s: a limit is a constant of its package", files.Position(file.Pos()))
			}
		}
	}
	return found
}

// hiddenLimits are constants of durations within functions, where no document finds them.
func hiddenLimits(file *ast.File) (names []string) {
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if d, ok := n.(*ast.GenDecl); ok && d.Tok == token.CONST {
				for _, s := range d.Specs {
					for _, v := range s.(*ast.ValueSpec).Values {
						ast.Inspect(v, func(n ast.Node) bool {
							if s, ok := n.(*ast.SelectorExpr); ok && isName(s.X, "time") {
								names = append(names, fmt.Sprint(f.Name))
							}
							return true
						})
					}
				}
			}
			return true
		})
	}
	return names
}

// readable writes a duration as people do: 1.5 s, 24 h, 30 d.
func readable(d time.Duration) string {
	const day = 24 * time.Hour
	for _, u := range []struct {
		of   time.Duration
		name string
	}{{day, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}, {time.Millisecond, "ms"}} {
		if whole := d % u.of; whole == 0 && d >= u.of && (u.of != day || d > day) || u.of == time.Second && d > u.of && d%(u.of/10) == 0 {
			return fmt.Sprintf("%g %s", float64(d)/float64(u.of), u.name)
		}
	}
	return d.String()
}

// limitRow is a row of the tables: | `media/input.stalledAfter` | 10 s | why |
var limitRow = regexp.MustCompile("(?m)^\\| `([\\w/]+\\.\\w+)` \\| ([^|]+) \\| ([^|]+) \\|$")

func TestTheTableOfLimitsHasTheConstantsOfTheCode(t *testing.T) {
	all := durations(t)
	require.Greater(t, len(all), 100)
	said := map[string]bool{}
	for _, row := range limitRow.FindAllStringSubmatch(text(t, limitsDoc), -1) {
		name, value, why := row[1], row[2], row[3]
		assert.False(t, said[name], "%s: %s stands twice", limitsDoc, name)
		said[name] = true
		if is, ok := all[name]; assert.True(t, ok, "%s: %s is no constant of a duration (any more)", limitsDoc, name) {
			assert.Equal(t, is, value, "%s: the value of %s", limitsDoc, name)
		}
		assert.Greater(t, words(why), 2, "%s: why is %s what it is?", limitsDoc, name)
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		assert.True(t, said[name], "%s lacks a row: | `%s` | %s | why |", limitsDoc, name, all[name])
	}
}

// retryRow is one of what is tried again: | `source_unavailable` | 500 ms | 15 s | 5 min | why |
var retryRow = regexp.MustCompile("(?m)^\\| `(Kind\\w+)` \\| ([^|]+) \\| ([^|]+) \\| ([^|]+) \\| ([^|]+) \\|$")

func TestTheTableOfPatienceIsThatOfTheCode(t *testing.T) {
	want := map[string][]string{}
	for _, kind := range kinds() {
		if r := tasks.RetryOf(kind, false, 0); r != (media.Retry{}) {
			first := readable(r.First)
			if r.AtOnce {
				first = "at once, then " + first
			}
			want[nameOfKind(t, kind)] = []string{first, readable(r.Max), readable(r.For)}
		}
	}
	got := map[string][]string{}
	for _, row := range retryRow.FindAllStringSubmatch(text(t, limitsDoc), -1) {
		got[row[1]] = row[2:5]
	}
	assert.Equal(t, want, got, limitsDoc)
}

// nameOfKind is a kind's name in the code, which stands in the order of the kinds.
func nameOfKind(t *testing.T, kind media.Kind) string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "media/errors.go", nil, 0)
	require.NoError(t, err)
	var names []string
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok {
			for _, name := range v.Names {
				if strings.HasPrefix(name.Name, "Kind") {
					names = append(names, name.Name)
				}
			}
		}
		return true
	})
	require.Len(t, names, len(kinds()))
	return names[kind]
}

func TestADurationIsWrittenAsPeopleDo(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"15 ms": 15 * time.Millisecond, "1.5 s": 1500 * time.Millisecond, "95 s": 95 * time.Second, "2 min": 2 * time.Minute,
		"24 h": 24 * time.Hour, "30 d": 30 * 24 * time.Hour, "21.333333ms": 1024 * time.Second / 48000,
	} {
		assert.Equal(t, want, readable(d))
	}
}
