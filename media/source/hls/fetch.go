package hls

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/roomcast/roomcast/media"
)

const (
	mostInitial = 4 << 20 // bytes of an initialization section
	keySize     = 16
	mostKeys    = 16 // that are kept
	// mostAgain is how often a segment whose connection broke is continued.
	mostAgain = 3
)

const opFetch = "read source"

var errSilence = errors.New("the source sends nothing")

// refused is an error status.
type refused struct {
	error
	status int
}

func (r refused) Unwrap() error { return r.error }

// fetcher asks for what playlists name.
type fetcher struct {
	client  *http.Client
	explain func(answer *http.Response) error
	silence time.Duration
}

// resolve returns an address that stands in what is at base.
func resolve(base, link string) (string, error) {
	b, err := url.Parse(base)
	if err == nil {
		var to *url.URL
		if to, err = b.Parse(escaped(link)); err == nil {
			to.Fragment, to.RawFragment = "", ""
			return to.String(), nil
		}
	}
	return "", invalid(media.Because("its playlist leads to an address that is none", nil)) // err quotes it
}

// escaped makes a link's percent signs mean themselves where they begin no escape.
func escaped(link string) string {
	parts := strings.Split(link, "%")
	for i, part := range parts[1:] {
		if _, err := hex.DecodeString(part[:min(2, len(part))]); err != nil || len(part) < 2 {
			parts[i+1] = "25" + part
		}
	}
	return strings.Join(parts, "%")
}

// answer is one that is being read.
type answer struct {
	*http.Response
	ctx     context.Context // of the caller
	cancel  context.CancelCauseFunc
	body    io.Reader
	silence time.Duration
}

// get asks for a part of what is at an address; what has no size goes to its end.
func (f *fetcher) get(ctx context.Context, address string, p part) (*answer, error) {
	return f.ask(ctx, address, p, nil)
}

func (f *fetcher) ask(ctx context.Context, address string, p part, head http.Header) (*answer, error) {
	inner, cancel := context.WithCancelCause(ctx)
	a := &answer{ctx: ctx, cancel: cancel, silence: f.silence}
	request, err := http.NewRequestWithContext(inner, http.MethodGet, address, nil)
	if err != nil {
		cancel(nil)
		return nil, invalid(media.Because("its playlist leads to an address that is none", nil))
	}
	maps.Copy(request.Header, head)
	switch {
	case p.size > 0:
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", p.from, p.from+p.size-1))
	case p.from > 0:
		request.Header.Set("Range", "bytes="+strconv.FormatInt(p.from, 10)+"-")
	}
	silent := time.AfterFunc(f.silence, func() { cancel(errSilence) })
	a.Response, err = f.client.Do(request) //nolint:bodyclose // close does
	silent.Stop()
	if err == nil && a.StatusCode >= http.StatusMultipleChoices {
		err = refused{f.explain(a.Response), a.StatusCode}
		_ = a.Body.Close()
		cancel(nil)
		return nil, err
	}
	if err != nil {
		err = a.failure(err)
		cancel(nil)
		return nil, err
	}
	a.body = a.Body
	if p.from > 0 && a.StatusCode != http.StatusPartialContent {
		if _, err := io.CopyN(io.Discard, a, p.from); err != nil {
			a.close()
			return nil, err
		}
	}
	if p.size > 0 {
		a.body = io.LimitReader(a.body, p.size)
	}
	return a, nil
}

// Read is the body's; an error is in words.
func (a *answer) Read(b []byte) (int, error) {
	silent := time.AfterFunc(a.silence, func() { a.cancel(errSilence) })
	n, err := a.body.Read(b)
	silent.Stop()
	if err == nil || err == io.EOF {
		return n, err
	}
	return n, a.failure(err)
}

// failure is what an error of the client means.
func (a *answer) failure(err error) error {
	if a.ctx.Err() != nil {
		return fmt.Errorf("%s: %w", opFetch, context.Cause(a.ctx))
	}
	if errors.Is(err, errSilence) {
		return &media.Error{Kind: media.KindSourceUnavailable, Op: opFetch, Err: media.Because("its server sends nothing any more", errSilence)}
	}
	if e, ok := errors.AsType[*media.Error](err); ok { // what is around it quotes the address
		return e
	}
	words := media.OfNetwork(err)
	if words == "" {
		words = "the connection to it broke"
	}
	return &media.Error{Kind: media.KindSourceUnavailable, Op: opFetch, Err: media.Because(words, nil)}
}

func (a *answer) close() {
	a.cancel(nil)
	_ = a.Body.Close()
}

// playlist fetches one.
func (f *fetcher) playlist(ctx context.Context, address string) (Playlist, error) {
	return f.readPlaylist(ctx, address, mostSegments, nil)
}

// again fetches the newest of a live playlist that is known.
func (f *fetcher) again(ctx context.Context, address string, known *list) (Playlist, error) {
	var head http.Header
	if known.work >= worthPacking {
		head = http.Header{"Accept-Encoding": {"gzip"}}
	}
	return f.readPlaylist(ctx, address, 2*mostLive, head)
}

func (f *fetcher) readPlaylist(ctx context.Context, address string, most int, head http.Header) (Playlist, error) {
	a, err := f.ask(ctx, address, part{}, head)
	if err != nil {
		return Playlist{}, err
	}
	defer a.close()
	p, err := read(a.Response, a, most)
	if errors.Is(err, ErrNoPlaylist) {
		err = invalid(media.Because("its playlist leads to what is no playlist", nil))
	}
	return p, err
}

// whole fetches all of a part, which may be most bytes long.
func (f *fetcher) whole(ctx context.Context, address string, p part, most int64, what string) ([]byte, error) {
	a, err := f.get(ctx, address, p)
	if err != nil {
		return nil, err
	}
	defer a.close()
	all, err := io.ReadAll(io.LimitReader(a, most+1))
	if err == nil && int64(len(all)) > most {
		err = &media.Error{Kind: media.KindSourceTooLarge, Op: opFetch, Err: media.Because(fmt.Sprintf("%s of its playlist is longer than %d bytes", what, most), nil)}
	}
	return all, err
}

// continued reads a part, and goes on where a connection breaks.
type continued struct {
	ctx     context.Context
	f       *fetcher
	address string
	part    part
	read    int64
	again   int
	now     *answer // nil: to be asked for
}

// begin asks for the part.
func (c *continued) begin() error {
	p := c.part
	if p.from += c.read; p.size > 0 {
		p.size -= c.read
	}
	var err error
	c.now, err = c.f.get(c.ctx, c.address, p)
	return err
}

func (c *continued) Read(b []byte) (int, error) {
	if c.part.size > 0 && c.read >= c.part.size {
		return 0, io.EOF
	}
	for {
		var err error
		if c.now == nil {
			err = c.begin()
		}
		if err == nil {
			var n int
			n, err = c.now.Read(b)
			c.read += int64(n)
			if n > 0 || err == io.EOF { //nolint:errorlint // as io.Reader has it
				return n, err
			}
			c.close()
		}
		if c.again++; c.again > mostAgain || c.ctx.Err() != nil || media.KindOf(err) != media.KindSourceUnavailable {
			return 0, err
		}
	}
}

func (c *continued) close() {
	if c.now != nil {
		c.now.close()
		c.now = nil
	}
}
