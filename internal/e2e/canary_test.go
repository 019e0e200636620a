package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/roomcast/roomcast/internal/redistest"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/stretchr/testify/require"
)

// A secret that a request brings is nowhere but in its envelope: not in
// Redis's file, in a log at debug level, in the process list, the API, the
// monitor, the metrics, or what the page is given, shows, keeps and copies. Nor is an API key, also when
// somebody signs in with it.
func TestACanaryIsFoundNowhere(t *testing.T) {
	beside(t)
	const password, token, user, header = "canary-redis-password", "canary-url-token", "canary-url-user", "canary-header-value"
	other := redistest.New(t, redistest.Config{Password: password})
	hooks := receiveWebhooks(t)
	s := newStack(t, options{env: []string{
		"ROOMCAST_WEBHOOK_SECRET=" + webhookSecret, "ROOMCAST_WEBHOOK_ALLOW=127.0.0.0/8", "ROOMCAST_LOG_LEVEL=debug", "ROOMCAST_PROGRESS_REDIS_ALLOW=" + other.Addr(),
	}})
	files := mediatest.Serve(t, map[string]string{"a": mediatest.Clip(t, mediatest.Spec{Seconds: 60})})
	told := s.stream("/v1/events")
	src := strings.Replace(files.URL, "http://", "http://"+user+":"+token+"@", 1) + "/a?token=" + token
	good := s.request(src, "r", "u", fields{
		"redis": true, "redisHost": "127.0.0.1", "redisPort": other.Port(), "redisPassword": password,
		"headers": fields{"X-Token": "Bearer " + header}, "callbackUrl": hooks.URL + "/" + token + "?token=" + token,
	})
	sig, _ := good["userSig"].(string)
	a := s.do(http.MethodPost, "/v1/pushes", good)
	require.Equal(t, http.StatusAccepted, a.code, a.raw)
	id, _ := a.body["id"].(string)
	_, err := s.room.WaitMedia(patient(t), "u", 3*time.Second)
	require.NoError(t, err)
	missing := s.push(strings.Replace(src, "/a?", "/missing?", 1), "r", "v", fields{"headers": fields{"X-Token": header}, "callbackUrl": hooks.URL + "/" + token + "?token=" + token}) // errors are printed, too
	s.waitStatus(missing, "failed")
	s.room.Cut("u")
	_, err = s.room.WaitSession(patient(t), "u", 1)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(hooks.all()) >= 3 }, patience, 50*time.Millisecond) // started, failed, reconnecting
	hooks.Close()
	signedIn := s.do(http.MethodPost, "/v1/session", fields{"key": apiKey})
	require.Equal(t, http.StatusOK, signedIn.code, signedIn.raw)
	refusedKey := s.do(http.MethodPost, "/v1/session", fields{"key": password})
	require.Equal(t, http.StatusUnauthorized, refusedKey.code, refusedKey.raw)
	page, err := s.ask(call{method: http.MethodGet, path: "/pushes/" + id, accept: "text/html"})
	require.NoError(t, err)
	var samples answer
	require.Eventually(t, func() bool {
		samples = s.do(http.MethodGet, "/v1/pushes/"+id+"/samples", nil)
		return strings.Contains(samples.raw, `"bitrateKbps"`)
	}, patience, 200*time.Millisecond)

	preview, _, _ := s.look(id)
	apiMetrics, workerMetrics := s.scrape(t)
	places := map[string]string{
		"the API's metrics": apiMetrics, "the worker's metrics": workerMetrics,
		"the API's log": s.api.log(), "the worker's log": s.workers[0].log(), "the process list": processList(t),
		"the push": s.do(http.MethodGet, "/v1/pushes/"+id, nil).raw, "the list": s.do(http.MethodGet, "/v1/pushes", nil).raw,
		"the stream": told("event: end"), "the stream of a push": s.stream("/v1/pushes/" + missing + "/events")("event: end"),
		"a dry run":            s.do(http.MethodPost, "/v1/pushes?dryRun=true&probe=true", s.request(src, "r", "x", fields{"headers": fields{"X-Token": header}})).raw,
		"the session's cookie": signedIn.header.Get("Set-Cookie"), "the session": signedIn.raw + s.do(http.MethodGet, "/v1/session", nil).raw,
		"a refused session": refusedKey.raw, "the page": page.raw, "the samples": samples.raw, "the preview": preview.raw, "the workers": s.do(http.MethodGet, "/v1/workers", nil).raw,
		"the events":  s.do(http.MethodGet, "/v1/pushes/"+missing+"/events", nil).raw,
		"the monitor": s.monitor(t), "the webhooks": hooks.text.String(), "Redis": s.redisFile(t), "the other Redis": dump(t, other),
	}
	var shown map[string]string
	require.NoError(t, json.Unmarshal([]byte(s.browse("canary.mjs", fields{"pushes": fields{"running": id, "failed": missing}})), &shown))
	require.Contains(t, shown["the report of the running push"], `"bitrateKbps"`)
	require.Contains(t, shown["the failed push as curl"], `"X-Token": "<secret>"`)
	require.Contains(t, shown["the list in a browser"], id)
	maps.Copy(places, shown)
	for place, text := range places {
		require.NotEmpty(t, text, place)
		for _, canary := range []string{sig, password, token, user, header, apiKey} {
			require.NotContains(t, text, canary, place)
		}
	}
	require.Contains(t, places["the push"], `"headers":["X-Token"]`)
	refused := s.do(http.MethodPost, "/v1/pushes", s.request(src, "r", "w", fields{"headers": fields{"Host": header, "X-Token: " + header: ""}}))
	require.Equal(t, http.StatusBadRequest, refused.code)
	require.NotContains(t, refused.raw+s.api.log(), header)
	s.stop(id)
	s.waitStatus(id, "stopped")
}

