package source

import (
	"context"
	"errors"
	"io"
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
	body    io.ReadCloser
	cancel  context.CancelCauseFunc // ends the request
	window  []byte                  // what was read last
	end     int64                   // where the window ends in the file
	over    bool                    // the body has ended, as it should
	through bool                    // it begins before what was asked for, which is read up to
	used    time.Time
}

// reaches says whether a byte can be read without another request.
func (p *part) reaches(at int64) bool {
	return at >= p.end-int64(len(p.window)) && (at <= p.end || at-p.end <= skipBytes || p.through)
}

// readAt reads from a byte that the part reaches.
func (p *part) readAt(b []byte, at int64, silence time.Duration) (int, error) {
	p.used = time.Now()
	for at >= p.end {
		if p.over {
			return 0, io.EOF
		}
		if _, err := p.fill(silence); err != nil {
			return 0, err
		}
	}
	return copy(b, p.window[int64(len(p.window))-(p.end-at):]), nil
}

// fill reads some more into the window.
func (p *part) fill(silence time.Duration) (int, error) {
	if len(p.window) > keptBytes {
		p.window = append(p.window[:0], p.window[len(p.window)-keptBytes:]...)
	}
	if cap(p.window) == 0 {
		p.window = make([]byte, 0, keptBytes+2*fillBytes)
	}
	silent := time.AfterFunc(silence, func() { p.cancel(errSilence) })
	room := p.window[len(p.window):min(cap(p.window), len(p.window)+fillBytes)]
	n, err := p.body.Read(room)
	if !silent.Stop() && n == 0 && err != nil {
		err = errSilence
	}
	p.window, p.end = p.window[:len(p.window)+n], p.end+int64(n)
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
