package api_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/web/api"
)

// pool is a Redis with pushes and a feed; it stands in for tasks/store, whose
// own streams are tested in cmd/api.
type pool struct {
	mu     sync.Mutex
	run    string
	events []tasks.FeedEvent
	pushes map[string]tasks.Push
	away   error
	still  bool          // Redis does not answer
	slow   time.Duration // to read all of the feed
	reads  int
	alls   int // of all pushes
}

func (p *pool) Feed(ctx context.Context, after string) (tasks.FeedPart, error) {
	var still bool
	var slow time.Duration
	p.do(func() { still, slow = p.still, p.slow })
	if after == "0-0" {
		time.Sleep(slow) // of the bubble
	}
	if still {
		<-ctx.Done()
		return tasks.FeedPart{}, ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reads++
	part := tasks.FeedPart{Run: p.run}
	if after == "0-0" {
		part.Whole, part.Events = true, slices.Clone(p.events)
	} else if i := slices.IndexFunc(p.events, func(e tasks.FeedEvent) bool { return e.ID == after }); i >= 0 {
		part.Whole, part.Events = true, slices.Clone(p.events[i+1:])
	}
	return part, p.away
}

func (p *pool) AwaitFeed(ctx context.Context, after string, wait time.Duration) error {
	end := time.Now().Add(wait)
	for time.Now().Before(end) && ctx.Err() == nil {
		if part, err := p.Feed(ctx, after); err != nil || len(part.Events) > 0 {
			return err
		}
		time.Sleep(10 * time.Millisecond) // of the bubble
	}
	return nil
}

func (p *pool) Active(context.Context) ([]tasks.Push, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.alls++
	var active []tasks.Push
	for _, id := range slices.Sorted(maps.Keys(p.pushes)) {
		if one := p.pushes[id]; !one.State.Terminal() {
			active = append(active, one)
		}
	}
	return active, p.away
}

func (p *pool) Some(_ context.Context, ids []string) ([]tasks.Push, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var some []tasks.Push
	for _, id := range ids {
		if one, ok := p.pushes[id]; ok {
			some = append(some, one)
		}
	}
	return some, p.away
}

func (p *pool) Get(_ context.Context, id string) (tasks.Push, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one, ok := p.pushes[id]
	switch {
	case p.away != nil:
		return tasks.Push{}, p.away
	case !ok:
		return tasks.Push{}, &tasks.Error{Code: tasks.CodeNotFound, Msg: "there is no such push"}
	}
	return one, nil
}

// is puts a push into a state, with its event.
func (p *pool) is(id string, state tasks.State) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one := p.pushes[id]
	one.ID, one.State = id, state
	if state.Terminal() {
		one.EndedAt = time.Now()
	}
	p.pushes[id] = one
	p.add(id, tasks.Event{Type: tasks.EventState, State: state})
}

func (p *pool) happens(id string, e tasks.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.add(id, e)
}

func (p *pool) add(id string, e tasks.Event) {
	e.At = time.Now()
	p.events = append(p.events, tasks.FeedEvent{ID: fmt.Sprintf("%d-%d", time.Now().UnixMilli(), len(p.events)+1), Push: id, Event: e})
}

// change changes a push without an event.
func (p *pool) change(id string, change func(*tasks.Push)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one := p.pushes[id]
	change(&one)
	p.pushes[id] = one
}

func (p *pool) do(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// idOf is the id of push n.
func idOf(n int) string { return fmt.Sprintf("01939f2e-5b7a-7c3e-9f10-%012d", n) }

// pushes are those of a pool; starts, stops and lists are a domain's.
type pushes struct {
	*domain
	pool *pool
}

func (p pushes) Get(ctx context.Context, id string) (tasks.Push, error) { return p.pool.Get(ctx, id) }

// live is an API that runs in a bubble, with connections that hold no byte.
type live struct {
	*pool
	t     *testing.T
	dials chan net.Conn
	end   context.CancelFunc
	log   logBuffer
}

// logBuffer may be read while it is written.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(line)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// inBubble runs a test of streams in the bubble's time.
func inBubble(t *testing.T, test func(t *testing.T, l *live), changes ...func(*api.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &live{t: t, dials: make(chan net.Conn), pool: &pool{run: strings.Repeat("ab", 20), pushes: map[string]tasks.Push{}}}
		log := slog.New(slog.NewTextHandler(&l.log, nil))
		hub := api.NewHub(l.pool, log)
		cfg := api.Config{Pushes: pushes{&domain{}, l.pool}, History: &domain{}, Live: hub, Log: log, Health: http.NotFoundHandler()}
		for _, change := range changes {
			change(&cfg)
		}
		server := api.NewServer("", api.New(cfg))
		ctx, cancel := context.WithCancel(t.Context())
		l.end = cancel
		var running sync.WaitGroup
		running.Go(func() { hub.Run(ctx) })
		running.Go(func() { _ = server.Serve(pipes{l.dials, ctx}) })
		defer func() {
			cancel()
			_ = server.Close()
			running.Wait()
		}()
		test(t, l)
	})
}

