package libav_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/mediatest"
)

// restarting makes a playlist a.m3u8 of 2 s segments out of a clip. Each
// segment's clock begins anew, with a discontinuity tag or without one.
func restarting(t *testing.T, spec mediatest.Spec, tag string) string {
	t.Helper()
	dir := t.TempDir()
	ffmpeg(t, "-i", mediatest.Clip(t, spec), "-c", "copy", "-f", "segment", "-segment_time", "2", "-segment_format", "mpegts",
		"-reset_timestamps", "1", "-segment_list_type", "csv", "-segment_list", filepath.Join(dir, "list"), filepath.Join(dir, "a%d.ts"))
	list, err := os.ReadFile(filepath.Join(dir, "list"))
	require.NoError(t, err)
	out := "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:3\n"
	for i, line := range strings.Fields(string(list)) {
		name, times, _ := strings.Cut(line, ",")
		var begin, end float64
		_, err := fmt.Sscanf(times, "%f,%f", &begin, &end)
		require.NoError(t, err)
		if i > 0 {
			out += tag
		}
		out += fmt.Sprintf("#EXTINF:%f,\n%s\n", end-begin, name)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.m3u8"), []byte(out+"#EXT-X-ENDLIST\n"), 0o600))
	return dir
}

// joined makes one playlist out of two recordings with clocks of their own.
func joined(t *testing.T, spec mediatest.Spec) string {
	t.Helper()
	dir := t.TempDir()
	out := "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:3\n"
	for i, part := range [][]string{{"-t", "4"}, {"-ss", "4"}} {
		name := filepath.Join(dir, fmt.Sprintf("%d.m3u8", i))
		ffmpeg(t, slices.Concat(part, []string{"-i", mediatest.Clip(t, spec), "-c", "copy",
			"-f", "hls", "-hls_time", "2", "-hls_list_size", "0", name})...)
		list, err := os.ReadFile(name)
		require.NoError(t, err)
		_, segments, _ := strings.Cut(string(list), "#EXTINF")
		segments, _, _ = strings.Cut(segments, "#EXT-X-ENDLIST")
		if i > 0 {
			out += "#EXT-X-DISCONTINUITY\n"
		}
		out += "#EXTINF" + segments
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.m3u8"), []byte(out+"#EXT-X-ENDLIST\n"), 0o600))
	return dir
}

func TestRecordedPlaylistsAreSoughtToTheKeyframeWhateverTheirClocks(t *testing.T) {
	spec := mediatest.Spec{Seconds: 12, Width: 160, Height: 90}
	reordered := spec
	reordered.BFrames = 2
	oneClock := func(args ...string) string {
		return segments(t, spec, append([]string{"-hls_time", "2"}, args...)...)
	}
	const key = "0123456789abcdef"
	info, at := filepath.Join(t.TempDir(), "info"), filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(at, []byte(key), 0o600))
	require.NoError(t, os.WriteFile(info, []byte("key\n"+at+"\n"), 0o600))
	encrypted := oneClock("-hls_key_info_file", info)
	require.NoError(t, os.WriteFile(filepath.Join(encrypted, "key"), []byte(key), 0o600))
	for name, dir := range map[string]string{
		"one clock":                       oneClock(),
		"one clock, encrypted":            encrypted,
		"one clock, fmp4 byte ranges":     oneClock("-hls_segment_type", "fmp4", "-hls_flags", "single_file"),
		"restarts":                        restarting(t, spec, ""),
		"restarts, announced":             restarting(t, spec, "#EXT-X-DISCONTINUITY\n"),
		"restarts, pictures out of order": restarting(t, reordered, "#EXT-X-DISCONTINUITY\n"),
		"two recordings in one":           joined(t, spec),
	} {
		t.Run(name, func(t *testing.T) {
			f := serve(t, dir, httptest.NewServer)
			s, err := openURL(t, f.URL+"/a.m3u8")
			require.NoError(t, err)
			start := s.Info().StartTime
			whole := pictures(t, s)
			require.InDelta(t, 360, len(whole), 8)
			for i, p := range whole { // as the clip has them
				require.InDelta(t, float64(i)/30, (p.DTS - whole[0].DTS).Seconds(), 0.05, "picture %d", i)
			}
			for _, at := range []float64{3.5, 0, 0.5, 7.2, 4.02, 11.6, 99} {
				pos := time.Duration(at * float64(time.Second))
				require.NoError(t, s.Seek(pos))
				rest := pictures(t, s)
				require.NotEmpty(t, rest, "at %v", at)
				n := len(whole) - len(rest)
				require.Equal(t, whole[n].Data, rest[0].Data, "at %v", at)
				require.True(t, rest[0].Keyframe)
				require.LessOrEqual(t, whole[n].PTS-start, pos+50*time.Millisecond)
				for _, later := range whole[n+1:] {
					require.False(t, later.Keyframe && later.PTS-start <= pos-100*time.Millisecond, "at %v there is a later keyframe", at)
				}
				require.Less(t, (whole[n].PTS - rest[0].PTS).Abs(), 100*time.Millisecond, "at %v", at)
				require.Less(t, (whole[len(whole)-1].PTS - rest[len(rest)-1].PTS).Abs(), 100*time.Millisecond, "from %v to the end", at)
			}
		})
	}
}

func TestSoundWithoutAPictureIsSoughtWhateverItsClocks(t *testing.T) {
	f := serve(t, restarting(t, mediatest.Spec{Seconds: 12, VideoCodec: mediatest.None}, ""), httptest.NewServer)
	s, err := openURL(t, f.URL+"/a.m3u8")
	require.NoError(t, err)
	start := s.Info().StartTime
	for _, at := range []float64{7.5, 0.5, 11} {
		require.NoError(t, s.Seek(time.Duration(at*float64(time.Second))))
		p, err := s.ReadPacket()
		require.NoError(t, err)
		require.InDelta(t, at, (p.PTS - start).Seconds(), 0.1)
		count, err := drain(s)
		require.NoError(t, err)
		require.InDelta(t, (12-at)*48000/1024, count[0], 8, "from %v", at)
	}
}

func TestSoundWithoutAPictureIsSoughtToItsMomentWhateverItsContainer(t *testing.T) {
	for container, codec := range map[string]string{
		"matroska": "aac", "webm": "opus", "mp4": "aac", "adts": "aac", "mp3": "mp3", "ogg": "vorbis", "flac": "flac",
		"wav": "pcm_s16le", "mpegts": "mp2", "flv": "mp3", "asf": "wmav2", "avi": "mp3", "caf": "alac",
	} {
		t.Run(container, func(t *testing.T) {
			path := mediatest.Clip(t, mediatest.Spec{Seconds: 12, VideoCodec: mediatest.None, AudioCodec: codec, Container: container})
			s, err := openURL(t, serve(t, filepath.Dir(path), httptest.NewServer).URL+"/"+filepath.Base(path))
			require.NoError(t, err)
			for _, at := range []float64{7.5, 0.5, 11, 3} {
				require.NoError(t, s.Seek(time.Duration(at*float64(time.Second))))
				p, err := s.ReadPacket()
				require.NoError(t, err)
				require.InDelta(t, at, (p.PTS - s.Info().StartTime).Seconds(), 0.15)
			}
		})
	}
}

func TestAPlaylistThatChangesItsCodecsIsSoughtIntoEither(t *testing.T) {
	dir := t.TempDir()
	out := "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n"
	for i, codec := range [][]string{{"-c:v", "mpeg2video", "-c:a", "libmp3lame"}, {"-c:v", "libx264", "-g", "30", "-c:a", "aac"}} {
		name := fmt.Sprintf("%d.ts", i)
		ffmpeg(t, slices.Concat([]string{"-i", mediatest.Clip(t, mediatest.Spec{Seconds: 4, Width: 160, Height: 90})}, codec, []string{filepath.Join(dir, name)})...)
		out += "#EXT-X-DISCONTINUITY\n#EXTINF:4.0,\n" + name + "\n"
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.m3u8"), []byte(out+"#EXT-X-ENDLIST\n"), 0o600))
	s, err := openURL(t, serve(t, dir, httptest.NewServer).URL+"/a.m3u8")
	require.NoError(t, err)
	told := [2]media.Codec{s.Info().Tracks[0].Codec, s.Info().Tracks[1].Codec}
	for _, at := range []int{6, 1, 5, 0} {
		require.NoError(t, s.Seek(time.Duration(at)*time.Second))
		first, end := [2]media.Codec{}, [2]time.Duration{}
		for {
			p, err := s.ReadPacket()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			if p.Change != nil {
				told[p.Track] = p.Change.Codec
			}
			if first[p.Track] == "" {
				first[p.Track] = told[p.Track]
			}
			end[p.Track] = p.PTS + p.Duration - s.Info().StartTime
		}
		want := [2]media.Codec{"mpeg2video", "mp3"}
		if at >= 4 {
			want = [2]media.Codec{"h264", "aac"}
		}
		require.Equal(t, want, first, "from %d s", at)
		require.Equal(t, [2]media.Codec{"h264", "aac"}, told, "from %d s", at)
		require.InDelta(t, 8, end[0].Seconds(), 0.2, "from %d s", at)
		require.InDelta(t, 8, end[1].Seconds(), 0.2, "from %d s", at)
	}
}

func TestAPlaylistWithItsSoundApartIsSoughtInBoth(t *testing.T) {
	dir := t.TempDir()
	for name, without := range map[string]string{"picture": "-an", "sound": "-vn"} {
		ffmpeg(t, "-i", mediatest.Clip(t, mediatest.Spec{Seconds: 12, Width: 160, Height: 90}), without, "-c", "copy", "-f", "hls",
			"-hls_time", "2", "-hls_list_size", "0", filepath.Join(dir, name+".m3u8"))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.m3u8"), []byte("#EXTM3U\n"+
		"#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"s\",NAME=\"a\",DEFAULT=YES,URI=\"sound.m3u8\"\n"+
		"#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=160x90,AUDIO=\"s\"\npicture.m3u8\n"), 0o600))
	f := serve(t, dir, httptest.NewServer)
	s, err := openURL(t, f.URL+"/a.m3u8")
	require.NoError(t, err)
	start := s.Info().StartTime
	require.NoError(t, s.Seek(9500*time.Millisecond))
	first := [2]time.Duration{}
	for first[0] == 0 || first[1] == 0 {
		p, err := s.ReadPacket()
		require.NoError(t, err)
		if first[p.Track] == 0 {
			first[p.Track] = p.PTS - start
		}
	}
	require.InDelta(t, 9, first[0].Seconds(), 0.1)
	require.InDelta(t, 9, first[1].Seconds(), 1.1)
}

func TestASeekLoadsNothingThatLiesBefore(t *testing.T) {
	f := serve(t, restarting(t, mediatest.Spec{Seconds: 12, Width: 160, Height: 90}, ""), httptest.NewServer)
	s, err := openURL(t, f.URL+"/a.m3u8")
	require.NoError(t, err)
	// What is fetched ahead of the begin is under way.
	require.Eventually(t, func() bool { return f.requests("/a1.ts") > 0 }, 10*time.Second, time.Millisecond)
	before := [4]int{}
	for i := range before {
		before[i] = f.requests(fmt.Sprintf("/a%d.ts", i))
	}
	require.NoError(t, s.Seek(9*time.Second))
	for i, n := range before {
		require.Equal(t, n, f.requests(fmt.Sprintf("/a%d.ts", i)), "segment %d", i)
	}
	require.NotZero(t, f.requests("/a4.ts"))
}

// pictures reads to the end and returns the video's packets.
func pictures(t *testing.T, s media.Source) []media.Packet {
	t.Helper()
	var all []media.Packet
	for {
		p, err := s.ReadPacket()
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		if s.Info().Tracks[p.Track].Type == media.Video {
			p.Data = bytes.Clone(p.Data)
			all = append(all, p)
		}
	}
}
