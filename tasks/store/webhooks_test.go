package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redisconn"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
)

const everything = "started reconnecting recovered completed failed stopped"

// told creates a push whose client wants to be told of these events.
func told(t testing.TB, s *store.Store, wanted string) tasks.Push {
	t.Helper()
	n := newPush(t, "u")
	n.Push.Spec.Webhooks, n.Push.Spec.Metadata = strings.Fields(wanted), map[string]string{"course": "42"}
	p, _, err := s.Create(ctx(t), n)
	require.NoError(t, err)
	return p
}

// report is an attempt that renews with events, numbered.
type report struct {
	t       testing.TB
	s       *store.Store
	lease   tasks.Lease
	seq     int64
	started bool
}

func (r *report) renew(state tasks.State, events ...tasks.Event) {
	r.t.Helper()
	require.Equal(r.t, tasks.Kept, renew(r.t, r.s, r.next(state, events)))
}

func (r *report) next(state tasks.State, events []tasks.Event) tasks.Renewal {
	for i := range events {
		r.seq++
		events[i].Seq, events[i].At = r.seq, time.Now()
	}
	next := tasks.Renewal{Lease: r.lease, State: state, Events: events}
	if r.started = r.started || state == tasks.Publishing; r.started {
		next.Started, next.Progress = time.Now(), progress(time.Second)
	}
	return next
}

func troubled(code string) tasks.Event {
	return tasks.Event{Type: tasks.EventTrouble, Side: tasks.SideSource, Code: code}
}
func recovered() tasks.Event { return tasks.Event{Type: tasks.EventRecovered, Code: "x"} }

// outbox empties a push's outbox and returns "type status" of each event, and
// their ids.
func outbox(t testing.TB, s *store.Store, id string) (lines, ids []string) {
	t.Helper()
	bells, err := s.RingOutboxes(ctx(t), 100)
	require.NoError(t, err)
	for _, bell := range bells {
		if bell.ID != id {
			continue
		}
		done := ""
		for {
			w, found, err := s.NextWebhook(ctx(t), bell, done)
			require.NoError(t, err)
			if !found {
				return lines, ids
			}
			require.Equal(t, id, w.Push.ID)
			lines, ids, done = append(lines, w.Type+" "+string(w.Push.State)), append(ids, w.ID), w.ID
		}
	}
	return nil, nil
}

// due makes an outbox due, as time would.
func due(t testing.TB, rdb redisconn.Client, id string) {
	t.Helper()
	require.NoError(t, rdb.Do(ctx(t), "ZADD", "{roomcast}:outboxes", "XX", 1, id).Err())
}

func TestEveryChangeThatIsWantedIsInTheOutboxWithThePushOfThen(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	p := told(t, s, everything)
	r := &report{t: t, s: s, lease: claim(t, s, p, "w")}
	r.renew(tasks.Publishing)
	r.renew(tasks.Reconnecting, troubled("a"))
	r.renew(tasks.Reconnecting, troubled("b"))
	r.renew(tasks.Publishing)
	r.renew(tasks.Publishing, recovered())
	require.NoError(t, finish(t, s, r.lease, tasks.End{State: tasks.Failed, Failure: &tasks.Failure{Code: "c", Message: "m"}}))
	lines, ids := outbox(t, s, p.ID)
	require.Equal(t, []string{
		"push.started publishing", "push.reconnecting reconnecting", "push.recovered publishing", "push.failed failed",
	}, lines)
	require.Equal(t, []string{p.ID + ".started", p.ID + ".1.1", p.ID + ".1.3", p.ID + ".failed"}, ids)
	lines, _ = outbox(t, s, p.ID)
	require.Empty(t, lines)
}

