package libav

// #include "demux.h"
import "C"

import (
	"io"

	"github.com/asticode/go-astiav"
	"github.com/roomcast/roomcast/media"
)

// briefProbe is how many bytes are looked at where a source soon becomes other
// streams: a program map, and the begin of what it lists.
const briefProbe = 8 << 10

// mapped returns the codecs of the streams that there are, by libav's index, none
// where only a probe tells.
func (s *Source) mapped() (codecs []astiav.CodecID) {
	for _, st := range s.format.Streams() {
		p := st.CodecParameters()
		codec := p.CodecID()
		if m := p.MediaType(); m != astiav.MediaTypeVideo && m != astiav.MediaTypeAudio {
			codec = astiav.CodecIDNone
		}
		codecs = append(codecs, codec)
	}
	return codecs
}

// remapped says whether there are other streams than there were, or of other codecs.
func remapped(before, now []astiav.CodecID) bool {
	for i, codec := range before {
		if codec != astiav.CodecIDNone && (i >= len(now) || codec != now[i]) {
			return true
		}
	}
	return len(now) > len(before)
}

// probedBeyond says whether the probe of a recording has gone on to other streams,
// or other codecs, than those that it began with: what was read of these would be
// taken for the others.
func (s *Source) probedBeyond() bool {
	switch {
	case s.info.Live || s.forwardOnly() || s.request.Choice != (media.TrackChoice{}):
		return false
	case s.info.Container == "mpegts":
		return remapped(s.opening, s.mapped())
	}
	return false
}

// beginAgain opens the source again, and probes so little of it that it is at its
// begin. A track that is not known there comes later.
func (s *Source) beginAgain() error {
	tracks := s.info.Tracks
	s.closeFormat()
	s.brief, s.varied = true, true
	defer func() { s.brief = false }()
	if _, err := s.way.Bytes.Seek(0, io.SeekStart); err != nil {
		return s.failure(opOpen, err)
	}
	if err := s.openFormat(); err != nil {
		return err
	}
	if err := s.find(); err != nil {
		return err
	}
	if err := s.choose(); err != nil {
		return err
	}
	s.expect(tracks)
	if s.leading() >= 0 {
		return nil
	}
	p, err := s.demux()
	s.adopted = append([]media.Packet{p}, s.adopted...)
	return err
}

// expect makes those of the tracks known that the source has not yet. It has no
// others.
func (s *Source) expect(tracks []media.Track) {
	has := s.info.Tracks
	var all []media.Track
	var configs [][]byte
	for _, t := range tracks {
		config := t.Extradata
		if i := s.role(t.Type); i < len(s.info.Tracks) {
			t, config = s.info.Tracks[i], s.configs[i]
		}
		all, configs = append(all, t), append(configs, config)
	}
	s.info.Tracks, s.configs = all, configs
	for _, m := range []media.MediaType{media.Video, media.Audio} {
		if index := s.playing(m); index >= 0 {
			s.tracks[index] = s.role(m)
		}
	}
	for i := range s.ahead.Packets {
		s.ahead.Packets[i].Track = s.role(has[s.ahead.Packets[i].Track].Type)
	}
	s.await()
}

// has says whether the source has a track of a type, or will have.
func (s *Source) has(m media.MediaType) bool { return s.role(m) < len(s.info.Tracks) }
