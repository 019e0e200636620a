package follow

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/roomcast/roomcast/cmd/roomcast/client"
	"github.com/roomcast/roomcast/cmd/roomcast/screen"
	"github.com/roomcast/roomcast/tasks"
)

// Update is how a push is now, and the event that tells it, if one does.
type Update struct {
	Push  client.Push
	Event *client.LiveEvent
	Whole bool // it is how all is, and not what has changed
}

// View shows a push. It is used by one goroutine.
type View interface {
	Show(u Update)
	// Say prints a line of its own.
	Say(line string)
	// Close leaves what was shown last; the cursor is on a fresh line.
	Close()
}

// NewView returns the view that suits s: a bar on a terminal, else a line a
// change.
func NewView(s *screen.Screen) View {
	if s.Terminal() {
		return &Bar{s: s}
	}
	return NewLines(s)
}

// How wide the bar is, without its brackets.
const (
	barMost  = 24
	barLeast = 5
)

// Bar is the View for a terminal.
type Bar struct {
	s       *screen.Screen
	drawn   bool
	changes changes
}

// Show implements View.
func (b *Bar) Show(u Update) {
	notes, _ := b.changes.of(u)
	for _, n := range notes {
		b.print(n)
	}
	b.clear()
	b.drawn = true
	_, _ = io.WriteString(b.s, b.line(u.Push))
}

// line is a line that is shorter than the terminal, with all of the bar.
func (b *Bar) line(p client.Push) string {
	columns, _ := b.s.Size()
	columns-- // a cursor behind the last column may be on the next line
	parts := summary(p)
	if p.Trouble != nil && !p.State.Terminal() {
		parts = append(parts[:min(2, len(parts))], string(p.Trouble.Code))
	}
	length := p.Length()
	// "100% [" and "]  "
	frame, least := 9, barLeast
	if length == 0 {
		frame, least = 0, 0
	}
	text := client.Printable(strings.Join(parts, "  "))
	for len(parts) > 1 && frame+least+utf8.RuneCountInString(text) > columns {
		parts = parts[:len(parts)-1]
		text = client.Printable(strings.Join(parts, "  "))
	}
	text = screen.Cut(text, columns)
	rest := columns - utf8.RuneCountInString(text) - frame
	if text, ok := strings.CutPrefix(text, string(p.State)); ok {
		text = b.s.Paint(colourOf(p), string(p.State)) + text
		if length == 0 || rest < least {
			return text
		}
		return bar(p, length, min(rest, barMost)) + text
	}
	return text
}

// bar draws how far a push is. A full one is of a push that has ended.
func bar(p client.Push, length time.Duration, wide int) string {
	part := min(max(float64(p.Position())/float64(length), 0), 0.999)
	if p.State == tasks.Completed {
		part = 1
	}
	full := int(part * float64(wide))
	line := strings.Repeat("=", full)
	if full < wide {
		line += ">" + strings.Repeat(" ", wide-full-1)
	}
	return fmt.Sprintf("%3d%% [%s]  ", int(100*part), line)
}

func (b *Bar) clear() {
	if b.drawn {
		_, _ = io.WriteString(b.s, "\r\x1b[K")
	}
	b.drawn = false
}

// Say implements View.
func (b *Bar) Say(line string) { b.print(note{text: client.Printable(line)}) }

func (b *Bar) print(n note) {
	b.clear()
	for line := range strings.SplitSeq(b.s.Wrap(n.text, 2), "\n") {
		_, _ = io.WriteString(b.s, b.s.Paint(n.colour, line)+"\n")
	}
}

// Close implements View.
func (b *Bar) Close() {
	if b.drawn {
		_, _ = io.WriteString(b.s, "\n")
	}
	b.drawn = false
}

// allChanges knows what was told of each push that has not ended.
type allChanges map[string]*changes

// of returns what was told of the push of u.
func (a allChanges) of(u Update) *changes {
	c := a[u.Push.ID]
	if c == nil {
		c = &changes{}
		a[u.Push.ID] = c
	}
	if u.Push.State.Terminal() {
		delete(a, u.Push.ID)
	}
	return c
}

// Lines is the View and the Overview for a pipe or a file: a line a change.
type Lines struct {
	w     io.Writer
	named bool // each line says when it was, and of which push
	told  allChanges
}

// NewLines returns a Lines on w.
func NewLines(w io.Writer) *Lines { return &Lines{w: w, told: allChanges{}} }

// Show implements View: what is new, the state before what explains it, but for the
// last one.
func (l *Lines) Show(u Update) {
	notes, state := l.told.of(u).of(u)
	line := Line(u.Push)
	if state && !u.Push.State.Terminal() {
		l.print(u, line)
	}
	for _, n := range notes {
		l.print(u, n.text)
	}
	if state && u.Push.State.Terminal() {
		l.print(u, line)
	}
}

func (l *Lines) print(u Update, line string) {
	if l.named {
		at := time.Now()
		if u.Event != nil {
			at = u.Event.At
		}
		line = fmt.Sprintf("%s %s %s  %s", at.Local().Format("15:04:05"), u.Push.ID, client.Printable(u.Push.RoomID+"/"+u.Push.UserID), line)
	}
	_, _ = io.WriteString(l.w, line+"\n")
}

// Say implements View.
func (l *Lines) Say(line string) { _, _ = io.WriteString(l.w, client.Printable(line)+"\n") }

// Draw implements Overview.
func (*Lines) Draw([]client.Push) {}

// Close implements View.
func (*Lines) Close() {}

// JSON is the View and the Overview for programs: a push at each of its changes, an
// object a line.
type JSON struct {
	w     io.Writer
	words io.Writer // for Say
	told  allChanges
}

// NewJSON returns a JSON on w. What is said goes to words.
func NewJSON(w, words io.Writer) *JSON { return &JSON{w, words, allChanges{}} }

// Show implements View.
func (j *JSON) Show(u Update) {
	if notes, state := j.told.of(u).of(u); state || len(notes) > 0 {
		_ = Encode(j.w, u.Push)
	}
}

// Say implements View.
func (j *JSON) Say(line string) { _, _ = io.WriteString(j.words, client.Printable(line)+"\n") }

// Draw implements Overview.
func (*JSON) Draw([]client.Push) {}

// Close implements View.
func (*JSON) Close() {}

// Encode writes v as a line of JSON, which escapes control characters by itself.
func Encode(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