func TestOnlyWhatIsWantedIsInTheOutbox(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	p := told(t, s, "completed")
	r := &report{t: t, s: s, lease: claim(t, s, p, "w")}
	r.renew(tasks.Publishing)
	lines, _ := outbox(t, s, p.ID)
	require.Empty(t, lines)
	require.NoError(t, finish(t, s, r.lease, tasks.End{State: tasks.Completed}))
	lines, _ = outbox(t, s, p.ID)
	require.Equal(t, []string{"push.completed completed"}, lines)

	quiet := create(t, s, "v")
	_, err := s.Stop(ctx(t), quiet.ID)
	require.NoError(t, err)
	keys, err := rdb.Keys(ctx(t), "*"+quiet.ID+"*").Result()
	require.NoError(t, err)
	for _, key := range keys {
		assert.NotContains(t, key, "outbox")
		assert.NotContains(t, key, "delivery")
	}
}

func TestAPushThatStartsAndEndsWithinOneReportHasStarted(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	p := told(t, s, everything)
	l := claim(t, s, p, "w")
	require.NoError(t, finish(t, s, l, tasks.End{State: tasks.Completed, LastReport: tasks.LastReport{Events: []tasks.Event{
		{Type: tasks.EventState, State: tasks.Publishing, Seq: 1, At: time.Now()},
	}}}))
	lines, _ := outbox(t, s, p.ID)
	require.Equal(t, []string{"push.started publishing", "push.completed completed"}, lines)
}

func TestAVanishedWorkerIsOneInterruption(t *testing.T) {
	s, _ := fresh(t, store.Config{Lease: short, Grace: short})
	p := told(t, s, everything)
	r := &report{t: t, s: s, lease: claim(t, s, p, "w")}
	r.renew(tasks.Publishing)
	next := takeover(t, s, expired(t, s, 1)[0])
	e := expired(t, s, 1)[0]
	require.NoError(t, s.Defer(ctx(t), e, time.Minute))
	p.Epoch = next
	second := &report{t: t, s: s, lease: claim(t, s, p, "x")}
	second.renew(tasks.Publishing)
	lines, _ := outbox(t, s, p.ID)
	require.Equal(t, []string{"push.started publishing", "push.reconnecting queued", "push.recovered publishing"}, lines)
}

func TestAHandoverIsNoInterruption(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	p := told(t, s, everything)
	r := &report{t: t, s: s, lease: claim(t, s, p, "w")}
	r.renew(tasks.Publishing)
	next, err := s.Release(ctx(t), r.lease, tasks.LastReport{Progress: progress(time.Second)})
	require.NoError(t, err)
	p.Epoch = next
	second := &report{t: t, s: s, lease: claim(t, s, p, "x")}
	second.renew(tasks.Publishing)
	lines, _ := outbox(t, s, p.ID)
	require.Equal(t, []string{"push.started publishing"}, lines)
}

func TestATroubleThatALaterAttemptTakesOnIsToldOnce(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	p := told(t, s, everything)
	r := &report{t: t, s: s, lease: claim(t, s, p, "w")}
	r.renew(tasks.Publishing)
	r.renew(tasks.Reconnecting, troubled("a"))
	next, err := s.Release(ctx(t), r.lease, tasks.LastReport{Progress: progress(time.Second)})
	require.NoError(t, err)
	p.Epoch = next
	second := &report{t: t, s: s, lease: claim(t, s, p, "x")}
	second.renew(tasks.Reconnecting, troubled("a"))
	second.renew(tasks.Publishing)
	second.renew(tasks.Publishing, recovered())
	second.renew(tasks.Reconnecting, troubled("c"))
	lines, _ := outbox(t, s, p.ID)
	require.Equal(t, []string{
		"push.started publishing", "push.reconnecting reconnecting", "push.recovered publishing", "push.reconnecting reconnecting",
	}, lines)
}

