package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redisconn"
	"github.com/roomcast/roomcast/internal/redistest"
	"github.com/roomcast/roomcast/tasks/store"
)

// askersEnv makes another process of this binary the clients: host:port of the API,
// and how many pushes there are to be, URL of Redis.
const askersEnv = "ROOMCAST_TEST_ASKERS"

// asked is how often each request is made by the clients, over as many connections.
const (
	asked       = 4000
	connections = 4
)

// BenchmarkRequests is what the API's process uses of the processor to start a
// push, to show one and to list a hundred, with 10 000 that run. The clients are
// another process's, over connections that stay open.
func BenchmarkRequests(b *testing.B) {
	redis := redistest.New(b, redistest.Config{})
	i := start(b, redis, "ROOMCAST_LEASE=1m", "ROOMCAST_LOG_LEVEL=info")
	for b.Loop() {
		cmd := exec.CommandContext(b.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), askersEnv+"="+strings.TrimPrefix(i.base, "http://")+" "+redis.URL())
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		require.NoError(b, err)
		in, err := cmd.StdinPipe()
		require.NoError(b, err)
		require.NoError(b, cmd.Start())
		lines := bufio.NewScanner(out)
		require.True(b, lines.Scan(), "the pushes do not come")
		for _, what := range []string{"create", "get", "list"} {
			before := cpuTime(b)
			_, err = fmt.Fprintln(in, what)
			require.NoError(b, err)
			require.True(b, lines.Scan(), "the answers do not come")
			var n int
			_, err = fmt.Sscan(lines.Text(), &n)
			require.NoError(b, err, lines.Text())
			b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(n), what+"-us")
		}
		require.NoError(b, in.Close())
		require.NoError(b, cmd.Wait())
	}
}

// askers is the other process. For each line that it reads it makes requests of
// that kind, and prints how many.
func askers(where string) {
	addr, url, _ := strings.Cut(where, " ")
	client, err := redisconn.New(redisconn.Config{URL: url})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	const pushes = 10_000
	fleet := newFleet(ctx, store.New(client, store.Config{Lease: time.Minute}), pushes)
	fleet.renew(ctx, 0, pushes)
	_, _ = fmt.Println("all are there")
	ask := asker{addr: addr, fleet: fleet}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		n := asked
		if lines.Text() == "list" {
			n /= 10
		}
		ask.all(lines.Text(), n)
		_, _ = fmt.Println(n)
	}
}

type asker struct {
	addr  string
	fleet *fleet
	made  atomic.Int64
}

func (a *asker) all(what string, n int) {
	var clients sync.WaitGroup
	for range connections {
		clients.Go(func() {
			conn, err := net.Dial("tcp", a.addr)
			if err != nil {
				log.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			answers := bufio.NewReaderSize(conn, 256<<10)
			for range n / connections {
				a.ask(conn, answers, what)
			}
		})
	}
	clients.Wait()
}

func (a *asker) ask(conn net.Conn, answers *bufio.Reader, what string) {
	n := int(a.made.Add(1))
	method, path, body, status := "GET", "/v1/pushes?limit=100", "", http.StatusOK
	switch what {
	case "create":
		method, path, status = "POST", "/v1/pushes", http.StatusAccepted
		text, err := json.Marshal(map[string]any{
			"videoSrc": "https://files.example/lessons/2026/algebra.mp4?sign=0123456789abcdef0123456789abcdef", "sdkAppId": 1400000000,
			"roomId": fmt.Sprintf("new%d", n), "userId": fmt.Sprintf("teacher-%d", n), "redis": true,
		})
		if err != nil {
			log.Fatal(err)
		}
		body = string(text)
	case "get":
		path = "/v1/pushes/" + a.fleet.leases[n%len(a.fleet.leases)].ID
	}
	_, err := fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		method, path, apiKey, len(body), body)
	if err != nil {
		log.Fatal(err)
	}
	answer, err := http.ReadResponse(answers, nil)
	if err != nil {
		log.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != status {
		log.Fatal(answer.Status, string(text), err)
	}
}
