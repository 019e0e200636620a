package libav

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/asticode/go-astiav"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/egress"
	fetched "github.com/roomcast/roomcast/media/source"
)

// passGate leads where the address says, without a check.
type passGate struct {
	refusal error
	closed  int
}

func (g *passGate) Open(ctx context.Context, r media.SourceRequest) (media.Way, error) {
	if g.refusal != nil {
		return media.Way{URL: r.URL, Bytes: noBytes{}, Refusal: func() error { return g.refusal }, Close: func() { g.closed++ }}, nil
	}
	network, err := egress.New(egress.Config{Schemes: []string{"http"}, Allow: []string{"127.0.0.0/8"}})
	if err != nil {
		return media.Way{}, err
	}
	var c caught
	_, err = (&fetched.Opener{Network: network, Demuxer: &c}).Open(ctx, r)
	end := c.way.Close
	if err == nil {
		c.way.Close = func() { g.closed++; end() }
	}
	return c.way, err
}

// caught is a demuxer that wants the way alone.
type caught struct{ way media.Way }

func (c *caught) Demux(ctx context.Context, r media.SourceRequest, g media.Gate) (_ media.Source, err error) {
	c.way, err = g.Open(ctx, r)
	return nil, err
}

// noBytes is a source of which nothing comes.
type noBytes struct{ media.Bytes }

func (noBytes) Read([]byte) (int, error) { return 0, errors.ErrUnsupported }
func (noBytes) Seekable() bool           { return false }
func (noBytes) Size() int64              { return -1 }

// serve serves the files of the clips' folder.
func serve(tb testing.TB) string {
	tb.Helper()
	server := httptest.NewServer(http.FileServer(http.Dir(clips.dir)))
	tb.Cleanup(server.Close)
	return server.URL
}

func open(tb testing.TB, address string) (media.Source, error) {
	tb.Helper()
	return openWith(tb, &passGate{}, media.SourceRequest{URL: media.Secret(address)})
}

// plain is a network on loopback.
func plain(tb testing.TB) fetched.Network {
	tb.Helper()
	g, err := egress.New(egress.Config{Schemes: []string{"http"}, Allow: []string{"127.0.0.0/8"}})
	require.NoError(tb, err)
	return g
}

func openWith(tb testing.TB, gate media.Gate, r media.SourceRequest) (media.Source, error) {
	tb.Helper()
	r.URL = media.Secret(strings.ReplaceAll(r.URL.Reveal(), " ", "%20")) // in clips' names
	opener := NewOpener(Config{})
	open := func() (media.Source, error) { return opener.Demux(tb.Context(), r, gate) }
	if strings.Contains(r.URL.Reveal(), ".m3u8") {
		open = func() (media.Source, error) {
			return (&fetched.Opener{Network: plain(tb), Demuxer: opener}).Open(tb.Context(), r)
		}
	}
	s, err := open()
	if err == nil {
		tb.Cleanup(func() { _ = s.Close() })
	}
	return s, err
}

// noLeak is goleak without the connections that net/http keeps to itself.
func noLeak(t *testing.T) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}

var containers = []struct {
	file, container string
	args            []string
}{
	{"plain.mp4", "mov,mp4,m4a,3gp,3g2,mj2", nil},
	{"faststart.mp4", "mov,mp4,m4a,3gp,3g2,mj2", []string{"-movflags", "+faststart"}},
	{"bframes.mp4", "mov,mp4,m4a,3gp,3g2,mj2", []string{"-tune", "film", "-preset", "veryfast", "-bf", "3"}},
	{"plain.mov", "mov,mp4,m4a,3gp,3g2,mj2", nil},
	{"plain.mkv", "matroska,webm", nil},
	{"bframes.mkv", "matroska,webm", []string{"-tune", "film", "-preset", "veryfast", "-bf", "3"}},
	{"plain.flv", "flv", nil},
	{"indexed.flv", "flv", []string{"-flvflags", "add_keyframe_index"}},
	{"plain.ts", "mpegts", nil},
}

func TestEveryContainerIsReadWhole(t *testing.T) {
	noLeak(t)
	server := serve(t)
	for _, c := range containers {
		t.Run(c.file, func(t *testing.T) {
			clip(t, c.file)
			s, err := open(t, server+"/"+c.file)
			require.NoError(t, err)
			info := s.Info()
			require.Equal(t, c.container, info.Container)
			require.False(t, info.Live)
			require.InDelta(t, clipSeconds, info.Duration.Seconds(), 0.25)
			require.Len(t, info.Tracks, 2)
			requireTracks(t, info, c.container)
			packets := readAll(t, s)
			requirePackets(t, info, packets)
			_, err = s.ReadPacket()
			require.ErrorIs(t, err, io.EOF, "the end stays the end")
		})
	}
}

