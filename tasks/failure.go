package tasks

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/roomcast/roomcast/media"
)

// outcome is what an error of the media means for a push.
type outcome struct {
	code    Code
	message string // a sentence a person can act on
	retry   media.Retry
	// again says that a new push of the same request may well succeed.
	again bool
}

// Source trouble is waited out for five minutes, but see RetryOf; a room's for
// as long, and a conflict for as long as a user whose connection broke stays in
// the room (about 90 s), and some more, but see Worker.retryOf.
var (
	retrySource = media.Retry{First: 500 * time.Millisecond, Max: 15 * time.Second, For: 5 * time.Minute}
	// A name is tried three times: at once, after some four seconds, after eight.
	// It may be on its way through the name servers.
	retryHost     = media.Retry{First: 4 * time.Second, Max: 8 * time.Second, For: 8 * time.Second}
	retryRoom     = media.Retry{AtOnce: true, First: 500 * time.Millisecond, Max: 5 * time.Second, For: 5 * time.Minute}
	retryConflict = media.Retry{First: time.Second, Max: 5 * time.Second, For: 95 * time.Second}
)

// outcomeOf is the one table from media's kinds to what becomes of a push.
func outcomeOf(k media.Kind) outcome {
	switch k {
	case media.KindSourceBlocked:
		return outcome{code: CodeSourceBlocked, message: "the source, or an address it leads to, is not one that this service may connect to"}
	case media.KindSourceHost:
		return outcome{code: CodeSourceHost, retry: retryHost, message: "the source's host name does not exist, or leads to an address that is not public; ROOMCAST_SOURCE_ALLOW opens more"}
	case media.KindSourceTLS:
		return outcome{code: CodeSourceTLS, message: "the certificate of the source's server cannot be verified"}
	case media.KindSourceUnauthorized:
		return outcome{code: CodeSourceUnauthorized, message: "the source's server refuses access; check its signature, token or password"}
	case media.KindSourceNotFound:
		return outcome{code: CodeSourceNotFound, message: "the source is not there; check its address"}
	case media.KindSourceGone:
		return outcome{code: CodeSourceGone, message: "the source was there and is gone for good, says its server"}
	case media.KindSourceInvalid:
		return outcome{code: CodeSourceInvalid, message: "the source is not a video or audio that can be read"}
	case media.KindSourceNoTrack:
		return outcome{code: CodeSourceNoTrack, message: "the source holds no video or audio track that can be read"}
	case media.KindSourceEncrypted:
		return outcome{code: CodeSourceEncrypted, message: "the source is encrypted (DRM) for players that hold a licence"}
	case media.KindSourceUnsupported:
		return outcome{code: CodeSourceUnsupported, message: "the source cannot be played as it is"}
	case media.KindSourceTooLarge:
		return outcome{code: CodeSourceTooLarge, message: "the source asks for more memory, pixels, tracks or time than one source may have of a worker; " +
			"only another file or stream will do: try writing it anew (ffmpeg -i SOURCE -c copy NEW.mp4)"}
	case media.KindSourceUnavailable:
		return outcome{code: CodeSourceUnavailable, message: "the source could not be reached or read", retry: retrySource, again: true}
	case media.KindSourceStalled:
		return outcome{code: CodeSourceUnavailable, message: "the source is connected and sends nothing", retry: retrySource, again: true}
	case media.KindSourceEnded:
		return outcome{code: CodeSourceUnavailable, message: "the live source has ended", retry: retrySource, again: true}
	case media.KindRoomDenied:
		return outcome{code: CodeRoomDenied, message: "the room refuses this publisher; check sdkAppId, roomId, userId and userSig, and what the user may do there"}
	case media.KindRoomConflict:
		return outcome{code: CodeRoomConflict, message: "another publisher uses this userId in the room; stop that one, or use another userId", retry: retryConflict, again: true}
	case media.KindRoomKicked:
		return outcome{code: CodeRoomConflict, message: "another publisher with this userId took the push's place in the room; give each publisher a userId of its own", again: true}
	case media.KindRoomUnavailable:
		return outcome{code: CodeRoomUnavailable, message: "the room could not be reached", retry: retryRoom, again: true}
	case media.KindRoomClosed:
		return outcome{code: CodeRoomUnavailable, message: "the room closed the connection", retry: retryRoom, again: true}
	case media.KindRoomNotAllowed:
		return outcome{code: CodeRoomUnavailable, message: "the worker may not open the room until it has reached Redis again", retry: retryRoom, again: true}
	case media.KindUserSigExpired:
		return outcome{code: CodeUserSigExpired, message: "the userSig ran out; start the push again with a new one"}
	case media.KindInternal:
	}
	return outcome{code: CodeInternal, message: "a fault inside Roomcast; the operator finds more in its log under this push's id", again: true}
}

// RetryOf is how an error of kind k is tried again. A live source may be away
// for maxIdle (0: DefaultMaxIdle), which files ignore.
func RetryOf(k media.Kind, live bool, maxIdle time.Duration) media.Retry {
	retry := outcomeOf(k).retry
	if retry == retrySource && live {
		retry.For = cmp.Or(maxIdle, DefaultMaxIdle)
	}
	return retry
}

// leaveTime is how much later than its cap a worker that is cut off from Redis
// has left a room: the renew that fails may hang before.
const leaveTime = 10 * time.Second

// retryOf is RetryOf for a's errors. The worker of an attempt before a may be
// cut off from Redis: it keeps the name of the user up to its cap, in rooms
// that do not kick it.
func (w *Worker) retryOf(a *attempt) media.RetryPolicy {
	return func(k media.Kind) media.Retry {
		retry := RetryOf(k, a.isLive(), a.push.Spec.MaxIdle)
		if k == media.KindRoomConflict && a.lease.Epoch > 1 {
			retry.For = max(retry.For, w.RenewCap+2*w.Lease+leaveTime)
		}
		return retry
	}
}

// FailureOf says why err failed a push: what it means, and the room's words or
// the inner cause, which a media.Error keeps free of secrets.
func FailureOf(err error) *Failure {
	o := outcomeOf(media.KindOf(err))
	f := &Failure{Code: o.code, Message: o.message, Retryable: o.again}
	e, ok := errors.AsType[*media.Error](err)
	sentence, told := errors.AsType[media.Sentence](err)
	switch {
	case told:
		f.Message = string(sentence)
	case !ok || e.Kind == media.KindInternal:
	case e.Code != "" || e.Words != "":
		f.Message += "; the room said " + e.Code + ": " + e.Words
	case isSentence(e.Err):
		f.Message = e.Err.Error()
	case e.Err != nil:
		f.Message += " (" + e.Err.Error() + ")"
	}
	return f
}

func isSentence(err error) bool {
	_, ok := errors.AsType[media.Sentence](err)
	return ok
}

// FailureCodes are all codes with which a push that a worker had may fail.
func FailureCodes() []Code {
	codes := []Code{CodePoisoned}
	for k := media.KindInternal; k <= media.KindRoomNotAllowed; k++ {
		codes = append(codes, outcomeOf(k).code)
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

// Damaged is why a push failed whose record cannot be read.
func Damaged() Failure {
	return Failure{
		Code: CodeInternal, Retryable: true,
		Message: "the record of this push was damaged, so that it could not go on; start it again",
	}
}

// Poisoned is why a push with MaxStrikes failed.
func Poisoned() Failure {
	return Failure{
		Code:    CodePoisoned,
		Message: "the worker vanished each time this push was started; it is not started again",
	}
}
