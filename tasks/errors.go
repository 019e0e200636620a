package tasks

import "errors"

// Code names a reason, the same in errors of requests and in a failed push.
// The set is closed; web/api maps the ones of requests to HTTP.
type Code string

// Codes of a refused request.
const (
	CodeInvalidRequest    Code = "invalid_request"        // see Fields
	CodeInvalidUserSig    Code = "invalid_usersig"        // garbage, or of another user or app
	CodeUserSigExpired    Code = "usersig_expired"        // ran out, when asked for or while it played
	CodeNotFound          Code = "not_found"              // no such push
	CodeUserBusy          Code = "user_busy"              // another push holds (sdkAppId, userId); see Holder
	CodeIdempotencyReused Code = "idempotency_key_reused" // same key, other body
	CodeRedisUnavailable  Code = "redis_unavailable"      // Redis is away
	CodeQueueUnavailable  Code = "queue_unavailable"      // the push was recorded but could not be enqueued
	CodePreviewOff        Code = "preview_off"            // the operator has turned previews off
	CodeInternal          Code = "internal"               // a fault of ours
)

// Codes of a failed push, beside those of requests.
const (
	CodeSourceBlocked      Code = "source_blocked"
	CodeSourceHost         Code = "source_host" // its name does not exist, or leads where no source may be
	CodeSourceTLS          Code = "source_tls"  // its certificate cannot be verified
	CodeSourceUnauthorized Code = "source_unauthorized"
	CodeSourceNotFound     Code = "source_not_found"
	CodeSourceGone         Code = "source_gone"
	CodeSourceInvalid      Code = "source_invalid"
	CodeSourceNoTrack      Code = "source_no_track"
	CodeSourceEncrypted    Code = "source_encrypted" // DRM
	CodeSourceUnsupported  Code = "source_unsupported"
	CodeSourceTooLarge     Code = "source_too_large" // more memory, pixels or time than one source may have
	CodeSourcePoisoned     Code = "source_poisoned"  // it kills what takes it apart
	CodeSourceUnavailable  Code = "source_unavailable"
	CodeRoomDenied         Code = "room_denied"
	CodeRoomConflict       Code = "conflict"
	CodeRoomUnavailable    Code = "room_unavailable"
	CodeWorkerShort        Code = "worker_short" // it has no process or memory for the push; another worker may
	CodePoisoned           Code = "poisoned"     // its workers vanished, again and again
)

// Error is every error of this package. Msg is a sentence a person can act on
// and holds no secret; Err is the inner cause, for the log only.
type Error struct {
	Code      Code
	Msg       string
	Retryable bool
	Fields    []FieldError // of CodeInvalidRequest and the UserSig codes
	Holder    string       // the push id that holds the user (CodeUserBusy) or the key (CodeIdempotencyReused), or that may yet start (CodeRedisUnavailable, CodeQueueUnavailable)
	Err       error
}

// FieldError is what is wrong with one field of a request.
type FieldError struct {
	Field  string `json:"field"` // the request's own name: "roomId"
	Detail string `json:"detail"`
}

func (e *Error) Error() string {
	text := string(e.Code) + ": " + e.Msg
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// CodeOf returns the Code of the first Error in err's chain, or CodeInternal.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}

// What a claim may be refused with. None of them is a fault: the task is
// acknowledged and forgotten.
var (
	ErrGone  = errors.New("push record is gone")
	ErrEnded = errors.New("push has ended")
	ErrStale = errors.New("a later attempt exists")
	ErrHeld  = errors.New("another worker holds the push")
)

// ErrIsolated is what a claim is refused with that would put a push that has brought
// down two workers beside others, or others beside it. The queue brings it again.
var ErrIsolated = errors.New("a push that two workers vanished under runs without others")

// ErrNoKey is what a claim is refused with by a worker that could not open the
// push's secrets. The queue brings it again, elsewhere if it can.
var ErrNoKey = errors.New("this worker does not have the secret key that the push was sealed with: check its ROOMCAST_SECRET_KEY")

// ErrHandover is what a claim is refused with while the owner of the push,
// which has announced this attempt, still publishes.
var ErrHandover = errors.New("the push is being handed over")
