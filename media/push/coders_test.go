package push

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakesource"
)

// fakeCoder passes packets on in the order of PTS, as an encoder without
// B-frames would, some packets late.
type fakeCoder struct {
	out    media.Track
	delay  int // packets that stay inside
	inside []media.Packet
	skip   time.Duration
	until  time.Duration
	forced bool
	inputs int
	closed bool
	last   *media.Packet // that came out
	stands *media.Packet // what Repeat repeats
	// breaks says whether a packet cannot be decoded; nil: none.
	breaks  func(media.Packet) bool
	waits   bool // for a keyframe
	damaged int64
}

func (c *fakeCoder) Output() media.Track        { return c.out }
func (c *fakeCoder) SkipBefore(t time.Duration) { c.skip = t }
func (c *fakeCoder) SkipFrom(t time.Duration)   { c.until = t }
func (c *fakeCoder) ForceKey()                  { c.forced = true }

func (c *fakeCoder) Damaged() int64 {
	n := c.damaged
	c.damaged = 0
	return n
}

func (c *fakeCoder) Close() { c.closed = true }

func (c *fakeCoder) Input(media.Track) ([]media.Packet, error) {
	c.inputs++
	return c.Flush()
}

func (c *fakeCoder) Transcode(p media.Packet) ([]media.Packet, error) {
	broken := c.breaks != nil && c.breaks(p)
	if c.waits = c.out.Type == media.Video && (broken || c.waits && !p.Keyframe); c.waits || broken {
		c.damaged++
		return nil, nil
	}
	c.inside = append(c.inside, p)
	slices.SortFunc(c.inside, func(a, b media.Packet) int { return int(a.PTS - b.PTS) })
	return c.emit(c.delay), nil
}

func (c *fakeCoder) Flush() ([]media.Packet, error) { return c.emit(0), nil }

func (c *fakeCoder) emit(keep int) []media.Packet {
	var out []media.Packet
	for len(c.inside) > keep {
		p := c.inside[0]
		c.inside = c.inside[1:]
		if c.until > 0 && p.PTS >= c.until || c.last != nil && c.out.Type == media.Video && p.PTS <= c.last.PTS {
			continue
		}
		if c.stands = &p; p.PTS >= c.skip {
			out = append(out, c.show(p))
		}
	}
	return out
}

func (c *fakeCoder) show(p media.Packet) media.Packet {
	p.DTS, p.Extradata = p.PTS, nil
	p.Keyframe, c.forced = p.Keyframe || c.forced, false
	c.last = &p
	return p
}

func (c *fakeCoder) Repeat(t time.Duration) ([]media.Packet, error) {
	if c.stands == nil || c.last != nil && c.last.PTS >= t || t < c.skip || c.until > 0 && t >= c.until {
		return nil, nil
	}
	p := *c.stands
	p.PTS = t
	return []media.Packet{c.show(p)}, nil
}

// fakeCoders makes fakeCoders and remembers them.
type fakeCoders struct {
	made  []*fakeCoder
	video []media.VideoOutput
	audio []media.AudioOutput
	deaf  bool // there is no decoder for audio
	holds int  // packets of sound that stay inside
	// breaks says what its coders cannot decode; nil: nothing.
	breaks func(media.Packet) bool
	// picture and sound make of a coder another one; nil: it stays as it is.
	picture, sound func(*fakeCoder) media.Transcoder
}

func (c *fakeCoders) add(t media.Track, delay int, other func(*fakeCoder) media.Transcoder) media.Transcoder {
	coder := &fakeCoder{out: t, delay: delay, breaks: c.breaks}
	c.made = append(c.made, coder)
	if other != nil {
		return other(coder)
	}
	return coder
}

func (c *fakeCoders) Video(_ media.Track, to media.VideoOutput) (media.Transcoder, error) {
	c.video = append(c.video, to)
	return c.add(media.Track{Type: media.Video, Codec: media.H264, Width: to.Width, Height: to.Height, Extradata: []byte{1, 66, 0, 31, 255, 225, 0}}, 4, c.picture), nil
}

func (c *fakeCoders) Audio(_ media.Track, to media.AudioOutput) (media.Transcoder, error) {
	if c.deaf {
		return nil, &media.Error{Kind: media.KindSourceUnsupported, Op: "transcode audio", Err: errors.New("no decoder")}
	}
	c.audio = append(c.audio, to)
	return c.add(media.Track{Type: media.Audio, Codec: media.AAC, SampleRate: to.SampleRate, Channels: to.Channels, Extradata: []byte{0x11, 0x90}}, c.holds, c.sound), nil
}

