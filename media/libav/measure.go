package libav

import (
	"cmp"
	"log/slog"
	"runtime"
	"time"

	"github.com/asticode/go-astiav"
	"golang.org/x/sys/unix"

	"github.com/roomcast/roomcast/media"
)

// measured is what Speed encodes: the picture that is re-encoded most.
var measured = media.VideoOutput{Width: 1280, Height: 720, FPS: 30, Bitrate: 1_800_000, KeyInterval: 2 * time.Second}

const (
	// measuredPictures is how many there are, half a second of them: more say the same.
	measuredPictures = 15
	// measureTime is after how much work of a core no more of them are made.
	measureTime = 2 * time.Second
)

// Speeds measures how fast this machine encodes.
type Speeds struct{ log *slog.Logger }

// NewSpeeds returns Speeds; log receives what libav says at its work.
func NewSpeeds(log *slog.Logger) *Speeds {
	installLog()
	return &Speeds{log: log}
}

// Speed returns how many pixels one core encodes in a second, as pushes are
// encoded. The time is that of the core, so that what else the machine does
// hardly counts.
func (s *Speeds) Speed() (pixels int64, err error) {
	sc := &scope{log: s.log}
	sc.begin()
	defer sc.close()
	err = sc.run(func() (err error) {
		pixels, err = encodeSpeed(measured)
		return err
	})
	if err != nil {
		return 0, &media.Error{Kind: media.KindInternal, Op: "measure the encoder", Err: err}
	}
	return pixels, nil
}

func encodeSpeed(of media.VideoOutput) (int64, error) {
	runtime.LockOSThread() // a picture of this size has one thread: this one
	defer runtime.UnlockOSThread()
	e, err := newVideoEncoder(of, of.FPS)
	if err != nil {
		return 0, err
	}
	defer e.close()
	f := astiav.AllocFrame()
	if f == nil {
		return 0, errNoMemory
	}
	defer f.Free()
	var spent time.Duration
	count := 0
	for spent < measureTime && count < measuredPictures {
		f.Unref() // the encoder may have kept the one before
		f.SetWidth(of.Width)
		f.SetHeight(of.Height)
		f.SetPixelFormat(astiav.PixelFormatYuv420P)
		if err := cmp.Or(f.AllocBuffer(0), f.Data().SetBytes(movingPicture(of.Width, of.Height, count), 1)); err != nil {
			return 0, err
		}
		f.SetPts(int64(float64(count) * float64(time.Second) / of.FPS))
		before := threadTime()
		if err := e.encode(f, func(*astiav.Packet) {}); err != nil {
			return 0, err
		}
		spent += threadTime() - before
		count++
	}
	return int64(float64(count*of.Width*of.Height) / max(spent, time.Millisecond).Seconds()), nil
}

// movingPicture returns picture n of a camera that pans over a textured plane, with
// the noise of a sensor: as much work for an encoder as a filmed scene.
func movingPicture(width, height, n int) []byte {
	picture := make([]byte, width*height*3/2)
	seed := uint32(n + 1)
	for y := range height {
		for x := range width {
			seed = seed*1664525 + 1013904223
			u, v := uint32(x+3*n), uint32(y+n)
			texture := (u/16*2654435761 ^ v/16*40503) >> 13 & 63
			slope := (u + v) / 16 & 63
			picture[y*width+x] = byte(64 + texture + slope + seed>>29)
		}
	}
	chroma := picture[width*height:]
	for i := range chroma {
		chroma[i] = byte(112 + (i%(width/2)+n)/32&31)
	}
	return picture
}

// threadTime is how much of a core the calling thread has used.
func threadTime() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
