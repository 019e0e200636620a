package libav

// #include <stdlib.h>
// #include "codec.h"
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"github.com/asticode/go-astiav"
	"github.com/roomcast/roomcast/media"
)

const (
	// longestWait is for how long a decoder waits for a keyframe. Some streams
	// have none that the container marks: they refresh the picture bit by bit.
	longestWait = 10 * time.Second
	mostWaiting = 600 // packets, for streams without times
	// farthestPTS is how far a PTS may be from its DTS to be believed.
	farthestPTS = 30 * time.Second
	// bigPicture is from how many pixels on one thread may not keep up.
	bigPicture = 1920 * 1088
)

// nanoseconds is the time base of everything between the decoder and the encoder.
var nanoseconds = astiav.NewRational(1, int(time.Second))

// decoder turns packets of one track into frames. It begins with a keyframe,
// and again after a packet that cannot be decoded.
type decoder struct {
	codec *astiav.CodecContext
	frame *astiav.Frame
	info  C.rc_frame
	track media.Track

	waiting bool // for a keyframe
	waited  int  // packets left out
	since   time.Duration
	last    C.int64_t // DTS given to libav
	data    []byte    // of the last packet
	damaged int64
}

// frames takes the decoder's frames, which are described in its info. A frame
// is the decoder's own.
type frames func(f *astiav.Frame) error

// decoderOf returns what decodes a codec, nil where this build has nothing for it.
func decoderOf(codec media.Codec) *astiav.Codec {
	name := C.CString(string(codec))
	defer C.free(unsafe.Pointer(name))
	found := C.rc_decoder(name)
	if found == nil {
		return nil
	}
	return astiav.FindDecoderByName(C.GoString(found.name))
}

func newDecoder(t media.Track) (*decoder, error) {
	const op = "open decoder"
	found := decoderOf(t.Codec)
	if found == nil {
		return nil, &media.Error{Kind: media.KindSourceUnsupported, Op: op, Err: media.Because(fmt.Sprintf("its %s codec %s cannot be decoded by this build", t.Type, t.Codec), nil)}
	}
	d := &decoder{track: t, waiting: t.Type == media.Video}
	if err := d.open(found); err != nil {
		d.close()
		damaged := fmt.Sprintf("its %s (%s) cannot be decoded: it is damaged, or of a kind that this build does not know", t.Type, t.Codec)
		return nil, &media.Error{Kind: media.KindSourceUnsupported, Op: op, Err: media.Because(damaged, err)}
	}
	return d, nil
}

var errNoMemory = errors.New("out of memory")

func (d *decoder) open(codec *astiav.Codec) error {
	d.codec, d.frame = astiav.AllocCodecContext(codec), astiav.AllocFrame()
	if d.codec == nil || d.frame == nil {
		return errNoMemory
	}
	c, t := d.codec, d.track
	if len(t.Extradata) > 0 {
		if err := c.SetExtraData(t.Extradata); err != nil {
			return err
		}
	}
	c.SetWidth(t.Width)
	c.SetHeight(t.Height)
	c.SetSampleAspectRatio(aspectOf(t.Pixels))
	c.SetSampleRate(t.SampleRate)
	c.SetBitRate(int64(t.Bitrate))
	c.SetThreadCount(decoderThreads(t))
	C.rc_set_up(d.c(), C.rc_parameters{
		channels: C.int(t.Channels), block_align: C.int(t.BlockAlign),
		bits_per_sample: C.int(t.BitsPerSample), tag: C.uint32_t(t.CodecTag),
	})
	return c.Open(codec, nil)
}

// decoderThreads is 1 where that keeps up: more cost CPU to agree with each
// other, and frame threads hold pictures back.
func decoderThreads(t media.Track) int {
	if t.Type == media.Video && t.Width*t.Height > bigPicture {
		return min(4, runtime.NumCPU()) // a media host has one thread of Go
	}
	return 1
}

func (d *decoder) c() *C.AVCodecContext { return (*C.AVCodecContext)(d.codec.UnsafePointer()) }

