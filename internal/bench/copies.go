package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"syscall"
	"time"
)

// The programs that are compared.
const (
	ours   = "Roomcast"
	ffmpeg = "ffmpeg"
	raw    = "raw writer"
	relay  = "raw relay"
)

var programs = []string{ours, ffmpeg, raw, relay}

// Figures of copied pushes, in the order of the table. Small is good in all of them.
const (
	cpu         = "CPU, ms a push-second"
	memory      = "memory (PSS) a push, MB"
	kernel      = "kernel socket memory a push, kB"
	voluntary   = "voluntary context switches a push-second"
	involuntary = "involuntary context switches a push-second"
	calls       = "read and write calls a packet"
	lateMiddle  = "lateness p50, ms"
	lateMost    = "lateness p99, ms"
	lateSecond  = "lateness, median of the worst second, ms"
	lateForDue  = "late for its due time, p99, ms"
	burst       = "sent ahead within the first second, p50, ms"
	startCPU    = "CPU of a start, ms"
	allStarted  = "all publish after, s"
	redisEach   = "Redis memory a running push, kB"
	slow        = "behind real time, %"
)

var figures = []string{cpu, memory, kernel, voluntary, involuntary, calls, lateMiddle, lateMost, lateSecond, lateForDue, burst, startCPU, allStarted, redisEach, slow}

// sample is the figures of one program with so many pushes, in one round.
type sample map[string]float64

// of is NaN for a figure that was not measured.
func (s sample) of(figure string) float64 {
	if v, ok := s[figure]; ok {
		return v
	}
	return math.NaN()
}

// job is what pushes are asked to do, and ffmpeg alike.
type job struct {
	fields map[string]any // of a request, beside those that all have
	args   []string       // of ffmpeg
}

var copying = job{args: []string{"-c", "copy"}}

// encoding makes of the clip's picture another one of its size, and other sound.
var encoding = job{
	fields: map[string]any{"transcode": "always", "videoKbps": 1800, "audioKbps": 128},
	args: []string{
		"-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-profile:v", "high", "-bf", "0", "-g", "60", "-sc_threshold", "0",
		"-pix_fmt", "yuv420p", "-threads", "1", "-b:v", "1800k", "-maxrate", "1800k", "-bufsize", "1800k",
		"-c:a", "aac", "-ar", "48000", "-ac", "2", "-b:a", "128k",
	},
}

// contender is one program with its pushes about to be started.
type contender struct {
	roots func() []*child // what is measured
	begin func() error    // asks for the pushes
	redis func() float64  // bytes in use; NaN where there is none
	late  func() float64  // lateForDue, as the program counts it; NaN where it does not
	close func()
}

// A busy machine starves programs for a while, and they catch up, which costs less than
// real time does: a window in which what came is that many % off is measured again,
// as often as windows says in all.
const (
	realTime = 4
	windows  = 3
)

