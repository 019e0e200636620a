package main

import (
	"errors"

	"github.com/bluenviron/gortmplib/pkg/message"
)

// rawChunk is the size of chunks that gortmplib's client announces: a packet is one.
const rawChunk = 64 << 10

func be24(b []byte) uint32 { return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]) }

// packet is one of the clip's, as it goes over the wire.
type packet struct {
	ms   uint32
	wire []byte
}

// readFLV returns the packets of an FLV file (Adobe Flash Video File Format
// Specification 10.1, annex E.4) as RTMP messages.
func readFLV(file []byte) (all []packet, err error) {
	const head, tag, back = 9, 11, 4
	if len(file) < head {
		return nil, errors.New("no FLV file")
	}
	for file = file[head+back:]; len(file) > tag; {
		n := int(be24(file[1:]))
		if len(file) < tag+n+back {
			return nil, errors.New("the FLV file is cut")
		}
		if kind := message.Type(file[0]); kind == message.TypeAudio || kind == message.TypeVideo {
			ms := be24(file[4:]) | uint32(file[7])<<24
			all = append(all, packet{ms, chunks(kind, ms, file[tag:tag+n])})
		}
		file = file[tag+n+back:]
	}
	return all, nil
}

// chunks makes a message of the stream: its first chunk with a whole header.
func chunks(kind message.Type, ms uint32, body []byte) []byte {
	stream := 4 + byte(kind-message.TypeAudio)
	length := len(body)
	b := []byte{stream, byte(ms >> 16), byte(ms >> 8), byte(ms), byte(length >> 16), byte(length >> 8), byte(length), byte(kind), 1, 0, 0, 0}
	for {
		n := min(rawChunk, len(body))
		b = append(b, body[:n]...)
		if body = body[n:]; len(body) == 0 {
			return b
		}
		b = append(b, 3<<6|stream)
	}
}
