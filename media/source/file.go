package source

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/source/hls"
)

const (
	// skipBytes is how far ahead a seek reads on instead of asking anew: about
	// what has come already.
	skipBytes = 256 << 10
	// leftAlone is for how long a part that nobody reads is kept open.
	leftAlone = 10 * time.Second
	// mostBreak is for how long a connection that broke is tried to be continued.
	// After that the source is opened anew by who plays it.
	mostBreak = 8 * time.Second
	// mostNotice is within which time a server sees that a connection was closed.
	mostNotice = 2 * time.Second
	// mostHead is how much of the begin is kept to say what it is: what
	// http.DetectContentType wants.
	mostHead = 512
)

const (
	opOpen = "open source"
	opRead = "read source"
)

var (
	errBroken  = errors.New("the connection broke")
	errSilence = errors.New("the source sends nothing")
	errSeek    = errors.New("the server gives the source from its beginning only")
)

// file is a source that its server has as one piece. Its methods are called from
// one goroutine, but for close.
type file struct {
	// ctx is a field because the contract of media.Gate makes one context bound
	// all that a Way does.
	ctx     context.Context
	cancel  context.CancelFunc
	client  *http.Client
	request media.SourceRequest
	silence time.Duration

	served served
	begins begins
	plain  bool // the server does not understand that a part is asked for
	alone  bool // the server gives one part at a time
	onward bool // nobody goes back

	at    int64    // where the next Read begins
	parts [2]*part // that are open, the one that was read last first

	failure error // why the last Read failed
	given   error // why none will succeed
}

func newFile(ctx context.Context, client *http.Client, r media.SourceRequest) *file {
	f := &file{client: client, request: r, served: served{size: -1}, silence: defaultSilence}
	f.ctx, f.cancel = context.WithCancel(ctx)
	return f
}

// playlist is the error that says that the source is one.
type playlist struct{ hls.Playlist }

func (*playlist) Error() string { return "the source is a playlist" }

// begin asks for the file, and looks at its first bytes. A *playlist says that it is
// one.
func (f *file) begin() error {
	p, err := f.ask(0)
	if err != nil {
		return err
	}
	f.parts[0] = p
	for len(f.begins.head) < mostHead && f.begins.maybePlaylist() {
		err := p.fill(f.silence)
		f.begins.head = p.window[:min(len(p.window), mostHead)]
		if err != nil || p.over {
			break // the first Read says it
		}
	}
	f.begins.head = bytes.Clone(f.begins.head)
	f.begins.empty = p.over && len(p.window) == 0
	if f.begins.isPlaylist() {
		return f.readPlaylist(p)
	}
	return nil
}

// readPlaylist reads what is a playlist to its end.
func (f *file) readPlaylist(p *part) error {
	list, err := hls.Read(p.answer, io.MultiReader(bytes.NewReader(bytes.Clone(p.window)), &rest{f, p}))
	if _, told := errors.AsType[*media.Error](err); err != nil && !told {
		err = f.broken(err)
	}
	return cmp.Or(err, error(&playlist{list}))
}

// rest is what comes of a part behind its window.
type rest struct {
	f *file
	p *part
}

func (r *rest) Read(b []byte) (int, error) {
	silent := time.AfterFunc(r.f.silence, func() { r.p.cancel(errSilence) })
	n, err := r.p.body.Read(b)
	if !silent.Stop() && err != nil && !isEnd(err) {
		err = errSilence
	}
	return n, err
}

// Size is the file's, -1 when it is not known.
func (f *file) Size() int64 { return f.served.size }

// Seekable says whether Seek may go back.
func (f *file) Seekable() bool { return f.served.ranges }

// Seek says where the next Read begins. It asks for nothing.
func (f *file) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += f.at
	case io.SeekEnd:
		offset += f.served.size
	}
	if offset < 0 || whence == io.SeekEnd && f.served.size < 0 {
		return 0, errors.ErrUnsupported
	}
	f.at = offset
	return offset, nil
}

// Read reads what comes next. A connection that breaks is continued where it was.
func (f *file) Read(b []byte) (int, error) {
	f.failure = nil
	if f.served.size >= 0 && f.at >= f.served.size {
		return 0, io.EOF
	}
	if f.given != nil {
		return 0, f.fail(f.given)
	}
	n, err := f.read(b)
	if errors.Is(err, errBroken) {
		n, err = f.goOn(b)
	}
	if err != nil {
		return 0, f.fail(err)
	}
	f.at += int64(n)
	return n, nil
}

// fail keeps why a Read failed, unless it is that nobody wants it any more.
func (f *file) fail(err error) error {
	if f.ctx.Err() == nil && !isEnd(err) {
		f.failure = err
	}
	return err
}

// isEnd says whether err is the file's end.
func isEnd(err error) bool { return err == io.EOF } //nolint:errorlint // as io.Reader has it

