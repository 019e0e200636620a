package main

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/roomcast/roomcast/cmd/roomcast/client"
	"github.com/roomcast/roomcast/tasks"
)

// The exit codes, beside 0. README lists them.
const (
	exitUsage       = 2 // the command line
	exitFailed      = 3 // the push failed, or the API refused
	exitUnreachable = 4 // the API, or the Redis behind it
	exitStopped     = 5 // somebody else stopped the push
)

// exit is an error with the code that it ends the program with.
type exit struct {
	err  error
	code int
	text string // of err, broken into lines; err's own when empty
}

// Error implements error.
func (e exit) Error() string {
	if e.text != "" {
		return e.text
	}
	return e.err.Error()
}

// Unwrap returns the error.
func (e exit) Unwrap() error { return e.err }

// ExitCode is the program's.
func (e exit) ExitCode() int { return e.code }

// usage is an error of the command line.
func usage(format string, args ...any) error {
	return exit{err: fmt.Errorf(format, args...), code: exitUsage}
}

// exitCode is what err ends the program with.
func exitCode(err error) int {
	if e, ok := errors.AsType[exit](err); ok {
		return e.code
	}
	if _, ok := errors.AsType[*kong.ParseError](err); ok {
		return exitUsage
	}
	if e, ok := errors.AsType[*client.Error](err); ok {
		switch e.Status {
		case 0, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return exitUnreachable
		}
	}
	return exitFailed
}

// stopped is an error if somebody has stopped the push.
func stopped(p client.Push) error {
	if p.State != tasks.Stopped {
		return nil
	}
	return exit{err: fmt.Errorf("push %s was stopped", p.ID), code: exitStopped}
}

// inFlags says an API's complaints about fields in the flags of the command
// that sent them, which have a field tag. They are errors of the command line.
func inFlags(err error, command *kong.Node) error {
	e, ok := errors.AsType[*client.Error](err)
	if !ok || command == nil {
		return err
	}
	if e.Status == 0 && command.Name != "doctor" {
		return fmt.Errorf("%w (roomcast doctor says more)", err)
	}
	if e.Problem == nil || !nameFlags(e.Problem, flagsOf(command)) {
		return err
	}
	err = fmt.Errorf("%w\n%s", err, help(command))
	if e.Status == http.StatusBadRequest {
		return exit{err: err, code: exitUsage}
	}
	return err
}

// flagsOf are the names of a command's flags and arguments by their fields.
func flagsOf(command *kong.Node) map[string]string {
	names := map[string]string{}
	for _, v := range command.Values() {
		if field := v.Tag.Get("field"); field != "" {
			names[field] = strings.ToUpper(v.Name)
			if v.Flag != nil {
				names[field] = "--" + v.Name
			}
			if or := v.Tag.Get("or"); or != "" {
				names[field] += " (" + or + ")"
			}
		}
	}
	return names
}

// nameFlags puts flags in the place of a problem's fields, and says whether
// there was one.
func nameFlags(p *client.Problem, names map[string]string) (found bool) {
	of := func(field string) func(client.FieldError) bool {
		return func(f client.FieldError) bool { return f.Field == field }
	}
	// Without an application there is no key of it either: one line is enough.
	if slices.ContainsFunc(p.Errors, of("sdkAppId")) && slices.ContainsFunc(p.Errors, of("userSig")) {
		p.Errors = slices.DeleteFunc(p.Errors, of("userSig"))
		if len(p.Errors) == 1 {
			p.Detail = "sdkAppId: " + p.Errors[0].Detail
		}
	}
	for i, f := range p.Errors {
		if name, ok := names[f.Field]; ok {
			found = true
			if rest, whole := strings.CutPrefix(p.Detail, f.Field); whole {
				p.Detail = name + rest
			}
			p.Errors[i].Field = name
		}
	}
	return found
}

// pictureFlags says the API's words about a picture in the client's flags.
var pictureFlags = strings.NewReplacer("maxDurationSec", "--max-duration", "mode: live", "--mode live")

// help points at a command's own help.
func help(command *kong.Node) string {
	var words []string
	for n := command; n != nil; n = n.Parent {
		if n.Type != kong.ArgumentNode {
			words = append([]string{n.Name}, words...)
		}
	}
	return "(" + strings.Join(words, " ") + " --help says more)"
}
