package e2e

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/roomcast/roomcast/internal/redistest"
	"github.com/roomcast/roomcast/media/fakeroom"
	"github.com/stretchr/testify/require"
)

// afterwards is how long after an outage a wrong takeover could still come:
// the hold-off of two leases, two looks and a start.
const afterwards = 2*lease + 4*time.Second

func TestChaosNoPushNoticesThatRedisIsAway(t *testing.T) {
	beside(t)
	c := newCrowd(t, options{workers: 2, redis: redistest.Config{AppendOnly: true}})
	c.publish(sized().pushes)
	before := c.now()
	for _, outage := range sized().outages {
		require.NoError(t, c.redis.Stop())
		<-time.After(outage)
		require.NoError(t, c.redis.Cont())
		c.requireUninterrupted(t, before, "SIGSTOP for "+outage.String())
	}
	c.redis.Kill()
	<-time.After(2 * time.Second)
	require.NoError(t, c.redis.Restart())
	c.requireUninterrupted(t, before, "killed and restarted from its file")
	c.stopAll()
}

// requireUninterrupted fails unless an outage has interrupted nothing, and does so
// neither later on.
func (c *crowd) requireUninterrupted(t *testing.T, before map[string]fakeroom.Session, what string) {
	t.Helper()
	c.requireUntouched(before)
	<-time.After(afterwards)
	gap := c.requireUntouched(before)
	for _, u := range c.users {
		require.EqualValues(t, 1, c.get(c.ids[u])["attempt"])
	}
	result(t, "%s: %d pushes, none interrupted, none doubled, longest gap %v", what, len(c.users), gap.Round(time.Millisecond))
}

func TestChaosPushesOutliveTheDataOfRedis(t *testing.T) {
	beside(t)
	c := newCrowd(t, options{})
	c.publish(5)
	before := c.now()
	lost := time.Now()
	require.NoError(t, c.redis.Client(t).FlushAll(t.Context()).Err())
	var listed []string
	require.Eventually(t, func() bool {
		listed = c.listed()
		return len(listed) == 5
	}, patience, 50*time.Millisecond, "listed again: %v", &listed)
	took := time.Since(lost)
	for _, u := range c.users {
		require.Contains(t, listed, c.ids[u])
	}
	c.requireUntouched(before)
	c.stop(c.ids["u0"])
	c.waitStatus(c.ids["u0"], "stopped")
	ended, err := c.room.WaitEnded(patient(t), "u0")
	require.NoError(t, err)
	require.Equal(t, fakeroom.EndUnpublished, ended.End)
	<-time.After(afterwards)
	delete(before, "u0")
	c.users = c.users[1:]
	gap := c.requireUntouched(before)
	c.stopAll()
	result(t, "5 pushes listed again after %v, none interrupted, longest gap %v, all stopped", took.Round(time.Millisecond), gap)
}

// listed returns the ids of the pushes that the API lists.
func (c *crowd) listed() []string {
	var ids []string
	pushes, _ := c.do(http.MethodGet, "/v1/pushes", nil).body["pushes"].([]any)
	for _, p := range pushes {
		id, _ := p.(map[string]any)["id"].(string)
		ids = append(ids, id)
	}
	return ids
}

func TestChaosOneKeyMakesOnePush(t *testing.T) {
	beside(t)
	c := newCrowd(t, options{})
	body := c.request(c.files.URL+"/a", "r", "u", nil)
	answers := make([]answer, 100)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() {
			answers[i], _ = c.ask(call{method: http.MethodPost, path: "/v1/pushes", body: body, key: "one"})
		})
	}
	all.Wait()
	ids := map[any]int{}
	for _, a := range answers {
		require.Equal(t, http.StatusAccepted, a.code, a.raw)
		ids[a.body["id"]]++
	}
	require.Len(t, ids, 1)
	require.Len(t, c.listed(), 1)
	_, err := c.room.WaitMedia(patient(t), "u", time.Second)
	require.NoError(t, err)
	require.Len(t, c.of("u"), 1)
	other := c.request(c.files.URL+"/a", "r2", "u2", nil)
	a, err := c.ask(call{method: http.MethodPost, path: "/v1/pushes", body: other, key: "one"})
	require.NoError(t, err)
	require.Equal(t, http.StatusUnprocessableEntity, a.code, a.raw)
	result(t, "100 POSTs with one Idempotency-Key: %d push, another body: %d", len(ids), a.code)
}

// keysBut returns the keys of our Redis that are not allowed.
func (s *stack) keysBut(allowed func(string) bool) []string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	keys, err := s.redis.Client(s.t).Keys(ctx, "*").Result()
	require.NoError(s.t, err)
	return slices.DeleteFunc(keys, allowed)
}
