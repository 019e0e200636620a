package follow

import (
	"context"
	"iter"

	"github.com/roomcast/roomcast/cmd/roomcast/client"
	"github.com/roomcast/roomcast/tasks"
)

// History is what a follower of events asks, as client.Client answers it.
type History interface {
	Events(ctx context.Context, id string) ([]client.Event, error)
	WatchPush(ctx context.Context, id string) iter.Seq2[client.Message, error]
}

// Events gives every event of a push to show, once each, those of the past
// first, until the push has ended or ctx ends, which is no error. What is to be
// said about the API goes to say.
func Events(ctx context.Context, api History, id string, show func(client.Event), say func(string)) error {
	told := map[client.Event]bool{}
	tell := func(e client.Event) {
		key := e
		key.At = e.At.UTC() // times are compared with their zones
		if !told[key] {
			told[key] = true
			show(e)
		}
	}
	want, over := false, false // of the history
	var away absence
	for m, err := range api.WatchPush(ctx, id) {
		var past []client.Event
		if err == nil {
			// With a stream's begin, and after a hole; the end may be long ago.
			want = want || m.Snapshot != nil || m.Event != nil && m.Event.Type == client.EventEnd
		}
		if err == nil && want {
			past, err = api.Events(ctx, id)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && away.tooLong(err, say):
			return err
		case err != nil:
			continue
		}
		away, want = absence{}, false
		if m.Reset != nil {
			say(m.Reset.Message)
		}
		for _, e := range past {
			over = over || e.Type == tasks.EventState && e.State.Terminal()
			tell(e)
		}
		if m.Event != nil && !over { // else it stands in the history
			tell(m.Event.Line())
		}
	}
	return nil
}
