package libav

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

var (
	smallVideo = media.VideoOutput{Width: 320, Height: 180, FPS: 30, Bitrate: 500_000, KeyInterval: 2 * time.Second}
	roomAudio  = media.AudioOutput{SampleRate: 48000, Channels: 2, Bitrate: 128_000, Volume: 100}
)

// source is all of a file's packets.
type source struct {
	info    media.SourceInfo
	packets []media.Packet
}

func read(tb testing.TB, path string) source {
	tb.Helper()
	s, err := open(tb, serve(tb)+"/"+filepath.Base(path))
	require.NoError(tb, err)
	in := source{info: s.Info()}
	for {
		p, err := s.ReadPacket()
		if errors.Is(err, io.EOF) {
			return in
		}
		require.NoError(tb, err)
		in.packets = append(in.packets, p)
	}
}

// track returns the source's track of a type.
func (s source) track(tb testing.TB, kind media.MediaType) (media.Track, int) {
	tb.Helper()
	for i, t := range s.info.Tracks {
		if t.Type == kind {
			return t, i
		}
	}
	tb.Fatalf("no %s in %+v", kind, s.info)
	return media.Track{}, -1
}

func (s source) of(tb testing.TB, kind media.MediaType) []media.Packet {
	tb.Helper()
	_, index := s.track(tb, kind)
	var of []media.Packet
	for _, p := range s.packets {
		if p.Track == index {
			of = append(of, p)
		}
	}
	return of
}

func newVideo(tb testing.TB, in media.Track, to media.VideoOutput) media.Transcoder {
	tb.Helper()
	tc, err := NewTranscoders(TranscodeConfig{}).Video(in, to)
	require.NoError(tb, err)
	tb.Cleanup(tc.Close)
	return tc
}

func newAudio(tb testing.TB, in media.Track, to media.AudioOutput) media.Transcoder {
	tb.Helper()
	tc, err := NewTranscoders(TranscodeConfig{}).Audio(in, to)
	require.NoError(tb, err)
	tb.Cleanup(tc.Close)
	return tc
}

// through sends packets through a transcoder, and flushes it.
func through(tb testing.TB, tc media.Transcoder, packets []media.Packet) []media.Packet {
	tb.Helper()
	var out []media.Packet
	for _, p := range packets {
		got, err := tc.Transcode(p)
		require.NoError(tb, err)
		out = append(out, got...)
	}
	got, err := tc.Flush()
	require.NoError(tb, err)
	return append(out, got...)
}

// video sends a file's video through a transcoder of its own and checks what
// is always so.
func video(tb testing.TB, path string, to media.VideoOutput) recoded {
	tb.Helper()
	in := read(tb, path)
	t, _ := in.track(tb, media.Video)
	tc := newVideo(tb, t, to)
	out := recoded{tc.Output(), through(tb, tc, in.of(tb, media.Video))}
	out.check(tb)
	return out
}

func audio(tb testing.TB, path string, to media.AudioOutput) recoded {
	tb.Helper()
	in := read(tb, path)
	t, _ := in.track(tb, media.Audio)
	tc := newAudio(tb, t, to)
	out := recoded{tc.Output(), through(tb, tc, in.of(tb, media.Audio))}
	out.check(tb)
	return out
}

// recoded is a track that came out of a transcoder.
type recoded struct {
	track   media.Track
	packets []media.Packet
}

func (r recoded) check(tb testing.TB) {
	tb.Helper()
	require.NotEmpty(tb, r.packets)
	require.True(tb, r.packets[0].Keyframe)
	last := time.Duration(-1)
	for _, p := range r.packets {
		require.Greater(tb, p.PTS, last)
		require.Equal(tb, p.PTS, p.DTS)
		last = p.PTS
	}
}

// end is when the last packet ends.
func (r recoded) end() time.Duration {
	last := r.packets[len(r.packets)-1]
	return last.PTS + last.Duration
}

// flv writes tracks to an FLV file (Adobe FLV 10.1, Annex E) and returns its path.
func flv(tb testing.TB, tracks ...recoded) string {
	tb.Helper()
	f, err := os.CreateTemp(tb.TempDir(), "*.flv")
	require.NoError(tb, err)
	defer func() { require.NoError(tb, f.Close()) }()
	w := bufio.NewWriter(f)
	_, _ = w.Write([]byte{'F', 'L', 'V', 1, 5, 0, 0, 0, 9, 0, 0, 0, 0})
	at := make([]int, len(tracks))
	for _, t := range tracks {
		flvTag(w, t.track.Type, 0, media.Packet{Keyframe: true, Data: t.track.Extradata})
	}
	for {
		first := -1
		for i, t := range tracks {
			if at[i] < len(t.packets) && (first < 0 || t.packets[at[i]].DTS < tracks[first].packets[at[first]].DTS) {
				first = i
			}
		}
		if first < 0 {
			require.NoError(tb, w.Flush())
			return f.Name()
		}
		flvTag(w, tracks[first].track.Type, 1, tracks[first].packets[at[first]])
		at[first]++
	}
}

// flvTag writes a configuration (kind 0) or a frame (kind 1).
func flvTag(w io.Writer, m media.MediaType, kind byte, p media.Packet) {
	tag, body := byte(8), []byte{0xaf, kind}
	if m == media.Video {
		tag, body = 9, []byte{0x27, kind, 0, 0, 0}
		if p.Keyframe {
			body[0] = 0x17
		}
	}
	body = append(body, p.Data...)
	size, ms := len(body), p.DTS.Round(time.Millisecond).Milliseconds()
	header := []byte{tag, byte(size >> 16), byte(size >> 8), byte(size), byte(ms >> 16), byte(ms >> 8), byte(ms), byte(ms >> 24), 0, 0, 0}
	_, _ = w.Write(append(header, body...))
	_, _ = w.Write(binary.BigEndian.AppendUint32(nil, uint32(size+len(header))))
}

// tool runs Debian's ffmpeg or ffprobe; a word on its error output fails the
// test.
func tool(tb testing.TB, name string, args ...string) []byte {
	tb.Helper()
	var complaint strings.Builder
	cmd := exec.Command(name, args...)
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	require.NoErrorf(tb, err, "%s %v: %s", name, args, complaint.String())
	require.Emptyf(tb, complaint.String(), "%s %v", name, args)
	return out
}

// grey decodes the pictures of a file to 8-bit grey of this size, seeking to
// none.
func grey(tb testing.TB, path string, width, height int) [][]byte {
	tb.Helper()
	raw := tool(tb, "ffmpeg", "-v", "error", "-nostdin", "-i", path, "-an", "-vf", "format=gray", "-f", "rawvideo", "-fps_mode", "passthrough", "-")
	n := width * height
	require.Zero(tb, len(raw)%n)
	var pictures [][]byte
	for ; len(raw) > 0; raw = raw[n:] {
		pictures = append(pictures, raw[:n])
	}
	return pictures
}

// mean is the mean of a rectangle.
func mean(picture []byte, stride, x, y, width, height int) float64 {
	sum := 0
	for row := y; row < y+height; row++ {
		for _, v := range picture[row*stride+x : row*stride+x+width] {
			sum += int(v)
		}
	}
	return float64(sum) / float64(width*height)
}

// toolStderr runs Debian's ffmpeg for what it says.
func toolStderr(tb testing.TB, args ...string) []byte {
	tb.Helper()
	out, err := exec.Command("ffmpeg", append([]string{"-nostdin", "-hide_banner"}, args...)...).CombinedOutput()
	require.NoError(tb, err, string(out))
	return out
}

func clipPath(name string) string { return filepath.Join(clips.dir, name) }
