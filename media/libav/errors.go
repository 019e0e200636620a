package libav

// #include <errno.h>
// #include <libavutil/error.h>
// #include "demux.h"
import "C"

import (
	"errors"
	"io"

	"github.com/asticode/go-astiav"
	"github.com/roomcast/roomcast/media"
)

// kinds is the one table from AVERROR to media.Kind. What is not in it is
// KindSourceUnavailable: most of libav's errors are the network's.
var kinds = map[astiav.Error]media.Kind{
	astiav.ErrHttpUnauthorized: media.KindSourceUnauthorized,
	astiav.ErrHttpForbidden:    media.KindSourceUnauthorized,
	astiav.ErrHttpNotFound:     media.KindSourceNotFound,
	astiav.ErrHttpOther4Xx:     media.KindSourceNotFound,
	astiav.ErrHttpBadRequest:   media.KindSourceNotFound,
	astiav.ErrEnoent:           media.KindSourceNotFound,
	// libav's RTMP client answers EPERM to every "error" status of the server:
	// no such stream, or not for us.
	astiav.ErrEperm: media.KindSourceNotFound,

	C.AVERROR_HTTP_TOO_MANY_REQUESTS: media.KindSourceUnavailable,
	astiav.ErrHttpServerError:        media.KindSourceUnavailable,
	astiav.ErrEio:                    media.KindSourceUnavailable,
	astiav.ErrEpipe:                  media.KindSourceUnavailable,
	astiav.ErrEtimedout:              media.KindSourceUnavailable,
	-C.ECONNREFUSED:                  media.KindSourceUnavailable,
	-C.ECONNRESET:                    media.KindSourceUnavailable,
	-C.ECONNABORTED:                  media.KindSourceUnavailable,
	-C.EHOSTUNREACH:                  media.KindSourceUnavailable,
	-C.ENETUNREACH:                   media.KindSourceUnavailable,
	-C.ENOTCONN:                      media.KindSourceUnavailable,

	astiav.ErrInvaliddata:      media.KindSourceInvalid,
	astiav.ErrEof:              media.KindSourceInvalid, // while opening: nothing came
	astiav.ErrStreamNotFound:   media.KindSourceInvalid,
	astiav.ErrUnknown:          media.KindSourceInvalid, // a demuxer's; a server's own words are kept elsewhere
	astiav.ErrDemuxerNotFound:  media.KindSourceInvalid,
	astiav.ErrProtocolNotFound: media.KindSourceInvalid,
	astiav.ErrPatchwelcome:     media.KindSourceInvalid,
	astiav.ErrDecoderNotFound:  media.KindSourceInvalid,
	// A format or protocol that is not on our lists.
	-C.EINVAL: media.KindSourceInvalid,
	-C.ERANGE: media.KindSourceInvalid,

	C.RC_ERROR_ENCRYPTED: media.KindSourceEncrypted,

	astiav.ErrBug:            media.KindInternal,
	astiav.ErrBug2:           media.KindInternal,
	astiav.ErrExit:           media.KindInternal, // interrupted, but not by us
	astiav.ErrOptionNotFound: media.KindInternal,
	-C.ENOMEM:                media.KindSourceTooLarge,
	-C.EMFILE:                media.KindInternal,
	-C.ENFILE:                media.KindInternal,
}

func kindOf(err error) media.Kind {
	e, ok := errors.AsType[astiav.Error](err)
	if !ok {
		return media.KindInternal
	}
	if k, ok := kinds[e]; ok {
		return k
	}
	return media.KindSourceUnavailable
}

// failure turns a libav error into the package's: the end of the context wins
// over all, then what was too much, then what the guard refused, then the table.
func (s *Source) failure(op string, err error) error {
	ended := s.life.ended(op)
	if ended != nil && media.KindOf(ended) != media.KindSourceUnavailable {
		return ended
	}
	if err := s.overspent(op); err != nil {
		return err
	}
	if refused := s.refusal(op); refused != nil {
		if found := s.found(op, media.KindOf(refused)); found != "" {
			return &media.Error{Kind: media.KindSourceInvalid, Op: op, Err: found}
		}
		return refused
	}
	if ended != nil {
		return ended
	}
	return &media.Error{Kind: kindOf(err), Op: op, Err: s.inWords(op, err)}
}

