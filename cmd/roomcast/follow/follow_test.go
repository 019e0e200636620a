package follow_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"iter"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/roomcast/roomcast/cmd/roomcast/client"
	"github.com/roomcast/roomcast/cmd/roomcast/follow"
	"github.com/roomcast/roomcast/cmd/roomcast/screen"
	"github.com/roomcast/roomcast/tasks"
)

var update = flag.Bool("update", false, "write the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// golden compares text with a file under testdata.
func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), text)
}

// fakeAPI plays a stream: an item every half a second, then nothing more.
type fakeAPI struct {
	mu     sync.Mutex
	items  []item
	stops  int
	onStop []item
	past   []client.Event
}

type item struct {
	m   client.Message
	err error
}

func (f *fakeAPI) play(ctx context.Context) iter.Seq2[client.Message, error] {
	return func(yield func(client.Message, error) bool) {
		f.mu.Lock()
		items := f.items
		f.mu.Unlock()
		for _, i := range items {
			if !yield(i.m, i.err) {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(500 * time.Millisecond):
			}
		}
		<-ctx.Done()
	}
}

func (f *fakeAPI) WatchPush(ctx context.Context, _ string) iter.Seq2[client.Message, error] {
	return f.play(ctx)
}

func (f *fakeAPI) Watch(ctx context.Context, _ client.Filter) iter.Seq2[client.Message, error] {
	return f.play(ctx)
}

func (f *fakeAPI) Events(context.Context, string) ([]client.Event, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.past, nil
}

func (f *fakeAPI) Stop(context.Context, string) (client.Push, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stops++
	f.items = f.onStop
	return client.Push{ID: "p1"}, f.onStop[0].err
}

func at(state tasks.State, ms int64) client.Push {
	return client.Push{ID: "p1", State: state, RoomID: "room", UserID: "anna", Progress: &client.Progress{PositionMs: ms, DurationMs: 3000, BitrateKbps: 1500, FPS: 30}}
}

func snapshot(pushes ...client.Push) item {
	return item{m: client.Message{Snapshot: &client.Snapshot{Pushes: pushes}}}
}

// event is an event of p; without its state it carries no push.
func event(kind string, p client.Push, e client.LiveEvent) item {
	e.Type, e.PushID, e.At = kind, p.ID, time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	if p.State != "" {
		e.State, e.Push = p.State, &p
	}
	return item{m: client.Message{Event: &e}}
}

func progress(p client.Push) item {
	return item{m: client.Message{Progress: &client.LiveProgress{PushID: p.ID, State: p.State, Progress: p.Progress, Trouble: p.Trouble}}}
}

func silent(p client.Push, tries int) client.Push {
	p.Trouble = &client.Trouble{Side: tasks.SideSource, Code: tasks.CodeSourceSilent, Tries: tries, Since: time.Date(2026, 11, 22, 9, 59, 51, 0, time.UTC),
		Message: "nothing has come from the source for some seconds: look whether its server or its sender is well"}
	return p
}

// life is a push that is in trouble for a while.
func life() []item {
	trouble := silent(client.Push{}, 0).Trouble
	told := client.LiveEvent{Side: trouble.Side, Code: string(trouble.Code), Message: trouble.Message}
	items := []item{
		snapshot(client.Push{ID: "p1", State: tasks.Queued}),
		event("state", at(tasks.Starting, 0), client.LiveEvent{}),
		event("plan", client.Push{ID: "p1"}, client.LiveEvent{Message: "video is copied, audio is copied"}),
		event("state", at(tasks.Publishing, 0), client.LiveEvent{}),
		progress(at(tasks.Publishing, 500)), progress(at(tasks.Publishing, 1000)),
		event("warning", client.Push{ID: "p1"}, client.LiveEvent{Code: "hole", Message: "a hole of 2 s at 0:01"}),
		event("state", silent(at(tasks.Reconnecting, 1000), 0), client.LiveEvent{}),
		event("trouble", silent(at(tasks.Reconnecting, 1000), 0), told),
	}
	for n := range 40 {
		items = append(items, progress(silent(at(tasks.Reconnecting, 1000), n+1)))
	}
	back := at(tasks.Publishing, 1500)
	back.Warnings = []client.Warning{{Code: "hole", Message: "a hole of 2 s at 0:01"}}
	return append(items,
		event("recovered", back, client.LiveEvent{Code: "source_silent", Message: "over after 20s, tried 40 times"}),
		progress(at(tasks.Publishing, 2500)),
		event("end", at(tasks.Completed, 3000), client.LiveEvent{}))
}

func TestAPipeGetsALineAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p, err := follow.Run(t.Context(), &fakeAPI{items: life()}, "p1", follow.NewView(pipe(&out)))
		require.NoError(t, err)
		assert.NoError(t, follow.FailureOf(p))
		golden(t, "push-pipe", out.String())
	})
}

func TestAProgramGetsThePushAtEachChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out, words bytes.Buffer
		_, err := follow.Run(t.Context(), &fakeAPI{items: life()}, "p1", follow.NewJSON(&out, &words))
		require.NoError(t, err)
		var states []string
		for line := range strings.Lines(out.String()) {
			var p client.Push
			require.NoError(t, json.Unmarshal([]byte(line), &p))
			states = append(states, string(p.State))
		}
		assert.Equal(t, "queued starting starting publishing publishing reconnecting publishing completed", strings.Join(states, " "))
		assert.Empty(t, words.String())
	})
}

func TestATerminalGetsABarAndTheTroubleInWords(t *testing.T) {
	for columns, name := range map[int]string{80: "push-80", 40: "push-40"} {
		synctest.Test(t, func(t *testing.T) {
			out := &terminal{columns: columns}
			_, err := follow.Run(t.Context(), &fakeAPI{items: life()}, "p1", follow.NewView(out.screen()))
			require.NoError(t, err)
			text := strings.ReplaceAll(out.String(), "\r\x1b[K", "\n")
			fits(t, text, columns)
			golden(t, name, strings.Join(slices.Compact(strings.Split(text, "\n")), "\n")) // what is drawn again stands once
		})
	}
}

// terminal is one of so many columns, without colours.
type terminal struct {
	bytes.Buffer
	columns int
}

func (t *terminal) Size() (columns, rows int) { return t.columns, 12 }

func (t *terminal) screen() *screen.Screen {
	return screen.New(t, func(name string) string { return map[string]string{"NO_COLOR": "1"}[name] })
}

func pipe(b *bytes.Buffer) *screen.Screen { return screen.New(b, func(string) string { return "" }) }

// fits demands that no line is longer than the terminal.
func fits(t *testing.T, text string, columns int) {
	t.Helper()
	for line := range strings.Lines(text) {
		assert.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), columns, line)
	}
}

func TestTheBarIsWholeAtFortyColumns(t *testing.T) {
	long := at(tasks.Reconnecting, 3723_000)
	long.Progress.DurationMs, long.Progress.Reconnects, long.Progress.DroppedPackets = 36_000_000, 12, 99
	for _, p := range []client.Push{at(tasks.Publishing, 1500), long, silent(long, 3), at(tasks.Completed, 3000)} {
		out := &terminal{columns: 40}
		v := follow.NewView(out.screen())
		v.Show(follow.Update{Push: p})
		v.Close()
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		assert.Regexp(t, `^ *\d+% \[=*>? *\]  `+string(p.State), lines[len(lines)-1])
		fits(t, out.String(), 40)
	}
}

func TestTheBarShowsPositionBitrateAndState(t *testing.T) {
	out := &terminal{columns: 100}
	bar := follow.NewView(out.screen())
	bar.Show(follow.Update{Push: client.Push{State: tasks.Queued}})
	bar.Show(follow.Update{Push: at(tasks.Publishing, 1500)})
	assert.Contains(t, out.String(), " 50% [============>           ]  publishing  0:01 / 0:03  1500 kb/s  30 fps")
	bar.Say("a word")
	bar.Show(follow.Update{Push: at(tasks.Publishing, 9000)})
	assert.Contains(t, out.String(), "a word\n")
	assert.NotContains(t, out.String(), "100%", "only the end fills it")
	bar.Show(follow.Update{Push: at(tasks.Completed, 3000)})
	assert.Contains(t, out.String(), "100% [========================]  completed")
	bar.Close()
	bar.Close()
	assert.True(t, strings.HasSuffix(out.String(), "\n"))
}

func TestAFailureIsToldInItsOwnWords(t *testing.T) {
	p := client.Push{State: tasks.Failed, Error: &client.Failure{Code: tasks.CodeRoomDenied, Message: "the room refuses \x1b[2Jthis", Retryable: true}}
	assert.EqualError(t, follow.FailureOf(p), "the push failed: the room refuses ?[2Jthis [room_denied]; trying again may help")
	assert.EqualError(t, follow.FailureOf(client.Push{State: tasks.Failed}), "the push failed")
	assert.NoError(t, follow.FailureOf(client.Push{State: tasks.Stopped}))
}

