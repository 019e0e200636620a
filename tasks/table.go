package tasks

import "github.com/roomcast/roomcast/media"

// Entry is a word that clients read and what it means. docs/api.md shows the
// tables made of it, and openapi.yaml has the same words.
type Entry struct {
	Name    string
	Meaning string
	Do      string // what to do about it; empty for nothing
}

// WarningCode names a warning.
type WarningCode = media.WarningCode

// The warnings beside those of an attempt.
const (
	WarnStringRoom       WarningCode = "string_room"
	WarnResume           WarningCode = "resume_unavailable"
	WarnResumeRestored   WarningCode = "resume_restored"
	WarnRecordRestored   WarningCode = "record_restored"
	WarnRecordDamaged    WarningCode = "record_damaged"
	WarnReportIncomplete WarningCode = "report_incomplete"
)

// StateTable says what each state means, in the order of a push's life.
func StateTable() []Entry {
	return []Entry{
		{string(Queued), "waits for a worker; its `trouble` says why: at once where none would take it, else after three seconds", ""},
		{string(Starting), "a worker opens the source and the room", ""},
		{string(Publishing), "packets reach the room", ""},
		{string(Reconnecting), "the source or the room is away and is tried again", ""},
		{string(Stopping), "it was told to stop, and its worker leaves the room", ""},
		{string(Completed), "the source, or the part of it that was asked for, is over", ""},
		{string(Failed), "it ended with an `error`", ""},
		{string(Stopped), "somebody stopped it", ""},
	}
}

// EventTable says what each type of event means.
func EventTable() []Entry {
	return []Entry{
		{string(EventState), "the push has another `state`", ""},
		{string(EventWarning), "something a person should know; `code` is one of the warnings", ""},
		{string(EventTrouble), "a `trouble` began, or has another reason; a reason that comes again is told once in half a minute; `side` and `code` are its own", ""},
		{string(EventRecovered), "a trouble is over; the message says how long it was", ""},
		{string(EventPlan), "what is done with the source has changed, in words", ""},
	}
}

// WarningTable says what each warning means and what to do about it.
func WarningTable() []Entry {
	return []Entry{
		{string(WarnStringRoom), "`roomId` was sent as a number; the push goes into the string room of that name", "send `roomId` as a string"},
		{string(media.WarnEditSpeed), "the source's edit list has parts to be played faster, slower or standing; they are played at their own speed", "write the source anew if that matters"},
		{string(media.WarnEndedEarly), "the source ended before the length that it says it has", "look whether the file is whole"},
		{string(media.WarnHole), "nothing of a track for more than a second, from the place named on: the source has none, it is damaged, no worker had the live push, or the room was away, or it or the worker too slow", "look at what the warning says"},
		{string(media.WarnLost), "more than 1 % of a track was lost, all in all", "look at the warnings `hole`"},
		{string(media.WarnLateVideo), "the picture came after the sound had been published; the room was opened again with both", ""},
		{string(media.WarnLeftOut), "a picture or a sound is left out: it came after the push had begun, or is scrambled; the message says why", "see the message: ask for `fillAudio` or `fillVideo`, for another `transcode`, or convert the source"},
		{string(media.WarnLiveNoParts), "the source is live, or cannot be sought: parts and repeats of it are not played", "leave `startAtMs`, `endAtMs` and `repeat` out"},
		{string(media.WarnLongGOP), "keyframes are far apart: who joins the room waits for a picture", "ask for `transcode: always`, or for more keyframes at the source"},
		{string(media.WarnMaxDuration), "the push has been in its room for as long as it may, and ends", "ask for a longer `maxDurationSec`; the operator's limit is ROOMCAST_MAX_DURATION"},
		{string(media.WarnNoDecoder), "the picture or the sound is left out, for its codec cannot be decoded by this build", "convert the source to H.264 and AAC"},
		{string(media.WarnTooSlow), "the picture had to wait for seconds in all: the source, the room or the worker is too slow; or the push needs more cores than its worker has", "look at `progress`, and at the worker's CPU where something is re-encoded"},
		{string(media.WarnUserSigExpires), "the userSig is about to run out; without the key of the application the push cannot come back into the room then", "start a new push with a longer userSig in time"},
		{string(WarnResume), "the resume record cannot be read or written", "look at the Redis that the request names"},
		{string(WarnResumeRestored), "the resume record is being written again", ""},
		{string(WarnRecordRestored), "Redis had lost the record of this running push; its worker wrote it anew", "look why Redis lost data: appendonly, noeviction"},
		{string(WarnRecordDamaged), "parts of the push's record cannot be read", "start the push again if it fails"},
		{string(WarnReportIncomplete), "a part of what the worker found out could not be written down", ""},
	}
}

// SideTable says what each side of a trouble means.
func SideTable() []Entry {
	return []Entry{
		{string(SideSource), "the cause lies with the source", ""},
		{string(SideRoom), "the cause lies with the room, or on the way to it", ""},
		{string(SideWorker), "the cause lies with the worker, or no worker is there", ""},
		{string(SideQueue), "the push waits its turn", ""},
	}
}

