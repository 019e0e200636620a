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
	"github.com/roomcast/roomcast/media/rtmp/peer"
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
	in       *peer.Reader
	out      *output
	log      *slog.Logger
	streamID uint32
	last     peer.Status // said by the room without ending the session
}

// open publishes. A refusal is an *media.Error, everything else the error of
// the connection.
func (s *session) open() error {
	if _, _, err := handshake.DoClient(s.bytes, false, false); err != nil {
		return inWords(fmt.Errorf("%w: %w", errHandshake, err))
	}
	if err := s.connect(); err != nil {
		return err
	}
	if err := s.createStream(); err != nil {
		return err
	}
	publish := peer.Call(idPublish, "publish", s.target.key, "live")
	publish.MessageStreamID = bits.ReverseBytes32(s.streamID)
	if err := s.send(publish); err != nil {
		return err
	}
	_, err := s.await(func(c peer.Command) bool {
		return c.Name == "onStatus" && c.Status().Code == codePublishStart
	})
	return err
}

func (s *session) connect() error {
	err := s.send(
		&message.SetWindowAckSize{Value: windowSize},
		&message.SetChunkSize{Value: chunkSize},
		&message.CommandAMF0{ChunkStreamID: peer.ChunkStream, Name: "connect", CommandID: idConnect, Arguments: amf0.Data{amf0.Object{
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
	_, err = s.await(func(c peer.Command) bool { return c.Name == "_result" && c.ID == idConnect })
	return err
}

func (s *session) createStream() error {
	err := s.send(
		peer.Call(idReleaseStream, "releaseStream", s.target.key),
		peer.Call(idFCPublish, "FCPublish", s.target.key),
		peer.Call(idCreateStream, "createStream"),
	)
	if err != nil {
		return err
	}
	c, err := s.await(func(c peer.Command) bool { return c.Name == "_result" && c.ID == idCreateStream })
	if err != nil {
		return err
	}
	for _, arg := range c.Args {
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
		peer.Call(idFCUnpublish, "FCUnpublish", s.target.key),
		peer.Call(idDeleteStream, "deleteStream", float64(s.streamID)),
	)
}

// metadata is the onMetaData message of our stream. gortmplib writes the message
// stream id as big endian; it is little endian on the wire (5.3.1.2.1).
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
func (s *session) await(wanted func(peer.Command) bool) (peer.Command, error) {
	for {
		c, err := s.in.Next()
		if err != nil {
			return peer.Command{}, err
		}
		st, refused := refusal(c)
		if refused {
			return peer.Command{}, s.room.asError(opPublish, st, media.KindRoomUnavailable)
		}
		if wanted(c) {
			return c, nil
		}
		s.note(c.Name, st)
	}
}

// note keeps what the room said last, in case it closes without another word.
func (s *session) note(name string, st peer.Status) {
	if st.Code == "" && st.Words == "" {
		return
	}
	s.last = st
	s.log.Debug("room status", "name", s.room.scrub(name), "code", s.room.scrub(st.Code), "words", s.room.scrub(st.Words))
}

// lost is the error of a connection that ended without a refusal, with what
// the room said last.
func (s *session) lost(op string, kind media.Kind, err error) *media.Error {
	e := s.room.asError(op, s.last, kind)
	e.Kind, e.Err = kind, inWords(err)
	return e
}