func TestADurationCountsFromTheBeginOfTheSource(t *testing.T) {
	server := serve(t)
	for file, c := range map[string]struct{ in, out []string }{
		"usual.mkv": {}, "usual.webm": {out: []string{"-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus"}},
		"usual.opus":  {out: []string{"-vn"}},
		"second.mkv":  {out: []string{"-output_ts_offset", "1"}},
		"late.mkv":    {out: []string{"-output_ts_offset", "1000"}},
		"late.opus":   {out: []string{"-vn", "-output_ts_offset", "1000"}},
		"late.ogg":    {out: []string{"-vn", "-c:a", "libvorbis", "-output_ts_offset", "1000"}},
		"late.ts":     {out: []string{"-output_ts_offset", "1000"}},
		"late.flv":    {out: []string{"-output_ts_offset", "1000"}},
		"late.mp4":    {out: []string{"-output_ts_offset", "1000", "-avoid_negative_ts", "disabled"}},
		"trimmed.mp4": {in: []string{"-ss", "2.5"}, out: []string{"-c", "copy", "-t", "4"}},
	} {
		args := slices.Concat(c.in, []string{"-i", clip(t, "plain.mp4"), "-t", "4", "-preset", "ultrafast"}, c.out)
		ffmpegOnce(t, file, args...)
		s, err := open(t, server+"/"+file)
		require.NoError(t, err)
		info := s.Info()
		require.InDelta(t, 4, info.Duration.Seconds(), 0.1, file)
		require.NoError(t, s.Seek(info.Duration))
		all := readAll(t, s)
		require.NotEmpty(t, all, file)
		last := all[len(all)-1]
		require.InDelta(t, info.Duration.Seconds(), (last.PTS + last.Duration - info.StartTime).Seconds(), 0.1, file)
	}
}

func requireTracks(t *testing.T, info media.SourceInfo, container string) {
	t.Helper()
	v, a := info.Tracks[0], info.Tracks[1]
	require.Equal(t, media.Video, v.Type)
	require.Equal(t, media.H264, v.Codec)
	require.Equal(t, [2]int{320, 180}, [2]int{v.Width, v.Height})
	require.InDelta(t, clipFPS, v.FPS, 0.01)
	require.Equal(t, "yuv420p", v.PixelFormat)
	require.NotEmpty(t, v.Profile)
	require.NotEmpty(t, v.Extradata)
	require.Equal(t, media.Audio, a.Type)
	require.Equal(t, media.AAC, a.Codec)
	require.Equal(t, "LC", a.Profile)
	require.Equal(t, [2]int{44100, 2}, [2]int{a.SampleRate, a.Channels})
	if container != "mpegts" { // ADTS carries it in every frame
		require.NotEmpty(t, a.Extradata)
	}
}

func readAll(t *testing.T, s media.Source) []media.Packet {
	t.Helper()
	var all []media.Packet
	for {
		p, err := s.ReadPacket()
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		all = append(all, p)
	}
}

func requirePackets(t *testing.T, info media.SourceInfo, packets []media.Packet) {
	t.Helper()
	count, keyframes := [2]int{}, 0
	last := [2]time.Duration{-time.Hour, -time.Hour}
	for i, p := range packets {
		require.NotEmpty(t, p.Data)
		require.False(t, p.Corrupt)
		require.False(t, p.NoDTS && p.NoPTS)
		if !p.NoDTS {
			require.Greater(t, p.DTS, last[p.Track], "packet %d of track %d", i, p.Track)
			last[p.Track] = p.DTS
		}
		if info.Tracks[p.Track].Type == media.Video && p.Keyframe {
			keyframes++
		}
		count[p.Track]++
	}
	require.Equal(t, clipFrames, count[0])
	require.InDelta(t, clipSeconds*44100/1024, count[1], 4)
	require.GreaterOrEqual(t, keyframes, clipSeconds/2)
	require.InDelta(t, clipSeconds, (last[0] - info.StartTime).Seconds(), 0.25)
}

