package e2e

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/roomcast/roomcast/media/fakeroom"
	"github.com/stretchr/testify/require"
)

// remains says which keys may stay when all pushes have ended: the records,
// events and samples of those, how to list them, who works here and how fast; and asynq's counts
// and its own lists of servers.
var remains = regexp.MustCompile(`^(\{roomcast\}:((push|history|series):[0-9a-f-]{36}|ended|workers|feed|fleet|speed:.*|index:(all|state:stopped|app:.*|room:.*|user:.*))` +
	`|asynq:(queues|servers|workers)|asynq:(servers|workers):\{.*\}|asynq:\{(push|resume)\}:(processed|failed)(:.*)?)$`)

func TestChaosCreatesAndStopsThatRace(t *testing.T) {
	beside(t)
	c := newCrowd(t, options{workers: 2})
	n := sized().pairs
	var racing sync.WaitGroup
	turn := make(chan struct{}, 16)
	stopped := make([]string, n)
	for i := range n {
		body := c.request(c.files.URL+"/a", fmt.Sprintf("r%d", i), fmt.Sprintf("u%d", i), nil)
		turn <- struct{}{}
		racing.Go(func() {
			defer func() { <-turn }()
			stopped[i] = c.createAndStop(body, rand.N(400*time.Millisecond))
		})
	}
	racing.Wait()
	for i, id := range stopped {
		require.NotEmpty(t, id, "pair %d", i)
		require.Equal(t, "stopped", c.waitStatus(id, "stopped", "failed", "completed")["status"])
	}
	c.requireNobodyPublishes()
	c.requireNothingLeftBehind()
	result(t, "%d pairs, %d sessions in the room, all stopped, none publishing, no key left behind", n, len(c.room.Sessions()))
}

// createAndStop returns the id of a push whose stop was accepted so long after
// its creation, or nothing.
func (c *crowd) createAndStop(body fields, after time.Duration) string {
	a, err := c.ask(call{method: http.MethodPost, path: "/v1/pushes", body: body})
	if err != nil || a.code != http.StatusAccepted {
		return ""
	}
	id, _ := a.body["id"].(string)
	<-time.After(after)
	a, err = c.ask(call{method: http.MethodDelete, path: "/v1/pushes/" + id})
	if err != nil || a.code != http.StatusAccepted {
		return ""
	}
	return id
}

// requireNobodyPublishes fails unless the room becomes empty and stays so.
func (s *stack) requireNobodyPublishes() {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return len(s.room.Publishers()) == 0 }, patience, 20*time.Millisecond)
	before := len(s.room.Sessions())
	<-time.After(sized().quiet)
	require.Empty(s.t, s.room.Publishers())
	require.Len(s.t, s.room.Sessions(), before)
}

// requireNothingLeftBehind waits until Redis holds nothing of pushes that have
// ended but what is theirs to keep.
func (s *stack) requireNothingLeftBehind() {
	s.t.Helper()
	var left []string
	require.Eventually(s.t, func() bool {
		left = s.keysBut(remains.MatchString)
		return len(left) == 0
	}, patience, 100*time.Millisecond, "left: %v", &left)
}

// What becomes of the worker before the stop.
var conditions = map[string]func(*process){
	"of a worker that lives":   func(*process) {},
	"of a worker that died":    func(w *process) { w.kill() },
	"of a worker that freezes": func(w *process) { w.signal(syscall.SIGSTOP) },
}

func TestChaosAStopInEveryState(t *testing.T) {
	beside(t)
	for name, become := range conditions {
		t.Run(name, func(t *testing.T) {
			beside(t)
			c := newCrowd(t, options{env: []string{"ROOMCAST_WORKER_SLOTS=4"}})
			c.everyState()
			c.calm()
			become(c.workers[0])
			at := time.Now()
			for _, id := range c.ids {
				c.stop(id)
			}
			c.stop(c.ids["stopping"])
			times := c.requireStopped(at)
			c.workers[0].signal(syscall.SIGCONT)
			c.requireNoneComesBack()
			result(t, "stopped %v", times)
		})
	}
}

// everyState makes a push in each state in which it can be stopped; "stopping"
// is one to be stopped twice.
func (c *crowd) everyState() {
	c.t.Helper()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(c.t, err)
	c.t.Cleanup(func() { _ = silent.Close() })
	for _, u := range []string{"publishing", "reconnecting", "stopping"} {
		c.waitStatus(c.add(u, c.files.URL+"/a"), "publishing")
	}
	c.room.Misbehave(fakeroom.Fault{Kind: fakeroom.Reject, Code: fakeroom.CodeBadName, User: "reconnecting"})
	c.room.Cut("reconnecting")
	c.waitStatus(c.ids["reconnecting"], "reconnecting")
	c.waitStatus(c.add("starting", "http://"+silent.Addr().String()+"/a"), "starting")
	c.waitStatus(c.add("queued", c.files.URL+"/a"), "queued") // all slots are taken
}

