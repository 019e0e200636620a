// Package roomcast_test keeps the layout of the module: which package may
// import which (ARCHITECTURE.md).
package roomcast_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/roomcast/roomcast"

// pkg is what `go list -json` says of a package; paths of ours are without the
// module.
type pkg struct {
	ImportPath    string
	Doc           string
	Imports, Deps []string
}

// layer says what the packages that match may import of ours. The first match
// counts; patterns are those of path.Match.
type layer struct{ pattern, mayImport, why string }

var layers = []layer{
	{"cmd/internal/*", "tasks tasks/* media media/* internal/*", "what API and worker wire alike is wired once"},
	{"cmd/*/*", "cmd/*/* media media/trtc media/fakeroom tasks web/problem internal/*", "what belongs to a program is its parts; only main wires adapters"},
	{"cmd/*", "cmd/*/* web/* tasks tasks/* media media/* internal/*", "a main wires everything"},
	{"web/*", "web/* tasks media internal/nearest internal/redisconn", "imports point from web to tasks to media; adapters are wired by cmd"},
	{"tasks/*", "tasks media internal/redisconn", "an adapter imports only its parent"},
	{"tasks", "media", "imports point from tasks to media; adapters are wired by cmd"},
	{"media/push", "media media/clock media/retry media/input media/program media/outlet", "a push joins a program and its outlets"},
	{"media/outlet", "media media/bitstream media/clock media/retry", "an outlet knows neither its program nor another outlet"},
	{"media/program", "media media/bitstream media/clock media/retry media/input", "a program knows no room"},
	{"media/input", "media media/bitstream media/clock", "an input knows no program"},
	{"media/clock", "media media/bitstream", "times know nothing of who reads them"},
	{"media/source", "media media/bitstream media/clock media/source/* media/rtmp/peer", "it hands a source to what plays its kind"},
	{"media/libav", "media media/bitstream media/clock media/still", "an adapter imports only its parent, and what all sources are made with"},
	{"media/host", "media media/bitstream media/mp4 media/offheap media/still", "an adapter imports only its parent, and what all sources are made with"},
	{"media/bitstream", "media media/offheap", "it looks at one packet after the other"},
	{"media/mp4", "media media/offheap", "it looks at a file's tables alone"},
	{"media/offheap", "", "it is memory"},
	{"media/rtmp", "media media/rtmp/peer", "an adapter imports only its parent and its parts"},
	{"media/*", "media", "an adapter imports only its parent"},
	{"media/rtmp/peer", "media", "it is told what to answer over"},
	{"media/source/*", "media media/bitstream media/clock", "it is told who makes its connections and demuxes"},
	{"media", "media/offheap", "media stands at the bottom"},
	{"internal/*", "internal/* media", "internal is shared by mains and knows no domain but media.Secret"},
}

// outsiders may be imported by the named packages alone.
var outsiders = []struct{ prefix, importers string }{
	{"C", "media/libav"},
	{"github.com/asticode/go-astiav", "media/libav"},
	{"github.com/landlock-lsm/go-landlock", "media/host"},
	{"github.com/elastic/go-seccomp-bpf", "media/host"},
	{"media/libav", "cmd/worker"},
	{"github.com/hibiken/asynq", "tasks/queue"},
	{"github.com/hibiken/asynqmon", "web/monitor"},
	{"github.com/redis/go-redis", "tasks/store tasks/queue internal/redisconn"},
	{"github.com/gin-gonic/gin", "web/api cmd/api"},
	{"github.com/caarlos0/env", "internal/config"},
	{"github.com/prometheus/client_golang", "tasks/metrics"},
	{"github.com/getkin/kin-openapi", "internal/contract"},
}

// unreachable may not be in a program, however far away.
var unreachable = []struct{ program, dep, why string }{
	{"cmd/api", "media/libav", "it builds with CGO_ENABLED=0"},
	{"cmd/roomcast", "media/libav", "it builds with CGO_ENABLED=0"},
	{"cmd/api", "media/fakeroom", "the stand-in room is never part of a deployment"},
	{"cmd/worker", "media/fakeroom", "the stand-in room is never part of a deployment"},
}

