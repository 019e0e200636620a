package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/web/api"
	"github.com/roomcast/roomcast/web/problem"
)

func verifyNoLeaks(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStartAnswers202AndTheIDInThreePlaces(t *testing.T) {
	f := newFace(t, nil)
	w := f.do("POST", "/v1/pushes", body, "Content-Type: application/json; charset=utf-8", "Idempotency-Key: k-1")
	require.Equal(t, 202, w.Code, w.Body)
	assert.Equal(t, id, w.Header().Get("X-Request-Id"))
	assert.Equal(t, id, w.Header().Get("X-Scf-Reqid"))
	assert.Equal(t, "/v1/pushes/"+id, w.Header().Get("Location"))
	assert.Contains(t, w.Body.String(), `"id":"`+id+`"`)
	assert.Equal(t, "k-1", f.request.IdempotencyKey)
	assert.Equal(t, "anna", f.request.UserID)
}

func TestAReplayIsSaid(t *testing.T) {
	f := newFace(t, nil)
	assert.Empty(t, f.do("POST", "/v1/pushes", body, "Idempotency-Key: k").Header().Values("Idempotency-Replayed"))
	f.replays = true
	for _, path := range []string{"/v1/pushes", "/"} {
		assert.Equal(t, "true", f.do("POST", path, body, "Idempotency-Key: k").Header().Get("Idempotency-Replayed"))
	}
}

func TestWhatFailsOnOurSideIsAWarning(t *testing.T) {
	f := newFace(t, nil)
	f.err = &tasks.Error{Code: tasks.CodeRedisUnavailable, Msg: "away"}
	f.do("GET", "/v1/pushes", "")
	assert.Regexp(t, `level=WARN msg="request failed" route=/v1/pushes code=redis_unavailable`, f.log.String())
	assert.Regexp(t, `level=WARN msg=request .*status=503`, f.log.String())
	f.err = errors.New("a fault")
	f.do("GET", "/v1/pushes", "")
	assert.Contains(t, f.log.String(), `level=ERROR msg="request failed" route=/v1/pushes code=internal`)
}

func TestTheTemplatesDoorAnswersAsTheTemplateDid(t *testing.T) {
	f := newFace(t, nil)
	w := f.do("POST", "/", body)
	assert.Equal(t, 200, w.Code)
	assert.Equal(t, "Async run task submitted", w.Body.String())
	assert.Equal(t, id, w.Header().Get("X-Scf-Reqid"))
	assert.Equal(t, id, w.Header().Get("X-Request-Id"))
	assert.Equal(t, []string{"start"}, f.asked)
}

func TestRoutes(t *testing.T) {
	for _, tt := range []struct {
		name, method, target string
		status               int
		asked                []string
	}{
		{"a push is shown", "GET", "/v1/pushes/" + id, 200, []string{"get " + id}},
		{"a push is stopped", "DELETE", "/v1/pushes/" + id, 202, []string{"stop " + id}},
		{"a push has a history", "GET", "/v1/pushes/" + id + "/events", 200, []string{"events " + id}},
		{"pushes are listed", "GET", "/v1/pushes", 200, []string{"list"}},
		{"pushes are listed with a slash behind", "GET", "/v1/pushes/", 200, []string{"list"}},
		{"a push has samples", "GET", "/v1/pushes/" + id + "/samples", 200, []string{"samples " + id}},
		{"what is no UUID is no push", "GET", "/v1/pushes/7", 404, nil},
		{"a UUID in braces is no push", "GET", "/v1/pushes/%7B" + id + "%7D", 404, nil},
		{"a stop of what is no UUID", "DELETE", "/v1/pushes/*", 404, nil},
		{"the root names the API", "GET", "/", 200, nil},
		{"the description is there", "GET", "/openapi.yaml", 200, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFace(t, nil)
			w := f.do(tt.method, tt.target, "")
			assert.Equal(t, tt.status, w.Code, w.Body)
			assert.Equal(t, tt.asked, f.asked)
		})
	}
}

