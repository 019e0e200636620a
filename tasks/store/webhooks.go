package store

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roomcast/roomcast/tasks"
)

const (
	// webhookLease is how long who hears a bell has for one event: longer than
	// a delivery takes, so that it is not rung for beside it.
	webhookLease = 30 * time.Second
	// deliveryTTL is how long the count of bells outlives an outbox that was
	// emptied, so that no number comes twice while somebody may have heard one.
	deliveryTTL = time.Hour
	deadTTL     = 3 * 24 * time.Hour
	maxDead     = 2000
)

// message is an event as an outbox holds it; times are Unix milliseconds.
type message struct {
	ID     string   `json:"id"`
	Type   string   `json:"type"`
	At     string   `json:"at"`
	Since  string   `json:"since"`
	Fields []string `json:"fields"` // of the record
	Tries  int      `json:"tries"`
	DiedAt string   `json:"diedAt"`
	Answer string   `json:"answer"`
}

func readMessage(text string) (message, error) {
	var m message
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return m, internal("a webhook in an outbox cannot be read", err)
	}
	return m, nil
}

func msTime(text string) time.Time {
	return (&reader{fields: map[string]string{"": text}}).time("")
}

// RingOutboxes returns the bells of at most limit outboxes that are due, the
// longest due first, and gives whoever hears one 30 s.
func (s *Store) RingOutboxes(ctx context.Context, limit int) ([]tasks.WebhookTask, error) {
	r, err := s.run(ctx, s.scripts.ring, []string{keyOutboxes}, limit, webhookLease.Milliseconds())
	if err != nil {
		return nil, err
	}
	var bells []tasks.WebhookTask
	for i := 0; i+1 < len(r.values); i += 2 {
		n, err := epochOf(r.values[i+1])
		if err != nil {
			return nil, err
		}
		bells = append(bells, tasks.WebhookTask{ID: r.values[i], N: n})
	}
	return bells, nil
}

// NextWebhook takes delivered out of the outbox and returns what is next, found
// false when the outbox is empty and has been left; ErrStale when a later bell
// has been rung.
func (s *Store) NextWebhook(ctx context.Context, t tasks.WebhookTask, delivered string) (w tasks.Webhook, found bool, err error) {
	r, err := s.run(ctx, s.scripts.next, outboxKeys(t.ID), t.ID, t.N, webhookLease.Milliseconds(), delivered, deliveryTTL.Milliseconds())
	switch {
	case err != nil:
		return tasks.Webhook{}, false, err
	case r.code == "empty":
		return tasks.Webhook{}, false, nil
	case r.code != "ok" || len(r.values) < 2:
		return tasks.Webhook{}, false, refusal(r)
	}
	m, err := readMessage(r.first())
	if err != nil {
		return tasks.Webhook{}, false, err
	}
	failures, err := strconv.Atoi(r.values[1])
	if err != nil {
		return tasks.Webhook{}, false, internal("the failures of an outbox are not a number", err)
	}
	w = tasks.Webhook{ID: m.ID, Type: m.Type, At: msTime(m.At), Push: show(t.ID, fields(m.Fields)), Failures: failures}
	if w.Since = msTime(m.Since); w.Since.IsZero() {
		w.Since = w.At
	}
	return w, true, nil
}

// Undelivered notes that an event could not be delivered; ErrStale when a later
// bell has been rung.
func (s *Store) Undelivered(ctx context.Context, t tasks.WebhookTask, u tasks.Undelivered) error {
	_, err := s.do(ctx, s.scripts.undelivered, append(outboxKeys(t.ID), keyDead),
		t.ID, t.N, u.Webhook, u.Wait.Milliseconds(), u.Answer, bit(u.Dead), deadTTL.Milliseconds(), maxDead)
	return err
}

func outboxKeys(id string) []string { return []string{keyOutboxes, keyOutbox(id), keyDelivery(id)} }

// DeadWebhooks lists what could not be delivered within the last three days,
// newest first.
func (s *Store) DeadWebhooks(ctx context.Context, limit int) ([]tasks.DeadWebhook, error) {
	ids, err := s.client.ZRevRange(ctx, keyDead, 0, int64(limit)-1).Result()
	if err != nil {
		return nil, storeError(err)
	}
	pipe := s.client.Pipeline()
	texts := make([]*redis.StringCmd, len(ids))
	for i, id := range ids {
		texts[i] = pipe.Get(ctx, keyDeadOne(id))
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, storeError(err)
	}
	dead := make([]tasks.DeadWebhook, 0, len(ids))
	for _, text := range texts {
		m, err := readMessage(text.Val())
		if err != nil {
			continue // it has expired
		}
		dead = append(dead, tasks.DeadWebhook{
			ID: m.ID, PushID: fields(m.Fields)[fieldID], Type: m.Type, At: msTime(m.At),
			DiedAt: msTime(m.DiedAt), Tries: m.Tries, Answer: m.Answer,
		})
	}
	return dead, nil
}

// ResendWebhook puts a dead webhook into its push's outbox again; CodeNotFound
// when there is none.
func (s *Store) ResendWebhook(ctx context.Context, id string) error {
	const idLength = 36 // of a push, with which a webhook's begins
	if len(id) <= idLength {
		return noWebhook()
	}
	push := id[:idLength]
	r, err := s.run(ctx, s.scripts.resend, append(outboxKeys(push), keyDead, keyDeadOne(id)), push, id)
	if err == nil && r.code != "ok" {
		err = noWebhook()
	}
	return err
}

func noWebhook() error {
	return &tasks.Error{Code: tasks.CodeNotFound, Msg: "there is no such webhook among those that could not be delivered in the last three days"}
}
