package tasks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// fakeOutboxes rings for what it holds, once.
type fakeOutboxes struct {
	due  []WebhookTask
	err  error
	rung []WebhookTask
}

func (f *fakeOutboxes) RingOutboxes(context.Context, int) ([]WebhookTask, error) {
	due := f.due
	f.due = nil
	return due, f.err
}

func (f *fakeOutboxes) EnqueueWebhooks(_ context.Context, t WebhookTask) error {
	f.rung = append(f.rung, t)
	return nil
}

func TestASweeperRingsForOutboxesThatAreDueAlsoWhileItTakesNothingOver(t *testing.T) {
	_, _, s := newSweep(Publishing)
	boxes := &fakeOutboxes{due: []WebhookTask{{ID: "a", N: 1}, {ID: "b", N: 7}}}
	s.Outboxes, s.Webhooks = boxes, boxes
	s.holdOff("just started")
	s.sweep(t.Context())
	s.sweep(t.Context())
	require.Equal(t, []WebhookTask{{ID: "a", N: 1}, {ID: "b", N: 7}}, boxes.rung)
}

func TestASlowRedisHoldsNoWebhooksUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, _, s := newSweep(Publishing)
		boxes := &fakeOutboxes{due: []WebhookTask{{ID: "a", N: 1}}}
		s.Store, s.Outboxes, s.Webhooks = lateRedis{store}, boxes, boxes
		s.sweep(t.Context())
		require.NotEmpty(t, s.fault, "leases may look older than they are")
		require.Len(t, boxes.rung, 1)
	})
}

// lateRedis takes long for each look.
type lateRedis struct{ *fakeSweeps }

func (s lateRedis) Expired(ctx context.Context, limit int) ([]Expired, error) {
	time.Sleep(2 * time.Second)
	return s.fakeSweeps.Expired(ctx, limit)
}

func TestASweeperThatCannotRingTakesNothingOver(t *testing.T) {
	store, _, s := newSweep(Publishing)
	boxes := &fakeOutboxes{err: errAway}
	s.Outboxes, s.Webhooks = boxes, boxes
	for range 3 {
		s.sweep(t.Context())
	}
	require.Empty(t, store.taken)
	require.True(t, s.hold.After(time.Now()))
}

func taken(s *Service, _ *Request) { s.Callbacks.Check = fakeSources{} }

func TestACallbackIsSealedShownWithoutItsSecretsAndToldAllButProgress(t *testing.T) {
	d, p, err := started(t, func(s *Service, r *Request) {
		taken(s, r)
		r.CallbackURL = "https://u:canary@a.example/hook?token=canary"
		r.Metadata = map[string]string{"course": "42", "x.y-z_1": ""}
	})
	require.NoError(t, err)
	require.Equal(t, "https://a.example/[redacted]", p.Spec.CallbackURL)
	require.NotEmpty(t, p.Spec.Callback)
	require.Equal(t, []string{"started", "reconnecting", "recovered", "completed", "failed", "stopped"}, p.Spec.Webhooks)
	require.Equal(t, map[string]string{"course": "42", "x.y-z_1": ""}, p.Spec.Metadata)
	require.NotContains(t, fmt.Sprintf("%+v %#v", d.pushes.created, d.queue.rung), "canary")
}

func TestOfACallbackOnlyItsHostIsShown(t *testing.T) {
	for address, shown := range map[string]string{
		"https://hooks.example/services/T0/B0/canary": "https://hooks.example/[redacted]",
		"http://hooks.example:8080/?canary":           "http://hooks.example:8080/[redacted]",
		"http://hooks.example#canary":                 "http://hooks.example/[redacted]",
		"https://canary@hooks.example/":               "https://hooks.example/[redacted]",
		"https://hooks.example/":                      "https://hooks.example/",
		"https://hooks.example":                       "https://hooks.example",
	} {
		_, p, err := started(t, func(s *Service, r *Request) {
			taken(s, r)
			r.CallbackURL = media.Secret(address)
		})
		require.NoError(t, err)
		require.Equal(t, shown, p.Spec.CallbackURL)
	}
}

