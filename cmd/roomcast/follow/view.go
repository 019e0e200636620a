package follow

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/roomcast/roomcast/cmd/roomcast/client"
	"github.com/roomcast/roomcast/tasks"
)

// View shows a push to a person. It is used by one goroutine.
type View interface {
	// Show shows how the push stands now.
	Show(p client.Push)
	// Say prints a line of its own.
	Say(line string)
	// Close leaves what was shown last; the cursor is on a fresh line.
	Close()
}

// NewView returns the view that suits w.
func NewView(w io.Writer) View {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return NewBar(w)
	}
	return NewLines(w)
}

const barWidth = 24

// Bar is the View for a terminal.
type Bar struct {
	w      io.Writer
	bar    *progressbar.ProgressBar // nil when nothing is shown
	length time.Duration            // that the bar was made for
	told   warnings
}

// NewBar returns a Bar on w, which takes a terminal's control sequences.
func NewBar(w io.Writer) *Bar { return &Bar{w: w} }

// Show implements View.
func (b *Bar) Show(p client.Push) {
	for _, line := range b.told.fresh(p) {
		b.Say(line)
	}
	if b.bar == nil || b.length != p.Length() {
		b.clear()
		b.length = p.Length()
		b.bar = newBar(b.w, b.length)
	}
	b.bar.Describe(Line(p))
	// A full bar would not be drawn again; only the end fills it.
	full := int64(b.length / time.Millisecond)
	at := int64(p.Position() / time.Millisecond)
	switch {
	case full == 0:
		_ = b.bar.Add(1)
	case p.State == tasks.Completed:
		_ = b.bar.Set64(full)
	default:
		_ = b.bar.Set64(min(at, full-1))
	}
}

// newBar makes a bar of this length; one without is a spinner.
func newBar(w io.Writer, length time.Duration) *progressbar.ProgressBar {
	full := int64(length / time.Millisecond)
	if full == 0 {
		full = -1
	}
	return progressbar.NewOptions64(full,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetWidth(barWidth),
		progressbar.OptionUseANSICodes(true),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionShowDescriptionAtLineEnd(),
		progressbar.OptionSetSpinnerChangeInterval(0), // else a goroutine of its own draws it
		progressbar.OptionSetTheme(progressbar.ThemeASCII),
	)
}

func (b *Bar) clear() {
	if b.bar != nil {
		_ = b.bar.Clear()
		b.bar = nil
	}
}

// Say implements View.
func (b *Bar) Say(line string) {
	b.clear()
	fmt.Fprintln(b.w, client.Printable(line))
}

// Close implements View.
func (b *Bar) Close() {
	if b.bar != nil {
		_ = b.bar.Exit()
		fmt.Fprintln(b.w)
		b.bar = nil
	}
}

const lineEvery = 900 * time.Millisecond // polls are not to the millisecond

// Lines is the View for a pipe or a file: a line when the state changes, and
// about one a second.
type Lines struct {
	w      io.Writer
	status tasks.State
	at     time.Time
	told   warnings
}

// NewLines returns a Lines on w.
func NewLines(w io.Writer) *Lines { return &Lines{w: w} }

// Show implements View.
func (l *Lines) Show(p client.Push) {
	for _, line := range l.told.fresh(p) {
		l.Say(line)
	}
	if p.State == l.status && time.Since(l.at) < lineEvery {
		return
	}
	l.status, l.at = p.State, time.Now()
	fmt.Fprintln(l.w, Line(p))
}

// Say implements View.
func (l *Lines) Say(line string) { fmt.Fprintln(l.w, client.Printable(line)) }

// Close implements View.
func (l *Lines) Close() {}

// warnings remembers how many of a push's warnings were told.
type warnings int

func (n *warnings) fresh(p client.Push) []string {
	var lines []string
	for _, w := range p.Warnings[min(int(*n), len(p.Warnings)):] {
		lines = append(lines, "warning: "+w.Message+" ["+string(w.Code)+"]")
	}
	*n = warnings(len(p.Warnings))
	return lines
}

// Line sums a push up in one line: "publishing  0:07 / 1:00  1504 kb/s  30 fps".
func Line(p client.Push) string {
	parts := []string{string(p.State), Clock(played(p))}
	if length := p.Length(); length > 0 {
		parts[1] += " / " + Clock(length)
	}
	if p.Progress == nil {
		return client.Printable(parts[0])
	}
	if p.State == tasks.Publishing {
		parts = append(parts, fmt.Sprintf("%d kb/s", p.Progress.BitrateKbps), fmt.Sprintf("%.0f fps", p.Progress.FPS))
	}
	if n := p.Progress.DroppedPackets; n > 0 {
		parts = append(parts, fmt.Sprintf("%d dropped", n))
	}
	if n := p.Progress.Reconnects; n > 0 {
		parts = append(parts, fmt.Sprintf("%d reconnects", n))
	}
	return client.Printable(strings.Join(parts, "  "))
}

// played is the position, or how long a live stream has been on, by the
// server's clock.
func played(p client.Push) time.Duration {
	if p.Live() && p.StartedAt != nil && p.Progress != nil && p.Progress.UpdatedAt != nil {
		return max(0, p.Progress.UpdatedAt.Sub(*p.StartedAt))
	}
	return p.Position()
}

// Clock writes d as 0:07, 12:34 or 1:02:03.
func Clock(d time.Duration) string {
	s := int(d / time.Second)
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}