// testOnly are imported by tests alone, and by the bench.
const testOnly = "tasks/storetest media/mediatest media/fakesource internal/bench internal/redistest internal/link internal/e2e internal/hostile internal/contract"

func TestLayout(t *testing.T) {
	packages := list(t)
	require.NotEmpty(t, packages)
	for _, broken := range violations(packages) {
		t.Error(broken)
	}
}

func TestLayoutNamesTheBrokenRule(t *testing.T) {
	for _, tt := range []struct {
		name string
		pkg  pkg
		want string
	}{
		{"an adapter that imports its neighbour", pkg{ImportPath: "tasks/queue", Imports: []string{"tasks/store"}}, "tasks/queue imports tasks/store: an adapter imports only its parent"},
		{"a domain that imports its adapter", pkg{ImportPath: "tasks", Imports: []string{"tasks/store"}}, "tasks imports tasks/store: imports point from tasks to media; adapters are wired by cmd"},
		{"a face that imports an adapter", pkg{ImportPath: "web/api", Imports: []string{"media/trtc"}}, "web/api imports media/trtc: imports point from web to tasks to media; adapters are wired by cmd"},
		{"an outlet that reaches for its program", pkg{ImportPath: "media/outlet", Imports: []string{"media/program"}}, "media/outlet imports media/program: an outlet knows neither its program nor another outlet"},
		{"an input that looks up", pkg{ImportPath: "media/input", Imports: []string{"media/program"}}, "media/input imports media/program: an input knows no program"},
		{"media that looks up", pkg{ImportPath: "media", Imports: []string{"tasks"}}, "media imports tasks: media stands at the bottom"},
		{"cgo elsewhere", pkg{ImportPath: "media/rtmp", Imports: []string{"C"}}, "media/rtmp imports C: only media/libav may"},
		{"asynq in the domain", pkg{ImportPath: "tasks", Imports: []string{"github.com/hibiken/asynq"}}, "tasks imports github.com/hibiken/asynq: only tasks/queue may"},
		{"asynqmon in the queue", pkg{ImportPath: "tasks/queue", Imports: []string{"github.com/hibiken/asynqmon"}}, "tasks/queue imports github.com/hibiken/asynqmon: only web/monitor may"},
		{"a sub-package of go-redis", pkg{ImportPath: "web/api", Imports: []string{"github.com/redis/go-redis/v9/maintnotifications"}}, "web/api imports github.com/redis/go-redis/v9/maintnotifications: only tasks/store tasks/queue internal/redisconn may"},
		{"libav in another program", pkg{ImportPath: "cmd/api", Imports: []string{"media/libav"}}, "cmd/api imports media/libav: only cmd/worker may"},
		{"another sandbox", pkg{ImportPath: "cmd/worker", Imports: []string{"github.com/landlock-lsm/go-landlock/landlock"}}, "cmd/worker imports github.com/landlock-lsm/go-landlock/landlock: only media/host may"},
		{"libav behind the API", pkg{ImportPath: "cmd/api", Deps: []string{"media/libav"}}, "cmd/api reaches media/libav: it builds with CGO_ENABLED=0"},
		{"a test's helper in a program", pkg{ImportPath: "cmd/worker", Imports: []string{"internal/redistest"}}, "cmd/worker imports internal/redistest: only tests may"},
		{"a package in no layer", pkg{ImportPath: "utils"}, "utils belongs to no layer"},
		{"a package without a comment", pkg{ImportPath: "media", Doc: " "}, "media has no package comment"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.pkg.Doc == "" {
				tt.pkg.Doc = "Package x does y."
			}
			assert.Equal(t, []string{tt.want}, violations([]pkg{tt.pkg}))
		})
	}
}

