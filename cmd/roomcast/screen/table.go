package screen

import (
	"strings"
	"unicode/utf8"
)

const (
	gap = 2 // blanks between columns
	// least is what a column may be cut to before it is left out.
	least = 8
)

// Column is a column of a table. Where the terminal is narrow those of the
// highest rank are left out first; 0 stays.
type Column struct {
	Name string
	Rank int
}

// Cell is a text in a table, without control characters.
type Cell struct {
	Text   string
	Colour Colour
}

// Row is a line of a table, with a cell for each column, and a note below it.
type Row struct {
	Cells []Cell
	Note  Cell // none when empty
}

// Table returns rows below the names of their columns, no line longer than the
// screen.
func (s *Screen) Table(columns []Column, rows []Row) string {
	head := Row{}
	for _, c := range columns {
		head.Cells = append(head.Cells, Cell{Text: c.Name, Colour: Grey})
	}
	rows = append([]Row{head}, rows...)
	wide := make([]int, len(columns)) // 0: left out
	for _, r := range rows {
		for i, cell := range r.Cells {
			wide[i] = max(wide[i], utf8.RuneCountInString(cell.Text))
		}
	}
	if limit, _ := s.Size(); limit > 0 {
		fit(columns, wide, limit)
	}
	var b strings.Builder
	for _, r := range rows {
		s.row(&b, r, wide)
	}
	return b.String()
}

// fit narrows wide until a line has no more than limit characters.
func fit(columns []Column, wide []int, limit int) {
	for {
		total, last := -gap, -1
		for i, w := range wide {
			if w == 0 {
				continue
			}
			total += w + gap
			if columns[i].Rank > 0 && (last < 0 || columns[i].Rank > columns[last].Rank) {
				last = i
			}
		}
		if total <= limit || last < 0 {
			return
		}
		if wide[last] -= total - limit; wide[last] < least {
			wide[last] = 0
		}
	}
}

func (s *Screen) row(b *strings.Builder, r Row, wide []int) {
	blanks := 0
	for i, cell := range r.Cells {
		if wide[i] == 0 {
			continue
		}
		text := Cut(cell.Text, wide[i])
		b.WriteString(strings.Repeat(" ", blanks) + s.Paint(cell.Colour, text))
		blanks = wide[i] - utf8.RuneCountInString(text) + gap
	}
	b.WriteByte('\n')
	if r.Note.Text != "" {
		for line := range strings.SplitSeq(s.Wrap("  "+r.Note.Text, 2), "\n") {
			b.WriteString(s.Paint(r.Note.Colour, line) + "\n")
		}
	}
}
