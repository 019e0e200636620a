package screen_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/roomcast/roomcast/cmd/roomcast/screen"
)

// terminal is one of so many columns.
type terminal struct {
	bytes.Buffer
	columns int
}

func (t *terminal) Size() (columns, rows int) { return t.columns, 24 }

func unset(string) string { return "" }

func TestAPipeIsNoTerminal(t *testing.T) {
	s := screen.New(&bytes.Buffer{}, unset)
	assert.False(t, s.Terminal())
	assert.Equal(t, "a b", s.Paint(screen.Red, "a b"))
	long := strings.Repeat("word ", 100)
	assert.Equal(t, long, s.Wrap(long, 2))
	assert.Same(t, s, screen.New(s, unset))
}

func TestColoursAreForTerminalsThatTakeThem(t *testing.T) {
	for name, tt := range map[string]struct {
		env  map[string]string
		want string
	}{
		"a terminal":      {nil, "\x1b[31mx\x1b[0m"},
		"NO_COLOR is set": {map[string]string{"NO_COLOR": "1"}, "x"},
		"a dumb one":      {map[string]string{"TERM": "dumb"}, "x"},
	} {
		t.Run(name, func(t *testing.T) {
			s := screen.New(&terminal{columns: 80}, func(name string) string { return tt.env[name] })
			assert.Equal(t, tt.want, s.Paint(screen.Red, "x"))
			assert.Equal(t, "x", s.Paint(screen.Plain, "x"))
		})
	}
}

func TestATerminalThatTellsNoSizeHasTheUsualOne(t *testing.T) {
	columns, rows := screen.New(&terminal{}, unset).Size()
	assert.Equal(t, []int{80, 24}, []int{columns, rows})
}

func TestLinesAreBrokenBetweenWords(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		want string
	}{
		"short":                   {"one two", "one two"},
		"exactly one":             {"1234567890", "1234567890"},
		"two":                     {"one two three", "one two\n  three"},
		"several":                 {"one two three four five", "one two\n  three\n  four\n  five"},
		"a long word stays whole": {"a 123456789012 b", "a\n  123456789012\n  b"},
		"only a long word":        {"123456789012", "123456789012"},
		"its own blanks stay":     {"  one two three", "  one two\n  three"},
		"lines of its own":        {"one\ntwo three four", "one\ntwo three\n  four"},
		"other scripts":           {"äöü äöü äöü", "äöü äöü\n  äöü"},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, tt.want, screen.New(&terminal{columns: 10}, unset).Wrap(tt.text, 2))
		})
	}
}

func TestATableFitsTheTerminal(t *testing.T) {
	columns := []screen.Column{{Name: "ID"}, {Name: "ROOM", Rank: 1}, {Name: "SOURCE", Rank: 2}}
	rows := []screen.Row{
		{Cells: []screen.Cell{{Text: "p1"}, {Text: "a-rather-long-room"}, {Text: "http://h/a.mp4"}}, Note: screen.Cell{Text: "it is not well"}},
		{Cells: []screen.Cell{{Text: "p2"}, {Text: "r"}, {Text: "-"}}},
	}
	for columnCount, want := range map[int]string{
		80: "ID  ROOM                SOURCE\np1  a-rather-long-room  http://h/a.mp4\n  it is not well\np2  r                   -\n",
		34: "ID  ROOM                SOURCE\np1  a-rather-long-room  http://h/…\n  it is not well\np2  r                   -\n",
		16: "ID  ROOM\np1  a-rather-lo…\n  it is not well\np2  r\n",
		10: "ID\np1\n  it is\n  not well\np2\n",
	} {
		s := screen.New(&terminal{columns: columnCount}, func(string) string { return "dumb" })
		assert.Equal(t, want, s.Table(columns, rows), columnCount)
	}
}

func TestColoursTakeNoRoomInATable(t *testing.T) {
	s := screen.New(&terminal{columns: 80}, unset)
	got := s.Table([]screen.Column{{Name: "A"}, {Name: "B"}}, []screen.Row{{Cells: []screen.Cell{{Text: "xx", Colour: screen.Red}, {Text: "y"}}}})
	assert.Equal(t, "\x1b[90mA\x1b[0m   \x1b[90mB\x1b[0m\n\x1b[31mxx\x1b[0m  y\n", got)
}
