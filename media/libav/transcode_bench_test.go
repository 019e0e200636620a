package libav

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// BenchmarkTranscode compares our CPU time with that of the ffmpeg program of
// the same source with the same settings on the same clip, ours over theirs,
// as "ratio". The program is built the first time.
func BenchmarkTranscode(b *testing.B) {
	program, err := exec.Command("../../scripts/ffmpeg", "--programs").Output()
	require.NoError(b, err)
	ffmpeg := filepath.Join(strings.TrimSpace(string(program)), "bin", "ffmpeg")
	for _, c := range []struct {
		name, codec, size string
		to                media.VideoOutput
		args              []string
	}{
		{"h264 720p to 720p", "libx264", "1280x720", media.VideoOutput{Width: 1280, Height: 720, Bitrate: 1_500_000}, nil},
		{"h264 1080p to 720p", "libx264", "1920x1080", media.VideoOutput{Width: 1280, Height: 720, Bitrate: 1_500_000}, []string{"-vf", "scale=1280:720:flags=bicubic"}},
		{"h264 1080p to 1080p", "libx264", "1920x1080", media.VideoOutput{Width: 1920, Height: 1080, Bitrate: 3_000_000}, nil},
		{"hevc 360p to 360p", "libx265", "640x360", media.VideoOutput{Width: 640, Height: 360, Bitrate: 600_000}, nil},
	} {
		c.to.FPS, c.to.KeyInterval = 30, 2*time.Second
		b.Run(c.name, func(b *testing.B) {
			clip := made(b, "bench-"+c.codec+c.size+".mp4", "-f", "lavfi", "-i", "testsrc2=size="+c.size+":rate=30:duration=10,noise=alls=8:allf=t",
				"-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=10", "-ac", "2",
				"-c:v", c.codec, "-preset", "superfast", "-pix_fmt", "yuv420p", "-c:a", "aac")
			var ours, theirs time.Duration
			for b.Loop() {
				ours += recodeCost(b, clip, c.to)
				theirs += programCost(b, ffmpeg, clip, c.to, c.args)
			}
			b.ReportMetric(ours.Seconds()/float64(b.N), "ours-s")
			b.ReportMetric(theirs.Seconds()/float64(b.N), "ffmpeg-s")
			b.ReportMetric(ours.Seconds()/theirs.Seconds(), "ratio")
		})
	}
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// recodeCost reads and transcodes a clip of 10 s, video and audio, with one thread of
// Go, as a media host does: beside a second one that idles, Go watches calls of C for
// longer.
func recodeCost(b *testing.B, clip string, to media.VideoOutput) time.Duration {
	b.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	before := cpuTime(b)
	s, err := open(b, serve(b)+"/"+filepath.Base(clip))
	require.NoError(b, err)
	defer s.Close()
	tracks := s.Info().Tracks
	both := []media.Transcoder{newVideo(b, tracks[0], to), newAudio(b, tracks[1], roomAudio)}
	for {
		p, err := s.ReadPacket()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(b, err)
		_, err = both[p.Track].Transcode(p)
		require.NoError(b, err)
	}
	for _, tc := range both {
		_, err := tc.Flush()
		require.NoError(b, err)
	}
	return cpuTime(b) - before
}

func programCost(b *testing.B, ffmpeg, clip string, to media.VideoOutput, args []string) time.Duration {
	b.Helper()
	rate := []string{"-b:v", decimal(to.Bitrate), "-maxrate", decimal(to.Bitrate), "-bufsize", decimal(to.Bitrate)}
	all := []string{"-nostdin", "-v", "error", "-y", "-i", clip, "-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency",
		"-profile:v", "high", "-bf", "0", "-g", "60", "-sc_threshold", "0", "-pix_fmt", "yuv420p", "-threads", decimal(media.BitsPerSecond(encoderThreads(to)))}
	all = append(append(all, rate...), args...)
	all = append(all, "-c:a", "aac", "-ar", "48000", "-ac", "2", "-b:a", "128k", "-f", "flv", os.DevNull)
	cmd := exec.Command(ffmpeg, all...)
	out, err := cmd.CombinedOutput()
	require.NoError(b, err, string(out))
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

func decimal(b media.BitsPerSecond) string { return strconv.FormatInt(int64(b), 10) }
