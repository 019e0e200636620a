package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"regexp"

	"github.com/gin-gonic/gin"

	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/web/view"
)

const (
	maxCallbackEvents = 32 // that are read; there are fewer
	maxDeadShown      = 200
)

// setCallbackEvents takes a list of names, of which the request's check knows
// which there are.
func setCallbackEvents(r *draft, value any) string {
	const shape = `must be a list of strings, such as ["push.completed", "push.failed"]`
	text, ok := value.(nested)
	if !ok {
		if value == "" {
			return ""
		}
		return shape
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	var list []*string
	if err := dec.Decode(&list); err != nil || len(list) > maxCallbackEvents {
		return shape
	}
	for _, name := range list {
		if name == nil {
			return shape
		}
		r.CallbackEvents = append(r.CallbackEvents, *name)
	}
	return ""
}

func setMetadata(r *draft, value any) string {
	metadata, complaint := pairs[string](value, `{"course": "42"}`)
	if len(metadata) > 0 {
		r.Metadata = metadata
	}
	return complaint
}

func (s *server) deadWebhooks(c *gin.Context) error {
	return answer(c, func(ctx context.Context) ([]tasks.DeadWebhook, error) {
		return s.Webhooks.DeadWebhooks(ctx, maxDeadShown)
	}, view.OfDeadWebhooks)
}

// webhookID is what a webhook's id looks like; what is none does not reach the
// store.
var webhookID = regexp.MustCompile(`^[0-9a-f-]{36}\.[0-9a-z_.]{1,60}$`)

func (s *server) resendWebhook(c *gin.Context) error {
	id := c.Param("id")
	if !webhookID.MatchString(id) {
		return &tasks.Error{Code: tasks.CodeNotFound, Msg: "there is no such webhook; GET /v1/webhooks lists those that can be sent again"}
	}
	ctx, cancel := changing(c, redisTimeout)
	defer cancel()
	if err := s.Webhooks.ResendWebhook(ctx, id); err != nil {
		return err
	}
	c.Status(http.StatusAccepted)
	return nil
}
