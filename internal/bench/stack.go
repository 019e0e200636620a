package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/roomcast/roomcast/internal/redisconn"
	"github.com/roomcast/roomcast/internal/redistest"
)

const (
	appID  = "1400000001"
	apiKey = "an-api-key-for-benches"
	slots  = "500" // of a worker: more than any row has pushes
	// startLimit is how long pushes may take to begin, on a machine that is busy.
	startLimit = 2 * time.Minute
)

// bench is one run: its files, the room and the web server, which stay.
type bench struct {
	dir, bin, self string
	clip, flv      string
	source, room   string // addresses
	sink           string // of what the sink knows
	children       []*child
}

// prepare makes the clip and starts the room and the web server.
func (b *bench) prepare(ctx context.Context) (err error) {
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if err := b.makeClip(ctx); err != nil {
		return err
	}
	_, at, err := b.helper(ctx, "files", b.clip)
	if err != nil {
		return err
	}
	b.source = "http://" + at[1] + "/" + filepath.Base(b.clip)
	_, at, err = b.helper(ctx, "sink")
	if err != nil {
		return err
	}
	b.sink, b.room = "http://"+at[1], at[2]
	return nil
}

// helper starts this program in another part, aside.
func (b *bench) helper(ctx context.Context, args ...string) (*child, []string, error) {
	c, err := launch(b.dir, aside, nil, b.self, args...)
	if err != nil {
		return nil, nil, err
	}
	b.children = append(b.children, c)
	at, err := c.logged(ctx, `listening addr=(\S+) more=(\S+)`)
	return c, at, err
}

func (b *bench) close() {
	end(syscall.SIGKILL, b.children...)
	_ = os.RemoveAll(b.dir)
}