func TestSeekLandsOnTheKeyframeAtOrBefore(t *testing.T) {
	server := serve(t)
	for _, c := range containers {
		clip(t, c.file)
		s, err := open(t, server+"/"+c.file)
		require.NoError(t, err)
		keyframes := keyframesOf(t, s)
		for _, pos := range []float64{0, 5.5, 1.99, 2.05, 8.3, 11.9, 3, 99, 0.01} {
			t.Run(fmt.Sprintf("%s to %gs", c.file, pos), func(t *testing.T) {
				at := time.Duration(pos * float64(time.Second))
				require.NoError(t, s.Seek(at))
				p := firstVideo(t, s)
				require.True(t, p.Keyframe)
				require.Equal(t, lastAtOrBefore(keyframes, at), p.PTS-s.Info().StartTime)
			})
		}
	}
}

func TestASeekInFragmentsOfWhichEachTrackHasItsTimesFindsPictureAndSoundTogether(t *testing.T) {
	ffmpegOnce(t, "sidx.mp4", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=30", "-f", "lavfi", "-i", "sine", "-t", "20", "-c:v", "libx264", "-g", "60", "-bf", "0",
		"-c:a", "aac", "-movflags", "frag_keyframe+empty_moov+default_base_moof+global_sidx")
	for _, at := range []time.Duration{0, 3 * time.Second, 9 * time.Second, 13 * time.Second, 19 * time.Second} {
		s, err := open(t, serve(t)+"/sidx.mp4")
		require.NoError(t, err)
		require.NoError(t, s.Seek(at))
		first := map[media.MediaType]time.Duration{}
		for len(first) < 2 {
			p, err := s.ReadPacket()
			require.NoError(t, err)
			if m := s.Info().Tracks[p.Track].Type; first[m] == 0 {
				first[m] = p.PTS - s.Info().StartTime + 1
			}
		}
		require.InDelta(t, at.Truncate(2*time.Second).Seconds(), first[media.Video].Seconds(), 0.1)
		require.InDelta(t, first[media.Video].Seconds(), first[media.Audio].Seconds(), 0.1)
	}
}

func TestALongFileWithoutAnIndexCanBeSought(t *testing.T) {
	t.Parallel()
	ffmpegOnce(t, "unindexed.mkv", "-f", "lavfi", "-i", "color=s=32x32:r=60", "-f", "lavfi", "-i", "sine=r=48000", "-t", "60", "-c:v", "libx264", "-preset", "ultrafast",
		"-g", "1", "-c:a", "libopus", "-frame_duration", "2.5", "-application", "lowdelay", "-live", "1")
	ffmpegOnce(t, "unindexed-long.mkv", "-stream_loop", "19", "-i", filepath.Join(clips.dir, "unindexed.mkv"), "-c", "copy", "-live", "1")
	s, err := open(t, serve(t)+"/unindexed-long.mkv")
	require.NoError(t, err)
	require.NoError(t, s.Seek(19*time.Minute))
	require.InDelta(t, (19 * time.Minute).Seconds(), firstVideo(t, s).PTS.Seconds(), 1)
	require.Greater(t, len(readAll(t, s)), 1000)
}

// keyframesOf returns the PTS of the keyframes, counted from the start.
func keyframesOf(t *testing.T, s media.Source) []time.Duration {
	t.Helper()
	var all []time.Duration
	for _, p := range readAll(t, s) {
		if p.Keyframe && s.Info().Tracks[p.Track].Type == media.Video {
			all = append(all, p.PTS-s.Info().StartTime)
		}
	}
	require.NotEmpty(t, all)
	return all
}

func lastAtOrBefore(keyframes []time.Duration, at time.Duration) time.Duration {
	found := keyframes[0]
	for _, k := range keyframes {
		if k <= at {
			found = k
		}
	}
	return found
}

func firstVideo(t *testing.T, s media.Source) media.Packet {
	t.Helper()
	for {
		p, err := s.ReadPacket()
		require.NoError(t, err)
		if s.Info().Tracks[p.Track].Type == media.Video {
			return p
		}
	}
}

func TestSoundAloneCanBeSought(t *testing.T) {
	ffmpegOnce(t, "sound.m4a", "-f", "lavfi", "-i", "sine=sample_rate=48000", "-t", "10", "-c:a", "aac")
	s, err := open(t, serve(t)+"/sound.m4a")
	require.NoError(t, err)
	require.Len(t, s.Info().Tracks, 1)
	require.NoError(t, s.Seek(5*time.Second))
	p, err := s.ReadPacket()
	require.NoError(t, err)
	require.InDelta(t, 5, p.PTS.Seconds(), 0.1)
}