func TestErrorsAreProblems(t *testing.T) {
	busy := &tasks.Error{Code: tasks.CodeUserBusy, Msg: "anna publishes already", Holder: "p9"}
	for _, tt := range []struct {
		name, method, target, body string
		headers                    []string
		err                        error
		status                     int
		code                       tasks.Code
		header, value              string
	}{
		{"no such address", "GET", "/v2", "", nil, nil, 404, problem.CodeNoRoute, "", ""},
		{"an address with a slash too many", "GET", "/v1/pushes/" + id + "/", "", nil, nil, 404, problem.CodeNoRoute, "", ""},
		{"a method that is not there", "PUT", "/v1/pushes", "", nil, nil, 405, problem.CodeMethodNotAllowed, "Allow", "GET, POST"},
		{"a form", "POST", "/v1/pushes", body, []string{"Content-Type: application/x-www-form-urlencoded"}, nil, 415, problem.CodeUnsupportedMediaType, "", ""},
		{"a body that is too large", "POST", "/v1/pushes", strings.Repeat(" ", 64<<10+1), nil, nil, 413, problem.CodeBodyTooLarge, "", ""},
		{"a body that is too large at the template's door", "POST", "/", strings.Repeat(" ", 64<<10+1), nil, nil, 413, problem.CodeBodyTooLarge, "", ""},
		{"an unknown field", "POST", "/v1/pushes", `{"a":1}`, nil, nil, 400, tasks.CodeInvalidRequest, "", ""},
		{"an idempotency key with a space", "POST", "/v1/pushes", body, []string{"Idempotency-Key: a b"}, nil, 400, tasks.CodeInvalidRequest, "", ""},
		{"an idempotency key of 256", "POST", "/v1/pushes", body, []string{"Idempotency-Key: " + strings.Repeat("k", 256)}, nil, 400, tasks.CodeInvalidRequest, "", ""},
		{"two idempotency keys", "POST", "/v1/pushes", body, []string{"Idempotency-Key: a", "Idempotency-Key: b"}, nil, 400, tasks.CodeInvalidRequest, "", ""},
		{"a busy user", "POST", "/v1/pushes", body, nil, busy, 409, tasks.CodeUserBusy, "", ""},
		{"an absent store", "GET", "/v1/pushes/" + id, "", nil, &tasks.Error{Code: tasks.CodeRedisUnavailable, Msg: "away", Retryable: true}, 503, tasks.CodeRedisUnavailable, "Retry-After", "5"},
		{"an unknown push", "GET", "/v1/pushes/" + id + "/events", "", nil, &tasks.Error{Code: tasks.CodeNotFound, Msg: "gone"}, 404, tasks.CodeNotFound, "", ""},
		{"samples of an unknown push", "GET", "/v1/pushes/" + id + "/samples", "", nil, &tasks.Error{Code: tasks.CodeNotFound, Msg: "gone"}, 404, tasks.CodeNotFound, "", ""},
		{"an error of no domain", "DELETE", "/v1/pushes/" + id, "", nil, errors.New("canary"), 500, tasks.CodeInternal, "", ""},
		{"a page of another site", "POST", "/v1/pushes", body, []string{"Sec-Fetch-Site: cross-site"}, nil, 403, problem.CodeCrossSite, "", ""},
		{"a page of another origin", "DELETE", "/v1/pushes/" + id, "", []string{"Origin: https://evil.example"}, nil, 403, problem.CodeCrossSite, "", ""},
		{"an unknown key", "GET", "/v1/pushes", "", []string{"Authorization", "Authorization: Bearer nope"}, nil, 401, problem.CodeUnauthorized, "WWW-Authenticate", `Bearer realm="roomcast"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFace(t, nil)
			f.err = tt.err
			w := f.do(tt.method, tt.target, tt.body, tt.headers...)
			assert.Equal(t, tt.status, w.Code, w.Body)
			assert.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
			assert.NotEmpty(t, w.Header().Get("X-Request-Id"))
			assert.NotContains(t, w.Body.String(), "canary")
			if tt.header != "" {
				assert.Equal(t, tt.value, w.Header().Get(tt.header))
			}
			var p problem.Problem
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
			assert.Equal(t, tt.code, p.Code)
			assert.Equal(t, tt.status, p.Status)
			assert.NotEmpty(t, p.Detail)
		})
	}
}

func TestABrowserGetsThePageAndAProgramWhatItAlwaysGot(t *testing.T) {
	const browser = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	f := newFace(t, nil)
	for _, target := range []string{"/", "/new", "/workers", "/pushes/" + id} {
		w := f.do("GET", target, "", "Authorization", browser)
		require.Equal(t, 200, w.Code, target)
		assert.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
		assert.Contains(t, w.Header().Get("Content-Security-Policy"), "connect-src 'self'")
		assert.Equal(t, "DENY", w.Header().Get("X-Frame-Options"))
		assert.Equal(t, "Accept", w.Header().Get("Vary"))
		for _, accept := range []string{"Accept: */*", "Accept: application/json", "Accept"} {
			w := f.do("GET", target, "", accept)
			assert.Equal(t, "Accept", w.Header().Get("Vary"))
			if target == "/" {
				assert.Equal(t, "Roomcast puts a video into a TRTC room: POST /v1/pushes\n", w.Body.String())
				continue
			}
			assert.Equal(t, 404, w.Code, "%s %s", target, accept)
			assert.Contains(t, w.Body.String(), `"code":"no_route"`)
		}
	}
	script := regexp.MustCompile(`src="(/assets/[^"]+\.js)"`).FindStringSubmatch(f.do("GET", "/", "", browser).Body.String())
	require.NotNil(t, script)
	w := f.do("GET", script[1], "", "Authorization")
	assert.Equal(t, 200, w.Code)
	assert.Contains(t, w.Header().Get("Cache-Control"), "immutable")
	assert.Equal(t, 404, f.do("GET", "/assets/none.js", "").Code)
	assert.Equal(t, 401, f.do("GET", "/v1/pushes", "", "Authorization", browser).Code, "what it loads asks for a key")
}

