package libav

// #include <errno.h>
// #include "demux.h"
import "C"

import (
	"errors"
	"io"

	"github.com/asticode/go-astiav"
	"github.com/roomcast/roomcast/media"
)

// kinds is the one table from AVERROR to media.Kind. What is not in it is
// KindSourceInvalid: libav knows nothing but the bytes that it was given.
var kinds = map[astiav.Error]media.Kind{
	astiav.ErrEio: media.KindSourceUnavailable, // roomcastRead's

	C.RC_ERROR_ENCRYPTED: media.KindSourceEncrypted,
	-C.ENOMEM:            media.KindSourceTooLarge,

	astiav.ErrBug:            media.KindInternal,
	astiav.ErrBug2:           media.KindInternal,
	astiav.ErrExit:           media.KindInternal, // interrupted, but not by us
	astiav.ErrOptionNotFound: media.KindInternal,
}

func kindOf(err error) media.Kind {
	e, ok := errors.AsType[astiav.Error](err)
	if !ok {
		return media.KindInternal
	}
	if k, ok := kinds[e]; ok {
		return k
	}
	return media.KindSourceInvalid
}

// failure turns a libav error into the package's: the end of the context wins
// over all, then what was too much, then what the guard refused, then the table.
func (c *container) failure(op string, err error) error {
	if ended := c.life.ended(op); ended != nil {
		return ended
	}
	if err := c.overspent(op); err != nil {
		return err
	}
	if refused := c.refusal(op); refused != nil {
		if found := c.found(op, media.KindOf(refused)); found != "" {
			return &media.Error{Kind: media.KindSourceInvalid, Op: op, Err: found}
		}
		return refused
	}
	return &media.Error{Kind: kindOf(err), Op: op, Err: c.inWords(op, err)}
}

// found says what came instead of media, of a source that is opened; empty where
// that is not known.
func (c *container) found(op string, k media.Kind) media.Sentence {
	if k != media.KindSourceInvalid || op != opOpen && op != opProbe || c.way.Found == nil {
		return ""
	}
	return media.Sentence(c.way.Found())
}

// inWords says what an error of libav's means. What the source sent instead of
// media says more.
func (c *container) inWords(op string, err error) error {
	opening := op == opOpen || op == opProbe
	if found := c.found(op, kindOf(err)); found != "" {
		return found
	}
	e, _ := errors.AsType[astiav.Error](err)
	if e == -C.ENOMEM {
		return media.ErrMemory
	}
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
	astiav.ErrInvaliddata:     "what it sends is damaged, or of a format that is not known here",
	astiav.ErrUnknown:         "what it sends is damaged, or of a format that is not known here",
	astiav.ErrDemuxerNotFound: "what it sends is of a format that is not known here",
	astiav.ErrPatchwelcome:    "what it sends is of a rare kind that is not known here",
	astiav.ErrDecoderNotFound: "what it sends is of a codec that is not known here",
	astiav.ErrStreamNotFound:  "there is no video and no audio in it",
	astiav.ErrEof:             "it ended before it had said what it is",
	astiav.ErrEio:             "the connection to it broke",
	-C.EINVAL:                 "what it sends is damaged",
	-C.ERANGE:                 "what it sends is damaged",
	C.RC_ERROR_ENCRYPTED:      "what it sends is encrypted",
}

func (c *container) refusal(op string) error {
	if c.way.Refusal == nil {
		return nil
	}
	err := c.way.Refusal()
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*media.Error](err); ok {
		return err
	}
	return &media.Error{Kind: media.KindSourceBlocked, Op: op, Err: err}
}

// readError is failure for ReadPacket, where the end of the source is io.EOF.
func (c *container) readError(code int) error {
	err := astiav.Error(code)
	if spent := c.overspent(opRead); spent != nil {
		return spent
	}
	if err == astiav.ErrEof && c.life.ctx.Err() == nil && c.whole() {
		return io.EOF
	}
	return c.failure(opRead, err)
}

// whole says whether nothing was in the way of a source that has ended. A
// segment that is missing at its end is not: others are skipped as well.
func (c *container) whole() bool {
	refused := c.refusal(opRead)
	return refused == nil || media.KindOf(refused) == media.KindSourceNotFound
}