func TestSoundOfManyHoursInAnMP4CanBeOpened(t *testing.T) {
	t.Parallel()
	ffmpegOnce(t, "minute.m4a", "-f", "lavfi", "-i", "anullsrc=r=96000", "-t", "60", "-c:a", "aac")
	for _, hours := range []int{5, 7} { // as many samples as 11 and 15 at 44 100 Hz
		name := fmt.Sprintf("sound-%d.m4a", hours)
		ffmpegOnce(t, name, "-stream_loop", "-1", "-i", filepath.Join(clips.dir, "minute.m4a"), "-t", fmt.Sprint(hours*3600), "-c", "copy")
		s, err := open(t, serve(t)+"/"+name)
		require.NoError(t, err)
		require.InDelta(t, hours*3600, s.Info().Duration.Seconds(), 60)
	}
}

func ffmpegOnce(t *testing.T, name string, args ...string) {
	t.Helper()
	args = append([]string{"-v", "error", "-nostdin", "-y"}, args...)
	ffmpeg(t, append(args, filepath.Join(clips.dir, name))...)
}

func TestBestTracksAreChosenAndOthersCostNothing(t *testing.T) {
	ffmpegOnce(t, "many.mkv",
		"-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25",
		"-f", "lavfi", "-i", "sine=sample_rate=48000", "-f", "lavfi", "-i", "sine=sample_rate=44100",
		"-t", "3", "-map", "0:v", "-map", "1:v", "-map", "2:a", "-map", "3:a",
		"-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac",
		"-disposition:v:0", "0", "-disposition:v:1", "0", "-disposition:a:0", "0", "-disposition:a:1", "default")
	s, err := open(t, serve(t)+"/many.mkv")
	require.NoError(t, err)
	require.Len(t, s.Info().Tracks, 2)
	require.Equal(t, 320, s.Info().Tracks[0].Width)
	require.Equal(t, 44100, s.Info().Tracks[1].SampleRate)
	count := [2]int{}
	for _, p := range readAll(t, s) {
		count[p.Track]++
	}
	require.Equal(t, 75, count[0])
}

func TestATrackThatCannotBeDecodedIsNotChosenBeforeOneThatCan(t *testing.T) {
	ffmpegOnce(t, "foreign.mkv",
		"-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25", "-f", "lavfi", "-i", "sine=sample_rate=8000",
		"-t", "1", "-map", "0", "-map", "0", "-map", "1", "-map", "1",
		"-c:v:0", "ffv1", "-c:v:1", "libx264", "-preset", "ultrafast", "-c:a:0", "g726", "-c:a:1", "aac",
		"-disposition:v:0", "default", "-disposition:v:1", "0", "-disposition:a:0", "default", "-disposition:a:1", "0")
	s, err := open(t, serve(t)+"/foreign.mkv")
	require.NoError(t, err)
	require.Len(t, s.Info().Tracks, 2)
	require.Equal(t, media.H264, s.Info().Tracks[0].Codec)
	require.Equal(t, media.AAC, s.Info().Tracks[1].Codec)
}

func TestACoverPictureIsNoVideo(t *testing.T) {
	ffmpegOnce(t, "cover.jpg", "-f", "lavfi", "-i", "testsrc2=size=320x180", "-frames:v", "1")
	ffmpegOnce(t, "cover.mp3",
		"-f", "lavfi", "-i", "sine", "-i", filepath.Join(clips.dir, "cover.jpg"),
		"-t", "3", "-map", "0", "-map", "1", "-c:v", "copy", "-disposition:v", "attached_pic")
	s, err := open(t, serve(t)+"/cover.mp3")
	require.NoError(t, err)
	require.Len(t, s.Info().Tracks, 1)
	require.Equal(t, media.Audio, s.Info().Tracks[0].Type)
	for _, p := range readAll(t, s) {
		require.Zero(t, p.Track)
	}
}

func TestPacketsKeepTheirData(t *testing.T) {
	clip(t, "plain.mp4")
	s, err := open(t, serve(t)+"/plain.mp4")
	require.NoError(t, err)
	p, err := s.ReadPacket()
	require.NoError(t, err)
	before := append([]byte(nil), p.Data...)
	readAll(t, s)
	s.Close()
	require.Equal(t, before, p.Data)
}

func TestTheLinkedFFmpegIsOfTheVersionThatIsWritten(t *testing.T) {
	require.NoError(t, CheckLinked())
	require.NotEmpty(t, Version())
}

func TestPointerBehindAstiav(t *testing.T) {
	f := astiav.AllocFormatContext()
	defer f.Free()
	require.Equal(t, unsafe.Sizeof(uintptr(0)), unsafe.Sizeof(*f), "go-astiav's struct has grown")
	require.Contains(t, f.Class().String(), fmt.Sprintf("@ %p", cFormat(f)))
}
