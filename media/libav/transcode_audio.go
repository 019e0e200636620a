package libav

// #include "codec.h"
import "C"

import (
	"fmt"
	"slices"
	"time"

	"github.com/asticode/go-astiav"
	"github.com/roomcast/roomcast/media"
)

const (
	// driftLimit is how far sound may be from its timestamp. Beyond it silence
	// is put in, or sound left out; within it the timestamps are taken for
	// rounded.
	driftLimit = 20 * time.Millisecond
	// longestSilence is the longest gap that is filled; after a longer one the
	// timestamps jump.
	longestSilence = 10 * time.Second
	// noPosition is the position of a block that nobody is to hear.
	noPosition = -1
	int64NoPTS = C.AV_NOPTS_VALUE
)

// audioStage brings sound to the output's form, lays it on the room's time and
// encodes it. Positions are counted in samples of the output from the room's
// zero.
type audioStage struct {
	to      media.AudioOutput
	emit    func(media.Packet)
	encoder *encoder
	fifo    *C.AVAudioFifo
	block   *astiav.Frame // what goes into the encoder
	blocks  int64         // that went in

	graph    *graph
	shape    sound
	expected time.Duration // of the next decoded frame, should it have no time

	next  int64 // position after the last sample in fifo
	began bool  // next is set
	seam  bool  // the next sound is another input's: it goes exactly where its time says
	skip  int64
	until int64 // position of the end; 0: none
	// held are the positions of the blocks in the encoder. It is one behind: the
	// packet it gives for a block carries the sound of the block before.
	held []int64
}

// sound is what of a decoded frame decides about its filters.
type sound struct {
	format, rate, channels C.int
	layout                 C.uint64_t
}

func newAudioStage(to media.AudioOutput, emit func(media.Packet)) (stage, media.Track, error) {
	track := media.Track{Type: media.Audio, Codec: media.AAC, Profile: "LC", Bitrate: to.Bitrate, SampleRate: to.SampleRate, Channels: to.Channels}
	e, err := newAudioEncoder(to)
	if err != nil {
		return nil, track, err
	}
	a := &audioStage{to: to, emit: emit, encoder: e, held: []int64{noPosition}}
	if err := a.allocate(); err != nil {
		a.close()
		return nil, track, err
	}
	track.Extradata = e.codec.ExtraData()
	return a, track, nil
}

func (a *audioStage) allocate() error {
	a.fifo = C.av_audio_fifo_alloc(C.AV_SAMPLE_FMT_FLTP, C.int(a.to.Channels), 4*aacFrame)
	a.block = astiav.AllocFrame()
	if a.fifo == nil || a.block == nil {
		return errNoMemory
	}
	a.block.SetNbSamples(aacFrame)
	a.block.SetSampleFormat(astiav.SampleFormatFltp)
	a.block.SetSampleRate(a.to.SampleRate)
	a.block.SetChannelLayout(a.encoder.codec.ChannelLayout())
	return a.block.AllocBuffer(0)
}

func (a *audioStage) frame(f *astiav.Frame, d *decoder) error {
	i := &d.info
	if i.samples <= 0 || i.rate <= 0 || i.channels <= 0 {
		return nil
	}
	at := time.Duration(i.pts)
	if i.pts == int64NoPTS {
		at = a.expected
	}
	a.expected = at + time.Duration(i.samples)*time.Second/time.Duration(i.rate)
	f.SetPts(int64(at))
	if err := a.prepare(sound{i.format, i.rate, i.channels, i.layout}, f.ChannelLayout()); err != nil {
		return err
	}
	if a.graph == nil {
		d.damaged++
		return nil
	}
	return a.graph.push(f, a.place)
}

// prepare makes the filters that sound of this shape needs; none are there
// after it when the shape is beyond them.
func (a *audioStage) prepare(s sound, layout astiav.ChannelLayout) error {
	if a.shape == s {
		return nil
	}
	if err := a.drain(false); err != nil {
		return err
	}
	g, err := newGraph(audioGraph, a.chain(), func(b *astiav.BuffersrcFilterContextParameters) {
		b.SetSampleFormat(astiav.SampleFormat(s.format))
		b.SetSampleRate(int(s.rate))
		b.SetChannelLayout(layout)
	})
	a.graph, a.shape = g, s
	return onlyMemory(err)
}

// chain is the same for every input. The sum of channels is scaled down so that
// it cannot clip; what a volume above 100 would clip is held down.
func (a *audioStage) chain() string {
	layout := "stereo"
	if a.to.Channels == 1 {
		layout = "mono"
	}
	chain := fmt.Sprintf("aresample=osr=%d:osf=fltp:ochl=%s:rematrix_maxval=1", a.to.SampleRate, layout)
	switch {
	case a.to.Volume > 100:
		chain += fmt.Sprintf(",volume=%g,alimiter=limit=0.95:attack=5:release=50:level=0:latency=1", float64(a.to.Volume)/100)
	case a.to.Volume < 100:
		chain += fmt.Sprintf(",volume=%g", float64(a.to.Volume)/100)
	}
	return chain + fmt.Sprintf(",aformat=sample_fmts=fltp:sample_rates=%d:channel_layouts=%s", a.to.SampleRate, layout)
}

