package libav

// #include "codec.h"
import "C"

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/asticode/go-astiav"
	"github.com/roomcast/roomcast/media"
)

// encoder is an opened encoder whose Extradata is known.
type encoder struct {
	codec  *astiav.CodecContext
	packet *astiav.Packet
}

// openEncoder opens the encoder of this name as set says, with libav's options.
func openEncoder(name string, options map[string]string, set func(*astiav.CodecContext)) (*encoder, error) {
	codec := astiav.FindEncoderByName(name)
	if codec == nil {
		return nil, fmt.Errorf("no encoder %s in this build", name)
	}
	e := &encoder{codec: astiav.AllocCodecContext(codec), packet: astiav.AllocPacket()}
	if e.codec == nil || e.packet == nil {
		e.close()
		return nil, errNoMemory
	}
	set(e.codec)
	e.codec.SetFlags(e.codec.Flags().Add(astiav.CodecContextFlagGlobalHeader))
	d := astiav.NewDictionary()
	defer d.Free()
	for k, v := range options {
		if err := d.Set(k, v, 0); err != nil {
			e.close()
			return nil, err
		}
	}
	if err := e.codec.Open(codec, d); err != nil {
		e.close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return e, nil
}

// encode gives f, or nil for the end, to the encoder and its packets to each;
// a packet is the encoder's own.
func (e *encoder) encode(f *astiav.Frame, each func(*astiav.Packet)) error {
	if err := e.codec.SendFrame(f); err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	for {
		err := e.codec.ReceivePacket(e.packet)
		if errors.Is(err, astiav.ErrEagain) || errors.Is(err, astiav.ErrEof) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("encode: %w", err)
		}
		each(e.packet)
		e.packet.Unref()
	}
}

func (e *encoder) close() {
	if e.packet != nil {
		e.packet.Free()
	}
	if e.codec != nil {
		e.codec.Free()
	}
}

const (
	defaultFPS         = 30
	defaultKeyInterval = 2 * time.Second
	// bufferTime is for how long the bit rate may be above the asked one.
	bufferTime = time.Second
	// twoThreadsFrom is how many pixels one thread may not encode in time. More
	// cut the picture into slices, which costs CPU and bits.
	twoThreadsFrom = 1280*720 + 1
)

// newVideoEncoder returns an encoder for pictures that come fps times a second,
// as far as one knows. As many as to.FPS may come: its level allows for them.
func newVideoEncoder(to media.VideoOutput, fps float64) (*encoder, error) {
	if fps == to.FPS {
		return openVideoEncoder(to, fps, 0)
	}
	most, err := openVideoEncoder(to, to.FPS, 0)
	if err != nil {
		return nil, err
	}
	defer most.close()
	const level = 3 // AVCLevelIndication (ISO/IEC 14496-15, 5.3.3.1.2)
	return openVideoEncoder(to, fps, astiav.Level(most.codec.ExtraData()[level]))
}

// openVideoEncoder leaves it to the encoder to find the level when it is 0.
func openVideoEncoder(to media.VideoOutput, fps float64, level astiav.Level) (*encoder, error) {
	// Keyframes are asked for by time. The encoder, which counts pictures, must
	// not find one due before.
	interval := max(2, int(2*to.KeyInterval.Seconds()*to.FPS))
	return openEncoder("libx264", map[string]string{
		"preset": "veryfast", "tune": "zerolatency", "profile": "high",
		"forced-idr": "1", "sc_threshold": "0", "keyint_min": "1", "x264-params": "annexb=0",
	}, func(c *astiav.CodecContext) {
		c.SetWidth(to.Width)
		c.SetHeight(to.Height)
		c.SetPixelFormat(astiav.PixelFormatYuv420P)
		c.SetSampleAspectRatio(astiav.NewRational(1, 1))
		c.SetTimeBase(nanoseconds)
		c.SetFramerate(rational(fps))
		if level > 0 {
			c.SetLevel(level)
		}
		c.SetGopSize(interval)
		c.SetMaxBFrames(0)
		c.SetBitRate(int64(to.Bitrate))
		c.SetRateControlMaxRate(int64(to.Bitrate))
		c.SetRateControlBufferSize(int(float64(to.Bitrate) * bufferTime.Seconds()))
		c.SetThreadCount(encoderThreads(to))
		c.SetColorRange(astiav.ColorRangeMpeg)
		c.SetColorSpace(matrixOf(to.Height))
		c.SetColorPrimaries(primariesOf(to.Height))
		c.SetColorTransferCharacteristic(transferOf(to.Height))
	})
}

func encoderThreads(to media.VideoOutput) int {
	if to.Width*to.Height >= twoThreadsFrom {
		return 2
	}
	return 1
}

func primariesOf(height int) astiav.ColorPrimaries {
	if height >= hdPicture {
		return C.AVCOL_PRI_BT709
	}
	return C.AVCOL_PRI_SMPTE170M
}

func transferOf(height int) astiav.ColorTransferCharacteristic {
	if height >= hdPicture {
		return C.AVCOL_TRC_BT709
	}
	return C.AVCOL_TRC_SMPTE170M
}

// rational is the frame rate as television writes it: 29.97 is 30000/1001.
func rational(fps float64) astiav.Rational {
	const close = 0.002
	for _, den := range []int{1000, 1001} {
		n := math.Round(fps * float64(den) / 1000)
		if math.Abs(fps*float64(den)/1000-n) < close {
			return astiav.NewRational(int(n)*1000, den)
		}
	}
	return astiav.NewRational(int(math.Round(fps*1000)), 1000)
}

// aacFrame is how many samples of each channel an AAC frame has.
const aacFrame = 1024

func newAudioEncoder(to media.AudioOutput) (*encoder, error) {
	layout := astiav.ChannelLayoutStereo
	if to.Channels == 1 {
		layout = astiav.ChannelLayoutMono
	}
	return openEncoder("aac", nil, func(c *astiav.CodecContext) {
		c.SetSampleFormat(astiav.SampleFormatFltp)
		c.SetSampleRate(to.SampleRate)
		c.SetChannelLayout(layout)
		c.SetBitRate(int64(to.Bitrate))
		c.SetTimeBase(astiav.NewRational(1, to.SampleRate))
		c.SetThreadCount(1)
	})
}