func TestAnInterruptStopsThePush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &fakeAPI{items: []item{snapshot(at(tasks.Publishing, 500))}, onStop: []item{snapshot(at(tasks.Stopping, 700)), event("end", at(tasks.Stopped, 700), client.LiveEvent{})}}
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
		api := &fakeAPI{items: []item{snapshot(at(tasks.Publishing, 500))}}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err := follow.Watch(ctx, api, "p1", follow.NewLines(new(bytes.Buffer)))
		require.ErrorIs(t, err, follow.ErrInterrupted)
		assert.Zero(t, api.stops)
	})
}

func TestAStopThatDoesNotEndIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &fakeAPI{items: []item{snapshot(at(tasks.Publishing, 500))}, onStop: []item{snapshot(at(tasks.Stopping, 700))}}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := follow.Run(ctx, api, "p1", follow.NewLines(new(bytes.Buffer)))
		assert.ErrorContains(t, err, "has not ended in 30s")
		api.onStop = []item{{err: errors.New("no route")}}
		_, err = follow.Run(ctx, api, "p1", follow.NewLines(new(bytes.Buffer)))
		assert.EqualError(t, err, "the push may still run: no route")
	})
}

func TestAnAbsentAPIIsWaitedFor(t *testing.T) {
	gone := item{err: &client.Error{Base: "http://api", Err: errors.New("connection refused")}}
	synctest.Test(t, func(t *testing.T) {
		api := &fakeAPI{items: []item{gone, gone, {m: client.Message{Reset: &client.Reset{Message: "events may be missing"}}}, event("end", at(tasks.Completed, 3000), client.LiveEvent{})}}
		var out bytes.Buffer
		_, err := follow.Watch(t.Context(), api, "p1", follow.NewLines(&out))
		require.NoError(t, err)
		assert.Equal(t, 1, strings.Count(out.String(), "does not answer: connection refused"))
		assert.Contains(t, out.String(), "events may be missing\ncompleted  0:03 / 0:03\n")
	})
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		api := &fakeAPI{}
		for range 100 {
			api.items = append(api.items, gone)
		}
		_, err := follow.Watch(t.Context(), api, "p1", follow.NewLines(new(bytes.Buffer)))
		require.ErrorContains(t, err, "connection refused")
		assert.InDelta(t, 30, time.Since(start).Seconds(), 1)
		err = follow.All(t.Context(), api, client.Filter{}, follow.NewOverview(pipe(new(bytes.Buffer))))
		require.ErrorContains(t, err, "connection refused")
	})
}

func TestARefusalIsFinal(t *testing.T) {
	api := &fakeAPI{items: []item{{err: &client.Error{Status: http.StatusNotFound}}}}
	_, err := follow.Watch(t.Context(), api, "p1", follow.NewLines(new(bytes.Buffer)))
	assert.ErrorContains(t, err, "404")
	assert.ErrorContains(t, follow.All(t.Context(), api, client.Filter{}, follow.NewOverview(pipe(new(bytes.Buffer)))), "404")
	assert.ErrorContains(t, follow.Events(t.Context(), api, "p1", func(client.Event) {}, func(string) {}), "404")
}

func TestATroubleThatIsOverAtOnceIsStillTold(t *testing.T) {
	var out bytes.Buffer
	v := follow.NewLines(&out)
	v.Show(follow.Update{Push: at(tasks.Publishing, 1)})
	v.Show(follow.Update{Push: at(tasks.Publishing, 1), Event: &client.LiveEvent{Type: "trouble", Code: "room_slow", Message: "slow"}})
	assert.Contains(t, out.String(), "trouble: slow [room_slow]\n")
}

func TestAReasonThatChangesToAndFroIsToldWithItsEvents(t *testing.T) {
	var out bytes.Buffer
	v := follow.NewLines(&out)
	troubled := func(code tasks.Code) client.Push {
		p := at(tasks.Publishing, 1)
		p.Trouble = &client.Trouble{Side: tasks.SideRoom, Code: code, Message: string(code)}
		return p
	}
	for range 5 {
		v.Show(follow.Update{Push: troubled(tasks.CodeRoomSlow)})
		v.Show(follow.Update{Push: troubled(tasks.CodeRoomSilent)})
	}
	v.Show(follow.Update{Push: troubled(tasks.CodeRoomSlow), Event: &client.LiveEvent{Type: "trouble", Side: tasks.SideRoom, Code: "room_silent", Message: "silent"}})
	assert.Equal(t, 1, strings.Count(out.String(), "[room_slow]"), out.String())
	assert.Equal(t, 1, strings.Count(out.String(), "[room_silent]"), out.String())
}

