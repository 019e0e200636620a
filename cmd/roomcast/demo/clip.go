package demo

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

const (
	clipSeconds = 60
	clipFPS     = 30
	clipSize    = "1280x720"
	clipName    = "clip.mp4"
	// bigClock shows the test picture's own small clock five times as big; it
	// needs no font.
	bigClock = "split[a][b];[b]crop=100:36:2:2,scale=iw*5:-2:flags=neighbor[c];[a][c]overlay=(W-w)/2:H-h-60"
)

// tools are the programs a demo needs, by path.
type tools struct {
	redis, ffmpeg, ffprobe string
	api, worker            string
}

// findTools finds them, those of FFmpeg only if they are needed.
func findTools(bin string, withFFmpeg bool) (tools, error) {
	t := tools{api: filepath.Join(bin, "api"), worker: filepath.Join(bin, "worker")}
	for _, path := range []string{t.api, t.worker} {
		if _, err := exec.LookPath(path); err != nil {
			return t, fmt.Errorf("%s is not there: make build", path)
		}
	}
	programs := map[string]*string{"redis-server": &t.redis}
	if withFFmpeg {
		programs["ffmpeg"], programs["ffprobe"] = &t.ffmpeg, &t.ffprobe
	}
	for name, to := range programs {
		path, err := exec.LookPath(name)
		if err != nil {
			return t, fmt.Errorf("%s is not installed: scripts/deps test", name)
		}
		*to = path
	}
	return t, nil
}

// clip returns the path of a sample clip of so many seconds, as TRTC advises
// it: 720p at 30 fps, no B-frames, a key frame every 2 s, 1500 kb/s. The
// picture has a running clock. Clips are kept in the root folder.
func (d *demo) clip(ctx context.Context, seconds int) (string, error) {
	path := filepath.Join(d.root, fmt.Sprintf("clip-%s-%ds-clock.mp4", clipSize, seconds))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	d.say("clip", "making %d s of %s with ffmpeg, once", seconds, clipSize)
	part := filepath.Join(d.dir, clipName)
	if _, err := d.tool(ctx, d.tools.ffmpeg, clipArgs(seconds, part)...); err != nil {
		return "", fmt.Errorf("make a clip: %w", err)
	}
	return path, os.Rename(part, path) // atomic: another demo sees all or nothing
}

// WriteClip makes the sample clip of so many seconds at path, with the ffmpeg
// on PATH.
func WriteClip(ctx context.Context, path string, seconds int) error {
	out, err := exec.CommandContext(ctx, "ffmpeg", clipArgs(seconds, path)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("make a clip: %w\n%s", err, bytes.TrimSpace(out))
	}
	return nil
}

func clipArgs(seconds int, out string) []string {
	gop := strconv.Itoa(2 * clipFPS)
	return []string{
		"-nostdin", "-y", "-v", "error",
		"-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=%s:rate=%d:duration=%d,%s", clipSize, clipFPS, seconds, bigClock),
		"-f", "lavfi", "-i", fmt.Sprintf("sine=frequency=440:beep_factor=4:sample_rate=48000:duration=%d", seconds),
		"-c:v", "libx264", "-preset", "veryfast", "-profile:v", "baseline", "-bf", "0", "-pix_fmt", "yuv420p",
		"-b:v", "1500k", "-maxrate", "1500k", "-bufsize", "3000k",
		"-g", gop, "-keyint_min", gop, "-sc_threshold", "0",
		"-c:a", "aac", "-b:a", "128k", "-ac", "2",
		"-movflags", "+faststart", "-f", "mp4", out,
	}
}

// tool runs a program to its end and returns what it printed. It dies with
// ctx. A word from it counts as a failure where it is told to print errors
// only.
func (d *demo) tool(ctx context.Context, path string, args ...string) ([]byte, error) {
	name := filepath.Base(path)
	log := filepath.Join(d.dir, name+".out")
	_ = os.Remove(log)
	c, err := start(program{name: name, path: path, args: args, env: d.plainEnv(), log: log}, nil)
	if err != nil {
		return nil, err
	}
	err = c.wait(ctx)
	out, readErr := os.ReadFile(log)
	if err != nil {
		return out, fmt.Errorf("%s: %w\n%s", name, err, bytes.TrimSpace(out))
	}
	return out, readErr
}

// serveFile serves one file, with range requests, on a port of its own, and
// returns its address and what ends it.
func serveFile(path string) (address string, closeServer func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("serve the file: %w", err)
	}
	at := url.URL{Scheme: "http", Host: l.Addr().String(), Path: "/" + filepath.Base(path)}
	handler := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != at.Path {
			http.NotFound(w, r)
			return
		}
		http.ServeFile(w, r, path)
	}
	s := &http.Server{Handler: http.HandlerFunc(handler), ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Serve(l) // ends with Close
	}()
	return at.String(), func() { _ = s.Close(); <-ended }, nil
}
