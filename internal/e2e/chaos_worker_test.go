package e2e

import (
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/roomcast/roomcast/internal/link"
	"github.com/roomcast/roomcast/media/fakeroom"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/stretchr/testify/require"
)

// renewTime is what the second between two renews may be longer: its timer and
// the way to Redis.
const renewTime = 100 * time.Millisecond

func TestChaosPushesOfAKilledWorkerGoOnElsewhere(t *testing.T) {
	beside(t)
	c := newCrowd(t, options{})
	noise := mediatest.WatchNoise(t)
	c.publish(sized().pushes)
	c.addWorker()
	c.calm()
	before := c.now()
	killed := time.Now()
	c.workers[0].kill()
	after := c.again(before)
	var times, off figures
	for _, u := range c.users {
		times = append(times, firstAt(after[u]).Sub(killed))
		off = append(off, c.jump(u))
	}
	result(t, "%d pushes, publishing again %v; position off by %v", len(c.users), times, off)
	times.requireWithin(t, 4*time.Second, 6*time.Second)
	require.LessOrEqual(t, off.max(), 2*time.Second+renewTime+busy(noise()), "one GOP, a second, and what a renew takes")
	c.requireNeverDoubled()
	for _, u := range c.users {
		require.Len(t, c.of(u), 2)
	}
}

// jump is how far the source position at the start of a user's second session
// is from that at the end of the first.
func (c *crowd) jump(user string) time.Duration {
	c.t.Helper()
	push := c.waitFor(c.ids[user], "progress of a second attempt", func(p map[string]any) bool {
		return p["attempt"] == 2.0 && p["status"] == "publishing" && updatedAt(p).After(firstAt(c.of(user)[1]).Add(time.Second))
	})
	sessions := c.of(user)
	position := time.Duration(positionMs(push)) * time.Millisecond
	start := position - updatedAt(push).Sub(firstAt(sessions[1]))
	return (start - sessions[0].Media()).Abs()
}

func updatedAt(push map[string]any) time.Time {
	progress, _ := push["progress"].(map[string]any)
	return parsed(progress["updatedAt"])
}

// parsed reads a time as the API and the logs write it; zero when it is none.
func parsed(text any) time.Time {
	s, _ := text.(string)
	at, _ := time.Parse(time.RFC3339Nano, s)
	return at
}

func TestChaosAWorkerToldToEndHandsItsPushesOver(t *testing.T) {
	beside(t)
	c := newCrowd(t, options{})
	c.publish(sized().pushes)
	c.addWorker()
	require.Eventually(t, func() bool { // the heir has told that it is there
		return len(objects(c.do(http.MethodGet, "/v1/workers", nil).body, "workers")) == 2
	}, patience, 20*time.Millisecond)
	before := c.now()
	told, noise := time.Now(), mediatest.WatchNoise(t)
	require.Zero(t, c.workers[0].end(t))
	took := time.Since(told)
	gaps := c.gaps(before, c.again(before))
	warm := prepared(c.workers[0])
	result(t, "%d pushes, %d of them prepared before, gap in the room %v, exit 0 after %v", len(c.users), warm, gaps, took.Round(time.Millisecond))
	stood, tolerance := busy(noise()), sized().tolerance
	gaps.requireAtMost(t, 300*time.Millisecond*tolerance+stood, time.Second*tolerance+stood)
	require.NotZero(t, warm)
	c.requireNeverDoubled()
	for _, u := range c.users {
		sessions := c.of(u)
		require.Len(t, sessions, 2)
		require.Equal(t, fakeroom.EndUnpublished, sessions[0].End)
	}
}

// gaps are the holes in the room between the last packet of each old session
// and the first of the next.
func (c *crowd) gaps(before, after map[string]fakeroom.Session) figures {
	c.t.Helper()
	var all figures
	for _, u := range c.users {
		sessions := c.of(u)
		for i, s := range sessions[1:] {
			if s.ID > before[u].ID && s.ID <= after[u].ID {
				all = append(all, firstAt(s).Sub(lastAt(sessions[i])))
			}
		}
	}
	return all
}