func TestALineOfALiveStreamHasNoLength(t *testing.T) {
	p := at(tasks.Publishing, 55)
	from := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	to := from.Add(3723 * time.Second)
	p.StartedAt, p.Progress.UpdatedAt = &from, &to
	p.Source = &client.Source{Kind: "live"}
	p.Progress.DroppedPackets, p.Progress.Reconnects = 2, 1
	assert.Equal(t, "publishing  1:02:03  1500 kb/s  30 fps  2 dropped  1 reconnects", follow.Line(p))
}

func TestATroubleSaysHowLongAndWhenNext(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	next, end := now.Add(4*time.Second), now.Add(5*time.Minute)
	p := silent(at(tasks.Reconnecting, 0), 3)
	p.Trouble.NextTryAt, p.Trouble.GivesUpAt, p.Trouble.Message = &next, &end, "nothing comes\x1b"
	assert.Equal(t, "nothing comes? [source_silent], for 0:09, 3 tries, next in 0:04, gives up in 5:00", follow.TroubleOf(p, now))
	p.Trouble.Tries = 1
	assert.Contains(t, follow.TroubleOf(p, now.Add(time.Minute)), "for 1:09, 1 try, gives up")
	p.State = tasks.Stopped
	assert.Equal(t, "nothing comes? [source_silent]", follow.TroubleOf(p, now))
	assert.Empty(t, follow.TroubleOf(at(tasks.Publishing, 0), now))
}

func many() []client.Push {
	created := time.Date(2026, 11, 22, 9, 48, 0, 0, time.UTC)
	push := func(n string, p client.Push, room string) client.Push {
		p.ID, p.RoomID, p.SDKAppID, p.VideoSrc, p.CreatedAt = "0199a2b0-0000-7000-8000-0000000000"+n, room, 1400000001, "https://example.com/a/lesson.mp4", created
		created = created.Add(-time.Hour)
		return p
	}
	failed := at(tasks.Failed, 2000)
	failed.Error = &client.Failure{Code: tasks.CodeRoomDenied, Message: "the room refuses this publisher"}
	return []client.Push{
		push("a1", at(tasks.Publishing, 1500), "class_1"), push("b2", silent(at(tasks.Reconnecting, 1000), 3), "a_room_with_a_long_name"),
		push("c3", client.Push{State: tasks.Queued, UserID: "bert"}, "r"), push("d4", failed, "class_2"),
	}
}

func TestRatesAreLeftOutUntilTheyMeanSomething(t *testing.T) {
	started := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	p := at(tasks.Publishing, 1000)
	p.StartedAt = &started
	assert.Equal(t, "publishing  0:01 / 0:03", follow.Line(p), "nothing is measured yet")
	for after, want := range map[time.Duration]string{time.Second: "publishing  0:01 / 0:03", 2 * time.Second: "publishing  0:01 / 0:03  1500 kb/s  30 fps"} {
		updated := started.Add(after)
		p.Progress.UpdatedAt = &updated
		assert.Equal(t, want, follow.Line(p))
	}
}

func TestOnePushIsNotSaidInThePlural(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		out := &terminal{columns: 80}
		feed := &fakeAPI{items: []item{snapshot(many()[0])}}
		require.NoError(t, follow.All(ctx, feed, client.Filter{}, follow.NewOverview(out.screen())))
		assert.Contains(t, out.String(), "1 push, 0 in trouble; Ctrl-C leaves, and ends no push")
	})
}

func TestATableOfPushes(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for columns, name := range map[int]string{160: "table-160", 80: "table-80", 40: "table-40"} {
		text := follow.Table((&terminal{columns: columns}).screen(), many(), now)
		fits(t, text, columns)
		golden(t, name, text)
	}
	golden(t, "table-pipe", follow.Table(pipe(new(bytes.Buffer)), many(), now))
}

// all is a feed of some pushes.
func all() *fakeAPI {
	pushes := many()
	gone := pushes[0]
	gone.State = tasks.Stopped
	fresh := pushes[2]
	fresh.ID, fresh.State = "0199a2b0-0000-7000-8000-0000000000e5", tasks.Starting
	return &fakeAPI{items: []item{
		snapshot(pushes[:3]...), progress(pushes[1]), event("state", fresh, client.LiveEvent{}),
		progress(client.Push{ID: "unknown", State: tasks.Publishing}), event("plan", client.Push{ID: "unknown"}, client.LiveEvent{Message: "x"}),
		event("end", gone, client.LiveEvent{}), {m: client.Message{Reset: &client.Reset{Message: "events may be missing"}}}, snapshot(pushes[1], fresh),
	}}
}