// measure measures n pushes of a program: their start, and then the window.
func (b *bench) measure(ctx context.Context, program string, j job, n int, window time.Duration) (sample, error) {
	r, err := b.runOf(ctx, program, j, n)
	if err != nil {
		return nil, err
	}
	defer r.close()
	if _, err := b.take(); err != nil { // of the run before
		return nil, err
	}
	before, empty, emptySockets, emptyRedis := usage(r.roots()), pss(r.roots()), sockets(r.roots()), r.redis()
	asked, begun := time.Now(), b.begun()
	if err := r.begin(); err != nil {
		return nil, err
	}
	if err := b.waitBegun(ctx, begun+n, r.roots()...); err != nil {
		return nil, err
	}
	const settling = 3 * time.Second
	if err := pause(ctx, settling); err != nil {
		return nil, err
	}
	first, err := b.take()
	if err != nil {
		return nil, err
	}
	atStart := usage(r.roots())
	var all []session
	var to use
	var took time.Duration
	for range windows {
		from, begin := usage(r.roots()), time.Now()
		if err := pause(ctx, window); err != nil {
			return nil, err
		}
		to, took = usage(r.roots()), time.Since(begin)
		to = to.minus(from)
		if all, err = b.take(); err != nil {
			return nil, err
		}
		if math.Abs(behind(all, took, n)) < realTime {
			break
		}
	}
	held, inKernel, inRedis := pss(r.roots()), sockets(r.roots()), r.redis()
	if len(all) != n {
		return nil, fmt.Errorf("%s: %d pushes came for %d", program, len(all), n)
	}
	each := float64(n)
	s := steady(all, to, took, n)
	s[memory] = (held - empty) / each / 1e6
	if program == raw || program == relay {
		s[memory] = math.NaN() // the clip, once for all
	}
	s[kernel] = (inKernel - emptySockets) / each / 1e3
	s[redisEach] = (inRedis - emptyRedis) / each / 1e3
	s[burst], s[lateForDue] = median(ahead(first)), r.late()
	s[allStarted] = float64(slices.MaxFunc(first, func(x, y session) int { return int(x.Published - y.Published) }).Published-asked.UnixNano()) / 1e9
	s[startCPU] = (milliseconds(atStart.minus(before).cpu) - s[cpu]*played(first)) / each
	return s, nil
}

// steady are the figures of pushes that run.
func steady(all []session, u use, took time.Duration, n int) sample {
	packets := 0
	for _, s := range all {
		packets += len(s.Arrivals)
	}
	// By what came, not by the clock: a program that does not keep up is no cheaper for it.
	seconds := played(all)
	late, worst := lateness(all)
	return sample{
		cpu: milliseconds(u.cpu) / seconds, voluntary: u.voluntary / seconds, involuntary: u.involuntary / seconds, calls: u.calls / float64(packets),
		lateMiddle: quantile(late, 0.5), lateMost: quantile(late, 0.99), lateSecond: worst,
		slow: behind(all, took, n),
	}
}

// behind is how much less media than time came, in %; who catches up has more.
func behind(all []session, took time.Duration, n int) float64 {
	return 100 * (1 - played(all)/(took.Seconds()*float64(n)))
}

func (b *bench) runOf(ctx context.Context, program string, j job, n int) (*contender, error) {
	var started []*child
	r := &contender{roots: func() []*child { return started }, redis: math.NaN, late: math.NaN}
	r.close = func() { end(syscall.SIGKILL, started...) }
	switch program {
	case ours:
		s, err := b.start(ctx, 1)
		if err != nil {
			return nil, err
		}
		started, s.fields = s.workers, j.fields
		r.close = s.close
		r.begin = func() error { return s.pushes(ctx, "u", n) }
		r.redis = func() float64 {
			used, err := s.ofRedis(ctx, "memory", "used_memory")
			if err != nil {
				return math.NaN()
			}
			return used
		}
		r.late = func() float64 { return s.late(ctx) }
		return r, pause(ctx, time.Second) // until the worker is done with its own start
	case ffmpeg:
		r.begin = func() error {
			limit := time.Now().Add(startLimit)
			for i := range n {
				if time.Now().After(limit) {
					return fmt.Errorf("%d of %d processes: %w", i, n, errLate)
				}
				args := append([]string{"-nostdin", "-v", "error", "-re", "-i", b.source}, j.args...)
				c, err := launch(b.dir, measured, nil, "ffmpeg", append(args, "-f", "flv", fmt.Sprintf("rtmp://%s/push/room?userid=u%d", b.room, i))...)
				if err != nil {
					return err
				}
				started = append(started, c)
			}
			return nil
		}
	case raw, relay:
		args := []string{"raw", b.room, b.flv, fmt.Sprint(n)}
		if program == relay {
			args = append(args, b.source)
		}
		r.begin = func() error {
			c, err := launch(b.dir, measured, nil, b.self, args...)
			if err == nil {
				started = append(started, c)
			}
			return err
		}
	}
	return r, nil
}