func (c *fakeCoders) With(context.Context, *slog.Logger, *media.Conduct) media.Transcoders { return c }

func (c *fakeCoders) Black(to media.VideoOutput) (media.Track, []media.Packet, error) {
	t := media.Track{Type: media.Video, Codec: media.H264, Width: to.Width, Height: to.Height, Extradata: []byte{1, 66, 0, 31, 255, 225, 0}}
	return t, []media.Packet{{Keyframe: true, Duration: 500 * time.Millisecond, Data: []byte{1}}, {PTS: 500 * time.Millisecond, DTS: 500 * time.Millisecond, Duration: 500 * time.Millisecond, Data: []byte{2}}}, nil
}

// slow makes a coder take so long for each packet.
func slow(took time.Duration) func(*fakeCoder) media.Transcoder {
	return func(c *fakeCoder) media.Transcoder { return slowCoder{c, took} }
}

type slowCoder struct {
	*fakeCoder
	took time.Duration
}

func (c slowCoder) Transcode(p media.Packet) ([]media.Packet, error) {
	time.Sleep(c.took)
	return c.fakeCoder.Transcode(p)
}

// slowToBegin makes a coder take three seconds for what it gets first.
func slowToBegin(c *fakeCoder) media.Transcoder { return &slowFirst{fakeCoder: c} }

type slowFirst struct {
	*fakeCoder
	begun bool
}

func (c *slowFirst) Transcode(p media.Packet) ([]media.Packet, error) {
	if !c.begun {
		c.begun = true
		time.Sleep(3 * time.Second)
	}
	return c.fakeCoder.Transcode(p)
}

func (c *slowFirst) Input(t media.Track) ([]media.Packet, error) {
	c.begun = false
	return c.fakeCoder.Input(t)
}

// panicking gives a coder a fault.
func panicking(c *fakeCoder) media.Transcoder { return panickingCoder{c} }

type panickingCoder struct{ media.Transcoder }

func (panickingCoder) Transcode(media.Packet) ([]media.Packet, error) { panic("a fault") }

// filling makes a coder one whose sound has no gaps: silence is in their place.
func filling(c *fakeCoder) media.Transcoder { return &filler{fakeCoder: c} }

type filler struct {
	*fakeCoder
	next time.Duration
}

func (c *filler) Transcode(p media.Packet) ([]media.Packet, error) {
	for at := max(c.next, c.skip); c.next > 0 && at+fakesource.AudioFrame < p.PTS; at += fakesource.AudioFrame {
		c.inside = append(c.inside, media.Packet{Track: p.Track, PTS: at, DTS: at, Duration: fakesource.AudioFrame, Data: p.Data})
	}
	c.next = p.PTS + p.Duration
	return c.fakeCoder.Transcode(p)
}

// playWith plays s with transcoders.
func (s *stage) playWith(ctx context.Context, coders media.Transcoders) error {
	return (&Pusher{Opener: fakesource.OpenerFunc(s.open), Dialer: &s.room, Door: &s.room, Transcoders: coders}).Play(ctx, s.job)
}

// playFrom plays what open gives.
func (s *stage) playFrom(ctx context.Context, open fakesource.OpenerFunc, coders media.Transcoders) error {
	return (&Pusher{Opener: open, Dialer: &s.room, Door: &s.room, Transcoders: coders}).Play(ctx, s.job)
}

func TestItIsAskedWhetherAPushFitsBeforeItsEncodersAreOpened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, coders := newStage(whole(time.Second)), &fakeCoders{}
		s.job.Options.Transcode, s.job.Options.Video = media.TranscodeAlways, media.VideoOptions{Width: 640, Height: 360}
		full := errors.New("it does not fit")
		s.job.Retry = noRetry
		s.job.Fits = func() error {
			require.Empty(t, coders.made)
			require.Equal(t, media.Transcode, s.seen.plan.Video.Action)
			require.Equal(t, media.Output{Width: 640, Height: 360}, s.seen.plan.Video.Output, "it says what it would cost")
			return full
		}
		require.ErrorIs(t, s.playWith(t.Context(), coders), full)
		require.Empty(t, coders.made)
		require.Zero(t, s.room.dials)
		s.job.Fits = func() error { return nil }
		require.NoError(t, s.playWith(t.Context(), coders))
		require.Len(t, coders.made, 2)
	})
}
