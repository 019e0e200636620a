// Command bench measures what a push costs, against one ffmpeg process a push and
// against the least that a pusher can do, in one run: `make bench`. Ratios alone tell
// something between machines. It plays the other parts, too: the room, the web
// server, the raw writer.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/roomcast/roomcast/internal/process"
)

func main() { process.Main(run) }

func run(ctx context.Context, _ []string, stderr io.Writer) error {
	if args := os.Args[1:]; len(args) > 0 {
		switch args[0] {
		case "sink":
			return serveSink(ctx, os.Stdout)
		case "files":
			return serveFiles(ctx, os.Stdout, args[1])
		case "raw":
			n, err := strconv.Atoi(args[3])
			return errors.Join(err, writeRaw(ctx, os.Stdout, args[1], args[2], n, args[4:]...))
		}
	}
	quick := flag.Bool("quick", false, "only the ratios that CI compares with "+baselinePath)
	update := flag.Bool("update", false, "with -quick: write the ratios there instead")
	bin := flag.String("bin", "bin", "the folder of api and worker")
	rounds := flag.Int("rounds", 3, "how often everything is measured")
	sizes := sizesFlag{1, 100, 300}
	flag.Var(&sizes, "pushes", "how many at once, comma separated, the smallest first; not with -quick")
	flag.Parse()
	dir, err := os.MkdirTemp("", "roomcast-bench-")
	if err != nil {
		return err
	}
	b := &bench{dir: dir, bin: *bin}
	defer b.close()
	if err := b.prepare(ctx); err != nil {
		return err
	}
	if *quick {
		return b.quick(ctx, os.Stdout, stderr, *rounds, *update)
	}
	return b.whole(ctx, os.Stdout, stderr, *rounds, sizes)
}

type sizesFlag []int

func (s *sizesFlag) String() string { return fmt.Sprint([]int(*s)) }

func (s *sizesFlag) Set(text string) error {
	*s = nil
	for word := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			return fmt.Errorf("%q is no number of pushes", word)
		}
		*s = append(*s, n)
	}
	return nil
}

// measurements are the samples of all rounds, by number of pushes and program.
type measurements map[int]map[string][]sample

// rounds measures all programs in turn, again and again, so that what else the
// machine does meets all alike. The one that begins changes.
func (b *bench) rounds(ctx context.Context, stderr io.Writer, programs []string, rounds int, sizes []int, window time.Duration) (measurements, error) {
	m := measurements{}
	for round := range rounds {
		for _, n := range sizes {
			if m[n] == nil {
				m[n] = map[string][]sample{}
			}
			for i := range programs {
				program := programs[(i+round)%len(programs)]
				s, err := b.measure(ctx, program, copying, n, window)
				if err != nil {
					err = fmt.Errorf("%d pushes of %s: %w", n, program, err)
					if program == ours || ctx.Err() != nil {
						return nil, err
					}
					_, _ = fmt.Fprintln(stderr, err) // the machine is too small for it: the rest of the table is as good
				}
				m[n][program] = append(m[n][program], s)
				_, _ = fmt.Fprintf(stderr, "round %d of %d: %3d × %-10s %s ms a push-second, %s %% behind real time\n",
					round+1, rounds, n, program, number(s.of(cpu)), number(s.of(slow)))
			}
		}
	}
	return m, nil
}

// of is the median of a figure over all rounds.
func (m measurements) of(n int, program, figure string) float64 {
	var all []float64
	for _, s := range m[n][program] {
		all = append(all, s.of(figure))
	}
	return median(all)
}

// ratio is the median over the rounds of one program's figure over another's in the
// same round.
func (m measurements) ratio(n int, figure, program, to string) float64 {
	var all []float64
	for i := range m[n][program] {
		all = append(all, m[n][program][i].of(figure)/m[n][to][i].of(figure))
	}
	return median(all)
}

func (b *bench) whole(ctx context.Context, stdout, stderr io.Writer, rounds int, sizes []int) error {
	r := report{At: time.Now(), Machine: machine(rounds), Sizes: sizes}
	var err error
	if r.Copies, err = b.rounds(ctx, stderr, programs, rounds, r.Sizes, 10*time.Second); err != nil {
		return err
	}
	for _, step := range []func(context.Context) ([]single, error){
		b.starts,
		func(ctx context.Context) ([]single, error) {
			s, err := b.leaving(ctx, "kill -9 of a worker with 200, an idle one beside", syscall.SIGKILL)
			return []single{s}, err
		},
		func(ctx context.Context) ([]single, error) {
			s, err := b.leaving(ctx, "SIGTERM of a worker with 200, an idle one beside", syscall.SIGTERM)
			return []single{s}, err
		},
		b.requests,
		func(ctx context.Context) ([]single, error) { return b.reencoded(ctx, rounds) },
	} {
		all, err := step(ctx)
		if err != nil {
			return err
		}
		for _, s := range all {
			_, _ = fmt.Fprintf(stderr, "%s: %s\n", s.Name, s.Value)
		}
		r.Singles = append(r.Singles, all...)
	}
	ratios, err := transcodes(ctx, "h264_(720p_to_720p|1080p_to_1080p)", "3x")
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(ratios)) {
		r.Singles = append(r.Singles, single{"CPU of a re-encode over that of our build's ffmpeg program, " + name, fmt.Sprintf("%.2f ×", ratios[name])})
	}
	return r.publish(stdout)
}

// quickSize is how many pushes the quick bench has: enough that the worker's own work
// is small beside theirs, and so few that as many of ffmpeg leave room on two cores.
const quickSize = 40

// quick compares the ratios with the baseline. What is worse is measured once more, and
// the better figure counts: other programs can only make it worse.
func (b *bench) quick(ctx context.Context, stdout, stderr io.Writer, rounds int, update bool) error {
	ratios, err := b.ratios(ctx, stderr, rounds)
	if err != nil {
		return err
	}
	if update {
		return writeBaseline(ratios)
	}
	if err := compare(stdout, ratios); !errors.Is(err, errWorse) {
		return err
	}
	again, err := b.ratios(ctx, stderr, rounds)
	if err != nil {
		return err
	}
	for name, ratio := range again {
		if !(ratios[name] <= ratio) { // which may be no number
			ratios[name] = ratio
		}
	}
	return compare(stdout, ratios)
}

// ratios measures what CI compares.
func (b *bench) ratios(ctx context.Context, stderr io.Writer, rounds int) (map[string]float64, error) {
	m, err := b.rounds(ctx, stderr, []string{ours, ffmpeg, raw}, rounds, []int{quickSize}, 5*time.Second)
	if err != nil {
		return nil, err
	}
	now, err := transcodes(ctx, "h264_720p_to_720p", "1x")
	if err != nil {
		return nil, err
	}
	ratios := map[string]float64{}
	for name, ratio := range now {
		ratios["CPU of a re-encode ÷ ffmpeg, "+name] = ratio
	}
	// The CPU of so many ffmpeg processes is no measure where others work, too: they are
	// starved and catch up.
	for _, r := range []struct{ figure, to string }{
		{cpu, raw}, {memory, ffmpeg}, {voluntary, raw}, {calls, raw}, {startCPU, ffmpeg},
	} {
		ratios[r.figure+" ÷ "+r.to] = m.ratio(quickSize, r.figure, ours, r.to)
	}
	return ratios, nil
}
