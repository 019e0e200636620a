package metrics

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scrape is what Prometheus would read.
func scrape(t *testing.T, s *Set) string {
	t.Helper()
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusOK, w.Code)
	text, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	return string(text)
}

// requireLines demands that each line is in what is scraped.
func requireLines(t *testing.T, s *Set, lines ...string) {
	t.Helper()
	text := "\n" + scrape(t, s)
	for _, line := range lines {
		require.Contains(t, text, "\n"+line+"\n")
	}
}

func TestWhatHasNotHappenedYetIsZero(t *testing.T) {
	s := New("worker", "v1")
	s.Worker()
	s.Sweeps()
	text := scrape(t, s)
	require.Contains(t, text, `roomcast_build_info{goversion="go`)
	requireLines(t, s,
		`roomcast_ends_total{code="",state="completed"} 0`, `roomcast_ends_total{code="source_unauthorized",state="failed"} 0`,
		`roomcast_ends_total{code="poisoned",state="failed"} 0`,
		`roomcast_reconnects_total{side="room"} 0`, `roomcast_refusals_total{reason="no_key"} 0`,
		`roomcast_takeovers_total{from="worker",state="queued"} 0`, `roomcast_gap_seconds_count{by="takeover"} 0`,
		`roomcast_webhook_deliveries_total{outcome="dead",type="push.failed"} 0`, `roomcast_renew_failures_total 0`)
}

func TestAWorkerCountsWhatItIsTold(t *testing.T) {
	s := New("worker", "v1")
	w, sweeps, told := s.Worker(), s.Sweeps(), s.Requests()
	w.Began()
	w.Opened(tasks.OpeningFirst, 700*time.Millisecond)
	w.Opened(tasks.OpeningHandover, 80*time.Millisecond)
	w.Opened(tasks.OpeningTakeover, -time.Second)
	w.Reconnecting(tasks.SideSource)
	w.Ended(tasks.Failed, tasks.CodeSourceGone)
	w.Renewed(30*time.Millisecond, errors.New("x"))
	w.Refused(tasks.ErrMemory)
	w.Refused(errors.New("x"))
	sweeps.TookOver(tasks.Expired{Push: tasks.Push{State: tasks.Publishing}}, tasks.Taken{State: tasks.Failed})
	sweeps.TookOver(tasks.Expired{Push: tasks.Push{State: tasks.Queued}}, tasks.Taken{State: tasks.Queued})
	sweeps.TookOver(tasks.Expired{Damage: errors.New("x")}, tasks.Taken{State: tasks.Failed})
	w.Webhooks.Tried("push.failed", tasks.WebhookDead)
	w.Webhooks.Tried("made up", tasks.WebhookFailed)
	told("", 404)
	told("/v1/pushes/:id", 200)
	requireLines(t, s,
		`roomcast_starts_total 1`,
		`roomcast_first_packet_seconds_bucket{le="0.5"} 0`, `roomcast_first_packet_seconds_bucket{le="1"} 1`,
		`roomcast_gap_seconds_bucket{by="handover",le="0.1"} 1`, `roomcast_gap_seconds_sum{by="takeover"} 0`,
		`roomcast_reconnects_total{side="source"} 1`,
		`roomcast_ends_total{code="source_gone",state="failed"} 1`, `roomcast_ends_total{code="poisoned",state="failed"} 1`,
		`roomcast_ends_total{code="internal",state="failed"} 1`,
		`roomcast_renew_failures_total 1`, `roomcast_renew_seconds_count 1`,
		`roomcast_refusals_total{reason="no_memory"} 1`, `roomcast_refusals_total{reason="other"} 1`,
		`roomcast_takeovers_total{from="worker",state="failed"} 2`, `roomcast_takeovers_total{from="queue",state="queued"} 1`,
		`roomcast_webhook_deliveries_total{outcome="dead",type="push.failed"} 1`,
		`roomcast_webhook_deliveries_total{outcome="failed",type="other"} 1`,
		`roomcast_http_requests_total{route="none",status="404"} 1`, `roomcast_http_requests_total{route="/v1/pushes/:id",status="200"} 1`)
}

