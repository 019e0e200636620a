package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/roomcast/roomcast/cmd/roomcast/client"
	"github.com/roomcast/roomcast/cmd/roomcast/follow"
)

type lsCmd struct {
	State string `help:"Only those in this state; several with commas, or active for all that have not ended." aliases:"status"`
	Room  string `help:"Only those into this room."`
	App   uint32 `help:"Only those of this SDKAppID."`
	User  string `help:"Only those of this user."`
	Limit int    `help:"At most so many." default:"50"`
	JSON  bool   `help:"Print the API's JSON." name:"json"`
}

// Run prints the list.
func (l *lsCmd) Run(ctx context.Context, e env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	defer c.CloseIdle()
	page, err := c.List(ctx, client.Filter{State: l.State, RoomID: l.Room, SDKAppID: l.App, UserID: l.User, Limit: l.Limit})
	if err != nil {
		return err
	}
	if l.JSON {
		return printJSON(e, page)
	}
	var b bytes.Buffer
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tSTATE\tPOSITION\tROOM\tUSER\tAPP\tAGE\tSOURCE")
	for _, p := range page.Pushes {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", p.ID, p.State, position(p), p.RoomID, p.UserID, p.SDKAppID, age(p.CreatedAt), p.VideoSrc)
	}
	_ = table.Flush() // into memory
	e.printf("%s", b.String())
	if page.NextCursor != "" {
		e.printf("there are more: --limit shows up to 200\n")
	}
	return nil
}

func position(p client.Push) string {
	switch {
	case p.Progress == nil:
		return "-"
	case p.Length() > 0:
		return follow.Clock(p.Position()) + " / " + follow.Clock(p.Length())
	default:
		return follow.Clock(p.Position())
	}
}

func age(created time.Time) string { return time.Since(created).Round(time.Second).String() }

// printJSON prints v indented. JSON escapes control characters by itself.
func printJSON(e env, v any) error {
	enc := json.NewEncoder(e.stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

type showCmd struct {
	ID   string `arg:"" help:"The push's id."`
	JSON bool   `help:"Print JSON: the push, with its events." name:"json"`
}

// Run prints the push and its events.
func (s *showCmd) Run(ctx context.Context, e env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	defer c.CloseIdle()
	p, err := c.Get(ctx, s.ID)
	if err != nil {
		return err
	}
	events, err := c.Events(ctx, s.ID)
	if err != nil {
		return err
	}
	if s.JSON {
		return printJSON(e, struct {
			client.Push
			Events []client.Event `json:"events"`
		}{p, events})
	}
	e.printf("%s", describe(p, events))
	return nil
}

type watchCmd struct {
	ID string `arg:"" help:"The push's id."`
}

// Run follows the push until its end.
func (w *watchCmd) Run(ctx context.Context, e env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	defer c.CloseIdle()
	last, err := follow.Watch(ctx, c, w.ID, follow.NewView(e.stdout))
	if errors.Is(err, follow.ErrInterrupted) {
		e.printf("push %s goes on; roomcast stop %s ends it\n", w.ID, w.ID)
		return nil
	}
	if err != nil {
		return err
	}
	return follow.Verdict(last)
}

type stopCmd struct {
	IDs []string `arg:"" name:"id" help:"The pushes' ids."`
}

// Run asks for every push's end, also when one of them cannot be stopped.
func (s *stopCmd) Run(ctx context.Context, e env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	defer c.CloseIdle()
	var failed []error
	for _, id := range s.IDs {
		p, err := c.Stop(ctx, id)
		if err != nil {
			failed = append(failed, fmt.Errorf("stop %s: %w", id, err))
			continue
		}
		e.printf("%s %s\n", p.ID, p.State)
	}
	return errors.Join(failed...)
}
