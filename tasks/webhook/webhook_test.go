package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redisconn"
	"github.com/roomcast/roomcast/internal/redistest"
	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/secret"
	"github.com/roomcast/roomcast/tasks/store"
	"github.com/roomcast/roomcast/tasks/webhook"
)

const (
	oldSecret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
	newSecret = "whsec_YWJjZGVmZ2hpamFiY2RlZmdoaWphYmNkZWZnaGlqYWI="
	token     = "canary-callback-token"
)

var server *redistest.Server

func TestMain(m *testing.M) {
	os.Exit(redistest.Run(m, func(s *redistest.Server) { server = s }))
}

func ctx(t testing.TB) context.Context {
	c, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return c
}

// got is what a receiver got.
type got struct {
	header http.Header
	body   []byte
}

// receiver answers with what answer returns, and remembers what it got.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	all    []got
	answer func(w http.ResponseWriter, r *http.Request)
}

func newReceiver(t testing.TB) *receiver {
	r := &receiver{answer: func(http.ResponseWriter, *http.Request) {}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		r.all = append(r.all, got{req.Header.Clone(), body})
		answer := r.answer
		r.mu.Unlock()
		answer(w, req)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) answers(f func(w http.ResponseWriter, r *http.Request)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

func status(code int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// types of what came, in order.
func (r *receiver) types(t testing.TB) []string {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var types []string
	for _, g := range r.all {
		var body struct{ Type string }
		require.NoError(t, json.Unmarshal(g.body, &body))
		types = append(types, body.Type)
	}
	return types
}

// scene is a store with a push, and deliverers of it.
type scene struct {
	t      testing.TB
	store  *store.Store
	rdb    redisconn.Client
	sealer *secret.Sealer
	push   tasks.Push
	log    bytes.Buffer
	now    time.Time // of the deliverers; zero: the real one
	cfg    webhook.Config
}

func newScene(t testing.TB, callback string, wanted ...string) *scene {
	t.Helper()
	rdb := server.Fresh(t)
	s := &scene{t: t, rdb: rdb, store: store.New(rdb, store.Config{Lease: time.Hour})}
	var err error
	s.sealer, err = secret.New(secret.Key{1})
	require.NoError(t, err)
	s.create(callback, "u", wanted...)
	s.cfg = webhook.Config{
		Store: s.store, Opener: s.sealer, View: func(p tasks.Push) any { return map[string]any{"id": p.ID, "status": p.State} },
		Secrets: []string{newSecret, oldSecret}, Own: forbidden, Guarded: &http.Client{},
		Log: slog.New(slog.NewTextHandler(&s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now: func() time.Time {
			if s.now.IsZero() {
				return time.Now()
			}
			return s.now
		},
	}
	return s
}

// create makes a push that the scene is about from now on; wanted: all but
// progress.
func (s *scene) create(callback, user string, wanted ...string) {
	s.t.Helper()
	if len(wanted) == 0 {
		wanted = []string{"started", "reconnecting", "recovered", "stopped", "completed", "failed"}
	}
	id, err := uuid.NewV7()
	require.NoError(s.t, err)
	sealed := ""
	if callback != "" {
		sealed, err = s.sealer.Seal(tasks.CallbackName(id.String()), tasks.Secrets{CallbackURL: media.Secret(callback)})
		require.NoError(s.t, err)
	}
	s.push, _, err = s.store.Create(ctx(s.t), tasks.NewPush{Envelope: "sealed", Push: tasks.Push{ID: id.String(), Spec: tasks.Spec{
		SDKAppID: 1, RoomID: "r", UserID: user, Callback: sealed, Webhooks: wanted,
	}}})
	require.NoError(s.t, err)
}

// forbidden is a client that goes nowhere.
var forbidden = &http.Client{Transport: refusing{}}

func (s *scene) deliverer() *webhook.Deliverer {
	s.t.Helper()
	d, err := webhook.New(s.cfg)
	require.NoError(s.t, err)
	return d
}

// happen lets the push start, and reconnect and recover so many times.
func (s *scene) happen(troubles int) {
	s.t.Helper()
	l := tasks.Lease{ID: s.push.ID, Epoch: 1, Worker: "w"}
	answers, err := s.store.Claims(ctx(s.t), []tasks.Claim{{Lease: l}})
	require.NoError(s.t, err)
	require.NoError(s.t, answers[0].Err)
	renew := func(state tasks.State, events ...tasks.Event) {
		_, err := s.store.Renew(ctx(s.t), tasks.WorkerReport{Name: "w"}, []tasks.Renewal{{Lease: l, State: state, Started: time.Now(), Events: events}})
		require.NoError(s.t, err)
	}
	renew(tasks.Publishing)
	for i := range int64(troubles) {
		renew(tasks.Reconnecting, tasks.Event{Type: tasks.EventTrouble, Seq: 2*i + 1, At: time.Now()})
		renew(tasks.Publishing, tasks.Event{Type: tasks.EventRecovered, Seq: 2*i + 2, At: time.Now()})
	}
}

// ring makes the outbox due and returns its bell.
func (s *scene) ring() tasks.WebhookTask {
	s.t.Helper()
	require.NoError(s.t, s.rdb.Do(ctx(s.t), "ZADD", "{roomcast}:outboxes", "XX", 1, s.push.ID).Err())
	bells, err := s.store.RingOutboxes(ctx(s.t), 10)
	require.NoError(s.t, err)
	require.Len(s.t, bells, 1)
	return bells[0]
}

// wait is how long the outbox waits from now on; found false: it is empty.
func (s *scene) wait() (wait time.Duration, found bool) {
	s.t.Helper()
	list, err := s.rdb.ZRangeWithScores(ctx(s.t), "{roomcast}:outboxes", 0, -1).Result()
	require.NoError(s.t, err)
	if len(list) == 0 {
		return 0, false
	}
	return time.Until(time.UnixMilli(int64(list[0].Score))), true
}

func TestEventsAreDeliveredInOrderAndSigned(t *testing.T) {
	r := newReceiver(t)
	s := newScene(t, r.URL+"/hook?token="+token)
	s.happen(2)
	tried := map[tasks.WebhookOutcome]int{}
	s.cfg.Tried = func(_ string, became tasks.WebhookOutcome) { tried[became]++ }
	d := s.deliverer()
	require.NoError(t, d.Deliver(ctx(t), s.ring()))
	require.Equal(t, []string{"push.started", "push.reconnecting", "push.recovered", "push.reconnecting", "push.recovered"}, r.types(t))
	_, found := s.wait()
	require.False(t, found)
	for _, g := range r.all {
		assert.Equal(t, "application/json", g.header.Get("Content-Type"))
		for _, key := range []string{newSecret, oldSecret} {
			verifier, err := standardwebhooks.NewWebhook(key)
			require.NoError(t, err)
			require.NoError(t, verifier.Verify(g.body, g.header))
			require.Error(t, verifier.Verify(append(g.body, ' '), g.header))
		}
	}
	var first struct {
		Type      string
		Timestamp time.Time
		Data      map[string]any
	}
	require.NoError(t, json.Unmarshal(r.all[0].body, &first))
	require.WithinDuration(t, time.Now(), first.Timestamp, time.Minute)
	require.Equal(t, map[string]any{"id": s.push.ID, "status": "publishing"}, first.Data)
	require.Equal(t, s.push.ID+".started", r.all[0].header.Get("webhook-id"))
	require.Equal(t, map[tasks.WebhookOutcome]int{tasks.WebhookDelivered: 5}, tried)
	require.NotContains(t, s.log.String(), token)
}

// A worker that is killed in the middle has delivered something that nobody
// knows of; another one goes on with just that.
func TestAKilledWorkersEventIsDeliveredAgainAndTheRestInOrder(t *testing.T) {
	r := newReceiver(t)
	s := newScene(t, r.URL)
	s.happen(2)
	s.cfg.Store = &killed{OutboxStore: s.store, after: 2}
	require.ErrorIs(t, s.deliverer().Deliver(ctx(t), s.ring()), errKilled)
	s.cfg.Store = s.store
	require.NoError(t, s.deliverer().Deliver(ctx(t), s.ring()))
	require.Equal(t, []string{
		"push.started", "push.reconnecting", "push.reconnecting", "push.recovered", "push.reconnecting", "push.recovered",
	}, r.types(t))
	require.Equal(t, r.all[1].header.Get("webhook-id"), r.all[2].header.Get("webhook-id"))
	require.Equal(t, r.all[1].body, r.all[2].body)
}

var errKilled = errors.New("killed")

// killed answers nothing more after so many events.
type killed struct {
	tasks.OutboxStore
	after int
}

func (k *killed) NextWebhook(ctx context.Context, t tasks.WebhookTask, done string) (tasks.Webhook, bool, error) {
	if k.after--; k.after < 0 {
		return tasks.Webhook{}, false, errKilled
	}
	return k.OutboxStore.NextWebhook(ctx, t, done)
}

func TestTwoDeliverersDoNotTellOfOnePushAtOnce(t *testing.T) {
	r := newReceiver(t)
	s := newScene(t, r.URL)
	s.happen(0)
	first := s.ring()
	_, _, err := s.store.NextWebhook(ctx(t), first, "") // it hears the bell, and stands still
	require.NoError(t, err)
	require.NoError(t, s.deliverer().Deliver(ctx(t), s.ring()))
	require.NoError(t, s.deliverer().Deliver(ctx(t), first), "it finds out that it is late")
	require.Len(t, r.types(t), 1)
}

func TestAReceiverThatFailsForAnHourGetsEverythingInOrderAfterIt(t *testing.T) {
	r := newReceiver(t)
	r.answers(status(http.StatusInternalServerError))
	s := newScene(t, r.URL)
	s.happen(1)
	begin := time.Now()
	s.now = begin
	var asked []time.Duration
	for {
		if s.now.Sub(begin) >= time.Hour {
			r.answers(status(http.StatusNoContent))
		}
		require.NoError(t, s.deliverer().Deliver(ctx(t), s.ring()))
		asked = append(asked, s.now.Sub(begin).Round(time.Minute))
		wait, found := s.wait()
		if !found {
			break
		}
		require.Less(t, len(asked), 20)
		s.now = s.now.Add(wait)
	}
	types := r.types(t)
	require.Equal(t, []string{"push.started", "push.reconnecting", "push.recovered"}, types[len(types)-3:])
	require.Len(t, types, len(asked)+2)
	require.InDelta(t, 8, len(asked), 1, "%v", asked)
	dead, err := s.store.DeadWebhooks(ctx(t), 10)
	require.NoError(t, err)
	require.Empty(t, dead)
	require.Equal(t, 1, strings.Count(s.log.String(), "level=WARN"), "one line a trouble")
}

func TestAnEventIsGivenUpAfterADay(t *testing.T) {
	r := newReceiver(t)
	r.answers(status(http.StatusInternalServerError))
	s := newScene(t, r.URL)
	s.happen(1)
	begin := time.Now()
	s.now = begin
	for tries := 0; ; tries++ {
		require.Less(t, tries, 30)
		require.NoError(t, s.deliverer().Deliver(ctx(t), s.ring()))
		wait, found := s.wait()
		if !found {
			break
		}
		s.now = s.now.Add(max(wait, 0))
	}
	require.InDelta(t, 24, s.now.Sub(begin).Hours(), 0.1)
	dead, err := s.store.DeadWebhooks(ctx(t), 10)
	require.NoError(t, err)
	require.Len(t, dead, 3)
	for _, d := range dead {
		require.Equal(t, "it answered 500", d.Answer)
	}
	require.Greater(t, dead[2].Tries+dead[1].Tries+dead[0].Tries, 12)

	r.answers(status(http.StatusOK))
	require.NoError(t, s.store.ResendWebhook(ctx(t), s.push.ID+".started"))
	require.NoError(t, s.deliverer().Deliver(ctx(t), s.ring()))
	types := r.types(t)
	require.Equal(t, "push.started", types[len(types)-1])
	_, found := s.wait()
	require.False(t, found)
}

func TestWhatAnAnswerMeans(t *testing.T) {
	elsewhere := newReceiver(t)
	for _, tt := range []struct {
		name   string
		answer func(w http.ResponseWriter, r *http.Request)
		dead   bool
		least  time.Duration
		most   time.Duration
		says   string
	}{
		{"an error is tried again in some seconds", status(500), false, 4 * time.Second, 6 * time.Second, "it answered 500"},
		{"a redirect is not followed", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}, false, 4 * time.Second, 6 * time.Second, "it answered 307"},
		{"Retry-After is obeyed", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "600")
			w.WriteHeader(http.StatusServiceUnavailable)
		}, false, 590 * time.Second, 601 * time.Second, "it answered 503"},
		{"Retry-After as a date is obeyed", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", time.Now().Add(10*time.Minute).UTC().Format(http.TimeFormat))
			w.WriteHeader(http.StatusTooManyRequests)
		}, false, 590 * time.Second, 601 * time.Second, "it answered 429"},
		{"Retry-After has an end", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "999999999")
			w.WriteHeader(http.StatusServiceUnavailable)
		}, false, 3 * time.Hour, 5 * time.Hour, "it answered 503"},
		{"410 is for good", status(http.StatusGone), true, 0, 0, "it answered 410"},
		{"a connection that breaks is tried again", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			false, 4 * time.Second, 6 * time.Second, "the connection failed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newReceiver(t)
			r.answers(tt.answer)
			s := newScene(t, r.URL+"/?token="+token)
			s.happen(0)
			begin := time.Now()
			require.NoError(t, s.deliverer().Deliver(ctx(t), s.ring()))
			wait, found := s.wait()
			require.Equal(t, !tt.dead, found)
			if found {
				require.Greater(t, wait+time.Since(begin), tt.least)
				require.Less(t, wait, tt.most)
			}
			dead, err := s.store.DeadWebhooks(ctx(t), 10)
			require.NoError(t, err)
			require.Equal(t, tt.dead, len(dead) == 1)
			require.Contains(t, s.log.String(), tt.says)
			require.NotContains(t, s.log.String(), token)
		})
	}
	require.Empty(t, elsewhere.types(t))
}

