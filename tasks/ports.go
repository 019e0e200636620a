package tasks

import (
	"context"
	"slices"
	"time"

	"github.com/roomcast/roomcast/media"
)

// NewPush is what Create stores at once or not at all.
type NewPush struct {
	Push     Push
	Envelope string // sealed Secrets
	// IdempotencyKey and BodyDigests come together or not at all. Of the
	// digests, Sealer.Digests, the first is stored and any of them is the body
	// of before.
	IdempotencyKey string
	BodyDigests    []string
}

// Filter selects pushes for a list, newest first. Zero fields do not select.
type Filter struct {
	States   []State // any of them
	RoomID   string
	SDKAppID uint32
	UserID   string
	Metadata map[string]string // all of these labels
	Limit    int               // 1 to 200
	Cursor   string            // NextCursor of the page before
}

// Matches says whether f selects p.
func (f Filter) Matches(p Push) bool {
	return (len(f.States) == 0 || slices.Contains(f.States, p.State)) &&
		(f.RoomID == "" || p.Spec.RoomID == f.RoomID) &&
		(f.SDKAppID == 0 || p.Spec.SDKAppID == f.SDKAppID) &&
		(f.UserID == "" || p.Spec.UserID == f.UserID) &&
		labelled(p.Spec.Metadata, f.Metadata)
}

func labelled(labels, want map[string]string) bool {
	for key, value := range want {
		if has, ok := labels[key]; !ok || has != value {
			return false
		}
	}
	return true
}

// Page is a part of a list.
type Page struct {
	Pushes     []Push
	NextCursor string // empty on the last page
}

// PushStore keeps the records. Its errors are *Error: CodeNotFound,
// CodeUserBusy, CodeIdempotencyReused, CodeRedisUnavailable.
type PushStore interface {
	// Create stores a push, or returns the one stored before under the same
	// idempotency key and one of the digests, with created false. A push that no
	// worker would take now has Waiting and Trouble from the begin.
	Create(ctx context.Context, n NewPush) (p Push, created bool, err error)
	Get(ctx context.Context, id string) (Push, error)
	List(ctx context.Context, f Filter) (Page, error)
}

// RepeatStore knows what was stored under an idempotency key. Its errors are
// *Error: CodeIdempotencyReused, CodeRedisUnavailable.
type RepeatStore interface {
	// Repeated returns the push that was stored under key with one of these
	// digests, found false when there is none.
	Repeated(ctx context.Context, key string, digests []string) (p Push, found bool, err error)
}

// StopStore ends pushes from outside an attempt.
type StopStore interface {
	// Stop makes desired=stop durable in any state. A push nobody holds is
	// Stopped at once, one that is held becomes Stopping. Repeating it, or
	// stopping one that has ended, changes nothing.
	Stop(ctx context.Context, id string) (Push, error)
	// Abort ends a push that could not be enqueued as Failed.
	Abort(ctx context.Context, id string, f Failure) error
}

// Claimed is a push given to a worker, with its sealed secrets.
type Claimed struct {
	Push     Push
	Envelope string
}

// Claim is what one of several claims asks for, see AttemptStore.Claims.
type Claim struct {
	Lease Lease
	Place Place
}

// ClaimAnswer is what one of several claims gives.
type ClaimAnswer struct {
	Claimed
	Err error
}

// Renewal is one attempt's part of a worker's renew: its lease and all that
// has changed.
type Renewal struct {
	Lease    Lease
	State    State
	Progress media.Progress
	Started  time.Time     // first publish of the push; zero before
	Settled  bool          // this attempt has published for long enough to clear the push's strikes
	Source   *SourceReport // nil when unchanged
	Plan     *media.Plan   // nil when unchanged
	Cost     Cost          // stored with Plan, and once it has started
	Warnings []Warning     // all of them; nil when unchanged
	Trouble  *Trouble      // nil when unchanged; the zero Trouble: it is over
	Events   []Event       // new ones; stored once by Epoch and Seq
	Samples  []Sample      // new ones, oldest first; stored once by epoch and time
	// Over says that the attempt has ended without the store's knowing: it
	// asks for no lease and only takes back a strike. Its verdict is Lost, or
	// Gone.
	Over bool
}

// Verdict is what a renew answers for one push.
type Verdict int

