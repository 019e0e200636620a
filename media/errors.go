package media

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
)

// Kind says what went wrong in an attempt. The set is closed: switches over it
// are exhaustive.
type Kind int

// The kinds. Those of the source come first, those of the room after: OfRoom goes by it.
const (
	KindInternal           Kind = iota // a fault of ours
	KindSourceBlocked                  // the guard does not let us connect there
	KindSourceHost                     // its name does not exist or leads where the guard does not let us: nobody is told which
	KindSourceTLS                      // its certificate cannot be verified
	KindSourceUnauthorized             // 401, 403
	KindSourceNotFound                 // 404, an unknown stream
	KindSourceGone                     // 410: was there, and will not come back
	KindSourceInvalid                  // not media
	KindSourceNoTrack                  // media, but no video or audio track that can be read
	KindSourceEncrypted                // DRM: encrypted for players with a licence
	KindSourceUnsupported              // media the room cannot take by copy
	KindSourceTooLarge                 // asks for more memory, pixels or time than one source may have
	KindSourcePoisoned                 // kills what takes it apart, again and again
	KindSourceDropped                  // what took it apart has died; it is to be opened anew
	KindSourceUnavailable              // refused, reset, DNS, 5xx, time-out
	KindSourceStalled                  // no media progress although connected
	KindSourceEnded                    // a live source ended
	KindWorkerShort                    // this worker has no process or memory for it; another one may
	KindRoomDenied                     // the room refuses this signature, user or room
	KindRoomConflict                   // the user's name is in use
	KindRoomKicked                     // another publisher took the user's place in the room
	KindRoomUnavailable                // refused, reset, DNS, time-out
	KindRoomClosed                     // the room closed a running connection
	KindUserSigExpired                 // the signature ran out and no key is known
	KindRoomNotAllowed                 // no fresh lease: the room may not be opened now
)

var kindNames = [...]string{
	KindInternal:           "internal",
	KindSourceBlocked:      "source_blocked",
	KindSourceHost:         "source_host",
	KindSourceTLS:          "source_tls",
	KindSourceUnauthorized: "source_unauthorized",
	KindSourceNotFound:     "source_not_found",
	KindSourceGone:         "source_gone",
	KindSourceInvalid:      "source_invalid",
	KindSourceNoTrack:      "source_no_track",
	KindSourceEncrypted:    "source_encrypted",
	KindSourceUnsupported:  "source_unsupported",
	KindSourceTooLarge:     "source_too_large",
	KindSourcePoisoned:     "source_poisoned",
	KindSourceDropped:      "source_dropped",
	KindSourceUnavailable:  "source_unavailable",
	KindSourceStalled:      "source_stalled",
	KindSourceEnded:        "source_ended",
	KindWorkerShort:        "worker_short",
	KindRoomDenied:         "room_denied",
	KindRoomConflict:       "room_conflict",
	KindRoomKicked:         "room_kicked",
	KindRoomUnavailable:    "room_unavailable",
	KindRoomClosed:         "room_closed",
	KindUserSigExpired:     "usersig_expired",
	KindRoomNotAllowed:     "room_not_allowed",
}

// String returns the kind's name in snake_case.
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return "internal"
	}
	return kindNames[k]
}

// MarshalText writes the kind's name: for logs.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// OfRoom says whether it is the room's side that failed, not the source's.
func (k Kind) OfRoom() bool { return k >= KindRoomDenied }

// Error is every error of this package and its adapters.
type Error struct {
	Kind Kind
	Op   string // the act, for the log: "open source", "publish"
	// Code and Words are the room's own, from its onStatus or _error reply;
	// empty when the room said nothing.
	Code, Words string
	Err         error // the inner cause; may be nil. Holds no secret. People see it where it is a Sentence or a Reason
}

func (e *Error) Error() string {
	text := e.Op + ": " + e.Kind.String()
	if e.Code != "" || e.Words != "" {
		text += fmt.Sprintf(": room said %s: %q", e.Code, e.Words)
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	if r, ok := e.Err.(*Reason); ok && r.Err != nil && !strings.Contains(r.Words, r.Err.Error()) { //nolint:errorlint // those further in have told theirs
		text += " (" + r.Err.Error() + ")"
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// Sentence is an Error's inner cause that tells a person all there is to say:
// nothing more general is put before it. It holds no secret.
type Sentence string

func (s Sentence) Error() string { return string(s) }

// KindOf returns the Kind of the first Error in err's chain, or KindInternal.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return KindInternal
}

// Causes with which an attempt's context is cancelled; read them with
// context.Cause.
var (
	ErrStopped  = errors.New("stopped by request")
	ErrDraining = errors.New("worker is draining")
	ErrStalled  = errors.New("source stalled")
	ErrLost     = errors.New("lease lost to another worker")
	ErrTooLarge = error(Because("the worker's memory was running out while the source was opened", nil))
	// ErrMemory is the cause of a KindSourceTooLarge where memory was short: beside others it
	// may be theirs.
	ErrMemory = error(Because("its tables and pictures need more memory than one source may have; is it damaged?", nil))
	// ErrProbe is that of a source's own context.
	ErrProbe = error(Because("it did not say in time what it is", nil))
)

// Interrupted returns why a source that lives as long as ctx has ended, nil if it has
// not: an *Error where that is the source's fault, else what wraps ctx's cause.
func Interrupted(ctx context.Context, op string) error {
	if ctx.Err() == nil {
		return nil
	}
	cause := context.Cause(ctx)
	switch {
	case errors.Is(cause, ErrProbe):
		return &Error{Kind: KindSourceUnavailable, Op: op, Err: ErrProbe}
	case errors.Is(cause, ErrStalled):
		return &Error{Kind: KindSourceStalled, Op: op, Err: cause}
	}
	return fmt.Errorf("%s: %w", op, cause)
}

// Caught makes an error of a panic in f: in a goroutine of its own, it would
// end every push of the worker.
func Caught(f func() error) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = &Error{Kind: KindInternal, Op: "play", Err: fmt.Errorf("panic: %v\n%s", fault, debug.Stack())}
		}
	}()
	return f()
}