func TestOnlyAnInterruptionOfAPushThatHasStartedIsTold(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	p := told(t, s, everything)
	r := &report{t: t, s: s, lease: claim(t, s, p, "w")}
	r.renew(tasks.Starting, troubled("source slow to open"))
	r.renew(tasks.Reconnecting, troubled("source away"))
	r.renew(tasks.Publishing)
	r.renew(tasks.Publishing, recovered())
	r.renew(tasks.Publishing, troubled("packets dropped"))
	r.renew(tasks.Publishing, recovered())
	lines, _ := outbox(t, s, p.ID)
	require.Equal(t, []string{"push.started publishing"}, lines)

	r.renew(tasks.Publishing, troubled("packets dropped"))
	r.renew(tasks.Reconnecting) // by the same trouble, which is no new event
	r.renew(tasks.Reconnecting, troubled("source away"))
	r.renew(tasks.Publishing, recovered())
	lines, _ = outbox(t, s, p.ID)
	require.Equal(t, []string{"push.reconnecting reconnecting", "push.recovered publishing"}, lines)
}

func TestAfterAFlushARecoveryFromWhatWasNotToldIsNotTold(t *testing.T) {
	for _, state := range []tasks.State{tasks.Starting, tasks.Publishing} {
		t.Run(string(state), func(t *testing.T) {
			s, rdb := fresh(t, store.Config{})
			p := told(t, s, everything)
			r := &report{t: t, s: s, lease: claim(t, s, p, "w")}
			r.renew(state, troubled("a"))
			registration := tasks.Registration{Push: get(t, s, p.ID), Envelope: "sealed"}
			registration.Push.Trouble = &tasks.Trouble{Side: tasks.SideSource, Code: "a"}
			flush(t, rdb)
			require.Equal(t, tasks.Kept, register(t, s, registration))
			r.renew(tasks.Publishing, recovered())
			lines, _ := outbox(t, s, p.ID)
			require.NotContains(t, lines, "push.recovered publishing")
		})
	}
}

func TestTheOldestGoWhenThereAreTooMany(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	p := told(t, s, everything)
	r := &report{t: t, s: s, lease: claim(t, s, p, "w")}
	r.renew(tasks.Publishing)
	for range 60 {
		r.renew(tasks.Reconnecting, troubled("a"))
		r.renew(tasks.Publishing, recovered())
	}
	require.EqualValues(t, 21, get(t, s, p.ID).WebhooksLost)
	lines, _ := outbox(t, s, p.ID)
	require.Len(t, lines, 100)
	require.Equal(t, "push.reconnecting reconnecting", lines[0])
}

func TestTheNewestProgressTakesThePlaceOfTheOneBefore(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	p := told(t, s, "progress completed")
	r := &report{t: t, s: s, lease: claim(t, s, p, "w")}
	for i := range 3 {
		next := r.next(tasks.Publishing, nil)
		next.Progress = progress(time.Duration(i+1) * time.Minute)
		require.Equal(t, tasks.Kept, renew(t, s, next))
		require.NoError(t, rdb.HSet(ctx(t), "{roomcast}:push:"+p.ID, "webhook_progress_at", "1").Err()) // ten seconds later
	}
	bells, err := s.RingOutboxes(ctx(t), 1)
	require.NoError(t, err)
	require.Len(t, bells, 1)
	w, found, err := s.NextWebhook(ctx(t), bells[0], "")
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, 3*time.Minute, w.Push.Progress.Position)
	require.NoError(t, s.Undelivered(ctx(t), bells[0], tasks.Undelivered{Webhook: w.ID, Answer: "no", Dead: true}))
	_, found, err = s.NextWebhook(ctx(t), bells[0], "")
	require.NoError(t, err)
	require.False(t, found, "it is not tried again")

	r.renew(tasks.Publishing)
	r.renew(tasks.Publishing) // within ten seconds
	require.NoError(t, finish(t, s, r.lease, tasks.End{State: tasks.Completed}))
	lines, _ := outbox(t, s, p.ID)
	require.Equal(t, []string{"push.completed completed"}, lines, "the end says more")
}

