package media

import (
	"context"
	"io"
)

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

// Way is an open way to one source: its packets or its bytes, and what there is to know
// of it.
type Way struct {
	// Bytes are the source. nil for one of packets.
	Bytes Bytes
	// Onward says that Bytes are read in a row from now on: nothing need be kept of them for
	// who goes back a little. A nil func keeps nothing anyway.
	Onward func()
	// Recorded says that Bytes are a part of a recording, though they have no length.
	Recorded bool
	// Source is the source itself, of which libav is not needed to read it: its
	// packets are made in Go. nil for others.
	Source Source
	// URL is the source's own, for how it ends and what may not be told of it.
	URL Secret
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

// Open returns w, which is open: it is the gate to itself.
func (w Way) Open(context.Context, SourceRequest) (Way, error) { return w, nil }

// Gate is the only way out to a source. It uses the request's URL and Headers,
// and sends the headers to the URL's own origin (scheme, host and port) alone.
// ctx bounds the life of the Way, not only the call; Open returns when ctx ends.
// Errors are *Error of a source kind.
type Gate interface {
	Open(ctx context.Context, r SourceRequest) (Way, error)
}
