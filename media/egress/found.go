package egress

import (
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/roomcast/roomcast/media"
)

// mostHead is how much of an answer is looked at to say what it is: what
// http.DetectContentType wants.
const mostHead = 512

// found is what came over a way.
type found struct {
	mu   sync.Mutex
	last *looked // the answer that came last, of those that hold the begin of something; nil: none
	led  bool    // by a playlist
}

// looked keeps the begin of an answer while it is read.
type looked struct {
	io.ReadCloser
	of          *found
	contentType string
	head        []byte
	over        bool // head is all of it
	done        bool
}

// note looks at an answer.
func (f *found) note(answer *http.Response) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = &looked{ReadCloser: answer.Body, of: f, contentType: answer.Header.Get("Content-Type"), over: answer.ContentLength == 0}
	answer.Body = f.last
}

// noteEmpty is for an answer that says that there is nothing of it.
func (f *found) noteEmpty() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = &looked{over: true}
}

// lead is for an answer that is a playlist.
func (f *found) lead() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last, f.led = nil, true
}

func (l *looked) Read(b []byte) (int, error) {
	n, err := l.ReadCloser.Read(b)
	if !l.done {
		l.of.mu.Lock()
		defer l.of.mu.Unlock()
		l.head = append(l.head, b[:min(n, mostHead-len(l.head))]...)
		l.over = errors.Is(err, io.EOF)
		l.done = err != nil || len(l.head) == mostHead
	}
	return n, err
}

// words say what was found, empty for what may be media.
func (f *found) words() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last == nil {
		return ""
	}
	what := media.Describe(f.last.contentType, f.last.head)
	if len(f.last.head) == 0 && f.last.over {
		what = "empty: its server sends no byte of it"
	}
	switch {
	case what == "":
		return ""
	case f.led:
		return "what the source's playlist leads to is " + what
	}
	return "the source is " + what
}