// times are what clocks show.
var times = regexp.MustCompile(`\d\d:\d\d:\d\d`)

func TestAllPushesAreWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		out := &terminal{columns: 80}
		require.NoError(t, follow.All(ctx, all(), client.Filter{}, follow.NewOverview(out.screen())))
		fits(t, regexp.MustCompile(`\x1b\[\d+A\r\x1b\[J`).ReplaceAllString(out.String(), ""), 80)
		frames := regexp.MustCompile(`\x1b\[\d+A\r\x1b\[J`).Split(out.String(), -1)
		assert.Contains(t, frames[0], "3 pushes, 1 in trouble")
		assert.Contains(t, out.String(), "4 pushes, 1 in trouble", "one has ended and stays a while")
		assert.Contains(t, out.String(), "events may be missing")
		last := frames[len(frames)-1]
		assert.Contains(t, last, "2 pushes, 1 in trouble", "it has gone")
		assert.Contains(t, last, "  nothing has come from the source")
		assert.Less(t, strings.Index(last, "b2"), strings.Index(last, "e5"), "newest first")
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var out, words, objects bytes.Buffer
		require.NoError(t, follow.All(ctx, all(), client.Filter{}, follow.NewOverview(pipe(&out))))
		golden(t, "watch-pipe", times.ReplaceAllString(out.String(), "10:00:00"))
		require.NoError(t, follow.All(ctx, all(), client.Filter{}, follow.NewJSON(&objects, &words)))
	})
}

func TestAllPushesAreToldToAProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var out, words bytes.Buffer
		require.NoError(t, follow.All(ctx, all(), client.Filter{}, follow.NewJSON(&out, &words)))
		var told []string
		for line := range strings.Lines(out.String()) {
			var p client.Push
			require.NoError(t, json.Unmarshal([]byte(line), &p))
			told = append(told, p.ID[34:]+" "+string(p.State))
		}
		assert.Equal(t, []string{"c3 queued", "b2 reconnecting", "a1 publishing", "e5 starting", "a1 stopped"}, told)
		assert.Equal(t, "events may be missing\n", words.String())
	})
}

func TestATableThatIsHigherThanTheTerminalIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var pushes []client.Push
		for range 5 {
			pushes = append(pushes, many()...)
		}
		for i := range pushes {
			pushes[i].ID = pushes[i].ID[:30] + string(rune('a'+i)) + pushes[i].ID[31:]
			pushes[i].State = tasks.Queued
		}
		out := &terminal{columns: 80}
		require.NoError(t, follow.All(ctx, &fakeAPI{items: []item{snapshot(pushes...)}}, client.Filter{}, follow.NewOverview(out.screen())))
		frame, _, _ := strings.Cut(out.String(), "\x1b")
		assert.LessOrEqual(t, strings.Count(frame, "\n"), 11)
		assert.Contains(t, frame, "…\n20 pushes")
	})
}

func TestEventsAreToldOnceEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		when := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
		queued := client.Event{At: when, Type: tasks.EventState, State: tasks.Queued}
		started := event("state", client.Push{ID: "p1", State: tasks.Starting}, client.LiveEvent{Attempt: 1})
		api := &fakeAPI{past: []client.Event{queued, started.m.Event.Line()}, items: []item{
			snapshot(at(tasks.Queued, 0)), started, progress(at(tasks.Starting, 0)),
			event("trouble", client.Push{ID: "p1"}, client.LiveEvent{Code: "no_key", Message: "m"}),
			event("plan", client.Push{ID: "p1"}, client.LiveEvent{Message: "m"}),
		}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var told []string
		show := func(e client.Event) { told = append(told, string(e.Type)+" "+string(e.State)) }
		require.NoError(t, follow.Events(ctx, api, "p1", show, func(string) {}))
		assert.Equal(t, []string{"state queued", "state starting", "trouble ", "plan "}, told)

		api.past = append(api.past, client.Event{At: when, Type: tasks.EventState, State: tasks.Failed})
		api.items, told = []item{event("end", at(tasks.Failed, 0), client.LiveEvent{Message: "as the API says it"})}, nil
		ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, follow.Events(ctx, api, "p1", show, func(string) {}))
		assert.Equal(t, []string{"state queued", "state starting", "state failed"}, told, "its end stands in the history")
	})
}
