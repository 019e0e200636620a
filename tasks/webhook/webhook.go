// Package webhook delivers what pushes have in their outboxes, as Standard
// Webhooks: signed, in the order of each push, each at least once.
package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
)

const (
	// defaultPatience is how long a receiver has for one event: less than the lease
	// of an outbox.
	defaultPatience = 15 * time.Second
	// failedPatience is how long it has once it has failed, and for progress, of
	// which the next comes soon.
	failedPatience = 5 * time.Second
	// maxPerHost is how many deliveries may be under way to one host: half of a
	// worker's slots (queue.NewWebhookServer), so that one that hangs leaves room for
	// others. Those that have failed before take at most maxFailedPerHost.
	maxPerHost       = 16
	maxFailedPerHost = 2
	// unfitWait is how long an outbox waits that this worker cannot empty as it is set up:
	// the next one may.
	unfitWait = 30 * time.Second
	// busyWait is how long at least an outbox waits that finds no place.
	busyWait = time.Second
	// maxAnswer is how much of an answer is read, so that its connection can be
	// used again.
	maxAnswer = 64 << 10
	// storeTime bounds a call of the store.
	storeTime = 5 * time.Second
	// lifetime is how long an event is tried for.
	lifetime = 24 * time.Hour
)

// waits are the times between tries, which grow with the failures in a row; the
// last one stays.
var waits = []time.Duration{
	5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour,
}

// ErrBlocked is what Guarded's dialler returns for an address where no webhook may
// go, and for a name that leads to none: nobody is told which.
var ErrBlocked = errors.New("its name does not exist, or its address is not public and ROOMCAST_WEBHOOK_ALLOW does not open it")

// errBusy is why a receiver was not asked.
var errBusy = errors.New("enough is under way to its host")

// unfit is what this worker lacks, in words that name the setting. Its receiver was not
// asked.
type unfit struct{ error }

// Opener opens what a push's callbackUrl is sealed in.
type Opener interface {
	Open(name, envelope string) (tasks.Secrets, error)
}

// Config is what New needs.
type Config struct {
	Store   tasks.OutboxStore
	Opener  Opener
	View    func(tasks.Push) any // a push as GET shows it
	Secrets []string             // whsec_ and base64, or base64 alone; each signs
	URL     media.Secret         // the operator's, of pushes without a callbackUrl; may be empty
	Own     *http.Client         // calls URL
	Guarded *http.Client         // calls a request's callbackUrl
	Log     *slog.Logger

	// Tried is told the type of each event that was tried and what became of it;
	// nil: nobody is.
	Tried func(kind string, became tasks.WebhookOutcome)

	Patience time.Duration    // that a receiver has for one event; 0: 15 s
	Now      func() time.Time // nil: time.Now
}

// Deliverer empties outboxes. It is safe for concurrent use.
type Deliverer struct {
	cfg     Config
	signers []*standardwebhooks.Webhook
	places  places
}

// New returns a Deliverer. Redirects are not followed, whatever the clients do.
func New(cfg Config) (*Deliverer, error) {
	d := &Deliverer{cfg: cfg, places: places{taken: map[string]int{}}}
	for _, secret := range cfg.Secrets {
		signer, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			return nil, errors.New("a secret of webhooks is not base64")
		}
		d.signers = append(d.signers, signer)
	}
	if d.cfg.Now == nil {
		d.cfg.Now = time.Now
	}
	if d.cfg.Tried == nil {
		d.cfg.Tried = func(string, tasks.WebhookOutcome) {}
	}
	if d.cfg.Patience <= 0 {
		d.cfg.Patience = defaultPatience
	}
	d.cfg.Own, d.cfg.Guarded = still(cfg.Own), still(cfg.Guarded)
	return d, nil
}

// still returns c without redirects.
func still(c *http.Client) *http.Client {
	own := *c
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// Deliver empties the outbox that t rings for, in its order, until it is empty
// or its receiver fails. An error means that the store is away.
func (d *Deliverer) Deliver(ctx context.Context, t tasks.WebhookTask) error {
	for done := ""; ; {
		w, found, err := d.next(ctx, t, done)
		switch {
		case errors.Is(err, tasks.ErrStale):
			return nil
		case err != nil || !found:
			return err
		}
		a, err := d.send(ctx, w)
		switch {
		case err == nil:
			d.cfg.Tried(w.Type, tasks.WebhookDelivered)
			d.cfg.Log.Debug("webhook delivered", "push_id", w.Push.ID, "webhook", w.ID, "type", w.Type)
			done = w.ID
			continue
		case ctx.Err() != nil: // we were cut off; somebody else tries at once
			return d.undelivered(ctx, t, tasks.Undelivered{Webhook: w.ID})
		case errors.Is(err, errBusy):
			return d.undelivered(ctx, t, tasks.Undelivered{Webhook: w.ID, Wait: busyWait + rand.N(busyWait)})
		}
		u := d.nextTry(w, a, err)
		d.note(w, u)
		if err := d.undelivered(ctx, t, u); err != nil || !u.Dead {
			return err
		}
		done = ""
	}
}

func (d *Deliverer) note(w tasks.Webhook, u tasks.Undelivered) {
	log := d.cfg.Log.With("push_id", w.Push.ID, "webhook", w.ID, "type", w.Type, "answer", u.Answer, "failures", w.Failures+1)
	switch {
	case w.Type == tasks.WebhookProgress:
		log.Debug("webhook of progress could not be delivered")
	case u.Dead:
		d.cfg.Tried(w.Type, tasks.WebhookDead)
		log.Error("webhook given up; roomcast webhooks resend sends it again")
		return
	case w.Failures == 0: // one line a trouble
		log.Warn("webhook could not be delivered, it is tried again", "in", u.Wait)
	default:
		log.Debug("webhook could not be delivered again", "in", u.Wait)
	}
	d.cfg.Tried(w.Type, tasks.WebhookFailed)
}

// answer is what a receiver said; status 0 for nothing.
type answer struct {
	status     int
	retryAfter string // the header
}

// nextTry says what becomes of w, which failed with err.
func (d *Deliverer) nextTry(w tasks.Webhook, a answer, err error) tasks.Undelivered {
	u := tasks.Undelivered{Webhook: w.ID, Answer: err.Error()}
	left := w.Since.Add(lifetime).Sub(d.cfg.Now())
	if left <= 0 || a.status == http.StatusGone || w.Type == tasks.WebhookProgress {
		u.Dead = true
		return u
	}
	wait := waits[min(w.Failures, len(waits)-1)]
	if _, ok := errors.AsType[unfit](err); ok {
		wait = unfitWait
	}
	wait += rand.N(wait/10 + 1) // so that many pushes do not come back at once
	wait = max(wait, min(retryAfter(a.retryAfter, d.cfg.Now()), waits[len(waits)-1]))
	u.Wait = max(min(wait, left), waits[0])
	return u
}

// retryAfter reads the header: seconds or a date (RFC 9110, section 10.2.3); 0
// for neither.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return at.Sub(now)
	}
	return 0
}