func TestTrafficIsThatOfTheWorkersMeters(t *testing.T) {
	s := New("worker", "v1")
	all := media.Totals{Bytes: 7, Dropped: 2, Played: 1500 * time.Millisecond, Late: 3 * time.Second}
	all.Lateness[0], all.Lateness[firstBucket], all.Lateness[len(all.Lateness)-1] = 10, 5, 1
	s.registry.MustRegister(traffic{totals: func() media.Totals { return all }, received: func() int64 { return 9 }})
	requireLines(t, s,
		`roomcast_received_bytes_total 9`, `roomcast_sent_bytes_total 7`, `roomcast_sent_media_seconds_total 1.5`, `roomcast_dropped_packets_total 2`,
		`roomcast_packet_lateness_seconds_bucket{le="0.000512"} 15`, `roomcast_packet_lateness_seconds_bucket{le="8.388608"} 15`,
		`roomcast_packet_lateness_seconds_bucket{le="+Inf"} 16`, `roomcast_packet_lateness_seconds_sum 3`)
}

// redis is a Store and Queues whose answers are set by hand.
type redis struct {
	asked atomic.Int32
	err   error
	queue error
	hang  chan struct{} // closed when the queue answers; nil: at once
}

func (r *redis) Census(context.Context) (tasks.Census, error) {
	r.asked.Add(1)
	return tasks.Census{
		Workers: 2, Pushes: map[tasks.State]int{tasks.Publishing: 3},
		Troubles: map[tasks.TroubleKind]tasks.Troubled{{Side: tasks.SideRoom, Code: tasks.CodeRoomSlow}: {Pushes: 1, Oldest: 5 * time.Second}},
	}, r.err
}

func (r *redis) Writable(context.Context) error { return nil }

func (r *redis) Lengths(context.Context) ([]tasks.QueueLength, error) {
	if r.hang != nil {
		<-r.hang
	}
	return []tasks.QueueLength{{Queue: "push", Waiting: 4, Oldest: 6 * time.Second}}, r.queue
}

func (r *redis) evicts(context.Context) (bool, error) { return true, nil }

func newFleet(r *redis) (*Set, *Fleet) {
	s := New("api", "v1")
	return s, s.Fleet(FleetConfig{Store: r, Queues: r, Evicts: r.evicts})
}

func TestAFleetIsWhatRedisTells(t *testing.T) {
	s, f := newFleet(&redis{})
	defer f.Close()
	requireLines(t, s, `roomcast_redis_up 1`, `roomcast_redis_evicts 1`, `roomcast_workers 2`, `roomcast_pushes{state="publishing"} 3`,
		`roomcast_pushes_in_trouble{code="room_slow",side="room"} 1`, `roomcast_trouble_oldest_seconds{code="room_slow",side="room"} 5`,
		`roomcast_pushes_in_trouble{code="no_worker",side="worker"} 0`,
		`roomcast_queue_length{queue="push"} 4`, `roomcast_queue_age_seconds{queue="push"} 6`)
}

func TestRedisIsAskedOnceInTwoSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &redis{}
		s, f := newFleet(r)
		defer f.Close()
		for range 3 {
			scrape(t, s)
		}
		require.EqualValues(t, 1, r.asked.Load())
		time.Sleep(fleetFor)
		scrape(t, s)
		require.EqualValues(t, 2, r.asked.Load())
	})
}

func TestARedisThatIsAwayIsToldAndNothingElseOfTheFleet(t *testing.T) {
	s, f := newFleet(&redis{err: errors.New("x")})
	defer f.Close()
	requireLines(t, s, `roomcast_redis_up 0`)
	require.NotContains(t, scrape(t, s), "roomcast_workers")
}

func TestAQueueThatCannotBeReadHidesNothingElse(t *testing.T) {
	s, f := newFleet(&redis{queue: errors.New("x")})
	defer f.Close()
	requireLines(t, s, `roomcast_redis_up 1`, `roomcast_workers 2`)
	require.NotContains(t, scrape(t, s), "roomcast_queue_length")
}

func TestAScrapeDoesNotWaitForARedisThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &redis{hang: make(chan struct{})}
		s, f := newFleet(r)
		begin := time.Now()
		for range 2 {
			requireLines(t, s, `roomcast_redis_up 0`)
		}
		require.Equal(t, 2*fleetTime, time.Since(begin))
		require.EqualValues(t, 1, r.asked.Load(), "one reading at a time")
		close(r.hang)
		synctest.Wait()
		requireLines(t, s, `roomcast_redis_up 1`)
		f.Close()
	})
}
