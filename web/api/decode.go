package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/roomcast/roomcast/internal/nearest"
	"github.com/roomcast/roomcast/tasks"
)

const (
	maxDepth     = 8
	maxProblems  = 20
	maxNameShown = 64
)

// nested is an object or array as it was sent.
type nested json.RawMessage

// decoder reads one JSON object into a Request and collects everything that is
// wrong with it.
type decoder struct {
	request  draft
	seen     map[string]bool // by lower-cased name
	problems []tasks.FieldError
}

// decodeRequest reads body strictly: one JSON object, known fields only, none
// twice, names in any case. Errors are *tasks.Error.
func decodeRequest(body []byte) (tasks.Request, error) {
	if !utf8.Valid(body) {
		return tasks.Request{}, malformed("the body is not valid UTF-8", nil)
	}
	if err := wellFormed(body); err != nil {
		return tasks.Request{}, err
	}
	d := decoder{seen: map[string]bool{}}
	if err := d.object(body); err != nil {
		return tasks.Request{}, err
	}
	d.joinRooms()
	if len(d.problems) > 0 {
		d.missing()
		return tasks.Request{}, d.err()
	}
	r := d.request.Request
	r.Body = canonical(r)
	return r, nil
}

// wellFormed checks the grammar of the whole body, which json.Decoder's tokens
// alone do not: they stop after the first value.
func wellFormed(body []byte) error {
	var whole json.RawMessage
	err := json.Unmarshal(body, &whole)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return malformed(fmt.Sprintf("the body is not one JSON object: byte %d: %s", syntax.Offset, syntax), err)
	}
	if err != nil || whole[0] != '{' {
		return malformed("the body must be one JSON object", err)
	}
	return nil
}

func malformed(msg string, cause error) error {
	return &tasks.Error{Code: tasks.CodeInvalidRequest, Msg: msg, Err: cause}
}

func (d *decoder) object(body []byte) error {
	tokens := json.NewDecoder(bytes.NewReader(body))
	tokens.UseNumber()
	if _, err := tokens.Token(); err != nil { // the opening brace
		return malformed("the body must be one JSON object", err)
	}
	for tokens.More() {
		name, err := tokens.Token()
		if err != nil {
			return malformed("the body is not one JSON object", err)
		}
		value, err := readValue(tokens, body)
		if err != nil {
			return err
		}
		d.member(name.(string), value)
	}
	return nil
}

// readValue returns a string, json.Number, bool, nil or nested. body is what
// tokens reads.
func readValue(tokens *json.Decoder, body []byte) (any, error) {
	var begin int64
	for depth := 0; ; {
		token, err := tokens.Token()
		if err != nil {
			return nil, malformed("the body is not one JSON object", err)
		}
		delim, composite := token.(json.Delim)
		if composite {
			if delim == '{' || delim == '[' {
				if depth++; depth == 1 {
					begin = tokens.InputOffset() - 1
				}
			} else {
				depth--
			}
		}
		if depth > maxDepth {
			return nil, malformed(fmt.Sprintf("the body is nested deeper than %d", maxDepth), nil)
		}
		switch {
		case depth > 0:
		case composite:
			return nested(body[begin:tokens.InputOffset()]), nil
		default:
			return token, nil
		}
	}
}

func (d *decoder) member(name string, value any) {
	key := strings.ToLower(name)
	f, known := fieldOf(key)
	if known {
		name = f.name
	}
	switch {
	case d.seen[key]:
		d.problem(name, "is given twice; names differ in more than case")
	case !known:
		d.problem(name, unknown(name))
	case value != nil: // null is the same as absent
		if text, ok := value.(string); ok && strings.ContainsFunc(text, unprintable) {
			d.problem(name, "holds a control character or one that is not valid Unicode")
		} else if complaint := f.set(&d.request, value); complaint != "" {
			d.problem(name, complaint)
		}
	}
	d.seen[key] = true
}

func unprintable(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError }

// hints are for names that people try and that resemble no field's.
var hints = map[string]string{"room": "roomId or strRoomId"}

func unknown(name string) string {
	if hint := hints[strings.ToLower(name)]; hint != "" {
		return "is not a field; did you mean " + hint + "?"
	}
	if n := nearest.Name(name, fieldNames()); n != "" {
		return "is not a field; did you mean " + n + "?"
	}
	return "is not a field"
}

func (d *decoder) problem(field, detail string) {
	if len(field) > maxNameShown {
		field = strings.ToValidUTF8(field[:maxNameShown], "") + "…"
	}
	d.problems = append(d.problems, tasks.FieldError{Field: field, Detail: detail})
}

// joinRooms makes roomId and the template's strRoomId one.
func (d *decoder) joinRooms() {
	r := &d.request
	switch {
	case r.strRoomID == "":
	case r.RoomID != "" && r.RoomID != r.strRoomID:
		d.problem("strRoomId", "differs from roomId; give one of them")
	default:
		r.RoomID, r.RoomWasNumber = r.strRoomID, false
	}
}

// missing adds the required fields that are not there, so that one answer
// names everything. Without other problems the Service finds them itself.
func (d *decoder) missing() {
	for _, f := range fields {
		key := strings.ToLower(f.name)
		if f.required && !d.seen[key] && !(f.name == "roomId" && d.seen["strroomid"]) {
			d.problem(f.name, "is required")
		}
	}
}

func (d *decoder) err() error {
	first := d.problems[0]
	msg := first.Field + " " + first.Detail
	if more := len(d.problems) - 1; more > 0 {
		msg = fmt.Sprintf("%s; and %d more, see errors", msg, more)
	}
	shown := d.problems[:min(len(d.problems), maxProblems)]
	return &tasks.Error{Code: tasks.CodeInvalidRequest, Msg: msg, Fields: shown}
}