func TestAPanicIsA500AndIsLogged(t *testing.T) {
	f := newFace(t, nil)
	f.blow = "the floor is gone"
	w := f.do("GET", "/v1/pushes", "")
	assert.Equal(t, 500, w.Code)
	assert.Contains(t, w.Body.String(), `"code":"internal"`)
	assert.NotContains(t, w.Body.String(), "floor")
	assert.Contains(t, f.log.String(), "the floor is gone")
	assert.Contains(t, f.log.String(), "status=500")
}

func TestAnAbortedAnswerStaysAborted(t *testing.T) {
	f := newFace(t, nil)
	f.blow = http.ErrAbortHandler
	assert.PanicsWithValue(t, http.ErrAbortHandler, func() { f.do("GET", "/v1/pushes", "") })
}

func TestAChangeOutlivesItsClient(t *testing.T) {
	f := newFace(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r := httptest.NewRequestWithContext(ctx, "POST", "/v1/pushes", strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+secret)
	f.handler.ServeHTTP(httptest.NewRecorder(), r)
	require.Equal(t, []string{"start"}, f.asked)
	assert.NoError(t, f.ctxErr)
}

func TestListTakesKnownParametersOnly(t *testing.T) {
	for _, tt := range []struct {
		name, query string
		want        tasks.Filter
		complaint   string
	}{
		{"none", "", tasks.Filter{Limit: 50}, ""},
		{"all", "state=publishing&roomId=r1&sdkAppId=7&userId=anna&limit=200&cursor=c", tasks.Filter{States: []tasks.State{tasks.Publishing}, RoomID: "r1", SDKAppID: 7, UserID: "anna", Limit: 200, Cursor: "c"}, ""},
		{"the state by its older name", "status=failed", tasks.Filter{States: []tasks.State{tasks.Failed}, Limit: 50}, ""},
		{"several states", "state=failed,stopped", tasks.Filter{States: []tasks.State{tasks.Failed, tasks.Stopped}, Limit: 50}, ""},
		{"all that has not ended", "state=active", tasks.Filter{States: tasks.Active(), Limit: 50}, ""},
		{"both names of the state", "state=failed&status=failed", tasks.Filter{}, "state and status are the same"},
		{"an unknown one", "stats=queued", tasks.Filter{}, "is not a parameter; did you mean stat"},
		{"one of a stranger", "verbose=1", tasks.Filter{}, "is not a parameter; there are state, status, roomId, sdkAppId, userId, metadata.NAME, limit, cursor"},
		{"one twice", "limit=1&limit=2", tasks.Filter{}, "is given twice"},
		{"an unknown state", "state=queued,dead", tasks.Filter{}, "must be active, or one or more of queued, starting, publishing, reconnecting, stopping, completed, failed, stopped"},
		{"too many", "limit=201", tasks.Filter{}, "must be a whole number from 1 to 200"},
		{"an app that is no number", "sdkAppId=x", tasks.Filter{}, "must be a whole number from 1 to 4294967295"},
		{"a broken escape", "cursor=%zz", tasks.Filter{}, "the query is not well formed"},
		{"a control character", "cursor=%00", tasks.Filter{}, "cannot be such a value"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFace(t, nil)
			w := f.do("GET", "/v1/pushes?"+tt.query, "")
			if tt.complaint == "" {
				require.Equal(t, 200, w.Code, w.Body)
				assert.Equal(t, tt.want, f.filter)
				return
			}
			assert.Equal(t, 400, w.Code)
			assert.Contains(t, w.Body.String(), tt.complaint)
			assert.Empty(t, f.asked)
		})
	}
}

