package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Webhook is one that could not be delivered.
type Webhook struct {
	ID     string    `json:"id"`
	PushID string    `json:"pushId"`
	Type   string    `json:"type"`
	At     time.Time `json:"at"`
	DiedAt time.Time `json:"diedAt"`
	Tries  int       `json:"tries"`
	Answer string    `json:"answer"`
}

// Webhooks returns those that could not be delivered in the last three days,
// newest first.
func (c *Client) Webhooks(ctx context.Context) ([]Webhook, error) {
	var list struct {
		Webhooks []Webhook `json:"webhooks"`
	}
	err := c.call(ctx, call{method: http.MethodGet, path: "/v1/webhooks"}, &list)
	return list.Webhooks, err
}

// Resend lets a webhook that could not be delivered be sent again.
func (c *Client) Resend(ctx context.Context, id string) error {
	return c.call(ctx, call{method: http.MethodPost, path: "/v1/webhooks/" + url.PathEscape(id) + "/resend"}, nil)
}
