package mediatest

import (
	"strings"
	"testing"
	"time"
)

// FFmpeg starts Debian's ffmpeg with these arguments, printing warnings only.
func FFmpeg(t testing.TB, args ...string) *Process {
	t.Helper()
	return ffmpegIn(t, "", append([]string{"-nostdin", "-v", "warning"}, args...)...)
}

// ffmpegIn starts it in a folder; the test's own is "".
func ffmpegIn(t testing.TB, dir string, args ...string) *Process {
	t.Helper()
	return start(t, "ffmpeg", dir, "ffmpeg", args...)
}

// givingWay are a command's words that let it give way to all that must be in time: pushes of
// tests beside this one, and the hosts that re-encode for them.
func givingWay(name string, args ...string) []string {
	return append([]string{"nice", "-n", "10", name}, args...)
}

// makeWith runs ffmpeg to its end in a folder, for what nobody waits for in time. It returns
// what it says, in words.
func makeWith(t testing.TB, dir string, limit time.Duration, args ...string) (string, error) {
	t.Helper()
	words := givingWay("ffmpeg", args...)
	p := start(t, "ffmpeg", dir, words[0], words[1:]...)
	err := p.Wait(limit)
	return p.Output(), err
}

// Make lets Debian's ffmpeg make with these arguments what nobody waits for in time, within limit.
func Make(t testing.TB, limit time.Duration, args ...string) {
	t.Helper()
	if words, err := makeWith(t, "", limit, append([]string{"-nostdin", "-v", "warning"}, args...)...); err != nil {
		t.Fatalf("ffmpeg %s: %v\n%s", strings.Join(args, " "), err, words)
	}
}

// FFmpegPublish publishes a clip to an rtmp URL in real time, over and over, as
// a live source does, by copying.
func FFmpegPublish(t testing.TB, url, clip string) *Process {
	t.Helper()
	return FFmpeg(t, "-re", "-stream_loop", "-1", "-i", clip, "-c", "copy", "-f", "flv", url)
}
