package egress

import (
	"bytes"
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// faulty is a log whose handler panics at one message, and keeps the others:
// so a fault comes wherever something is logged.
type faulty struct {
	slog.Handler
	at string
}

func (f faulty) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == f.at {
		panic("a source's bytes")
	}
	return f.Handler.Handle(ctx, r)
}

func (f faulty) WithAttrs(a []slog.Attr) slog.Handler {
	return faulty{f.Handler.WithAttrs(a), f.at}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func faultyLog(at string) (*slog.Logger, *lockedBuffer) {
	text := &lockedBuffer{}
	return slog.New(faulty{slog.NewTextHandler(text, &slog.HandlerOptions{Level: slog.LevelDebug}), at}), text
}

// requireFault is what is left of a way with a panic in it.
func requireFault(t *testing.T, w *way, log *lockedBuffer) {
	t.Helper()
	require.Eventually(t, w.over, testTime, time.Millisecond, "the way ends")
	w.Close()
	requireKind(t, media.KindInternal, w.Refusal())
	require.Equal(t, 1, strings.Count(log.String(), "panic while a source was read"))
	require.Contains(t, log.String(), "guard_test.go", "with the stack")
	require.NotContains(t, log.String(), "a source's bytes")
}

func TestAPanicOnAWayEndsItAlone(t *testing.T) {
	log, text := faultyLog("source connected")
	at := rtmpSource(t, listen(t), func(net.Conn) {})
	w := openWay(t, newGate(t, Config{Allow: []string{"127.0.0.1"}, Log: log}), "http://"+at+"/live/key")
	_, err := viaProxy(t, w).Get("http://" + at + "/live/key")
	require.Error(t, err)
	requireFault(t, w, text)
}

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

func TestAnAnswerThatIsCutShortIsNoFault(t *testing.T) {
	log, text := faultyLog("nothing")
	origin := newOrigin(t, func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(rw, "x")
	})
	w := openWay(t, newGate(t, Config{Allow: []string{"127.0.0.1"}, Log: log}), origin.URL)
	resp, err := viaProxy(t, w).Get(origin.URL)
	require.NoError(t, err)
	_, err = io.ReadAll(resp.Body)
	require.Error(t, err)
	_ = resp.Body.Close()
	require.NoError(t, w.Refusal())
	require.NotContains(t, text.String(), "panic")
}

// A goroutine that is not guarded may end the process. The two that are listed
// read nothing.
func TestEveryGoroutineIsGuarded(t *testing.T) {
	unguarded := map[string]int{"proxy.go": 1, "relay.go": 1}
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
			if !guarded {
				unguarded[path]--
				require.GreaterOrEqual(t, unguarded[path], 0, "%s", set.Position(n.Pos()))
			}
			return true
		})
	}
}
