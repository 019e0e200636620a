package host

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/stretchr/testify/require"
)

func procOf(pid int, name string) string { return fmt.Sprintf("/proc/%d/%s", pid, name) }

func TestAPoolSaysWhatItsHostsAreForAndHowSomeHaveDied(t *testing.T) {
	p := newPool(t, nil)
	require.Equal(t, map[Kind]int{Idle: 1}, p.Stats().Hosts)
	died := &media.Conduct{}
	died.Died(media.Killing, true)
	for _, n := range []need{{}, {conduct: died}, {encodes: true}} {
		h, err := p.take(n)
		require.NoError(t, err)
		<-h.said
		defer h.leave(n.conduct)
	}
	s := p.Stats()
	require.Equal(t, map[Kind]int{Idle: 1, Shared: 1, Own: 1, Encode: 1}, s.Hosts)
	require.EqualValues(t, 4, s.Started)
	require.Empty(t, s.Deaths)
	require.Greater(t, s.Memory, int64(1<<20))
	require.Less(t, s.Memory, int64(4*64<<20))
	require.Positive(t, p.CPU())

	require.NoError(t, syscall.Kill(p.PIDs()[1], syscall.SIGKILL))
	require.Eventually(t, func() bool { return p.Stats().Deaths[Killed] == 1 }, 10*time.Second, 10*time.Millisecond)
}

func TestHowAHostHasDied(t *testing.T) {
	const exit, signal = 3 << 8, 11
	for _, tt := range []struct {
		why    string
		status syscall.WaitStatus
		death  Death
		how    string
	}{
		{"", signal, Crashed, "segmentation fault"},
		{"", exit, Crashed, "exit code 3"},
		{"", syscall.WaitStatus(syscall.SIGKILL), Killed, "killed"},
		{"did not obey", syscall.WaitStatus(syscall.SIGKILL), Stuck, "did not obey"},
	} {
		death, how := deathOf(tt.why, tt.status)
		require.Equal(t, tt.death, death)
		require.Equal(t, tt.how, strings.TrimSpace(how))
	}
}
