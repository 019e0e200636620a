package follow

import (
	"cmp"
	"fmt"
	"time"

	"github.com/roomcast/roomcast/cmd/roomcast/client"
	"github.com/roomcast/roomcast/cmd/roomcast/screen"
	"github.com/roomcast/roomcast/tasks"
)

const (
	// wholeID is how many columns it takes to show ids whole; else they are their
	// end, which names a push, too.
	wholeID = 120
	idEnd   = 8
)

var columns = []screen.Column{
	{Name: "ID"}, {Name: "STATE"}, {Name: "POSITION", Rank: 1}, {Name: "ROOM", Rank: 2}, {Name: "USER", Rank: 3}, {Name: "KB/S", Rank: 4},
	{Name: "AGE", Rank: 5}, {Name: "APP", Rank: 7}, {Name: "SOURCE", Rank: 6},
}

// Table returns a line a push, with its trouble in words: in a line below it on
// a terminal, else in the last column.
func Table(s *screen.Screen, pushes []client.Push, now time.Time) string {
	wide, _ := s.Size()
	heads := columns
	if !s.Terminal() {
		heads = append(heads[:len(heads):len(heads)], screen.Column{Name: "TROUBLE"})
	}
	rows := make([]screen.Row, 0, len(pushes))
	for _, p := range pushes {
		id, rate, app, words := p.ID, "-", fmt.Sprint(p.SDKAppID), unwell(p, now)
		if s.Terminal() && wide < wholeID {
			id = "…" + id[max(0, len(id)-idEnd):]
		}
		if p.Progress != nil && p.State == tasks.Publishing {
			rate = fmt.Sprint(p.Progress.BitrateKbps)
		}
		texts := []string{id, string(p.State), Played(p), p.RoomID, p.UserID, rate, Age(now.Sub(p.CreatedAt)), app, p.VideoSrc}
		var r screen.Row
		for _, text := range texts {
			r.Cells = append(r.Cells, screen.Cell{Text: client.Printable(text)})
		}
		r.Cells[1].Colour = colourOf(p)
		if s.Terminal() {
			r.Note = screen.Cell{Text: words, Colour: colourOf(p)}
		} else {
			r.Cells = append(r.Cells, screen.Cell{Text: cmp.Or(words, "-")})
		}
		rows = append(rows, r)
	}
	return s.Table(heads, rows)
}

// unwell says why a push failed, or its trouble.
func unwell(p client.Push, now time.Time) string {
	if p.Error != nil {
		return client.Printable(fmt.Sprintf("%s [%s]", p.Error.Message, p.Error.Code))
	}
	return TroubleOf(p, now)
}

// Age writes d with one unit: 7s, 12m, 3h or 2d.
func Age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(max(d, 0)/time.Second))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d/time.Minute))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d/time.Hour))
	}
	return fmt.Sprintf("%dd", int(d/(24*time.Hour)))
}