// stream asks for server-sent events. What it returns waits until a text has
// come, and returns all that has.
func (s *stack) stream(path string) func(until string) string {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	s.t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	require.NoError(s.t, err)
	r.Header.Set("Authorization", "Bearer "+apiKey)
	r.Header.Set("Accept", "text/event-stream")
	answer, err := http.DefaultClient.Do(r)
	require.NoError(s.t, err)
	require.Equal(s.t, http.StatusOK, answer.StatusCode)
	return func(until string) string {
		s.t.Helper()
		defer answer.Body.Close()
		defer time.AfterFunc(patience, cancel).Stop()
		var all strings.Builder
		for lines := bufio.NewReader(answer.Body); ; {
			line, err := lines.ReadString('\n')
			all.WriteString(line)
			if line == "\n" && strings.Contains(all.String(), until) {
				return all.String()
			}
			require.NoError(s.t, err, "%s has not come: %s", until, &all)
		}
	}
}

// processList is every command line and environment of our processes.
func processList(t testing.TB) string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	var all strings.Builder
	for _, f := range files {
		text, _ := os.ReadFile(f)
		all.Write(text)
	}
	return all.String()
}

// monitor is what the queue monitor tells of the running tasks.
func (s *stack) monitor(t testing.TB) string {
	t.Helper()
	a := s.do(http.MethodGet, "/monitor/api/queues/push/active_tasks", nil)
	require.Equal(t, http.StatusOK, a.code, a.raw)
	require.Contains(t, a.raw, "push:run")
	return a.raw + s.do(http.MethodGet, "/monitor/api/servers", nil).raw
}

// redisFile is what our Redis would write to disk.
func (s *stack) redisFile(t testing.TB) string { return dump(t, s.redis) }

func dump(t testing.TB, r *redistest.Server) string {
	t.Helper()
	client := r.Client(t)
	require.NoError(t, client.ConfigSet(t.Context(), "rdbcompression", "no").Err())
	require.NoError(t, client.Save(t.Context()).Err())
	dir, err := client.ConfigGet(t.Context(), "dir").Result()
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(dir["dir"], "dump.rdb"))
	require.NoError(t, err)
	return string(text)
}
