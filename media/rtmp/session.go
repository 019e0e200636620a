package rtmp

import (
	"errors"
	"fmt"
	"log/slog"
	"math/bits"

	"github.com/bluenviron/gortmplib/pkg/amf0"
	"github.com/bluenviron/gortmplib/pkg/bytecounter"
	"github.com/bluenviron/gortmplib/pkg/handshake"
	"github.com/bluenviron/gortmplib/pkg/message"

	"github.com/roomcast/roomcast/media"
)

// Transaction ids of our commands, in the order they are sent.
const (
	idConnect = iota + 1
	idReleaseStream
	idFCPublish
	idCreateStream
	idPublish
	idFCUnpublish
	idDeleteStream
)

const (
	// flashVersion is what encoders send; rooms test for FMLE to tell a
	// publisher from a player.
	flashVersion = "FMLE/3.0 (compatible; roomcast)"
	windowSize   = 2_500_000
	opPublish    = "publish to room"
)

// session is the command phase (7.2): from the handshake to the room's
// NetStream.Publish.Start, and the way back.
type session struct {
	target   target
	room     scrubber
	bytes    *bytecounter.ReadWriter
	in       *input
	out      *output
	log      *slog.Logger
	streamID uint32
	last     status // said by the room without ending the session
}

// open publishes. A refusal is an *media.Error, everything else the error of
// the connection.
func (s *session) open(chunkSize int) error {
	if _, _, err := handshake.DoClient(s.bytes, false, false); err != nil {
		return inWords(fmt.Errorf("%w: %w", errHandshake, err))
	}
	if err := s.connect(chunkSize); err != nil {
		return err
	}
	if err := s.createStream(); err != nil {
		return err
	}
	if err := s.send(s.command("publish", idPublish, s.target.key, "live")); err != nil {
		return err
	}
	_, err := s.await(func(c command) bool {
		return c.name == "onStatus" && c.status().code == codePublishStart
	})
	return err
}

func (s *session) connect(chunkSize int) error {
	err := s.send(
		&message.SetWindowAckSize{Value: windowSize},
		&message.SetChunkSize{Value: uint32(chunkSize)},
		&message.CommandAMF0{ChunkStreamID: csidCommand, Name: "connect", CommandID: idConnect, Arguments: amf0.Data{amf0.Object{
			{Key: "app", Value: s.target.app},
			{Key: "type", Value: "nonprivate"},
			{Key: "flashVer", Value: flashVersion},
			{Key: "tcUrl", Value: s.target.tcURL},
			{Key: "objectEncoding", Value: float64(0)},
		}}},
	)
	if err != nil {
		return err
	}
	_, err = s.await(func(c command) bool { return c.name == "_result" && c.id == idConnect })
	return err
}

func (s *session) createStream() error {
	err := s.send(
		s.netCommand("releaseStream", idReleaseStream, s.target.key),
		s.netCommand("FCPublish", idFCPublish, s.target.key),
		s.netCommand("createStream", idCreateStream),
	)
	if err != nil {
		return err
	}
	c, err := s.await(func(c command) bool { return c.name == "_result" && c.id == idCreateStream })
	if err != nil {
		return err
	}
	for _, arg := range c.args {
		if id, ok := arg.(float64); ok && id >= 1 && id <= 1<<31 {
			s.streamID = uint32(id)
			return nil
		}
	}
	return media.Because("its server does not keep to RTMP", errors.New("the answer to createStream has no stream id"))
}

// close says goodbye; the caller holds the turn and has set a deadline.
func (s *session) close() error {
	return s.send(
		s.netCommand("FCUnpublish", idFCUnpublish, s.target.key),
		s.netCommand("deleteStream", idDeleteStream, float64(s.streamID)),
	)
}

func (s *session) netCommand(name string, id int, args ...any) *message.CommandAMF0 {
	return &message.CommandAMF0{
		ChunkStreamID: csidCommand, Name: name, CommandID: id,
		Arguments: append(amf0.Data{nil}, args...),
	}
}

// command is one to our stream. gortmplib writes the message stream id as big
// endian; it is little endian on the wire (5.3.1.2.1).
func (s *session) command(name string, id int, args ...any) *message.CommandAMF0 {
	c := s.netCommand(name, id, args...)
	c.MessageStreamID = bits.ReverseBytes32(s.streamID)
	return c
}

// metadata is the onMetaData message of our stream.
func (s *session) metadata(data amf0.Data) message.Message {
	return &message.DataAMF0{
		ChunkStreamID: csidData, MessageStreamID: bits.ReverseBytes32(s.streamID), Payload: data,
	}
}

func (s *session) send(ms ...message.Message) error {
	if err := s.out.queue(ms...); err != nil {
		return err
	}
	s.out.begin()
	return s.out.flush()
}

// await reads until wanted accepts a command.
func (s *session) await(wanted func(command) bool) (command, error) {
	for {
		c, err := s.in.next()
		if err != nil {
			return command{}, err
		}
		st, refused := c.refusal()
		if refused {
			return command{}, s.room.asError(opPublish, st, media.KindRoomUnavailable)
		}
		if wanted(c) {
			return c, nil
		}
		s.note(c.name, st)
	}
}

// note keeps what the room said last, in case it closes without another word.
func (s *session) note(name string, st status) {
	if st.code == "" && st.description == "" {
		return
	}
	s.last = st
	s.log.Debug("room status", "name", s.room.scrub(name), "code", s.room.scrub(st.code), "words", s.room.scrub(st.description))
}

// lost is the error of a connection that ended without a refusal, with what
// the room said last.
func (s *session) lost(op string, kind media.Kind, err error) *media.Error {
	e := s.room.asError(op, s.last, kind)
	e.Kind, e.Err = kind, inWords(err)
	return e
}