// requireStopped waits for the stops sent at this time.
func (c *crowd) requireStopped(at time.Time) figures {
	c.t.Helper()
	var mu sync.Mutex
	var times figures
	var all sync.WaitGroup
	for _, id := range c.ids {
		all.Go(func() {
			for time.Since(at) < patience {
				a, err := c.ask(call{method: http.MethodGet, path: "/v1/pushes/" + id})
				if err == nil && a.body["status"] == "stopped" {
					mu.Lock()
					defer mu.Unlock()
					times = append(times, time.Since(at))
					return
				}
				<-time.After(20 * time.Millisecond)
			}
		})
	}
	all.Wait()
	require.Len(c.t, times, len(c.ids), "stopped")
	times.requireWithin(c.t, 5*time.Second, 5*time.Second)
	return times
}

// requireNoneComesBack fails if a stopped push does anything when there are
// workers to run it.
func (c *crowd) requireNoneComesBack() {
	c.t.Helper()
	c.room.Heal()
	c.addWorker("ROOMCAST_WORKER_SLOTS=20")
	marker := c.push(c.files.URL+"/a", "marker", "marker", nil) // comes last in the queue
	c.waitStatus(marker, "publishing")
	<-time.After(sized().quiet)
	for u, id := range c.ids {
		require.Equal(c.t, "stopped", c.get(id)["status"], u)
		require.LessOrEqual(c.t, len(c.of(u)), 1, "%s came back: %v", u, c.room.History())
	}
	c.stop(marker)
	c.waitStatus(marker, "stopped")
	c.requireNobodyPublishes()
}

func TestChaosAStopDuringATakeover(t *testing.T) {
	beside(t)
	for name, become := range conditions {
		if name == "of a worker that lives" {
			continue // nothing is taken over
		}
		t.Run(name, func(t *testing.T) {
			beside(t)
			c := newCrowd(t, options{})
			const n = 12
			c.publish(n)
			old := c.workers[0]
			c.addWorker()
			c.calm()
			at := time.Now()
			become(old)
			var times figures
			var stops sync.WaitGroup
			took := make([]time.Duration, n)
			for i, u := range c.users { // from before the lease ends until after the new start
				stops.Go(func() {
					<-time.After(time.Until(at.Add(2500*time.Millisecond + time.Duration(i)*250*time.Millisecond)))
					took[i] = c.stopTime(c.ids[u])
				})
			}
			stops.Wait()
			for _, d := range took {
				require.NotZero(t, d, "a stop did not come about")
				times = append(times, d)
			}
			times.requireWithin(t, 5*time.Second, 5*time.Second)
			old.signal(syscall.SIGCONT)
			c.requireNobodyPublishes()
			for _, u := range c.users {
				require.Equal(t, "stopped", c.get(c.ids[u])["status"])
			}
			result(t, "%d stops from 2.5 s to 5.3 s after the fault: stopped %v", n, times)
		})
	}
}

// stopTime stops a push and returns how long it took to be stopped, 0 when it
// is not within patience.
func (c *crowd) stopTime(id string) time.Duration {
	at := time.Now()
	if a, err := c.ask(call{method: http.MethodDelete, path: "/v1/pushes/" + id}); err != nil || a.code != http.StatusAccepted {
		return 0
	}
	for time.Since(at) < patience {
		a, err := c.ask(call{method: http.MethodGet, path: "/v1/pushes/" + id})
		if err == nil && a.body["status"] == "stopped" {
			return time.Since(at)
		}
		<-time.After(20 * time.Millisecond)
	}
	return 0
}

func TestChaosACancelInAsynqStopsForGood(t *testing.T) {
	beside(t)
	c := newCrowd(t, options{workers: 2})
	c.publish(2)
	inspector := asynq.NewInspectorFromRedisClient(c.redis.Client(t))
	at := time.Now()
	require.NoError(t, inspector.CancelProcessing(c.ids["u0"]+".1"))
	c.waitStatus(c.ids["u0"], "stopped")
	took := time.Since(at)
	ended, err := c.room.WaitEnded(patient(t), "u0")
	require.NoError(t, err)
	require.Equal(t, fakeroom.EndUnpublished, ended.End)
	<-time.After(2*time.Second + sized().quiet) // asynq brings the task back after about a second
	require.Equal(t, "stopped", c.get(c.ids["u0"])["status"])
	require.Len(t, c.of("u0"), 1)
	require.True(t, c.now()["u1"].Live())
	c.requireNeverDoubled()
	result(t, "stopped %v after CancelProcessing, not run again", took.Round(time.Millisecond))
}
