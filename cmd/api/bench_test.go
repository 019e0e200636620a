package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
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

const (
	listenersEnv = "ROOMCAST_TEST_LISTENERS" // host:port of the API and URL of Redis, for another process of this binary
	manyPushes   = 300
	listenToOne  = 1900
	listenToAll  = 100
	rounds       = 20 // of progress, one a second
)

// BenchmarkTwoThousandListeners is what an API costs that tells 2000 listeners
// of 300 pushes. The listeners and the pushes are another process's, Redis is a
// third: cpu-s/s is the API's own.
func BenchmarkTwoThousandListeners(b *testing.B) {
	redis := redistest.New(b, redistest.Config{})
	i := start(b, redis, "ROOMCAST_LEASE=1m", "ROOMCAST_LOG_LEVEL=info")
	for b.Loop() {
		cmd := exec.CommandContext(b.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), listenersEnv+"="+strings.TrimPrefix(i.base, "http://")+" "+redis.URL())
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		require.NoError(b, err)
		require.NoError(b, cmd.Start())
		lines := bufio.NewScanner(out)
		require.True(b, lines.Scan(), "the listeners do not come")
		begin, used := time.Now(), cpuTime(b)
		require.True(b, lines.Scan(), "the listeners do not get what they should")
		took := time.Since(begin)
		b.ReportMetric((cpuTime(b)-used).Seconds()/took.Seconds(), "cpu-s/s")
		var messages, size float64
		_, err = fmt.Sscan(lines.Text(), &messages, &size)
		require.NoError(b, err, lines.Text())
		b.ReportMetric(messages/took.Seconds(), "messages/s")
		b.ReportMetric(size/1e6/took.Seconds(), "MB/s")
		require.NoError(b, cmd.Wait())
	}
}

// cpuTime is what this process has used.
func cpuTime(t testing.TB) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// listeners is the other process: it plays 300 pushes into Redis and listens to
// them. It prints a line when everybody has the first message, and one with the
// messages and bytes that came since when the pushes have been told of often
// enough.
func listeners(where string) {
	addr, url, _ := strings.Cut(where, " ")
	client, err := redisconn.New(redisconn.Config{URL: url})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	fleet := newFleet(ctx, store.New(client, store.Config{Lease: time.Minute}))
	c := &crowd{addr: addr}
	for n := range listenToOne {
		c.open(ctx, "/v1/pushes/"+fleet.leases[n%manyPushes].ID+"/events")
	}
	for range listenToAll {
		c.open(ctx, "/v1/events")
	}
	c.begun.Wait()
	_, _ = fmt.Println("all listen")
	c.messages.Store(0)
	c.bytes.Store(0)
	tick := time.NewTicker(time.Second)
	for n := range rounds {
		fleet.renew(ctx, n+1)
		<-tick.C
	}
	tick.Stop()
	want := int64(listenToOne+listenToAll*manyPushes) * (rounds - 2) // two rounds may fall into one look
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

func newFleet(ctx context.Context, s *store.Store) *fleet {
	f := &fleet{store: s}
	for n := range manyPushes {
		id := uuid.Must(uuid.NewV7()).String()
		p, _, err := s.Create(ctx, tasks.NewPush{Envelope: "sealed", Push: tasks.Push{ID: id, Spec: tasks.Spec{
			VideoSrc: "https://files.example/lessons/2026/algebra.mp4", SourceHost: "files.example", SDKAppID: 1400000000,
			RoomID: fmt.Sprintf("lesson%d", n), UserID: id, ClientRole: "anchor", Mode: media.ModeAuto,
		}}})
		if err != nil {
			log.Fatal(err)
		}
		l := tasks.Lease{ID: id, Epoch: p.Epoch, Worker: "w"}
		if _, err := s.Claim(ctx, l, n); err != nil {
			log.Fatal(err)
		}
		f.leases = append(f.leases, l)
	}
	f.renew(ctx, 0)
	return f
}

// renew writes the progress of all after n seconds. Each second, one push in
// thirty begins to be in trouble and another is well again.
func (f *fleet) renew(ctx context.Context, n int) {
	report := &tasks.SourceReport{Kind: "vod", Container: "mp4", DurationMs: 3_600_000, Tracks: []tasks.TrackReport{
		{Type: "video", Codec: "h264", Profile: "High", Width: 1280, Height: 720, FPS: 25, BitrateKbps: 1400},
		{Type: "audio", Codec: "aac", Profile: "LC", SampleRate: 48000, Channels: 2, BitrateKbps: 128},
	}}
	renewals := make([]tasks.Renewal, manyPushes)
	for i, l := range f.leases {
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
		renewals[i] = r
	}
	verdicts, err := f.store.Renew(ctx, tasks.WorkerReport{Name: "w"}, renewals)
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