// TroubleTable says what the codes of troubles mean that fail no push. A trouble
// may have any code of a failed push, too.
func TroubleTable() []Entry {
	return []Entry{
		{string(CodeSourceSilent), "nothing comes from the source", "look whether its server or its sender is well"},
		{string(CodeSourceSlow), "the source comes slower than it is played", "look at its server, and at the network to it"},
		{string(CodeRoomSilent), "the room takes nothing", "look at the network between the worker and TRTC"},
		{string(CodeRoomSlow), "the room takes packets slower than they are played", "look at the network between the worker and TRTC, or ask for less (`videoKbps`)"},
		{string(CodeWorkerSlow), "the worker is too slow for all that it plays", "give it fewer pushes (ROOMCAST_WORKER_SLOTS), or a faster machine"},
		{string(CodePacketsDropped), "packets are left out: damaged, too late, or faster than the room takes them", "look at the source, and at the network"},
		{string(WaitingForWorker), "it waits: no worker is running", "start one"},
		{string(WaitingForSlot), "it waits: all workers are full", "add a worker, or slots (ROOMCAST_WORKER_SLOTS)"},
		{string(WaitingForEmpty), "it waits: two workers vanished while they ran it, so it starts only in one without other pushes, and after ten minutes beside one", "add a worker"},
		{string(WaitingForKey), "it waits: a worker lacks the secret key that the push was sealed with", "give every worker the same ROOMCAST_SECRET_KEY"},
		{string(WaitingForMemory), "it waits: a worker's memory is nearly used up", "add a worker, or memory (ROOMCAST_WORKER_MEMORY)"},
		{string(WaitingForCapacity), "it waits: the workers have no cores free for it", "add a worker, or cores; a copied picture costs least"},
		{string(WaitingForTurn), "it waits: a worker has room and has not taken it yet", "look whether the queue is paused (/monitor), and at the log of the workers"},
	}
}

// CodeEntry is a Code and what it means.
type CodeEntry struct {
	Code      Code
	Retryable bool // the same request may succeed later
	Meaning   string
	Do        string
}

// CodeTable says what each Code means: of a refused request, of a push that has
// failed, or both.
func CodeTable() []CodeEntry {
	return []CodeEntry{
		{CodeInvalidRequest, false, "the request has fields that cannot be used; `errors` names them", "correct them"},
		{CodeInvalidUserSig, false, "the userSig is garbage, or of another user or application", "sign for this `sdkAppId` and `userId`"},
		{CodeUserSigExpired, false, "the userSig has run out", "send a new one"},
		{CodeNotFound, false, "there is no such push, or its record has expired", "look at the id; ended pushes stay for ROOMCAST_RETENTION"},
		{CodeUserBusy, false, "another push publishes as this user of this application; `pushId` names it", "stop that one, or use another `userId`"},
		{CodeIdempotencyReused, false, "the Idempotency-Key came with another body before; `pushId` names the push of then", "use a new key for a new request"},
		{CodeRedisUnavailable, true, "Redis cannot be reached or takes no writes", "try again; `/readyz` tells when it is back"},
		{CodeQueueUnavailable, true, "the push could not be put into the queue, so it was not started", "try again"},
		{CodePreviewOff, false, "no previews are made here", "have the operator set ROOMCAST_PREVIEW"},
		{CodeInternal, true, "a fault inside Roomcast", "try again; the operator finds more in the log"},
		{CodeSourceBlocked, false, "the source, or an address it leads to, is closed to this service", "use an address that is open, or have the operator open it (ROOMCAST_SOURCE_ALLOW, ROOMCAST_SOURCE_SCHEMES)"},
		{CodeSourceHost, false, "the source's host name does not exist, or leads to an address that is not open", "look at the name; ROOMCAST_SOURCE_ALLOW opens more"},
		{CodeSourceTLS, false, "the certificate of the source's server cannot be verified", "mend the certificate, or its chain"},
		{CodeSourceUnauthorized, false, "the source's server refuses access", "look at its signature, token or password, and at `headers`"},
		{CodeSourceNotFound, false, "the source is not there", "look at its address"},
		{CodeSourceGone, false, "the source was there and is gone for good", "use another source"},
		{CodeSourceInvalid, false, "the source is no video or audio that can be read; the message says what it is", "use another source"},
		{CodeSourceNoTrack, false, "the source lacks a track that can be read, or the one asked for; the message lists what it holds", "ask for a track that is there"},
		{CodeSourceEncrypted, false, "the source is encrypted (DRM)", "use a source without DRM"},
		{CodeSourceUnsupported, false, "the source cannot be played as it is; the message says why", "leave `transcode: never` out, or write the source anew"},
		{CodeSourceTooLarge, false, "the source asks for more memory, pixels, tracks or time than one may have", "write it anew: ffmpeg -i SOURCE -c copy NEW.mp4"},
		{CodeSourcePoisoned, false, "the worker's process that reads the source crashes on it, or hangs, each time", "write it anew: ffmpeg -i SOURCE NEW.mp4"},
		{CodeSourceUnavailable, true, "the source could not be reached or read, or sends nothing, for longer than it is waited for", "look at its server, then start again"},
		{CodeRoomDenied, false, "the room refuses this publisher", "look at `sdkAppId`, `roomId`, `userId`, `userSig`, and at what the user may do there"},
		{CodeRoomConflict, true, "another publisher uses this `userId` in the room", "give each publisher a `userId` of its own"},
		{CodeRoomUnavailable, true, "the room could not be reached, or closed the connection, for longer than it is waited for", "start again"},
		{CodeWorkerShort, true, "a worker has no memory or no process left for what takes sources apart and re-encodes", "add a worker, or give them more (ROOMCAST_WORKER_MEMORY)"},
		{CodePoisoned, false, "the worker vanished each time this push was started", "look at the source, and at the workers' logs"},
	}
}