func TestABellThatNobodyHeardKeepsItsNumber(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	p := told(t, s, everything)
	_, err := s.Stop(ctx(t), p.ID)
	require.NoError(t, err)
	ring := func() []tasks.WebhookTask {
		bells, err := s.RingOutboxes(ctx(t), 10)
		require.NoError(t, err)
		return bells
	}
	first := ring()
	require.Equal(t, []tasks.WebhookTask{{ID: p.ID, N: 1}}, first)
	require.Empty(t, ring(), "whoever hears it has some time")
	due(t, rdb, p.ID)
	require.Equal(t, first, ring())

	w, found, err := s.NextWebhook(ctx(t), first[0], "")
	require.NoError(t, err)
	require.True(t, found)
	due(t, rdb, p.ID) // who heard it has vanished
	second := ring()
	require.Equal(t, []tasks.WebhookTask{{ID: p.ID, N: 2}}, second)
	_, _, err = s.NextWebhook(ctx(t), first[0], w.ID)
	require.ErrorIs(t, err, tasks.ErrStale)
	require.ErrorIs(t, s.Undelivered(ctx(t), first[0], tasks.Undelivered{Webhook: w.ID, Answer: "no"}), tasks.ErrStale)
	again, found, err := s.NextWebhook(ctx(t), second[0], "")
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, w, again)
	_, found, err = s.NextWebhook(ctx(t), second[0], w.ID)
	require.NoError(t, err)
	require.False(t, found)
	due(t, rdb, p.ID)
	require.Empty(t, ring(), "an empty outbox is left")
}

func TestAnOutboxThatNobodyEmptiesExpires(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	p := told(t, s, everything+" progress")
	r := &report{t: t, s: s, lease: claim(t, s, p, "w")}
	list, delivery := "{roomcast}:outbox:"+p.ID, "{roomcast}:delivery:"+p.ID
	lasts := func(key string, want time.Duration, when string) {
		t.Helper()
		ttl, err := rdb.PTTL(ctx(t), key).Result()
		require.NoError(t, err)
		require.InDelta(t, want.Minutes(), ttl.Minutes(), 1, "%s: %v", when, ttl)
	}
	r.renew(tasks.Publishing)
	lasts(list, 72*time.Hour, "told")
	lasts(delivery, 72*time.Hour, "progress")
	require.NoError(t, rdb.Persist(ctx(t), delivery).Err())
	bells, err := s.RingOutboxes(ctx(t), 1)
	require.NoError(t, err)
	require.Len(t, bells, 1)
	lasts(delivery, 72*time.Hour, "rung for")
	w, _, err := s.NextWebhook(ctx(t), bells[0], "")
	require.NoError(t, err)
	require.NoError(t, s.Undelivered(ctx(t), bells[0], tasks.Undelivered{Webhook: w.ID, Answer: "no", Dead: true}))
	require.NoError(t, s.ResendWebhook(ctx(t), w.ID))
	lasts(list, 72*time.Hour, "sent again")
	require.NoError(t, s.Undelivered(ctx(t), bells[0], tasks.Undelivered{Webhook: w.ID, Answer: "no"}))
	lasts(list, 72*time.Hour, "failed")
	due(t, rdb, p.ID)
	outbox(t, s, p.ID)
	lasts(delivery, time.Hour, "emptied")

	_, err = s.Stop(ctx(t), p.ID)
	require.NoError(t, err)
	require.NoError(t, finish(t, s, r.lease, tasks.End{State: tasks.Stopped}))
	require.NoError(t, rdb.Del(ctx(t), list, delivery).Err()) // three days later
	bells, err = s.RingOutboxes(ctx(t), 1)
	require.NoError(t, err)
	require.Empty(t, bells)
	require.Zero(t, rdb.ZCard(ctx(t), "{roomcast}:outboxes").Val(), "there is nothing to be due")
}

