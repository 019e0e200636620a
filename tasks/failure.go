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
	message string // what happened, and to which side
	todo    string // what the person can do
	retry   media.Retry
	// again says that a new push of the same request may well succeed.
	again bool
}

// Source trouble is waited out for five minutes, but see RetryOf; a room's for
// as long, and a conflict for as long as a user whose connection broke stays in
// the room (about 90 s), and some more, but see Worker.retryOf.
var (
	retrySource = media.Retry{First: 500 * time.Millisecond, Max: 15 * time.Second, For: 5 * time.Minute}
	// What died of one source, or of another one beside it, is there again at once.
	retryDropped = media.Retry{AtOnce: true, First: 500 * time.Millisecond, Max: 15 * time.Second, For: 5 * time.Minute}
	// Then another worker may try, see Worker.end.
	retryShort = media.Retry{AtOnce: true, First: 500 * time.Millisecond, Max: 2 * time.Second, For: 5 * time.Second}
	// A name is tried three times: at once, after some four seconds, after eight.
	// It may be on its way through the name servers.
	retryHost     = media.Retry{First: 4 * time.Second, Max: 8 * time.Second, For: 8 * time.Second}
	retryRoom     = media.Retry{AtOnce: true, First: 500 * time.Millisecond, Max: 5 * time.Second, For: 5 * time.Minute}
	retryConflict = media.Retry{First: time.Second, Max: 5 * time.Second, For: 95 * time.Second}
)

// outcomes is the one table from media's kinds to what becomes of a push.
var outcomes = map[media.Kind]outcome{
	media.KindInternal: {
		code: CodeInternal, again: true,
		message: "there was a fault inside Roomcast",
		todo:    "start the push again; the operator finds more in the worker's log under this push's id",
	},
	media.KindSourceBlocked: {
		code:    CodeSourceBlocked,
		message: "the source, or an address it leads to, is not one that this service may connect to",
		todo:    "use another address, or ask the operator to open this one (ROOMCAST_SOURCE_ALLOW)",
	},
	media.KindSourceHost: {
		code: CodeSourceHost, retry: retryHost,
		message: "the source's host name does not exist, or leads to an address that is not public",
		todo:    "check the name, or ask the operator to open its address (ROOMCAST_SOURCE_ALLOW)",
	},
	media.KindSourceTLS: {
		code:    CodeSourceTLS,
		message: "the certificate of the source's server cannot be verified",
		todo:    "the certificate is to be renewed there, or the source to be given by the name that it is for",
	},
	media.KindSourceUnauthorized: {
		code:    CodeSourceUnauthorized,
		message: "the source's server refuses access",
		todo:    "check the signature, token or password in its address or headers",
	},
	media.KindSourceNotFound: {
		code:    CodeSourceNotFound,
		message: "the source is not there",
		todo:    "check its address",
	},
	media.KindSourceGone: {
		code:    CodeSourceGone,
		message: "the source was there and is gone for good, says its server",
		todo:    "use another address",
	},
	media.KindSourceInvalid: {
		code:    CodeSourceInvalid,
		message: "the source is not a video or audio that can be read",
		todo:    "check its address, or write it anew (ffmpeg -i SOURCE NEW.mp4)",
	},
	media.KindSourceNoTrack: {
		code:    CodeSourceNoTrack,
		message: "the source holds no video or audio track that can be read",
		todo:    "check that it is the right one, or write it anew (ffmpeg -i SOURCE NEW.mp4)",
	},
	media.KindSourceEncrypted: {
		code:    CodeSourceEncrypted,
		message: "the source is encrypted (DRM) for players that hold a licence",
		todo:    "use a copy that is not encrypted",
	},
	media.KindSourceUnsupported: {
		code:    CodeSourceUnsupported,
		message: "the source cannot be played as it is",
		todo:    "write it anew (ffmpeg -i SOURCE NEW.mp4), or use another one",
	},
	media.KindSourceTooLarge: {
		code:    CodeSourceTooLarge,
		message: "the source asks for more memory, pixels, tracks or time than one source may have of a worker",
		todo:    "only another file or stream will do: try writing it anew (ffmpeg -i SOURCE -c copy NEW.mp4)",
	},
	media.KindSourcePoisoned: {
		code:    CodeSourcePoisoned,
		message: "the worker's process that reads the source crashes on it, or hangs, each time",
		todo:    "write it anew (ffmpeg -i SOURCE NEW.mp4), and tell the operator: it is a fault of a decoder",
	},
	media.KindSourceDropped: {
		code: CodeSourceUnavailable, retry: retryDropped, again: true,
		message: "the worker's process that reads the source ended, or did not start",
		todo:    "start the push again; the operator finds the cause in the worker's log",
	},
	media.KindSourceUnavailable: {
		code: CodeSourceUnavailable, retry: retrySource, again: true,
		message: "the source could not be reached or read",
		todo:    "check that its server is there and its address right, and start the push again",
	},
	media.KindSourceStalled: {
		code: CodeSourceUnavailable, retry: retrySource, again: true,
		message: "the source is connected and sends nothing",
		todo:    "check its sender, and start the push again",
	},
	media.KindSourceEnded: {
		code: CodeSourceUnavailable, retry: retrySource, again: true,
		message: "the live source has ended",
		todo:    "start the push again when it is back",
	},
	media.KindWorkerShort: {
		code: CodeWorkerShort, retry: retryShort, again: true,
		message: "this worker has no memory or no process left for what takes sources apart and re-encodes",
		todo:    "start the push again; an operator looks at the worker's log",
	},
	media.KindRoomDenied: {
		code:    CodeRoomDenied,
		message: "the room refuses this publisher",
		todo:    "check sdkAppId, roomId, userId and userSig, and what the user may do there",
	},
	media.KindRoomConflict: {
		code: CodeRoomConflict, retry: retryConflict, again: true,
		message: "another publisher uses this userId in the room",
		todo:    "stop that one, or use another userId",
	},
	media.KindRoomKicked: {
		code: CodeRoomConflict, again: true,
		message: "another publisher with this userId took the push's place in the room",
		todo:    "give each publisher a userId of its own",
	},
	media.KindRoomUnavailable: {
		code: CodeRoomUnavailable, retry: retryRoom, again: true,
		message: "the room could not be reached",
		todo:    "start the push again when it can be; an operator looks at the network, at ROOMCAST_RTMP_ENDPOINT and at the state of TRTC",
	},
	media.KindRoomClosed: {
		code: CodeRoomUnavailable, retry: retryRoom, again: true,
		message: "the room closed the connection",
		todo:    "see in the room whether its user was removed or the room dismissed, and start the push again",
	},
	media.KindRoomNotAllowed: {
		code: CodeRoomUnavailable, retry: retryRoom, again: true,
		message: "the worker may not open the room until it has reached Redis again",
		todo:    "start the push again; an operator looks at Redis",
	},
	media.KindUserSigExpired: {
		code:    CodeUserSigExpired,
		message: "the userSig ran out",
		todo:    "start the push again with a new one",
	},
}