// The verdicts of a renew.
const (
	Kept    Verdict = iota // the lease is extended
	Stop                   // extended, but somebody wants it stopped
	Lost                   // another attempt owns the push, or it has ended
	Gone                   // there is no record of it
	Late                   // ours, but a later renewal was there first; nothing of this one was written
	Watched                // Kept, and somebody wants to see its picture
)

// End is how an attempt ended a push.
type End struct {
	State   State // Completed, Failed or Stopped; Stopped whenever desired=stop
	Failure *Failure
	Trouble *Trouble // what it ended in; nil for nothing
	LastReport
}

// LastReport is what an attempt has left to tell at its end.
type LastReport struct {
	Progress media.Progress
	Events   []Event
	Samples  []Sample
	Waiting  Waiting // what the next attempt of a push that is given back waits for; empty: not known
}

// AttemptStore is where attempts begin and end. Its errors are the Err… of
// claims, or *Error with CodeRedisUnavailable.
type AttemptStore interface {
	// Claims gives queued attempts to a worker that has these places for them; the
	// answers are in their order, and each sees those before it as others. It refuses
	// one with ErrGone, ErrEnded, ErrStale, ErrHeld, or
	// ErrIsolated when the push has IsolationStrikes and Others is not 0 (not 1
	// either, once it has waited for IsolationTime), or ErrCapacity when it costs
	// more than the place has (ErrKept where the worker is to keep its cores for it: one that
	// was in its room, or is older than KeepAfter, and no other worker keeps that lacks
	// less, and has asked within a lease), or ErrNoKey when its envelope was sealed with another than these keys
	// (Sealer.Keys). A push with desired=stop is ended as Stopped and refused
	// with ErrEnded. With ErrHandover comes what the announced attempt may
	// prepare from.
	Claims(ctx context.Context, claims []Claim, keys ...string) ([]ClaimAnswer, error)
	// Finish ends the push for good and returns the state it has now, see
	// End.State; or it returns ErrStale.
	Finish(ctx context.Context, l Lease, e End) (State, error)
	// Release gives the push back: Queued under the next epoch, which it
	// returns; or, with desired=stop, Stopped and epoch 0.
	Release(ctx context.Context, l Lease, r LastReport) (next int64, err error)
}

// Handover is how far the handing over of a push is.
type Handover struct {
	Stands    bool   // its owner has announced the attempt and still runs it
	Successor string // the worker that has prepared the attempt; empty before
}

// HandoverStore lets the next attempt of a push prepare while the present one
// still publishes. It moves no ownership: that is Release and Claim. Its errors
// are ErrGone and ErrStale, or *Error with CodeRedisUnavailable.
type HandoverStore interface {
	// Announce says that l's worker is about to release the push, so that a
	// claim of the next epoch is answered with ErrHandover. It returns false
	// when the push is to be released without: no other worker is there that
	// stays, or the push is to stop or has strikes. It may be repeated.
	Announce(ctx context.Context, l Lease) (bool, error)
	// Ready notes that l, the announced attempt, needs nothing but the claim.
	Ready(ctx context.Context, l Lease) error
	// Handovers returns how it stands with these attempts, in their order: each is
	// the next one of a push, of whichever worker.
	Handovers(ctx context.Context, next []Lease) ([]Handover, error)
}

// LeaseStore keeps the leases of running attempts. Its errors are *Error with
// CodeRedisUnavailable.
type LeaseStore interface {
	// Renew says that w lives, what it tells of itself, and extends the leases of its pushes, all
	// in one round trip; rs may be empty. Verdicts are in the order of rs. A
	// renewal whose attempt was given a strike (its worker seemed to have
	// vanished) takes the strike back.
	Renew(ctx context.Context, w WorkerReport, rs []Renewal) ([]Verdict, error)
	// Register writes the record of a running push anew after Redis has lost
	// it: Kept, or Lost when another push has become its user or another
	// record of it is there.
	Register(ctx context.Context, r Registration) (Verdict, error)
}

// Registration is all that a record is made of.
type Registration struct {
	Push     Push // with State, Epoch and Worker of the attempt
	Envelope string
	Events   []Event
}

