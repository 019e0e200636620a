package libav

import (
	"time"

	"github.com/asticode/go-astiav"
	"github.com/roomcast/roomcast/media"
)

// videoStage brings pictures to the output's form and encodes them.
type videoStage struct {
	to      media.VideoOutput
	emit    func(media.Packet)
	encoder *encoder
	coded   float64 // frames per second that the encoder counts with
	tuned   float64 // and those that come
	keys    keyTimes
	cap     rateCap
	skip    time.Duration
	until   time.Duration // 0: no end
	last    time.Duration // of the picture that came last
	began   bool          // last is set

	graph      *graph // nil while pictures need nothing done
	beyond     bool   // nothing can be done with pictures of this shape
	shape      picture
	interlaced bool     // a picture of this shape was
	tone       *toneMap // nil while pictures are SDR
}

// newVideoStage returns the stage and what comes out of it. coded is to with
// the frame rate that is to be expected.
func newVideoStage(to, coded media.VideoOutput, emit func(media.Packet)) (stage, media.Track, error) {
	e, err := newVideoEncoder(coded)
	if err != nil {
		return nil, media.Track{Type: media.Video}, err
	}
	v := &videoStage{
		to: to, emit: emit, encoder: e, coded: coded.FPS, tuned: coded.FPS,
		keys: keyTimes{interval: to.KeyInterval},
		cap:  rateCap{interval: time.Duration(float64(time.Second) / to.FPS)},
	}
	return v, videoOutput(coded, e), nil
}

// videoOutput describes what the encoder makes.
func videoOutput(to media.VideoOutput, e *encoder) media.Track {
	return media.Track{
		Type: media.Video, Codec: media.H264, Profile: "High", Bitrate: to.Bitrate,
		Extradata: e.codec.ExtraData(),
		Width:     to.Width, Height: to.Height, FPS: to.FPS, PixelFormat: "yuv420p",
	}
}

func (v *videoStage) frame(f *astiav.Frame, d *decoder) error {
	at, ok := v.time(d)
	if !ok || d.info.corrupt != 0 && !v.began || !v.cap.keep(at) {
		return nil
	}
	f.SetPts(int64(at))
	v.last, v.began = at, true
	v.tune(d.track.FPS)
	if err := v.prepare(newPicture(&d.info, d.track.Rotation)); err != nil {
		return err
	}
	switch {
	case v.graph != nil:
		return v.graph.push(f, v.encode)
	case v.beyond:
		d.damaged++
		return nil
	}
	return v.encode(f)
}

// tune keeps the bit rate with a source of another frame rate, 0 for one that
// is not known: the encoder shares it among as many pictures as it was told.
func (v *videoStage) tune(fps float64) {
	if fps = expectedFPS(fps, v.to); fps == v.tuned {
		return
	}
	v.tuned = fps
	rate := int64(float64(v.to.Bitrate) * v.coded / fps)
	v.encoder.codec.SetBitRate(rate)
	v.encoder.codec.SetRateControlMaxRate(rate)
}

// expectedFPS is what comes of a source with so many frames per second.
func expectedFPS(fps float64, to media.VideoOutput) float64 {
	if fps > 0 {
		return min(fps, to.FPS)
	}
	return to.FPS
}

// time is when the picture is shown, and whether it is to be shown at all: it
// is later than those before and than what is to be left out.
func (v *videoStage) time(d *decoder) (time.Duration, bool) {
	at := time.Duration(d.info.pts)
	if d.info.pts == int64NoPTS {
		at = v.last + max(v.cap.interval, time.Duration(d.info.duration))
	}
	over := v.until > 0 && at >= v.until
	return at, at >= v.skip && !over && (!v.began || at > v.last)
}

// prepare makes the filters that a picture of this shape needs.
func (v *videoStage) prepare(p picture) error {
	p.interlaced = p.interlaced || v.interlaced
	if v.shape == p {
		return nil
	}
	if err := v.drain(false); err != nil {
		return err
	}
	chain := p.chain(v.to)
	v.shape, v.interlaced = p, p.interlaced
	if p.hdr() {
		var err error
		if v.tone, err = newToneMap(p.transfer, v.to); err != nil {
			return err
		}
	}
	if chain == "" {
		return nil
	}
	g, err := newGraph(videoGraph, chain, func(b *astiav.BuffersrcFilterContextParameters) {
		b.SetWidth(p.width)
		b.SetHeight(p.height)
		b.SetPixelFormat(p.format)
		b.SetSampleAspectRatio(astiav.NewRational(p.sarNum, p.sarDen))
		b.SetColorSpace(p.space)
		b.SetColorRange(p.rangeOf)
	})
	v.graph, v.beyond = g, err != nil
	return onlyMemory(err)
}

// encode makes a keyframe of the picture when it is time for one.
func (v *videoStage) encode(f *astiav.Frame) error {
	if v.tone != nil {
		var err error
		if f, err = v.tone.sdr(f); err != nil {
			return err
		}
	}
	at := time.Duration(f.Pts())
	f.SetPictureType(astiav.PictureTypeNone) // the source's is not to be ours
	if v.keys.due(at) {
		f.SetPictureType(astiav.PictureTypeI)
	}
	return v.encoder.encode(f, func(p *astiav.Packet) {
		at := time.Duration(p.Pts())
		v.emit(media.Packet{
			PTS: at, DTS: at, Duration: v.cap.interval,
			Keyframe: p.Flags().Has(astiav.PacketFlagKey), Data: p.Data(),
		})
	})
}

// drain ends the filters. The encoder holds nothing back.
func (v *videoStage) drain(bool) error {
	g := v.graph
	v.graph, v.shape, v.interlaced, v.beyond = nil, picture{}, false, false
	err := g.finish(v.encode)
	v.tone.close()
	v.tone = nil
	return err
}

func (v *videoStage) skipBefore(t time.Duration) { v.skip = t }
func (v *videoStage) skipFrom(t time.Duration)   { v.until = t }

// forceKey makes the next picture a keyframe.
func (v *videoStage) forceKey() { v.keys.began = false }

func (v *videoStage) close() {
	v.graph.close()
	v.tone.close()
	v.encoder.close()
}

// rateCap leaves out pictures of a source that has more than asked for, evenly.
type rateCap struct {
	interval time.Duration
	due      time.Duration
	began    bool
}

// keep says whether the picture of this time is to be shown.
func (c *rateCap) keep(at time.Duration) bool {
	if c.began && at < c.due-c.interval/4 {
		return false
	}
	if !c.began || at > c.due+c.interval {
		c.due = at
	}
	c.due += c.interval
	c.began = true
	return true
}

// keyTimes says when a keyframe is due: at most interval after the last.
type keyTimes struct {
	interval   time.Duration
	last, prev time.Duration
	began      bool
}

func (k *keyTimes) due(at time.Duration) bool {
	next := at + (at - k.prev) // when the picture after this one may come
	k.prev = at
	if k.began && next-k.last <= k.interval+time.Millisecond {
		return false
	}
	k.last, k.began = at, true
	return true
}
