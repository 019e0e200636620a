package e2e

import (
	"syscall"
	"testing"
	"time"

	"github.com/roomcast/roomcast/internal/redistest"
	"github.com/roomcast/roomcast/media/fakeroom"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/stretchr/testify/require"
)

// prepared counts the pushes of a worker whose next attempt was ready before
// they left their rooms.
func prepared(w *process) int {
	n := 0
	for _, line := range w.named("push is being handed over") {
		if line["successor"] != "" {
			n++
		}
	}
	return n
}

// What README and ARCHITECTURE say an operator must allow for.
const drainBudget = 20 * time.Second

func TestChaosADrainEndsInTimeWhileRedisHangs(t *testing.T) {
	beside(t)
	c := newCrowd(t, options{})
	c.publish(sized().pushes)
	c.addWorker()
	before := c.now()
	require.NoError(t, c.redis.Stop())
	told, noise := time.Now(), mediatest.WatchNoise(t)
	code := c.workers[0].end(t)
	took := time.Since(told)
	require.Zero(t, code)
	require.Less(t, took, drainBudget+5*time.Second)
	var left figures
	for _, u := range c.users {
		s, err := c.room.WaitEnded(patient(t), u)
		require.NoError(t, err)
		require.Equal(t, fakeroom.EndUnpublished, s.End)
		left = append(left, s.EndedAt.Sub(told))
	}
	require.Less(t, left.max(), drainBudget-6*time.Second+busy(noise()), "there is time to write the pushes down")
	require.NoError(t, c.redis.Cont())
	c.again(before)
	c.requireNeverDoubled()
	c.requireProgress()
	result(t, "%d pushes, rooms left %v after the signal, ended after %v, exit 0; taken over once Redis was back",
		len(c.users), left, took.Round(time.Millisecond))
}

func TestChaosADrainLosesNoSuccessorToARedisThatIsAwayForSeconds(t *testing.T) {
	beside(t)
	c := newCrowd(t, options{redis: redistest.Config{AppendOnly: true}})
	c.publish(sized().pushes)
	c.addWorker()
	c.calm()
	before, w := c.now(), c.workers[0]
	c.redis.Kill()
	w.signal(syscall.SIGTERM)
	away := 3 * time.Second // of the eleven that there are for it; a busy machine takes some itself
	if full {
		away = 5 * time.Second
	}
	<-time.After(away)
	require.NoError(t, c.redis.Restart())
	<-w.done
	require.Zero(t, w.cmd.ProcessState.ExitCode())
	gaps := c.gaps(before, c.again(before))
	c.requireNeverDoubled()
	c.requireProgress()
	result(t, "%d pushes, %d of them prepared elsewhere before they left, gap in the room %v", len(c.users), prepared(w), gaps)
	require.Equal(t, len(c.users), prepared(w))
}

// handing is a crowd whose first worker has been told to leave, and the other
// has begun to prepare.
func handing(t *testing.T) (c *crowd, successor *process, before map[string]fakeroom.Session) {
	t.Helper()
	beside(t)
	c = newCrowd(t, options{})
	c.publish(sized().pushes)
	successor = c.addWorker()
	c.calm()
	before = c.now()
	c.workers[0].signal(syscall.SIGTERM)
	successor.waitLine(t, "attempt prepares")
	return c, successor, before
}

// requireReplaced wants the pushes to be back in their rooms within p50 and max.
func (c *crowd) requireReplaced(before map[string]fakeroom.Session, p50, most time.Duration) {
	c.t.Helper()
	gaps := c.gaps(before, c.again(before))
	c.requireNeverDoubled()
	c.requireProgress()
	result(c.t, "%d pushes, gap in the room %v", len(c.users), gaps)
	gaps.requireWithin(c.t, p50, most)
}

// The worker that prepares dies before it is given anything.
func TestChaosASuccessorThatDiesCostsNoPush(t *testing.T) {
	c, successor, before := handing(t)
	successor.kill()
	<-c.workers[0].done
	require.Zero(t, c.workers[0].cmd.ProcessState.ExitCode())
	c.addWorker()
	c.requireReplaced(before, 5*time.Second, 6*time.Second)
}

// The worker that leaves dies while another one has prepared its pushes.
func TestChaosAWorkerThatDiesWhileItHandsOverIsReplaced(t *testing.T) {
	c, _, before := handing(t)
	c.workers[0].kill()
	c.requireReplaced(before, 4*time.Second, 8*time.Second)
}
