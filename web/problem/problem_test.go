package problem_test

import (
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/web/problem"
)

func TestWrite(t *testing.T) {
	for _, tt := range []struct {
		name   string
		err    *tasks.Error
		status int
		retry  string
		body   string
	}{
		{
			"a bad field is named", &tasks.Error{Code: tasks.CodeInvalidRequest, Msg: "1 field is wrong", Fields: []tasks.FieldError{{Field: "roomId", Detail: "is required"}}}, 400, "",
			`{"type":"urn:roomcast:problem:invalid_request","title":"Invalid request","status":400,"detail":"1 field is wrong","code":"invalid_request","retryable":false,"errors":[{"field":"roomId","detail":"is required"}]}`,
		},
		{
			"a busy user comes with the push that holds it", &tasks.Error{Code: tasks.CodeUserBusy, Msg: "anna publishes already", Holder: "p1"}, 409, "",
			`{"type":"urn:roomcast:problem:user_busy","title":"User is busy","status":409,"detail":"anna publishes already","code":"user_busy","retryable":false,"pushId":"p1"}`,
		},
		{
			"an absent Redis says when to come back", &tasks.Error{Code: tasks.CodeRedisUnavailable, Msg: "Redis is away", Retryable: true, Err: errors.New("canary")}, 503, "5",
			`{"type":"urn:roomcast:problem:redis_unavailable","title":"Redis unavailable","status":503,"detail":"Redis is away","code":"redis_unavailable","retryable":true}`,
		},
		{
			"a code of a failed push is no answer to a request", &tasks.Error{Code: tasks.CodeRoomUnavailable, Msg: "canary"}, 500, "",
			`{"type":"urn:roomcast:problem:internal","title":"Internal error","status":500,"detail":"something went wrong on our side; the log has the cause","code":"internal","retryable":true}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			problem.Write(w, tt.err)
			assert.Equal(t, tt.status, w.Code)
			assert.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
			assert.Equal(t, tt.retry, w.Header().Get("Retry-After"))
			assert.Equal(t, tt.body+"\n", w.Body.String())
		})
	}
}

func TestStatusOfEveryCode(t *testing.T) {
	for code, status := range map[tasks.Code]int{
		tasks.CodeInvalidRequest: 400, tasks.CodeInvalidUserSig: 400, tasks.CodeUserSigExpired: 400,
		tasks.CodeSourceBlocked: 403, tasks.CodeNotFound: 404, tasks.CodeUserBusy: 409,
		tasks.CodeIdempotencyReused: 422, tasks.CodeRedisUnavailable: 503, tasks.CodeQueueUnavailable: 503,
		tasks.CodeInternal: 500, problem.CodeUnauthorized: 401, problem.CodeCrossSite: 403,
		problem.CodeWrongHost: 421, problem.CodeMonitorReadOnly: 403, problem.CodeNoRoute: 404,
		problem.CodeMethodNotAllowed: 405, problem.CodeBodyTooLarge: 413, problem.CodeUnsupportedMediaType: 415,
		problem.CodeNotReady: 503,
	} {
		p := problem.Of(&tasks.Error{Code: code, Msg: "a sentence"})
		assert.Equal(t, status, p.Status, code)
		assert.Equal(t, code, p.Code)
		assert.NotEmpty(t, p.Title, code)
	}
}

func TestEveryCodeOfAnAnswerIsExplained(t *testing.T) {
	explained := map[tasks.Code]int{}
	for _, row := range problem.Table() {
		assert.NotContains(t, explained, row.Code)
		assert.NotEmpty(t, row.Meaning, row.Code)
		assert.NotEmpty(t, row.Do, row.Code)
		explained[row.Code] = row.Status
	}
	for code := range problem.Statuses() {
		assert.Contains(t, explained, code, "say what it means: in tasks.CodeTable, or in own (web/problem)")
	}
}
