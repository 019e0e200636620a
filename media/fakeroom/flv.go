package fakeroom

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/roomcast/roomcast/media"
)

const (
	flvTagAudio = 8
	flvTagVideo = 9
)

// WriteFLV writes what is kept of the session with this ID as an FLV file
// (Adobe Flash Video File Format Specification 10.1, Annex E) whose timestamps
// start at zero. It fails when nothing is kept.
func (s *Server) WriteFLV(w io.Writer, id int) error {
	packets := s.Packets(id)
	if len(packets) == 0 {
		return fmt.Errorf("write FLV: nothing is kept of session %d", id)
	}
	if err := writeFLV(w, packets); err != nil {
		return fmt.Errorf("write FLV: %w", err)
	}
	return nil
}

func writeFLV(w io.Writer, packets []Packet) error {
	base, flags := packets[0].DTS, byte(0)
	for _, p := range packets {
		base = min(base, p.DTS)
		if p.Type == media.Video {
			flags |= 1
		} else {
			flags |= 4
		}
	}
	out := bufio.NewWriter(w) // keeps the first error until Flush
	header := []byte{'F', 'L', 'V', 1, flags, 0, 0, 0, 9, 0, 0, 0, 0}
	_, _ = out.Write(header)
	for _, p := range packets {
		writeFLVTag(out, p, p.DTS-base)
	}
	return out.Flush()
}

// writeFLVTag writes a tag and its size (E.4.1).
func writeFLVTag(out *bufio.Writer, p Packet, dts time.Duration) {
	kind := byte(flvTagVideo)
	if p.Type == media.Audio {
		kind = flvTagAudio
	}
	size, ms := uint32(len(p.Data)), uint32(dts/time.Millisecond)
	header := [11]byte{
		kind, byte(size >> 16), byte(size >> 8), byte(size),
		byte(ms >> 16), byte(ms >> 8), byte(ms), byte(ms >> 24), // TimestampExtended is the high byte
	}
	_, _ = out.Write(header[:])
	_, _ = out.Write(p.Data)
	_, _ = out.Write(binary.BigEndian.AppendUint32(nil, size+uint32(len(header))))
}