func TestProgressThatIsNotTakenDelaysNothingAndIsNotGivenUp(t *testing.T) {
	for _, code := range []int{http.StatusInternalServerError, http.StatusGone} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			r := newReceiver(t)
			r.answers(status(code))
			s := newScene(t, r.URL, "progress", "completed")
			s.now = time.Now().Add(48 * time.Hour) // too old for anything else
			s.happen(0)
			tried := map[tasks.WebhookOutcome]int{}
			s.cfg.Tried = func(_ string, became tasks.WebhookOutcome) { tried[became]++ }
			require.NoError(t, s.deliverer().Deliver(ctx(t), s.ring()))
			require.Equal(t, []string{"push.progress"}, r.types(t))
			require.Equal(t, map[tasks.WebhookOutcome]int{tasks.WebhookFailed: 1}, tried)
			require.NotContains(t, s.log.String(), "given up")
			dead, err := s.store.DeadWebhooks(ctx(t), 10)
			require.NoError(t, err)
			require.Empty(t, dead)

			_, err = s.store.Finish(ctx(t), tasks.Lease{ID: s.push.ID, Epoch: 1, Worker: "w"}, tasks.End{State: tasks.Completed})
			require.NoError(t, err)
			wait, found := s.wait()
			require.True(t, found)
			require.LessOrEqual(t, wait, time.Duration(0), "the end is due at once")
			w, found, err := s.store.NextWebhook(ctx(t), s.ring(), "")
			require.NoError(t, err)
			require.True(t, found)
			require.Zero(t, w.Failures)
		})
	}
}

