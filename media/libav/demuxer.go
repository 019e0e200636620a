package libav

// #include "demux.h"
import "C"

import (
	"runtime"
	"time"
	"unsafe"

	"github.com/asticode/go-astiav"

	"github.com/roomcast/roomcast/media"
)

// demuxer reads the packets of a container's picture and sound, with the times that
// libav gives them. It decides which streams these are: at the begin (choose), and
// when others come (offer).
type demuxer struct {
	container *container
	choice    choice
	came      func() // is called while a picture is waited for; may be nil
	roles     roles
	streams   []media.Stream         // what is told of all
	known     map[int]astiav.CodecID // by libav's index: what is known of a stream is of it
	rivals    [2]*rival              // by media.MediaType
	adopted   []media.Packet         // come next: held of a stream that has taken a part
	varied    bool                   // a stream has become one of another codec
	edited    bool                   // packets that lie outside of the container's edits say so
	faults    int                    // of a live source, since the last packet
	undecoded *media.Stream          // has come and cannot be decoded; to be told with the next packet
}

// read reads the next packet.
func (d *demuxer) read() (media.Packet, error) {
	d.container.life.extend(readStalled)
	for {
		if len(d.adopted) > 0 {
			return media.TakeFirst(&d.adopted), nil
		}
		code := astiav.Error(C.rc_read(d.container.reader))
		switch {
		case code >= 0 && d.container.reader.candidate != 0:
			if err := d.offer(); err != nil {
				return media.Packet{}, err
			}
		case code >= 0:
			p := d.packet()
			d.settleRivals(p)
			d.noteFields(&p)
			d.noteResync(&p)
			p.LeftOut, d.undecoded = d.undecoded, nil
			d.faults = 0
			return p, nil
		case code == astiav.ErrEof && d.adoptLast():
		case code == astiav.ErrInvaliddata && d.container.info.Live && d.faults < mostMistaken:
			d.faults++ // of a stream that cannot be decoded: others go on
		case code == astiav.ErrEagain && d.container.life.ctx.Err() == nil:
			// A demuxer that was interrupted by nothing: ask again.
			runtime.Gosched()
		default:
			return media.Packet{}, d.container.readError(int(code))
		}
	}
}

// noteResync makes a picture say so that follows what the demuxer has left out because
// it is damaged: it is made of pictures that were in it.
func (d *demuxer) noteResync(p *media.Packet) {
	at := d.container.scope.c.resync
	if at > 0 && d.container.reader.pos >= at && d.roles.tracks[p.Track].Type == media.Video {
		d.container.scope.c.resync, p.Corrupt = 0, p.Corrupt || !p.Keyframe
	}
}

// packet copies the reader's answer into Go.
func (d *demuxer) packet() media.Packet {
	return d.packetOf(d.roles.index[int(d.container.reader.stream)])
}

func (d *demuxer) packetOf(track int) media.Packet {
	r := d.container.reader
	p := media.Packet{
		Track:    track,
		NoPTS:    r.pts == C.AV_NOPTS_VALUE,
		NoDTS:    r.dts == C.AV_NOPTS_VALUE,
		Keyframe: r.flags&C.AV_PKT_FLAG_KEY != 0,
		Corrupt:  r.flags&C.AV_PKT_FLAG_CORRUPT != 0,
		Offset:   max(int64(r.pos), 0),
	}
	p.Discard = r.flags&C.AV_PKT_FLAG_DISCARD != 0 && d.edited
	if !p.NoPTS {
		p.PTS = time.Duration(r.pts)
	}
	if !p.NoDTS {
		p.DTS = time.Duration(r.dts)
	}
	if r.duration > 0 {
		p.Duration = time.Duration(r.duration)
	}
	if r.size > 0 {
		data := unsafe.Slice((*byte)(unsafe.Pointer(r.data)), int(r.size))
		p.Data = append(emptied(len(data)), data...)
	}
	if r.extradata_size > 0 && track < len(d.roles.configs) {
		p.Extradata = d.roles.changed(p.Track, C.GoBytes(unsafe.Pointer(r.extradata), r.extradata_size))
	}
	return p
}

// noteFields makes p, which was read, say so where the picture is of two fields
// from now on: one that becomes so in mid-stream, which its parameters do not tell.
func (d *demuxer) noteFields(p *media.Packet) {
	t := d.roles.tracks[p.Track]
	if t.Type != media.Video || t.Interlaced || !p.Keyframe || p.Discard {
		return
	}
	stream, config := d.container.format.Streams()[d.roles.video], d.roles.configs[p.Track]
	if !d.inFields(stream, config) {
		return
	}
	now := d.container.videoTrack(stream)
	now.Interlaced, now.Extradata = true, config
	d.roles.change(p.Track, now)
	p.Change = &now
}

// inFields says whether the picture that was read is of two fields: of H.264,
// which is copied.
func (d *demuxer) inFields(stream *astiav.Stream, config []byte) bool {
	if stream.CodecParameters().CodecID() != astiav.CodecIDH264 {
		return false
	}
	return C.rc_in_fields(d.container.reader, (*C.uint8_t)(unsafe.SliceData(config)), C.int(len(config))) != 0
}

// forget is for packets that are held, of the place before a jump.
func (d *demuxer) forget() { d.rivals, d.adopted = [2]*rival{}, nil }

// mapEvery is how far apart program maps are at most (ETSI TR 101 290, 5.2.1).
const mapEvery = 500 * time.Millisecond

// jump moves to where libav thinks the keyframe of a stream at a time is.
func (d *demuxer) jump(stream int, to time.Duration) error {
	c := d.container
	c.life.extend(jumpStalled)
	d.forget()
	before := d.varied
	if err := c.scope.run(func() error { return d.seekFrame(stream, to) }); err != nil {
		return c.failure("seek", err)
	}
	if d.varied = before || C.rc_left(c.reader, 0) != 0 || C.rc_left(c.reader, 1) != 0; d.varied && !before {
		return d.jump(stream, to)
	}
	if d.varied {
		C.rc_doubt(c.reader)
		d.await()
	}
	return nil
}

// seekFrame moves libav to a time. In a stream that has changed its codec, to
// before the program map that is to be known there.
func (d *demuxer) seekFrame(stream int, to time.Duration) error {
	format, flags := d.container.format, astiav.NewSeekFlags(astiav.SeekFlagBackward)
	if d.varied {
		to -= mapEvery
	}
	if d.varied && to < d.container.info.StartTime {
		return format.SeekFrame(stream, 0, flags.Add(astiav.SeekFlagByte))
	}
	base := format.Streams()[stream].TimeBase()
	ts := astiav.RescaleQRnd(int64(to), astiav.NewRational(1, int(time.Second)), base, astiav.RoundingDown)
	return format.SeekFrame(stream, ts, flags)
}

// retimed says whether a part of a track that is played has another speed.
func (d *demuxer) retimed() bool {
	for stream := range d.roles.index {
		if d.container.scope.c.edits.retimed>>uint(stream)&1 != 0 {
			return true
		}
	}
	return false
}
