package libav

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// partArgs are how the parts of a stream that changes its codec are made.
var partArgs = map[string][]string{
	"h264":     {"-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-g", "25"},
	"b-frames": {"-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "25"},
	"hevc":     {"-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=25"},
	"images":   {"-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=1"},
	"mpeg2":    {"-c:v", "mpeg2video", "-b:v", "2M", "-bf", "2", "-g", "25"},
	"sorenson": {"-c:v", "flv", "-b:v", "1M"},
	"aac":      {"-c:a", "aac"},
	"mp3":      {"-c:a", "libmp3lame", "-b:a", "128k"},
	"mp2":      {"-c:a", "mp2", "-b:a", "192k"},
	"ac3":      {"-c:a", "ac3"},
}

// partTS is a transport stream of a number of seconds, with the numbers ffmpeg
// gives streams; it begins at at.
func partTS(t *testing.T, video, audio string, seconds, at int) string {
	t.Helper()
	args := []string{}
	if video != "" {
		args = append(args, "-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=320x180:rate=25:duration=%d", seconds))
	}
	if audio != "" {
		args = append(args, "-f", "lavfi", "-i", fmt.Sprintf("sine=frequency=440:sample_rate=48000:duration=%d", seconds))
	}
	args = append(withArgs(args, partArgs[video]...), partArgs[audio]...)
	return made(t, fmt.Sprintf("part-%s-%s-%d-%d.ts", video, audio, seconds, at), withArgs(args, "-pix_fmt", "yuv420p", "-output_ts_offset", fmt.Sprint(at))...)
}

// codecs returns the codecs of a track in their order, each with how much there is
// of it.
func (s source) codecs(kind media.MediaType) (codecs []string, spans []time.Duration) {
	types := map[int]media.MediaType{}
	names := map[int]string{}
	for i, t := range s.info.Tracks {
		types[i], names[i] = t.Type, string(t.Codec)
	}
	for _, p := range s.packets {
		if p.Change != nil {
			types[p.Track], names[p.Track] = p.Change.Type, string(p.Change.Codec)
		}
		if types[p.Track] != kind {
			continue
		}
		if len(codecs) == 0 || codecs[len(codecs)-1] != names[p.Track] {
			codecs, spans = append(codecs, names[p.Track]), append(spans, 0)
		}
		spans[len(spans)-1] += p.Duration
	}
	return codecs, spans
}

// requireWhole says that ffmpeg finds no fault in the H.264 from the first packet or change to
// the next.
func (s source) requireWhole(t *testing.T) {
	t.Helper()
	var all []byte
	h264 := false
	flush := func() {
		if len(all) == 0 {
			return
		}
		path := filepath.Join(t.TempDir(), "a.h264")
		require.NoError(t, os.WriteFile(path, all, 0o600))
		ffmpeg(t, "-v", "error", "-xerror", "-err_detect", "explode", "-f", "h264", "-i", path, "-f", "null", "-")
		all = nil
	}
	for i, t := range s.info.Tracks {
		h264 = h264 || i == 0 && t.Codec == media.H264
	}
	for _, p := range s.packets {
		if p.Track != 0 {
			continue
		}
		if p.Change != nil {
			flush()
			h264 = p.Change.Codec == media.H264
		}
		if h264 {
			all = append(all, p.Data...)
		}
	}
	flush()
}

// called is what ffmpeg calls the codec of a part.
func called(part string) string {
	names := map[string]string{"b-frames": "h264", "images": "hevc", "mpeg2": "mpeg2video"}
	return cmp.Or(names[part], part)
}

func TestAStreamThatKeepsItsNumberAndChangesItsCodecIsFollowed(t *testing.T) {
	noLeak(t)
	for _, seconds := range []int{5, 2, 1} {
		for _, c := range [][4]string{
			{"h264", "aac", "hevc", "aac"}, {"hevc", "aac", "h264", "aac"}, {"images", "aac", "h264", "aac"},
			{"mpeg2", "mp2", "h264", "aac"}, {"h264", "aac", "mpeg2", "mp2"}, {"mpeg2", "aac", "b-frames", "aac"},
			{"h264", "aac", "h264", "mp3"}, {"h264", "mp3", "h264", "aac"}, {"h264", "ac3", "h264", "aac"},
			{"h264", "mp2", "h264", "mp3"}, {"hevc", "mp3", "b-frames", "aac"},
		} {
			t.Run(fmt.Sprint(seconds, c), func(t *testing.T) {
				path := joined(t, fmt.Sprintf("change-%d-%v.ts", seconds, c), partTS(t, c[0], c[1], seconds, 0), partTS(t, c[2], c[3], seconds, seconds))
				in := read(t, path)
				in.requireWhole(t)
				for kind, want := range [][]string{{called(c[0]), called(c[2])}, {c[1], c[3]}} {
					codecs, spans := in.codecs(media.MediaType(kind))
					want = slices.Compact(want)
					require.Equal(t, want, codecs)
					for _, span := range spans {
						require.InDelta(t, float64(seconds*2/len(want)), span.Seconds(), 0.25)
					}
				}
			})
		}
	}
}

