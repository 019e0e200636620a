package host

import (
	"errors"
	"io"

	"github.com/roomcast/roomcast/media"
)

// fault is an error as it goes over a socket: what people read of it, and what is
// decided by it.
type fault struct {
	Is    string // of faultsByName, empty for none
	Kind  int    // of a *media.Error
	Typed bool   // it is a *media.Error
	Op    string
	// Of its inner cause: whether people may read it, and its text.
	Sentence, Reason, Text string
}

// faultsByName are the errors that others are compared with.
var faultsByName = map[string]error{"end": io.EOF, "late video": media.ErrLateVideo}

// faultOf returns nil for nil.
func faultOf(err error) *fault {
	if err == nil {
		return nil
	}
	f := &fault{Text: err.Error()}
	e, typed := errors.AsType[*media.Error](err)
	for name, known := range faultsByName {
		if errors.Is(err, known) && (!typed || !errors.Is(known, io.EOF)) {
			f.Is = name
		}
	}
	if !typed {
		return f
	}
	f.Typed, f.Kind, f.Op, f.Text = true, int(e.Kind), e.Op, ""
	if s, ok := e.Err.(media.Sentence); ok { //nolint:errorlint // those further in have told theirs
		f.Sentence = string(s)
	} else if r, ok := e.Err.(*media.Reason); ok { //nolint:errorlint // the same
		f.Reason = r.Words
		if r.Err != nil {
			f.Text = r.Err.Error()
		}
	} else if e.Err != nil {
		f.Text = e.Err.Error()
		if s, ok := errors.AsType[media.Sentence](e.Err); ok {
			f.Sentence = string(s)
		} else if r, ok := errors.AsType[*media.Reason](e.Err); ok {
			f.Reason = r.Words
		}
	}
	return f
}

// error returns nil for nil.
func (f *fault) error() error {
	if f == nil {
		return nil
	}
	var inner error
	if f.Text != "" {
		inner = errors.New(short(f.Text))
	}
	kind := media.Kind(f.Kind)
	if kind.OfRoom() || kind.String() == media.KindInternal.String() { // a host knows no room
		kind = media.KindInternal
	}
	known := faultsByName[f.Is]
	switch {
	case !f.Typed && known != nil:
		return known
	case !f.Typed:
		return &media.Error{Kind: media.KindInternal, Op: "use a media host", Err: inner}
	case known != nil:
		inner = known
	case f.Sentence != "":
		inner = media.Sentence(short(f.Sentence))
	case f.Reason != "":
		inner = media.Because(short(f.Reason), inner)
	}
	return &media.Error{Kind: kind, Op: short(f.Op), Err: inner}
}
