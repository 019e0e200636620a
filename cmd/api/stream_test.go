package main

import (
	"bufio"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redistest"
	"github.com/roomcast/roomcast/media/mediatest"
)

// stream is a client that has asked for server-sent events.
type stream struct {
	t     testing.TB
	lines *bufio.Scanner
	close func()
	last  string // the id
	text  string // all that came
}

// follow asks for a stream, as one that had lastID before.
func (i *instance) follow(path, lastID string) *stream {
	i.t.Helper()
	r, err := http.NewRequestWithContext(i.t.Context(), "GET", i.base+path, nil)
	require.NoError(i.t, err)
	r.Header.Set("Authorization", "Bearer "+apiKey)
	r.Header.Set("Accept", "text/event-stream")
	if lastID != "" {
		r.Header.Set("Last-Event-ID", lastID)
	}
	w, err := http.DefaultClient.Do(r)
	require.NoError(i.t, err)
	require.Equal(i.t, 200, w.StatusCode)
	s := &stream{t: i.t, lines: bufio.NewScanner(w.Body), close: func() { _ = w.Body.Close() }}
	s.lines.Buffer(nil, 1<<20)
	i.t.Cleanup(s.close)
	return s
}

// next returns name and data of a message; ok is false at the end. Progress is
// left out.
func (s *stream) next() (name, data string, ok bool) {
	s.t.Helper()
	for s.lines.Scan() {
		line := s.lines.Text()
		s.text += line + "\n"
		field, value, _ := strings.Cut(line, ": ")
		switch field {
		case "event":
			name = value
		case "id":
			s.last = value
		case "data":
			data = value
		case "":
			if name != "" && name != "progress" {
				return name, data, true
			}
			name, data = "", ""
		}
	}
	return "", "", false
}

// wants reads messages, each "name word": the word is in its data.
func (s *stream) wants(want ...string) {
	s.t.Helper()
	for _, w := range want {
		wanted, word, _ := strings.Cut(w, " ")
		name, data, ok := s.next()
		require.True(s.t, ok, "the stream ended before %s", w)
		require.Equal(s.t, wanted, name, data)
		require.Contains(s.t, data, word)
	}
}

func (s *stream) ends() {
	s.t.Helper()
	name, data, ok := s.next()
	require.False(s.t, ok, "%s %s", name, data)
}

// push starts a push and returns its id.
func (i *instance) push(user string) string {
	i.t.Helper()
	status, header, body := i.do("POST", "/v1/pushes", strings.Replace(request(""), "anna", user, 1))
	require.Equal(i.t, 202, status, body)
	return header.Get("X-Request-Id")
}

func (i *instance) end(id string) {
	i.t.Helper()
	status, _, body := i.do("DELETE", "/v1/pushes/"+id, "")
	require.Equal(i.t, 202, status, body)
}

func TestStreamsGoOnWithoutAHoleWithAnotherAPI(t *testing.T) {
	redis := redistest.New(t, redistest.Config{})
	addWorker(t, redis)
	i := start(t, redis, "ROOMCAST_LEASE=1m")
	anna := i.push("anna")
	all, one := i.follow("/v1/events", ""), i.follow("/v1/pushes/"+anna+"/events", "")
	all.wants("snapshot " + anna)
	one.wants("snapshot " + anna)
	bert := i.push("bert")
	all.wants("state " + bert)
	begin, noise := time.Now(), mediatest.WatchNoise(t)
	i.stop()
	assert.Less(t, time.Since(begin), 5*time.Second+mediatest.Hops*noise(), "nobody waits for streams")
	all.ends()
	one.ends()
	assert.Contains(t, all.text, "retry: ")

	start(t, redis, "ROOMCAST_LEASE=1m").end(anna) // while they are away
	second := start(t, redis, "ROOMCAST_LEASE=1m")
	carl := second.push("carl")
	again := second.follow("/v1/events", all.last)
	again.wants("end "+anna, "state "+carl, "snapshot "+carl)
	second.end(bert)
	again.wants("end " + bert)
	again.close()
	last := second.follow("/v1/pushes/"+anna+"/events", one.last)
	last.wants(`end "status":"stopped"`)
	last.ends()
	assert.NotContains(t, all.text+one.text+again.text+last.text, "canary")
}

func TestStreamsAreToldWhenRedisHasLostEvents(t *testing.T) {
	for _, tt := range []struct {
		name string
		lose func(t *testing.T, redis *redistest.Server)
		left bool // the push is still there
	}{
		{"Redis is started anew", func(t *testing.T, redis *redistest.Server) { require.NoError(t, redis.Restart()) }, true},
		{"Redis is emptied", func(t *testing.T, redis *redistest.Server) {
			require.NoError(t, redis.Client(t).FlushAll(t.Context()).Err())
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			redis := redistest.New(t, redistest.Config{AppendOnly: true})
			addWorker(t, redis)
			i := start(t, redis, "ROOMCAST_LEASE=1m")
			anna := i.push("anna")
			s := i.follow("/v1/events", "")
			s.wants("snapshot " + anna)
			had := s.last
			tt.lose(t, redis)
			s.wants("reset missing", "snapshot")
			assert.Equal(t, tt.left, strings.Count(s.text, `"id":"`+anna) == 2, s.text)
			addWorker(t, redis)
			bert := i.push("bert")
			s.wants("state " + bert)
			again := i.follow("/v1/events", had)
			again.wants("reset missing", "snapshot "+bert)
			further := i.follow("/v1/events", s.last)
			further.wants("snapshot " + bert)
			s.close()
			again.close()
			further.close()
		})
	}
}

func TestOneReaderReadsForAllStreams(t *testing.T) {
	redis := redistest.New(t, redistest.Config{})
	addWorker(t, redis)
	i := start(t, redis, "ROOMCAST_LEASE=1m")
	anna := i.push("anna")
	for range 20 {
		i.follow("/v1/events", "").wants("snapshot " + anna)
		i.follow("/v1/pushes/"+anna+"/events", "").wants("snapshot " + anna)
	}
	clients, err := redis.Client(t).ClientList(t.Context()).Result()
	require.NoError(t, err)
	reading := regexp.MustCompile(`flags=b .* cmd=xread`).FindAllString(clients, -1)
	assert.LessOrEqual(t, len(reading), 1, clients)
	i.stop()
}