func TestChaosASecondSignalEndsAWorkerAtOnce(t *testing.T) {
	beside(t)
	c := newCrowd(t, options{})
	c.publish(1)
	require.NoError(t, c.redis.Stop()) // nothing can be given back now
	defer func() { _ = c.redis.Cont() }()
	w := c.workers[0]
	w.signal(syscall.SIGTERM)
	w.waitLine(t, "draining")
	select {
	case <-w.done:
		t.Fatal("it ended although its push could not be given back")
	case <-time.After(time.Second):
	}
	second := time.Now()
	w.signal(syscall.SIGTERM)
	select {
	case <-w.done:
	case <-time.After(patience):
		t.Fatal("it did not end")
	}
	result(t, "ended %v after the second SIGTERM, exit code %d", time.Since(second).Round(time.Millisecond), w.cmd.ProcessState.ExitCode())
	require.Less(t, time.Since(second), time.Second*sized().tolerance)
	require.NotZero(t, w.cmd.ProcessState.ExitCode())
}

func TestChaosRollingRestartsFailAndDoubleNothing(t *testing.T) {
	beside(t)
	c := newCrowd(t, options{workers: 3})
	c.publish(sized().rolling)
	begin := c.now()
	for range sized().rounds {
		for range 3 {
			old := c.workers[0]
			c.workers = c.workers[1:]
			c.addWorker()
			require.Zero(t, old.end(t))
		}
	}
	for _, u := range c.users {
		_, err := c.room.WaitPublishing(patient(t), u)
		require.NoError(t, err)
	}
	c.requireProgress()
	c.requireNeverDoubled()
	gaps := append(c.gaps(begin, c.now()), 0)
	result(t, "%d pushes, %d rounds, %d hand-overs, gap %v, none failed, none doubled", len(c.users), sized().rounds, len(gaps)-1, gaps)
}

func TestChaosAFrozenWorkerIsReplacedAndStopsWhenItWakes(t *testing.T) {
	beside(t)
	c := newCrowd(t, options{})
	c.publish(sized().pushes)
	frozen := c.workers[0]
	c.addWorker()
	c.calm()
	before := c.now()
	at := time.Now()
	frozen.signal(syscall.SIGSTOP)
	after := c.again(before)
	var times figures
	for _, s := range after {
		times = append(times, firstAt(s).Sub(at))
	}
	<-time.After(time.Until(at.Add(sized().freeze)))
	owners := c.owners()
	frozen.signal(syscall.SIGCONT)
	c.requireGivesUp(frozen, time.Now())
	<-time.After(sized().quiet)
	for _, u := range c.users {
		require.Len(t, c.of(u), 2, "the old worker came back into the room: %v", c.room.History())
		require.LessOrEqual(t, c.events(u, fakeroom.EventKick), 1, "kicking back and forth")
		require.EqualValues(t, 2, c.get(c.ids[u])["attempt"])
	}
	require.Equal(t, owners, c.owners(), "the old worker wrote into a record")
	c.requireProgress()
	require.Zero(t, frozen.end(t))
	result(t, "%d pushes, frozen %v, taken over %v", len(c.users), sized().freeze, times)
}

// owners says who holds which push.
func (c *crowd) owners() map[string]any {
	c.t.Helper()
	all := map[string]any{}
	for _, u := range c.users {
		all[u] = c.get(c.ids[u])["worker"]
	}
	return all
}

// requireGivesUp fails unless a worker that has woken knows within a second
// that its pushes are lost.
func (c *crowd) requireGivesUp(w *process, woken time.Time) {
	c.t.Helper()
	require.Eventually(c.t, func() bool { return len(w.named("attempt lost")) == len(c.users) },
		patience, 10*time.Millisecond, "log:\n%s", w.tail())
	took := time.Since(woken)
	c.t.Logf("gave up %v after it woke", took)
	require.LessOrEqual(c.t, took, time.Second*sized().tolerance)
}

// This room, nginx, refuses a second publisher: only the frozen worker itself
// can leave.
func TestChaosAFrozenWorkerLeavesARoomThatKicksNobody(t *testing.T) {
	beside(t)
	nginx := mediatest.StartNginx(t, mediatest.NginxConfig{})
	s := newStack(t, options{room: nginx.RTMP + "/push"})
	files := mediatest.Serve(t, map[string]string{"a": mediatest.Clip(t, mediatest.Spec{Seconds: 300, Width: 320, Height: 180, FPS: 15})})
	id := s.push(files.URL+"/a", "r", "u", nil)
	s.waitFor(id, "progress", func(p map[string]any) bool { return positionMs(p) > 1000 })
	frozen := s.workers[0]
	s.addWorker()
	frozen.signal(syscall.SIGSTOP)
	s.waitFor(id, "a takeover", func(p map[string]any) bool { return p["attempt"] == 2.0 })
	<-time.After(sized().freeze - 4*time.Second)
	require.Zero(t, len(frozen.named("attempt lost")))
	woken := time.Now()
	frozen.signal(syscall.SIGCONT)
	lost := frozen.waitLine(t, "attempt lost")["time"]
	took := parsed(lost).Sub(woken)
	s.waitFor(id, "publishing, by the new owner", func(p map[string]any) bool {
		return p["status"] == "publishing" && p["attempt"] == 2.0 && updatedAt(p).After(woken)
	})
	result(t, "left the room %v after it woke, the new owner publishes %v after", took.Round(time.Millisecond), time.Since(woken).Round(time.Millisecond))
	require.LessOrEqual(t, took, time.Second*sized().tolerance)
	asked := publishes(nginx, "r") // refused ones count
	<-time.After(sized().quiet)
	require.Equal(t, asked, publishes(nginx, "r"))
	require.EqualValues(t, 2, s.get(id)["attempt"])
}

