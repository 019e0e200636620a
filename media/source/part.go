package source

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"
)

// What of a part is kept behind where it is read: libav goes back by what its
// buffer holds (32 KiB), and by a little more where tracks lie beside each other.
const (
	keptBytes = 64 << 10
	fillBytes = 32 << 10
)

// part is an answer that is being read.
type part struct {
	answer  *http.Response
	body    io.ReadCloser
	cancel  context.CancelCauseFunc // ends the request
	window  []byte                  // what was read last
	end     int64                   // where the window ends in the file
	over    bool                    // the body has ended, as it should
	onward  bool                    // nothing is kept
	through bool                    // it begins before what was asked for, which is read up to
	used    time.Time
}

// reaches says whether a byte can be read without another request.
func (p *part) reaches(at int64) bool {
	return at >= p.end-int64(len(p.window)) && (at <= p.end || at-p.end <= skipBytes || p.through)
}

// readAt reads from a byte that the part reaches. What is large and goes on where the
// window ends is read past it: a media host asks so all the time.
func (p *part) readAt(b []byte, at int64, silence time.Duration) (int, error) {
	p.used = time.Now()
	for {
		switch {
		case at < p.end:
			return copy(b, p.window[int64(len(p.window))-(p.end-at):]), nil
		case p.over:
			return 0, io.EOF
		case at == p.end && len(b) >= fillBytes:
			if n, err := p.read(b, silence); n > 0 || err != nil {
				p.keep(b[:n])
				return n, err
			}
		default:
			if err := p.fill(silence); err != nil {
				return 0, err
			}
		}
	}
}

// fill reads some more into the window.
func (p *part) fill(silence time.Duration) error {
	p.keep(nil)
	p.window = slices.Grow(p.window, fillBytes)
	room := p.window[len(p.window) : len(p.window)+fillBytes]
	n, err := p.read(room, silence)
	p.window = p.window[:len(p.window)+n]
	return err
}

// keep makes b, which was read behind the window, the end of it.
func (p *part) keep(b []byte) {
	if p.onward {
		p.window = nil
		return
	}
	if cap(p.window) == 0 {
		p.window = make([]byte, 0, keptBytes)
	}
	b = b[max(0, len(b)-keptBytes):]
	if most := keptBytes - len(b); len(p.window) > most {
		p.window = append(p.window[:0], p.window[len(p.window)-most:]...)
	}
	p.window = append(p.window, b...)
}

// read reads some more of the answer. Nothing and no error is its end.
func (p *part) read(b []byte, silence time.Duration) (int, error) {
	silent := time.AfterFunc(silence, func() { p.cancel(errSilence) })
	n, err := p.body.Read(b)
	if !silent.Stop() && n == 0 && err != nil {
		err = errSilence
	}
	p.end += int64(n)
	p.over = errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF)
	if n > 0 || p.over {
		return n, nil
	}
	return n, err
}

func (p *part) close() {
	p.cancel(nil)
	_ = p.body.Close()
}
