package egress

import (
	"errors"
	"net/http"
	"strings"

	"github.com/roomcast/roomcast/media"
)

const (
	maxTurns = 8 // redirects before an answer; libav's max_redirects is the same
	opAnswer = "read the source's answer"
)

var (
	errTurns      = errors.New("the source redirects without end")
	errCompressed = errors.New("the source compresses its answer as a whole (Content-Encoding)")
)

// answerError is an error status in words.
func answerError(t target, status int, more ...string) error {
	kind, text := media.OfStatus(status)
	text += strings.Join(more, "")
	return &media.Error{Kind: kind, Op: opAnswer, Err: described(t, errors.New(text))}
}

// withheld says which headers t did not get.
func (w *way) withheld(t target, status int) string {
	if t == w.to {
		return ""
	}
	return media.SourceRequest{Headers: w.headers, HeadersForAll: w.all}.Withheld(status)
}

// judge notes what an answer's head says and makes it fit for libav: redirects
// in marked addresses, nothing compressed. An error means that
// libav gets none of it.
func (w *way) judge(t target, answer *http.Response) error {
	redirect := answer.StatusCode/100 == 3
	if w.turn(redirect && answer.Header.Get("Location") != "") {
		return answerFailure(media.KindSourceInvalid, t, errTurns)
	}
	switch {
	case answer.StatusCode >= http.StatusBadRequest:
		w.note(t, answerError(t, answer.StatusCode, w.withheld(t, answer.StatusCode)))
		if media.IsEmpty(answer) {
			w.found.noteEmpty()
		}
		if answer.StatusCode == http.StatusUnauthorized {
			echoRange(answer.Header, answer.Request.Header)
		}
		return nil
	case redirect:
		if to := answer.Header.Get("Location"); to != "" {
			answer.Header.Set("Location", markLink(t, to))
		}
		return nil
	}
	if media.Replaces(answer.Header) {
		return &media.Error{Kind: media.KindSourceInvalid, Op: opAnswer, Err: media.ErrCamera}
	}
	if len(media.Compressions(answer.Header)) > 0 {
		return answerFailure(media.KindSourceUnsupported, t, errCompressed)
	}
	answer.Header.Del("Content-Encoding")
	if answer.Request.Method != http.MethodHead && !isLaterPart(answer) {
		w.found.note(answer)
	}
	return nil
}

// isLaterPart says that an answer does not hold the begin.
func isLaterPart(answer *http.Response) bool {
	part := answer.Header.Get("Content-Range")
	return part != "" && !strings.HasPrefix(part, "bytes 0-")
}

func answerFailure(k media.Kind, t target, cause error) error {
	return &media.Error{Kind: k, Op: opAnswer, Err: described(t, cause)}
}

// markLink makes a redirect at t one for libav, which
// knows http alone: see media.TLSPort. Relative ones stay, but for //host/path.
// Nothing of it is encoded anew: it may be signed.
func markLink(t target, link string) string {
	scheme, rest, ok := strings.Cut(link, "://")
	if inner, found := strings.CutPrefix(link, "//"); found {
		scheme, rest, ok = t.scheme, inner, true
	}
	if !ok || !strings.EqualFold(scheme, "https") && !strings.EqualFold(scheme, "http") {
		return link
	}
	if strings.EqualFold(scheme, "http") {
		return "http://" + rest
	}
	a, err := parseAddress("https://" + rest)
	if err != nil {
		return link // libav refuses https
	}
	return a.marked()
}
