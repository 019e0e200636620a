package libav

// #include "demux.h"
import "C"

import (
	"slices"
	"strings"
	"time"

	"github.com/asticode/go-astiav"
	"github.com/roomcast/roomcast/media"
)

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
func (d *demuxer) await() {
	turns := d.varied || strings.Contains(d.container.info.Container, "flv")
	for _, st := range d.container.format.Streams() {
		if (turns || !d.container.usable(st.CodecParameters().MediaType())(st)) && d.choice.admits(st) {
			C.rc_await(d.container.reader, C.int(st.Index()))
		}
	}
}

// offer takes the packet of a candidate that has just been read. Its packets are
// held until it is known that it takes the part; then the first of them says so.
// The error is ErrLateVideo: of a source without a picture.
func (d *demuxer) offer() error {
	index := int(d.container.reader.stream)
	stream := d.container.format.Streams()[index]
	m := media.Audio
	if stream.CodecParameters().MediaType() == astiav.MediaTypeVideo {
		m = media.Video
	}
	codec, own := stream.CodecParameters().CodecID(), index == d.roles.video || index == d.roles.audio
	v := d.rivals[m]
	if v != nil && v.stream != index && len(v.held) > 0 && (own || v.ended(d.packetOf(d.roles.of(m)))) { // the one that played has left it to the rival
		if err := d.adopt(m); err != nil {
			return err
		}
		own, v = false, nil
	}
	switch {
	case !d.choice.fits(stream):
		C.rc_ignore(d.container.reader, C.int(index))
		return nil
	case d.roles.playing(m) < 0 && decoderOf(codecOf(stream)) == nil:
		C.rc_ignore(d.container.reader, C.int(index))
		d.undecoded = &media.Stream{Type: typeOf(stream), Codec: codecOf(stream), NoDecoder: true}
		return nil
	case v == nil || v.stream == index && v.codec != codec || v.stream != index && own && !v.stale:
		was, known := d.known[index]
		v = &rival{stream: index, codec: codec, stale: own || known && was != codec}
		d.rivals[m], d.varied = v, d.varied || v.stale
	case v.stream != index && d.roles.playing(m) < 0:
		return nil // the first one is still to be known
	case v.stream != index:
		C.rc_ignore(d.container.reader, C.int(index))
		return nil
	}
	if len(v.held) == 0 && !d.introduce(m, stream, v) {
		return nil
	}
	if len(v.held) == 0 {
		d.known[index] = codec
		v.fields = m == media.Video && d.inFields(stream, stream.CodecParameters().ExtraData())
	}
	p := d.packetOf(d.roles.of(m))
	if m == media.Video && len(v.held) == 0 { // of a number that comes back, libav may go on with the DTS of before
		v.joined = v.joined || !p.NoPTS && !p.NoDTS && (p.PTS-p.DTS).Abs() > deepest
	}
	v.held = append(v.held, p)
	v.bytes += int(d.container.reader.size)
	if v.joined && len(v.held) < firstShown {
		return nil
	}
	if d.roles.playing(m) >= 0 && !d.departed(m, index) && v.span() < rivalSpan && v.bytes < rivalBytes {
		return nil
	}
	return d.adopt(m)
}

// introduce says whether the packet that was read is one that a decoder can begin
// with, and all is known of its stream.
func (d *demuxer) introduce(m media.MediaType, stream *astiav.Stream, v *rival) bool {
	const key, corrupt = C.AV_PKT_FLAG_KEY, C.AV_PKT_FLAG_CORRUPT
	begins := m != media.Video || d.container.reader.flags&(key|corrupt) == key
	if v.stale { // never given up: it is the program's own
		return d.introduceOwn(v, begins)
	}
	if !begins {
		return false
	}
	if d.container.usable(stream.CodecParameters().MediaType())(stream) && d.roles.playing(m) >= 0 || C.rc_learn(d.container.reader) != 0 {
		return true
	}
	if v.mistaken++; v.mistaken >= mostMistaken {
		C.rc_ignore(d.container.reader, C.int(v.stream))
		d.rivals[m] = nil
	}
	return false
}

// introduceOwn is introduce for a stream that has become one of another codec. What
// the first packet begins with may be of the codec of before: it says nothing then
// of what follows.
func (d *demuxer) introduceOwn(v *rival, begins bool) bool {
	cut := C.rc_forget(d.container.reader)
	v.joined = cut > 0
	if cut < 0 || !begins && !v.joined {
		return false
	}
	learned := C.rc_learn(d.container.reader)
	if learned == C.RC_LEARNED_KEY {
		d.container.reader.flags |= C.AV_PKT_FLAG_KEY
		begins = true
	}
	return begins && learned != 0
}

// departed says whether the program has another stream in the place of the one
// that plays a part (MPEG-TS: a new program map), or the same, of another codec.
func (d *demuxer) departed(m media.MediaType, index int) bool {
	if C.rc_left(d.container.reader, C.int(m)) != 0 {
		return true
	}
	listed := func(stream int) bool {
		return slices.ContainsFunc(d.container.format.Programs(), func(p *astiav.Program) bool {
			return slices.ContainsFunc(p.Streams(), func(st *astiav.Stream) bool { return st.Index() == stream })
		})
	}
	return listed(index) && !listed(d.roles.playing(m))
}

// adopt gives a part to its rival. What was held of it comes next.
func (d *demuxer) adopt(m media.MediaType) error {
	v := d.rivals[m]
	d.rivals[m] = nil
	v.retime()
	if m == media.Video && !d.roles.has(m) {
		return d.takeLateVideo(v)
	}
	track := d.container.trackOf(m, d.container.format.Streams()[v.stream])
	track.Interlaced = track.Interlaced || v.fields
	d.roles.take(m, v.stream, track)
	C.rc_follow(d.container.reader, C.int(v.stream), C.int(m))
	d.tell()
	v.held[0].Change = &track
	d.adopted = append(d.adopted, v.held...)
	return nil
}

// settleRivals is told of a packet of a stream that plays a part: one that goes on
// has no rival.
func (d *demuxer) settleRivals(p media.Packet) {
	m := d.roles.tracks[p.Track].Type
	v := d.rivals[m]
	if v == nil || len(v.held) == 0 || p.NoDTS || p.DTS <= v.held[0].DTS {
		return
	}
	C.rc_ignore(d.container.reader, C.int(v.stream))
	d.rivals[m] = nil
}

// adoptLast gives the parts to what is held at the source's end, and says whether
// there was any.
func (d *demuxer) adoptLast() bool {
	for m, v := range d.rivals {
		if v != nil && len(v.held) > 0 && d.adopt(media.MediaType(m)) == nil {
			return true
		}
	}
	return false
}
