package client_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/cmd/roomcast/client"
	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
)

const pushJSON = `{"id":"p1","state":"publishing","status":"publishing","desired":"run","videoSrc":"http://h/a.mp4","sdkAppId":14,"roomId":"r",
	"userId":"u","redis":false,"attempt":1,"createdAt":"2026-11-22T10:00:00.000Z","startedAt":"2026-11-22T10:00:01.000Z",
	"source":{"kind":"vod","container":"mp4","durationMs":60000,"tracks":[{"type":"video","codec":"h264"}]},
	"plan":{"video":{"action":"copy","reason":"the room takes it","output":{"width":640,"height":360}}},
	"progress":{"positionMs":1500,"durationMs":60000,"bitrateKbps":1600,"fps":30,"sentBytes":10,"droppedPackets":0,"reconnects":0,"latenessMsP99":1}}`

// serve answers every request with status and body and tells what came.
func serve(t *testing.T, status int, kind, body string) (*client.Client, *seen) {
	t.Helper()
	var s seen
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		s.line, s.body, s.header = r.Method+" "+r.URL.String(), string(text), r.Header
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(srv.Close)
	c, err := client.New(srv.URL+"/", "the-key")
	require.NoError(t, err)
	return c, &s
}

type seen struct {
	line, body string
	header     http.Header
}

func TestStartSendsTheSecretsInTheBodyAlone(t *testing.T) {
	c, s := serve(t, 202, "application/json", pushJSON)
	p, err := c.Start(t.Context(), client.Request{
		VideoSrc: "http://h/a.mp4?token=x", SDKAppID: 14, RoomID: "r", UserID: "u", UserSig: "sig*", RedisHost: "h", RedisPassword: "pw",
	}, "once")
	require.NoError(t, err)
	assert.Equal(t, "POST /v1/pushes", s.line)
	assert.JSONEq(t, `{"videoSrc":"http://h/a.mp4?token=x","sdkAppId":14,"roomId":"r","userId":"u","userSig":"sig*","redisHost":"h","redisPassword":"pw"}`, s.body)
	assert.Equal(t, "application/json", s.header.Get("Content-Type"))
	assert.Equal(t, "once", s.header.Get("Idempotency-Key"))
	assert.Equal(t, "Bearer the-key", s.header.Get("Authorization"))
	assert.Equal(t, tasks.Publishing, p.State)
	assert.Equal(t, "1.5s", p.Position().String())
	assert.Equal(t, "1m0s", p.Length().String())
	assert.Equal(t, media.Copy, p.Plan.Video.Action)
	assert.Equal(t, client.Output{Width: 640, Height: 360}, p.Plan.Video.Output)
}

func TestEveryCallHasItsAddress(t *testing.T) {
	ctx := context.Background()
	for name, tt := range map[string]struct {
		call func(*client.Client) error
		want string
	}{
		"get":          {func(c *client.Client) error { _, err := c.Get(ctx, "p1"); return err }, "GET /v1/pushes/p1"},
		"stop":         {func(c *client.Client) error { _, err := c.Stop(ctx, "p1"); return err }, "DELETE /v1/pushes/p1"},
		"an odd id":    {func(c *client.Client) error { _, err := c.Get(ctx, "../x?y"); return err }, "GET /v1/pushes/..%2Fx%3Fy"},
		"events":       {func(c *client.Client) error { _, err := c.Events(ctx, "p1"); return err }, "GET /v1/pushes/p1/events"},
		"alive":        {func(c *client.Client) error { return c.Alive(ctx) }, "GET /healthz"},
		"ready":        {func(c *client.Client) error { _, err := c.Ready(ctx); return err }, "GET /readyz"},
		"an open list": {func(c *client.Client) error { _, err := c.List(ctx, client.Filter{}); return err }, "GET /v1/pushes"},
		"a narrow list": {func(c *client.Client) error {
			_, err := c.List(ctx, client.Filter{State: "failed", Limit: 5})
			return err
		}, "GET /v1/pushes?limit=5&state=failed"},
		"the room named": {func(c *client.Client) error { _, err := c.List(ctx, client.Filter{RoomID: "0"}); return err }, "GET /v1/pushes?roomId=0"},
	} {
		t.Run(name, func(t *testing.T) {
			c, s := serve(t, 200, "application/json", `{"pushes":[],"events":[]}`)
			require.NoError(t, tt.call(c))
			assert.Equal(t, tt.want, s.line)
		})
	}
}

