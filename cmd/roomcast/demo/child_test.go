package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// TestMain plays a program that has a child, for the test that kills it.
func TestMain(m *testing.M) {
	if log := os.Getenv("DEMO_TEST_PARENT"); log != "" {
		c, err := start(program{name: "sleep", path: "/bin/sleep", args: []string{"600"}, log: log}, nil)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(c.cmd.Process.Pid)
		<-c.exited
	}
	goleak.VerifyTestMain(m)
}

// shell starts a script. What it prints goes to the log.
func shell(t *testing.T, script string, ended func(error)) *child {
	t.Helper()
	c, err := start(program{name: "script", path: "/bin/sh", args: []string{"-c", script}, log: filepath.Join(t.TempDir(), "log")}, ended)
	require.NoError(t, err)
	t.Cleanup(c.kill)
	return c
}

// printed waits until the child has printed text.
func printed(t *testing.T, c *child, text string) {
	t.Helper()
	require.NoError(t, c.ready(t.Context(), func(context.Context) error {
		if !strings.Contains(tail(c.log, 100), text) {
			return errors.New("not printed: " + text)
		}
		return nil
	}))
}

func TestAChildThatIsAskedEnds(t *testing.T) {
	c := shell(t, `trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.02; done`, func(err error) { t.Error(err) })
	printed(t, c, "up")
	require.NoError(t, c.stop(time.Minute))
	assert.Equal(t, "up\nbye", tail(c.log, 10))
	assert.Equal(t, "bye", tail(c.log, 1))
	assert.NoError(t, c.stop(time.Minute), "once more is no fault")
}

func TestAChildThatDoesNotEndIsKilled(t *testing.T) {
	c := shell(t, `trap '' TERM; echo up; while :; do sleep 0.02; done`, nil)
	printed(t, c, "up")
	assert.ErrorContains(t, c.stop(50*time.Millisecond), "script did not end within 50ms and was killed")
}

func TestAnUncleanEndIsAnError(t *testing.T) {
	c := shell(t, `trap 'exit 3' TERM; echo up; while :; do sleep 0.02; done`, nil)
	printed(t, c, "up")
	assert.ErrorContains(t, c.stop(time.Minute), "exit status 3")
}

func TestAChildsOwnEndIsTold(t *testing.T) {
	told := make(chan error, 1)
	c := shell(t, "exit 4", func(err error) { told <- err })
	assert.EqualError(t, <-told, "script ended by itself: exit status 4")
	<-c.exited
	assert.NoError(t, c.stop(time.Minute))
	assert.ErrorIs(t, c.ready(t.Context(), func(context.Context) error { return errors.New("no") }), errEndedEarly)
}

func TestAWaitedForChildDiesWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := shell(t, "sleep 600", nil)
	cancel()
	assert.ErrorIs(t, c.wait(ctx), context.Canceled)
}

func TestAProgramThatIsNotThere(t *testing.T) {
	_, err := start(program{name: "x", path: "/not/there", log: filepath.Join(t.TempDir(), "log")}, nil)
	assert.ErrorContains(t, err, "start x: ")
	_, err = start(program{name: "x", path: "/bin/true", log: "/not/there/log"}, nil)
	assert.ErrorContains(t, err, "start x: ")
}

func TestNoChildOutlivesAKilledParent(t *testing.T) {
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), "DEMO_TEST_PARENT="+filepath.Join(t.TempDir(), "log"))
	out, err := parent.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, parent.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, 0), "the child runs")

	require.NoError(t, parent.Process.Kill())
	_ = parent.Wait()
	require.Eventually(t, func() bool { return !running(pid) }, 10*time.Second, 10*time.Millisecond)
}

// running says whether a process is there and no zombie that nobody has waited
// for.
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}
