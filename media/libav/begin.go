package libav

// #include "demux.h"
import "C"

import (
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/asticode/go-astiav"
	"github.com/roomcast/roomcast/media"
)

// pick chooses the tracks.
func (d *demuxer) pick() error {
	if err := d.choose(); err != nil {
		return err
	}
	d.awaitVideo()
	if d.encrypted() {
		return &media.Error{Kind: media.KindSourceEncrypted, Op: opProbe, Err: media.Because("its tracks are encrypted", nil)}
	}
	if d.container.isPhoto() {
		return &media.Error{Kind: media.KindSourceInvalid, Op: opProbe, Err: d.container.inWords(opProbe, astiav.ErrInvaliddata)}
	}
	if err := d.container.tooLarge(d.roles.video); err != nil {
		return err
	}
	if len(d.roles.tracks) == 0 {
		if code := C.rc_io_error(cFormat(d.container.format)); code < 0 {
			return d.container.failure(opProbe, astiav.Error(code))
		}
		if d.container.isImage() {
			return &media.Error{Kind: media.KindSourceInvalid, Op: opProbe, Err: errImage}
		}
		return &media.Error{Kind: d.container.trackless(), Op: opProbe, Err: d.nothingUsable()}
	}
	if d.probedBeyond() {
		return d.beginAgain()
	}
	return nil
}

// choose gives the parts to the best video and the best audio and makes all other
// streams cost nothing.
func (d *demuxer) choose() error {
	offered, err := d.choice.onOffer()
	if err != nil {
		return err
	}
	video, audio, err := d.choice.best(offered)
	if err != nil {
		return err
	}
	d.roles = roles{video: -1, audio: -1, index: make(map[int]int, 2)}
	d.known = map[int]astiav.CodecID{}
	for _, st := range offered {
		d.known[st.Index()] = st.CodecParameters().CodecID()
	}
	if video != nil {
		d.roles.add(media.Video, video.Index(), d.container.videoTrack(video))
	}
	if audio != nil {
		d.roles.add(media.Audio, audio.Index(), d.container.audioTrack(audio))
	}
	C.rc_choose(d.container.reader, C.int(d.roles.video), C.int(d.roles.audio))
	d.tell()
	return nil
}

// tell says anew what is made of the streams.
func (d *demuxer) tell() { d.streams = d.choice.describe(d.roles.index) }

// encrypted says whether a chosen track cannot be decoded without a licence, as
// Matroska (and WebM) tells by a ContentEncKeyID.
func (d *demuxer) encrypted() bool {
	for index := range d.roles.index {
		m := d.container.format.Streams()[index].Metadata()
		if m != nil && m.Get("enc_key_id", nil, 0) != nil {
			return true
		}
	}
	return false
}

// nothingUsable lists what there is instead of a video or audio.
func (d *demuxer) nothingUsable() error {
	var there []string
	for _, st := range d.streams {
		words := []string{string(st.Codec), st.LeftOut}
		words = slices.DeleteFunc(words, func(word string) bool { return word == "" || word == "none" || word == st.Type })
		there = append(there, strings.TrimSuffix(st.Type+" ("+strings.Join(words, ", ")+")", " ()"))
	}
	if len(there) == 0 {
		return d.container.inWords(opProbe, astiav.ErrStreamNotFound)
	}
	return errors.New("it holds only: " + media.Listed(there))
}

// briefProbe is how many bytes are looked at where a source soon becomes other
// streams: a program map, and the begin of what it lists.
const briefProbe = 8 << 10

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
func (d *demuxer) probedBeyond() bool {
	switch {
	case d.container.info.Live || d.container.forwardOnly() || d.choice.asked != (media.TrackChoice{}):
		return false
	case d.container.info.Container == "mpegts":
		return remapped(d.container.opening, d.container.mapped())
	}
	return false
}

// beginAgain opens the source again, and probes so little of it that it is at its
// begin. A track that is not known there comes later.
func (d *demuxer) beginAgain() error {
	tracks := d.roles.tracks
	d.container.closeFormat()
	d.forget()
	d.varied = true
	if _, err := d.container.way.Bytes.Seek(0, io.SeekStart); err != nil {
		return d.container.failure(opOpen, err)
	}
	if err := d.container.open(true); err != nil {
		return err
	}
	if err := d.container.find(); err != nil {
		return err
	}
	if err := d.choose(); err != nil {
		return err
	}
	d.roles.expect(tracks)
	d.await()
	if d.roles.leading() >= 0 {
		return nil
	}
	p, err := d.read()
	d.adopted = append([]media.Packet{p}, d.adopted...)
	return err
}