// goOn continues where a connection broke.
func (f *file) goOn(b []byte) (int, error) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 100*time.Millisecond, 2*time.Second
	for begin := time.Now(); ; {
		n, err := f.read(b)
		if err == nil || isEnd(err) || f.ctx.Err() != nil {
			return n, err
		}
		if media.KindOf(err) != media.KindSourceUnavailable || f.served.size < 0 && !f.served.ranges || time.Since(begin) > mostBreak {
			f.given = err
			return 0, err
		}
		select {
		case <-f.ctx.Done():
		case <-time.After(pause.NextBackOff()):
		}
	}
}

// read reads of the part that is at f.at. io.EOF is the file's end.
func (f *file) read(b []byte) (int, error) {
	f.dropIdle()
	p, err := f.part()
	if err != nil {
		return 0, err
	}
	p.onward = f.onward
	n, err := p.readAt(b, f.at, f.silence)
	switch {
	case n > 0:
		return n, nil
	case p.over && (f.served.size < 0 || f.at >= f.served.size):
		return 0, io.EOF
	case p.over:
		err = io.ErrUnexpectedEOF
	}
	f.drop(p)
	return 0, errors.Join(errBroken, f.broken(err))
}

// broken is what the end of a connection means.
func (f *file) broken(err error) error {
	if f.ctx.Err() != nil {
		return fmt.Errorf("%s: %w", opRead, context.Cause(f.ctx))
	}
	if errors.Is(err, errSilence) {
		return &media.Error{Kind: media.KindSourceUnavailable, Op: opRead, Err: media.Because("its server sends nothing any more", err)}
	}
	words := media.OfNetwork(err)
	if words == "" {
		words = "the connection to it broke"
	}
	return &media.Error{Kind: media.KindSourceUnavailable, Op: opRead, Err: media.Because(words, nil)}
}

// part returns the one that f.at can be read from, first of all parts.
func (f *file) part() (*part, error) {
	for i, p := range f.parts {
		if p != nil && p.reaches(f.at) {
			f.parts[0], f.parts[i] = p, f.parts[0]
			return p, nil
		}
	}
	if !f.served.ranges && f.at > 0 && f.parts[0] != nil {
		return nil, &media.Error{Kind: media.KindInternal, Op: opRead, Err: errSeek}
	}
	var p *part
	var err error
	if !f.alone {
		p, err = f.ask(f.at)
		f.alone = f.parts[0] != nil && mayBeForAnother(err)
	}
	if f.alone {
		p, err = f.askAlone()
		f.alone = err == nil // else it was for something else
	}
	if err != nil {
		return nil, err
	}
	f.drop(f.parts[1])
	f.parts[0], f.parts[1] = p, f.parts[0]
	return p, nil
}

// askAlone closes the connections that are open, and asks until the server has
// noticed.
func (f *file) askAlone() (*part, error) {
	f.drop(f.parts[0])
	f.drop(f.parts[0])
	for begin, pause := time.Now(), 20*time.Millisecond; ; pause *= 2 {
		p, err := f.ask(f.at)
		if !mayBeForAnother(err) || time.Since(begin) > mostNotice {
			return p, err
		}
		select {
		case <-f.ctx.Done():
		case <-time.After(pause):
		}
	}
}

// mayBeForAnother says whether a refusal may be for there being a connection already.
func mayBeForAnother(err error) bool {
	switch media.KindOf(err) { //nolint:exhaustive // the others are for something else
	case media.KindSourceUnauthorized, media.KindSourceUnavailable, media.KindSourceNotFound:
		return true
	}
	return false
}

// drop ends a part.
func (f *file) drop(p *part) {
	for i := range f.parts {
		if p != nil && f.parts[i] == p {
			p.close()
			f.parts[i] = nil
		}
	}
	if f.parts[0] == nil {
		f.parts[0], f.parts[1] = f.parts[1], nil
	}
}

func (f *file) dropIdle() {
	if p := f.parts[1]; p != nil && time.Since(p.used) > leftAlone {
		f.drop(p)
	}
}

// ask makes a request for what begins at a byte.
func (f *file) ask(at int64) (*part, error) {
	for {
		answer, cancel, err := f.get(at)
		if err != nil {
			return nil, err
		}
		p, err := f.judge(answer, cancel, at)
		if err == nil {
			return p, nil
		}
		cancel(nil)
		switch {
		case errors.Is(err, errCopy):
		case f.plainly(answer, at):
			f.plain = true
		default:
			return nil, err
		}
	}
}

// plainly says whether an error may be for a part having been asked for.
func (f *file) plainly(answer *http.Response, at int64) bool {
	switch answer.StatusCode {
	case http.StatusBadRequest, http.StatusNotAcceptable, http.StatusNotImplemented:
		return !f.plain && at == 0
	case http.StatusRequestedRangeNotSatisfiable:
		return !f.plain && at == 0 && !media.IsEmpty(answer)
	}
	return false
}

