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

// How long, and how much, a live source's picture is waited for that it has
// promised. Servers hold it back until a keyframe, and encoders' own GOP is up
// to 250 pictures (x264).
const (
	videoWait  = 11 * time.Second
	mostWaited = 16 << 20 // bytes of sound
	// earlySound is how much of the sound from before the picture is kept.
	earlySound = time.Second
)

// awaitVideo waits for the picture of a source that has sound alone and promises
// more. When it does not come in time, a later read tells of it.
func (d *demuxer) awaitVideo() {
	d.await()
	if d.roles.video >= 0 {
		return
	}
	var sound []media.Packet
	bytes := 0
	for end := time.Now().Add(videoWait); d.roles.video < 0 && bytes < mostWaited && d.promisesVideo() && time.Now().Before(end); {
		p, err := d.read()
		if err != nil && d.roles.video < 0 {
			break // the next read says it again
		}
		if err == nil && d.came != nil {
			d.came()
		}
		if err == nil {
			sound, bytes = append(sound, p), bytes+len(p.Data)
		}
	}
	if d.container.info.Live {
		sound = d.recent(sound)
	}
	for i := range sound {
		sound[i].Track = d.roles.index[d.roles.audio]
	}
	d.adopted = append(sound, d.adopted...)
}

// recent returns what of the sound is not long past, by the picture if there is
// one.
func (d *demuxer) recent(sound []media.Packet) []media.Packet {
	if len(sound) == 0 {
		return nil
	}
	newest := sound[len(sound)-1].DTS
	if d.roles.video >= 0 {
		newest = d.adopted[0].DTS
	}
	return slices.DeleteFunc(sound, func(p media.Packet) bool { return !p.NoDTS && p.DTS < newest-earlySound })
}

// takeLateVideo chooses anew, and keeps what has been read of the picture for the
// next reads.
func (d *demuxer) takeLateVideo(v *rival) error {
	if err := d.choose(); err != nil {
		return err
	}
	d.await()
	for _, p := range v.held {
		p.Track = d.roles.index[d.roles.video]
		d.adopted = append(d.adopted, p)
	}
	return media.ErrLateVideo
}

// promisesVideo says whether the source has a picture that is not known yet: a
// stream that can be decoded, or one that an FLV's header and metadata tell of.
func (d *demuxer) promisesVideo() bool {
	if slices.ContainsFunc(d.container.format.Streams(), func(st *astiav.Stream) bool {
		p := st.CodecParameters()
		return p.MediaType() == astiav.MediaTypeVideo && astiav.FindDecoder(p.CodecID()) != nil &&
			!st.DispositionFlags().Has(astiav.DispositionFlagAttachedPic)
	}) {
		return true
	}
	return strings.Contains(d.container.info.Container, "flv") && flvPromisesVideo(d.container.flvFlags, d.container.metadata)
}

// flvPromisesVideo decides by what says more than the header's flags (FLV 10.1,
// E.2), which servers set to both: onMetaData (E.5). nginx always has a
// videocodecid in it, 0 where there is no video; ffmpeg names only what there is.
func flvPromisesVideo(flags int, metadata func(key string) string) bool {
	const hasVideo = 1
	if id := metadata("videocodecid"); id != "" {
		return id != "0"
	}
	if metadata("audiocodecid") != "" {
		return false
	}
	return flags >= 0 && flags&hasVideo != 0
}