// pipes is a listener of net.Pipe.
type pipes struct {
	dials chan net.Conn
	ctx   context.Context // ends Accept, as Close would
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.dials:
		return c, nil
	case <-p.ctx.Done():
		return nil, net.ErrClosed
	}
}
func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// reader reads a stream.
type reader struct {
	t      *testing.T
	status int
	header http.Header
	lines  *bufio.Reader
	conn   net.Conn
	last   string // the id
}

// message is one of a stream.
type message struct {
	name, id string
	data     map[string]any
	comment  bool
	retry    string
}

// open asks for a stream; each header is "Name: value".
func (l *live) open(path string, headers ...string) *reader {
	l.t.Helper()
	near, far := net.Pipe()
	l.dials <- far
	request := "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n"
	if len(headers) == 0 || !strings.HasPrefix(headers[0], "Accept") {
		request += "Accept: text/event-stream\r\n"
	}
	for _, h := range headers {
		request += h + "\r\n"
	}
	_, err := io.WriteString(near, request+"\r\n")
	require.NoError(l.t, err)
	answer, err := http.ReadResponse(bufio.NewReader(near), nil)
	require.NoError(l.t, err)
	l.t.Cleanup(func() { _ = near.Close() })
	return &reader{t: l.t, status: answer.StatusCode, header: answer.Header, lines: bufio.NewReader(answer.Body), conn: near}
}

// next reads a message; ok is false at the end of the stream.
func (r *reader) next() (m message, ok bool) {
	r.t.Helper()
	for {
		line, err := r.lines.ReadString('\n')
		if err != nil {
			require.Empty(r.t, line, "the stream broke off within a message")
			return m, false
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "\n":
			if m.id != "" {
				r.last = m.id
			}
			return m, true
		case name == "":
			m.comment = true
		case name == "event":
			m.name = value
		case name == "id":
			m.id = value
		case name == "retry":
			m.retry = value
		case name == "data":
			require.NoError(r.t, json.Unmarshal([]byte(value), &m.data), value)
		default:
			require.Fail(r.t, "no such field", line)
		}
	}
}

// events reads n messages that have a name.
func (r *reader) events(n int) []message {
	r.t.Helper()
	var all []message
	for len(all) < n {
		m, ok := r.next()
		require.True(r.t, ok, "the stream ended after %v", names(all))
		if m.name != "" {
			all = append(all, m)
		}
	}
	return all
}

func names(all []message) []string {
	var list []string
	for _, m := range all {
		name := m.name
		if s, ok := m.data["state"].(string); ok {
			name += " " + s
		}
		list = append(list, name)
	}
	return list
}

func (r *reader) wants(want ...string) []message {
	r.t.Helper()
	all := r.events(len(want))
	require.Equal(r.t, want, names(all))
	return all
}

func (r *reader) ended() {
	r.t.Helper()
	for {
		m, ok := r.next()
		if !ok {
			return
		}
		require.Empty(r.t, m.name)
	}
}

// pushesIn are the ids of a snapshot.
func pushesIn(m message) []any {
	var ids []any
	list, _ := m.data["pushes"].([]any)
	for _, p := range list {
		ids = append(ids, p.(map[string]any)["id"])
	}
	return ids
}

