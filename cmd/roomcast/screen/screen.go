package screen

import (
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// Colour is one of a terminal's own.
type Colour string

// The colours. Plain is that of the text around it.
const (
	Plain  Colour = ""
	Red    Colour = "31"
	Green  Colour = "32"
	Yellow Colour = "33"
	Grey   Colour = "90"
)

// A terminal that does not tell its size counts as this big.
const (
	usualColumns = 80
	usualRows    = 24
)

// Screen is where a command prints. It is no terminal unless it has a size.
type Screen struct {
	io.Writer
	size   func() (columns, rows int, err error) // nil for a pipe or a file
	colour bool
}

// New returns the screen that w is. With NO_COLOR set, or on a dumb terminal, it
// has no colours.
func New(w io.Writer, getenv func(string) string) *Screen {
	if s, ok := w.(*Screen); ok {
		return s
	}
	s := &Screen{Writer: w, colour: getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"}
	switch w := w.(type) {
	case interface{ Size() (columns, rows int) }: // a test's
		s.size = func() (int, int, error) { c, r := w.Size(); return c, r, nil }
	case *os.File:
		if fd := int(w.Fd()); term.IsTerminal(fd) {
			s.size = func() (int, int, error) { return term.GetSize(fd) }
		}
	}
	return s
}

// Terminal says whether lines can be drawn again.
func (s *Screen) Terminal() bool { return s.size != nil }

// Size is how many columns and rows there are; it may change at any time. A pipe
// has no limit: 0 and 0.
func (s *Screen) Size() (columns, rows int) {
	if s.size == nil {
		return 0, 0
	}
	columns, rows, err := s.size()
	if err != nil || columns < 1 || rows < 1 {
		return usualColumns, usualRows
	}
	return columns, rows
}

// Paint returns text in a colour, if the screen has any.
func (s *Screen) Paint(c Colour, text string) string {
	if s.size == nil || !s.colour || c == Plain || text == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// Wrap breaks the lines of text between words so that the terminal need not;
// what is broken off goes on behind indent blanks. A word that is longer than a
// line stays whole.
func (s *Screen) Wrap(text string, indent int) string {
	columns, _ := s.Size()
	if columns == 0 {
		return text
	}
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		out = append(out, wrap(line, columns, strings.Repeat(" ", indent))...)
	}
	return strings.Join(out, "\n")
}

func wrap(line string, columns int, indent string) []string {
	var lines []string
	for utf8.RuneCountInString(line) > columns {
		at := lastBlank(line, columns)
		if at < 0 {
			break
		}
		lines = append(lines, strings.TrimRight(line[:at], " "))
		line = indent + strings.TrimLeft(line[at:], " ")
	}
	return append(lines, line)
}

// lastBlank is where line is broken: at the last blank of the first columns, or
// at the first one behind a word that is longer than that. -1: nowhere.
func lastBlank(line string, columns int) int {
	at, n := -1, 0
	for i, r := range line {
		if n > columns && at >= 0 {
			break
		}
		if r == ' ' && strings.TrimSpace(line[:i]) != "" {
			at = i
			if n > columns {
				break
			}
		}
		n++
	}
	return at
}

// Cut shortens text to so many characters.
func Cut(text string, to int) string {
	if utf8.RuneCountInString(text) <= to {
		return text
	}
	return string([]rune(text)[:max(to-1, 0)]) + "…"
}
