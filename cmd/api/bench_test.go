package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redisconn"
	"github.com/roomcast/roomcast/internal/redistest"
	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
)

// listenersEnv makes another process of this binary the listeners: host:port of
// the API, URL of Redis, and an audience as JSON.
const listenersEnv = "ROOMCAST_TEST_LISTENERS"

// audience is who listens to what.
type audience struct {
	Pushes   int // that are there
	Changing int // that are told of in a round, by turns
	ToOne    int // listeners to one push
	ToAll    int // listeners to all, as the page is
	Rounds   int // one a second
}

// BenchmarkTwoThousandListeners is what an API costs that tells 2000 listeners
// of 300 pushes. The listeners and the pushes are another process's, Redis is a
// third: cpu-s/s is the API's own.
func BenchmarkTwoThousandListeners(b *testing.B) {
	benchmarkAudience(b, audience{Pushes: 300, Changing: 300, ToOne: 1900, ToAll: 100, Rounds: 20})
}

// BenchmarkFiftyPages is what an API costs that fifty pages look at, of 5000
// pushes, 300 of which change each second. rss-MB is the API's process at the
// end, and rss-growth-MB what it took more than after a quarter of the time.
func BenchmarkFiftyPages(b *testing.B) {
	rounds := 120
	if testing.Short() {
		rounds = 20
	}
	benchmarkAudience(b, audience{Pushes: 5000, Changing: 300, ToAll: 50, Rounds: rounds})
}

func benchmarkAudience(b *testing.B, who audience) {
	b.Helper()
	redis := redistest.New(b, redistest.Config{})
	i := start(b, redis, "ROOMCAST_LEASE=1m", "ROOMCAST_LOG_LEVEL=info")
	text, err := json.Marshal(who)
	require.NoError(b, err)
	for b.Loop() {
		cmd := exec.CommandContext(b.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), listenersEnv+"="+strings.TrimPrefix(i.base, "http://")+" "+redis.URL()+" "+string(text))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		require.NoError(b, err)
		before := cpuTime(b)
		require.NoError(b, cmd.Start())
		lines := bufio.NewScanner(out)
		require.True(b, lines.Scan(), "the listeners do not come")
		b.ReportMetric((cpuTime(b) - before).Seconds(), "begin-cpu-s")
		begin, used, redisUsed := time.Now(), cpuTime(b), redisTime(b, redis)
		early := make(chan float64, 1)
		time.AfterFunc(time.Duration(who.Rounds)*time.Second/4, func() { early <- resident(b) })
		require.True(b, lines.Scan(), "the listeners do not get what they should")
		took, at := time.Since(begin), resident(b)
		b.ReportMetric((cpuTime(b)-used).Seconds()/took.Seconds(), "cpu-s/s")
		b.ReportMetric((redisTime(b, redis)-redisUsed).Seconds()/took.Seconds(), "redis-cpu-s/s")
		b.ReportMetric(at, "rss-MB")
		b.ReportMetric(at-<-early, "rss-growth-MB")
		var messages, size float64
		_, err = fmt.Sscan(lines.Text(), &messages, &size)
		require.NoError(b, err, lines.Text())
		b.ReportMetric(messages/took.Seconds(), "messages/s")
		b.ReportMetric(size/1e6/took.Seconds(), "MB/s")
		require.NoError(b, cmd.Wait())
	}
}

// redisTime is what Redis has used.
func redisTime(b *testing.B, redis *redistest.Server) time.Duration {
	b.Helper()
	text, err := redis.Client(b).Info(b.Context(), "cpu").Result()
	require.NoError(b, err)
	var sum float64
	for _, m := range regexp.MustCompile(`used_cpu_(?:user|sys):([0-9.]+)`).FindAllStringSubmatch(text, -1) {
		seconds, err := strconv.ParseFloat(m[1], 64)
		require.NoError(b, err)
		sum += seconds
	}
	return time.Duration(sum * float64(time.Second))
}

// resident is the memory that this process has, in MB.
func resident(b *testing.B) float64 {
	b.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Error(err)
		return 0
	}
	var total, pages float64
	_, err = fmt.Sscan(string(text), &total, &pages)
	if err != nil {
		b.Error(err)
	}
	return pages * float64(os.Getpagesize()) / 1e6
}

// cpuTime is what this process has used.
func cpuTime(t testing.TB) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// listeners is the other process: it plays pushes into Redis and listens to
// them. It prints a line when everybody has the first message, and one with the
// messages and bytes that came since when the pushes have been told of often
// enough.
func listeners(where string) {
	parts := strings.SplitN(where, " ", 3)
	var who audience
	if len(parts) != 3 || json.Unmarshal([]byte(parts[2]), &who) != nil {
		log.Fatalf("what listens? %s", where)
	}
	addr, url := parts[0], parts[1]
	client, err := redisconn.New(redisconn.Config{URL: url})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	fleet := newFleet(ctx, store.New(client, store.Config{Lease: time.Minute}), who.Pushes)
	first := (who.Pushes + who.Changing - 1) / who.Changing // rounds until all were told of
	for n := range first {
		fleet.renew(ctx, n, who.Changing)
	}
	c := &crowd{addr: addr}
	for n := range who.ToOne {
		c.open(ctx, "/v1/pushes/"+fleet.leases[n%who.Pushes].ID+"/events")
	}
	for range who.ToAll {
		c.open(ctx, "/v1/events")
	}
	c.begun.Wait()
	_, _ = fmt.Println("all listen")
	c.messages.Store(0)
	c.bytes.Store(0)
	tick := time.NewTicker(time.Second)
	for n := range who.Rounds {
		fleet.renew(ctx, first+n, who.Changing)
		<-tick.C
	}
	tick.Stop()
	want := int64(who.ToOne+who.ToAll*who.Changing) * int64(who.Rounds-2) // two rounds may fall into one look
	if got := c.messages.Load(); got < want || c.lost.Load() > 0 {
		log.Fatalf("%d messages, at least %d are wanted; %d streams broke", got, want, c.lost.Load())
	}
	_, _ = fmt.Println(c.messages.Load(), c.bytes.Load())
}

