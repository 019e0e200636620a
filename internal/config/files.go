package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"strings"

	"github.com/roomcast/roomcast/media"
)

const (
	// fileSuffix ends the name of a variable that names the file with a
	// secret setting's value: ROOMCAST_SECRET_KEY_FILE.
	fileSuffix = "_FILE"
	// fileLimit is more than any list of keys takes; a log or a disk that is
	// named by mistake is not read.
	fileLimit = 64 << 10
)

// secrets are the types of settings that are secret: others see a process's
// environment more easily than a file.
var secrets = []reflect.Type{reflect.TypeFor[media.Secret](), reflect.TypeFor[APIKeys](), reflect.TypeFor[SDKKeys]()}

// readFiles puts what files hold into values, in place of the variables that
// name them.
func readFiles(values map[string]string, e *Error) {
	for _, s := range Describe() {
		name := s.Name + fileSuffix
		path := values[name]
		if !s.File || path == "" {
			continue
		}
		text, err := readFile(path)
		switch {
		case values[s.Name] != "":
			e.Problems = append(e.Problems, Problem{s.Name, "and " + name + " are both set: leave one out"})
		case err != nil:
			e.Problems = append(e.Problems, Problem{s.Name, "cannot be read from the file that " + name + " names: " + err.Error()})
		default:
			values[s.Name] = text
		}
	}
}

// readFile returns what a file holds, but for line ends behind it. Its errors
// show neither that nor the path, which may be a secret in the wrong place.
func readFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", pathless(err)
	}
	defer func() { _ = f.Close() }()
	raw, err := io.ReadAll(io.LimitReader(f, fileLimit+1))
	text := strings.TrimRight(string(raw), "\r\n")
	switch {
	case err != nil:
		return "", pathless(err)
	case len(raw) > fileLimit:
		return "", fmt.Errorf("it is larger than %d bytes", fileLimit)
	case text == "":
		return "", errors.New("it is empty")
	}
	return text, nil
}

func pathless(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
