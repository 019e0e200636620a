package libav

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/asticode/go-astiav"
	"github.com/roomcast/roomcast/media"
)

// TranscodeConfig is what Transcoders work with.
type TranscodeConfig struct {
	// Log receives libav's lines about their work, once SetLogger was called;
	// nil is slog.Default.
	Log *slog.Logger
}

// Transcoders makes transcoders with libav. It is safe for concurrent use.
type Transcoders struct{ log *slog.Logger }

var _ media.Transcoders = (*Transcoders)(nil)

// NewTranscoders returns Transcoders. It takes libav's log away from standard
// error.
func NewTranscoders(c TranscodeConfig) *Transcoders {
	installLog()
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Transcoders{log: c.Log}
}

// With returns Transcoders whose lines go to log.
func (ts *Transcoders) With(_ context.Context, log *slog.Logger, _ *media.Conduct) media.Transcoders {
	return &Transcoders{log: log}
}

// stage is what happens to frames between decoder and room. Its packets go to
// the func it was made with.
type stage interface {
	// frame takes a decoded frame, which is the decoder's own, and what is
	// known about it.
	frame(f *astiav.Frame, d *decoder) error
	// drain makes what the filters hold come out, and with all what the encoder
	// holds, too.
	drain(all bool) error
	// leaveOut leaves out what is on a side of t; from 0 on: nothing.
	leaveOut(s side, t time.Duration)
	close()
}

// side is what of a stage's packets is left out.
type side int

const (
	sideBefore side = iota // a time
	sideFrom               // a time on
)

// transcoder is a media.Transcoder: a decoder and a stage.
type transcoder struct {
	scope   *scope
	decoder *decoder // nil after Close, and after an Input that failed
	stage   stage
	output  media.Track
	out     []media.Packet
	damaged int64 // of decoders before
}

var _ media.Transcoder = (*transcoder)(nil)

func (t *transcoder) emit(p media.Packet) { t.out = append(t.out, p) }

// do runs act so that libav's log lines are the transcoder's, and returns the
// packets that came of it.
func (t *transcoder) do(act func() error) ([]media.Packet, error) {
	t.out = nil
	err := t.scope.run(act)
	if _, typed := errors.AsType[*media.Error](err); err != nil && !typed {
		err = &media.Error{Kind: media.KindInternal, Op: "transcode " + t.output.Type.String(), Err: err}
	}
	return t.out, err
}

var errNoDecoder = errors.New("it has no decoder")

func (t *transcoder) Output() media.Track { return t.output }

func (t *transcoder) Transcode(p media.Packet) ([]media.Packet, error) {
	return t.do(func() error {
		if t.decoder == nil {
			return errNoDecoder
		}
		if v, ok := t.stage.(*videoStage); ok && t.decoder.again(p) {
			if shown, err := v.again(p.PTS, t.decoder.track.FPS); shown || err != nil {
				return err
			}
		}
		return t.decoder.decode(p, t.frame)
	})
}

func (t *transcoder) frame(f *astiav.Frame) error { return t.stage.frame(f, t.decoder) }

func (t *transcoder) Input(next media.Track) ([]media.Packet, error) {
	return t.do(func() error {
		if next.Type != t.output.Type {
			return fmt.Errorf("a track of %s for one of %s", next.Type, t.output.Type)
		}
		if err := t.drain(false); err != nil {
			return err
		}
		t.closeDecoder()
		var err error
		t.decoder, err = newDecoder(next)
		return err
	})
}

func (t *transcoder) Flush() ([]media.Packet, error) {
	return t.do(func() error { return t.drain(true) })
}

func (t *transcoder) drain(all bool) error {
	if t.decoder != nil {
		if err := t.decoder.drain(t.frame); err != nil {
			return err
		}
	}
	return t.stage.drain(all)
}

func (t *transcoder) SkipBefore(at time.Duration) { t.stage.leaveOut(sideBefore, at) }
func (t *transcoder) SkipFrom(at time.Duration)   { t.stage.leaveOut(sideFrom, at) }

