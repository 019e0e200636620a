package egress

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/bluenviron/gortmplib/pkg/amf0"
	"github.com/bluenviron/gortmplib/pkg/bytecounter"
	"github.com/bluenviron/gortmplib/pkg/message"

	"github.com/roomcast/roomcast/media"
)

const (
	maxVerdict = 32 << 10 // bytes of the source's up to its answer to play
	maxLooks   = 64       // at them, however short the pieces
	maxWords   = 200      // of a server's, in runes
	opPlay     = "play the source"
)

// verdictReader reads what an RTMP source sends, and tells of a refusal before
// it hands out the bytes that hold it: libav makes one error of all of them.
type verdictReader struct {
	from   io.Reader
	refuse func(code, words string)
	seen   []byte
	looks  int
	over   bool
}

func (v *verdictReader) Read(b []byte) (int, error) {
	n, err := v.from.Read(b)
	if !v.over && n > 0 {
		v.seen = append(v.seen, b[:n]...)
		v.looks++
		v.over = v.look() || len(v.seen) > maxVerdict || v.looks >= maxLooks
		if v.over {
			v.seen = nil
		}
	}
	return n, err
}

// look reads all messages so far, from the first again: they are few and short.
// It says whether there is nothing more to be learnt.
func (v *verdictReader) look() bool {
	counter := bytecounter.NewReader(bytes.NewReader(v.seen))
	reader := message.NewReader(counter, counter, func(uint32) error { return nil })
	for {
		m, err := reader.Read()
		if err != nil {
			return !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF)
		}
		switch m := m.(type) {
		case *message.CommandAMF0:
			if code, words, over := answerOf(m); over {
				if code != "" {
					v.refuse(code, words)
				}
				return true
			}
		case *message.Audio, *message.Video:
			return true
		}
	}
}

// answerOf returns the code and the words of a refusal; over says that it is
// one, or that it plays.
func answerOf(m *message.CommandAMF0) (code, words string, over bool) {
	if m.Name != "_error" && m.Name != "onStatus" {
		return "", "", false
	}
	for _, argument := range m.Arguments {
		object, ok := argument.(amf0.Object)
		if !ok {
			if list, isList := argument.(amf0.ECMAArray); isList {
				object, ok = amf0.Object(list), true
			}
		}
		if !ok {
			continue
		}
		level, _ := object.GetString("level")
		code, _ = object.GetString("code")
		words, _ = object.GetString("description")
		switch {
		case level == "error" || m.Name == "_error" && code != "":
			return cmp.Or(code, "error"), words, true
		case code == "NetStream.Play.Start":
			return "", "", true
		}
	}
	return "", "", false
}

// refusalKind is what a code says of a source. Servers invent codes and words;
// what is not known is a stream that is not there.
func refusalKind(code, words string) media.Kind {
	text := strings.ToLower(code + " " + words)
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(text, p) })
	}
	switch {
	case has("notfound", "not found", "no such", "invalidapp"):
		return media.KindSourceNotFound
	case has("auth", "denied", "forbidden", "permission", "rejected", "token", "password"):
		return media.KindSourceUnauthorized
	case has("appshutdown", "overload", "too many", "unavailable"):
		return media.KindSourceUnavailable
	}
	return media.KindSourceNotFound
}

// rtmpRefusal is a refusal in the server's words, without what the address
// keeps secret.
func rtmpRefusal(a address, code, words string) error {
	text := "the server answered " + shown(a, code)
	if words != "" {
		text += ": " + shown(a, words)
	}
	return &media.Error{Kind: refusalKind(code, words), Op: opPlay, Err: described(a.target, errors.New(text))}
}

// shown is text fit for a person: short, in one line, nothing of a's user info,
// path and query in it, as written or unescaped.
func shown(a address, text string) string {
	parts := strings.FieldsFunc(a.userInfo+"/"+a.path, func(r rune) bool { return strings.ContainsRune("/?&=#:@;,", r) })
	for _, p := range slices.Clone(parts) {
		parts = append(parts, unescaped(p))
	}
	parts = append(parts, strings.Trim(a.path, "/"))
	slices.SortFunc(parts, func(x, y string) int { return cmp.Compare(len(y), len(x)) })
	for _, p := range parts {
		if len(p) > 2 {
			text = strings.ReplaceAll(text, p, "[redacted]")
		}
	}
	line := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?")))
	return string(line[:min(len(line), maxWords)])
}
