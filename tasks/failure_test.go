package tasks

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/stretchr/testify/require"
)

func eventsOf(events []Event, kind EventType) []Event {
	return slices.DeleteFunc(slices.Clone(events), func(e Event) bool { return e.Type != kind })
}

func TestASentenceOfTheSourceStandsAlone(t *testing.T) {
	const says = "the source is a picture: say how long it is to stand"
	f := FailureOf(fmt.Errorf("play: %w", &media.Error{Kind: media.KindSourceUnsupported, Op: "play", Err: media.Sentence(says)}))
	require.Equal(t, Failure{Code: CodeSourceUnsupported, Message: says}, *f)
}

func TestWhatEachKindOfFaultMeansForAPush(t *testing.T) {
	const minute = time.Minute
	for kind, want := range map[media.Kind]struct {
		code  Code
		retry time.Duration // of a file
		live  time.Duration // with maxIdle 2 min
	}{
		media.KindInternal:           {CodeInternal, 0, 0},
		media.KindSourceBlocked:      {CodeSourceBlocked, 0, 0},
		media.KindSourceHost:         {CodeSourceHost, 8 * time.Second, 8 * time.Second},
		media.KindSourceTLS:          {CodeSourceTLS, 0, 0},
		media.KindSourceUnauthorized: {CodeSourceUnauthorized, 0, 0},
		media.KindSourceNotFound:     {CodeSourceNotFound, 0, 0},
		media.KindSourceGone:         {CodeSourceGone, 0, 0},
		media.KindSourceInvalid:      {CodeSourceInvalid, 0, 0},
		media.KindSourceNoTrack:      {CodeSourceNoTrack, 0, 0},
		media.KindSourceEncrypted:    {CodeSourceEncrypted, 0, 0},
		media.KindSourceUnsupported:  {CodeSourceUnsupported, 0, 0},
		media.KindSourceTooLarge:     {CodeSourceTooLarge, 0, 0},
		media.KindSourceUnavailable:  {CodeSourceUnavailable, 5 * minute, 2 * minute},
		media.KindSourceStalled:      {CodeSourceUnavailable, 5 * minute, 2 * minute},
		media.KindSourceEnded:        {CodeSourceUnavailable, 5 * minute, 2 * minute},
		media.KindWorkerShort:        {CodeWorkerShort, 5 * time.Second, 5 * time.Second},
		media.KindRoomDenied:         {CodeRoomDenied, 0, 0},
		media.KindRoomConflict:       {CodeRoomConflict, 95 * time.Second, 95 * time.Second},
		media.KindRoomKicked:         {CodeRoomConflict, 0, 0},
		media.KindRoomUnavailable:    {CodeRoomUnavailable, 5 * minute, 5 * minute},
		media.KindRoomClosed:         {CodeRoomUnavailable, 5 * minute, 5 * minute},
		media.KindRoomNotAllowed:     {CodeRoomUnavailable, 5 * minute, 5 * minute},
		media.KindUserSigExpired:     {CodeUserSigExpired, 0, 0},
	} {
		t.Run(kind.String(), func(t *testing.T) {
			require.Equal(t, want.code, FailureOf(&media.Error{Kind: kind}).Code)
			require.Equal(t, want.retry, RetryOf(kind, false, 2*minute).For)
			require.Equal(t, want.live, RetryOf(kind, true, 2*minute).For)
		})
	}
	require.Equal(t, DefaultMaxIdle, RetryOf(media.KindSourceEnded, true, 0).For)
	source, room := RetryOf(media.KindSourceStalled, false, 0), RetryOf(media.KindRoomClosed, false, 0)
	require.Equal(t, media.Retry{First: 500 * time.Millisecond, Max: 15 * time.Second, For: 5 * minute}, source)
	require.True(t, room.AtOnce)
	require.Equal(t, 500*time.Millisecond, room.First)
}

func TestEveryKindOfFaultHasARowOfItsOwn(t *testing.T) {
	for k := media.KindInternal; k <= media.KindRoomNotAllowed; k++ {
		o, ok := outcomes[k]
		require.True(t, ok, k)
		require.NotEmpty(t, o.message, k)
		require.NotEmpty(t, o.todo, k)
	}
	require.Equal(t, outcomeOf(media.KindInternal), outcomeOf(media.KindRoomNotAllowed+1))
}

func TestAHostNameThatLeadsNowhereSaysWhatOpensMore(t *testing.T) {
	f := FailureOf(&media.Error{Kind: media.KindSourceHost, Op: "connect to source"})
	require.Contains(t, f.Message, "ROOMCAST_SOURCE_ALLOW")
	require.False(t, f.Retryable)
}

