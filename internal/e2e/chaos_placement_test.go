package e2e

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestChaosAPushWaitsForASlotAndSaysSo(t *testing.T) {
	beside(t)
	c := newCrowd(t, options{env: []string{"ROOMCAST_WORKER_SLOTS=1"}})
	c.publish(1)
	id := c.add("second", c.files.URL+"/a")
	at := time.Now()
	c.requireTrouble(id, "no_free_slot")
	said := time.Since(at)
	require.Equal(t, "queued", c.get(id)["status"])
	shown := c.do(http.MethodGet, "/v1/pushes/"+id, nil).raw
	require.Contains(t, shown, "no_free_slot", "the push does not say why it waits")
	freed := time.Now()
	c.stop(c.ids["u0"])
	s, err := c.room.WaitMedia(patient(t), "second", 100*time.Millisecond)
	require.NoError(t, err)
	require.Nil(t, c.waitStatus(id, "publishing")["waiting"])
	took := firstAt(s).Sub(freed)
	require.LessOrEqual(t, took, 5*time.Second*sized().tolerance)
	result(t, "said after %v, started %v after a slot was free", said.Round(time.Millisecond), took.Round(time.Millisecond))
}

func TestChaosAPushWaitsForAWorkerAndSaysSo(t *testing.T) {
	beside(t)
	c := newCrowd(t, options{workers: -1})
	at := time.Now()
	id := c.add("u", c.files.URL+"/a")
	c.requireTrouble(id, "no_worker")
	said := time.Since(at)
	require.LessOrEqual(t, said, 3*time.Second*sized().tolerance)
	require.Equal(t, "queued", c.get(id)["status"])
	c.addWorker()
	c.waitStatus(id, "publishing")
	result(t, "said after %v, started with a worker", said.Round(time.Millisecond))
}

// A worker with another secret key, as after a rotation in the wrong order, must
// not lose what it cannot open: neither a new push nor one that is handed over.
func TestChaosAWorkerWithoutTheSecretKeyLosesNoPush(t *testing.T) {
	beside(t)
	c := newCrowd(t, options{workers: -1})
	c.addWorker("ROOMCAST_SECRET_KEY=" + base64.StdEncoding.EncodeToString(make([]byte, 32)))
	id := c.add("u", c.files.URL+"/a")
	c.requireTrouble(id, "no_key")
	require.Equal(t, "queued", c.get(id)["status"])
	right := c.addWorker()
	c.waitStatus(id, "publishing")
	require.Zero(t, right.end(t))
	c.waitFor(id, "the next attempt wait, and say why", func(p map[string]any) bool {
		return p["status"] == "queued" && p["attempt"] == 2.0 && strings.Contains(fmt.Sprint(p["trouble"]), "no_key")
	})
	c.addWorker()
	push := c.waitStatus(id, "publishing")
	require.EqualValues(t, 2, push["attempt"])
	require.Empty(t, c.workers[0].named("attempt started"))
	c.requireNeverDoubled()
	result(t, "it waited for a worker with the key, twice")
}

// requireTrouble waits for a warning event of a push that waits.
func (s *stack) requireTrouble(id, code string) {
	s.t.Helper()
	var last string
	require.Eventually(s.t, func() bool {
		last = s.do(http.MethodGet, "/v1/pushes/"+id+"/events", nil).raw
		return strings.Contains(last, `"trouble"`) && strings.Contains(last, code)
	}, patience, 50*time.Millisecond, "events: %s", &last)
}

// A source that kills whoever fetches it. Its neighbours are one that has
// published for long and two that have not.
func TestChaosAPoisonedPushFailsAlone(t *testing.T) {
	beside(t)
	c := newCrowd(t, options{workers: -1})
	killers := make(chan string, 100)
	poison := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		killers <- strings.TrimPrefix(r.URL.Path, "/")
		<-r.Context().Done() // until its worker is no more
	}))
	defer poison.Close()
	c.addWorker()
	c.publish(1)
	_, err := c.room.WaitMedia(patient(t), "u0", 11*time.Second)
	require.NoError(t, err)
	c.publish(2) // onto the same worker
	id := c.add("poison", poison.URL+"/poison")
	for range 3 { // whatever the three neighbours take, one worker is empty
		c.addWorker()
	}
	deaths := c.killClaimants(id, killers)
	push := c.get(id)
	failure, _ := push["error"].(map[string]any)
	require.Equal(t, "poisoned", failure["code"], push)
	require.Equal(t, 3, deaths)
	c.users = c.users[:3]
	for _, u := range c.users {
		c.waitStatus(c.ids[u], "publishing", "failed", "completed", "stopped")
	}
	c.requireProgress()
	c.requireNeverDoubled()
	result(t, "failed as poisoned after %d deaths, 3 neighbours publish", deaths)
}

// killClaimants kills the worker of a push each time its source is fetched,
// and replaces it, until the push has ended; it returns how many died.
func (c *crowd) killClaimants(id string, fetched <-chan string) int {
	c.t.Helper()
	deaths := 0
	limit := time.After(3 * patience)
	for {
		select {
		case <-fetched:
			if w := c.claimant(id); w != nil {
				w.kill()
				deaths++
				c.addWorker()
			}
		case <-time.After(100 * time.Millisecond):
			if ended(c.get(id)) {
				return deaths
			}
		case <-limit:
			c.t.Fatalf("not ended after %d deaths: %v", deaths, c.get(id))
		}
	}
}

// claimant is the living worker that has claimed a push, if there is one.
func (c *crowd) claimant(id string) *process {
	name := c.get(id)["worker"]
	for _, w := range c.workers {
		if w.waitLine(c.t, "worker started")["worker"] == name && w.alive() {
			return w
		}
	}
	return nil
}