func TestAStreamSaysAtOnceHowThingsAreAndThenWhatHappens(t *testing.T) {
	inBubble(t, func(t *testing.T, l *live) {
		l.is(idOf(1), tasks.Publishing)
		l.is(idOf(2), tasks.Queued)
		l.is(idOf(3), tasks.Completed)
		start := time.Now()
		r := l.open("/v1/events")
		assert.Equal(t, 200, r.status)
		assert.Equal(t, "text/event-stream", r.header.Get("Content-Type"))
		assert.Equal(t, "no-store", r.header.Get("Cache-Control"))
		assert.Equal(t, "no", r.header.Get("X-Accel-Buffering"))
		first, _ := r.next()
		assert.Equal(t, "500", first.retry)
		m := r.wants("snapshot")[0]
		assert.Equal(t, []any{idOf(2), idOf(1)}, pushesIn(m))
		assert.Less(t, time.Since(start), time.Second)

		l.is(idOf(2), tasks.Starting)
		m = r.wants("state starting")[0]
		assert.Equal(t, idOf(2), m.data["pushId"])
		assert.Equal(t, idOf(2), m.data["push"].(map[string]any)["id"])
		assert.Regexp(t, `^abababab-\d+-4$`, m.id)
		l.happens(idOf(2), tasks.Event{Type: tasks.EventPlan, Message: "copy", Epoch: 1})
		l.happens(idOf(2), tasks.Event{Type: tasks.EventWarning, Code: "hole", Message: "m", Epoch: 1})
		l.happens(idOf(2), tasks.Event{Type: tasks.EventTrouble, Side: tasks.SideSource, Code: "source_silent", Epoch: 1})
		l.happens(idOf(2), tasks.Event{Type: tasks.EventRecovered, Side: tasks.SideSource, Code: "source_silent", Epoch: 1})
		l.is(idOf(2), tasks.Failed)
		for _, m := range r.events(5)[:4] {
			assert.Equal(t, m.name, m.data["type"])
			assert.Equal(t, m.name == "trouble" || m.name == "recovered" || m.name == "end", m.data["push"] != nil, m.name)
		}
	})
}

func TestProgressIsToldOnceASecondAndOnlyWhenItChanges(t *testing.T) {
	inBubble(t, func(t *testing.T, l *live) {
		l.is(idOf(1), tasks.Publishing)
		l.is(idOf(2), tasks.Queued)
		r := l.open("/v1/events")
		r.wants("snapshot")
		r.wants("progress publishing", "progress queued") // the first time it is news
		start := time.Now()
		for n := range 5 {
			l.change(idOf(1), func(p *tasks.Push) { p.Progress = &media.Progress{Position: time.Duration(n+1) * time.Second} })
			m := r.wants("progress publishing")[0]
			assert.Equal(t, idOf(1), m.data["pushId"])
			assert.EqualValues(t, (n+1)*1000, m.data["progress"].(map[string]any)["positionMs"])
		}
		assert.InDelta(t, 5, time.Since(start).Seconds(), 0.5)
	})
}

func TestAHeartbeatComesAfterFifteenSecondsOfSilence(t *testing.T) {
	inBubble(t, func(t *testing.T, l *live) {
		l.is(idOf(1), tasks.Queued)
		r := l.open("/v1/events?roomId=other")
		m := r.wants("snapshot")[0]
		assert.Empty(t, pushesIn(m))
		start := time.Now()
		l.is(idOf(1), tasks.Starting) // is none of its own, but it may go on from there
		for n := range 3 {
			m, _ := r.next()
			assert.True(t, m.comment)
			assert.Regexp(t, `-2$`, m.id)
			assert.Equal(t, time.Duration(n+1)*15*time.Second, time.Since(start).Round(time.Second))
		}
		again := l.open("/v1/events?roomId=other", "Last-Event-ID: "+r.last)
		again.wants("snapshot")
	})
}

