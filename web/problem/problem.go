// Package problem writes errors as RFC 9457 problem+json and holds the one
// table from a code to its HTTP status.
package problem

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/roomcast/roomcast/tasks"
)

// The codes that only HTTP knows, beside those of tasks; own has their meaning.
const (
	CodeUnauthorized         tasks.Code = "unauthorized"
	CodeCrossSite            tasks.Code = "cross_site"
	CodeWrongHost            tasks.Code = "wrong_host"
	CodeMonitorReadOnly      tasks.Code = "monitor_read_only"
	CodeNoRoute              tasks.Code = "no_route"
	CodeMethodNotAllowed     tasks.Code = "method_not_allowed"
	CodeBodyTooLarge         tasks.Code = "body_too_large"
	CodeUnsupportedMediaType tasks.Code = "unsupported_media_type"
	CodeProbeBusy            tasks.Code = "probe_busy"
	CodeNotReady             tasks.Code = "not_ready" // written by internal/health
)

var own = []tasks.CodeEntry{
	{Code: CodeUnauthorized, Meaning: "no API key, or an unknown one", Do: "send `Authorization: Bearer KEY`"},
	{Code: CodeCrossSite, Meaning: "a browser was sent here by another site", Do: "call from a program, or from a page of this address"},
	{Code: CodeWrongHost, Meaning: "without keys this API is served as localhost or a loopback address only", Do: "use that name, or set ROOMCAST_API_KEYS"},
	{Code: CodeMonitorReadOnly, Meaning: "the queue monitor cancels running pushes and changes nothing else", Do: "use the API"},
	{Code: CodeNoRoute, Meaning: "there is nothing at this address", Do: "look at `/openapi.yaml`"},
	{Code: CodeMethodNotAllowed, Meaning: "the address does not know this method", Do: "use one of those in the header `Allow`"},
	{Code: CodeBodyTooLarge, Meaning: "the body has more than 64 KiB", Do: "send less"},
	{Code: CodeUnsupportedMediaType, Meaning: "the body is not JSON", Do: "send `Content-Type: application/json`"},
	{Code: CodeProbeBusy, Retryable: true, Meaning: "a source is being looked at for this key", Do: "try again when that has been answered"},
	{Code: CodeNotReady, Retryable: true, Meaning: "the process waits for what `detail` names", Do: "look at that; ask again"},
}

type entry struct {
	status     int
	title      string
	retryAfter time.Duration
}

// table is the only mapping from a code to HTTP. A bad UserSig is 400, not 401
// or 403: it is a field of the request, and 401 speaks about the API key.
var table = map[tasks.Code]entry{
	tasks.CodeInvalidRequest:    {http.StatusBadRequest, "Invalid request", 0},
	tasks.CodeInvalidUserSig:    {http.StatusBadRequest, "Invalid UserSig", 0},
	tasks.CodeUserSigExpired:    {http.StatusBadRequest, "Expired UserSig", 0},
	tasks.CodeSourceBlocked:     {http.StatusForbidden, "Source not allowed", 0},
	tasks.CodeNotFound:          {http.StatusNotFound, "Not found", 0},
	tasks.CodeUserBusy:          {http.StatusConflict, "User is busy", 0},
	tasks.CodeIdempotencyReused: {http.StatusUnprocessableEntity, "Idempotency key reused", 0},
	tasks.CodeRedisUnavailable:  {http.StatusServiceUnavailable, "Redis unavailable", 5 * time.Second},
	tasks.CodeQueueUnavailable:  {http.StatusServiceUnavailable, "Queue unavailable", 5 * time.Second},
	tasks.CodePreviewOff:        {http.StatusNotFound, "Previews are off", 0},
	tasks.CodeInternal:          {http.StatusInternalServerError, "Internal error", 0},
	CodeUnauthorized:            {http.StatusUnauthorized, "API key required", 0},
	CodeCrossSite:               {http.StatusForbidden, "Cross-site request", 0},
	CodeWrongHost:               {http.StatusMisdirectedRequest, "Wrong host", 0},
	CodeMonitorReadOnly:         {http.StatusForbidden, "The monitor is read-only", 0},
	CodeNoRoute:                 {http.StatusNotFound, "No such address", 0},
	CodeMethodNotAllowed:        {http.StatusMethodNotAllowed, "Method not allowed", 0},
	CodeBodyTooLarge:            {http.StatusRequestEntityTooLarge, "Body too large", 0},
	CodeUnsupportedMediaType:    {http.StatusUnsupportedMediaType, "Unsupported media type", 0},
	CodeProbeBusy:               {http.StatusTooManyRequests, "Another source is being looked at", 5 * time.Second},
	CodeNotReady:                {http.StatusServiceUnavailable, "Not ready", 5 * time.Second},
}

// Row is a code as clients may read it: in an answer, or in a push that failed.
type Row struct {
	tasks.CodeEntry
	Status int // of an answer; 0 for a code that only a push has
}

// Table returns every code, those of answers to requests first.
func Table() []Row {
	var answers, pushes []Row
	for _, c := range slices.Concat(own, tasks.CodeTable()) {
		if e, ok := table[c.Code]; ok {
			answers = append(answers, Row{c, e.status})
		} else {
			pushes = append(pushes, Row{c, 0})
		}
	}
	slices.SortStableFunc(answers, func(a, b Row) int { return a.Status - b.Status })
	return append(answers, pushes...)
}

func retryable(code tasks.Code) bool {
	return slices.ContainsFunc(Table(), func(r Row) bool { return r.Code == code && r.Retryable })
}

// Problem is the body of every error answer.
type Problem struct {
	Type      string             `json:"type"`
	Title     string             `json:"title"`
	Status    int                `json:"status"`
	Detail    string             `json:"detail"`
	Code      tasks.Code         `json:"code"`
	Retryable bool               `json:"retryable"`
	Errors    []tasks.FieldError `json:"errors,omitempty"`
	PushID    string             `json:"pushId,omitempty"` // the push that stands in the way: of user_busy, of a key that is reused
}

// Of makes the Problem of e; a code without an entry becomes internal. e's
// inner cause is not shown.
func Of(e *tasks.Error) Problem {
	code, detail := e.Code, e.Msg
	if _, known := table[code]; !known {
		code, detail = tasks.CodeInternal, "something went wrong on our side; the log has the cause"
	}
	return Problem{
		Type:      "urn:roomcast:problem:" + string(code),
		Title:     table[code].title,
		Status:    table[code].status,
		Detail:    detail,
		Code:      code,
		Retryable: retryable(code),
		Errors:    e.Fields,
		PushID:    e.Holder,
	}
}

// Write answers with e, with Retry-After where waiting helps.
func Write(w http.ResponseWriter, e *tasks.Error) {
	p := Of(e)
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	if wait := table[p.Code].retryAfter; wait > 0 {
		h.Set("Retry-After", strconv.Itoa(int(wait.Seconds())))
	}
	w.WriteHeader(p.Status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(p) // the client is gone if this fails
}