func TestAClientChoosesWhatItIsTold(t *testing.T) {
	_, p, err := started(t, func(s *Service, r *Request) {
		taken(s, r)
		r.CallbackURL, r.CallbackEvents = "https://a.example/", []string{"push.progress", "push.failed"}
	})
	require.NoError(t, err)
	require.Equal(t, []string{"progress", "failed"}, p.Spec.Webhooks)
}

func TestTheOperatorIsToldOfPushesWithoutACallback(t *testing.T) {
	_, p, err := started(t, func(s *Service, _ *Request) { s.Callbacks.Everywhere = true })
	require.NoError(t, err)
	require.Len(t, p.Spec.Webhooks, 6)
	require.Empty(t, p.Spec.Callback)
	_, p, err = started(t, func(*Service, *Request) {})
	require.NoError(t, err)
	require.Empty(t, p.Spec.Webhooks)
}

func TestCallbacksAndLabelsThatAreRefused(t *testing.T) {
	blocked := fakeSources{err: &media.Error{Kind: media.KindSourceBlocked, Err: errors.New("canary")}}
	invalid := fakeSources{err: &media.Error{Kind: media.KindSourceInvalid, Err: errors.New("canary")}}
	many := map[string]string{}
	for i := range 17 {
		many[fmt.Sprint(i)] = ""
	}
	for _, tt := range []struct {
		name, field, says string
		change            func(s *Service, r *Request)
	}{
		{"a callback without a secret to sign with", "callbackUrl", "ROOMCAST_WEBHOOK_SECRET", func(_ *Service, r *Request) { r.CallbackURL = "https://a/canary" }},
		{"a callback inside", "callbackUrl", "ROOMCAST_WEBHOOK_ALLOW", func(s *Service, r *Request) { s.Callbacks.Check, r.CallbackURL = blocked, "http://10.0.0.1/canary" }},
		{"a callback that is no URL", "callbackUrl", "https://host[:port]/path", func(s *Service, r *Request) { s.Callbacks.Check, r.CallbackURL = invalid, "canary" }},
		{"a callback that is too long", "callbackUrl", "longer than 4096", func(s *Service, r *Request) {
			taken(s, r)
			r.CallbackURL = media.Secret("https://a/" + strings.Repeat("canary", 1000))
		}},
		{"an event that there is not", "callbackEvents", "push.started", func(s *Service, r *Request) {
			taken(s, r)
			r.CallbackURL, r.CallbackEvents = "https://a/", []string{"push.canary"}
		}},
		{"an event twice", "callbackEvents", "none twice", func(s *Service, r *Request) {
			taken(s, r)
			r.CallbackURL, r.CallbackEvents = "https://a/", []string{"push.failed", "push.failed"}
		}},
		{"events without a callback", "callbackEvents", "callbackUrl", func(_ *Service, r *Request) { r.CallbackEvents = []string{"push.failed"} }},
		{"too many labels", "metadata", "more than 16", func(_ *Service, r *Request) { r.Metadata = many }},
		{"labels that are too long", "metadata", "longer than 2048", func(_ *Service, r *Request) { r.Metadata = map[string]string{"a": strings.Repeat("x", 2048)} }},
		{"a label without a name", "metadata", "letters, digits", func(_ *Service, r *Request) { r.Metadata = map[string]string{"": "x"} }},
		{"a label's name with a blank", "metadata", "letters, digits", func(_ *Service, r *Request) { r.Metadata = map[string]string{"a canary": "x"} }},
		{"a label's name in other letters", "metadata", "letters, digits", func(_ *Service, r *Request) { r.Metadata = map[string]string{"ü": "x"} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := started(t, tt.change)
			e, ok := errors.AsType[*Error](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, CodeInvalidRequest, e.Code)
			require.Len(t, e.Fields, 1)
			require.Equal(t, tt.field, e.Fields[0].Field)
			require.Contains(t, e.Fields[0].Detail, tt.says)
			require.NotContains(t, err.Error(), "canary")
		})
	}
}
