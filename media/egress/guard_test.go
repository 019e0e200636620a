package egress

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

type brokenResolver struct{}

func (brokenResolver) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	panic("an answer's bytes")
}

func TestAPanicInALookupIsAnError(t *testing.T) {
	g := newGate(t, Config{Resolver: brokenResolver{}})
	_, err := g.dial(t.Context(), name(t, "a.example", "80"))
	requireKind(t, media.KindSourceUnavailable, err)
	require.ErrorIs(t, err, errPanic)
}

// A goroutine that is not guarded may end the process.
func TestEveryGoroutineIsGuarded(t *testing.T) {
	set := token.NewFileSet()
	paths, err := filepath.Glob("*.go")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, path, nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			started, ok := n.(*ast.GoStmt)
			if !ok {
				return true
			}
			guarded := false
			ast.Inspect(started, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.SelectorExpr:
					guarded = guarded || n.Sel.Name == "guard"
				case *ast.Ident:
					guarded = guarded || n.Name == "guarded"
				}
				return true
			})
			require.True(t, guarded, "%s", set.Position(n.Pos()))
			return true
		})
	}
}
