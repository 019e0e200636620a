package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// single is a figure that this project has alone.
type single struct{ Name, Value string }

// starts measures how long after a POST its publish comes, with none beside and with
// 200 that run.
func (b *bench) starts(ctx context.Context) (all []single, err error) {
	const times, beside = 100, 200
	s, err := b.start(ctx, 1)
	if err != nil {
		return nil, err
	}
	defer s.close()
	for i, name := range []string{"idle", fmt.Sprintf("beside %d running", beside)} {
		if i > 0 {
			begun := b.begun()
			if err := s.pushes(ctx, "beside", beside); err != nil {
				return nil, err
			}
			if err := b.waitBegun(ctx, begun+beside); err != nil {
				return nil, err
			}
		}
		took, err := s.oneByOne(ctx, fmt.Sprintf("one%d-", i), times)
		if err != nil {
			return nil, err
		}
		all = append(all, single{"POST → publish, " + name, fmt.Sprintf("p50 %.0f ms, p99 %.0f ms", quantile(took, 0.5), quantile(took, 0.99))})
	}
	return all, nil
}

// oneByOne starts pushes one after the other, each of which is stopped when it
// publishes, and returns how long each took to publish, in ms.
func (s *stack) oneByOne(ctx context.Context, prefix string, times int) (took []float64, err error) {
	if _, err := s.take(); err != nil {
		return nil, err
	}
	asked := map[string]time.Time{}
	for i := range times {
		user, begun := prefix+strconv.Itoa(i), s.begun()
		asked[user] = time.Now()
		id, err := s.push(ctx, user)
		if err != nil {
			return nil, err
		}
		if err := s.waitBegun(ctx, begun+1); err != nil {
			return nil, err
		}
		if _, err := s.ask(ctx, http.MethodDelete, "/v1/pushes/"+id, nil); err != nil {
			return nil, err
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil { // for its end
			return nil, err
		}
	}
	all, err := s.take()
	for _, v := range all {
		if at, ok := asked[v.User]; ok {
			took = append(took, float64(v.Published-at.UnixNano())/1e6)
		}
	}
	return took, err
}

// leaving measures what viewers miss when a worker with 200 pushes is killed, or is
// told to end, with an idle one beside it.
func (b *bench) leaving(ctx context.Context, name string, signal syscall.Signal) (single, error) {
	const pushes = 200
	var none single
	s, err := b.start(ctx, 1)
	if err != nil {
		return none, err
	}
	defer s.close()
	begun := b.begun()
	if err := s.pushes(ctx, "u", pushes); err != nil {
		return none, err
	}
	if err := errors.Join(b.waitBegun(ctx, begun+pushes), s.addWorker(ctx), pause(ctx, 2*time.Second)); err != nil {
		return none, err
	}
	_, err = b.take()
	if err = errors.Join(err, pause(ctx, time.Second)); err != nil { // of each something comes before it ends
		return none, err
	}
	left := time.Now()
	end(signal, s.workers[0])
	gone := time.Since(left)
	missing := b.waitBegun(ctx, begun+2*pushes) // who did not come shows as a gap without end
	if err := pause(ctx, 2*time.Second); err != nil {
		return none, err
	}
	all, err := b.take()
	away := gaps(all)
	value := fmt.Sprintf("away p50 %.2f s, p99 %.2f s, longest %.2f s; gone after %.1f s", quantile(away, 0.5), quantile(away, 0.99), quantile(away, 1), gone.Seconds())
	if missing != nil {
		value += "; " + missing.Error()
	}
	return single{name, value}, err
}

// requests measures the CPU of the API and the memory of Redis with 10 000 pushes
// that wait, of which it has just created the last.
func (b *bench) requests(ctx context.Context) (all []single, err error) {
	const pushes, measured, page = 10_000, 1000, 100
	s, err := b.start(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer s.close()
	before, err := s.ofRedis(ctx, "memory", "used_memory")
	if err != nil {
		return nil, err
	}
	if err := s.pushes(ctx, "early", pushes-measured); err != nil {
		return nil, err
	}
	id := ""
	for _, r := range []struct {
		name string
		do   func(i int) error
	}{
		{"create", func(i int) (err error) { id, err = s.push(ctx, "late"+strconv.Itoa(i)); return err }},
		{"GET", func(int) error { _, err := s.ask(ctx, http.MethodGet, "/v1/pushes/"+id, nil); return err }},
		{"list of 100 of 10 000", func(int) error {
			_, err := s.ask(ctx, http.MethodGet, "/v1/pushes?limit="+strconv.Itoa(page), nil)
			return err
		}},
	} {
		begin := usage([]*child{s.api}).cpu
		for i := range measured {
			if err := r.do(i); err != nil {
				return nil, err
			}
		}
		each := (usage([]*child{s.api}).cpu - begin) / measured
		all = append(all, single{"CPU of the API, " + r.name, fmt.Sprintf("%d µs", each.Microseconds())})
	}
	after, err := s.ofRedis(ctx, "memory", "used_memory")
	return append(all, single{"Redis memory a waiting push", fmt.Sprintf("%.1f kB", (after-before)/pushes/1e3)}), err
}

// reencoded compares one push that is re-encoded, worker and media hosts, with one
// ffmpeg process that does the same in real time.
func (b *bench) reencoded(ctx context.Context, rounds int) ([]single, error) {
	m := measurements{1: {}}
	for round := range rounds {
		for i := range 2 {
			program := programs[(i+round)%2]
			s, err := b.measure(ctx, program, encoding, 1, 20*time.Second)
			if err != nil {
				return nil, err
			}
			m[1][program] = append(m[1][program], s)
		}
	}
	return []single{{"CPU of a re-encoded push over that of one ffmpeg process, 720p", fmt.Sprintf("%.2f × (%.0f and %.0f ms a second)",
		m.ratio(1, cpu, ours, ffmpeg), m.of(1, ours, cpu), m.of(1, ffmpeg, cpu))}}, nil
}

// transcodes runs the Go benchmark that compares CPU with our build of the ffmpeg
// program, and returns its ratios by name.
func transcodes(ctx context.Context, which, times string) (map[string]float64, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkTranscode$/^"+which+"$", "-benchtime", times, "./media/libav")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", cmd, err, out)
	}
	all := map[string]float64{}
	for _, m := range regexp.MustCompile(`(?m)^BenchmarkTranscode/(\S+?)(?:-\d+)?\s.*\s([\d.]+) ratio`).FindAllSubmatch(out, -1) {
		all[strings.ReplaceAll(string(m[1]), "_", " ")], _ = strconv.ParseFloat(string(m[2]), 64)
	}
	return all, nil
}
