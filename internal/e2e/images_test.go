package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/stretchr/testify/require"
)

// What the pictures of the page show: a school that has been on air for some
// minutes, with this and that in trouble.
const (
	imagesAfter  = 4 * time.Minute // charts of less look empty
	maxImage     = 150_000         // bytes: whoever clones the project loads all of them
	imagesPerMin = 6               // samples
)

// drawImages makes dir/*.png of the page anew.
func drawImages(t *testing.T, dir string) {
	s := newStack(t, options{env: signing()})
	s.addWorker("ROOMCAST_WORKER_SLOTS=4")
	film, nginx := zoom(t), mediatest.StartNginx(t, mediatest.NginxConfig{})
	files := films(t, film)
	camera := map[string]*mediatest.Process{}
	for _, name := range []string{"stage", "field"} {
		camera[name] = mediatest.FFmpegPublish(t, nginx.RTMP+"/live/"+name, film)
		_, err := nginx.WaitEvent(patient(t), "publish", name)
		require.NoError(t, err)
	}
	start := func(source, room, user string, more fields) string {
		if strings.HasPrefix(source, "/") {
			source = files + source
		}
		return s.push(source, room, user, more)
	}
	left, err := http.Post(files+"/leave", "", nil)
	require.NoError(t, err)
	_ = left.Body.Close()
	start("/lesson_0.mp4", "class_0", "teacher_0", fields{"endAtMs": 3000})
	start("/forbidden.mp4", "archive", "librarian", nil)
	stopped := start("/lesson_1.mp4", "rehearsal", "crew", nil)
	forever := fields{"repeat": -1}
	push := start("/lesson_1.mp4", "class_1", "teacher_1", fields{"metadata": fields{"course": "physics", "term": "autumn"}})
	start("/lesson_2.mp4", "class_2", "teacher_2", nil)
	start("/lesson_3.mp4", "class_3", "teacher_3", fields{"startAtMs": 120_000})
	start("/welcome.mp4", "lobby", "signage", forever)
	start("/quiz.mp4", "quiz_7", "host", fields{"transcode": "always", "width": 320})
	start(nginx.RTMP+"/live/stage", "hall", "camera_1", nil)
	troubled := start(nginx.RTMP+"/live/field", "match_9", "camera_2", nil)
	for _, room := range []string{"library", "canteen", "gym"} {
		start("/notices.mp4", room, "screen_"+room, forever)
	}
	s.waitStatus(stopped, "publishing")
	s.stop(stopped)
	s.waitSamples(push, 2*imagesPerMin)
	s.room.Cut("teacher_1")
	s.waitSamples(push, int(imagesAfter.Minutes()*imagesPerMin))
	require.NoError(t, camera["field"].Signal(syscall.SIGSTOP))
	start("/away.mp4", "exam_3", "invigilator", nil)
	s.waitFor(troubled, "trouble", func(p map[string]any) bool { return p["trouble"] != nil })
	raw := t.TempDir()
	t.Logf("%s", s.browse("images.mjs", fields{
		"files": files, "images": raw, "push": push, "troubled": troubled, "user": "teacher_4", "userSig": userSig(t, "teacher_4", 24*3600),
	}))
	require.NoError(t, os.MkdirAll(dir, 0o755))
	shots, err := filepath.Glob(raw + "/*.png")
	require.NoError(t, err)
	for _, shot := range shots {
		to := filepath.Join(dir, filepath.Base(shot))
		out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-y", "-i", shot, "-vf",
			"split[a][b];[a]palettegen=stats_mode=full[p];[b][p]paletteuse=dither=none", "-compression_level", "100", "-pred", "none", to).CombinedOutput()
		require.NoError(t, err, "%s", out)
		info, err := os.Stat(to)
		require.NoError(t, err)
		require.LessOrEqual(t, info.Size(), int64(maxImage), to)
	}
}

// waitSamples waits until a push has n of them.
func (s *stack) waitSamples(id string, n int) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return len(s.samples(id)) >= n }, 2*imagesAfter, time.Second)
}

// zoom is a film that is pleasant to look at and has parts that need more bits
// than others.
func zoom(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "zoom.mp4")
	once := path + ".once.mp4"
	for _, args := range [][]string{
		{"-f", "lavfi", "-i", "mandelbrot=size=640x360:rate=25:end_pts=1400", "-f", "lavfi", "-i", "sine=frequency=330:sample_rate=48000", "-t", "60", "-pix_fmt", "yuv420p",
			"-c:v", "libx264", "-preset", "veryfast", "-bf", "0", "-g", "50", "-c:a", "aac", "-ac", "2", once},
		{"-stream_loop", "14", "-i", once, "-c", "copy", path},
	} {
		out, err := exec.CommandContext(t.Context(), "ffmpeg", append([]string{"-v", "error"}, args...)...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	return path
}
