package source

import (
	"time"

	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg1audio"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/opus"
	"github.com/pion/rtp"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/bitstream"
)

// sound is for frames of a constant length.
func (t *rtspTrack) sound(codec media.Codec, rate, channels int) {
	t.known.Codec, t.known.SampleRate, t.known.Channels, t.told = codec, rate, channels, rate > 0 && channels > 0
}

// eachUnit makes units of frames.
func eachUnit(frames [][]byte, length func([]byte) time.Duration) (units []unit) {
	for _, frame := range frames {
		units = append(units, unit{data: frame, key: true, length: length(frame)})
	}
	return units
}

func (t *rtspTrack) aac(f *format.MPEG4Audio) error {
	d, err := f.CreateDecoder()
	if err != nil {
		return err
	}
	length, err := t.configured(f.Config)
	t.units = func(p *rtp.Packet) ([]unit, error) {
		frames, err := d.Decode(p)
		return eachUnit(frames, func([]byte) time.Duration { return length }), err
	}
	return err
}

// configured takes what an AudioSpecificConfig tells.
func (t *rtspTrack) configured(config *mpeg4audio.AudioSpecificConfig) (time.Duration, error) {
	told, err := config.Marshal()
	if err != nil {
		return 0, err
	}
	known, length, _ := bitstream.DescribeAAC(told)
	if known.SampleRate == 0 {
		return 0, errPanic
	}
	t.known, t.told = known, true
	return length, nil
}

func (t *rtspTrack) latm(f *format.MPEG4AudioLATM) error {
	d, err := f.CreateDecoder()
	if err != nil {
		return err
	}
	t.known.Codec = media.AAC
	mux, length := f.StreamMuxConfig, time.Duration(0)
	take := func() {
		if mux != nil && len(mux.Programs) > 0 && len(mux.Programs[0].Layers) > 0 && mux.Programs[0].Layers[0].AudioSpecificConfig != nil {
			length, _ = t.configured(mux.Programs[0].Layers[0].AudioSpecificConfig)
		}
	}
	take()
	t.units = func(p *rtp.Packet) ([]unit, error) {
		data, err := d.Decode(p)
		if err != nil {
			return nil, err
		}
		e := mpeg4audio.AudioMuxElement{MuxConfigPresent: f.CPresent, StreamMuxConfig: mux}
		if err := e.Unmarshal(data); err != nil {
			return nil, err
		}
		if mux = e.StreamMuxConfig; !t.told {
			take()
		}
		var units []unit
		for _, frame := range e.Payloads {
			if len(frame) > 0 && len(frame[0]) > 0 {
				units = append(units, unit{data: frame[0][0], key: true, length: length})
			}
		}
		return units, nil
	}
	return nil
}

func (t *rtspTrack) mpegAudio(f *format.MPEG1Audio) error {
	d, err := f.CreateDecoder()
	t.known.Codec = "mp3"
	t.units = func(p *rtp.Packet) ([]unit, error) {
		frames, err := d.Decode(p)
		if err != nil {
			return nil, err
		}
		var units []unit
		for _, frame := range frames {
			var h mpeg1audio.FrameHeader
			if err := h.Unmarshal(frame); err != nil || h.SampleRate <= 0 {
				continue
			}
			u := unit{data: frame, key: true, length: time.Duration(h.SampleCount()) * time.Second / time.Duration(h.SampleRate)}
			if !t.told {
				channels := 2
				if h.ChannelMode == mpeg1audio.ChannelModeMono {
					channels = 1
				}
				codec := media.Codec("mp3")
				if h.Layer < 3 {
					codec = "mp2"
				}
				t.sound(codec, h.SampleRate, channels)
			}
			units = append(units, u)
		}
		return units, nil
	}
	return err
}

func (t *rtspTrack) opus(f *format.Opus) error {
	d, err := f.CreateDecoder()
	t.sound("opus", 48_000, f.ChannelCount)
	t.units = func(p *rtp.Packet) ([]unit, error) {
		frame, err := d.Decode(p)
		if err != nil {
			return nil, err
		}
		const perSecond = 48_000
		return []unit{{data: frame, key: true, length: time.Duration(opus.PacketDuration2(frame)) * time.Second / perSecond}}, nil
	}
	return err
}

func (t *rtspTrack) g711(f *format.G711) error {
	d, err := f.CreateDecoder()
	codec := media.Codec("pcm_alaw")
	if f.MULaw {
		codec = "pcm_mulaw"
	}
	t.samples(codec, f.SampleRate, f.ChannelCount, 8, d.Decode)
	return err
}

func (t *rtspTrack) pcm(f *format.LPCM) error {
	d, err := f.CreateDecoder()
	codec, ok := map[int]media.Codec{8: "pcm_u8", 16: "pcm_s16be", 24: "pcm_s24be"}[f.BitDepth]
	if !ok {
		return errPanic
	}
	t.samples(codec, f.SampleRate, f.ChannelCount, f.BitDepth, d.Decode)
	return err
}

// samples is for sound that is not compressed in frames.
func (t *rtspTrack) samples(codec media.Codec, rate, channels, bits int, decode func(*rtp.Packet) ([]byte, error)) {
	t.sound(codec, rate, channels)
	t.known.BitsPerSample, t.known.BlockAlign = bits, bits/8*channels
	t.units = func(p *rtp.Packet) ([]unit, error) {
		data, err := decode(p)
		if err != nil || !t.told {
			return nil, err
		}
		return []unit{{data: data, key: true, length: time.Duration(len(data)/t.known.BlockAlign) * time.Second / time.Duration(rate)}}, nil
	}
}

func (t *rtspTrack) ac3(f *format.AC3) error {
	d, err := f.CreateDecoder()
	t.sound("ac3", f.SampleRate, f.ChannelCount)
	t.units = func(p *rtp.Packet) ([]unit, error) {
		frames, err := d.Decode(p)
		const samples = 1536 // of a frame (ETSI TS 102 366)
		return eachUnit(frames, func([]byte) time.Duration { return samples * time.Second / time.Duration(max(f.SampleRate, 1)) }), err
	}
	return err
}
