package tasks

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/roomcast/roomcast/media"
)

// WebhookPrefix begins the type of every webhook: push.started.
const WebhookPrefix = "push."

// WebhookProgress is told only to who asks for it.
const WebhookProgress = "push.progress"

// WebhookTypes lists what a client can be told of a push.
func WebhookTypes() []string {
	return []string{
		"push.started", "push.reconnecting", "push.recovered",
		"push.completed", "push.failed", "push.stopped", WebhookProgress,
	}
}

// Webhook is one event that a push's client is to be told.
type Webhook struct {
	ID       string // the same at every delivery
	Type     string
	At       time.Time
	Since    time.Time // from when on its time to be delivered counts: At, or when it was sent again
	Push     Push      // as it was then
	Failures int       // of its outbox, in a row
}

// DeadWebhook is one that could not be delivered.
type DeadWebhook struct {
	ID     string
	PushID string
	Type   string
	At     time.Time
	DiedAt time.Time
	Tries  int
	Answer string // the last, for people
}

// WebhookTask is the doorbell of an outbox: bell N of push ID.
type WebhookTask struct {
	ID string `json:"id"`
	N  int64  `json:"n"`
}

// Undelivered is what became of an event that could not be delivered.
type Undelivered struct {
	Webhook string        // its id
	Wait    time.Duration // until its outbox is due again
	Answer  string        // the receiver's, for people; empty: it was not asked, and this is no failure
	Dead    bool          // it is not tried again; progress never is, and is not kept
}

// DueOutboxes says which outboxes are due. Errors are *Error with
// CodeRedisUnavailable.
type DueOutboxes interface {
	// RingOutboxes returns the bells of at most limit outboxes that are due, and
	// gives whoever hears one a lease of time.
	RingOutboxes(ctx context.Context, limit int) ([]WebhookTask, error)
}

// OutboxStore is where an outbox is emptied. Its errors are ErrStale when a
// later bell was rung, or *Error with CodeRedisUnavailable.
type OutboxStore interface {
	// NextWebhook returns what is to be delivered, found false when the outbox
	// is empty and has been left. delivered is the id of the one before, which
	// is taken out; empty at first.
	NextWebhook(ctx context.Context, t WebhookTask, delivered string) (w Webhook, found bool, err error)
	Undelivered(ctx context.Context, t WebhookTask, u Undelivered) error
}

// WebhookQueue rings the doorbell of an outbox.
type WebhookQueue interface {
	// EnqueueWebhooks adds t; adding what is there already is no error.
	EnqueueWebhooks(ctx context.Context, t WebhookTask) error
}

// CallbackName is what a push's sealed callbackUrl is bound to.
func CallbackName(pushID string) string { return pushID + ":callback" }

// Callbacks says which callbacks a request may have.
type Callbacks struct {
	// Check says whether a callbackUrl may be called; nil: there is no secret to
	// sign webhooks with, and a request may have none.
	Check SourceChecker
	// Everywhere says that the operator is told of pushes without a callbackUrl.
	Everywhere bool
}

// The limits of labels.
const (
	maxMetadata     = 16
	maxMetadataKey  = 64
	maxMetadataSize = 2 << 10 // keys and values together
)

// checkCallback checks who is to be told of the push, and what.
func (s *Service) checkCallback(c *checker, r Request, spec *Spec) {
	wanted := r.CallbackEvents
	if len(wanted) == 0 {
		wanted = slices.DeleteFunc(WebhookTypes(), func(t string) bool { return t == WebhookProgress })
	}
	for i, name := range wanted {
		if !slices.Contains(WebhookTypes(), name) || slices.Contains(wanted[:i], name) {
			c.add("callbackEvents", "must be some of "+strings.Join(WebhookTypes(), ", ")+", none twice")
			return
		}
	}
	switch {
	case r.CallbackURL != "" && s.Callbacks.Check == nil:
		c.add("callbackUrl", "cannot be used: the operator has set no ROOMCAST_WEBHOOK_SECRET to sign webhooks with")
		return
	case r.CallbackURL != "":
		s.checkCallbackURL(c, r.CallbackURL, spec)
	case !s.Callbacks.Everywhere:
		c.refuseIf(len(r.CallbackEvents) > 0, "callbackEvents", "is about callbackUrl, which is missing")
		return
	}
	for _, name := range wanted {
		spec.Webhooks = append(spec.Webhooks, strings.TrimPrefix(name, WebhookPrefix))
	}
}

func (s *Service) checkCallbackURL(c *checker, raw media.Secret, spec *Spec) {
	if len(raw) > maxVideoSrc {
		c.add("callbackUrl", fmt.Sprintf("is longer than %d bytes", maxVideoSrc))
		return
	}
	err := s.Callbacks.Check.CheckURL(raw)
	u, parseErr := url.Parse(raw.Reveal()) // its text holds the URL
	switch {
	case media.KindOf(err) == media.KindSourceBlocked:
		c.add("callbackUrl", "is not where webhooks may go: to http or https, a public address, and port 80, 443, 8080 or 8443; "+
			"others are opened by the operator in ROOMCAST_WEBHOOK_ALLOW")
	case err != nil, parseErr != nil:
		c.add("callbackUrl", "is not a URL of the form https://host[:port]/path")
	default:
		spec.CallbackURL = shownCallback(u)
	}
}

// shownCallback is a callbackUrl as people may see it: a receiver's token is
// often in its path.
func shownCallback(u *url.URL) string {
	host := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	if shown := host.String(); (u.Path == "" || u.Path == "/") && shown == u.String() {
		return shown
	}
	return u.Scheme + "://" + u.Host + "/[redacted]"
}

// checkMetadata checks the client's labels.
func (c *checker) checkMetadata(metadata map[string]string, spec *Spec) {
	size := 0
	for key, value := range metadata {
		size += len(key) + len(value)
		if !isMetadataKey(key) {
			c.add("metadata", fmt.Sprintf("has a name that is not 1 to %d letters, digits, _, - or . in ASCII", maxMetadataKey))
			return
		}
	}
	c.refuseIf(len(metadata) > maxMetadata, "metadata", fmt.Sprintf("has more than %d entries", maxMetadata))
	c.refuseIf(size > maxMetadataSize, "metadata", fmt.Sprintf("is longer than %d bytes", maxMetadataSize))
	spec.Metadata = metadata
}

func isMetadataKey(key string) bool {
	return key != "" && len(key) <= maxMetadataKey && !strings.ContainsFunc(key, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_-.", r)
	})
}

// WebhookOutcome is what becomes of one try to deliver a webhook.
type WebhookOutcome string

// The outcomes.
const (
	WebhookDelivered WebhookOutcome = "delivered" // the receiver has answered 2xx
	WebhookFailed    WebhookOutcome = "failed"    // it is tried again, or was progress
	WebhookDead      WebhookOutcome = "dead"      // it is not tried again
)