func TestAReceiverThatHangsIsLeftWhenTheWorkerLeaves(t *testing.T) {
	r := newReceiver(t)
	asked := make(chan struct{})
	r.answers(func(_ http.ResponseWriter, req *http.Request) { close(asked); <-req.Context().Done() })
	s := newScene(t, r.URL)
	s.happen(0)
	leaving, leave := context.WithCancel(ctx(t))
	ended := make(chan error)
	go func() { ended <- s.deliverer().Deliver(leaving, s.ring()) }()
	<-asked
	leave()
	require.NoError(t, <-ended)
	wait, found := s.wait()
	require.True(t, found)
	require.LessOrEqual(t, wait, time.Duration(0), "another worker may try at once")
	r.answers(status(http.StatusOK))
	require.NoError(t, s.deliverer().Deliver(ctx(t), s.ring()))
	_, found = s.wait()
	require.False(t, found)
}

func TestWhatWasTakenWhileTheWorkerLeavesIsNotSentAgain(t *testing.T) {
	r := newReceiver(t)
	s := newScene(t, r.URL)
	s.happen(1)
	leaving, leave := context.WithCancel(ctx(t))
	s.cfg.Guarded = &http.Client{Transport: after{leave}}
	require.NoError(t, s.deliverer().Deliver(leaving, s.ring()))
	s.cfg.Guarded = &http.Client{}
	require.NoError(t, s.deliverer().Deliver(ctx(t), s.ring()))
	require.Equal(t, []string{"push.started", "push.reconnecting", "push.recovered"}, r.types(t))
}

