package tasks

import (
	"time"

	"github.com/roomcast/roomcast/media"
)

// Spec is a checked request without its secrets. Its record has what is not zero.
type Spec struct {
	VideoSrc    string           `json:",omitzero"` // for people: no user info, query or fragment
	SourceHost  string           `json:",omitzero"` // host name of VideoSrc
	SDKAppID    uint32           `json:",omitzero"`
	RoomID      string           `json:",omitzero"`
	UserID      string           `json:",omitzero"`
	ClientRole  string           `json:",omitzero"`
	Redis       bool             `json:",omitzero"`
	RedisHost   string           `json:",omitzero"` // empty: our own Redis
	RedisPort   int              `json:",omitzero"`
	Mode        media.SourceMode `json:",omitzero"`
	ResumeScope ResumeScope      `json:",omitzero"`
	ResumeKey   string           `json:",omitzero"` // the resume record's key: hex SHA-256, never a URL; empty without Redis
	Options     media.Options    `json:",omitzero"`
	MaxIdle     time.Duration    `json:",omitzero"` // how long a live source may be away; 0: DefaultMaxIdle
	HeaderNames []string         `json:",omitzero"` // of the headers for the source's server, sorted; their values are Secrets
	// HeadersForAll says that those of media.ForAll go to every host of the source.
	HeadersForAll bool `json:",omitempty"`
	// UserSigMinted says that the request had no userSig: the API mints one.
	UserSigMinted bool `json:",omitempty"`

	Metadata    map[string]string `json:",omitempty"` // the client's own labels
	CallbackURL string            `json:",omitempty"` // for people, as VideoSrc is; empty: the operator's, if he has one
	Callback    string            `json:",omitempty"` // the whole of it, sealed for CallbackName
	Webhooks    []string          `json:",omitempty"` // what is told, WebhookTypes without "push."; empty: nothing
}

// DefaultMaxIdle is how long a live source may be away unless the request says
// otherwise.
const DefaultMaxIdle = 5 * time.Minute

// ResumeScope says which pushes share a resume record.
type ResumeScope string

// Pushes of one source share a record, or only those into one room.
const (
	ResumeScopeSource ResumeScope = "source"
	ResumeScopeRoom   ResumeScope = "room"
)

// Secrets is the part of a request that leaves its envelope only in the worker
// that runs the push.
type Secrets struct {
	VideoSrc      media.Secret // whole
	UserSig       media.Secret // empty when minted
	RedisPassword media.Secret
	Headers       map[string]media.Secret
	CallbackURL   media.Secret // in an envelope of its own, which outlives the push
}

// Push is what a client asked for and what has become of it.
type Push struct {
	ID        string // UUIDv7
	State     State
	Desired   Desired
	Spec      Spec
	Epoch     int64  // number of the attempt, from 1
	Worker    string // who holds it; empty when nobody does
	CreatedAt time.Time
	StartedAt time.Time // first publish; zero before
	EndedAt   time.Time // zero before the end
	Source    *SourceReport
	Plan      *media.Plan
	Cost      Cost            // 0 before its source has been looked at
	Progress  *media.Progress // nil before the first attempt publishes
	Warnings  []Warning
	Failure   *Failure // of a failed push
	Strikes   int      // workers that vanished under it, one after another
	Abandoned bool     // the attempt before this one was not given back: its worker vanished
	Trouble   *Trouble // what is not well with it; of one that has ended, what it ended in
	Waiting   Waiting  // of a queued push: why, once that is known; its Trouble says the same

	WebhooksLost int64 // that there was no room for in its outbox
}