func TestHealthNeedsNoKeyAndTheMonitorDoes(t *testing.T) {
	f := newFace(t, nil)
	for _, tt := range []struct {
		name, method, target, auth string
		status                     int
		body                       string
	}{
		{"a probe", "GET", "/healthz", "", 200, "health /healthz"},
		{"the description", "GET", "/openapi.yaml", "", 200, "openapi: 3.1.0"},
		{"a probe for readiness", "HEAD", "/readyz", "", 200, ""},
		{"the monitor without a key", "GET", "/monitor", "", 401, ""},
		{"the monitor with a bearer", "GET", "/monitor/api/queues", "Bearer " + secret, 200, "monitor GET /monitor/api/queues"},
		{"the monitor in a browser", "GET", "/monitor/", "Basic " + basic("me", secret), 200, "monitor GET /monitor/"},
		{"the monitor with a wrong password", "GET", "/monitor/", "Basic " + basic(secret, "me"), 401, ""},
		{"the monitor gets every method", "POST", "/monitor/api/queues/push:pause", "Bearer " + secret, 200, "monitor POST"},
		{"the API takes no Basic", "GET", "/v1/pushes", "Basic " + basic("me", secret), 401, ""},
		{"the template's door needs a key", "POST", "/", "", 401, ""},
		{"an empty bearer", "GET", "/v1/pushes", "Bearer ", 401, ""},
		{"a scheme in lower case", "GET", "/v1/pushes", "bearer " + secret, 200, ""},
		{"the second key", "GET", "/v1/pushes", "Bearer other", 200, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			headers := []string{"Authorization"}
			if tt.auth != "" {
				headers = append(headers, "Authorization: "+tt.auth)
			}
			w := f.do(tt.method, tt.target, "", headers...)
			assert.Equal(t, tt.status, w.Code, w.Body)
			assert.Contains(t, w.Body.String(), tt.body)
		})
	}
}