// A worker is pure Go but for what it does when it is started as a media host: libav
// works nowhere else (ARCHITECTURE.md).
func TestLibavIsCalledInMediaHostsAlone(t *testing.T) {
	files := token.NewFileSet()
	packages, err := parser.ParseDir(files, "cmd/worker", func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, 0) //nolint:staticcheck // no build tags are there
	require.NoError(t, err)
	called := map[string]bool{}
	for path, file := range packages["main"].Files {
		for _, d := range file.Decls {
			f, isFunc := d.(*ast.FuncDecl)
			ast.Inspect(d, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok && isName(s.X, "libav") {
					require.True(t, isFunc, "%s: libav in a package variable works in the worker, too", path)
					called[path+" "+f.Name.Name] = true
				}
				if isName(n, "mediaHost") && isFunc && f.Name.Name != "mediaHost" {
					require.Equal(t, "main", f.Name.Name, "%s: the worker is no media host", path)
				}
				return true
			})
		}
	}
	require.Equal(t, map[string]bool{"cmd/worker/mediahost.go mediaHost": true}, called)
}

func isName(n ast.Node, name string) bool {
	i, ok := n.(*ast.Ident)
	return ok && i.Name == name
}

// violations returns a sentence for every rule that packages break.
func violations(packages []pkg) []string {
	var broken []string
	for _, p := range packages {
		if p.ImportPath == "." {
			continue // only tests
		}
		if strings.TrimSpace(p.Doc) == "" {
			broken = append(broken, p.ImportPath+" has no package comment")
		}
		broken = append(broken, ofLayer(p)...)
		for _, o := range outsiders {
			for _, imported := range p.Imports {
				if isOf(imported, o.prefix) && !matches(o.importers, p.ImportPath) {
					broken = append(broken, fmt.Sprintf("%s imports %s: only %s may", p.ImportPath, imported, o.importers))
				}
			}
		}
		for _, u := range unreachable {
			if p.ImportPath == u.program && slices.Contains(p.Deps, u.dep) {
				broken = append(broken, fmt.Sprintf("%s reaches %s: %s", u.program, u.dep, u.why))
			}
		}
	}
	return broken
}

func ofLayer(p pkg) []string {
	i := slices.IndexFunc(layers, func(l layer) bool { return matches(l.pattern, p.ImportPath) })
	if i < 0 {
		return []string{p.ImportPath + " belongs to no layer"}
	}
	var broken []string
	for _, imported := range p.Imports {
		switch {
		case !isOurs(imported):
		case matches(testOnly, imported) && !matches(testOnly, p.ImportPath):
			broken = append(broken, fmt.Sprintf("%s imports %s: only tests may", p.ImportPath, imported))
		case !matches(layers[i].mayImport, imported):
			broken = append(broken, fmt.Sprintf("%s imports %s: %s", p.ImportPath, imported, layers[i].why))
		}
	}
	return broken
}

// isOf says whether imported is the module or package prefix, or below it.
func isOf(imported, prefix string) bool {
	return imported == prefix || strings.HasPrefix(imported, prefix+"/")
}

func isOurs(imported string) bool {
	top, _, _ := strings.Cut(imported, "/")
	return slices.Contains([]string{"cmd", "web", "tasks", "media", "internal"}, top)
}

func matches(patterns, name string) bool {
	for p := range strings.FieldsSeq(patterns) {
		if ok, err := path.Match(p, name); err == nil && ok {
			return true
		}
	}
	return false
}

// list asks the Go tool with cgo on, which takes no C compiler and no FFmpeg:
// nothing is compiled.
func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Doc,Imports,Deps", "./...")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var packages []pkg
	for dec := json.NewDecoder(out); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p.short())
	}
	require.NoError(t, cmd.Wait())
	return packages
}

// short takes the module's path off the packages of ours.
func (p pkg) short() pkg {
	cut := func(paths []string) []string {
		var all []string
		for _, s := range paths {
			all = append(all, strings.TrimPrefix(s, module+"/"))
		}
		return all
	}
	own := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
	if own == "" {
		own = "."
	}
	return pkg{own, p.Doc, cut(p.Imports), cut(p.Deps)}
}