// decode gives a packet to the decoder and its frames to each. The error is
// that of each; what the decoder cannot use is counted.
func (d *decoder) decode(p media.Packet, each frames) error {
	if len(p.Data) == 0 || d.wait(p) {
		return nil
	}
	if code := d.send(p); code < 0 {
		d.damage()
		if code == int(astiav.ErrEof) {
			return nil
		}
	}
	return d.receive(each)
}

// again says whether p is the packet before once more, as an image gives it.
func (d *decoder) again(p media.Packet) bool {
	same := p.Repeats(d.data)
	d.data = p.Data
	return same && !p.NoPTS && !d.waiting
}

// wait says whether p comes before the keyframe that is waited for.
func (d *decoder) wait(p media.Packet) bool {
	if !d.waiting {
		return false
	}
	if d.waited == 0 {
		d.since = p.DTS
	}
	if !p.Keyframe && p.DTS-d.since < longestWait && d.waited < mostWaiting {
		d.waited++
		return true
	}
	d.waiting, d.waited = false, 0
	return false
}

// damage counts a packet and, in video, waits for the next keyframe.
func (d *decoder) damage() {
	d.damaged++
	d.waiting = d.track.Type == media.Video
}

func (d *decoder) send(p media.Packet) int {
	stamp := C.rc_stamp{pts: C.AV_NOPTS_VALUE, dts: C.AV_NOPTS_VALUE, duration: C.int64_t(max(p.Duration, 0))}
	if !p.NoDTS {
		stamp.dts = C.int64_t(p.DTS)
	}
	if !p.NoPTS && (p.NoDTS || (p.PTS-p.DTS).Abs() < farthestPTS) {
		stamp.pts = C.int64_t(p.PTS)
	}
	if p.Keyframe {
		stamp.flags |= C.AV_PKT_FLAG_KEY
	}
	if p.Corrupt {
		stamp.flags |= C.AV_PKT_FLAG_CORRUPT
	}
	if p.Discard {
		stamp.flags |= C.AV_PKT_FLAG_DISCARD
	}
	d.last = stamp.dts
	var pin runtime.Pinner
	defer pin.Unpin()
	return int(C.rc_send(d.c(), borrow(&pin, p.Data), borrow(&pin, p.Extradata), &stamp))
}

// borrow lends Go's memory to C for one call.
func borrow(pin *runtime.Pinner, b []byte) C.rc_bytes {
	if len(b) == 0 {
		return C.rc_bytes{}
	}
	first := unsafe.SliceData(b)
	pin.Pin(first)
	return C.rc_bytes{data: (*C.uint8_t)(first), size: C.int(len(b))}
}

// receive gives each what the decoder has ready.
func (d *decoder) receive(each frames) error {
	for {
		err := d.codec.ReceiveFrame(d.frame)
		switch {
		case errors.Is(err, astiav.ErrEagain), errors.Is(err, astiav.ErrEof):
			return nil
		case err != nil:
			d.damage()
			return nil
		}
		if err := d.give(each); err != nil {
			return err
		}
	}
}

func (d *decoder) give(each frames) error {
	defer d.frame.Unref()
	C.rc_describe(d.c(), (*C.AVFrame)(d.frame.UnsafePointer()), &d.info)
	if d.info.corrupt != 0 { // what libav could patch is shown
		d.damaged++
	}
	if d.last != int64NoPTS && time.Duration(d.info.pts-d.last).Abs() > farthestPTS {
		d.info.pts = int64NoPTS
	}
	return each(d.frame)
}

// drain gives each what the decoder held back and makes it ready for a new
// beginning.
func (d *decoder) drain(each frames) error {
	if err := d.codec.SendPacket(nil); err != nil && !errors.Is(err, astiav.ErrEof) {
		return nil // an earlier error of the decoder's, counted then
	}
	err := d.receive(each)
	C.avcodec_flush_buffers(d.c())
	d.waiting, d.waited = d.track.Type == media.Video, 0
	return err
}

func (d *decoder) close() {
	if d.frame != nil {
		d.frame.Free()
	}
	if d.codec != nil {
		d.codec.Free()
	}
}
