package libav

// #include "demux.h"
import "C"

import (
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/asticode/go-astiav"
	"github.com/roomcast/roomcast/media"
)

// A track is the program's picture or sound, not a stream number: a stream that
// comes later takes the part of one that has ended, or that was never there.
const (
	// rivalSpan is how much of another stream must come, and nothing of the one
	// that plays the part, before it is taken. One that comes beside it is none:
	// a second language.
	rivalSpan  = 500 * time.Millisecond
	rivalBytes = 4 << 20
	// mostMistaken is how many packets of a stream may not be decoded before it
	// is given up.
	mostMistaken = 8
	// firstShown is after how many pictures the one has come that is shown next
	// to the first: B-frames are at most so deep.
	firstShown = 6
	// deepest is the most between the DTS and the PTS of a picture.
	deepest = time.Second
	// maxBackward is how far a track's DTS may step back within one clock, as media's
	// restamper has it.
	maxBackward = 500 * time.Millisecond
)

// rival is a stream that may take a track's part.
type rival struct {
	stream   int
	codec    astiav.CodecID
	stale    bool // what is known of the stream is of another codec
	joined   bool // its first picture came with the end of another, and has the time of that
	held     []media.Packet
	bytes    int
	mistaken int
	fields   bool // its first picture is of two fields
}

func (v *rival) span() time.Duration {
	if len(v.held) == 0 {
		return 0
	}
	return v.held[len(v.held)-1].DTS - v.held[0].DTS
}

// ended says whether p, of another stream, comes behind all that is held, and not
// beside it.
func (v *rival) ended(p media.Packet) bool {
	last := v.held[len(v.held)-1]
	return !p.NoDTS && (p.DTS >= last.DTS+last.Duration || p.DTS < v.held[0].DTS-maxBackward)
}

// retime gives the first picture its own time, by those after it. What libav took
// for pictures before it may have left the next with a DTS of then, too.
func (v *rival) retime() {
	last := len(v.held) - 1
	if !v.joined || last < 1 || slices.ContainsFunc(v.held[1:], func(p media.Packet) bool { return p.NoPTS || p.NoDTS }) {
		return
	}
	length := v.held[last].Duration
	if last > 1 {
		length = v.held[last].DTS - v.held[last-1].DTS
	}
	first := &v.held[0]
	first.PTS, first.NoPTS, first.NoDTS = v.held[last].PTS, false, false
	for i := last; i > 0; i-- {
		first.PTS = min(first.PTS, v.held[i].PTS-length)
		if p := &v.held[i]; i < last && (p.PTS-p.DTS).Abs() > deepest {
			p.DTS = v.held[i+1].DTS - length
		}
	}
	first.DTS = v.held[1].DTS - length
	first.PTS = max(first.PTS, first.DTS)
}

// await makes the streams candidates that are announced and of which nothing is
// known: they have not begun. Of a transport stream that becomes others, each may
// have its turn, and so in an FLV, which has one picture and one sound: servers begin
// with the configuration of a codec that has been left.
func (s *Source) await() {
	turns := s.varied || strings.Contains(s.info.Container, "flv")
	for _, st := range s.format.Streams() {
		if (turns || !s.usable(st.CodecParameters().MediaType())(st)) && s.asked(st) {
			C.rc_await(s.reader, C.int(st.Index()))
		}
	}
}

// playing returns libav's index of the stream that plays a part, -1 for none.
func (s *Source) playing(m media.MediaType) int {
	if m == media.Video {
		return s.video
	}
	return s.audio
}

// offer takes the packet of a candidate that has just been read. Its packets are
// held until it is known that it takes the part; then the first of them says so.
// The error is ErrLateVideo: of a source without a picture.
func (s *Source) offer() error {
	index := int(s.reader.stream)
	stream := s.format.Streams()[index]
	m := media.Audio
	if stream.CodecParameters().MediaType() == astiav.MediaTypeVideo {
		m = media.Video
	}
	codec, own := stream.CodecParameters().CodecID(), index == s.video || index == s.audio
	v := s.rivals[m]
	if v != nil && v.stream != index && len(v.held) > 0 && (own || v.ended(s.packetOf(s.role(m)))) { // the one that played has left it to the rival
		if err := s.adopt(m); err != nil {
			return err
		}
		own, v = false, nil
	}
	switch {
	case !s.fits(stream):
		C.rc_ignore(s.reader, C.int(index))
		return nil
	case s.playing(m) < 0 && decoderOf(codecOf(stream)) == nil:
		C.rc_ignore(s.reader, C.int(index))
		s.undecoded = &media.Stream{Type: typeOf(stream), Codec: codecOf(stream), NoDecoder: true}
		return nil
	case v == nil || v.stream == index && v.codec != codec || v.stream != index && own && !v.stale:
		was, known := s.known[index]
		v = &rival{stream: index, codec: codec, stale: own || known && was != codec}
		s.rivals[m], s.varied = v, s.varied || v.stale
	case v.stream != index && s.playing(m) < 0:
		return nil // the first one is still to be known
	case v.stream != index:
		C.rc_ignore(s.reader, C.int(index))
		return nil
	}
	if len(v.held) == 0 && !s.introduce(m, stream, v) {
		return nil
	}
	if len(v.held) == 0 {
		s.known[index] = codec
		v.fields = m == media.Video && s.inFields(stream, stream.CodecParameters().ExtraData())
	}
	p := s.packetOf(s.role(m))
	if m == media.Video && len(v.held) == 0 { // of a number that comes back, libav may go on with the DTS of before
		v.joined = v.joined || !p.NoPTS && !p.NoDTS && (p.PTS-p.DTS).Abs() > deepest
	}
	v.held = append(v.held, p)
	v.bytes += int(s.reader.size)
	if v.joined && len(v.held) < firstShown {
		return nil
	}
	if s.playing(m) >= 0 && !s.departed(m, index) && v.span() < rivalSpan && v.bytes < rivalBytes {
		return nil
	}
	return s.adopt(m)
}

