package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/roomcast/roomcast/internal/nearest"
)

// Warning is an unknown variable that begins with Prefix. It is no error:
// Kubernetes injects ROOMCAST_*_SERVICE_HOST and the like.
type Warning struct {
	Name    string
	Nearest string // the setting that was perhaps meant; may be empty
}

func (w Warning) String() string {
	if w.Nearest == "" {
		return w.Name + " is not a setting"
	}
	return w.Name + " is not a setting; did you mean " + w.Nearest + "?"
}

// Problem is what is wrong with one variable and what to do.
type Problem struct{ Name, Text string }

// Error is everything that is wrong, in the order of Config.
type Error struct{ Problems []Problem }

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("settings that cannot be used:")
	for _, p := range e.Problems {
		fmt.Fprintf(&b, "\n  %s %s", p.Name, p.Text)
	}
	return b.String()
}

// toolNames begin with Prefix and belong to the build scripts and the client.
var toolNames = []string{
	Prefix + "CACHE", Prefix + "API", Prefix + "API_KEY", Prefix + "APP", Prefix + "USERSIG", Prefix + "SDK_KEY",
}

// Load reads environ, entries of the form name=value. Its error is an *Error.
func Load(environ []string) (Config, []Warning, error) { return load(env.ToMap(environ)) }

// ofAPI are the settings that a worker does not look at.
var ofAPI = []string{"LISTEN", "API_KEYS", "API_KEYS" + fileSuffix}

// LoadWorker is Load for a worker: it needs no API keys, whatever the API's
// address is.
func LoadWorker(environ []string) (Config, []Warning, error) {
	values := env.ToMap(environ)
	for _, name := range ofAPI {
		delete(values, Prefix+name)
	}
	return load(values)
}

func load(values map[string]string) (Config, []Warning, error) {
	var c Config
	e := &Error{}
	readFiles(values, e)
	err := env.ParseWithOptions(&c, env.Options{Prefix: Prefix, Environment: values})
	for _, cause := range unfold(err) {
		e.Problems = append(e.Problems, describe(cause))
	}
	c.validate(e)
	slices.SortStableFunc(e.Problems, func(a, b Problem) int { return place(a.Name) - place(b.Name) })
	e.Problems = slices.CompactFunc(e.Problems, func(a, b Problem) bool { return a.Name == b.Name })
	if len(e.Problems) > 0 {
		return Config{}, unknown(values), e
	}
	return c, unknown(values), nil
}

func unfold(err error) []error {
	if all, ok := errors.AsType[env.AggregateError](err); ok {
		return all.Errors
	}
	if err != nil {
		return []error{err}
	}
	return nil
}

// describe says what a variable must be. Only our own types' errors are
// repeated: they show no value.
func describe(err error) Problem {
	parse, ok := errors.AsType[env.ParseError](err)
	if !ok {
		return Problem{Prefix, "settings could not be read"}
	}
	f, _ := reflect.TypeFor[Config]().FieldByName(parse.Name)
	name := Prefix + f.Tag.Get("env")
	switch parse.Type {
	case reflect.TypeFor[time.Duration]():
		return Problem{name, "must be a duration such as 3s, 2m or 72h"}
	case reflect.TypeFor[bool]():
		return Problem{name, "must be true or false"}
	case reflect.TypeFor[int]():
		return Problem{name, "must be a whole number"}
	case reflect.TypeFor[float64]():
		return Problem{name, "must be a number such as 4 or 1.5"}
	case reflect.TypeFor[APIKeys](), reflect.TypeFor[SDKKeys]():
		return Problem{name, parse.Err.Error()}
	case reflect.TypeFor[Bytes]():
		return Problem{name, "must be a size such as 512m, 2g or 1.5GiB"}
	}
	return Problem{name, "must be " + f.Tag.Get("about")}
}

func place(name string) int {
	return slices.IndexFunc(Describe(), func(s Setting) bool { return s.Name == name })
}

func unknown(values map[string]string) []Warning {
	known := make([]string, 0, 20)
	for _, s := range Describe() {
		known = append(known, s.Name)
		if s.File {
			known = append(known, s.Name+fileSuffix)
		}
	}
	var warnings []Warning
	for name := range values {
		if strings.HasPrefix(name, Prefix) && !slices.Contains(known, name) && !slices.Contains(toolNames, name) {
			warnings = append(warnings, Warning{Name: name, Nearest: meant(name, known)})
		}
	}
	slices.SortFunc(warnings, func(a, b Warning) int { return strings.Compare(a.Name, b.Name) })
	return warnings
}

// meant guesses without the prefix, which would make every name look alike.
func meant(name string, known []string) string {
	bare := make([]string, len(known))
	for i, k := range known {
		bare[i] = strings.TrimPrefix(k, Prefix)
	}
	if n := nearest.Name(strings.TrimPrefix(name, Prefix), bare); n != "" {
		return Prefix + n
	}
	return ""
}