func TestAStreamHasWhatItsFilterSelects(t *testing.T) {
	inBubble(t, func(t *testing.T, l *live) {
		l.is(idOf(1), tasks.Starting)
		l.is(idOf(2), tasks.Starting)
		l.change(idOf(1), func(p *tasks.Push) { p.Spec.RoomID = "a" })
		l.change(idOf(2), func(p *tasks.Push) { p.Spec.RoomID = "b" })
		room, state := l.open("/v1/events?roomId=b"), l.open("/v1/events?status=publishing")
		assert.Equal(t, []any{idOf(2)}, pushesIn(room.wants("snapshot")[0]))
		assert.Empty(t, pushesIn(state.wants("snapshot")[0]))
		l.is(idOf(1), tasks.Publishing)
		l.is(idOf(2), tasks.Reconnecting)
		l.is(idOf(1), tasks.Stopping) // leaves the filter
		l.is(idOf(1), tasks.Stopped)
		l.is(idOf(2), tasks.Publishing)
		room.wants("state reconnecting", "state publishing")
		state.wants("state publishing", "state stopping", "state publishing")

		all := l.open("/v1/events", "Last-Event-ID: "+"abababab-"+l.events[1].ID)
		all.wants("state publishing", "state reconnecting", "state stopping", "end stopped", "state publishing", "snapshot")
		late := l.open("/v1/events?status=stopping", "Last-Event-ID: "+"abababab-"+l.events[1].ID)
		late.wants("state stopping", "end stopped", "snapshot")
	})
}

func TestAStreamTakesNoPages(t *testing.T) {
	f := newFace(t, nil)
	for query, complaint := range map[string]string{
		"limit=1": "a stream has no pages", "cursor=x": "a stream has no pages", "roomIdd=r": "did you mean roomId?",
	} {
		w := f.do("GET", "/v1/events?"+query, "")
		assert.Equal(t, 400, w.Code)
		assert.Contains(t, w.Body.String(), complaint)
	}
}

func TestAHistoryIsAStreamForThoseWhoAskForOne(t *testing.T) {
	for accept, stream := range map[string]bool{
		"text/event-stream":                          true,
		"application/json, text/event-stream; q=0.5": true,
		"application/json":                           false,
		"*/*":                                        false,
		"text/event-streams":                         false,
		"":                                           false,
	} {
		t.Run("Accept "+accept, func(t *testing.T) {
			inBubble(t, func(t *testing.T, l *live) {
				l.is(idOf(1), tasks.Failed)
				r := l.open("/v1/pushes/"+idOf(1)+"/events", "Accept: "+accept)
				assert.Equal(t, stream, r.header.Get("Content-Type") == "text/event-stream", r.header)
			})
		})
	}
}

func TestAStreamOfOnePushEndsWithIt(t *testing.T) {
	inBubble(t, func(t *testing.T, l *live) {
		l.is(idOf(1), tasks.Starting)
		l.is(idOf(2), tasks.Starting)
		path := "/v1/pushes/" + idOf(1) + "/events"
		r := l.open(path)
		assert.Equal(t, []any{idOf(1)}, pushesIn(r.wants("snapshot")[0]))
		before := r.last
		l.is(idOf(2), tasks.Publishing)
		l.is(idOf(1), tasks.Publishing)
		l.change(idOf(1), func(p *tasks.Push) { p.Failure = &tasks.Failure{Code: tasks.CodeInternal, Message: "it broke"} })
		l.is(idOf(1), tasks.Failed)
		m := r.wants("state publishing", "end failed")[1]
		assert.Equal(t, "end", m.data["type"])
		assert.Equal(t, "failed", m.data["push"].(map[string]any)["state"])
		r.ended()

		again := l.open(path, "Last-Event-ID: "+r.last)
		assert.Equal(t, 204, again.status, "an EventSource is told to come no more")
		missed := l.open(path, "Last-Event-ID: "+before)
		missed.wants("state publishing", "end failed")
		missed.ended()
		fresh := l.open(path)
		fresh.wants("end failed")
		fresh.ended()

		l.do(func() { l.events = nil }) // ended long ago
		time.Sleep(2 * time.Second)     // nobody listens any more
		m = l.open(path).wants("end failed")[0]
		assert.Equal(t, "it broke", m.data["message"])
		assert.Equal(t, 204, l.open(path, "Last-Event-ID: "+m.id).status)
		assert.Equal(t, 404, l.open("/v1/pushes/"+idOf(9)+"/events").status)
	})
}

