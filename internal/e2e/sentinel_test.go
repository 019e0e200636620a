package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/roomcast/roomcast/internal/redistest"
	"github.com/stretchr/testify/require"
)

// replicated is a master, a replica and three Sentinels.
type replicated struct {
	master, replica *redistest.Server
	sentinels       []*redistest.Server
}

func newReplicated(t *testing.T) *replicated {
	t.Helper()
	r := &replicated{master: redistest.New(t, redistest.Config{})}
	r.replica = redistest.New(t, redistest.Config{Args: []string{"--replicaof", "127.0.0.1", strconv.Itoa(r.master.Port())}})
	waitInfo(t, r.replica, "replication", "master_link_status:up")
	for range 3 {
		r.sentinels = append(r.sentinels, redistest.New(t, redistest.Config{SentinelOf: r.master}))
	}
	for _, s := range r.sentinels {
		for option, value := range map[string]string{"quorum": "2", "down-after-milliseconds": "1000", "failover-timeout": "10000"} {
			require.NoError(t, s.Client(t).Do(t.Context(), "sentinel", "set", "mymaster", option, value).Err())
		}
		waitInfo(t, s, "sentinel", "slaves=1,sentinels=3")
	}
	return r
}

// waitInfo waits until INFO has a text.
func waitInfo(t *testing.T, s *redistest.Server, section, text string) {
	t.Helper()
	client := s.Client(t)
	require.Eventually(t, func() bool {
		info, err := client.Info(context.Background(), section).Result()
		return err == nil && strings.Contains(info, text)
	}, patience, 50*time.Millisecond, text)
}

func (r *replicated) url() string {
	hosts := make([]string, len(r.sentinels))
	for i, s := range r.sentinels {
		hosts[i] = s.Addr()
	}
	return "redis+sentinel://" + strings.Join(hosts, ",") + "/mymaster/0"
}

func TestChaosASentinelFailoverDelaysCreatesAndTouchesNoPush(t *testing.T) {
	beside(t)
	r := newReplicated(t)
	c := newCrowd(t, options{workers: 2, url: r.url()})
	c.publish(sized().pushes)
	before := c.now()
	<-time.After(lease)             // nothing of them is on its way to the replica any more
	for _, s := range r.sentinels { // one whose timers were late by two seconds does nothing for thirty
		waitInfo(t, s, "sentinel", "sentinel_tilt:0")
	}
	killed := time.Now()
	r.master.Kill()
	took, tries := c.createdAfter(killed)
	c.requireUntouched(before)
	<-time.After(afterwards)
	for u, old := range before {
		require.EqualValues(t, 1, c.get(c.ids[u])["attempt"], old)
	}
	gap := c.requireUntouched(before)
	_, err := c.room.WaitMedia(patient(t), "late", time.Second)
	require.NoError(t, err)
	require.Len(t, c.of("late"), 1)
	c.users = append(c.users, "late")
	c.stopAll()
	result(t, "create answered %v after the master was killed (%d requests); %d pushes untouched, longest gap %v",
		took.Round(time.Millisecond), tries, len(before), gap)
}

// createdAfter creates a push, however often it takes, and returns how long
// after the fault it was there.
func (c *crowd) createdAfter(fault time.Time) (took time.Duration, tries int) {
	c.t.Helper()
	body := c.request(c.files.URL+"/a", "late", "late", nil)
	for time.Since(fault) < patience {
		tries++
		a, err := c.ask(call{method: http.MethodPost, path: "/v1/pushes", body: body, key: "late"})
		if err == nil && a.code == http.StatusAccepted {
			took = time.Since(fault)
			c.ids["late"], _ = a.body["id"].(string)
			require.LessOrEqual(c.t, took, 10*time.Second*sized().tolerance)
			return took, tries
		}
		c.t.Log("create: ", fmt.Sprint(a.code, " ", a.raw, " ", err))
		<-time.After(200 * time.Millisecond)
	}
	c.t.Fatal("no create works after the failover")
	return 0, 0
}