func TestTheFirstPictureOfAnotherCodecHasItsOwnTime(t *testing.T) {
	noLeak(t)
	for _, c := range [][2]string{{"h264", "hevc"}, {"hevc", "h264"}, {"images", "b-frames"}, {"mpeg2", "h264"}, {"mpeg2", "b-frames"}, {"h264", "mpeg2"}, {"b-frames", "hevc"}, {"mpeg2", "hevc"}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			path := joined(t, fmt.Sprintf("gap-%v.ts", c), partTS(t, c[0], "", 2, 0), partTS(t, c[1], "", 2, 5))
			in := read(t, path)
			at := slices.IndexFunc(in.packets, func(p media.Packet) bool { return p.Change != nil })
			require.Positive(t, at)
			begin := in.packets[at:]
			next := slices.MinFunc(begin[1:], func(a, b media.Packet) int { return cmp.Compare(a.PTS, b.PTS) })
			require.InDelta(t, 5, (begin[0].PTS - in.packets[0].PTS).Seconds(), 0.1)
			require.InDelta(t, 0.04, (next.PTS - begin[0].PTS).Seconds(), 0.001)
			for i, p := range begin[1:] {
				require.InDelta(t, 0.04, (p.DTS - begin[i].DTS).Seconds(), 0.041, "picture %d", i)
			}
		})
	}
}

func TestPlaylistSegmentsOfOtherCodecsAreFollowed(t *testing.T) {
	noLeak(t)
	for name, c := range map[string][4]string{
		"h264 to hevc": {"h264", "aac", "hevc", "aac"}, "hevc to h264": {"hevc", "mp3", "b-frames", "aac"},
		"mpeg2 to h264": {"mpeg2", "aac", "h264", "mp3"}, "images to h264": {"images", "aac", "h264", "aac"},
	} {
		t.Run(name, func(t *testing.T) {
			list := "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:5\n"
			for i := range 2 {
				part := partTS(t, c[2*i], c[2*i+1], 4, 0)
				list += "#EXT-X-DISCONTINUITY\n#EXTINF:4,\n" + filepath.Base(part) + "\n"
			}
			path := filepath.Join(clips.dir, name+".m3u8")
			require.NoError(t, os.WriteFile(path, []byte(list+"#EXT-X-ENDLIST\n"), 0o600))
			in := read(t, path)
			in.requireWhole(t)
			for kind, want := range [][]string{{called(c[0]), called(c[2])}, {c[1], c[3]}} {
				codecs, spans := in.codecs(media.MediaType(kind))
				require.Equal(t, slices.Compact(want), codecs)
				require.InDelta(t, 8, sum(spans).Seconds(), 0.2)
			}
		})
	}
}

func TestASoughtSourceTellsWhatItsTracksAreThere(t *testing.T) {
	noLeak(t)
	for _, c := range [][4]string{{"h264", "aac", "hevc", "aac"}, {"hevc", "mp3", "h264", "aac"}, {"mpeg2", "aac", "b-frames", "mp3"}, {"b-frames", "aac", "mpeg2", "aac"}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			path := joined(t, fmt.Sprintf("sought-%v.ts", c), partTS(t, c[0], c[1], 5, 0), partTS(t, c[2], c[3], 5, 5))
			s, err := open(t, serve(t)+"/"+filepath.Base(path))
			require.NoError(t, err)
			told := s.Info()
			for _, at := range []time.Duration{7, 1, 6, 0, 9, 4} {
				require.NoError(t, s.Seek(at*time.Second))
				in := source{info: told}
				for {
					p, err := s.ReadPacket()
					if errors.Is(err, io.EOF) {
						break
					}
					require.NoError(t, err)
					in.packets = append(in.packets, p)
				}
				in.requireWhole(t)
				want := []string{called(c[0]), called(c[2])}
				if at > 5 {
					want = want[1:]
				}
				codecs, spans := in.codecs(media.Video)
				require.Equal(t, want, codecs, "from %v", at)
				require.InDelta(t, 10.5-float64(at), sum(spans).Seconds(), 0.8, "from %v", at) // a keyframe each second
				sounds := []string{c[1], c[3]}
				if at > 5 {
					sounds = sounds[1:]
				}
				codecs, spans = in.codecs(media.Audio)
				require.Equal(t, slices.Compact(sounds), codecs, "from %v", at)
				require.InDelta(t, 10.5-float64(at), sum(spans).Seconds(), 1.2, "from %v", at)
				told = s.Info()
			}
		})
	}
}