func TestABrowserIsAskedForAPasswordAtTheMonitor(t *testing.T) {
	w := newFace(t, nil).do("GET", "/monitor", "", "Authorization")
	assert.Equal(t, []string{`Bearer realm="roomcast"`, `Basic realm="roomcast", charset="UTF-8"`}, w.Header().Values("WWW-Authenticate"))
}

func TestWithoutKeysOnlyLoopbackNamesAreServed(t *testing.T) {
	for _, tt := range []struct {
		host   string
		status int
	}{
		{"127.0.0.1:8080", 200},
		{"localhost:8080", 200},
		{"localhost", 200},
		{"[::1]:8080", 200},
		{"[::1]", 200},
		{"rebound.example:8080", 421},
		{"10.0.0.7:8080", 421},
		{"", 421},
	} {
		t.Run("host "+tt.host, func(t *testing.T) {
			f := newFace(t, noKeys)
			r := httptest.NewRequest("GET", "/v1/pushes", nil)
			r.Host = tt.host
			w := httptest.NewRecorder()
			f.handler.ServeHTTP(w, r)
			assert.Equal(t, tt.status, w.Code, w.Body)
		})
	}
}

func TestARequestIsOneLineWithoutItsQueryBodyAndKey(t *testing.T) {
	f := newFace(t, nil)
	f.do("POST", "/v1/pushes", body)
	f.do("GET", "/v1/pushes?userId=canary", "")
	f.do("GET", "/healthz", "")
	lines := strings.Split(strings.TrimSpace(f.log.String()), "\n")
	require.Len(t, lines, 3)
	assert.Regexp(t, `level=INFO msg=request request_id=\S+ method=POST route=/v1/pushes status=202 ms=\d+ remote=\S+ key=ci push_id=`+id, lines[0])
	assert.Regexp(t, `method=GET route=/v1/pushes status=200`, lines[1])
	assert.Regexp(t, `level=DEBUG .*route=/healthz`, lines[2])
	assert.NotContains(t, f.log.String(), "canary")
	assert.NotContains(t, f.log.String(), secret)
}

func TestEveryAnswerIsHardened(t *testing.T) {
	w := newFace(t, nil).do("GET", "/v1/pushes", "")
	for name, want := range map[string]string{
		"X-Content-Type-Options":  "nosniff",
		"X-Frame-Options":         "DENY",
		"Referrer-Policy":         "no-referrer",
		"Cache-Control":           "no-store",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
	} {
		assert.Equal(t, want, w.Header().Get(name))
	}
}

func TestTheServerHasLimits(t *testing.T) {
	s := api.NewServer("127.0.0.1:0", http.NotFoundHandler())
	assert.NotZero(t, s.ReadHeaderTimeout)
	assert.NotZero(t, s.ReadTimeout)
	assert.NotZero(t, s.WriteTimeout)
	assert.NotZero(t, s.IdleTimeout)
	assert.NotZero(t, s.MaxHeaderBytes)
}

func TestADryRunAnswersWhatAStartWouldAndStartsNothing(t *testing.T) {
	f := newFace(t, nil)
	f.push = youngPush()
	w := f.do("POST", "/v1/pushes?dryRun=true", body)
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	require.NotContains(t, w.Body.String(), `"id"`)
	w = f.do("POST", "/v1/pushes?dryRun=true&probe=true", body)
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	require.Equal(t, []string{"preflight, look false", "preflight, look true"}, f.asked)
	for query, detail := range map[string]string{
		"probe=true":              "goes with dryRun=true",
		"dryrun=true":             "is not a parameter",
		"dryRun=perhaps":          "must be true or false",
		"dryRun=true&dryRun=true": "is given twice",
	} {
		w := f.do("POST", "/v1/pushes?"+query, body)
		require.Equal(t, http.StatusBadRequest, w.Code)
		require.Contains(t, w.Body.String(), detail)
	}
}