// after calls f once an answer is there.
type after struct{ f func() }

func (a after) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	answer, err := http.DefaultTransport.RoundTrip(r.WithContext(context.WithoutCancel(r.Context())))
	a.f()
	if err == nil && answer.Body != nil {
		_ = answer.Body.Close()
		answer.Body = http.NoBody
	}
	return answer, err
}

func TestAReceiverThatHangsIsTriedAgain(t *testing.T) {
	r := newReceiver(t)
	r.answers(func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() })
	s := newScene(t, r.URL)
	s.happen(0)
	s.cfg.Patience = 100 * time.Millisecond
	require.NoError(t, s.deliverer().Deliver(ctx(t), s.ring()))
	require.Contains(t, s.log.String(), "it did not answer within 100ms")
	_, found := s.wait()
	require.True(t, found)
}

func TestAReceiverThatHangsLeavesRoomForOthers(t *testing.T) {
	for _, tt := range []struct {
		name        string
		failed      bool
		places, all int
	}{
		{"at first it gets half of the slots", false, 16, 24},
		{"once it has failed it gets two", true, 2, 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newReceiver(t)
			asked, answer := make(chan struct{}, tt.all), make(chan struct{})
			s := newScene(t, r.URL)
			s.cfg.Guarded = &http.Client{Transport: after{func() {}}} // hangs for longer than a busy machine takes
			bells := []tasks.WebhookTask{}
			for i := range tt.all {
				if i > 0 {
					s.create(r.URL, fmt.Sprint("u", i))
				}
				s.happen(0)
				bells = append(bells, s.ring())
			}
			d := s.deliverer()
			if tt.failed {
				r.answers(status(http.StatusInternalServerError))
				for i := range bells {
					require.NoError(t, d.Deliver(ctx(t), bells[i]))
				}
				for i := range bells {
					require.NoError(t, s.rdb.Do(ctx(t), "ZADD", "{roomcast}:outboxes", 1, bells[i].ID).Err())
				}
				var err error
				bells, err = s.store.RingOutboxes(ctx(t), tt.all)
				require.NoError(t, err)
				require.Len(t, bells, tt.all)
			}
			r.answers(func(http.ResponseWriter, *http.Request) { asked <- struct{}{}; <-answer })
			var holding sync.WaitGroup
			for _, bell := range bells[:tt.places] {
				holding.Go(func() { assert.NoError(t, d.Deliver(ctx(t), bell)) })
				<-asked
			}
			for _, bell := range bells[tt.places:] {
				require.NoError(t, d.Deliver(ctx(t), bell), "it goes back at once")
				w, found, err := s.store.NextWebhook(ctx(t), bell, "")
				require.NoError(t, err)
				require.True(t, found)
				require.Equal(t, map[bool]int{false: 0, true: 1}[tt.failed], w.Failures, "it was not asked, so that is no failure")
			}
			other := newReceiver(t)
			s.create(other.URL, "other")
			s.happen(0)
			require.NoError(t, d.Deliver(ctx(t), s.ring()))
			require.Equal(t, []string{"push.started"}, other.types(t))
			close(answer)
			holding.Wait()
			require.Empty(t, asked)
			require.NoError(t, d.Deliver(ctx(t), bells[tt.all-1]), "there is room again")
			require.Len(t, asked, 1)
		})
	}
}

