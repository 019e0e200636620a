package client

import (
	"context"
	"net/http"
	"net/url"
)

// Webhooks returns those that could not be delivered in the last three days,
// newest first.
func (c *Client) Webhooks(ctx context.Context) ([]DeadWebhook, error) {
	var list DeadWebhooks
	err := c.call(ctx, call{method: http.MethodGet, path: "/v1/webhooks"}, &list)
	return list.Webhooks, err
}

// Resend lets a webhook that could not be delivered be sent again.
func (c *Client) Resend(ctx context.Context, id string) error {
	return c.call(ctx, call{method: http.MethodPost, path: "/v1/webhooks/" + url.PathEscape(id) + "/resend"}, nil)
}
