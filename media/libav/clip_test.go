package libav

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// clips are in a folder of the test binary's own, by Debian's ffmpeg: a foreign peer.
var clips struct {
	mu  sync.Mutex
	dir string
}

// atOnce is how many parallel tests run beside each other: they wait for live
// streams.
const atOnce = 4

func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", strconv.Itoa(atOnce)) // the command line wins
	os.Exit(run(m))
}

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
	args := []string{
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
	return made(tb, name, args...)
}

// made returns the path of a file made by Debian's ffmpeg with these arguments. It is
// made once per machine, unless it is made of a file that is not, or has others beside it.
func made(tb testing.TB, name string, args ...string) string {
	tb.Helper()
	clips.mu.Lock()
	defer clips.mu.Unlock()
	path := filepath.Join(clips.dir, name)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	recipe := slices.Clone(args)
	for i, arg := range recipe {
		if whole, err := filepath.EvalSymlinks(arg); err == nil && strings.HasPrefix(arg, clips.dir) {
			recipe[i] = whole
		}
	}
	args = slices.Concat([]string{"-v", "error", "-nostdin", "-y"}, args)
	text := strings.Join(recipe, "\x00")
	if strings.Contains(text, clips.dir) || filepath.Ext(name) == ".m3u8" {
		ffmpeg(tb, append(args, path)...)
		return path
	}
	kept := filepath.Join(os.TempDir(), "roomcast-clips", fmt.Sprintf("%x", sha256.Sum256([]byte(text)))[:24], name)
	if _, err := os.Stat(kept); err != nil {
		require.NoError(tb, os.MkdirAll(filepath.Dir(kept), 0o777))
		part := filepath.Join(tb.TempDir(), name)
		ffmpeg(tb, append(args, part)...)
		require.NoError(tb, os.Rename(part, kept)) // atomic: others see all or nothing
	}
	require.NoError(tb, os.Symlink(kept, path))
	return path
}

func ffmpeg(tb testing.TB, args ...string) {
	tb.Helper()
	if out, err := exec.Command("ffmpeg", args...).CombinedOutput(); err != nil {
		tb.Fatalf("ffmpeg %v: %v\n%s", args, err, out)
	}
}
