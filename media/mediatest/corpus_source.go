package mediatest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Source serves the sample as its Serving says until the end of the test and
// returns its address. nginx is where ByRTMP publishes to; others need none.
func (s Sample) Source(t testing.TB, nginx *Nginx) string {
	t.Helper()
	path := s.Path(t)
	dir, name := filepath.Split(path)
	switch s.Serve {
	case ByPlainFile, ByChunks:
		return ServeHandler(t, plain{path, s.Serve == ByPlainFile}) + "/" + name
	case ByLiveHLS:
		return ServeLiveHLS(t, path)
	case ByHTTPFLV:
		return ServeEndless(t, path, "flv") + "/live.flv"
	case ByRTMP:
		return publishLive(t, nginx, path)
	case ByRTSP:
		return StartRTSP(t, "", "").Publish(t, path, "live")
	case BySRT:
		return ServeSRT(t, path, "")
	case ByFile, ByFolder:
	}
	return ServeFolder(t, dir) + "/" + name
}

// ServeHandler serves h on loopback until the end of the test and returns its
// address.
func ServeHandler(t testing.TB, h http.Handler) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	return srv.URL
}

// plain serves a file to somebody who cannot seek, with its length or without.
type plain struct {
	path   string
	length bool
}

func (p plain) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	data, err := os.ReadFile(p.path)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Accept-Ranges", "none")
	if p.length {
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	}
	_, _ = w.Write(data)
}

// loop are ffmpeg's arguments to play a file over and over in real time: a track
// that pauses does not hold the other up.
func loop(path string) []string {
	return []string{"-nostdin", "-v", "error", "-re", "-stream_loop", "-1", "-i", path, "-c", "copy", "-max_interleave_delta", "200000"}
}

// ServeEndless answers every request with the file, over and over, in real time, in
// a container (ffmpeg's muxer), until the end of the test. It returns its address.
func ServeEndless(t testing.TB, path, container string) string {
	t.Helper()
	return ServeHandler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "video/"+container)
		cmd := exec.CommandContext(r.Context(), "ffmpeg", append(loop(path), "-flush_packets", "1", "-f", container, "pipe:1")...)
		cmd.Stdout = flushing{w}
		_ = cmd.Run() // ends with the request
	}))
}

// flushing sends every write at once.
type flushing struct{ http.ResponseWriter }

func (f flushing) Write(p []byte) (int, error) {
	n, err := f.ResponseWriter.Write(p)
	if err == nil {
		err = http.NewResponseController(f.ResponseWriter).Flush()
	}
	return n, err
}

// ServeLiveHLS writes a playlist of a clip that is played over and over, in real
// time, until the end of the test, and returns its address when three
// segments are there.
func ServeLiveHLS(t testing.TB, path string) string {
	t.Helper()
	dir := t.TempDir()
	list := filepath.Join(dir, "live.m3u8")
	p := ffmpegIn(t, dir, append(loop(path), "-f", "hls", "-hls_time", "1", "-hls_list_size", "6",
		"-hls_flags", "delete_segments+temp_file", list)...)
	pollFor(t, "three segments", func() bool {
		text, _ := os.ReadFile(list)
		return strings.Count(string(text), ".ts") >= 3
	}, p)
	t.Cleanup(p.Kill) // before the folder goes
	return ServeHandler(t, http.FileServer(http.Dir(dir))) + "/live.m3u8"
}

// pollFor waits until cond holds: a program's files give no sign.
func pollFor(t testing.TB, what string, cond func() bool, p *Process) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-p.Done():
			t.Fatalf("wait for %s: ffmpeg has ended\n%s", what, p.Output())
		case <-ctx.Done():
			t.Fatalf("wait for %s: %v\n%s", what, context.Cause(ctx), p.Output())
		}
	}
}

// publishLive publishes the file, over and over, to nginx and returns where it
// can be pulled from.
func publishLive(t testing.TB, nginx *Nginx, path string) string {
	t.Helper()
	name := "live_" + rand.Text()
	address := nginx.RTMP + "/live/" + name
	p := ffmpegIn(t, "", append(loop(path), "-f", "flv", address)...)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := nginx.WaitEvent(ctx, "publish", name); err != nil {
		t.Fatalf("%v\n%s", err, p.Output())
	}
	return address
}

// ServeSRT plays the file over and over in real time to the first who calls and
// returns its address. query is what the listener asks for: "passphrase=...".
func ServeSRT(t testing.TB, path, query string) string {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	address := "srt://" + c.LocalAddr().String()
	_ = c.Close()
	p := ffmpegIn(t, "", append(loop(path), "-f", "mpegts", address+"?mode=listener&"+query)...)
	pollFor(t, "the listener", func() bool {
		table, _ := os.ReadFile("/proc/net/udp")
		return strings.Contains(string(table), fmt.Sprintf(":%04X ", c.LocalAddr().(*net.UDPAddr).Port))
	}, p)
	return address
}