func TestErrorsAreSentences(t *testing.T) {
	const kind = "application/problem+json"
	for name, tt := range map[string]struct {
		status     int
		kind, body string
		want       string
		refused    bool
	}{
		"one field": {400, kind, `{"detail":"roomId: is required","code":"invalid_request","errors":[{"field":"roomId","detail":"is required"}]}`,
			"roomId: is required [invalid_request]", true},
		"two fields": {400, kind, `{"detail":"the request has fields that cannot be used as they are","code":"invalid_request","errors":[{"field":"roomId","detail":"is required"},{"field":"userId","detail":"is empty"}]}`,
			"the request has fields that cannot be used as they are [invalid_request]\n  roomId: is required\n  userId: is empty", true},
		"a busy user": {409, kind, `{"detail":"anna publishes already","code":"user_busy","pushId":"p9"}`,
			"anna publishes already (push p9) [user_busy]", true},
		"a busy user named already": {409, kind, `{"detail":"anna publishes already, in push p9","code":"user_busy","pushId":"p9"}`,
			"anna publishes already, in push p9 [user_busy]", true},
		"an absent store": {503, kind, `{"detail":"Redis is away","code":"redis_unavailable","retryable":true}`,
			"Redis is away [redis_unavailable]; try again later", false},
		"terminal commands": {400, kind, `{"detail":"a\u001b]0;b\u0007","code":"x"}`, "a?]0;b? [x]", true},
		"somebody else":     {404, "text/html", `<html>`, "answered 404 Not Found: that is not Roomcast's API", true},
		"a redirect":        {302, "text/html", ``, "answered 302 Found", true},
		"a strange success": {200, "text/html", `<html>`, "its answer is not what Roomcast's API sends", false},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := serve(t, tt.status, tt.kind, tt.body)
			_, err := c.Get(t.Context(), "p1")
			var e *client.Error
			require.ErrorAs(t, err, &e)
			assert.Contains(t, err.Error(), tt.want)
			assert.Equal(t, tt.refused, e.Refused())
			assert.NotContains(t, fmt.Sprintf("%+v %#v", err, err), "the-key")
		})
	}
}

func TestNobodyThere(t *testing.T) {
	srv := httptest.NewServer(nil)
	srv.Close()
	c, err := client.New(srv.URL, "")
	require.NoError(t, err)
	err = c.Alive(t.Context())
	assert.ErrorContains(t, err, "the API at "+srv.URL+" does not answer: ")
	assert.NotContains(t, err.Error(), "Get ")
}

func TestTheAddressIsChecked(t *testing.T) {
	for _, base := range []string{"", "127.0.0.1:8080", "ftp://h", "http://", "http://u:canary@h", "http://h?canary", "http://%zz"} {
		_, err := client.New(base, "")
		require.Error(t, err, base)
		assert.NotContains(t, err.Error(), "canary")
	}
}

func TestAListIsDecoded(t *testing.T) {
	c, _ := serve(t, 200, "application/json", `{"pushes":[`+pushJSON+`],"nextCursor":"c"}`)
	page, err := c.List(t.Context(), client.Filter{})
	require.NoError(t, err)
	require.Len(t, page.Pushes, 1)
	assert.Equal(t, "c", page.NextCursor)
}

func TestOlderNamesAreUnderstood(t *testing.T) {
	c, _ := serve(t, 200, "application/json", `{"pushes":[{"id":"p1","status":"failed"}]}`)
	page, err := c.List(t.Context(), client.Filter{})
	require.NoError(t, err)
	assert.Equal(t, tasks.Failed, page.Pushes[0].State)
	for older, want := range map[string]tasks.Code{"expired_usersig": tasks.CodeUserSigExpired, "store_unavailable": tasks.CodeRedisUnavailable} {
		c, _ := serve(t, 400, "application/problem+json", `{"detail":"a sentence","code":"`+older+`"}`)
		_, err := c.Get(t.Context(), "p1")
		assert.ErrorContains(t, err, "["+string(want)+"]")
	}
}

func TestAPushWithoutProgress(t *testing.T) {
	var p client.Push
	assert.Zero(t, p.Position())
	assert.Zero(t, p.Length())
	p.Source = &client.Source{Kind: "vod", DurationMs: 2000}
	assert.Equal(t, "2s", p.Length().String())
	p.Source.Kind = "live"
	assert.Zero(t, p.Length())
}
