package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
)

type webhooksCmd struct {
	Ls     webhooksLsCmd     `cmd:"" default:"1" help:"List webhooks that could not be delivered in the last three days, newest first."`
	Resend webhooksResendCmd `cmd:"" help:"Send such webhooks again."`
}

type webhooksLsCmd struct {
	JSON bool `help:"Print the API's JSON." name:"json"`
}

// Run prints the list.
func (l *webhooksLsCmd) Run(ctx context.Context, e env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	defer c.CloseIdle()
	list, err := c.Webhooks(ctx)
	if err != nil {
		return err
	}
	if l.JSON {
		return printJSON(e, list)
	}
	if len(list) == 0 {
		e.printf("every webhook of the last three days was delivered, or is still tried\n")
		return nil
	}
	var b bytes.Buffer
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tTYPE\tAGE\tTRIES\tLAST ANSWER")
	for _, w := range list {
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\n", w.ID, w.Type, age(w.At), w.Tries, w.Answer)
	}
	_ = table.Flush() // into memory
	e.printf("%sroomcast webhooks resend ID sends one again\n", b.String())
	return nil
}

type webhooksResendCmd struct {
	IDs []string `arg:"" name:"id" help:"The webhooks' ids."`
}

// Run lets every one be sent again, also when one of them is not there.
func (r *webhooksResendCmd) Run(ctx context.Context, e env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	defer c.CloseIdle()
	var failed []error
	for _, id := range r.IDs {
		if err := c.Resend(ctx, id); err != nil {
			failed = append(failed, fmt.Errorf("resend %s: %w", id, err))
			continue
		}
		e.printf("%s is sent again\n", id)
	}
	return errors.Join(failed...)
}
