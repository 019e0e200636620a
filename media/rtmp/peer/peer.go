// Package peer reads what the server of an RTMP connection says that was opened from here,
// to publish or to play. It does what the protocol's own messages ask for, and hands out
// commands. What a command means is for its caller to say.
//
// Sections named in comments are of Adobe's RTMP specification 1.0.
package peer

import (
	"cmp"
	"encoding/binary"

	"github.com/bluenviron/gortmplib/pkg/amf0"
	"github.com/bluenviron/gortmplib/pkg/bytecounter"
	"github.com/bluenviron/gortmplib/pkg/message"
	"github.com/bluenviron/gortmplib/pkg/rawmessage"

	"github.com/roomcast/roomcast/media"
)

const (
	// maxCommand is the largest command looked into: gortmplib's AMF0 decoder
	// recurses as deep as its input is nested.
	maxCommand = 64 << 10
	// mostChunk is the largest chunk size that gortmplib takes. It reads no longer message, so
	// a larger one means the same.
	mostChunk = 10 << 20
	// ChunkStream is that of commands, as gortmplib's writer has it.
	ChunkStream = 3
)

// ErrProtocol says that a server breaks RTMP's rules.
var ErrProtocol = media.Because("its server does not keep to RTMP", nil)

// Reader reads raw messages, because gortmplib's message reader ends at the first type or
// control event it does not know.
type Reader struct {
	*rawmessage.Reader
	answer func(message.Message) error
}

// NewReader returns the Reader of a connection; answer sends a message over it.
func NewReader(bc *bytecounter.ReadWriter, answer func(message.Message) error) *Reader {
	acknowledge := func(count uint32) error { return answer(&message.Acknowledge{Value: count}) }
	return &Reader{rawmessage.NewReader(bc, bc.Reader, acknowledge), answer}
}

// Next returns the next command; what cannot be understood is skipped.
func (r *Reader) Next() (Command, error) {
	for {
		m, err := r.Read()
		if err != nil {
			return Command{}, err
		}
		if c, ok, err := r.Serve(m); ok || err != nil {
			return c, err
		}
	}
}

// Serve does what a protocol control or user control message asks (5.4, 6.2), and
// returns what is a command that can be understood.
func (r *Reader) Serve(m *rawmessage.Message) (c Command, ok bool, err error) {
	kind, body := message.Type(m.Type), m.Body
	switch {
	case kind == message.TypeCommandAMF0:
		c, ok = parse(body)
		return c, ok, nil
	case kind == message.TypeCommandAMF3 && len(body) > 0: // an AMF0 body after a zero byte
		c, ok = parse(body[1:])
		return c, ok, nil
	case len(body) < 4:
		return c, false, nil
	}
	value := binary.BigEndian.Uint32(body)
	switch kind {
	case message.TypeUserControl:
		if len(body) >= 6 && binary.BigEndian.Uint16(body) == uint16(message.UserControlTypePingRequest) {
			err = r.answer(&message.UserControlPingResponse{ServerTime: binary.BigEndian.Uint32(body[2:])})
		}
	case message.TypeSetChunkSize:
		if value == 0 || value >= 1<<31 || r.SetChunkSize(min(value, mostChunk)) != nil {
			err = ErrProtocol
		}
	case message.TypeAbortMessage:
		r.AbortChunkStream(value)
	case message.TypeSetWindowAckSize:
		r.SetWindowAckSize(value)
	}
	return c, false, err
}

// Command is a received command message (7.1.1).
type Command struct {
	Name string
	ID   int // transaction
	Args amf0.Data
}

func parse(body []byte) (Command, bool) {
	if len(body) > maxCommand {
		return Command{}, false
	}
	data, err := amf0.Unmarshal(body)
	if err != nil || len(data) < 2 {
		return Command{}, false
	}
	name, isText := data[0].(string)
	id, isNumber := data[1].(float64)
	return Command{Name: name, ID: int(id), Args: data[2:]}, isText && isNumber
}

// Status is the information object of onStatus, _error and their kin (7.2.2).
type Status struct{ Level, Code, Words string }

// Status returns the first information object among c's arguments; a bare text counts
// as its words.
func (c Command) Status() (s Status) {
	for _, arg := range c.Args {
		var o amf0.Object
		switch v := arg.(type) {
		case amf0.Object:
			o = v
		case amf0.ECMAArray:
			o = amf0.Object(v)
		case string:
			s.Words = v
		}
		level, _ := o.GetString("level")
		code, _ := o.GetString("code")
		words, _ := o.GetString("description")
		if level != "" || code != "" {
			return Status{level, code, words}
		}
		s.Words = cmp.Or(words, s.Words)
	}
	return s
}

// Call is a command of ours, whose command object is null (7.2.1).
func Call(id int, name string, args ...any) *message.CommandAMF0 {
	return &message.CommandAMF0{ChunkStreamID: ChunkStream, Name: name, CommandID: id, Arguments: append(amf0.Data{nil}, args...)}
}
