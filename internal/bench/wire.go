package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/bluenviron/gortmplib/pkg/amf0"
	"github.com/bluenviron/gortmplib/pkg/bytecounter"
	"github.com/bluenviron/gortmplib/pkg/handshake"
	"github.com/bluenviron/gortmplib/pkg/message"
)

// Message types (RTMP 1.0, 5.4 and 7.1).
const (
	typeChunkSize = 1
	typeAudio     = 8
	typeVideo     = 9
	typeCommand   = 20
)

const (
	readBuffer = 64 << 10 // of a connection: one read takes whatever has come
	rawChunk   = 64 << 10 // of the raw writer: a packet is one chunk
	command    = 3        // the chunk stream of commands
	streamID   = 1 << 24  // 1, little endian (RTMP 1.0, 5.3.1.2.5)
)

// link is a connection that speaks RTMP.
type link struct {
	net.Conn
	in      *bufio.Reader
	out     *message.Writer
	size    int // of the chunks that come
	streams [64]chunkStream
}

// chunkStream is what one chunk stream's headers have said (RTMP 1.0, 5.3.1.2).
type chunkStream struct {
	time, delta  uint32 // ms
	length, left int
	kind         byte
	long         bool    // an extended timestamp follows each header
	head         [2]byte // the body's beginning
	body         []byte  // of what is no media
}

func newLink(c net.Conn) *link {
	return &link{Conn: c, in: bufio.NewReaderSize(c, readBuffer), out: message.NewWriter(c, bytecounter.NewWriter(c), false), size: 128}
}

// next reads to the end of a message. A packet's payload is passed over.
func (l *link) next() (*chunkStream, error) {
	for {
		s, err := l.header()
		if err != nil {
			return nil, err
		}
		n := min(l.size, s.left)
		if s.left == s.length && s.length >= len(s.head) && n >= len(s.head) {
			head, err := l.in.Peek(len(s.head))
			if err != nil {
				return nil, err
			}
			copy(s.head[:], head)
		}
		if s.kind == typeAudio || s.kind == typeVideo {
			_, err = l.in.Discard(n)
		} else {
			at := len(s.body)
			s.body = append(s.body, make([]byte, n)...)
			_, err = io.ReadFull(l.in, s.body[at:])
		}
		if err != nil {
			return nil, err
		}
		if s.left -= n; s.left > 0 {
			continue
		}
		if s.kind == typeChunkSize && len(s.body) == 4 {
			l.size = int(binary.BigEndian.Uint32(s.body))
		}
		return s, nil
	}
}

// header reads that of a chunk.
func (l *link) header() (*chunkStream, error) {
	first, err := l.in.ReadByte()
	if err != nil {
		return nil, err
	}
	format, id := first>>6, first&63
	if id < 2 {
		return nil, errors.New("a chunk stream id of two bytes")
	}
	s := &l.streams[id]
	begins := s.left == 0
	h, err := l.in.Peek([...]int{11, 7, 3, 0}[format])
	if err != nil {
		return nil, err
	}
	var time uint32
	if format < 3 {
		time = be24(h)
		s.long = time == 0xFFFFFF
	}
	if format < 2 {
		s.length, s.kind = int(be24(h[3:])), h[6]
	}
	_, _ = l.in.Discard(len(h)) // they are there
	if s.long {
		h, err := l.in.Peek(4)
		if err != nil {
			return nil, err
		}
		time = binary.BigEndian.Uint32(h)
		_, _ = l.in.Discard(4)
	}
	if !begins {
		return s, nil
	}
	switch format {
	case 0:
		s.time, s.delta = time, 0
	case 1, 2:
		s.delta = time
	}
	s.time += s.delta
	s.left, s.body = s.length, s.body[:0]
	return s, nil
}

func be24(b []byte) uint32 { return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]) }

func (l *link) handshaken(do func(io.ReadWriter, bool) error) error {
	return do(struct {
		io.Reader
		io.Writer
	}{l.in, l.Conn}, false)
}

func (l *link) command(name string, id int, stream uint32, args ...any) error {
	return l.out.Write(&message.CommandAMF0{ChunkStreamID: command, MessageStreamID: stream, Name: name, CommandID: id, Arguments: args})
}

// take answers a publisher as far as it must be answered, and returns the stream
// key that it publishes.
func (l *link) take() (key string, err error) {
	err = l.handshaken(func(rw io.ReadWriter, strict bool) error {
		_, _, err := handshake.DoServer(rw, strict)
		return err
	})
	for err == nil {
		var m *chunkStream
		if m, err = l.next(); err != nil || m.kind != typeCommand {
			continue
		}
		values, bad := amf0.Unmarshal(m.body)
		if bad != nil || len(values) < 2 {
			return "", fmt.Errorf("no command: %w", bad)
		}
		id, _ := values[1].(float64)
		switch values[0] {
		case "connect":
			err = l.command("_result", int(id), 0, nil, amf0.Object{{Key: "code", Value: "NetConnection.Connect.Success"}})
		case "createStream":
			err = l.command("_result", int(id), 0, nil, float64(1))
		case "publish":
			if len(values) > 3 {
				key, _ = values[3].(string)
			}
			return key, l.command("onStatus", 0, streamID, nil, amf0.Object{{Key: "level", Value: "status"}, {Key: "code", Value: "NetStream.Publish.Start"}})
		}
	}
	return "", err
}

// publish opens a stream in a room that answers as take does.
func publish(addr, key string) (*link, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	l := newLink(conn)
	err = l.handshaken(func(rw io.ReadWriter, strict bool) error {
		_, _, err := handshake.DoClient(rw, false, strict)
		return err
	})
	err = errors.Join(err, l.out.Write(&message.SetChunkSize{Value: rawChunk}),
		l.command("connect", 1, 0, amf0.Object{{Key: "app", Value: "push"}, {Key: "tcUrl", Value: "rtmp://" + addr + "/push"}}),
		l.command("createStream", 2, 0, nil), l.command("publish", 3, streamID, nil, key, "live"))
	for err == nil {
		var m *chunkStream
		if m, err = l.next(); err == nil && m.kind == typeCommand {
			if values, _ := amf0.Unmarshal(m.body); len(values) > 0 && values[0] == "onStatus" {
				return l, nil
			}
		}
	}
	_ = conn.Close()
	return nil, fmt.Errorf("publish: %w", err)
}

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
		if kind := file[0]; kind == typeAudio || kind == typeVideo {
			ms := be24(file[4:]) | uint32(file[7])<<24
			all = append(all, packet{ms, chunks(kind, ms, file[tag:tag+n])})
		}
		file = file[tag+n+back:]
	}
	return all, nil
}

// chunks makes a message of the stream: its first chunk with a whole header.
func chunks(kind byte, ms uint32, body []byte) []byte {
	const media = 4
	length := len(body)
	b := []byte{media + kind - typeAudio, byte(ms >> 16), byte(ms >> 8), byte(ms), byte(length >> 16), byte(length >> 8), byte(length), kind, 1, 0, 0, 0}
	for {
		n := min(rawChunk, len(body))
		b = append(b, body[:n]...)
		if body = body[n:]; len(body) == 0 {
			return b
		}
		b = append(b, 3<<6|(media+kind-typeAudio))
	}
}
