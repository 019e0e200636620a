package host

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/stretchr/testify/require"
)

func TestWhoLivesWithWhom(t *testing.T) {
	proven := &media.Conduct{}
	proven.Prove()
	died := &media.Conduct{}
	died.Died(media.Killing, true)
	p := newPool(t, func(c *Config) { c.Pushes = 6 })
	take := func(n need) *host {
		h, err := p.take(n)
		require.NoError(t, err)
		t.Cleanup(func() { h.leave(n.conduct) })
		return h
	}
	first := take(need{})
	for range 5 {
		require.Same(t, first, take(need{}), "those that are new live together")
	}
	second := take(need{})
	require.NotSame(t, first, second, "as many as may")
	require.Same(t, second, take(need{conduct: proven}), "a few live together whatever their age")
	require.Same(t, second, take(need{}))
	require.Same(t, second, take(need{}))
	third := take(need{})
	require.NotSame(t, second, third, "one that is new does not join many of which one has played")
	require.Same(t, second, take(need{conduct: proven}), "but one that has played does")
	coder := take(need{encodes: true})
	require.NotContains(t, []*host{first, second, third}, coder, "who re-encodes lives alone")
	require.NotSame(t, coder, take(need{encodes: true}))
	fresh := &media.Conduct{}
	require.Same(t, second, take(need{conduct: proven}))
	fourth := take(need{conduct: fresh})
	require.Same(t, third, fourth)
	fresh.Prove()
	for range 2 {
		require.Same(t, third, take(need{}), "a few")
	}
	require.NotSame(t, third, take(need{}), "one that has played by now is not joined by more")
	require.True(t, take(need{conduct: died}).own, "so does a source whose host has died")
}

func TestAHostIsReadyBeforeItIsNeeded(t *testing.T) {
	p := newPool(t, nil)
	h, err := p.take(need{encodes: true})
	require.NoError(t, err)
	defer h.leave(nil)
	require.Len(t, p.PIDs(), 2)
}

func TestAHostThatReencodesGivesWayAndMayAllocateMore(t *testing.T) {
	p := newPool(t, nil)
	h, err := p.take(need{encodes: true})
	require.NoError(t, err)
	defer h.leave(nil)
	limits, err := os.ReadFile("/proc/" + strconv.Itoa(h.cmd.Process.Pid) + "/limits")
	require.NoError(t, err)
	i := strings.Index(string(limits), "Max data size")
	require.Contains(t, string(limits)[i:i+60], strconv.Itoa(defaultEncodeMemory))
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(h.cmd.Process.Pid) + "/stat")
	require.NoError(t, err)
	require.Equal(t, strconv.Itoa(encodeNice), strings.Fields(string(stat))[18])
}

func TestWhenMemoryIsShortTheKernelKillsAHostFirst(t *testing.T) {
	p := newPool(t, nil)
	score, err := os.ReadFile("/proc/" + strconv.Itoa(p.PIDs()[0]) + "/oom_score_adj")
	require.NoError(t, err)
	require.Equal(t, "1000\n", string(score))
}

func TestHostsLeaveNoProcessAndNoDescriptor(t *testing.T) {
	n := 30
	if os.Getenv("CHAOS") == "full" {
		n = 2000
	}
	p := newPool(t, nil)
	before := descriptors(t)
	for range n {
		h, err := p.take(need{encodes: true})
		require.NoError(t, err)
		c, err := h.connect()
		require.NoError(t, err)
		h.finish(c, nil)
	}
	require.Eventually(t, func() bool { return descriptors(t) <= before && children(t) <= 1 }, 20*time.Second, 10*time.Millisecond)
}

// children is how many processes this one has, zombies too.
func children(t *testing.T) int {
	t.Helper()
	tasks, err := filepath.Glob("/proc/self/task/*/children")
	require.NoError(t, err)
	n := 0
	for _, name := range tasks {
		all, err := os.ReadFile(name)
		if !errors.Is(err, os.ErrNotExist) { // a thread that has ended
			require.NoError(t, err)
		}
		n += len(strings.Fields(string(all)))
	}
	return n
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(all)
}

func TestAPoolThatCannotStartAHostSaysSo(t *testing.T) {
	for name, command := range map[string][]string{"no program": {"/nowhere"}, "another program": {"/bin/true"}} {
		t.Run(name, func(t *testing.T) {
			_, err := New(t.Context(), Config{Command: command, Log: newPool(t, nil).cfg.Log})
			require.Error(t, err)
		})
	}
}

func TestAHostThatWorksForNobodyIsKilled(t *testing.T) {
	p := newPool(t, func(c *Config) { c.rest = 4 * mostUnrest }) // a busy machine has a quarter of a core
	h := p.living()[0]                                           // idle: what is begun in it is nobody's
	c, err := h.connect()
	require.NoError(t, err)
	require.NoError(t, c.sendJSON(kindOpen, opening{Picture: &pictureOpening{}}))
	require.NoError(t, c.send(kindBytes, []byte("loop")))
	select {
	case <-h.gone:
	case <-time.After(time.Minute):
		t.Fatal("it goes on")
	}
	require.Equal(t, int64(1), p.Stats().Deaths[Stuck])
}
