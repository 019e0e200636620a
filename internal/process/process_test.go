package process_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/roomcast/roomcast/internal/process"
)

// TestMain plays the program under test when the test binary is run by the
// tests below.
func TestMain(m *testing.M) {
	switch os.Getenv("PROCESS_TEST_RUN") {
	case "polite":
		process.Main(func(ctx context.Context, _ []string, stderr io.Writer) error {
			fmt.Fprintln(stderr, "started")
			<-ctx.Done()
			return nil
		})
		os.Exit(0)
	case "stubborn":
		process.Main(func(ctx context.Context, _ []string, stderr io.Writer) error {
			fmt.Fprintln(stderr, "started")
			<-ctx.Done()
			fmt.Fprintln(stderr, "stopping")
			select {}
		})
	case "daemon":
		process.Main(process.Daemon(process.Program{Run: func(_ context.Context, _ []string, stderr io.Writer) error {
			dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
			var core unix.Rlimit
			fmt.Fprintln(stderr, dumpable, err, unix.Getrlimit(unix.RLIMIT_CORE, &core), core.Max)
			return nil
		}}, nil, os.Stdout))
		os.Exit(0)
	case "coded":
		process.Main(func(context.Context, []string, io.Writer) error { return fmt.Errorf("watch: %w", stopped{}) })
	case "failing":
		process.Main(func(context.Context, []string, io.Writer) error { return errors.New("no redis") })
	}
	os.Exit(m.Run())
}

func start(t *testing.T, kind string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PROCESS_TEST_RUN="+kind)
	out, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	return cmd, bufio.NewReader(out)
}

func expect(t *testing.T, r *bufio.Reader, want string) {
	t.Helper()
	line, err := r.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, want+"\n", line)
}

func TestTheFirstSignalEndsTheContext(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		cmd, out := start(t, "polite")
		expect(t, out, "started")
		require.NoError(t, cmd.Process.Signal(sig))
		assert.NoError(t, cmd.Wait())
	}
}

func TestTheSecondSignalEndsTheProcessAtOnce(t *testing.T) {
	cmd, out := start(t, "stubborn")
	expect(t, out, "started")
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	expect(t, out, "stopping")
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	assert.ErrorContains(t, cmd.Wait(), "terminated")
}

func TestAnErrorEndsTheProcessWith1(t *testing.T) {
	cmd, _ := start(t, "failing")
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &exit)
	assert.Equal(t, 1, exit.ExitCode())
}

// stopped is an error with an exit code of its own.
type stopped struct{}

func (stopped) Error() string { return "stopped" }
func (stopped) ExitCode() int { return 5 }

func TestAnErrorMayKnowTheExitCode(t *testing.T) {
	cmd, out := start(t, "coded")
	expect(t, out, "watch: stopped")
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &exit)
	assert.Equal(t, 5, exit.ExitCode())
}

func TestADaemonsMemoryIsReadByNobodyButRootAndLeavesNoCore(t *testing.T) {
	cmd, out := start(t, "daemon")
	expect(t, out, "0 <nil> <nil> 0")
	assert.NoError(t, cmd.Wait())
}

func TestVersionIsNeverEmpty(t *testing.T) {
	assert.NotEmpty(t, process.Version())
}
