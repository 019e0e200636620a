package mediatest

import "testing"

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

// FFmpegPublish publishes a clip to an rtmp URL in real time, over and over, as
// a live source does, by copying.
func FFmpegPublish(t testing.TB, url, clip string) *Process {
	t.Helper()
	return FFmpeg(t, "-re", "-stream_loop", "-1", "-i", clip, "-c", "copy", "-f", "flv", url)
}
