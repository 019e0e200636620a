package follow

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/roomcast/roomcast/cmd/roomcast/client"
	"github.com/roomcast/roomcast/cmd/roomcast/screen"
	"github.com/roomcast/roomcast/tasks"
)

// Line sums a push up in one line: "publishing  0:07 / 1:00  1504 kb/s  30 fps".
func Line(p client.Push) string { return client.Printable(strings.Join(summary(p), "  ")) }

// summary is what Line shows, the most important first.
func summary(p client.Push) []string {
	parts := []string{string(p.State)}
	if p.Progress == nil {
		return parts
	}
	parts = append(parts, Played(p))
	if p.State == tasks.Publishing && !justStarted(p) {
		parts = append(parts, fmt.Sprintf("%d kb/s", p.Progress.BitrateKbps), fmt.Sprintf("%.0f fps", p.Progress.FPS))
	}
	if n := p.Progress.DroppedPackets; n > 0 {
		parts = append(parts, fmt.Sprintf("%d dropped", n))
	}
	if n := p.Progress.Reconnects; n > 0 {
		parts = append(parts, fmt.Sprintf("%d reconnects", n))
	}
	return parts
}

// rateTime is how long a push has to play before its rates mean something.
const rateTime = 2 * time.Second

func justStarted(p client.Push) bool {
	return p.StartedAt != nil && (p.Progress.UpdatedAt == nil || p.Progress.UpdatedAt.Sub(*p.StartedAt) < rateTime)
}

// Played is how far a push is, "0:07 / 1:00", or how long a live stream has been
// on, by the server's clock; "-" before it plays.
func Played(p client.Push) string {
	switch {
	case p.Progress == nil:
		return "-"
	case p.Live() && p.StartedAt != nil && p.Progress.UpdatedAt != nil:
		return Clock(max(0, p.Progress.UpdatedAt.Sub(*p.StartedAt)))
	case p.Length() > 0:
		return Clock(p.Position()) + " / " + Clock(p.Length())
	}
	return Clock(p.Position())
}

// Clock writes d as 0:07, 12:34 or 1:02:03.
func Clock(d time.Duration) string {
	s := int(d / time.Second)
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// TroubleOf says a push's trouble in words, "" for none.
func TroubleOf(p client.Push, now time.Time) string {
	t := p.Trouble
	if t == nil {
		return ""
	}
	text := client.Printable(fmt.Sprintf("%s [%s]", t.Message, t.Code))
	if p.State.Terminal() {
		return text
	}
	add := func(words string, d time.Duration) {
		if d > 0 {
			text += ", " + words + " " + Clock(d.Round(time.Second))
		}
	}
	add("for", now.Sub(t.Since))
	if t.Tries == 1 {
		text += ", 1 try"
	} else if t.Tries > 1 {
		text += fmt.Sprintf(", %d tries", t.Tries)
	}
	if t.NextTryAt != nil {
		add("next in", t.NextTryAt.Sub(now))
	}
	if t.GivesUpAt != nil {
		add("gives up in", t.GivesUpAt.Sub(now))
	}
	return text
}

// note is a line that a person reads once.
type note struct {
	text   string
	colour screen.Colour
}

// changes knows what was told of a push.
type changes struct {
	state   tasks.State
	trouble client.Trouble
	warned  []string
}

// of returns what is new in u, but for its state, and whether that is.
func (c *changes) of(u Update) (notes []note, state bool) {
	state, c.state = c.state != u.Push.State, u.Push.State
	add := func(colour screen.Colour, kind, message, code string) {
		text := kind + ": " + message
		if code != "" {
			text += " [" + code + "]"
		}
		notes = append(notes, note{client.Printable(text), colour})
	}
	warn := func(message, code string) {
		if !slices.Contains(c.warned, message+code) {
			c.warned = append(c.warned, message+code)
			add(screen.Yellow, "warning", message, code)
		}
	}
	trouble := func(t client.Trouble) {
		if t != c.trouble {
			c.trouble = t
			add(screen.Yellow, "trouble", t.Message, string(t.Code))
		}
	}
	for _, w := range u.Push.Warnings {
		warn(w.Message, string(w.Code))
	}
	var e client.LiveEvent
	if u.Event != nil {
		e = *u.Event
	}
	switch tasks.EventType(e.Type) {
	case tasks.EventPlan:
		add(screen.Plain, "plan", e.Message, "")
	case tasks.EventWarning:
		warn(e.Message, e.Code)
	case tasks.EventRecovered:
		add(screen.Green, "recovered", e.Message, e.Code)
	case tasks.EventTrouble:
		trouble(client.Trouble{Side: e.Side, Code: tasks.Code(e.Code), Message: e.Message})
	case tasks.EventState:
	}
	switch t := u.Push.Trouble; {
	case t == nil:
		c.trouble = client.Trouble{}
	case c.trouble.Code == "" || u.Whole: // else its reason may change with every look, and is an event when it is to be told
		trouble(client.Trouble{Side: t.Side, Code: t.Code, Message: t.Message})
	}
	return notes, state
}

// colourOf is a state's.
func colourOf(p client.Push) screen.Colour {
	switch {
	case p.State == tasks.Failed:
		return screen.Red
	case p.State.Terminal():
		return screen.Grey
	case p.Trouble != nil || p.State == tasks.Reconnecting:
		return screen.Yellow
	case p.State == tasks.Publishing:
		return screen.Green
	}
	return screen.Plain
}
