package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media/mediatest"
)

const webhookSecret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

// webhooks receives them and checks that they are signed.
type webhooks struct {
	*httptest.Server
	mu    sync.Mutex
	types []string // "type status", each id once
	ids   map[string]bool
	text  strings.Builder
	bad   []error
}

func receiveWebhooks(t testing.TB) *webhooks {
	t.Helper()
	verifier, err := standardwebhooks.NewWebhook(webhookSecret)
	require.NoError(t, err)
	h := &webhooks{ids: map[string]bool{}}
	h.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var event struct {
			Type string
			Data struct{ Status string }
		}
		err := verifier.Verify(body, r.Header)
		if err == nil {
			err = json.Unmarshal(body, &event)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.text.Write(append(body, '\n'))
		if err != nil {
			h.bad = append(h.bad, err)
		}
		if id := r.Header.Get("webhook-id"); !h.ids[id] {
			h.ids[id] = true
			h.types = append(h.types, event.Type+" "+event.Data.Status)
		}
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *webhooks) all() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string{}, h.types...)
}

// wait waits for just these.
func (h *webhooks) wait(t testing.TB, want ...string) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) { assert.Equal(c, want, h.all()) }, patience, 50*time.Millisecond)
	h.mu.Lock()
	defer h.mu.Unlock()
	require.Empty(t, h.bad)
}

func TestAClientIsToldOfItsPushOverAKilledWorkerAndAFlush(t *testing.T) {
	beside(t)
	h := receiveWebhooks(t)
	s := newStack(t, options{workers: 2, env: []string{"ROOMCAST_WEBHOOK_SECRET=" + webhookSecret, "ROOMCAST_WEBHOOK_ALLOW=127.0.0.0/8"}})
	files := mediatest.Serve(t, map[string]string{"a": mediatest.Clip(t, mediatest.Spec{Seconds: 60})})
	id := s.push(files.URL+"/a", "r", "u", fields{"callbackUrl": h.URL + "/hook?token=x", "metadata": fields{"course": "42"}})
	begin := time.Now()
	h.wait(t, "push.started publishing")
	t.Logf("told of the start after %v", time.Since(begin))
	push := s.get(id)
	require.Equal(t, h.URL+"/[redacted]", push["callbackUrl"])
	require.Equal(t, map[string]any{"course": "42"}, push["metadata"])
	for query, want := range map[string]int{"42": 1, "43": 0} {
		list, _ := s.do(http.MethodGet, "/v1/pushes?metadata.course="+query, nil).body["pushes"].([]any)
		require.Len(t, list, want)
	}

	s.holderOf(id).kill()
	h.wait(t, "push.started publishing", "push.reconnecting queued", "push.recovered publishing")
	require.NoError(t, s.redis.Client(t).FlushAll(t.Context()).Err())
	require.Eventually(t, func() bool { // its worker registers it anew
		return s.do(http.MethodGet, "/v1/pushes/"+id, nil).body["status"] == "publishing"
	}, patience, 50*time.Millisecond)
	s.stop(id)
	h.wait(t, "push.started publishing", "push.reconnecting queued", "push.recovered publishing", "push.stopped stopped")
}

func TestACallbackInsideIsRefusedAndTheOperatorsOwnIsNot(t *testing.T) {
	beside(t)
	h := receiveWebhooks(t)
	s := newStack(t, options{env: []string{"ROOMCAST_WEBHOOK_SECRET=" + webhookSecret, "ROOMCAST_WEBHOOK_URL=" + h.URL}})
	files := mediatest.Serve(t, map[string]string{"a": mediatest.Clip(t, mediatest.Spec{Seconds: 2})})
	a := s.do(http.MethodPost, "/v1/pushes", s.request(files.URL+"/a", "r", "u", fields{"callbackUrl": h.URL}))
	require.Equal(t, http.StatusBadRequest, a.code, a.raw)
	require.Contains(t, a.raw, "ROOMCAST_WEBHOOK_ALLOW")
	s.push(files.URL+"/a", "r", "u", nil)
	h.wait(t, "push.started publishing", "push.completed completed")
}
