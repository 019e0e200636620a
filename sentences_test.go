package roomcast_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
)

// foreign are words of Go's, of libav's and of the system's that nobody should
// have to know.
var foreign = regexp.MustCompile(`(?i)dial tcp|read tcp|write tcp|i/o timeout|\beof\b|connection refused|reset by peer|broken pipe|` +
	`no route to host|no such host|context canceled|deadline exceeded|use of closed|unexpected |nil pointer|panic|goroutine|averror|av_|` +
	`avcodec|errno|invalid data found|invalid argument|end of file|cannot allocate|operation not permitted|no such file|%!`)

// sides are the words that say whose trouble it is.
var sides = regexp.MustCompile(`\b(source|room|publisher|userSig|worker|Roomcast)\b`)

// network are errors as Go and the kernel word them.
var network = []error{
	&net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)},
	&net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)},
	&net.OpError{Op: "write", Net: "tcp", Err: os.NewSyscallError("write", syscall.EPIPE)},
	&net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)},
	&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "a.example", IsNotFound: true}},
	&net.OpError{Op: "read", Net: "tcp", Err: os.ErrDeadlineExceeded},
	io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, errors.New("a cause that nobody has thought of"),
}

// kinds are all of media's.
func kinds() (all []media.Kind) {
	for k := media.KindInternal; k == media.KindInternal || k.String() != media.KindInternal.String(); k++ {
		all = append(all, k)
	}
	return all
}

// Run it with -v to read them all.
func TestEveryFailureSaysWhatHappenedToWhichSideAndWhatToDo(t *testing.T) {
	require.Greater(t, len(kinds()), 20)
	for _, kind := range kinds() {
		plain := tasks.FailureOf(&media.Error{Kind: kind, Op: "act"}).Message
		t.Logf("%s: %s", kind, plain)
		require.Regexp(t, sides, plain)
		require.Regexp(t, "; [^;]+$", plain, "%s: what to do", kind)
		for _, cause := range network {
			for _, err := range []error{
				&media.Error{Kind: kind, Op: "act", Err: cause},
				&media.Error{Kind: kind, Op: "act", Err: &media.Error{Kind: media.KindRoomClosed, Op: "publish", Err: cause}},
				fmt.Errorf("play: %w", &media.Error{Kind: kind, Op: "act", Err: fmt.Errorf("read: %w", cause)}),
			} {
				require.Equal(t, plain, tasks.FailureOf(err).Message, "the cause is for the log")
				require.ErrorContains(t, err, cause.Error(), "and stands there")
			}
			words := media.OfNetwork(cause)
			if words == "" {
				continue
			}
			said := tasks.FailureOf(&media.Error{Kind: kind, Op: "act", Err: media.Because(words, cause)}).Message
			require.NotRegexp(t, foreign, said)
		}
	}
	for _, cause := range network {
		t.Logf("%v: %s", cause, media.OfNetwork(cause))
	}
}

func TestARoomsWordsAreShownHoweverDeepTheyStand(t *testing.T) {
	inner := &media.Error{Kind: media.KindRoomConflict, Op: "publish", Code: "NetStream.Publish.BadName", Words: "Already publishing"}
	said := tasks.FailureOf(&media.Error{Kind: media.KindRoomKicked, Op: "publish", Err: inner}).Message
	require.Equal(t, "another publisher with this userId took the push's place in the room; the room said NetStream.Publish.BadName: Already publishing; "+
		"give each publisher a userId of its own", said)
}

// saying are the calls and fields whose texts people read.
var saying = []string{"Because", "Sentence", "Warned", "Msg", "Message", "Detail", "message", "todo", "add", "holeWarning"}

// spoken returns the texts in a file that people read, each with its place.
func spoken(t *testing.T, path string) (found []string) {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, 0)
	require.NoError(t, err)
	say := func(n ast.Node) {
		ast.Inspect(n, func(n ast.Node) bool {
			if text, ok := n.(*ast.BasicLit); ok && text.Kind == token.STRING {
				s, _ := strconv.Unquote(text.Value)
				if strings.Contains(s, " ") {
					found = append(found, fmt.Sprintf("%s: %s", files.Position(text.Pos()), s))
				}
			}
			return true
		})
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if slices.Contains(saying, nameOf(n.Fun)) {
				for _, a := range n.Args {
					say(a)
				}
			}
		case *ast.KeyValueExpr:
			if slices.Contains(saying, nameOf(n.Key)) {
				say(n.Value)
			}
		case *ast.FuncDecl:
			if slices.Contains(saying, n.Name.Name) {
				say(n.Body)
			}
		case *ast.ValueSpec: // what egress and libav say stands in variables
			for i, v := range n.Values {
				if i < len(n.Names) && strings.HasPrefix(n.Names[i].Name, "err") {
					say(v)
				}
			}
		}
		return true
	})
	return found
}

func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

func TestNoSentenceHoldsWordsThatNobodyShouldHaveToKnow(t *testing.T) {
	var all []string
	for _, folder := range []string{"media", "tasks", "web"} {
		require.NoError(t, filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			skip := strings.Contains(path, "node_modules") || strings.Contains(path, "mediatest") || strings.Contains(path, "fakeroom")
			if err == nil && !skip && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				all = append(all, spoken(t, path)...)
			}
			return err
		}))
	}
	require.Greater(t, len(all), 150)
	for _, said := range all {
		t.Log(said)
		_, words, _ := strings.Cut(said, ": ")
		if word := foreign.FindString(words); word != "" {
			t.Errorf("it holds %q: %s", word, said)
		}
	}
}
