package libav

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// clips are made once per test binary, by Debian's ffmpeg: a foreign peer.
var clips struct {
	mu  sync.Mutex
	dir string
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "libav-clips-*")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	clips.dir = dir
	return m.Run()
}

const (
	clipSeconds = 12
	clipFPS     = 25
	clipFrames  = clipSeconds * clipFPS
)

// clip returns the path of a clip of 12 s, 320x180 at 25 fps, a keyframe every
// 2 s, no B-frames, AAC at 44.1 kHz stereo, in the container its name ends with, made as the table of containers says.
func clip(tb testing.TB, name string) string {
	tb.Helper()
	clips.mu.Lock()
	defer clips.mu.Unlock()
	path := filepath.Join(clips.dir, name)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	args := []string{
		"-v", "error", "-nostdin", "-y",
		"-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25",
		"-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100",
		"-t", "12", "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p",
		"-bf", "0", "-g", "50", "-keyint_min", "50", "-sc_threshold", "0",
		"-c:a", "aac", "-ac", "2", "-b:a", "96k",
	}
	for _, c := range containers {
		if c.file == name {
			args = append(args, c.args...)
		}
	}
	ffmpeg(tb, append(args, path)...)
	return path
}

func ffmpeg(tb testing.TB, args ...string) {
	tb.Helper()
	if out, err := exec.Command("ffmpeg", args...).CombinedOutput(); err != nil {
		tb.Fatalf("ffmpeg %v: %v\n%s", args, err, out)
	}
}
