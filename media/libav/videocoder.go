package libav

import (
	"time"

	"github.com/asticode/go-astiav"
	"github.com/roomcast/roomcast/media"
)

// videoCoder encodes pictures that have the output's form. It decides which of them
// are keyframes, and how many bits each has.
type videoCoder struct {
	to      media.VideoOutput
	emit    func(media.Packet)
	encoder *encoder
	counted float64       // frames per second that the encoder counts with
	tuned   time.Duration // how far apart pictures are that it has bits for
	guess   float64       // the source's frames per second, 0 when unknown
	pace    pace
	keys    keyTimes
}

// newVideoCoder returns the coder for a source of guess frames per second, 0 when
// unknown, and what comes out of it.
func newVideoCoder(to media.VideoOutput, guess float64, emit func(media.Packet)) (videoCoder, media.Track, error) {
	fps := expectedFPS(guess, to)
	e, err := newVideoEncoder(to, fps)
	if err != nil {
		return videoCoder{}, media.Track{Type: media.Video}, err
	}
	c := videoCoder{
		to: to, emit: emit, encoder: e, counted: fps, tuned: interval(fps), guess: guess, pace: newPace(guess, to),
		keys: keyTimes{interval: to.KeyInterval},
	}
	return c, videoOutput(to, fps, e), nil
}

// videoOutput describes what the encoder makes.
func videoOutput(to media.VideoOutput, fps float64, e *encoder) media.Track {
	return media.Track{
		Type: media.Video, Codec: media.H264, Profile: "High", Bitrate: to.Bitrate,
		Extradata: e.codec.ExtraData(),
		Width:     to.Width, Height: to.Height, FPS: fps, PixelFormat: "yuv420p",
	}
}

// another is told how many frames per second the source is said to have, and says
// whether that is not what it was: it is another source.
func (c *videoCoder) another(guess float64) bool {
	if guess == c.guess {
		return false
	}
	c.guess, c.pace = guess, newPace(guess, c.to)
	return true
}

// tune keeps the bit rate, whatever the frame rate was guessed to be: the
// encoder counts pictures, and shares it among as many as it was told.
func (c *videoCoder) tune() {
	const close = 20 // a twentieth: no steady source is tuned to twice
	if (c.pace.apart - c.tuned).Abs() <= c.tuned/close {
		return
	}
	c.tuned = c.pace.apart
	rate := int64(float64(c.to.Bitrate) * c.counted * c.tuned.Seconds())
	c.encoder.codec.SetBitRate(rate)
	c.encoder.codec.SetRateControlMaxRate(rate)
}

// encode makes a keyframe of the picture when it is time for one.
func (c *videoCoder) encode(f *astiav.Frame, at time.Duration, from media.Origin) error {
	f.SetPts(int64(at))
	f.SetPictureType(astiav.PictureTypeNone) // the source's is not to be ours
	if c.keys.due(at) {
		f.SetPictureType(astiav.PictureTypeI)
	}
	return c.encoder.encode(f, func(p *astiav.Packet) {
		at := time.Duration(p.Pts())
		c.emit(media.Packet{
			PTS: at, DTS: at, Duration: c.pace.apart,
			Keyframe: p.Flags().Has(astiav.PacketFlagKey), Data: p.Data(), OnAir: media.OnAir{Origin: from},
		})
	})
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
