package libav

import (
	"time"

	"github.com/asticode/go-astiav"
	"github.com/roomcast/roomcast/media"
)

// videoStage decides which pictures are shown, and when. form brings these to the
// output's form, coder encodes them.
type videoStage struct {
	form  videoForm
	coder videoCoder
	cap   rateCap
	skip  time.Duration
	until time.Duration // 0: no end
	last  time.Duration // of the picture that came last
	began bool          // last is set
	still stillPicture  // as it was encoded

	before stillPicture // as it was decoded, while all is skipped
	stood  picture      // before's shape
	skips  bool         // nothing was shown since skip was set
}

// newVideoStage returns the stage for a source of guess frames per second, 0
// when unknown, and what comes out of it.
func newVideoStage(to media.VideoOutput, guess float64, emit func(media.Packet)) (stage, media.Track, error) {
	c, output, err := newVideoCoder(to, guess, emit)
	if err != nil {
		return nil, output, err
	}
	v := &videoStage{coder: c, cap: rateCap{interval: interval(to.FPS)}}
	v.form = videoForm{to: to, done: v.encode}
	return v, output, nil
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
	v.come(at, d.track.FPS)
	if err := v.show(f, at, newPicture(&d.info, d.track)); err != nil {
		return err
	}
	if v.form.beyond {
		d.damaged++
	}
	return nil
}

// come tunes the coder to a picture that comes.
func (v *videoStage) come(at time.Duration, guess float64) {
	if !v.coder.another(guess) && v.began {
		v.coder.pace.note(at - v.last)
	}
	v.coder.tune()
}

// show brings a picture of this shape to the output's form and encodes it.
func (v *videoStage) show(f *astiav.Frame, at time.Duration, p picture) error {
	v.last, v.began, v.skips = at, true, false
	v.before.drop()
	return v.form.take(f, p)
}

// time is when the picture is shown, and whether it is to be shown at all: it
// is later than those before and than what is to be left out.
func (v *videoStage) time(d *decoder) (time.Duration, bool) {
	at := time.Duration(d.info.pts)
	if d.info.pts == int64NoPTS {
		at = v.last + max(v.coder.pace.apart, time.Duration(d.info.duration))
	}
	over := v.until > 0 && at >= v.until
	return at, at >= v.skip && !over && (!v.began || at > v.last)
}

// encode gives the picture to the encoder, and before it the last one again
// where the source has a hole.
func (v *videoStage) encode(f *astiav.Frame) error {
	for _, at := range v.still.between(time.Duration(f.Pts())) {
		if at < v.skip || !v.coder.keys.began { // viewers begin anew behind the hole
			continue
		}
		if err := v.coder.encode(v.still.frame, at, media.Held); err != nil {
			return err
		}
	}
	if err := v.still.hold(f, time.Duration(f.Pts())); err != nil {
		return err
	}
	return v.coder.encode(f, time.Duration(f.Pts()), media.Taken)
}

// drain ends the filters. The encoder holds nothing back.
func (v *videoStage) drain(bool) error { return v.form.drain() }

func (v *videoStage) leaveOut(s side, t time.Duration) {
	if s == sideFrom {
		v.until = t
		return
	}
	v.skip, v.skips = t, true
	v.before.drop()
}

// forceKey makes the next picture a keyframe.
func (v *videoStage) forceKey() { v.coder.keys.began = false }

func (v *videoStage) close() {
	v.form.close()
	v.still.drop()
	v.before.drop()
	v.coder.encoder.close()
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