// outcomeOf is what an error of kind k means for a push; a kind without a row is a
// fault of ours.
func outcomeOf(k media.Kind) outcome {
	if o, ok := outcomes[k]; ok {
		return o
	}
	return outcomes[media.KindInternal]
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

// FailureOf says why err failed a push: what happened, and what to do.
func FailureOf(err error) *Failure {
	o, words, all := told(err)
	f := &Failure{Code: o.code, Message: words, Retryable: o.again}
	if !all && o.todo != "" {
		f.Message += "; " + o.todo
	}
	return f
}

// told says what err means, and to which side it happened: what its kind says,
// with the room's words or the reason, and nothing else of it. all says that a
// Sentence has said all there is.
func told(err error) (o outcome, words string, all bool) {
	o = outcomeOf(media.KindOf(err))
	if sentence, ok := errors.AsType[media.Sentence](err); ok {
		return o, string(sentence), true
	}
	if o.code == CodeInternal {
		return o, o.message, false
	}
	for e, ok := errors.AsType[*media.Error](err); ok; e, ok = errors.AsType[*media.Error](e.Err) {
		if e.Code != "" || e.Words != "" {
			return o, o.message + "; the room said " + e.Code + ": " + e.Words, false
		}
	}
	if reason, ok := errors.AsType[*media.Reason](err); ok {
		return o, o.message + " (" + reason.Words + ")", false
	}
	return o, o.message, false
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
		Code: CodePoisoned,
		Message: "the worker vanished each time this push was started, and it is not started again; use another source, " +
			"and ask the operator what the workers' log says of this push",
	}
}