func TestNothingIsLostOfAPushThatEndsWhileAStreamIsAskedFor(t *testing.T) {
	inBubble(t, func(t *testing.T, l *live) {
		l.is(idOf(1), tasks.Starting)
		other := l.open("/v1/events?roomId=other") // the feed is being read
		other.wants("snapshot")
		l.is(idOf(1), tasks.Publishing) // unread
		l.is(idOf(1), tasks.Completed)
		r := l.open("/v1/pushes/"+idOf(1)+"/events", "Last-Event-ID: "+other.last)
		r.wants("state publishing", "end completed")
		r.ended()
	})
}

func TestWhoComesBackMissesNothingOrIsToldSo(t *testing.T) {
	const a = "abababab-"
	for _, tt := range []struct {
		name string
		id   func(first string) string
		want []string
	}{
		{"nothing was missed", func(string) string { return a + "946684800000-3" }, []string{"snapshot"}},
		{"two were missed", func(first string) string { return a + first }, []string{"trouble", "end stopped", "snapshot"}},
		{"an end was the last", func(first string) string { return a + first + "-end" }, []string{"trouble", "end stopped", "snapshot"}},
		{"another Redis", func(first string) string { return "cdcdcdcd-" + first }, []string{"reset", "snapshot"}},
		{"before all that is known", func(string) string { return a + "1-1" }, []string{"reset", "snapshot"}},
		{"later than all that is known", func(string) string { return a + "99946684800000-3" }, []string{"reset", "snapshot"}},
		{"no id of ours", func(string) string { return "5" }, []string{"reset", "snapshot"}},
		{"an empty one", func(string) string { return "" }, []string{"snapshot"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, l *live) {
				l.is(idOf(1), tasks.Starting)
				l.happens(idOf(1), tasks.Event{Type: tasks.EventTrouble})
				l.is(idOf(1), tasks.Stopped)
				r := l.open("/v1/events", "Last-Event-ID: "+tt.id(l.events[0].ID))
				r.wants(tt.want...)
			})
		})
	}
}

func TestAnIDThatAnotherAPIHasReadFirstIsNoHole(t *testing.T) {
	inBubble(t, func(t *testing.T, l *live) {
		l.is(idOf(1), tasks.Starting)
		r := l.open("/v1/events")
		r.wants("snapshot")
		l.is(idOf(1), tasks.Publishing) // unread here
		again := l.open("/v1/events", "Last-Event-ID: abababab-"+l.events[1].ID)
		again.wants("snapshot")
	})
}

func TestEventsAreKeptForTenMinutes(t *testing.T) {
	inBubble(t, func(t *testing.T, l *live) {
		l.is(idOf(1), tasks.Starting)
		r := l.open("/v1/events?roomId=other")
		r.wants("snapshot")
		first := r.last
		drain(r)
		time.Sleep(9 * time.Minute)
		l.is(idOf(1), tasks.Publishing)
		time.Sleep(2 * time.Second)
		l.open("/v1/events", "Last-Event-ID: "+first).wants("state publishing", "snapshot")
		time.Sleep(11 * time.Minute)
		l.is(idOf(1), tasks.Stopping)
		time.Sleep(2 * time.Second)
		l.open("/v1/events", "Last-Event-ID: "+first).wants("reset", "snapshot")
	})
}

func TestWhoComesBackAfterAQuietTimeMissesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, l *live) {
		l.is(idOf(1), tasks.Starting)
		r := l.open("/v1/events?roomId=other")
		r.wants("snapshot")
		last := r.last
		drain(r)
		time.Sleep(11 * time.Minute)
		l.is(idOf(1), tasks.Publishing)
		time.Sleep(2 * time.Second)
		l.open("/v1/events", "Last-Event-ID: "+last).wants("state publishing", "snapshot")
	})
}

// drain reads a stream on, so that nothing waits for it.
func drain(r *reader) {
	go func() { _, _ = io.Copy(io.Discard, r.lines) }()
}