func TestACauseThatSaysAllIsShownAlone(t *testing.T) {
	f := FailureOf(&media.Error{Kind: media.KindSourceNoTrack, Op: "probe source", Err: media.Sentence("the source has no audio track 'fr': it has 0 (en, aac)")})
	require.Equal(t, Failure{Code: CodeSourceNoTrack, Message: "the source has no audio track 'fr': it has 0 (en, aac)"}, *f)
}

// A worker that is cut off from Redis holds the user's name up to its cap.
func TestALaterAttemptWaitsForTheNameLongerThanACutOffWorkerHoldsIt(t *testing.T) {
	const least = 95 * time.Second
	for name, c := range map[string]struct {
		epoch     int64
		renewCap  time.Duration
		more, max time.Duration
	}{
		"the first attempt has no predecessor": {epoch: 1, renewCap: time.Hour, more: least - 1, max: least},
		"the default cap":                      {epoch: 2, renewCap: 2 * time.Minute, more: 2*time.Minute + 6*time.Second, max: 3 * time.Minute},
		"a short cap":                          {epoch: 2, renewCap: 10 * time.Second, more: least - 1, max: least},
		"a long cap":                           {epoch: 9, renewCap: time.Hour, more: time.Hour + 6*time.Second, max: time.Hour + time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			w := NewWorker(WorkerConfig{Lease: 3 * time.Second, RenewCap: c.renewCap})
			retry := w.retryOf(newAttempt(t.Context(), Lease{ID: "a", Epoch: c.epoch}, queued("a")))
			got := retry(media.KindRoomConflict)
			require.Greater(t, got.For, c.more)
			require.LessOrEqual(t, got.For, c.max)
			require.Equal(t, RetryOf(media.KindRoomConflict, false, 0).Max, got.Max)
			require.Equal(t, RetryOf(media.KindRoomClosed, false, 0), retry(media.KindRoomClosed))
			require.Zero(t, retry(media.KindRoomKicked))
		})
	}
}

func TestAChangedPlanIsAnEventAndWhatIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := queued("a")
		copied := media.Plan{Video: &media.TrackPlan{Action: media.Copy, Reason: "as it is"}}
		coded := media.Plan{Video: &media.TrackPlan{Action: media.Transcode, Reason: "B-frames"}}
		p.Plan = &copied // of the attempt before
		player := playerFunc(func(ctx context.Context, job media.Job) error {
			for _, plan := range []media.Plan{copied, coded, coded} {
				job.Observer.Planned(media.SourceInfo{Container: "mov"}, false, plan)
			}
			job.Observer.Publishing()
			select {
			case <-time.After(3 * time.Second):
			case <-ctx.Done():
			}
			return nil
		})
		w := newWorld(player, p)
		defer w.close()
		require.NoError(t, <-w.handle(Task{ID: "a", Epoch: 1}))
		end, _ := w.store.ended("a")
		plans := eventsOf(append(w.store.events(), end.Events...), EventPlan)
		require.Len(t, plans, 1, "the first is that of the attempt before, the third that of the second")
		require.Equal(t, "video transcode (B-frames)", plans[0].Message)
		renewed := w.store.renewed()
		require.Equal(t, &coded, renewed[0].Plan)
	})
}

func TestTroubleShowsAsReconnectingWithItsReasonUntilThePushPublishesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		player := playerFunc(func(ctx context.Context, job media.Job) error {
			job.Observer.Publishing()
			for range 2 { // once for the source, once for the room: the media calls these
				job.Observer.Reconnecting(&media.Error{Kind: media.KindSourceStalled, Op: "read source", Err: media.ErrStalled}, time.Second, time.Now().Add(time.Minute))
				time.Sleep(2 * time.Second)
				job.Observer.Publishing()
				time.Sleep(12 * time.Second)
			}
			return context.Cause(ctx)
		})
		w := newWorld(player, queued("a"))
		defer w.close()
		require.NoError(t, <-w.handle(Task{ID: "a", Epoch: 1}))
		var states []State
		for _, r := range w.store.renewed() {
			if len(states) == 0 || states[len(states)-1] != r.State {
				states = append(states, r.State)
			}
		}
		require.Contains(t, states, Reconnecting)
		require.Equal(t, Publishing, states[len(states)-1])
		end, _ := w.store.ended("a")
		events := eventsOf(append(w.store.events(), end.Events...), EventTrouble)
		require.Len(t, events, 2)
		require.Equal(t, string(CodeSourceUnavailable), events[0].Code)
		require.Equal(t, SideSource, events[0].Side)
		require.Len(t, eventsOf(append(w.store.events(), end.Events...), EventRecovered), 2)
	})
}