// fleet is a worker with many pushes.
type fleet struct {
	store  *store.Store
	leases []tasks.Lease
}

func newFleet(ctx context.Context, s *store.Store, pushes int) *fleet {
	f := &fleet{store: s}
	for n := range pushes {
		id := uuid.Must(uuid.NewV7()).String()
		p, _, err := s.Create(ctx, tasks.NewPush{Envelope: "sealed", Push: tasks.Push{ID: id, Spec: tasks.Spec{
			VideoSrc: "https://files.example/lessons/2026/algebra.mp4", SourceHost: "files.example", SDKAppID: 1400000000,
			RoomID: fmt.Sprintf("lesson%d", n), UserID: id, ClientRole: "anchor", Mode: media.ModeAuto,
		}}})
		if err != nil {
			log.Fatal(err)
		}
		l := tasks.Lease{ID: id, Epoch: p.Epoch, Worker: "w"}
		if answers, err := s.Claims(ctx, []tasks.Claim{{Lease: l, Place: tasks.Place{Others: n}}}); err != nil || answers[0].Err != nil {
			log.Fatal(err, answers)
		}
		f.leases = append(f.leases, l)
	}
	return f
}

// renew writes the progress of some after n seconds, the next in turn. Each
// second, one push in thirty of them begins to be in trouble and another is well
// again.
func (f *fleet) renew(ctx context.Context, n, some int) {
	report := &tasks.SourceReport{Kind: "vod", Container: "mp4", DurationMs: 3_600_000, Tracks: []tasks.TrackReport{
		{Type: "video", Codec: "h264", Profile: "High", Width: 1280, Height: 720, FPS: 25, BitrateKbps: 1400},
		{Type: "audio", Codec: "aac", Profile: "LC", SampleRate: 48000, Channels: 2, BitrateKbps: 128},
	}}
	renewals := make([]tasks.Renewal, some)
	for k := range renewals {
		i := (n*some + k) % len(f.leases)
		l := f.leases[i]
		r := tasks.Renewal{Lease: l, State: tasks.Publishing, Started: time.Now(), Source: report, Progress: media.Progress{
			Position: time.Duration(n) * time.Second, Duration: time.Hour, Bitrate: 1_500_000, FPS: 25,
			SentBytes: int64(n) * 190_000, UpdatedAt: time.Now(),
		}}
		e := tasks.Event{At: time.Now(), Side: tasks.SideSource, Code: "source_silent", Message: "nothing has come from the source for some seconds", Seq: int64(n + 1)}
		switch i % 30 {
		case n % 30:
			e.Type = tasks.EventTrouble
			r.Events = []tasks.Event{e}
		case (n + 29) % 30:
			e.Type = tasks.EventRecovered
			r.Events = []tasks.Event{e}
		}
		renewals[k] = r
	}
	verdicts, err := f.store.Renew(ctx, tasks.WorkerReport{Name: "w", State: tasks.WorkerReady}, renewals)
	if err != nil {
		log.Fatal(err)
	}
	for _, v := range verdicts {
		if v != tasks.Kept {
			log.Fatalf("a push was not renewed: %d", v)
		}
	}
}

// crowd counts what its streams bring.
type crowd struct {
	addr                  string
	begun                 sync.WaitGroup
	messages, bytes, lost atomic.Int64
}

// open asks for a stream, raw: the clients must not use up the machine.
func (c *crowd) open(ctx context.Context, path string) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", c.addr)
	if err != nil {
		log.Fatal(err)
	}
	_, err = io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "+apiKey+"\r\nAccept: text/event-stream\r\n\r\n")
	if err != nil {
		log.Fatal(err)
	}
	c.begun.Add(1)
	go func() {
		lines, begun := bufio.NewReaderSize(conn, 64<<10), false
		for {
			line, err := lines.ReadSlice('\n')
			c.bytes.Add(int64(len(line)))
			switch {
			case strings.HasPrefix(string(line), "HTTP/1.1 ") && !strings.HasPrefix(string(line), "HTTP/1.1 200"):
				log.Fatalf("a stream was refused: %s", line)
			case errors.Is(err, bufio.ErrBufferFull): // a long line
			case err != nil:
				c.lost.Add(1)
				return
			case strings.HasPrefix(string(line), "event: "):
				c.messages.Add(1)
				if !begun {
					begun = true
					c.begun.Done()
				}
			}
		}
	}()
}