func TestAStreamIsToldOfAHole(t *testing.T) {
	for _, tt := range []struct {
		name string
		hole func(p *pool)
	}{
		{"Redis was started anew", func(p *pool) { p.run = strings.Repeat("cd", 20) }},
		{"Redis was emptied", func(p *pool) { p.events = nil }},
		{"Redis was emptied and there are new events", func(p *pool) {
			p.events = nil
			p.add(idOf(3), tasks.Event{Type: tasks.EventState, State: tasks.Queued})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, l *live) {
				l.is(idOf(1), tasks.Starting)
				l.is(idOf(2), tasks.Starting)
				all, one := l.open("/v1/events"), l.open("/v1/pushes/"+idOf(1)+"/events")
				assert.Equal(t, []any{idOf(2), idOf(1)}, pushesIn(all.wants("snapshot")[0]))
				one.wants("snapshot")
				l.do(func() {
					tt.hole(l.pool)
					delete(l.pushes, idOf(2))
					l.pushes[idOf(1)] = tasks.Push{ID: idOf(1), State: tasks.Stopped}
				})
				for m, _ := all.next(); m.name != "reset"; m, _ = all.next() {
				}
				assert.Empty(t, pushesIn(all.wants("snapshot")[0]))
				for m, _ := one.next(); m.name != "reset"; m, _ = one.next() {
				}
				one.wants("end stopped") // in the hole
				one.ended()
				l.is(idOf(4), tasks.Queued)
				all.wants("state queued")
			})
		})
	}
}

func TestWithoutRedisAStreamIsRefusedAndThoseThereWait(t *testing.T) {
	inBubble(t, func(t *testing.T, l *live) {
		l.is(idOf(1), tasks.Queued)
		r := l.open("/v1/events")
		r.wants("snapshot", "progress queued")
		l.do(func() { l.away = &tasks.Error{Code: tasks.CodeRedisUnavailable, Msg: "away"} })
		time.Sleep(2 * time.Second)
		assert.Equal(t, 503, l.open("/v1/events").status)
		assert.Equal(t, 503, l.open("/v1/pushes/"+idOf(1)+"/events").status)
		m, _ := r.next()
		assert.True(t, m.comment, "the heartbeat goes on")
		l.is(idOf(1), tasks.Starting)
		l.do(func() { l.away = nil })
		r.wants("state starting")
		l.end()
		for more := true; more; _, more = r.next() {
		}
		assert.Equal(t, 1, strings.Count(l.log.String(), "cannot be read"), "said once")
	})
}

func TestTheFirstStreamIsRefusedWhileRedisIsAway(t *testing.T) {
	for name, leaves := range map[string]func(p *pool){
		"it is away":      func(p *pool) { p.away = &tasks.Error{Code: tasks.CodeRedisUnavailable, Msg: "away"} },
		"it stands still": func(p *pool) { p.still = true },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, l *live) {
				l.do(func() { leaves(l.pool) })
				for range 2 {
					start := time.Now()
					assert.Equal(t, 503, l.open("/v1/events").status)
					assert.LessOrEqual(t, time.Since(start), 3*time.Second)
				}
				assert.NotContains(t, l.log.String(), "streams wait")
			})
		})
	}
}

func TestAStreamBeginsThoughTheFirstReadLastsLongerThanItWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, l *live) {
		l.is(idOf(1), tasks.Queued)
		l.do(func() { l.slow = 4 * time.Second })
		assert.Equal(t, 503, l.open("/v1/events").status)
		time.Sleep(5 * time.Second)
		l.is(idOf(2), tasks.Queued)
		l.is(idOf(1), tasks.Stopped)
		r := l.open("/v1/events")
		assert.Equal(t, []any{idOf(2)}, pushesIn(r.wants("snapshot")[0]), "it is as it is now")
	})
}

func TestAnAPIThatEndsEndsItsStreamsAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, l *live) {
		l.is(idOf(1), tasks.Queued)
		r := l.open("/v1/events")
		r.wants("snapshot")
		start := time.Now()
		l.end()
		m, _ := r.next()
		assert.NotEmpty(t, m.retry)
		r.ended()
		assert.Zero(t, time.Since(start))
	})
}

func TestNobodyWaitsForAReaderThatStandsStill(t *testing.T) {
	inBubble(t, func(t *testing.T, l *live) {
		l.is(idOf(1), tasks.Publishing)
		dead, well := l.open("/v1/events"), l.open("/v1/events")
		well.wants("snapshot", "progress publishing")
		start := time.Now()
		for n := range 30 {
			l.change(idOf(1), func(p *tasks.Push) { p.Progress = &media.Progress{Position: time.Duration(n+1) * time.Second} })
			well.wants("progress publishing")
		}
		assert.InDelta(t, 30, time.Since(start).Seconds(), 0.5)
		_, err := io.Copy(io.Discard, dead.conn)
		assert.NoError(t, err, "it was cut")
		l.end()
		well.ended()
		assert.Contains(t, l.log.String(), "its reader is too slow")
	})
}

