package hls

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/roomcast/roomcast/media"
)

const (
	chunkSize  = 32 << 10
	mostChunks = 64 // that wait: 2 MiB
	// mostAhead is how many segments are begun that nobody has begun to read.
	mostAhead = 2
	// mostMissing is how many segments in a row may be missing, and how often a live
	// playlist.
	mostMissing = 3
	// longestRun is how long what has an initialization section is one run: libav keeps an
	// index of all its fragments.
	longestRun = time.Hour
)

// item is what a loader hands on: a segment's begin, its bytes, or why there is no
// more (io.EOF at the end).
type item struct {
	segment *segment
	breaks  bool // what follows does not go on where the bytes before end
	address media.Secret
	clock   *time.Duration // of packed audio; nil: it tells itself
	head    *http.Response // of the segment's answer
	data    []byte
	err     error
}

// loader fetches the segments of one media playlist, one after another.
type loader struct {
	f       *fetcher
	log     *slog.Logger
	updates updates // of the playlist
	next    uint64
	items   chan item
	ahead   chan struct{}

	broken  bool // what comes next does not follow upon last
	last    *segment
	missing int // in a row
	keys    keys
	initial []byte    // of last
	since   time.Time // when its run began
}

// run loads until the end, or ctx's.
func (l *loader) run(ctx context.Context) {
	_ = l.send(ctx, item{err: media.Caught(func() error { return l.loadAll(ctx) })})
}

func (l *loader) loadAll(ctx context.Context) error {
	l.updates.begin()
	l.broken, l.keys = true, keys{}
	for {
		s, err := l.take(ctx)
		if err != nil {
			return err
		}
		l.next = s.number + 1
		if s.gap {
			l.broken = true
			continue
		}
		select {
		case l.ahead <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		sent, err := l.load(ctx, s)
		if !sent {
			<-l.ahead
		}
		if err != nil {
			if err := l.miss(ctx, s, err); err != nil {
				return err
			}
		}
	}
}

// take returns the next segment, waiting for it if need be.
func (l *loader) take(ctx context.Context) (segment, error) {
	for {
		if s, ok := l.find(); ok {
			return s, nil
		}
		if l.updates.fixed || l.updates.list.over {
			return segment{}, io.EOF
		}
		if err := l.refresh(ctx); err != nil {
			return segment{}, err
		}
	}
}

// find returns the next segment, if it is there. A stream that has gone on without us,
// or begun anew, is taken where it is.
func (l *loader) find() (segment, bool) {
	list := l.updates.list
	if len(list.segments) == 0 {
		return segment{}, false
	}
	first, end := list.segments[0].number, list.end()
	switch {
	case l.next < first:
		l.next, l.broken = first, true
	case l.next > end:
		l.next, l.broken = list.liveStart(), true
	case l.next == end:
		return segment{}, false
	}
	return list.segment(l.next), true
}

// refresh asks for the playlist again.
func (l *loader) refresh(ctx context.Context) error {
	before := l.next
	if came, err := l.updates.await(ctx); err != nil || !came {
		return err
	}
	_, grown := l.find()
	return l.updates.judge(grown || l.next != before, l.next)
}

// load hands one segment on; sent says that its begin was.
func (l *loader) load(ctx context.Context, s segment) (sent bool, err error) {
	address, err := resolve(l.updates.base, s.uri)
	if err != nil {
		return false, err
	}
	breaks := l.broken || l.last == nil || s.clock != l.last.clock || !s.initial.same(l.last.initial) ||
		l.initial != nil && time.Since(l.since) >= longestRun
	if breaks {
		l.since = time.Now()
		if err := l.begin(ctx, s); err != nil {
			return false, err
		}
	}
	raw := &continued{ctx: ctx, f: l.f, address: address, part: s.part}
	defer raw.close()
	if err := raw.begin(); err != nil {
		return false, err
	}
	it := item{segment: &s, breaks: breaks, address: media.Secret(address), head: raw.now.Response}
	var body io.Reader = raw
	if s.key != nil {
		if body, err = l.decrypt(ctx, raw, s.key, s.number); err != nil {
			return false, err
		}
	}
	plain := bufio.NewReaderSize(body, chunkSize)
	if at, told := passTag(plain); told {
		it.clock = &at
	}
	if err := l.send(ctx, it); err != nil {
		return false, err
	}
	l.last, l.broken = &s, false
	if breaks && len(l.initial) > 0 {
		if err := l.send(ctx, item{data: l.initial}); err != nil {
			return true, err
		}
	}
	return true, l.pass(ctx, plain)
}

// pass hands on what body holds.
func (l *loader) pass(ctx context.Context, body io.Reader) error {
	buf := make([]byte, chunkSize)
	for {
		n, err := body.Read(buf)
		if n > 0 {
			if err := l.send(ctx, item{data: bytes.Clone(buf[:n])}); err != nil {
				return err
			}
			l.missing = 0
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// begin fetches what stands before the segments that follow a break.
func (l *loader) begin(ctx context.Context, s segment) error {
	l.initial = nil
	i := s.initial
	if i == nil {
		return nil
	}
	address, err := resolve(l.updates.base, i.uri)
	if err != nil {
		return err
	}
	section, err := l.f.whole(ctx, address, i.part, mostInitial, "an initialization section")
	if err != nil {
		return err
	}
	if i.key != nil {
		plain, err := l.decrypt(ctx, &sliceReader{section}, i.key, s.number)
		if err != nil {
			return err
		}
		if section, err = io.ReadAll(plain); err != nil {
			return err
		}
	}
	l.initial = section
	return nil
}

// sliceReader tells its end with its last byte.
type sliceReader struct{ rest []byte }

func (r *sliceReader) Read(b []byte) (int, error) {
	n := copy(b, r.rest)
	if r.rest = r.rest[n:]; len(r.rest) == 0 {
		return n, io.EOF
	}
	return n, nil
}

func (l *loader) decrypt(ctx context.Context, body io.Reader, k *key, number uint64) (io.Reader, error) {
	address, err := resolve(l.updates.base, k.uri)
	if err != nil {
		return nil, err
	}
	secret, err := l.keys.get(ctx, l.f, address)
	if err != nil {
		return nil, err
	}
	return newDecrypter(body, secret, k.vector(number))
}

// miss says whether a segment that could not be had ends it all: right where a live
// stream misses one or two, wrong where a recording would be skipped through while its
// server is away or refuses.
func (l *loader) miss(ctx context.Context, s segment, err error) error {
	status := 0
	if r, ok := errors.AsType[refused](err); ok {
		status = r.status
	}
	gone := status >= http.StatusBadRequest && status < http.StatusInternalServerError &&
		status != http.StatusUnauthorized && status != http.StatusForbidden && status != http.StatusTooManyRequests
	if l.missing++; ctx.Err() != nil || l.missing >= mostMissing || l.updates.fixed && !gone || media.KindOf(err) == media.KindSourceBlocked {
		return err
	}
	l.log.Warn("a segment is left out", "number", s.number, "error", err)
	l.broken = true
	return nil
}

// send hands an item on.
func (l *loader) send(ctx context.Context, it item) error {
	select {
	case l.items <- it:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
