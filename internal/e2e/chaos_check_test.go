package e2e

import (
	"net/http"
	"slices"
	"time"

	"github.com/roomcast/roomcast/media/fakeroom"
	"github.com/stretchr/testify/require"
)

// attempt is a worker's word that it has begun one.
type attempt struct {
	push, user string
	epoch      int64
	by         *hand
	at         time.Time
}

// attempts reads the workers' logs.
func (c *chaos) attempts() []attempt {
	c.mu.Lock()
	users := map[string]string{}
	for u, w := range c.asked {
		users[w.id] = u
	}
	c.mu.Unlock()
	var all []attempt
	for _, h := range c.hands {
		for _, line := range h.named("attempt started") {
			a := attempt{by: h}
			a.push, _ = line["push_id"].(string)
			epoch, _ := line["epoch"].(float64)
			a.at, a.epoch, a.user = parsed(line["time"]), int64(epoch), users[a.push]
			all = append(all, a)
		}
	}
	return all
}

// requireAllPublish waits until every push that nobody has stopped publishes
// and every other one is stopped.
func (c *chaos) requireAllPublish() {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, u := range c.users {
		w := c.asked[u]
		require.NotEmpty(c.t, w.id, "%s was never promised", u)
		c.ids[u] = w.id
		if w.stopping {
			require.NotZero(c.t, w.stopped, "the stop of %s was never promised", u)
			c.requireStopped(u, w)
			continue
		}
		p := c.waitFor(w.id, "publishing of "+u, func(p map[string]any) bool {
			s, _ := c.room.Session(u)
			return p["status"] == "publishing" && s.ID != 0 && s.Live() || ended(p)
		})
		require.True(c.t, !ended(p) || w.thrownOut(p), "%s is lost: %v", u, p)
	}
}

// requireStopped waits until w has ended, by the stop or because its user was
// thrown out before.
func (c *chaos) requireStopped(user string, w *asked) {
	c.t.Helper()
	p := c.waitStatus(w.id, "stopped", "failed", "completed")
	require.True(c.t, p["status"] == "stopped" || w.thrownOut(p), "%s: %v", user, p)
}

// thrownOut says whether p failed because another publisher came.
func (w *asked) thrownOut(p map[string]any) bool {
	failure, _ := p["error"].(map[string]any)
	return w.kicked && p["status"] == "failed" && failure["code"] == "conflict"
}

// ended says whether a push is over.
func ended(push map[string]any) bool {
	return push["status"] == "failed" || push["status"] == "completed" || push["status"] == "stopped"
}

// check reads what happened in the room and in the logs and fails at the first
// thing that must not happen. It returns how many sessions it has seen.
func (c *chaos) check() int {
	c.t.Helper()
	attempts := c.attempts()
	c.checkEpochs(attempts)
	for _, u := range c.users {
		c.checkUser(u, attempts)
	}
	for _, h := range c.hands {
		require.True(c.t, h.gone || h.alive(), "%s ended by itself: %v\n%s", h.name, h.err, h.tail())
	}
	require.Len(c.t, c.pushesInTheList(attempts), len(c.users), "one push for each create")
	return len(c.room.Sessions())
}

// checkEpochs: an epoch belongs to one worker and is begun once.
func (c *chaos) checkEpochs(attempts []attempt) {
	c.t.Helper()
	type number struct {
		push  string
		epoch int64
	}
	seen := map[number]attempt{}
	for _, a := range attempts {
		n := number{a.push, a.epoch}
		first, twice := seen[n]
		require.False(c.t, twice, "attempt %d of %s began in %v and in %v", a.epoch, a.user, first, a)
		seen[n] = a
	}
}

// checkUser: every session belongs to the attempt that its worker had then,
// epochs never fall from session to session, a session of a user who publishes
// already is of a higher epoch, and none begins after a stop was promised.
func (c *chaos) checkUser(user string, attempts []attempt) {
	c.t.Helper()
	history := []fakeroom.Session{}
	epoch := int64(0)
	for _, s := range c.of(user) {
		a, ok := ownerOf(s, attempts)
		require.True(c.t, ok, "nobody's session: %+v", s)
		require.GreaterOrEqual(c.t, a.epoch, epoch, "attempt %d of %s opened the room after a newer one: %v", a.epoch, user, c.room.History())
		for _, before := range history {
			if before.EndedAt.IsZero() || before.EndedAt.After(s.StartedAt) {
				require.Greater(c.t, a.epoch, epoch, "attempt %d published twice at a time: %+v beside %+v", a.epoch, s, before)
			}
		}
		c.mu.Lock()
		stopped := c.asked[user].stopped
		c.mu.Unlock()
		if !stopped.IsZero() {
			require.Less(c.t, s.StartedAt, stopped.Add(undoneAfter), "the stop of %s was undone", user)
		}
		history, epoch = append(history, s), a.epoch
	}
}

// undoneAfter is how long after a stop was promised a worker that has not heard
// of it, with a lease still fresh, may begin a session.
const undoneAfter = lease + time.Second

// ownerOf is the attempt of a session: the newest one of its user that its
// worker had begun.
func ownerOf(s fakeroom.Session, attempts []attempt) (attempt, bool) {
	var newest attempt
	for _, a := range attempts {
		if a.user == s.User && a.by.room.Owns(s.Remote) && a.at.Before(s.StartedAt) && a.epoch > newest.epoch {
			newest = a
		}
	}
	return newest, newest.epoch > 0
}

// pushesInTheList are those that a client was told the id of. A create that was
// answered with 503 may have left a push that says so, and was never played.
func (c *chaos) pushesInTheList(attempts []attempt) []string {
	var ids []string
	for cursor := ""; ; {
		a := c.do(http.MethodGet, "/v1/pushes?limit=100&cursor="+cursor, nil)
		pushes, _ := a.body["pushes"].([]any)
		for _, p := range pushes {
			push, _ := p.(map[string]any)
			id, _ := push["id"].(string)
			if failed, _ := push["error"].(map[string]any); failed["code"] == "redis_unavailable" || failed["code"] == "queue_unavailable" {
				played := slices.ContainsFunc(attempts, func(a attempt) bool { return a.push == id })
				require.False(c.t, played, "%s was answered with 503 and played", id)
				continue
			}
			ids = append(ids, id)
		}
		if cursor, _ = a.body["nextCursor"].(string); cursor == "" {
			return slices.Compact(slices.Sorted(slices.Values(ids)))
		}
	}
}

// stopEverything ends the pushes and fails if something is left behind.
func (c *chaos) stopEverything() {
	c.t.Helper()
	for _, u := range c.users {
		c.stop(c.asked[u].id)
	}
	for _, u := range c.users {
		c.requireStopped(u, c.asked[u])
	}
	c.requireNobodyPublishes()
}