func sum(spans []time.Duration) (all time.Duration) {
	for _, span := range spans {
		all += span
	}
	return all
}

func TestANumberOfSoundThatBecomesThePicturesIsFollowed(t *testing.T) {
	noLeak(t)
	for _, c := range []struct {
		parts        [4]string
		video, audio []string
		seconds      [2]float64
	}{
		{[4]string{"", "aac", "h264", "aac"}, []string{"h264"}, []string{"aac"}, [2]float64{5, 10}},
		{[4]string{"", "mp3", "hevc", "aac"}, []string{"hevc"}, []string{"aac", "mp3"}, [2]float64{5, 10}},
		{[4]string{"h264", "aac", "", "aac"}, []string{"h264"}, []string{"aac"}, [2]float64{10, 15}},
		{[4]string{"hevc", "aac", "", "mp3"}, []string{"hevc"}, []string{"aac", "mp3", "aac"}, [2]float64{10, 15}},
	} {
		t.Run(fmt.Sprint(c.parts), func(t *testing.T) {
			p := c.parts
			path := joined(t, fmt.Sprintf("kind-%v.ts", p), partTS(t, p[0], p[1], 5, 0), partTS(t, p[2], p[3], 5, 5), partTS(t, p[0], p[1], 5, 10))
			s, err := open(t, serve(t)+"/"+filepath.Base(path))
			require.NoError(t, err)
			in := source{info: s.Info()}
			for !errors.Is(err, io.EOF) {
				var packet media.Packet
				packet, err = s.ReadPacket()
				switch {
				case errors.Is(err, media.ErrLateVideo): // its reader begins anew
					in = source{info: s.Info()}
				case err == nil:
					in.packets = append(in.packets, packet)
				default:
					require.ErrorIs(t, err, io.EOF)
				}
			}
			in.requireWhole(t)
			for kind, want := range [][]string{c.video, c.audio} {
				codecs, spans := in.codecs(media.MediaType(kind))
				require.Equal(t, want, codecs)
				require.InDelta(t, c.seconds[kind], sum(spans).Seconds(), 0.6)
			}
		})
	}
}

// tagsOf are an FLV's tags of a type, and how many of them.
func tagsOf(t *testing.T, path string, types ...byte) (tags [][]byte) {
	t.Helper()
	clip, err := os.ReadFile(path)
	require.NoError(t, err)
	const header, around = 13, 15
	for b := clip[header:]; len(b) > around; {
		n := int(binary.BigEndian.Uint32(b)&0xffffff) + around
		if slices.Contains(types, b[0]) {
			tags = append(tags, b[:n])
		}
		b = b[n:]
	}
	return tags
}

// So does nginx's module, to a player that comes after the change.
func TestAnFLVThatBeginsWithTheConfigurationOfACodecThatWasLeftIsPlayed(t *testing.T) {
	const audio, video, script = 8, 9, 18
	args := []string{"-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=4", "-f", "lavfi", "-i", "sine=sample_rate=44100:duration=4", "-pix_fmt", "yuv420p"}
	was := made(t, "was.flv", slices.Concat(args, partArgs["h264"], partArgs["aac"])...)
	for name, c := range map[string]struct {
		parts        []string
		left         byte // the type of tag
		video, audio string
	}{
		"sound":   {[]string{"h264", "mp3"}, audio, "h264", "mp3"},
		"picture": {[]string{"sorenson", "aac"}, video, "flv1", "aac"},
	} {
		t.Run(name, func(t *testing.T) {
			now := made(t, name+"-now.flv", slices.Concat(args, partArgs[c.parts[0]], partArgs[c.parts[1]])...)
			whole := []byte{'F', 'L', 'V', 1, 5, 0, 0, 0, 9, 0, 0, 0, 0}
			for _, tag := range slices.Concat(tagsOf(t, now, script), tagsOf(t, was, c.left)[:1], tagsOf(t, now, audio, video)) {
				whole = append(whole, tag...)
			}
			file := name + "-left.flv"
			require.NoError(t, os.WriteFile(filepath.Join(clips.dir, file), whole, 0o600))
			got := read(t, file)
			for kind, want := range map[media.MediaType]string{media.Video: c.video, media.Audio: c.audio} {
				codecs, _ := got.codecs(kind)
				require.Equal(t, []string{want}, codecs)
				of := slices.DeleteFunc(slices.Clone(got.packets), func(p media.Packet) bool { return got.info.Tracks[p.Track].Type != kind })
				require.InDelta(t, 4*time.Second, of[len(of)-1].DTS-of[0].DTS, float64(150*time.Millisecond))
			}
		})
	}
}