// found says what came instead of media, of a source that is opened; empty where
// that is not known.
func (s *Source) found(op string, k media.Kind) media.Sentence {
	if k != media.KindSourceInvalid || op != opOpen && op != opProbe || s.way.Found == nil {
		return ""
	}
	return media.Sentence(s.way.Found())
}

// inWords says what an error of libav's means. What the source sent instead of
// media says more.
func (s *Source) inWords(op string, err error) error {
	opening := op == opOpen || op == opProbe
	if found := s.found(op, kindOf(err)); found != "" {
		return found
	}
	e, _ := errors.AsType[astiav.Error](err)
	words, known := meanings[e]
	switch {
	case e == astiav.ErrEof && !opening:
		words = "it ended before its time"
	case !known && kindOf(err) == media.KindInternal:
		return err
	case !known:
		words = "it could not be read on"
	}
	return media.Because(words, err)
}

// meanings says what the errors are that people meet.
var meanings = map[astiav.Error]string{
	astiav.ErrInvaliddata:      "what it sends is damaged, or of a format that is not known here",
	astiav.ErrUnknown:          "what it sends is damaged, or of a format that is not known here",
	astiav.ErrDemuxerNotFound:  "what it sends is of a format that is not known here",
	astiav.ErrPatchwelcome:     "what it sends is of a rare kind that is not known here",
	astiav.ErrDecoderNotFound:  "what it sends is of a codec that is not known here",
	astiav.ErrStreamNotFound:   "there is no video and no audio in it",
	astiav.ErrEof:              "it ended before it had said what it is",
	astiav.ErrProtocolNotFound: "it leads on to an address of a kind that is not taken",
	-C.EINVAL:                  "what it sends is damaged, or leads on to an address that is not taken",
	-C.ERANGE:                  "what it sends is damaged",
	C.RC_ERROR_ENCRYPTED:       "what it sends is encrypted",
	-C.ENOMEM:                  errMemory.Error(),

	astiav.ErrHttpUnauthorized: "its server wants a user and password",
	astiav.ErrHttpForbidden:    "its server refuses access",
	astiav.ErrHttpNotFound:     "its server does not know it",
	astiav.ErrHttpOther4Xx:     "its server refuses the request",
	astiav.ErrHttpBadRequest:   "its server does not understand the request",
	astiav.ErrHttpServerError:  "its server has a fault",
	astiav.ErrEnoent:           "its server does not know it",
	astiav.ErrEperm:            "its server does not know the stream, or does not give it to us",

	C.AVERROR_HTTP_TOO_MANY_REQUESTS: "its server says that it is asked too often",
	astiav.ErrEio:                    "the connection to it broke",
	astiav.ErrEpipe:                  "the connection to it broke",
	-C.ECONNRESET:                    "the connection to it broke",
	-C.ECONNABORTED:                  "the connection to it broke",
	-C.ENOTCONN:                      "the connection to it broke",
	astiav.ErrEtimedout:              "its server did not answer in time",
	-C.ECONNREFUSED:                  "its server refused the connection",
	-C.EHOSTUNREACH:                  "its server cannot be reached",
	-C.ENETUNREACH:                   "its server cannot be reached",
}

func (s *Source) refusal(op string) error {
	if s.way.Refusal == nil {
		return nil
	}
	err := s.way.Refusal()
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*media.Error](err); ok {
		return err
	}
	return &media.Error{Kind: media.KindSourceBlocked, Op: op, Err: err}
}

// readError is failure for ReadPacket, where the end of the source is io.EOF.
func (s *Source) readError(code int) error {
	err := astiav.Error(code)
	if spent := s.overspent(opRead); spent != nil {
		return spent
	}
	if err == astiav.ErrEof && s.life.ctx.Err() == nil && s.whole() {
		return io.EOF
	}
	return s.failure(opRead, err)
}

// whole says whether nothing was in the way of a source that has ended. A
// segment that is missing at its end is not: others are skipped as well.
func (s *Source) whole() bool {
	refused := s.refusal(opRead)
	return refused == nil || media.KindOf(refused) == media.KindSourceNotFound
}
