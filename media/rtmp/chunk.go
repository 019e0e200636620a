package rtmp

import "encoding/binary"

const (
	// Chunk stream ids. gortmplib's writer has 2 for protocol control, 3 for
	// commands and 5 for data; each keeps its own header state (5.3.1.2).
	csidAudio = 4
	csidData  = 5
	csidVideo = 6

	typeAudio = 8
	typeVideo = 9

	maxMessage = 1<<24 - 1
	// extended is the timestamp that says that four bytes follow (5.3.1.3).
	extended = 0xFFFFFF
)

// chunkStream is the header state of one chunk stream.
type chunkStream struct {
	id, kind byte
	started  bool
	last     uint32 // timestamp of the message before, ms modulo 2^32
}

// mediaMessage is an audio or video message: its body is tag, then data.
type mediaMessage struct {
	stream    *chunkStream
	timestamp uint32 // ms modulo 2^32
	tag, data []byte
}

// chunker writes media messages as chunks: the first of a stream, and one that
// goes back in time or far ahead, with a type 0 header, the others with type 1.
// gortmplib's writer allocates every chunk and writes it for itself.
type chunker struct {
	size     int    // of a chunk's payload
	streamID uint32 // of the messages
}

// append adds m's chunks to b.
func (c *chunker) append(b []byte, m mediaMessage) []byte {
	s := m.stream
	length := len(m.tag) + len(m.data)
	delta := m.timestamp - s.last
	absolute := !s.started || delta >= extended
	s.started, s.last = true, m.timestamp

	var long bool
	if absolute {
		long = m.timestamp >= extended
		b = append(b, s.id)
		b = append24(b, min(m.timestamp, extended))
		b = append24(b, uint32(length))
		b = append(b, s.kind)
		b = binary.LittleEndian.AppendUint32(b, c.streamID)
		if long {
			b = binary.BigEndian.AppendUint32(b, m.timestamp)
		}
	} else {
		b = append(b, 1<<6|s.id)
		b = append24(b, delta)
		b = append24(b, uint32(length))
		b = append(b, s.kind)
	}

	room := c.size - len(m.tag)
	b = append(b, m.tag...)
	for data := m.data; ; {
		n := min(len(data), room)
		b = append(b, data[:n]...)
		if data = data[n:]; len(data) == 0 {
			return b
		}
		b = append(b, 3<<6|s.id)
		if long { // 5.3.1.3: present in type 3 chunks too
			b = binary.BigEndian.AppendUint32(b, m.timestamp)
		}
		room = c.size
	}
}

func append24(b []byte, v uint32) []byte {
	return append(b, byte(v>>16), byte(v>>8), byte(v))
}
