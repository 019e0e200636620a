package rtmp

import (
	"encoding/binary"

	"github.com/bluenviron/gortmplib/pkg/bytecounter"
	"github.com/bluenviron/gortmplib/pkg/message"
	"github.com/bluenviron/gortmplib/pkg/rawmessage"

	"github.com/roomcast/roomcast/media"
)

// maxCommand is the largest command looked into: gortmplib's AMF0 decoder
// recurses as deep as its input is nested.
const maxCommand = 64 << 10

var errProtocol = media.Because("its server does not keep to RTMP", nil)

// input is the receiving side of a connection. It serves the protocol itself
// and hands out commands. It reads raw messages, because gortmplib's message
// reader ends at the first type or control event it does not know.
type input struct {
	raw *rawmessage.Reader
	out *output
}

func newInput(bc *bytecounter.ReadWriter, out *output) *input {
	in := &input{out: out}
	in.raw = rawmessage.NewReader(bc, bc.Reader, func(count uint32) error {
		return out.control(&message.Acknowledge{Value: count})
	})
	return in
}

// next returns the next command; what cannot be understood is skipped.
func (in *input) next() (command, error) {
	for {
		m, err := in.raw.Read()
		if err != nil {
			return command{}, err
		}
		switch message.Type(m.Type) {
		case message.TypeCommandAMF3: // an AMF0 body after a zero byte
			if len(m.Body) > 0 {
				m.Body = m.Body[1:]
			}
		case message.TypeCommandAMF0:
		default:
			if err := in.serve(m); err != nil {
				return command{}, err
			}
			continue
		}
		if len(m.Body) > maxCommand {
			continue
		}
		if c, ok := parseCommand(m.Body); ok {
			return c, nil
		}
	}
}

// serve does what a protocol control or user control message asks (5.4, 6.2).
func (in *input) serve(m *rawmessage.Message) error {
	body := m.Body
	if message.Type(m.Type) == message.TypeUserControl {
		if len(body) < 6 || binary.BigEndian.Uint16(body) != uint16(message.UserControlTypePingRequest) {
			return nil
		}
		return in.out.control(&message.UserControlPingResponse{ServerTime: binary.BigEndian.Uint32(body[2:])})
	}
	if len(body) < 4 {
		return nil
	}
	value := binary.BigEndian.Uint32(body)
	switch message.Type(m.Type) {
	case message.TypeSetChunkSize:
		if value == 0 || in.raw.SetChunkSize(value) != nil {
			return errProtocol
		}
	case message.TypeAbortMessage:
		in.raw.AbortChunkStream(value)
	case message.TypeSetWindowAckSize:
		in.raw.SetWindowAckSize(value)
	}
	return nil
}
