package client

import (
	"fmt"
	"net/http"
	"strings"
)

// Error is every error of a call: the API refused, something else answered in
// its place, or nothing did.
type Error struct {
	Base    string   // the API's address
	Status  int      // 0 when there was no answer
	Problem *Problem // nil when the answer was not one of Roomcast's
	Err     error    // why there was no answer, or none to be read
}

// Error is a sentence for a person, and a line per field below it.
func (e *Error) Error() string {
	switch {
	case e.Problem != nil:
		return e.sentence()
	case e.Status == 0:
		return fmt.Sprintf("the API at %s does not answer: %v", e.Base, e.Err)
	case e.Err != nil:
		return fmt.Sprintf("%s: %v", e.Base, e.Err)
	default:
		return fmt.Sprintf("%s answered %d %s: that is not Roomcast's API, or a proxy stands before it",
			e.Base, e.Status, http.StatusText(e.Status))
	}
}

// Unwrap returns why there was no answer.
func (e *Error) Unwrap() error { return e.Err }

// Refused says that the API answered and another try gets the same answer.
func (e *Error) Refused() bool {
	return e.Status >= 300 && e.Status < 500 && e.Status != http.StatusTooManyRequests
}

func (e *Error) sentence() string {
	p := e.Problem
	var b strings.Builder
	b.WriteString(p.Detail)
	if !strings.Contains(p.Detail, p.PushID) { // "" is in every text
		b.WriteString(" (push " + p.PushID + ")")
	}
	b.WriteString(" [" + string(p.Code) + "]")
	if p.Retryable {
		b.WriteString("; try again later")
	}
	if e.Status == http.StatusUnauthorized {
		b.WriteString("; the client takes the key from ROOMCAST_API_KEY")
	}
	for _, f := range p.Errors {
		if p.Detail != f.Field+": "+f.Detail && p.Detail != f.Field+" "+f.Detail {
			b.WriteString("\n  " + f.Field + ": " + f.Detail)
		}
	}
	return Printable(b.String())
}

// Printable replaces what a terminal would take as a command: control
// characters but for the line feed.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && (r < ' ' || r >= 0x7f && r < 0xa0) {
			return '?'
		}
		return r
	}, s)
}
