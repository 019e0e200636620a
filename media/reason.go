package media

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// Reason is the part of an Error's cause that a person reads, beside what its
// Kind says: of whose side it is, without a word of Go's, libav's or the
// system's. What is no Reason and no Sentence stays in the log.
type Reason struct {
	Words string // holds no secret
	Err   error  // the inner cause; may be nil
}

// Because returns a Reason.
func Because(words string, cause error) *Reason { return &Reason{Words: words, Err: cause} }

func (r *Reason) Error() string { return r.Words }
func (r *Reason) Unwrap() error { return r.Err }

// broken are the ends of a connection that was there.
var broken = []error{
	io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, io.ErrClosedPipe,
	syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED, syscall.ENOTCONN, syscall.ESHUTDOWN,
}

// OfNetwork says in words what a network error means of the server that was
// connected to; empty where that is not known.
func OfNetwork(err error) string {
	is := func(causes ...error) bool {
		for _, c := range causes {
			if errors.Is(err, c) {
				return true
			}
		}
		return false
	}
	name, unnamed := errors.AsType[*net.DNSError](err)
	timed, isNet := errors.AsType[net.Error](err)
	switch {
	case unnamed && name.IsNotFound:
		return "its host name does not exist"
	case unnamed:
		return "its host name could not be resolved"
	case is(syscall.ECONNREFUSED):
		return "its server refuses connections: is it running, and is the port right?"
	case is(context.DeadlineExceeded, os.ErrDeadlineExceeded, syscall.ETIMEDOUT) || isNet && timed.Timeout():
		return "its server did not answer in time"
	case is(syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ENETDOWN, syscall.EHOSTDOWN):
		return "no network leads to its server"
	case is(syscall.EACCES, syscall.EPERM):
		return "the worker's machine does not let connections to its server out"
	case is(syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS):
		return "the worker's machine has no connections left"
	case is(broken...):
		return "the connection to its server broke"
	}
	return ""
}
