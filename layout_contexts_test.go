package roomcast_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// contextFields are the types that keep a context, and why each does: the others are
// given one with each call.
var contextFields = map[string]string{
	"media/fakesource.Source":    "media.Opener bounds a source's life by Open's context, and its calls have none",
	"media/libav.life":           "media.Opener bounds a source's life by Open's context, and its calls have none",
	"media/still.stillSource":    "media.Opener bounds a source's life by Open's context, and its calls have none",
	"media/source.life":          "media.Opener bounds a source's life by Open's context, and its calls have none",
	"media/source/hls.Source":    "media.Opener bounds a source's life by Open's context, and its calls have none",
	"media/source/hls.counter":   "io.Reader has none, and what has come compressed is read on without its request",
	"media/host.supply":          "media.Opener bounds a source's life by Open's context, and its calls have none",
	"media/source.rtspReader":    "media.Gate bounds what it opens by Open's context: a session that packets are read from",
	"media/source.rtmpStream":    "media.Gate bounds what it opens by Open's context: a stream that packets are read from",
	"media/source.file":          "media.Gate bounds what it opens by Open's context: bytes, whose Read has none",
	"media/host.fetched":         "media.Gate bounds what it opens by Open's context: bytes, whose Read has none",
	"media/source/hls.feed":      "it is an io.Reader, whose Read has none: a demuxer reads it",
	"media/source/hls.answer":    "it is an io.Reader, whose Read has none: its context tells whose end an error is",
	"media/source/hls.continued": "it is an io.Reader, whose Read asks for the rest where a connection broke",
	"media/host.transcoders":     "no call of a media.Transcoder has one: it is the push's",
	"tasks/metrics.Fleet":        "prometheus.Collector's Collect has none: Close ends its reading",
}

func TestAContextIsAFieldOnlyWhereACallCannotHaveOne(t *testing.T) {
	found := map[string]bool{}
	for name := range contextsInFields(t, ".") {
		found[name] = true
		assert.Contains(t, contextFields, name, "%s keeps a context: give it to the calls that need it, or say here why none can have it", name)
	}
	for name := range contextFields {
		assert.True(t, found[name], "%s keeps no context any more: take it from the list", name)
	}
}

// contextsInFields returns the struct types, as package.Type, with a field of type
// context.Context, below a folder.
func contextsInFields(t *testing.T, root string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "node_modules"):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok && keepsContext(s) {
				found[filepath.ToSlash(filepath.Dir(path))+"."+spec.Name.Name] = true
			}
			return true
		})
		return nil
	}))
	return found
}

func keepsContext(s *ast.StructType) bool {
	for _, f := range s.Fields.List {
		if sel, ok := f.Type.(*ast.SelectorExpr); ok && isName(sel.X, "context") && sel.Sel.Name == "Context" {
			return true
		}
	}
	return false
}

func TestANewContextInAFieldIsSeen(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.go"), []byte("package a\ntype kept struct { ctx context.Context }\ntype given struct { cancel context.CancelFunc; do func(context.Context) }\n"), 0o600))
	require.Equal(t, map[string]bool{filepath.ToSlash(dir) + ".kept": true}, contextsInFields(t, dir))
}