// body is what a receiver gets.
type body struct {
	Type      string `json:"type"`
	Timestamp string `json:"timestamp"`
	Data      any    `json:"data"`
}

func (d *Deliverer) text(w tasks.Webhook) ([]byte, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body{w.Type, w.At.UTC().Format("2006-01-02T15:04:05.000Z"), d.cfg.View(w.Push)}); err != nil {
		return nil, errors.New("the event could not be written")
	}
	return text.Bytes(), nil
}

// places counts the deliveries under way to each host.
type places struct {
	mu    sync.Mutex
	taken map[string]int
}

// take takes one of most places; false: there is none.
func (p *places) take(host string, most int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[host] >= most {
		return false
	}
	p.taken[host]++
	return true
}

func (p *places) leave(host string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[host]--; p.taken[host] == 0 {
		delete(p.taken, host)
	}
}

// send sends w. Its error says in words that hold no address why it was not
// taken.
func (d *Deliverer) send(ctx context.Context, w tasks.Webhook) (answer, error) {
	client, address, err := d.receiver(w.Push)
	if err != nil {
		return answer{}, unfit{err}
	}
	text, err := d.text(w)
	if err != nil {
		return answer{}, err
	}
	patience, most := d.cfg.Patience, maxPerHost
	if w.Failures > 0 {
		most = maxFailedPerHost
	}
	if w.Failures > 0 || w.Type == tasks.WebhookProgress {
		patience = min(patience, failedPatience)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address.Reveal(), bytes.NewReader(text))
	if err != nil {
		return answer{}, errors.New("its address is not a URL")
	}
	if err := d.sign(r, w.ID, text); err != nil {
		return answer{}, err
	}
	if !d.places.take(r.URL.Host, most) {
		return answer{}, errBusy
	}
	defer d.places.leave(r.URL.Host)
	resp, err := client.Do(r)
	if err != nil {
		return answer{}, plain(err, patience)
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer) // what it says does not matter
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		err = fmt.Errorf("it answered %d", resp.StatusCode)
	}
	return answer{status: resp.StatusCode, retryAfter: resp.Header.Get("Retry-After")}, err
}

// sign sets the headers of Standard Webhooks; there is one signature by each
// secret, so that receivers can go over from one to the next.
func (d *Deliverer) sign(r *http.Request, id string, text []byte) error {
	now := d.cfg.Now()
	signatures := make([]string, len(d.signers))
	for i, s := range d.signers {
		var err error
		if signatures[i], err = s.Sign(id, now, text); err != nil {
			return errors.New("the event could not be signed")
		}
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Roomcast")
	r.Header.Set(standardwebhooks.HeaderWebhookID, id)
	r.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	r.Header.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	return nil
}

// receiver says who is told of p.
func (d *Deliverer) receiver(p tasks.Push) (*http.Client, media.Secret, error) {
	if len(d.signers) == 0 {
		return nil, "", errors.New("this worker has no ROOMCAST_WEBHOOK_SECRET")
	}
	if p.Spec.Callback == "" {
		if d.cfg.URL == "" {
			return nil, "", errors.New("this worker has no ROOMCAST_WEBHOOK_URL")
		}
		return d.cfg.Own, d.cfg.URL, nil
	}
	secrets, err := d.cfg.Opener.Open(tasks.CallbackName(p.ID), p.Spec.Callback)
	if err != nil {
		return nil, "", errors.New("this worker cannot open the callbackUrl: check its ROOMCAST_SECRET_KEY")
	}
	return d.cfg.Guarded, secrets.CallbackURL, nil
}

// plain says what went wrong without the address, which may hold a secret, and
// without what is behind the operator's.
func plain(err error, patience time.Duration) error {
	if e, ok := errors.AsType[*url.Error](err); ok && e.Timeout() {
		return fmt.Errorf("it did not answer within %v", patience)
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno
	}
	if errors.Is(err, ErrBlocked) {
		return ErrBlocked
	}
	return errors.New("the connection failed")
}

func (d *Deliverer) next(ctx context.Context, t tasks.WebhookTask, done string) (tasks.Webhook, bool, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	return d.cfg.Store.NextWebhook(ctx, t, done)
}

func (d *Deliverer) undelivered(ctx context.Context, t tasks.WebhookTask, u tasks.Undelivered) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	err := d.cfg.Store.Undelivered(ctx, t, u)
	if errors.Is(err, tasks.ErrStale) {
		return nil
	}
	return err
}
