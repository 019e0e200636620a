package hls

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/roomcast/roomcast/media"
)

const (
	mostHead   = 512 // bytes of a segment that are kept to say what it is
	mostOpened = 16  // segments
)

// feed gives what a loader loads to a demuxer, up to the next break. It is
// media.Bytes.
type feed struct {
	ctx    context.Context
	loader *loader
	rest   []byte
	next   *item // that the next run begins with
	err    error // why nothing more comes; io.EOF at the end

	first   item // that the run began with
	opened  []segment
	hole    time.Duration // that the playlist has before the run
	head    []byte
	answer  *http.Response
	reading bool // a segment has been begun
}

// item waits for the next one.
func (f *feed) item() (item, error) {
	if f.err != nil {
		return item{}, f.err
	}
	select {
	case it := <-f.loader.items:
		if f.err = it.err; f.err != nil {
			return it, f.err
		}
		if it.segment != nil && f.reading {
			f.release()
		}
		f.reading = f.reading || it.segment != nil
		return it, nil
	case <-f.ctx.Done():
		return item{}, fmt.Errorf("%s: %w", opFetch, context.Cause(f.ctx))
	}
}

// release lets the loader begin another segment.
func (f *feed) release() {
	select {
	case <-f.loader.ahead:
	default:
	}
}

// begin waits for the next run, and passes over what is left of the present one.
func (f *feed) begin() error {
	f.rest = nil
	for f.next == nil {
		it, err := f.item()
		if err != nil {
			return err
		}
		if it.segment != nil && it.breaks {
			f.next = &it
		}
	}
	f.first, f.next, f.hole = *f.next, nil, 0
	if n := len(f.opened); n > 0 {
		f.hole = max(f.first.segment.begin-f.opened[n-1].end(), 0)
	}
	f.open(f.first)
	return nil
}

func (f *feed) open(it item) {
	if len(f.opened) >= mostOpened {
		f.opened = f.opened[1:]
	}
	f.opened = append(f.opened, *it.segment)
	f.head, f.answer = nil, it.head
}

// Read reads on to the run's end.
func (f *feed) Read(b []byte) (int, error) {
	for len(f.rest) == 0 {
		if f.next != nil {
			return 0, io.EOF
		}
		it, err := f.item()
		switch {
		case err != nil:
			return 0, err
		case it.segment != nil && it.breaks:
			f.next = &it
		case it.segment != nil:
			f.open(it)
		default:
			f.rest = it.data
			if len(f.head) < mostHead {
				f.head = append(f.head, it.data[:min(len(it.data), mostHead-len(f.head))]...)
			}
		}
	}
	n := copy(b, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

// Ready says whether Read would give something at once: behind a live segment the next one
// is waited for.
func (f *feed) Ready() bool { return len(f.rest) > 0 || len(f.loader.items) > 0 }

// Seek is refused: a run is read once.
func (f *feed) Seek(int64, int) (int64, error) { return 0, errors.ErrUnsupported }

// Seekable is false.
func (f *feed) Seekable() bool { return false }

// Size is not known.
func (f *feed) Size() int64 { return -1 }

// refusal says why nothing more comes, unless it is the end.
func (f *feed) refusal() error {
	if f.err == nil || f.err == io.EOF || f.ctx.Err() != nil { //nolint:errorlint // as io.Reader has it
		return nil
	}
	return f.err
}

// words say what a segment is that nothing could be made of.
func (f *feed) words() string {
	if f.answer == nil {
		return ""
	}
	what := media.Describe(f.answer.Header.Get("Content-Type"), f.head)
	if len(f.head) == 0 {
		what = "empty: its server sends no byte of it"
	}
	if what == "" {
		return ""
	}
	return "what the source's playlist leads to is " + what
}
