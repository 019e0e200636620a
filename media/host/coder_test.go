package host

import (
	"syscall"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/stretchr/testify/require"
)

func coderOf(t *testing.T, p *Pool, c *media.Conduct) media.Transcoder {
	t.Helper()
	coder, err := p.Transcoders().With(t.Context(), p.cfg.Log, c).Video(media.Track{Type: media.Video, Codec: "hevc"}, media.VideoOutput{Width: 640, Height: 360})
	require.NoError(t, err)
	t.Cleanup(coder.Close)
	return coder
}

// code gives a coder a packet, and returns the text of what came out.
func code(t *testing.T, c media.Transcoder, at time.Duration, key bool, data []byte) string {
	t.Helper()
	out, err := c.Transcode(media.Packet{PTS: at, DTS: at, Keyframe: key, Data: data})
	require.NoError(t, err)
	all := ""
	for _, p := range out {
		all += string(p.Data) + ";"
	}
	return all
}

func TestATranscoderWorksInAHostAsWithout(t *testing.T) {
	c := coderOf(t, newPool(t, nil), nil)
	require.Equal(t, media.Track{Type: media.Video, Codec: media.H264, Width: 640, Height: 360, Extradata: []byte("config")}, c.Output())
	c.SkipBefore(time.Second)
	picture := []byte("a")
	require.Empty(t, code(t, c, 0, true, picture))
	require.Equal(t, "again;", code(t, c, time.Second, true, picture), "the same picture is known by its place in memory")
	require.Equal(t, int64(2), c.Damaged())
	require.Zero(t, c.Damaged())
	out, err := c.Flush()
	require.NoError(t, err)
	require.Equal(t, "flushed", string(out[0].Data))
	out, err = c.Repeat(3 * time.Second)
	require.NoError(t, err)
	require.Equal(t, 3*time.Second, out[0].PTS)
	require.Equal(t, media.Held, out[0].Origin)
}

func TestATranscoderGoesOnInAnotherHostFromTheLastKeyframe(t *testing.T) {
	c := coderOf(t, newPool(t, nil), &media.Conduct{})
	require.Equal(t, "a;", code(t, c, 0, true, []byte("a")))
	require.Equal(t, "a+b;", code(t, c, fakeStep, false, []byte("b")))
	h := c.(*transcoder).host
	require.NoError(t, syscall.Kill(h.cmd.Process.Pid, syscall.SIGKILL))
	<-h.gone
	require.Equal(t, "a+b+c;", code(t, c, 2*fakeStep, false, []byte("c")), "what was shown is not shown again, and the decoder knows it")
	require.True(t, h != c.(*transcoder).host)
}

func TestPictureAndSoundOfAPushShareAHostAndItsDeathCountsOnce(t *testing.T) {
	p, conduct := newPool(t, nil), &media.Conduct{}
	ts := p.Transcoders().With(t.Context(), p.cfg.Log, conduct)
	video, err := ts.Video(media.Track{}, media.VideoOutput{})
	require.NoError(t, err)
	defer video.Close()
	audio, err := ts.Audio(media.Track{Type: media.Audio}, media.AudioOutput{})
	require.NoError(t, err)
	defer audio.Close()
	require.True(t, video.(*transcoder).host == audio.(*transcoder).host)
	_, err = video.Transcode(media.Packet{Keyframe: true, Data: []byte("crash")})
	require.Equal(t, media.KindSourcePoisoned, media.KindOf(err), "it dies of the same picture in the next host")

	conduct = &media.Conduct{}
	ts = p.Transcoders().With(t.Context(), p.cfg.Log, conduct)
	video, err = ts.Video(media.Track{}, media.VideoOutput{})
	require.NoError(t, err)
	defer video.Close()
	audio, err = ts.Audio(media.Track{Type: media.Audio}, media.AudioOutput{})
	require.NoError(t, err)
	defer audio.Close()
	video.(*transcoder).host.kill("test")
	require.Equal(t, "a;", code(t, video, 0, true, []byte("a")))
	require.Equal(t, "s;", code(t, audio, 0, true, []byte("s")))
	require.True(t, video.(*transcoder).host == audio.(*transcoder).host)
}

func TestAnErrorOfATranscoderIsTold(t *testing.T) {
	_, err := newPool(t, nil).Transcoders().Video(media.Track{Codec: "unknown"}, media.VideoOutput{})
	require.Equal(t, media.KindSourceUnsupported, media.KindOf(err))
	require.ErrorContains(t, err, "it is unknown")
}

func TestBlackIsMadeInAHost(t *testing.T) {
	track, packets, err := newPool(t, nil).Transcoders().Black(media.VideoOutput{})
	require.NoError(t, err)
	require.Equal(t, media.H264, track.Codec)
	require.Equal(t, "black", string(packets[0].Data))
}

func TestAPreviewIsMadeInAHostOfItsOwn(t *testing.T) {
	t.Parallel() // a host that hangs has its five seconds
	p := newPool(t, nil)
	jpeg, err := p.Picture(media.Keyframe{Data: []byte("picture"), Config: []byte("config")})
	require.NoError(t, err)
	require.Equal(t, "picture config", string(jpeg))
	for _, what := range []string{"crash", "hang"} {
		_, err = p.Picture(media.Keyframe{Data: []byte(what)})
		require.Equal(t, media.KindSourcePoisoned, media.KindOf(err), "nothing more of this source is to be tried")
		_, err = p.Picture(media.Keyframe{Data: []byte("picture")})
		require.NoError(t, err)
	}
}