// In this room a worker that is cut off holds the user's name up to its cap, and
// the new owner has to wait for as long.
func TestChaosAWorkerCutOffFromRedisHoldsARoomThatKicksNobody(t *testing.T) {
	beside(t)
	nginx := mediatest.StartNginx(t, mediatest.NginxConfig{})
	s := newStack(t, options{
		room: nginx.RTMP + "/push", workers: -1, env: []string{fmt.Sprintf("ROOMCAST_RENEW_CAP=%v", sized().renewCap)},
	})
	l := link.New(t, s.redis.Addr())
	old := s.addWorker(fmt.Sprintf("ROOMCAST_REDIS_URL=redis://%s/0", l.Addr()))
	files := mediatest.Serve(t, map[string]string{"a": mediatest.Clip(t, mediatest.Spec{Seconds: 300, Width: 320, Height: 180, FPS: 15})})
	id := s.push(files.URL+"/a", "r", "u", nil)
	s.waitFor(id, "progress", func(p map[string]any) bool { return positionMs(p) > 1000 })
	s.addWorker()
	cut := time.Now()
	l.Cut()
	s.waitFor(id, "a refusal of the new owner", func(p map[string]any) bool {
		return p["attempt"] == 2.0 && p["status"] == "reconnecting"
	})
	<-time.After(time.Until(cut.Add(sized().renewCap - lease)))
	require.Empty(t, old.named("attempt lost"), "it left before its cap")
	require.Equal(t, "reconnecting", s.get(id)["status"])
	s.waitFor(id, "publishing, by the new owner", func(p map[string]any) bool {
		return p["status"] == "publishing" && p["attempt"] == 2.0
	})
	healed := time.Since(cut).Round(time.Millisecond)
	require.NotEmpty(t, old.named("attempt lost"))
	l.Heal()
	asked := publishes(nginx, "r") // refused ones count
	<-time.After(lease + sized().quiet)
	require.Equal(t, asked, publishes(nginx, "r"))
	require.EqualValues(t, 2, s.waitStatus(id, "publishing")["attempt"])
	result(t, "the new owner publishes %v after the cut, with a cap of %v; nobody came back", healed, sized().renewCap)
}

func publishes(nginx *mediatest.Nginx, room string) int {
	n := 0
	for _, e := range nginx.Events() {
		if e.Call == "publish" && e.Name == room {
			n++
		}
	}
	return n
}

func TestChaosAPushOutlivesTheAPI(t *testing.T) {
	beside(t)
	c := newCrowd(t, options{})
	c.publish(sized().pushes)
	before := c.now()
	c.api.kill()
	<-time.After(lease)
	c.startAPI()
	gap := c.requireUntouched(before)
	c.stopAll()
	result(t, "%d pushes, longest gap %v", len(c.users), gap)
}

// What stands between a worker and the room, a load balancer say, may end a
// connection in order and say nothing.
func TestChaosAPushOutlivesAConnectionThatIsHungUp(t *testing.T) {
	beside(t)
	c := newCrowd(t, options{workers: -1})
	l := link.New(t, c.room.Addr())
	c.addWorker(fmt.Sprintf("ROOMCAST_RTMP_ENDPOINT=rtmp://%s/push", l.Addr()))
	c.publish(sized().pushes)
	before := c.now()
	l.HangUp()
	gaps := c.gaps(before, c.again(before))
	c.requireNeverDoubled()
	c.requireProgress()
	result(t, "%d pushes, gap in the room %v", len(c.users), gaps)
}