// introduce says whether the packet that was read is one that a decoder can begin
// with, and all is known of its stream.
func (s *Source) introduce(m media.MediaType, stream *astiav.Stream, v *rival) bool {
	const key, corrupt = C.AV_PKT_FLAG_KEY, C.AV_PKT_FLAG_CORRUPT
	begins := m != media.Video || s.reader.flags&(key|corrupt) == key
	if v.stale { // never given up: it is the program's own
		return s.introduceOwn(v, begins)
	}
	if !begins {
		return false
	}
	if s.usable(stream.CodecParameters().MediaType())(stream) && s.playing(m) >= 0 || C.rc_learn(s.reader) != 0 {
		return true
	}
	if v.mistaken++; v.mistaken >= mostMistaken {
		C.rc_ignore(s.reader, C.int(v.stream))
		s.rivals[m] = nil
	}
	return false
}

// introduceOwn is introduce for a stream that has become one of another codec. What
// the first packet begins with may be of the codec of before: it says nothing then
// of what follows.
func (s *Source) introduceOwn(v *rival, begins bool) bool {
	cut := C.rc_forget(s.reader)
	v.joined = cut > 0
	if cut < 0 || !begins && !v.joined {
		return false
	}
	learned := C.rc_learn(s.reader)
	if learned == C.RC_LEARNED_KEY {
		s.reader.flags |= C.AV_PKT_FLAG_KEY
		begins = true
	}
	return begins && learned != 0
}

// departed says whether the program has another stream in the place of the one
// that plays a part (MPEG-TS: a new program map), or the same, of another codec.
func (s *Source) departed(m media.MediaType, index int) bool {
	if C.rc_left(s.reader, C.int(m)) != 0 {
		return true
	}
	listed := func(stream int) bool {
		return slices.ContainsFunc(s.format.Programs(), func(p *astiav.Program) bool {
			return slices.ContainsFunc(p.Streams(), func(st *astiav.Stream) bool { return st.Index() == stream })
		})
	}
	return listed(index) && !listed(s.playing(m))
}

// role is a type's index among Info's tracks; one that there is none of comes
// behind them.
func (s *Source) role(m media.MediaType) int {
	i := slices.IndexFunc(s.info.Tracks, func(t media.Track) bool { return t.Type == m })
	if i < 0 {
		return len(s.info.Tracks)
	}
	return i
}

// adopt gives a part to its rival. What was held of it comes next.
func (s *Source) adopt(m media.MediaType) error {
	v := s.rivals[m]
	s.rivals[m] = nil
	v.retime()
	if m == media.Video && !s.has(m) {
		return s.takeLateVideo(v)
	}
	stream, role := s.format.Streams()[v.stream], s.role(m)
	t := s.audioTrack
	if m == media.Video {
		t = s.videoTrack
	}
	track := t(stream)
	track.Interlaced = track.Interlaced || v.fields
	if before := s.playing(m); s.tracks[before] == role { // else it plays the other part by now
		delete(s.tracks, before)
	}
	s.tracks[v.stream] = role
	if m == media.Video {
		s.video = v.stream
	} else {
		s.audio = v.stream
	}
	tracks := slices.Clone(s.info.Tracks) // the one before was given away
	if role == len(tracks) {
		tracks, s.configs = append(tracks, track), append(s.configs, nil)
	}
	tracks[role], s.configs[role], s.ahead.News[role] = track, track.Extradata, nil
	s.info.Tracks = tracks
	C.rc_follow(s.reader, C.int(v.stream), C.int(m))
	s.tell()
	v.held[0].Change = &track
	s.adopted = append(s.adopted, v.held...)
	return nil
}

// settleRivals is told of a packet of a stream that plays a part: one that goes on
// has no rival.
func (s *Source) settleRivals(p media.Packet) {
	m := s.info.Tracks[p.Track].Type
	v := s.rivals[m]
	if v == nil || len(v.held) == 0 || p.NoDTS || p.DTS <= v.held[0].DTS {
		return
	}
	C.rc_ignore(s.reader, C.int(v.stream))
	s.rivals[m] = nil
}

// adoptLast gives the parts to what is held at the source's end, and says whether
// there was any.
func (s *Source) adoptLast() bool {
	for m, v := range s.rivals {
		if v != nil && len(v.held) > 0 && s.adopt(media.MediaType(m)) == nil {
			return true
		}
	}
	return false
}

// noteFields makes p, which was read, say so where the picture is of two fields
// from now on: one that becomes so in mid-stream, which its parameters do not tell.
func (s *Source) noteFields(p *media.Packet) {
	t := s.info.Tracks[p.Track]
	if t.Type != media.Video || t.Interlaced || !p.Keyframe || p.Discard {
		return
	}
	stream, config := s.format.Streams()[s.video], s.configs[p.Track]
	if !s.inFields(stream, config) {
		return
	}
	now := s.videoTrack(stream)
	now.Interlaced, now.Extradata = true, config
	s.info.Tracks = slices.Clone(s.info.Tracks) // the one before was given away
	s.info.Tracks[p.Track] = now
	p.Change = &now
}

// inFields says whether the picture that was read is of two fields: of H.264,
// which is copied.
func (s *Source) inFields(stream *astiav.Stream, config []byte) bool {
	if stream.CodecParameters().CodecID() != astiav.CodecIDH264 {
		return false
	}
	return C.rc_in_fields(s.reader, (*C.uint8_t)(unsafe.SliceData(config)), C.int(len(config))) != 0
}
