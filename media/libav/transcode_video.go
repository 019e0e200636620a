package libav

// #include "codec.h"
import "C"

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
	coded   float64       // frames per second that the encoder counts with
	tuned   time.Duration // and how far apart they are that it has bits for
	guess   float64       // the source's frames per second, 0 when unknown
	pace    pace
	keys    keyTimes
	cap     rateCap
	skip    time.Duration
	until   time.Duration // 0: no end
	last    time.Duration // of the picture that came last
	began   bool          // last is set
	still   stillPicture  // as it was encoded
	before  stillPicture  // as it was decoded, while all is skipped
	stood   picture       // before's shape
	skips   bool          // nothing was shown since skip was set

	graph      *graph // nil while pictures need nothing done
	beyond     bool   // nothing can be done with pictures of this shape
	shape      picture
	interlaced bool     // a picture of this shape was
	tone       *toneMap // nil while pictures are SDR
}

// newVideoStage returns the stage for a source of guess frames per second, 0
// when unknown, and what comes out of it.
func newVideoStage(to media.VideoOutput, guess float64, emit func(media.Packet)) (stage, media.Track, error) {
	fps := expectedFPS(guess, to)
	e, err := newVideoEncoder(to, fps)
	if err != nil {
		return nil, media.Track{Type: media.Video}, err
	}
	v := &videoStage{
		to: to, emit: emit, encoder: e, coded: fps, tuned: interval(fps), guess: guess, pace: newPace(guess, to),
		keys: keyTimes{interval: to.KeyInterval},
		cap:  rateCap{interval: interval(to.FPS)},
	}
	return v, videoOutput(to, fps, e), nil
}

// videoOutput describes what the encoder makes.
func videoOutput(to media.VideoOutput, fps float64, e *encoder) media.Track {
	return media.Track{
		Type: media.Video, Codec: media.H264, Profile: "High", Bitrate: to.Bitrate,
		Extradata: e.codec.ExtraData(),
		Width:     to.Width, Height: to.Height, FPS: fps, PixelFormat: "yuv420p",
	}
}

func (v *videoStage) frame(f *astiav.Frame, d *decoder) error {
	at, ok := v.time(d)
	if v.skips && at < v.skip && d.info.corrupt == 0 {
		v.stood = newPicture(&d.info, d.track)
		return v.before.hold(f, at)
	}
	if !ok || d.info.corrupt != 0 && !v.began || !v.cap.keep(at) {
		return nil
	}
	f.SetPts(int64(at))
	v.tune(at, d.track.FPS)
	if err := v.show(f, at, newPicture(&d.info, d.track)); err != nil {
		return err
	}
	if v.beyond {
		d.damaged++
	}
	return nil
}

// show brings a picture of this shape to the output's form and encodes it.
func (v *videoStage) show(f *astiav.Frame, at time.Duration, p picture) error {
	v.last, v.began, v.skips = at, true, false
	v.before.drop()
	if err := v.prepare(p); err != nil {
		return err
	}
	switch {
	case v.graph != nil:
		return v.graph.push(f, v.encode)
	case v.beyond:
		return nil
	}
	return v.encode(f)
}

// tune keeps the bit rate, whatever the frame rate was guessed to be: the
// encoder counts pictures, and shares it among as many as it was told.
func (v *videoStage) tune(at time.Duration, guess float64) {
	switch {
	case guess != v.guess: // another source
		v.guess, v.pace = guess, newPace(guess, v.to)
	case v.began:
		v.pace.note(at - v.last)
	}
	const close = 20 // a twentieth: no steady source is tuned to twice
	if (v.pace.apart - v.tuned).Abs() <= v.tuned/close {
		return
	}
	v.tuned = v.pace.apart
	rate := int64(float64(v.to.Bitrate) * v.coded * v.tuned.Seconds())
	v.encoder.codec.SetBitRate(rate)
	v.encoder.codec.SetRateControlMaxRate(rate)
}

// time is when the picture is shown, and whether it is to be shown at all: it
// is later than those before and than what is to be left out.
func (v *videoStage) time(d *decoder) (time.Duration, bool) {
	at := time.Duration(d.info.pts)
	if d.info.pts == int64NoPTS {
		at = v.last + max(v.pace.apart, time.Duration(d.info.duration))
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
	g, err := newVideoGraph(chain, p)
	v.graph, v.beyond = g, err != nil
	return onlyMemory(err)
}

// encode gives the picture to the encoder, and before it the last one again
// where the source has a hole.
func (v *videoStage) encode(f *astiav.Frame) error {
	if code := C.rc_on_black(cFrame(f)); code < 0 {
		return astiav.Error(code)
	}
	if v.tone != nil {
		var err error
		if f, err = v.tone.sdr(f); err != nil {
			return err
		}
	}
	for _, at := range v.still.between(time.Duration(f.Pts())) {
		if at < v.skip || !v.keys.began { // viewers begin anew behind the hole
			continue
		}
		if err := v.encodeAt(v.still.frame, at); err != nil {
			return err
		}
	}
	if err := v.still.hold(f, time.Duration(f.Pts())); err != nil {
		return err
	}
	return v.encodeAt(f, time.Duration(f.Pts()))
}

// encodeAt makes a keyframe of the picture when it is time for one.
func (v *videoStage) encodeAt(f *astiav.Frame, at time.Duration) error {
	f.SetPts(int64(at))
	f.SetPictureType(astiav.PictureTypeNone) // the source's is not to be ours
	if v.keys.due(at) {
		f.SetPictureType(astiav.PictureTypeI)
	}
	return v.encoder.encode(f, func(p *astiav.Packet) {
		at := time.Duration(p.Pts())
		v.emit(media.Packet{
			PTS: at, DTS: at, Duration: v.pace.apart,
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

func (v *videoStage) skipBefore(t time.Duration) {
	v.skip, v.skips = t, true
	v.before.drop()
}

func (v *videoStage) skipFrom(t time.Duration) { v.until = t }

// forceKey makes the next picture a keyframe.
func (v *videoStage) forceKey() { v.keys.began = false }

func (v *videoStage) close() {
	v.graph.close()
	v.tone.close()
	v.still.drop()
	v.before.drop()
	v.encoder.close()
}

// slowestFPS is what a source has bits for at least: with fewer pictures, the
// bit rate is not used up.
const slowestFPS = 4

// expectedFPS is what comes of a source of guess frames per second.
func expectedFPS(guess float64, to media.VideoOutput) float64 {
	if guess > 0 {
		return min(max(guess, slowestFPS), to.FPS)
	}
	return to.FPS
}

func interval(fps float64) time.Duration { return time.Duration(float64(time.Second) / fps) }

// pace is how far apart pictures come: at first as was guessed, then as the
// last ones did.
type pace struct {
	apart   time.Duration // on average
	most    time.Duration // that counts of a gap
	counted int           // pictures in it, what the guess is worth included
}

// newPace begins with what was guessed. A guess below half of what may come is
// not trusted: the first pictures would take far more bits than they have.
func newPace(guess float64, to media.VideoOutput) pace {
	const worth = 2
	begin := max(expectedFPS(guess, to), to.FPS/2)
	return pace{apart: interval(begin), most: interval(min(slowestFPS, to.FPS)), counted: worth}
}

func (p *pace) note(apart time.Duration) {
	const over = 30 // pictures
	p.counted = min(p.counted+1, over)
	p.apart += (min(apart, p.most) - p.apart) / time.Duration(p.counted)
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
