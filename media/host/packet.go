package host

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"time"

	"github.com/roomcast/roomcast/media"
)

// What is set in the first number of a packet.
const (
	flagNoPTS = 1 << iota
	flagNoDTS
	flagKeyframe
	flagCorrupt
	flagDiscard
	flagExtradata // its bytes follow
	flagChange    // a Track follows, as JSON
	flagLeftOut   // a Stream follows, as JSON
	flagPlaced    // in place of its data follows where it stands in the window, and how long it is
	flagHeld      // the last picture again
)

// mostTracks is how many of a source's tracks are moved: a picture and a sound.
const mostTracks = 2

// appendPacket appends p as it goes over a socket: flags, track, PTS, DTS, duration,
// offset and data, and what the flags say follows. Numbers are varints, bytes have their
// length before them. Data that stands in w, which may be nil, is told by its place.
func appendPacket(b []byte, p *media.Packet, w *window) ([]byte, error) {
	at, placed := int64(0), false
	if w != nil {
		at, placed = w.find(p.Data, p.Offset)
	}
	flags := uint64(0)
	for _, f := range []struct {
		set  bool
		flag uint64
	}{
		{p.NoPTS, flagNoPTS}, {p.NoDTS, flagNoDTS}, {p.Keyframe, flagKeyframe}, {p.Corrupt, flagCorrupt}, {p.Discard, flagDiscard},
		{p.Extradata != nil, flagExtradata}, {p.Change != nil, flagChange}, {p.LeftOut != nil, flagLeftOut}, {placed, flagPlaced},
		{p.Origin == media.Held, flagHeld},
	} {
		if f.set {
			flags |= f.flag
		}
	}
	b = binary.AppendUvarint(b, flags)
	b = binary.AppendUvarint(b, uint64(p.Track))
	b = binary.AppendVarint(b, int64(p.PTS))
	b = binary.AppendVarint(b, int64(p.DTS))
	b = binary.AppendVarint(b, int64(p.Duration))
	b = binary.AppendVarint(b, p.Offset)
	if placed {
		b = binary.AppendUvarint(binary.AppendVarint(b, at), uint64(len(p.Data)))
	} else {
		b = appendBytes(b, p.Data)
	}
	if p.Extradata != nil {
		b = appendBytes(b, p.Extradata)
	}
	for _, extra := range []struct {
		set   bool
		value any
	}{{p.Change != nil, p.Change}, {p.LeftOut != nil, p.LeftOut}} {
		if !extra.set {
			continue
		}
		text, err := json.Marshal(extra.value)
		if err != nil {
			return nil, err
		}
		b = appendBytes(b, text)
	}
	return b, nil
}

func appendBytes(b, data []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(data))), data...)
}

// scanner reads what appendPacket and its like have written. Its error stays.
type scanner struct {
	rest   []byte
	err    error
	window *window // nil: nothing stands in it
	placed bool    // the data of the last packet is the window's
	sum    int     // bytes of all that was placed
}

func (s *scanner) fail() { s.rest, s.err = nil, errFrame }

func (s *scanner) byte() byte {
	if len(s.rest) == 0 {
		s.fail()
		return 0
	}
	b := s.rest[0]
	s.rest = s.rest[1:]
	return b
}

func (s *scanner) uvarint() uint64 {
	v, n := binary.Uvarint(s.rest)
	if n <= 0 {
		s.fail()
		return 0
	}
	s.rest = s.rest[n:]
	return v
}

func (s *scanner) varint() int64 {
	v, n := binary.Varint(s.rest)
	if n <= 0 {
		s.fail()
		return 0
	}
	s.rest = s.rest[n:]
	return v
}

// bytes returns bytes of what is read, of which nothing else is part.
func (s *scanner) bytes() []byte {
	n := s.uvarint()
	if n > uint64(len(s.rest)) {
		s.fail()
		return nil
	}
	b := s.rest[:n:n]
	s.rest = s.rest[n:]
	return b
}

func (s *scanner) json(v any) {
	if text := s.bytes(); s.err == nil {
		s.err = decode(text, v)
	}
}

// packet reads a packet of one of so many tracks, or of a new one. Its bytes are
// those of what is read, or the window's.
func (s *scanner) packet(tracks int) media.Packet {
	flags := s.uvarint()
	track := s.uvarint()
	p := media.Packet{
		Track: int(min(track, 1<<16)), PTS: time.Duration(s.varint()), DTS: time.Duration(s.varint()), Duration: time.Duration(s.varint()), Offset: s.varint(),
		NoPTS: flags&flagNoPTS != 0, NoDTS: flags&flagNoDTS != 0,
		Keyframe: flags&flagKeyframe != 0, Corrupt: flags&flagCorrupt != 0, Discard: flags&flagDiscard != 0,
	}
	if flags&flagHeld != 0 {
		p.Origin = media.Held
	}
	if s.placed = flags&flagPlaced != 0; s.placed {
		p.Data = s.place()
	} else if data := s.bytes(); len(data) > 0 {
		p.Data = data
	}
	if flags&flagExtradata != 0 {
		p.Extradata = s.bytes()
	}
	if flags&flagChange != 0 {
		p.Change = &media.Track{}
		s.json(p.Change)
	}
	if flags&flagLeftOut != 0 {
		p.LeftOut = &media.Stream{}
		s.json(p.LeftOut)
	}
	if p.Track >= mostTracks || p.Track > tracks || p.Track == tracks && p.Change == nil || p.Change != nil && !soundTrack(*p.Change) || p.LeftOut != nil && !soundStream(*p.LeftOut) {
		s.fail()
	}
	return p
}

// place returns what stands at a place in the window.
func (s *scanner) place() []byte {
	at, n := s.varint(), s.uvarint()
	if s.err != nil || s.window == nil || n > mostPlaced {
		s.fail()
		return nil
	}
	data := s.window.bytes(at, int(n))
	if s.sum += len(data); data == nil || s.sum > mostPlaced {
		s.fail()
	}
	return data
}

// own reads a packet as packet does. Its bytes are nobody's else, or the window's:
// those of a frame would all live as long as one of its packets.
func (s *scanner) own(tracks int) media.Packet {
	p := s.packet(tracks)
	if !s.placed {
		p.Data = bytes.Clone(p.Data)
	}
	p.Extradata = bytes.Clone(p.Extradata)
	return p
}

func known(t media.MediaType) bool { return t == media.Video || t == media.Audio }