func TestADeadWebhookIsListedAndCanBeSentAgain(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	p := told(t, s, everything)
	_, err := s.Stop(ctx(t), p.ID)
	require.NoError(t, err)
	bells, err := s.RingOutboxes(ctx(t), 10)
	require.NoError(t, err)
	w, _, err := s.NextWebhook(ctx(t), bells[0], "")
	require.NoError(t, err)
	for i, dead := range []bool{false, true} {
		require.NoError(t, s.Undelivered(ctx(t), bells[0], tasks.Undelivered{Webhook: w.ID, Answer: fmt.Sprint("no ", i), Dead: dead}))
	}
	list, err := s.DeadWebhooks(ctx(t), 10)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.WithinDuration(t, time.Now(), list[0].DiedAt, time.Minute)
	list[0].DiedAt = time.Time{}
	require.Equal(t, tasks.DeadWebhook{ID: p.ID + ".stopped", PushID: p.ID, Type: "push.stopped", At: w.At, Tries: 2, Answer: "no 1"}, list[0])
	_, found, err := s.NextWebhook(ctx(t), bells[0], "")
	require.NoError(t, err)
	require.False(t, found)

	require.NoError(t, s.ResendWebhook(ctx(t), w.ID))
	require.Equal(t, tasks.CodeNotFound, tasks.CodeOf(s.ResendWebhook(ctx(t), w.ID)))
	require.Equal(t, tasks.CodeNotFound, tasks.CodeOf(s.ResendWebhook(ctx(t), "x")))
	list, err = s.DeadWebhooks(ctx(t), 10)
	require.NoError(t, err)
	require.Empty(t, list)
	bells, err = s.RingOutboxes(ctx(t), 10)
	require.NoError(t, err)
	again, found, err := s.NextWebhook(ctx(t), bells[0], "")
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, w.ID, again.ID)
	require.Zero(t, again.Failures)
	require.True(t, !again.Since.Before(w.Since))
}

func TestAfterAFlushNothingIsToldTwiceUnderANewID(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	p := told(t, s, everything)
	r := &report{t: t, s: s, lease: claim(t, s, p, "w")}
	r.renew(tasks.Publishing)
	r.renew(tasks.Reconnecting, troubled("a"))
	_, before := outbox(t, s, p.ID)
	registration := tasks.Registration{Push: get(t, s, p.ID), Envelope: "sealed"}
	registration.Push.Trouble = &tasks.Trouble{Side: tasks.SideSource, Code: "a"}
	// What the worker does not know to be stored it tells again, under its number.
	registration.Events = []tasks.Event{{Type: tasks.EventTrouble, Side: tasks.SideSource, Code: "a", Seq: 1, At: time.Now()}}
	flush(t, rdb)
	require.Equal(t, tasks.Kept, register(t, s, registration))
	r.renew(tasks.Publishing, recovered())
	require.NoError(t, finish(t, s, r.lease, tasks.End{State: tasks.Completed}))
	lines, after := outbox(t, s, p.ID)
	require.Equal(t, []string{"push.reconnecting reconnecting", "push.recovered publishing", "push.completed completed"}, lines)
	require.Equal(t, before[1], after[0], "the same event has the same id")
	require.NotContains(t, after[1:], before[0])
}

func TestAWebhookOutlivesTheRecordOfItsPush(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	p := told(t, s, everything)
	_, err := s.Stop(ctx(t), p.ID)
	require.NoError(t, err)
	require.NoError(t, rdb.Del(ctx(t), "{roomcast}:push:"+p.ID).Err())
	bells, err := s.RingOutboxes(ctx(t), 10)
	require.NoError(t, err)
	w, found, err := s.NextWebhook(ctx(t), bells[0], "")
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, p.Spec, w.Push.Spec)
	require.Equal(t, tasks.Stopped, w.Push.State)
	require.Empty(t, w.Push.Warnings)
}

func TestListsAreFilteredByLabels(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	create(t, s, "other")
	p := told(t, s, everything)
	for value, want := range map[string]int{"42": 1, "43": 0, "": 0} {
		page, err := s.List(ctx(t), tasks.Filter{Limit: 10, Metadata: map[string]string{"course": value}})
		require.NoError(t, err)
		require.Len(t, page.Pushes, want, value)
		if want == 1 {
			require.Equal(t, p.ID, page.Pushes[0].ID)
		}
	}
}