// makeClip makes four minutes of 720p30 at 2.1 Mb/s, sound included, as MP4 and as
// FLV: twelve times the same twenty seconds.
func (b *bench) makeClip(ctx context.Context) error {
	part := filepath.Join(b.dir, "part.mp4")
	b.clip, b.flv = filepath.Join(b.dir, "clip.mp4"), filepath.Join(b.dir, "clip.flv")
	for _, args := range [][]string{
		{"-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30:duration=20,noise=alls=6:allf=t", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=20",
			"-c:v", "libx264", "-preset", "veryfast", "-bf", "0", "-pix_fmt", "yuv420p", "-b:v", "1970k", "-maxrate", "1970k", "-bufsize", "1970k",
			"-g", "60", "-sc_threshold", "0", "-c:a", "aac", "-b:a", "128k", "-ac", "2", part},
		{"-stream_loop", "11", "-i", part, "-c", "copy", "-movflags", "+faststart", b.clip},
		{"-i", b.clip, "-c", "copy", "-f", "flv", b.flv},
	} {
		cmd := exec.CommandContext(ctx, "ffmpeg", append([]string{"-nostdin", "-y", "-v", "error"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("make a clip with ffmpeg: %w: %s", err, out)
		}
	}
	return nil
}

// begun is how many publishes the room has seen.
func (b *bench) begun() int {
	text, err := get(b.sink + "/begun")
	n, _ := strconv.Atoi(string(text))
	if err != nil {
		return 0
	}
	return n
}

// take returns what has come to the room since it was last asked.
func (b *bench) take() (all []session, err error) {
	text, err := get(b.sink + "/take")
	if err != nil {
		return nil, err
	}
	return all, gob.NewDecoder(bytes.NewReader(text)).Decode(&all)
}

// waitBegun waits until the room has seen so many publishes, as long as those who are
// to make them live.
func (b *bench) waitBegun(ctx context.Context, total int, of ...*child) (err error) {
	late := until(ctx, startLimit, func() bool {
		for _, c := range of {
			if err = c.alive(); err != nil {
				return true
			}
		}
		return b.begun() >= total
	})
	if err = errors.Join(err, late); err != nil {
		return fmt.Errorf("%d of %d publishes: %w", b.begun(), total, err)
	}
	return nil
}

func get(url string) ([]byte, error) {
	answer, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	return io.ReadAll(answer.Body)
}

// stack is this project running.
type stack struct {
	*bench
	redis   *redistest.Server
	client  redisconn.Client
	api     *child
	workers []*child
	url     string
	env     []string
	fields  map[string]any // of each request, beside those that all have
}

// start starts Redis, the API and so many workers.
func (b *bench) start(ctx context.Context, workers int) (*stack, error) {
	redis, err := redistest.Start(redistest.Config{})
	if err != nil {
		return nil, err
	}
	s := &stack{bench: b, redis: redis}
	if s.client, err = redisconn.New(redisconn.Config{URL: redis.URL()}); err == nil {
		err = s.startAPI(ctx)
	}
	for range workers {
		if err == nil {
			err = s.addWorker(ctx)
		}
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *stack) startAPI(ctx context.Context) (err error) {
	pid, err := s.ofRedis(ctx, "server", "process_id")
	if err != nil {
		return err
	}
	pin(int(pid), aside)
	key := sha256.Sum256([]byte(apiKey))
	s.env = []string{
		"ROOMCAST_REDIS_URL=" + s.redis.URL(), "ROOMCAST_LISTEN=127.0.0.1:0", "ROOMCAST_WORKER_LISTEN=127.0.0.1:0",
		"ROOMCAST_API_KEYS=bench:" + hex.EncodeToString(key[:]), "ROOMCAST_SECRET_KEY=" + base64.StdEncoding.EncodeToString(key[:]),
		"ROOMCAST_SDK_KEYS=" + appID + "=" + hex.EncodeToString(key[:]), "ROOMCAST_RTMP_ENDPOINT=rtmp://" + s.room + "/push",
		"ROOMCAST_SOURCE_ALLOW=127.0.0.0/8", "ROOMCAST_WORKER_SLOTS=" + slots, "ROOMCAST_WORKER_CORES=1000", "ROOMCAST_LOG_FORMAT=json",
	}
	if s.api, err = launch(s.dir, aside, s.env, filepath.Join(s.bin, "api")); err != nil {
		return err
	}
	at, err := s.api.logged(ctx, `"msg":"listening".*"addr":"([^"]+)"`)
	if err == nil {
		s.url = "http://" + at[1]
	}
	return err
}

func (s *stack) addWorker(ctx context.Context) error {
	w, err := launch(s.dir, measured, s.env, filepath.Join(s.bin, "worker"))
	if err != nil {
		return err
	}
	s.workers = append(s.workers, w)
	_, err = w.logged(ctx, `"msg":"worker started"`)
	return err
}

// close kills everything: what the pushes would do at an end in order is not measured.
func (s *stack) close() {
	end(syscall.SIGKILL, s.workers...)
	if s.api != nil {
		end(syscall.SIGKILL, s.api)
	}
	if s.client != nil {
		_ = s.client.Close()
	}
	s.redis.Close()
}

// ofRedis returns a number of Redis's INFO.
func (s *stack) ofRedis(ctx context.Context, section, name string) (float64, error) {
	text, err := s.client.Info(ctx, section).Result()
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines([]byte(text)) {
		if value, ok := bytes.CutPrefix(line, []byte(name+":")); ok {
			return strconv.ParseFloat(string(bytes.TrimSpace(value)), 64)
		}
	}
	return math.NaN(), nil
}

// ask does a request of the API, and fails on any answer but a good one.
func (s *stack) ask(ctx context.Context, method, path string, body any) (answer []byte, err error) {
	var text []byte
	if body != nil {
		if text, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, s.url+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+apiKey)
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if answer, err = io.ReadAll(resp.Body); err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, answer)
	}
	return answer, err
}

// push asks for one push of the clip and returns its id.
func (s *stack) push(ctx context.Context, user string) (id string, err error) {
	body := map[string]any{"videoSrc": s.source, "sdkAppId": json.Number(appID), "roomId": "bench", "userId": user}
	maps.Copy(body, s.fields)
	text, err := s.ask(ctx, http.MethodPost, "/v1/pushes", body)
	if err != nil {
		return "", err
	}
	var answer struct{ ID string }
	return answer.ID, json.Unmarshal(text, &answer)
}

// clients is how many requests are asked at once.
const clients = 8

// pushes asks for many.
func (s *stack) pushes(ctx context.Context, prefix string, n int) error {
	failed := make([]error, clients)
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			for i := c; i < n && failed[c] == nil; i += clients {
				_, failed[c] = s.push(ctx, prefix+strconv.Itoa(i))
			}
		})
	}
	all.Wait()
	for _, err := range failed {
		if err != nil {
			return err
		}
	}
	return nil
}

// late returns the median of the pushes' latenessMsP99, of a page of them; NaN where nothing answers.
func (s *stack) late(ctx context.Context) float64 {
	var page struct {
		Pushes []struct {
			Progress *struct{ LatenessMsP99 float64 }
		}
	}
	text, err := s.ask(ctx, http.MethodGet, "/v1/pushes?limit=200", nil)
	if err != nil || json.Unmarshal(text, &page) != nil {
		return math.NaN()
	}
	var each []float64
	for _, p := range page.Pushes {
		if p.Progress != nil {
			each = append(each, p.Progress.LatenessMsP99)
		}
	}
	return median(each)
}
