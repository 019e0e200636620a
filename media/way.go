package media

import "context"

// Way is a checked way out to one source: an address libav can open without
// looking up a name, and what it needs to know to go there.
type Way struct {
	// URL is what libav opens: the source's own behind a proxy, or a relay's.
	URL Secret
	// Options are libav's protocol options: http_proxy, rtmp_tcurl.
	Options map[string]Secret
	// Refusal says why the guard turned a connection of this way down; nil when
	// it did not. It may be asked at any time until Close. A nil func is a way
	// that refuses nothing.
	Refusal func() error
	// Close ends the way and its connections. A nil func has nothing to close.
	Close func()
}

// Gate is the only way out to a source. ctx bounds the life of the Way, not
// only the call; Open returns when ctx ends. Errors are *Error of a source kind.
type Gate interface {
	Open(ctx context.Context, url Secret) (Way, error)
}