// Message says the reason in words.
func (w Waiting) Message() string {
	switch w {
	case WaitingForWorker:
		return "no worker is running; the push starts when one does"
	case WaitingForSlot:
		return "all workers are full; the push starts when another one ends or a worker is added"
	case WaitingForEmpty:
		return "two workers vanished while they ran this push, so it starts only in a worker without others, " +
			"and after ten minutes beside one: add a worker, or wait until one is empty"
	case WaitingForKey:
		return "a worker does not have the secret key that this push was sealed with (ROOMCAST_SECRET_KEY); " +
			"the push starts in one that does"
	case WaitingForMemory:
		return "a worker's memory is nearly used up, so that it takes no push for the moment; the push starts when there is memory again, " +
			"or in another worker: add one, or give them more (ROOMCAST_WORKER_MEMORY)"
	case WaitingForCapacity:
		return "the cores of the workers do not suffice for one more such push; it starts when others end, or in another worker: " +
			"add one, or give them more cores; a copied picture costs least, and a smaller one less"
	case WaitingForTurn:
		return "a worker has room and has not taken it yet; if that lasts, look whether the queue is paused (/monitor) and at the log of the workers"
	}
	return ""
}

// SourceReport is what the source turned out to be, as shown to clients.
type SourceReport struct {
	Kind       string        `json:"kind"` // vod or live
	Container  string        `json:"container"`
	DurationMs int64         `json:"durationMs,omitempty"`
	Tracks     []TrackReport `json:"tracks"`
	// Available is all that was found in the source, the chosen tracks too.
	Available []StreamReport `json:"available,omitempty"`
}

// StreamReport is one of all tracks of a source; language and title are the
// source's own words.
type StreamReport struct {
	Type       string `json:"type"` // video, audio, subtitle or data
	Codec      string `json:"codec"`
	AudioTrack *int   `json:"audioTrack,omitempty"` // the number to ask for it by
	Language   string `json:"language,omitempty"`
	Title      string `json:"title,omitempty"`
	Channels   int    `json:"channels,omitempty"`
	Program    int    `json:"programNumber,omitempty"`
	Default    bool   `json:"default,omitempty"` // the container prefers it
	Chosen     bool   `json:"chosen"`
	LeftOut    string `json:"leftOut,omitempty"` // why it is not chosen: not chosen, unreadable, scrambled, cover, subtitle, data
}

// TrackReport is one track of a SourceReport.
type TrackReport struct {
	Type        string  `json:"type"` // video or audio
	Codec       string  `json:"codec"`
	Profile     string  `json:"profile,omitempty"`
	Width       int     `json:"width,omitempty"`
	Height      int     `json:"height,omitempty"`
	FPS         float64 `json:"fps,omitempty"`
	SampleRate  int     `json:"sampleRate,omitempty"`
	Channels    int     `json:"channels,omitempty"`
	BitrateKbps int64   `json:"bitrateKbps,omitempty"`
}

// Warning is something a person should know that does not stop the push.
type Warning struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Failure is why a push failed.
type Failure struct {
	Code      Code   `json:"code"`
	Message   string `json:"message"`
	Retryable bool   `json:"retryable"`
}

func (f *Failure) code() Code {
	if f == nil {
		return ""
	}
	return f.Code
}

// EventType sorts the events of a push.
type EventType string

// The events of a push.
const (
	EventState     EventType = "state"
	EventWarning   EventType = "warning"
	EventTrouble   EventType = "trouble"   // one begins, or has another reason
	EventRecovered EventType = "recovered" // a trouble is over
	EventPlan      EventType = "plan"      // what is done with the source, whenever that has changed
)

// Event is one line of a push's history.
type Event struct {
	At      time.Time
	Type    EventType
	State   State  // of EventState: the new one
	Side    Side   // of EventTrouble and EventRecovered: whose
	Code    string // of EventWarning, EventTrouble, EventRecovered and the end of a push that failed: why
	Message string
	Epoch   int64
	// Seq numbers an attempt's events from 1, so that one sent twice is
	// stored once; 0 for events that no attempt wrote.
	Seq int64
}

// Lease names an attempt and who runs it. Every write of an attempt carries
// it; the store refuses a stale one.
type Lease struct {
	ID     string
	Epoch  int64
	Worker string
}

// Task is the doorbell put into the queue: attempt Epoch of push ID is due.
// Nothing else of a push may stand in it.
type Task struct {
	ID         string `json:"id"`
	Epoch      int64  `json:"epoch"`
	Room       string `json:"room"`
	User       string `json:"user"`
	SourceHost string `json:"sourceHost"`
	// GoesOn says that the queue had it among those that continue a push.
	GoesOn bool `json:"-"`
}
