package program

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakesource"
)

// deaf is an Observer to whom nothing is told.
type deaf struct{ media.Observer }

func (deaf) Planned(media.SourceInfo, bool, media.Plan) {}

// openedFrom returns a program whose source is open, and what open gives.
func openedFrom(t *testing.T, open func(ctx context.Context) (media.Source, error)) *Program {
	t.Helper()
	rules := media.Rules{Video: []media.Codec{media.H264}, Audio: []media.Codec{media.AAC}, PixelFormats: []string{"yuv420p"}}
	noRetry := func(media.Kind) media.Retry { return media.Retry{} }
	pg := New(Config{Rules: rules, Opener: fakesource.Opener(open), Observer: deaf{}, Retry: noRetry, Meter: media.NewMeter(0)}, media.Job{})
	t.Cleanup(pg.Close)
	require.NoError(t, pg.Open(t.Context()))
	return pg
}

func clip(ctx context.Context) (media.Source, error) {
	return &fakesource.Source{Ctx: ctx, Of: fakesource.Clip(2 * time.Second)}, nil
}

// endsWith is a clip whose last picture stands for a time.
type endsWith struct {
	*fakesource.Source
	stands time.Duration
}

func (s endsWith) ReadPacket() (media.Packet, error) {
	p, err := s.Source.ReadPacket()
	if p.Track == 0 && p.PTS+fakesource.Frame >= s.Of.Duration {
		p.Duration = s.stands
	}
	return p, err
}

func TestAProgramIsOverWhenItsLastPictureHasStoodForItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pg := openedFrom(t, func(ctx context.Context) (media.Source, error) {
			return endsWith{&fakesource.Source{Ctx: ctx, Of: fakesource.Clip(2 * time.Second)}, 5 * time.Second}, nil
		})
		var err error
		var last time.Duration
		for err == nil {
			var p media.Packet
			if p, err = pg.Next(t.Context(), t.Context()); err == nil && p.Kind == media.Video {
				last = p.PTS
			}
		}
		require.ErrorIs(t, err, io.EOF)
		require.InDelta(t, last+5*time.Second, pg.Over(), float64(fakesource.Frame))
	})
}

func TestAnotherInputIsNeitherLeftOutNorHeldAsTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pg := openedFrom(t, clip)
		pg.catchUp.keys, pg.hold.reach = 2, inputReach{heard: time.Hour, behind: time.Hour}
		pg.closeSource()
		require.NoError(t, pg.Open(t.Context()))
		require.Zero(t, pg.catchUp.keys)
		require.Negative(t, pg.hold.reach.heard)
		require.Zero(t, pg.hold.reach.behind)
	})
}

func TestAKeyframeThatIsShownAgainGoesWithItsOwnConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pg := openedFrom(t, clip)
		for _, config := range [][]byte{nil, {1, 2, 3}} {
			pg.mux.give(media.Video, func() (p media.Packet) { p.Config = config; return p }())
			p, ok := pg.mux.pop()
			require.True(t, ok)
			if config == nil {
				config = pg.Tracks()[0].Extradata
			}
			require.Equal(t, config, p.Config)
		}
	})
}

// noted is a Transcoder that notes what it leaves out.
type noted struct {
	media.Transcoder
	before time.Duration
}

func (c *noted) Output() media.Track {
	return media.Track{Type: media.Audio, Codec: media.AAC, SampleRate: 48000, Channels: 2, Extradata: []byte(SilentAACConfig)}
}

func (c *noted) SkipBefore(t time.Duration) { c.before = t }
func (c *noted) Close()                     {}

func TestAnEncoderGivesNoSoundWhereAHoleWasFilledWithSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pg := openedFrom(t, clip)
		pg.Options.FillAudio = true
		coder := &noted{}
		sound := pg.tracks.sound()
		sound.become(newEncodedTrack(coder))
		sound.coverage.begun, sound.coverage.at = true, time.Second
		pg.mux.fillSilence(3 * time.Second)
		require.InDelta(t, 3*time.Second, coder.before, float64(fakesource.AudioFrame)*2)
		require.Greater(t, coder.before, sound.shown)
	})
}