func (t *transcoder) Repeat(at time.Duration) ([]media.Packet, error) {
	return t.do(func() error {
		if v, ok := t.stage.(*videoStage); ok {
			return v.repeat(at)
		}
		return nil
	})
}

func (t *transcoder) ForceKey() {
	if v, ok := t.stage.(*videoStage); ok {
		v.forceKey()
	}
}

func (t *transcoder) Damaged() int64 {
	n := t.damaged
	t.damaged = 0
	if t.decoder != nil {
		n, t.decoder.damaged = n+t.decoder.damaged, 0
	}
	return n
}

func (t *transcoder) closeDecoder() {
	if t.decoder != nil {
		t.damaged += t.decoder.damaged
		t.decoder.close()
		t.decoder = nil
	}
}

func (t *transcoder) Close() {
	if t.stage == nil {
		return
	}
	_ = t.scope.run(func() error {
		t.closeDecoder()
		t.stage.close()
		return nil
	})
	t.stage = nil
	t.scope.close()
	trimHeap() // the push may go on without it
}

func (ts *Transcoders) newScope() *scope {
	s := &scope{log: ts.log, chatty: true}
	s.begin()
	return s
}

// make puts a transcoder together; begin makes its stage and says what comes
// out.
func (ts *Transcoders) make(in media.Track, begin func(t *transcoder) error) (media.Transcoder, error) {
	t := &transcoder{scope: ts.newScope()}
	_, err := t.do(func() (err error) {
		if t.decoder, err = newDecoder(in); err != nil {
			return err
		}
		return begin(t)
	})
	if err == nil {
		return t, nil
	}
	t.closeDecoder()
	t.scope.close()
	return nil, err
}

// Video returns a transcoder from t to H.264. Errors are *media.Error:
// KindSourceUnsupported without a decoder for t.
func (ts *Transcoders) Video(t media.Track, to media.VideoOutput) (media.Transcoder, error) {
	to, err := checkVideo(to)
	if err != nil {
		return nil, err
	}
	return ts.make(t, func(tc *transcoder) (err error) {
		tc.output.Type = media.Video
		tc.stage, tc.output, err = newVideoStage(to, t.FPS, tc.emit)
		return err
	})
}

// Audio returns a transcoder from t to AAC-LC. Errors are *media.Error:
// KindSourceUnsupported without a decoder for t.
func (ts *Transcoders) Audio(t media.Track, to media.AudioOutput) (media.Transcoder, error) {
	if err := checkAudio(to); err != nil {
		return nil, err
	}
	return ts.make(t, func(tc *transcoder) (err error) {
		tc.output.Type = media.Audio
		tc.stage, tc.output, err = newAudioStage(to, tc.emit)
		return err
	})
}

// checkVideo fills in what to leaves open and refuses what cannot be encoded.
func checkVideo(to media.VideoOutput) (media.VideoOutput, error) {
	const most = 4096
	if to.FPS <= 0 || math.IsNaN(to.FPS) {
		to.FPS = defaultFPS
	}
	if to.KeyInterval <= 0 {
		to.KeyInterval = defaultKeyInterval
	}
	switch {
	case to.Width < 16 || to.Height < 16 || to.Width > most || to.Height > most, to.Width%2 != 0 || to.Height%2 != 0:
		return to, outputError("a picture of %d x %d", to.Width, to.Height)
	case to.Bitrate <= 0, to.FPS > 240:
		return to, outputError("video of %d b/s at %g fps", to.Bitrate, to.FPS)
	}
	return to, nil
}

func checkAudio(to media.AudioOutput) error {
	switch {
	case to.Channels != 1 && to.Channels != 2, to.SampleRate < 8000, to.SampleRate > 96000, to.Bitrate <= 0:
		return outputError("audio of %d channels, %d Hz, %d b/s", to.Channels, to.SampleRate, to.Bitrate)
	case to.Volume < 0 || to.Volume > 200:
		return outputError("a volume of %d percent", to.Volume)
	}
	return nil
}

func outputError(format string, args ...any) error {
	return &media.Error{Kind: media.KindInternal, Op: "open encoder", Err: fmt.Errorf(format+" cannot be made", args...)}
}