// Strikes. A push gets one when the worker of an attempt vanishes before the
// attempt has settled.
const (
	// IsolationStrikes is from how many on a push runs only in an otherwise
	// empty worker, see IsolationTime.
	IsolationStrikes = 2
	// MaxStrikes is with how many a push has Failed as CodePoisoned.
	MaxStrikes = 3
	// SettleTime is how long an attempt publishes before it counts as sound.
	SettleTime = 10 * time.Second
)

// Expired is a push whose lease ran out, as the sweeper sees it.
type Expired struct {
	ID     string
	Expiry int64 // the lease's end as stored, Unix ms of Redis; compared and set on takeover
	Push   Push
	Damage error // why parts of the record cannot be read; Push is the rest of it
}

// Taken is what a takeover made of a push.
type Taken struct {
	State State // Queued, Stopped, or Failed: poisoned or damaged
	Next  int64 // of Queued: the epoch of the next attempt
}

// Waiting says why a push is still queued.
type Waiting string

// The reasons for waiting.
const (
	WaitingForWorker Waiting = "no_worker"
	WaitingForSlot   Waiting = "no_free_slot"
	WaitingForEmpty  Waiting = "needs_empty_worker" // it has IsolationStrikes
	WaitingForKey    Waiting = "no_key"             // a worker refused it with ErrNoKey
	WaitingForMemory Waiting = "no_memory"          // see ErrMemory
	// No worker that takes pushes has cores for it.
	WaitingForCapacity Waiting = "no_capacity"
	// A worker has room; the queue has not brought it there.
	WaitingForTurn Waiting = "waiting_for_worker"
)

// Waitings lists them all.
func Waitings() []Waiting {
	return []Waiting{WaitingForWorker, WaitingForSlot, WaitingForEmpty, WaitingForKey, WaitingForMemory, WaitingForCapacity, WaitingForTurn}
}

// SweepStore finds and takes over pushes whose worker is not there.
type SweepStore interface {
	// Expired lists pushes whose lease is over by Redis time, at most limit, of which few
	// are queued.
	Expired(ctx context.Context, limit int) ([]Expired, error)
	// Takeover moves an expired push to Queued under the next epoch, ends it
	// as Stopped when desired=stop, or as Failed when a held push gets its
	// last strike or the record is damaged. It returns ErrHeld when the lease has changed since it was
	// seen.
	Takeover(ctx context.Context, e Expired) (Taken, error)
	// Defer sets a queued push's next check to after grace from now and notes
	// why it waits, as the fleet tells; a new reason is a trouble in its history.
	Defer(ctx context.Context, e Expired, grace time.Duration) error
}

// Queue rings the doorbell.
type Queue interface {
	// Enqueue adds attempt t.Epoch of push t.ID; resume puts it before new
	// pushes. Adding what is there already is no error.
	Enqueue(ctx context.Context, t Task, resume bool) error
}

// Inspector knows what the queue holds.
type Inspector interface {
	// Waits says whether t's task waits for a worker: pending, or about to be
	// tried again. A task that is active, ended or unknown does not.
	Waits(ctx context.Context, t Task) (bool, error)
}

// Sealer keeps secrets in an envelope bound to their push.
type Sealer interface {
	Seal(pushID string, s Secrets) (string, error)
	Open(pushID, envelope string) (Secrets, error)
	// Keys are the ids of the keys that open, as envelopes name them; the first
	// is that of the key that seals.
	Keys() []string
	// Digests are keyed digests, hex, one by each key; the first is that of the
	// key that seals.
	Digests(data []byte) []string
}

// ResumeTarget is the Redis a resume record lives in; the zero value is our
// own.
type ResumeTarget struct {
	Host     string
	Port     int
	Password media.Secret
}

// ResumeRecord is how far a source was played.
type ResumeRecord struct {
	Position  time.Duration
	Duration  time.Duration // 0 when unknown
	Unclocked bool          // media.Progress's
	PushID    string        // the newest push with redis:true; only it writes
	UpdatedAt time.Time
	Finished  bool
}

// ResumeStore keeps resume records. Every call is bounded to 2 s.
type ResumeStore interface {
	// Load returns the record of key, found false when there is none.
	Load(ctx context.Context, t ResumeTarget, key string) (r ResumeRecord, found bool, err error)
	// Save writes r unless a newer push owns the record (then it does nothing).
	Save(ctx context.Context, t ResumeTarget, key string, r ResumeRecord) error
}
