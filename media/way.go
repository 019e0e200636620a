package media

import (
	"context"
	"io"
)

// TLSPort is how https is told to libav, which does no TLS itself: an http
// address whose port is TLSPort+p means https on port p. The Gate's proxy does
// the TLS, so that it sees every request and answer.
const TLSPort = 1 << 16

// SegmentMark stands at the end of the address of a recorded playlist's segment
// when libav opens it: behind it where in the recording the segment begins and
// ends, in microseconds, "#at=4000000-8000000", and a "b" when the recording
// had a discontinuity on the way there.
const SegmentMark = "#at="

// Bytes is a source as one row of bytes, fetched in Go. Its methods are called
// from one goroutine, and return within 50 ms of the end of the context it was
// opened with. The reason of an error is the Way's to tell.
type Bytes interface {
	io.Reader
	// Seek is io.Seeker's, of a source that is Seekable. Whoever seeks to where
	// another part is being read goes on there without a new request.
	io.Seeker
	Seekable() bool
	Size() int64 // -1 when it is not known
}

// Way is a checked way out to one source: its bytes, or an address libav can open
// without looking up a name, and what it needs to know to go there.
type Way struct {
	// Bytes are the source; libav then opens no address. nil for others.
	Bytes Bytes
	// URL is what libav opens: the source's own behind a proxy (see TLSPort), or
	// a relay's.
	URL Secret
	// Options are libav's protocol options: http_proxy, rtmp_tcurl.
	Options map[string]Secret
	// Refusal says why the guard turned a connection of this way down; nil when
	// it did not: also for an HTTP error status, which libav tells less well. It
	// may be asked at any time until Close. A nil func is a way
	// that refuses nothing.
	Refusal func() error
	// Found says in a sentence what came over this way, where that is not media;
	// empty where it may be, or is not known. It may be asked at any time. A nil
	// func knows nothing.
	Found func() string
	// Close ends the way and its connections. A nil func has nothing to close.
	Close func()
}

// Gate is the only way out to a source. It uses the request's URL and Headers,
// and sends the headers to the URL's own origin (scheme, host and port) alone.
// ctx bounds the life of the Way, not only the call; Open returns when ctx ends.
// Errors are *Error of a source kind.
type Gate interface {
	Open(ctx context.Context, r SourceRequest) (Way, error)
}