func (f *file) get(at int64) (*http.Response, context.CancelCauseFunc, error) {
	ctx, cancel := context.WithCancelCause(f.ctx)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, f.request.URL.Reveal(), nil)
	if err != nil {
		cancel(nil)
		return nil, nil, &media.Error{Kind: media.KindSourceInvalid, Op: opOpen, Err: media.Because("its address is not one", nil)}
	}
	if !f.plain {
		r.Header.Set("Range", "bytes="+strconv.FormatInt(at, 10)+"-")
		if f.served.version != "" {
			r.Header.Set("If-Range", f.served.version)
		}
	}
	silent := time.AfterFunc(f.silence, func() { cancel(errSilence) })
	answer, err := f.client.Do(r)
	silent.Stop()
	if err == nil {
		return answer, cancel, nil
	}
	cancel(nil)
	if f.ctx.Err() != nil {
		return nil, nil, fmt.Errorf("%s: %w", opOpen, context.Cause(f.ctx))
	}
	if errors.Is(err, errSilence) {
		return nil, nil, &media.Error{Kind: media.KindSourceUnavailable, Op: opOpen, Err: media.Because("its server does not answer", errSilence)}
	}
	if e, ok := errors.AsType[*media.Error](err); ok { // what is around it quotes the address
		return nil, nil, e
	}
	return nil, nil, &media.Error{Kind: media.KindInternal, Op: opOpen, Err: errors.New("the request could not be made")}
}

// judge makes a part of an answer, which it closes where it cannot be one.
func (f *file) judge(answer *http.Response, cancel context.CancelCauseFunc, at int64) (*part, error) {
	p := &part{answer: answer, body: answer.Body, cancel: cancel, end: at, used: time.Now()}
	err := f.check(answer, p, at)
	if err != nil {
		_ = answer.Body.Close()
		return nil, err
	}
	return p, nil
}

func (f *file) check(answer *http.Response, p *part, at int64) error {
	first := f.begins.contentType == "" && at == 0
	switch {
	case answer.StatusCode >= http.StatusMultipleChoices:
		if media.IsEmpty(answer) {
			f.begins.empty = true
		}
		return statusError(answer, f.request)
	case media.Replaces(answer.Header):
		return &media.Error{Kind: media.KindSourceInvalid, Op: opOpen, Err: media.ErrCamera}
	case len(media.Compressions(answer.Header)) > 0 && first:
		return f.unpack(answer, p)
	case len(media.Compressions(answer.Header)) > 0:
		return &media.Error{Kind: media.KindSourceUnsupported, Op: opOpen, Err: errPacked}
	}
	size := answer.ContentLength
	ranges := strings.Contains(strings.ToLower(answer.Header.Get("Accept-Ranges")), "bytes") && !f.plain && size >= 0
	told := answer.Header.Get("Content-Range")
	if answer.StatusCode == http.StatusPartialContent && (told != "" || at > 0) {
		from, whole, err := contentRange(told)
		if err != nil || from != at {
			return &media.Error{Kind: media.KindSourceUnsupported, Op: opOpen, Err: media.Because("its server sends another part of it than was asked for", nil)}
		}
		size, ranges = whole, true
	} else {
		p.end, p.through = 0, at > 0
	}
	if first {
		f.begins.contentType = answer.Header.Get("Content-Type")
		f.served = served{size: size, ranges: ranges, version: versionOf(answer), opened: timeIn(answer, "Date", time.Now())}
		return nil
	}
	return f.served.goesOn(answer, size, p.through)
}

var (
	errPacked = media.Because("its server compresses it as a whole (Content-Encoding), which is taken of playlists alone", nil)
	// errCopy is of a server that has a copy as long, from before, and calls its version otherwise.
	errCopy = errors.New("another of its servers has answered")
)

// unpack reads what comes compressed, which has to be a playlist.
func (f *file) unpack(answer *http.Response, p *part) error {
	list, err := hls.Read(answer, &rest{f, p})
	kind := media.KindOf(err)
	if errors.Is(err, hls.ErrNoPlaylist) || kind == media.KindSourceInvalid || kind == media.KindSourceUnsupported {
		return &media.Error{Kind: media.KindSourceUnsupported, Op: opOpen, Err: errPacked}
	}
	if _, told := errors.AsType[*media.Error](err); err != nil && !told {
		err = f.broken(err)
	}
	return cmp.Or(err, error(&playlist{list}))
}

// contentRange reads "bytes 0-499/1234"; whole is -1 for a *.
func contentRange(text string) (from, whole int64, err error) {
	unit, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	span, total, _ := strings.Cut(rest, "/")
	begin, _, _ := strings.Cut(span, "-")
	if !strings.EqualFold(unit, "bytes") {
		return 0, 0, errors.ErrUnsupported
	}
	if from, err = strconv.ParseInt(strings.TrimSpace(begin), 10, 64); err != nil {
		return 0, 0, err
	}
	if total = strings.TrimSpace(total); total == "*" {
		return from, -1, nil
	}
	whole, err = strconv.ParseInt(total, 10, 64)
	return from, whole, err
}

// refusal says why nothing came any more.
func (f *file) refusal() error { return f.failure }

// close ends all connections; it may be called while another method runs.
func (f *file) close() {
	f.cancel()
	f.client.CloseIdleConnections()
}
