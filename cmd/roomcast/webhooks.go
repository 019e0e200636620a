package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/roomcast/roomcast/cmd/roomcast/client"
	"github.com/roomcast/roomcast/cmd/roomcast/follow"
	"github.com/roomcast/roomcast/cmd/roomcast/screen"
)

type webhooksCmd struct {
	Ls     webhooksLsCmd     `cmd:"" default:"1" help:"List webhooks that could not be delivered in the last three days, newest first."`
	Resend webhooksResendCmd `cmd:"" help:"Send such webhooks again."`
}

type webhooksLsCmd struct{}

// Run prints the list.
func (webhooksLsCmd) Run(ctx context.Context, e env, c *client.Client) error {
	list, err := c.Webhooks(ctx)
	if err != nil {
		return err
	}
	var rows []screen.Row
	for _, w := range list {
		if e.json {
			if err := follow.Encode(e.screen, w); err != nil {
				return err
			}
		}
		var r screen.Row
		for _, text := range []string{w.ID, string(w.Type), follow.Age(time.Since(w.At)), fmt.Sprint(w.Tries), w.Answer} {
			r.Cells = append(r.Cells, screen.Cell{Text: client.Printable(text)})
		}
		rows = append(rows, r)
	}
	switch {
	case e.json:
	case len(list) == 0:
		e.printf("every webhook of the last three days was delivered, or is still tried\n")
	default:
		heads := []screen.Column{{Name: "ID"}, {Name: "TYPE", Rank: 1}, {Name: "AGE", Rank: 3}, {Name: "TRIES", Rank: 4}, {Name: "LAST ANSWER", Rank: 2}}
		fmt.Fprint(e.screen, e.screen.Table(heads, rows))
		e.note("roomcast webhooks resend ID sends one again")
	}
	return nil
}

type webhooksResendCmd struct {
	IDs []string `arg:"" name:"id" help:"The webhooks' ids."`
}

// Run lets every one be sent again, also when one of them is not there.
func (r *webhooksResendCmd) Run(ctx context.Context, e env, c *client.Client) error {
	var failed []error
	for _, id := range r.IDs {
		if err := c.Resend(ctx, id); err != nil {
			failed = append(failed, fmt.Errorf("resend %s: %w", id, err))
			continue
		}
		if e.json {
			_ = follow.Encode(e.screen, map[string]string{"id": id})
			continue
		}
		e.printf("%s is sent again\n", id)
	}
	return errors.Join(failed...)
}
