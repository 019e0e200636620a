package client_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/cmd/roomcast/client"
	"github.com/roomcast/roomcast/tasks"
)

// streams answers its connections one after another, the last one for ever, and
// tells what came.
type streams struct {
	answers []string // the text of a stream, or "STATUS json"
	came    chan *http.Request
}

func stream(t *testing.T, answers ...string) (*client.Client, *streams) {
	t.Helper()
	s := &streams{answers: answers, came: make(chan *http.Request, 100)}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	c, err := client.New(srv.URL, "the-key")
	require.NoError(t, err)
	return c, s
}

func (s *streams) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.came <- r
	text := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	var status int
	if n, _ := fmt.Sscanf(text, "%d ", &status); n == 1 {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text[4:])
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = io.WriteString(w, "retry: 1\n\n"+text)
}

const (
	snapshot = "event: snapshot\nid: a-1\ndata: {\"pushes\":[{\"id\":\"p1\",\"state\":\"starting\"}]}\n\n"
	ended    = "event: end\nid: a-9-end\ndata: {\"pushId\":\"p1\",\"type\":\"end\",\"state\":\"failed\",\"push\":{\"id\":\"p1\",\"state\":\"failed\"}}\n\n"
)

func TestAStreamIsReadToThePushsEnd(t *testing.T) {
	c, s := stream(t, snapshot+
		"event: state\r\nid: a-2\r\ndata: {\"pushId\":\"p1\",\r\ndata: \"type\":\"state\",\"state\":\"publishing\"}\r\n\r\n"+
		": a comment\nid: a-3\n\n"+
		"event: of-a-newer-api\ndata: what it is\n\n"+
		"event: progress\ndata: {\"pushId\":\"p1\",\"state\":\"publishing\",\"progress\":{\"positionMs\":7}}\n\n"+
		"event: reset\ndata: {\"message\":\"events may be missing\"}\n\n"+ended+"event: never\n")
	var told []string
	for m, err := range c.WatchPush(t.Context(), "p1") {
		require.NoError(t, err)
		switch {
		case m.Snapshot != nil:
			told = append(told, "snapshot "+string(m.Snapshot.Pushes[0].State))
		case m.Progress != nil:
			told = append(told, fmt.Sprint("progress ", m.Progress.Progress.PositionMs, m.Progress.Trouble))
		case m.Reset != nil:
			told = append(told, m.Reset.Message)
		case m.Event != nil:
			told = append(told, m.Event.Type+" "+string(m.Event.State))
		}
	}
	assert.Equal(t, []string{"snapshot starting", "state publishing", "progress 7 <nil>", "events may be missing", "end failed"}, told)
	r := <-s.came
	assert.Equal(t, "/v1/pushes/p1/events", r.URL.Path)
	assert.Equal(t, []string{"text/event-stream", "Bearer the-key", ""},
		[]string{r.Header.Get("Accept"), r.Header.Get("Authorization"), r.Header.Get("Last-Event-ID")})
	assert.Empty(t, s.came, "nobody asks again")
}

func TestAStreamThatBreaksGoesOnWhereItWas(t *testing.T) {
	c, s := stream(t, snapshot+":\nid: a-4\n\n", ended)
	n := 0
	for _, err := range c.WatchPush(t.Context(), "p1") {
		require.NoError(t, err)
		n++
	}
	assert.Equal(t, 2, n)
	<-s.came
	assert.Equal(t, "a-4", (<-s.came).Header.Get("Last-Event-ID"))
}

func TestAnAPIThatIsAwayIsAnErrorAtEachTry(t *testing.T) {
	c, _ := stream(t, snapshot, `503 {"status":503,"code":"redis_unavailable","detail":"Redis is away"}`, "", ended)
	var told []string
	for _, err := range c.WatchPush(t.Context(), "p1") {
		told = append(told, fmt.Sprint(err))
	}
	require.Len(t, told, 4)
	assert.Equal(t, "<nil>", told[0])
	assert.Contains(t, told[1], "Redis is away [redis_unavailable]")
	assert.Contains(t, told[2], "does not answer: the connection broke")
	assert.Equal(t, "<nil>", told[3])
}

func TestAStreamIsOver(t *testing.T) {
	for name, tt := range map[string]struct {
		answer, want string
	}{
		"where the API refuses":       {`404 {"status":404,"code":"not_found","detail":"there is no such push"}`, "there is no such push [not_found]"},
		"after what is no push's end": {"204 ", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c, s := stream(t, tt.answer)
			var told []string
			for _, err := range c.WatchPush(t.Context(), "p1") {
				told = append(told, err.Error())
			}
			assert.Equal(t, tt.want, strings.Join(told, "|"))
			<-s.came
			assert.Empty(t, s.came)
		})
	}
}

func TestAStreamEndsWithItsContextAndWithItsReader(t *testing.T) {
	c, s := stream(t, snapshot)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, err := range c.Watch(ctx, client.Filter{RoomID: "r", State: "active", Limit: 5}) {
		assert.NoError(t, err)
		time.AfterFunc(30*time.Millisecond, cancel)
	}
	require.Error(t, ctx.Err())
	assert.Equal(t, "roomId=r&state=active", (<-s.came).URL.RawQuery)
	for _, err := range c.Watch(t.Context(), client.Filter{}) {
		assert.NoError(t, err)
		break
	}
}

func TestAStreamThatIsNoneIsSaid(t *testing.T) {
	for answer, want := range map[string]string{
		"200 <html>":                        "is not a stream of Roomcast's API",
		"event: snapshot\ndata: <html>\n\n": "its message snapshot is not what Roomcast's API sends",
	} {
		c, _ := stream(t, answer)
		for _, err := range c.WatchPush(t.Context(), "p1") {
			assert.ErrorContains(t, err, want)
			break
		}
	}
}

func TestAnEventIsALineOfTheHistory(t *testing.T) {
	e := client.LiveEvent{PushID: "p1", Type: client.EventEnd, State: tasks.Failed, Message: "m", Attempt: 2, Push: &client.Push{}}
	assert.Equal(t, client.Event{Type: tasks.EventState, State: tasks.Failed, Message: "m", Attempt: 2}, e.Line())
}

func TestACheckAsksForALook(t *testing.T) {
	c, s := serve(t, 200, "application/json", `{"state":"queued","source":{"kind":"vod","container":"mp4","tracks":[]}}`)
	p, err := c.Check(t.Context(), client.Request{VideoSrc: "http://h/a.mp4"})
	require.NoError(t, err)
	assert.Equal(t, "mp4", p.Source.Container)
	assert.Equal(t, "POST /v1/pushes?dryRun=true&probe=true", s.line)
}
