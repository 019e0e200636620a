package host

import (
	"errors"
	"io"

	"github.com/roomcast/roomcast/media"
)

// fault is an error as it goes over a socket: what people read of it, and what is
// decided by it.
type fault struct {
	Form  string // of forms
	Kind  int    // of a *media.Error
	Text  string // its Op, or words
	Cause *fault
}

// mostCauses is how deep a fault is.
const mostCauses = 4

// form is how an error of a type goes over a socket and comes back.
type form struct {
	name string
	take func(error) (f fault, cause error, ok bool) // of the first of its type that the error is or wraps
	give func(f *fault, cause error) error
}

// forms are looked for in this order. What is none of them is a text.
var forms = []form{
	{"error", func(err error) (fault, error, bool) {
		e, ok := errors.AsType[*media.Error](err)
		if !ok {
			return fault{}, nil, false
		}
		return fault{Kind: int(e.Kind), Text: e.Op}, e.Err, true
	}, func(f *fault, cause error) error {
		return &media.Error{Kind: kindOf(f), Op: short(f.Text), Err: cause}
	}},
	compared("memory", media.ErrMemory),
	{"sentence", func(err error) (fault, error, bool) {
		s, ok := errors.AsType[media.Sentence](err)
		return fault{Text: string(s)}, nil, ok
	}, func(f *fault, _ error) error { return media.Sentence(short(f.Text)) }},
	{"reason", func(err error) (fault, error, bool) {
		r, ok := errors.AsType[*media.Reason](err)
		if !ok {
			return fault{}, nil, false
		}
		return fault{Text: r.Words}, r.Err, true
	}, func(f *fault, cause error) error { return media.Because(short(f.Text), cause) }},
	compared("late video", media.ErrLateVideo),
	compared("end", io.EOF),
	{"text", func(err error) (fault, error, bool) { return fault{Text: err.Error()}, nil, true },
		func(f *fault, _ error) error { return errors.New(short(f.Text)) }},
}

// compared is the form of an error that others are compared with.
func compared(name string, err error) form {
	return form{
		name, func(e error) (fault, error, bool) { return fault{}, nil, errors.Is(e, err) },
		func(*fault, error) error { return err },
	}
}

// kindOf is what f says, if a host can know it: it knows no room, and no worker.
func kindOf(f *fault) media.Kind {
	kind := media.Kind(f.Kind)
	if kind.OfRoom() || kind == media.KindWorkerShort || kind.String() == media.KindInternal.String() {
		return media.KindInternal
	}
	return kind
}

// faultOf returns nil for nil.
func faultOf(err error) *fault {
	if err == nil {
		return nil
	}
	for _, form := range forms {
		if f, cause, ok := form.take(err); ok {
			f.Form, f.Cause = form.name, faultOf(cause)
			return &f
		}
	}
	return nil
}

// error returns nil for nil.
func (f *fault) error() error {
	err := f.chain(mostCauses)
	if _, typed := errors.AsType[*media.Error](err); err == nil || typed || err == io.EOF || errors.Is(err, media.ErrLateVideo) { //nolint:errorlint // as media.Source has it
		return err
	}
	return &media.Error{Kind: media.KindInternal, Op: "use a media host", Err: err}
}

// chain is the error of f and of so many causes.
func (f *fault) chain(most int) error {
	if f == nil || most == 0 {
		return nil
	}
	cause := f.Cause.chain(most - 1)
	for _, form := range forms {
		if form.name == f.Form {
			return form.give(f, cause)
		}
	}
	return errors.New(short(f.Text))
}

// errShort is the end of what this worker has no host for: another worker may.
func errShort(err error) error {
	return &media.Error{Kind: media.KindWorkerShort, Op: "start a media host", Err: err}
}

// errPoisoned is the end of a source that kills what takes it apart.
func errPoisoned(op string) error {
	return &media.Error{Kind: media.KindSourcePoisoned, Op: op, Err: media.Because("what takes it apart died of it, again and again; is it damaged?", nil)}
}

// errGoneOn is the end of a source that is to be opened anew.
func errGoneOn(op string) error {
	return &media.Error{Kind: media.KindSourceDropped, Op: op, Err: media.Because("what took it apart has died", nil)}
}
