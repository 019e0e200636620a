package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/roomcast/roomcast/cmd/roomcast/client"
	"github.com/roomcast/roomcast/cmd/roomcast/follow"
)

// filterFlags say which pushes are meant.
type filterFlags struct {
	State string `field:"state" help:"Only those in this state; several with commas, or active for all that have not ended." aliases:"status"`
	Room  string `field:"roomId" help:"Only those into this room."`
	App   uint32 `field:"sdkAppId" help:"Only those of this SDKAppID."`
	User  string `field:"userId" help:"Only those of this user."`

	Metadata client.Metadata `help:"Only those with this label; may be repeated." mapsep:"none" placeholder:"NAME=VALUE"`
}

func (f filterFlags) filter() client.Filter {
	return client.Filter{State: f.State, RoomID: f.Room, SDKAppID: f.App, UserID: f.User, Metadata: f.Metadata}
}

func (f filterFlags) empty() bool {
	return f.State == "" && f.Room == "" && f.App == 0 && f.User == "" && len(f.Metadata) == 0
}

type lsCmd struct {
	Filter filterFlags `embed:""`
	Limit  int         `field:"limit" help:"At most so many." default:"50"`
}

// Run prints the list.
func (l *lsCmd) Run(ctx context.Context, e env, c *client.Client) error {
	if l.Limit == 0 { // which the API would not be sent
		return usage("--limit: must be at least 1")
	}
	f := l.Filter.filter()
	f.Limit = l.Limit
	page, err := c.List(ctx, f)
	if err != nil {
		return err
	}
	if e.json {
		for _, p := range page.Pushes {
			if err := follow.Encode(e.screen, p); err != nil {
				return err
			}
		}
	} else {
		fmt.Fprint(e.screen, follow.Table(e.screen, page.Pushes, time.Now()))
	}
	if page.NextCursor != "" {
		e.note("there are more: --limit shows up to 200")
	}
	return nil
}

type showCmd struct {
	ID string `arg:"" help:"${id}"`
}

// Run prints the push and its events.
func (s *showCmd) Run(ctx context.Context, e env, c *client.Client) error {
	id, err := pushID(ctx, c, s.ID)
	if err != nil {
		return err
	}
	p, err := c.Get(ctx, id)
	if err != nil {
		return err
	}
	events, err := c.Events(ctx, id)
	if err != nil {
		return err
	}
	if e.json {
		return follow.Encode(e.screen, struct {
			client.Push
			Events []client.Event `json:"events"`
		}{p, events})
	}
	e.describe(p, events)
	return nil
}

type watchCmd struct {
	ID     string      `arg:"" optional:"" help:"${id} Without one all are shown that have not ended."`
	Filter filterFlags `embed:""`
}

// Run follows the push until its end, or all until it is told to leave.
func (w *watchCmd) Run(ctx context.Context, e env, c *client.Client) error {
	if w.ID == "" {
		v := follow.NewOverview(e.screen)
		if e.json {
			v = follow.NewJSON(e.screen, e.stderr)
		}
		return follow.All(ctx, c, w.Filter.filter(), v)
	}
	if !w.Filter.empty() {
		return usage("--state, --room, --app, --user and --metadata choose among all pushes; they do not go with an id")
	}
	id, err := pushID(ctx, c, w.ID)
	if err != nil {
		return err
	}
	last, err := follow.Watch(ctx, c, id, e.view())
	if errors.Is(err, follow.ErrInterrupted) {
		e.note("push %s goes on; roomcast stop %s ends it", id, id)
		return nil
	}
	return errors.Join(err, follow.FailureOf(last), stopped(last))
}

type eventsCmd struct {
	ID     string `arg:"" help:"${id}"`
	Follow bool   `short:"f" help:"Go on with what happens, until the push has ended."`
}

// Run prints the history, and what is added to it.
func (ev *eventsCmd) Run(ctx context.Context, e env, c *client.Client) error {
	id, err := pushID(ctx, c, ev.ID)
	if err != nil {
		return err
	}
	say := func(line string) { e.note("%s", line) }
	if ev.Follow {
		return follow.Events(ctx, c, id, e.event, say)
	}
	events, err := c.Events(ctx, id)
	for _, event := range events {
		e.event(event)
	}
	return err
}

// event prints a line of a history.
func (e env) event(event client.Event) {
	if e.json {
		_ = follow.Encode(e.screen, event)
		return
	}
	fmt.Fprint(e.screen, e.eventLine(event))
}

type stopCmd struct {
	IDs []string `arg:"" name:"id" help:"${id}"`
}

// Run asks for every push's end, also when one of them cannot be stopped.
func (s *stopCmd) Run(ctx context.Context, e env, c *client.Client) error {
	var failed []error
	for _, word := range s.IDs {
		id, err := pushID(ctx, c, word)
		var p client.Push
		if err == nil {
			p, err = c.Stop(ctx, id)
		}
		switch {
		case err != nil:
			failed = append(failed, fmt.Errorf("stop %s: %w", word, err))
		case e.json:
			_ = follow.Encode(e.screen, p)
		default:
			e.printf("%s %s\n", p.ID, p.State)
		}
	}
	return errors.Join(failed...)
}
