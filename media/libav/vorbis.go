package libav

// #include <libavcodec/vorbis_parser.h>
import "C"

import (
	"runtime"
	"time"
	"unsafe"

	"github.com/roomcast/roomcast/media"
)

// mostAdrift is how far sound may be from what its page says of it. Encoders
// date pages to some ten milliseconds.
const mostAdrift = 200 * time.Millisecond

// vorbisClock mends the times of Vorbis in Ogg with packets that hold nothing.
// An Ogg page says when its last packet ends, and libav counts back from there,
// the empty ones as if they sounded (vorbis_packet in oggparsevorbis.c): a page
// of fifteen packets and 240 empty ones then begins four seconds too early.
// Here the empty ones are left out and the others follow upon each other.
type vorbisClock struct {
	raw   func() (media.Packet, error) // the next as libav has it
	page  func() int64                 // the page that it began in
	track int
	rate  int
	parse *C.AVVorbisParseContext

	ready  []media.Packet // read ahead, and mended
	err    error          // that came behind them
	begun  bool           // the first page has been looked through
	broken bool           // there are empty packets: next counts
	next   time.Duration
	last   int64         // the page of the packet before
	end    time.Duration // of that packet, as libav has it
}

// newVorbisClock returns a clock for a recording in Ogg with Vorbis, nil for
// all others.
func newVorbisClock(d *demuxer) *vorbisClock {
	track, ok := d.roles.index[d.roles.audio]
	if i := d.container.info; !ok || i.Container != "ogg" || i.Live || d.roles.tracks[track].Codec != "vorbis" {
		return nil
	}
	t := d.roles.tracks[track]
	if len(t.Extradata) == 0 || t.SampleRate <= 0 {
		return nil
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	b := borrow(&pin, t.Extradata)
	parse := C.av_vorbis_parse_init(b.data, b.size)
	if parse == nil {
		return nil
	}
	return &vorbisClock{raw: d.read, page: func() int64 { return int64(d.container.reader.pos) }, track: track, rate: t.SampleRate, parse: parse}
}

// reset is for a jump: what was read ahead is forgotten.
func (v *vorbisClock) reset() {
	v.ready, v.err, v.begun, v.broken = nil, nil, false, false
}

func (v *vorbisClock) close() {
	C.av_vorbis_parse_free(&v.parse) //nolint:gocritic // dupSubExpr: of what cgo makes of it
}

// read returns the next packet.
func (v *vorbisClock) read() (media.Packet, error) {
	for {
		if len(v.ready) > 0 {
			return media.TakeFirst(&v.ready), nil
		}
		if err := v.err; err != nil {
			v.err = nil
			return media.Packet{}, err
		}
		p, err := v.raw()
		if err != nil || p.Track != v.track {
			return p, err
		}
		if !v.begun || (!v.broken && len(p.Data) == 0) {
			v.lookThrough(p)
			continue
		}
		if p, ok := v.mend(p, v.page()); ok {
			return p, nil
		}
	}
}

// lookThrough reads the rest of the page that p is in, which tells where its
// sound begins.
func (v *vorbisClock) lookThrough(p media.Packet) {
	v.begun, v.last = true, v.page()
	C.av_vorbis_parse_reset(v.parse)
	pages, packets := []int64{v.last}, []media.Packet{p}
	sound := time.Duration(0)
	for v.err == nil && p.Track == v.track && v.page() == v.last {
		v.broken = v.broken || len(p.Data) == 0
		sound, v.end = sound+v.length(p), endOf(p)
		if p, v.err = v.raw(); v.err == nil {
			pages, packets = append(pages, v.page()), append(packets, p)
		}
	}
	v.next = v.end - sound
	C.av_vorbis_parse_reset(v.parse)
	for i, p := range packets {
		if p, ok := v.mend(p, pages[i]); ok {
			v.ready = append(v.ready, p)
		}
	}
}

// mend gives p its time; false when there is nothing in it.
func (v *vorbisClock) mend(p media.Packet, page int64) (media.Packet, bool) {
	if !v.broken || p.Track != v.track {
		return p, true
	}
	if page != v.last && (v.end-v.next).Abs() > mostAdrift {
		v.next = v.end
	}
	v.last, v.end = page, endOf(p)
	if len(p.Data) == 0 {
		return p, false
	}
	p.PTS, p.DTS, p.NoPTS, p.NoDTS = v.next, v.next, false, false
	p.Duration = v.length(p)
	v.next += p.Duration
	return p, true
}

// endOf is where p ends to libav. An empty one at the end of a page is dated to
// the end itself.
func endOf(p media.Packet) time.Duration {
	if len(p.Data) == 0 {
		return p.PTS
	}
	return p.PTS + p.Duration
}

// length is how long p sounds.
func (v *vorbisClock) length(p media.Packet) time.Duration {
	if len(p.Data) == 0 {
		return 0
	}
	samples := C.av_vorbis_parse_frame(v.parse, (*C.uint8_t)(unsafe.SliceData(p.Data)), C.int(len(p.Data)))
	return time.Duration(max(samples, 0)) * time.Second / time.Duration(v.rate)
}
