package main

import (
	"errors"
	"fmt"
	"net/http"
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
// that sent them, which have a field tag.
func inFlags(err error, command *kong.Node) error {
	e, ok := errors.AsType[*client.Error](err)
	if !ok || e.Problem == nil || command == nil {
		return err
	}
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
	hint := false
	for i, f := range e.Problem.Errors {
		if name, ok := names[f.Field]; ok {
			hint = true
			if rest, whole := strings.CutPrefix(e.Problem.Detail, f.Field); whole {
				e.Problem.Detail = name + rest
			}
			e.Problem.Errors[i].Field = name
		}
	}
	if !hint {
		return err
	}
	return fmt.Errorf("%w\n%s", err, help(command))
}

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