func TestAReaderThatIsSlowerThanTheNewsIsCut(t *testing.T) {
	inBubble(t, func(t *testing.T, l *live) {
		l.is(idOf(1), tasks.Publishing)
		slow := l.open("/v1/events")
		slow.wants("snapshot")
		start := time.Now()
		for n := 0; ; n++ {
			time.Sleep(4 * time.Second) // within the deadline of a write
			for range 4 {
				l.happens(idOf(1), tasks.Event{Type: tasks.EventPlan})
				time.Sleep(time.Second)
			}
			if _, ok := slow.next(); !ok {
				break
			}
		}
		assert.Less(t, time.Since(start), 5*time.Minute)
	})
}

func TestWithoutAStreamOfManyOnlyPushesWithAStreamAreRead(t *testing.T) {
	inBubble(t, func(t *testing.T, l *live) {
		plays := func(n int, at time.Duration) {
			l.change(idOf(n), func(p *tasks.Push) { p.Progress = &media.Progress{Position: at} })
		}
		at := func(m message) any {
			push := m.data
			if list, ok := m.data["pushes"].([]any); ok {
				push = list[0].(map[string]any)
			}
			return push["progress"].(map[string]any)["positionMs"]
		}
		for n := range 3 {
			l.is(idOf(n+1), tasks.Publishing)
			plays(n+1, time.Second)
		}
		alls := func() (n int) {
			l.do(func() { n = l.alls })
			return n
		}
		one := l.open("/v1/pushes/" + idOf(1) + "/events")
		one.wants("snapshot", "progress publishing")
		time.Sleep(5 * time.Second)
		plays(1, 2*time.Second)
		plays(2, 3*time.Second)
		assert.EqualValues(t, 2000, at(one.wants("progress publishing")[0]))
		assert.Zero(t, alls())
		drain(one)

		two := l.open("/v1/pushes/" + idOf(2) + "/events")
		assert.EqualValues(t, 3000, at(two.wants("snapshot")[0]), "it is as it was when it was asked for")
		drain(two)
		assert.Zero(t, alls())

		l.do(func() { l.pushes[idOf(4)] = tasks.Push{ID: idOf(4), State: tasks.Queued} }) // its events are older than the feed
		plays(3, 4*time.Second)
		all := l.open("/v1/events")
		m := all.wants("snapshot")[0]
		assert.Equal(t, []any{idOf(4), idOf(3), idOf(2), idOf(1)}, pushesIn(m))
		assert.EqualValues(t, 4000, m.data["pushes"].([]any)[1].(map[string]any)["progress"].(map[string]any)["positionMs"])
		_ = all.conn.Close()
		time.Sleep(20 * time.Second) // the heartbeat finds out
		before := alls()
		time.Sleep(time.Minute)
		assert.Equal(t, before, alls())
	})
}

func TestTheEndOfAPushIsToldOnlyByItsEvent(t *testing.T) {
	inBubble(t, func(t *testing.T, l *live) {
		l.is(idOf(1), tasks.Publishing)
		r := l.open("/v1/pushes/" + idOf(1) + "/events")
		r.wants("snapshot", "progress publishing")
		l.change(idOf(1), func(p *tasks.Push) { p.State = tasks.Completed })
		time.Sleep(3 * time.Second)
		l.is(idOf(1), tasks.Completed)
		r.wants("end completed")
		r.ended()
	})
}

func TestNothingIsReadWhileNobodyListens(t *testing.T) {
	inBubble(t, func(t *testing.T, l *live) {
		r := l.open("/v1/events")
		r.wants("snapshot")
		_ = r.conn.Close()
		time.Sleep(20 * time.Second) // the heartbeat finds out
		var before, after int
		l.do(func() { before = l.reads })
		time.Sleep(time.Minute)
		l.do(func() { after = l.reads })
		assert.Equal(t, before, after)
	})
}
