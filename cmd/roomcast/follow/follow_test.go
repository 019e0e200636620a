package follow_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/roomcast/roomcast/cmd/roomcast/client"
	"github.com/roomcast/roomcast/cmd/roomcast/follow"
	"github.com/roomcast/roomcast/tasks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeAPI plays a push: one answer per Get, the last one for ever.
type fakeAPI struct {
	mu      sync.Mutex
	answers []answer
	stops   int
	onStop  []answer
}

type answer struct {
	push client.Push
	err  error
}

func (f *fakeAPI) Get(context.Context, string) (client.Push, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := f.answers[0]
	if len(f.answers) > 1 {
		f.answers = f.answers[1:]
	}
	return a.push, a.err
}

func (f *fakeAPI) Stop(context.Context, string) (client.Push, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stops++
	f.answers = f.onStop
	return f.onStop[0].push, f.onStop[0].err
}

func at(state tasks.State, ms int64) answer {
	return answer{push: client.Push{State: state, Progress: &client.Progress{PositionMs: ms, DurationMs: 3000, BitrateKbps: 1500, FPS: 30}}}
}

func TestAPushIsFollowedToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &fakeAPI{answers: []answer{{push: client.Push{State: tasks.Queued}}, at(tasks.Publishing, 500), at(tasks.Publishing, 1000), at(tasks.Publishing, 1500), at(tasks.Completed, 3000)}}
		var out bytes.Buffer
		p, err := follow.Run(t.Context(), api, "p1", follow.NewLines(&out))
		require.NoError(t, err)
		assert.NoError(t, follow.Verdict(p))
		assert.Equal(t, "queued\npublishing  0:00 / 0:03  1500 kb/s  30 fps\npublishing  0:01 / 0:03  1500 kb/s  30 fps\ncompleted  0:03 / 0:03\n", out.String())
	})
}

func TestAFailureIsToldInItsOwnWords(t *testing.T) {
	p := client.Push{State: tasks.Failed, Error: &client.Failure{Code: tasks.CodeRoomDenied, Message: "the room refuses \x1b[2Jthis", Retryable: true}}
	assert.EqualError(t, follow.Verdict(p), "the push failed: the room refuses ?[2Jthis [room_denied]; trying again may help")
	assert.EqualError(t, follow.Verdict(client.Push{State: tasks.Failed}), "the push failed")
	assert.NoError(t, follow.Verdict(client.Push{State: tasks.Stopped}))
}

func TestAnInterruptStopsThePush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &fakeAPI{answers: []answer{at(tasks.Publishing, 500)}, onStop: []answer{at(tasks.Stopping, 700), at(tasks.Stopping, 700), at(tasks.Stopped, 700)}}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		var out bytes.Buffer
		p, err := follow.Run(ctx, api, "p1", follow.NewLines(&out))
		require.NoError(t, err)
		assert.Equal(t, tasks.Stopped, p.State)
		assert.Equal(t, 1, api.stops)
		assert.Contains(t, out.String(), "stopping push p1; again to leave at once\n")
	})
}

func TestAnInterruptedWatchLeavesThePushAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &fakeAPI{answers: []answer{at(tasks.Publishing, 500)}}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err := follow.Watch(ctx, api, "p1", follow.NewLines(new(bytes.Buffer)))
		require.ErrorIs(t, err, follow.ErrInterrupted)
		assert.Zero(t, api.stops)
	})
}

func TestAStopThatDoesNotEndIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &fakeAPI{answers: []answer{at(tasks.Publishing, 500)}, onStop: []answer{at(tasks.Stopping, 700)}}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := follow.Run(ctx, api, "p1", follow.NewLines(new(bytes.Buffer)))
		assert.ErrorContains(t, err, "has not ended in 30s")
		api.onStop = []answer{{err: errors.New("no route")}}
		_, err = follow.Run(ctx, api, "p1", follow.NewLines(new(bytes.Buffer)))
		assert.EqualError(t, err, "the push may still run: no route")
	})
}

func TestAnAbsentAPIIsWaitedFor(t *testing.T) {
	gone := answer{err: &client.Error{Base: "http://api", Err: errors.New("connection refused")}}
	synctest.Test(t, func(t *testing.T) {
		api := &fakeAPI{answers: []answer{gone, gone, at(tasks.Completed, 3000)}}
		var out bytes.Buffer
		_, err := follow.Watch(t.Context(), api, "p1", follow.NewLines(&out))
		require.NoError(t, err)
		assert.Equal(t, 1, strings.Count(out.String(), "does not answer: connection refused"))
	})
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, err := follow.Watch(t.Context(), &fakeAPI{answers: []answer{gone}}, "p1", follow.NewLines(new(bytes.Buffer)))
		require.ErrorContains(t, err, "connection refused")
		assert.InDelta(t, 30, time.Since(start).Seconds(), 1)
	})
}

func TestARefusalIsFinal(t *testing.T) {
	api := &fakeAPI{answers: []answer{{err: &client.Error{Status: http.StatusNotFound}}}}
	_, err := follow.Watch(t.Context(), api, "p1", follow.NewLines(new(bytes.Buffer)))
	assert.ErrorContains(t, err, "404")
}

func TestWarningsAreToldOnce(t *testing.T) {
	p := client.Push{State: tasks.Publishing, Warnings: []client.Warning{{Code: "string_room", Message: "a string room"}}}
	for _, make := range []func(*bytes.Buffer) follow.View{
		func(b *bytes.Buffer) follow.View { return follow.NewLines(b) },
		func(b *bytes.Buffer) follow.View { return follow.NewBar(b) },
	} {
		var out bytes.Buffer
		v := make(&out)
		v.Show(p)
		v.Show(p)
		v.Close()
		assert.Equal(t, 1, strings.Count(out.String(), "warning: a string room [string_room]"))
	}
}

func TestTheBarShowsPositionBitrateAndState(t *testing.T) {
	var out bytes.Buffer
	bar := follow.NewBar(&out)
	bar.Show(client.Push{State: tasks.Queued})
	bar.Show(at(tasks.Publishing, 1500).push)
	assert.Contains(t, out.String(), "queued")
	assert.Contains(t, out.String(), "50%")
	assert.Contains(t, out.String(), "publishing  0:01 / 0:03  1500 kb/s  30 fps")
	bar.Say("a word")
	bar.Show(at(tasks.Publishing, 9000).push)
	bar.Show(at(tasks.Completed, 3000).push)
	assert.Contains(t, out.String(), "a word\n")
	assert.Contains(t, out.String(), "100%")
	bar.Close()
	bar.Close()
	assert.True(t, strings.HasSuffix(out.String(), "\n"))
}

func TestALineOfALiveStreamHasNoLength(t *testing.T) {
	p := at(tasks.Publishing, 55).push
	from := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	to := from.Add(3723 * time.Second)
	p.StartedAt, p.Progress.UpdatedAt = &from, &to
	p.Source = &client.Source{Kind: "live"}
	p.Progress.DroppedPackets, p.Progress.Reconnects = 2, 1
	assert.Equal(t, "publishing  1:02:03  1500 kb/s  30 fps  2 dropped  1 reconnects", follow.Line(p))
}

func TestAPipeGetsLines(t *testing.T) {
	assert.IsType(t, &follow.Lines{}, follow.NewView(new(bytes.Buffer)))
}
