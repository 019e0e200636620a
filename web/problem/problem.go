// Package problem writes errors as RFC 9457 problem+json and holds the one
// table from a code to its HTTP status.
package problem

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/roomcast/roomcast/tasks"
)

// The codes that only HTTP knows, beside those of tasks.
const (
	CodeUnauthorized         tasks.Code = "unauthorized"           // no API key, or an unknown one
	CodeCrossSite            tasks.Code = "cross_site"             // a browser was sent here by another site
	CodeWrongHost            tasks.Code = "wrong_host"             // without keys, only loopback names are served
	CodeMonitorReadOnly      tasks.Code = "monitor_read_only"      // the queue monitor stops pushes and changes nothing else
	CodeNoRoute              tasks.Code = "no_route"               // no such address
	CodeMethodNotAllowed     tasks.Code = "method_not_allowed"     // see Allow
	CodeBodyTooLarge         tasks.Code = "body_too_large"         // over 64 KiB
	CodeUnsupportedMediaType tasks.Code = "unsupported_media_type" // not JSON
	CodeProbeBusy            tasks.Code = "probe_busy"             // a source is being looked at for this key
)

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
	tasks.CodeExpiredUserSig:    {http.StatusBadRequest, "Expired UserSig", 0},
	tasks.CodeSourceBlocked:     {http.StatusForbidden, "Source not allowed", 0},
	tasks.CodeNotFound:          {http.StatusNotFound, "No such push", 0},
	tasks.CodeUserBusy:          {http.StatusConflict, "User is busy", 0},
	tasks.CodeIdempotencyReused: {http.StatusUnprocessableEntity, "Idempotency key reused", 0},
	tasks.CodeStoreUnavailable:  {http.StatusServiceUnavailable, "Store unavailable", 5 * time.Second},
	tasks.CodeQueueUnavailable:  {http.StatusServiceUnavailable, "Queue unavailable", 5 * time.Second},
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
	PushID    string             `json:"pushId,omitempty"` // of user_busy: who holds the user
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
		Retryable: e.Retryable,
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