// A worker that is cut off from Redis alone.
func TestChaosAWorkerCutOffFromRedis(t *testing.T) {
	beside(t)
	for name, test := range map[string]func(*testing.T, *crowd, *link.Link){
		"keeps its connection until the new owner comes":   testCutOffWithAnother,
		"opens no connection":                              testCutOffWithoutARoom,
		"stops at its cap and is back with the next owner": testCutOffToItsCap,
		"leaves at its cap what was stopped meanwhile":     testStopWhileCutOff,
	} {
		t.Run(name, func(t *testing.T) {
			beside(t)
			c := newCrowd(t, options{workers: -1, env: []string{"ROOMCAST_RENEW_CAP=10s"}})
			l := link.New(t, c.redis.Addr())
			c.addWorker(fmt.Sprintf("ROOMCAST_REDIS_URL=redis://%s/0", l.Addr()))
			c.publish(sized().pushes)
			test(t, c, l)
		})
	}
}

func testCutOffWithAnother(t *testing.T, c *crowd, l *link.Link) {
	c.addWorker()
	c.calm()
	before := c.now()
	at := time.Now()
	l.Cut()
	after := c.again(before)
	var times, gaps figures
	for _, u := range c.users {
		sessions := c.of(u)
		times = append(times, after[u].StartedAt.Sub(at))
		gaps = append(gaps, sessions[0].Video.MaxGap)
		require.GreaterOrEqual(t, sessions[0].EndedAt, after[u].StartedAt.Add(-time.Second), "it went before the new owner came")
	}
	<-time.After(sized().quiet)
	owners := c.owners()
	l.Heal()
	<-time.After(lease + sized().quiet)
	for _, u := range c.users {
		require.Len(t, c.of(u), 2, "%v", c.room.History())
		require.LessOrEqual(t, c.events(u, fakeroom.EventKick), 1)
		require.True(t, c.of(u)[1].Live())
	}
	require.Equal(t, owners, c.owners())
	c.requireProgress()
	result(t, "%d pushes, new owner publishes %v after the cut; longest gap before %v; one kick each, none back", len(c.users), times, gaps.max())
}

func testCutOffWithoutARoom(t *testing.T, c *crowd, l *link.Link) {
	before := c.now()
	l.Cut()
	<-time.After(lease + time.Second)
	c.room.Cut("")
	<-time.After(sized().quiet)
	for _, u := range c.users {
		require.Len(t, c.of(u), 1, "it opened a room without a lease")
	}
	healed := time.Now()
	l.Heal()
	var times figures
	for _, s := range c.again(before) {
		times = append(times, firstAt(s).Sub(healed))
	}
	<-time.After(sized().quiet)
	c.requireNeverDoubled()
	c.requireProgress()
	result(t, "%d pushes, no reconnect while cut off; publishing %v after it healed", len(c.users), times)
}

func testCutOffToItsCap(t *testing.T, c *crowd, l *link.Link) {
	before := c.now()
	at := time.Now()
	l.Cut()
	var times figures
	for _, u := range c.users {
		s, err := c.room.WaitEnded(patient(t), u)
		require.NoError(t, err)
		times = append(times, s.EndedAt.Sub(at))
		require.Equal(t, fakeroom.EndUnpublished, s.End)
		require.Greater(t, s.EndedAt.Sub(at), 8*time.Second, "before its cap")
	}
	times.requireWithin(t, 14*time.Second, 14*time.Second)
	l.Heal()
	c.again(before)
	c.requireNeverDoubled()
	c.requireProgress()
	result(t, "%d pushes, stopped %v after the cut with a cap of 10s", len(c.users), times)
}

// A stop cannot reach the worker, so it is true of the record first and of the
// room at the cap.
func testStopWhileCutOff(t *testing.T, c *crowd, l *link.Link) {
	c.calm()
	cut := time.Now()
	l.Cut()
	at := time.Now()
	for _, u := range c.users {
		c.stop(c.ids[u])
	}
	stopped := c.requireStopped(at)
	var left figures
	for _, u := range c.users {
		s, err := c.room.WaitEnded(patient(t), u)
		require.NoError(t, err)
		left = append(left, s.EndedAt.Sub(cut))
		require.Equal(t, fakeroom.EndUnpublished, s.End)
	}
	left.requireWithin(t, 14*time.Second, 14*time.Second)
	l.Heal()
	<-time.After(lease)
	c.requireNobodyPublishes()
	for _, u := range c.users {
		require.Len(t, c.of(u), 1, "%s came back: %v", u, c.room.History())
		require.Equal(t, "stopped", c.get(c.ids[u])["status"])
	}
	result(t, "%d pushes, stopped %v after the stop, out of the room %v after the cut with a cap of 10s, never back", len(c.users), stopped, left)
}
