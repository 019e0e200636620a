package e2e

import (
	"bufio"
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media/mediatest"
)

func TestWhatTheClientPrintsCanBePiped(t *testing.T) {
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(filepath.Join(bin, "roomcast"), "usersig", "--app", "1400000001", "--user", "u")
	cmd.Env, cmd.Stdout, cmd.Stderr = []string{"GORACE=" + os.Getenv("GORACE"), "ROOMCAST_SDK_KEY=" + appKey}, &stdout, &stderr
	require.NoError(t, cmd.Run())
	require.Greater(t, stdout.Len(), 50)
	require.Empty(t, stderr.String())
}

// roomcast starts the client against the stack; it ends with ctx, as by Ctrl-C.
func (s *stack) roomcast(ctx context.Context, args ...string) (*exec.Cmd, *bufio.Scanner) {
	s.t.Helper()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "roomcast"), args...)
	cmd.Env = []string{"GORACE=" + os.Getenv("GORACE"), "ROOMCAST_API=" + s.url, "ROOMCAST_API_KEY=" + apiKey, "ROOMCAST_USERSIG=" + userSig(s.t, "u", 3600)}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	require.NoError(s.t, err)
	cmd.Stderr = cmd.Stdout
	require.NoError(s.t, cmd.Start())
	s.t.Cleanup(func() { _ = cmd.Wait() })
	return cmd, bufio.NewScanner(out)
}

// says waits until the client prints a line with word.
func says(t *testing.T, lines *bufio.Scanner, word string) {
	t.Helper()
	var all []string
	for lines.Scan() {
		all = append(all, lines.Text())
		if strings.Contains(lines.Text(), word) {
			return
		}
	}
	require.Fail(t, "no "+word, "%s", strings.Join(all, "\n"))
}

func TestTheClientSaysATroubleSoon(t *testing.T) {
	beside(t)
	silent := mediatest.ServeHandler(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	for code, workers := range map[string]int{"source_silent": 1, "no_worker": -1} {
		t.Run(code, func(t *testing.T) {
			s := newStack(t, options{workers: workers})
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			start := time.Now()
			push, lines := s.roomcast(ctx, "push", silent+"/a.mp4", "--app", "1400000001", "--room", "r", "--user", "u")
			says(t, lines, "push ")
			_, table := s.roomcast(ctx, "watch")
			_, events := s.roomcast(ctx, "events", "@last", "-f")
			says(t, lines, "["+code+"]")
			t.Logf("push says it after %v", time.Since(start))
			says(t, table, "["+code+"]")
			t.Logf("watch says it after %v", time.Since(start))
			says(t, events, "["+code+"]")
			t.Logf("events says it after %v", time.Since(start))
			_, list := s.roomcast(ctx, "ls")
			says(t, list, "["+code+"]")
			t.Logf("ls says it after %v", time.Since(start))
			assert.Less(t, time.Since(start), patience/2)

			cancel() // Ctrl-C stops it
			var rest []string
			for lines.Scan() {
				rest = append(rest, lines.Text())
			}
			assert.Contains(t, strings.Join(rest, "\n"), "stopping push ")
			assert.Contains(t, rest[len(rest)-1], "stopped")
			_ = push.Wait()
			assert.Zero(t, push.ProcessState.ExitCode())
		})
	}
}