func TestAReceiverThatHasFailedHasLessTime(t *testing.T) {
	r := newReceiver(t)
	s := newScene(t, r.URL)
	s.happen(0)
	deadlines := make(chan time.Time, 2)
	s.cfg.Guarded = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		deadline, _ := r.Context().Deadline()
		deadlines <- deadline
		return nil, errors.New("down")
	})}
	for _, has := range []time.Duration{15 * time.Second, 5 * time.Second} {
		begin := time.Now()
		require.NoError(t, s.deliverer().Deliver(ctx(t), s.ring()))
		require.WithinRange(t, <-deadlines, begin.Add(has), time.Now().Add(has))
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAnAddressThatTheGuardRefusesIsToldInItsWords(t *testing.T) {
	s := newScene(t, "http://10.0.0.1/")
	s.cfg.Guarded = &http.Client{Transport: refusing{}}
	s.happen(0)
	require.NoError(t, s.deliverer().Deliver(ctx(t), s.ring()))
	require.Contains(t, s.log.String(), "ROOMCAST_WEBHOOK_ALLOW")
	require.Contains(t, s.log.String(), "its name does not exist", "the guard does not say which")
}

type refusing struct{}

func (refusing) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.Join(webhook.ErrBlocked, errors.New("inner"))
}

func TestAPushWithoutACallbackIsToldToTheOperator(t *testing.T) {
	r := newReceiver(t)
	s := newScene(t, "")
	s.cfg.Guarded, s.cfg.Own, s.cfg.URL = forbidden, &http.Client{}, media.Secret(r.URL)
	s.happen(0)
	require.NoError(t, s.deliverer().Deliver(ctx(t), s.ring()))
	require.Equal(t, []string{"push.started"}, r.types(t))
}

func TestWhatAWorkerLacksIsAFailureThatNamesTheSetting(t *testing.T) {
	for _, tt := range []struct {
		name, callback, says string
		change               func(*webhook.Config)
	}{
		{"no secret", "http://127.0.0.1:1/", "ROOMCAST_WEBHOOK_SECRET", func(c *webhook.Config) { c.Secrets = nil }},
		{"no address of the operator's", "", "ROOMCAST_WEBHOOK_URL", func(*webhook.Config) {}},
		{"another secret key", "http://127.0.0.1:1/", "ROOMCAST_SECRET_KEY", func(c *webhook.Config) {
			c.Opener, _ = secret.New(secret.Key{2})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t, tt.callback)
			tt.change(&s.cfg)
			s.happen(0)
			for range 4 { // it does not grow: another worker may be set up better
				begin := time.Now()
				require.NoError(t, s.deliverer().Deliver(ctx(t), s.ring()))
				wait, _ := s.wait()
				require.InDelta(t, 30*time.Second, wait, float64(5*time.Second+time.Since(begin)))
			}
			require.Contains(t, s.log.String(), tt.says)
		})
	}
}
