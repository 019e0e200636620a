package source

import (
	"bytes"
	"net/http"
	"strings"
	"time"

	"github.com/roomcast/roomcast/media"
)

// served is what a file's server has said of it. It decides whether a later answer goes
// on with the same file.
type served struct {
	size    int64     // -1: not known
	ranges  bool      // the server gives parts of it
	version string    // for If-Range; empty: not known, or its servers tell different ones
	opened  time.Time // by its server's clock
}

var errChanged = media.Because("its server has another file there than when it was opened", nil)

// goesOn returns why an answer, which tells of a size, does not go on with the file;
// through says that it is not the part that was asked for. errCopy: the server is to be
// asked again.
func (s *served) goesOn(answer *http.Response, size int64, through bool) error {
	version := versionOf(answer)
	switch {
	case version == s.version && size == s.size:
	case size != s.size || timeIn(answer, "Last-Modified", s.opened.Add(1)).After(s.opened):
		return &media.Error{Kind: media.KindSourceUnavailable, Op: opRead, Err: errChanged}
	case s.version != "" && through: // for If-Range
		s.version = ""
		return errCopy
	default:
		s.version = ""
	}
	return nil
}

// timeIn is the time in a header, otherwise where there is none.
func timeIn(answer *http.Response, header string, otherwise time.Time) time.Time {
	if at, err := http.ParseTime(answer.Header.Get(header)); err == nil {
		return at
	}
	return otherwise
}

// versionOf is what If-Range may hold of an answer (RFC 9110, section 13.1.5).
func versionOf(answer *http.Response) string {
	if tag := answer.Header.Get("ETag"); tag != "" && !strings.HasPrefix(tag, "W/") {
		return tag
	}
	return answer.Header.Get("Last-Modified")
}

// begins is how a file begins. It says what the file is, where it is no media.
type begins struct {
	head        []byte
	contentType string
	empty       bool
}

const playlistHead = "#EXTM3U"

// text is the begin without what people's editors leave before the first line.
func (b *begins) text() []byte {
	return bytes.TrimLeft(bytes.TrimPrefix(b.head, []byte("\xef\xbb\xbf")), " \t\r\n")
}

func (b *begins) isPlaylist() bool { return bytes.HasPrefix(b.text(), []byte(playlistHead)) }

// maybePlaylist says whether more has to be seen to know.
func (b *begins) maybePlaylist() bool {
	text := b.text()
	return len(text) < len(playlistHead) && strings.HasPrefix(playlistHead, string(text))
}

// words say what the source is that libav could make nothing of.
func (b *begins) words() string {
	if b.empty {
		return "the source is empty: its server sends no byte of it"
	}
	if what := media.Describe(b.contentType, b.head); what != "" {
		return "the source is " + what
	}
	return ""
}