func (a *audioStage) position(t time.Duration) int64 {
	return astiav.RescaleQ(int64(t), nanoseconds, astiav.NewRational(1, a.to.SampleRate))
}

func (a *audioStage) time(position int64) time.Duration {
	return time.Duration(astiav.RescaleQ(position, astiav.NewRational(1, a.to.SampleRate), nanoseconds))
}

// place puts sound where its timestamp says.
func (a *audioStage) place(f *astiav.Frame) error {
	start, count := a.position(time.Duration(f.Pts())), int64(f.NbSamples())
	if a.until > 0 {
		count = min(count, a.until-start)
	}
	if count <= 0 {
		return nil
	}
	if !a.began {
		a.begin(start)
	}
	limit := a.position(driftLimit)
	if a.seam {
		a.seam, limit = false, 0
	}
	drift := start - a.next
	switch {
	case drift > a.position(longestSilence):
		if err := a.jump(start); err != nil {
			return err
		}
	case drift > limit:
		if err := a.silence(drift); err != nil {
			return err
		}
	case drift < -limit:
		return a.write(f, -drift, count+drift)
	}
	return a.write(f, 0, count)
}

// begin sets where the first sample goes: not before what is to be left out,
// nor before what has gone out.
func (a *audioStage) begin(start int64) {
	a.next, a.began = max(start, a.next, a.skip, 0), true
}

// write appends count samples, from skip on, and encodes what is whole.
func (a *audioStage) write(f *astiav.Frame, skip, count int64) error {
	if count <= 0 {
		return nil
	}
	if C.rc_write(a.fifo, cFrame(f), C.int(skip), C.int(count)) < 0 {
		return errNoMemory
	}
	a.next += count
	return a.encodeBlocks()
}

func (a *audioStage) silence(count int64) error {
	for count > 0 {
		n := min(count, aacFrame)
		if C.rc_write_silence(a.fifo, cFrame(a.block), C.int(n)) < 0 {
			return errNoMemory
		}
		a.next += n
		count -= n
		if err := a.encodeBlocks(); err != nil {
			return err
		}
	}
	return nil
}

// jump goes on at a later position; nothing lies between.
func (a *audioStage) jump(position int64) error {
	if err := a.pad(); err != nil {
		return err
	}
	a.next = max(position, a.next)
	return nil
}

// pad fills the block that is begun.
func (a *audioStage) pad() error {
	if begun := a.waiting(); begun > 0 {
		return a.silence(aacFrame - begun)
	}
	return nil
}

func (a *audioStage) waiting() int64 { return int64(C.av_audio_fifo_size(a.fifo)) }

func (a *audioStage) encodeBlocks() error {
	for a.waiting() >= aacFrame {
		position := a.next - a.waiting()
		if C.rc_read_block(a.fifo, cFrame(a.block)) < 0 {
			return errNoMemory
		}
		if err := a.encode(position); err != nil {
			return err
		}
	}
	return nil
}

func (a *audioStage) encode(position int64) error {
	a.block.SetPts(a.blocks * aacFrame)
	a.blocks++
	a.held = append(a.held, position)
	return a.encoder.encode(a.block, a.packet)
}

func (a *audioStage) packet(p *astiav.Packet) {
	position := a.held[0]
	a.held = append(a.held[:0], a.held[1:]...)
	if position == noPosition {
		return
	}
	at := a.time(position)
	a.emit(media.Packet{PTS: at, DTS: at, Duration: a.time(aacFrame), Keyframe: true, Data: p.Data()})
}

// drain ends the filters; with all, silence behind the last sound brings that out of
// the encoder.
func (a *audioStage) drain(all bool) error {
	g := a.graph
	a.graph, a.shape, a.seam = nil, sound{}, true
	if err := g.finish(a.place); err != nil || !all {
		return err
	}
	if err := a.pad(); err != nil {
		return err
	}
	a.began = false
	for slices.ContainsFunc(a.held, func(position int64) bool { return position != noPosition }) {
		if C.rc_write_silence(a.fifo, cFrame(a.block), aacFrame) < 0 || C.rc_read_block(a.fifo, cFrame(a.block)) < 0 {
			return errNoMemory
		}
		if err := a.encode(noPosition); err != nil {
			return err
		}
	}
	return nil
}

// leaveOut cuts what is heard from t on, or forgets what is waiting and comes before.
func (a *audioStage) leaveOut(s side, t time.Duration) {
	if s == sideFrom {
		a.until = a.position(t)
		return
	}
	a.skip = a.position(t)
	if a.next >= a.skip {
		return
	}
	C.av_audio_fifo_reset(a.fifo)
	a.began = false
	for i := range a.held {
		a.held[i] = noPosition
	}
}

func (a *audioStage) close() {
	a.graph.close()
	if a.block != nil {
		a.block.Free()
	}
	if a.fifo != nil {
		C.av_audio_fifo_free(a.fifo)
	}
	a.encoder.close()
}

func cFrame(f *astiav.Frame) *C.AVFrame { return (*C.AVFrame)(f.UnsafePointer()) }
