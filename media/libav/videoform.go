package libav

// #include "codec.h"
import "C"

import (
	"github.com/asticode/go-astiav"
	"github.com/roomcast/roomcast/media"
)

// videoForm brings pictures to the output's form: its size, colours and frames.
type videoForm struct {
	to         media.VideoOutput
	done       func(*astiav.Frame) error // takes a picture of that form
	graph      *graph                    // nil while pictures need nothing done
	beyond     bool                      // nothing can be done with pictures of this shape
	shape      picture
	interlaced bool     // a picture of this shape was
	tone       *toneMap // nil while pictures are SDR
}

// take takes a picture of a shape; done gets what comes of it, at once or with a later
// one.
func (v *videoForm) take(f *astiav.Frame, p picture) error {
	if err := v.prepare(p); err != nil {
		return err
	}
	switch {
	case v.graph != nil:
		return v.graph.push(f, v.finish)
	case v.beyond:
		return nil
	}
	return v.finish(f)
}

// prepare makes the filters that a picture of this shape needs.
func (v *videoForm) prepare(p picture) error {
	p.interlaced = p.interlaced || v.interlaced
	if v.shape == p {
		return nil
	}
	if err := v.drain(); err != nil {
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

// finish does what the filters do not.
func (v *videoForm) finish(f *astiav.Frame) error {
	if code := C.rc_on_black(cFrame(f)); code < 0 {
		return astiav.Error(code)
	}
	if v.tone != nil {
		var err error
		if f, err = v.tone.sdr(f); err != nil {
			return err
		}
	}
	return v.done(f)
}

// drain makes what the filters hold come out, and ends them.
func (v *videoForm) drain() error {
	g := v.graph
	v.graph, v.shape, v.interlaced, v.beyond = nil, picture{}, false, false
	err := g.finish(v.finish)
	v.tone.close()
	v.tone = nil
	return err
}

func (v *videoForm) close() {
	v.graph.close()
	v.tone.close()
}
