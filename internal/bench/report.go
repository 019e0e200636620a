package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Files of the checkout, from its root.
const (
	baselinePath = "internal/bench/baseline.json"
	tablesPath   = "BENCHMARKS.md"
	plotPath     = "docs/benchmarks.svg"
	newest       = "<!-- newest first -->\n" // where the next table goes
)

// worse is how much a ratio may grow over the baseline: more is no noise.
const worse = 1.25

// report is what a whole run has found.
type report struct {
	At      time.Time
	Machine string
	Sizes   []int
	Copies  measurements
	Singles []single
}

// machine names what the figures are of.
func machine(rounds int) string {
	first := func(path, pattern string) string {
		text, _ := os.ReadFile(path)
		if m := regexp.MustCompile(pattern).FindSubmatch(text); m != nil {
			return string(m[1])
		}
		return "?"
	}
	commit := "?"
	if out, err := exec.Command("git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*").Output(); err == nil {
		commit = strings.TrimSpace(string(out))
	}
	version := "?"
	if out, err := exec.Command("ffmpeg", "-version").Output(); err == nil {
		version = strings.Fields(string(out))[2]
	}
	return fmt.Sprintf("commit %s; %d × %s; Linux %s; %s; load %s before the run;\n%d rounds; ffmpeg %s on PATH (our own build has no network)",
		commit, runtime.NumCPU(), first("/proc/cpuinfo", `model name\s*:\s*(.*)`), first("/proc/sys/kernel/osrelease", `(\S+)`),
		runtime.Version(), first("/proc/loadavg", `(\S+)`), rounds, version)
}

// number writes a figure with as many digits as it deserves.
func number(v float64) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case math.Abs(v) >= 100:
		return fmt.Sprintf("%.0f", v)
	case math.Abs(v) >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func (r *report) table() string {
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "## %s\n%s.\n\n| | pushes | %s | ÷ raw writer | ÷ ffmpeg |\n|---|---|---|---|---|\n",
		r.At.UTC().Format("2006-01-02 15:04"), r.Machine, strings.Join(programs, " | "))
	out := strings.Replace(b.String(), "|---|---|---|---|---|", "|---|"+strings.Repeat("---|", len(programs)+3), 1)
	b.Reset()
	for _, figure := range figures {
		for _, n := range r.Sizes {
			_, _ = fmt.Fprintf(&b, "| %s | %d |", figure, n)
			for _, p := range programs {
				_, _ = fmt.Fprintf(&b, " %s |", number(r.Copies.of(n, p, figure)))
			}
			for _, to := range []string{raw, ffmpeg} {
				_, _ = fmt.Fprintf(&b, " %s |", number(r.Copies.ratio(n, figure, ours, to)))
			}
			b.WriteString("\n")
		}
	}
	b.WriteString("\n| | Roomcast |\n|---|---|\n")
	for _, s := range r.Singles {
		_, _ = fmt.Fprintf(&b, "| %s | %s |\n", s.Name, s.Value)
	}
	return out + b.String() + "\n"
}

// publish prints the table, puts it before those of earlier runs, and draws the plot.
func (r *report) publish(stdout io.Writer) error {
	table := r.table()
	_, _ = fmt.Fprint(stdout, table)
	text, err := os.ReadFile(tablesPath)
	if err != nil {
		return err
	}
	before, after, found := bytes.Cut(text, []byte(newest))
	if !found {
		return fmt.Errorf("%s has no line %q", tablesPath, newest)
	}
	text = slices.Concat(before, []byte(newest), []byte("\n"+table), bytes.TrimLeft(after, "\n"))
	return errors.Join(os.WriteFile(tablesPath, text, 0o644), os.WriteFile(plotPath, []byte(r.plot()), 0o644))
}

// plot draws the CPU of each program against the number of pushes.
func (r *report) plot() string {
	const width, height, left, bottom, top = 640, 360, 60, 50, 20
	total := func(n int, p string) float64 { return float64(n) * r.Copies.of(n, p, cpu) / 10 } // % of a core
	most, widest := 1.0, slices.Max(r.Sizes)
	for _, n := range r.Sizes {
		for _, p := range programs {
			most = max(most, total(n, p))
		}
	}
	x := func(n int) float64 { return left + float64(n)/float64(widest)*(width-left-110) }
	y := func(v float64) float64 { return height - bottom - v/most*(height-bottom-top) }
	var b strings.Builder
	write := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	write(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">`, width, height)
	write(`<rect width="100%%" height="100%%" fill="#fff"/>`)
	for i := range 5 {
		v := most * float64(i) / 4
		write(`<path d="M%d %.1fH%.1f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%.0f</text>`, left, y(v), x(widest), left-6, y(v)+4, v)
	}
	for _, n := range r.Sizes {
		write(`<text x="%.1f" y="%d" text-anchor="middle">%d</text>`, x(n), height-bottom+18, n)
	}
	write(`<text x="%d" y="14">CPU, %% of a core</text><text x="%.1f" y="%d" text-anchor="middle">copied pushes of 720p30 at 2.1 Mb/s</text>`, left, x(widest/2), height-12)
	for i, p := range programs {
		color := []string{"#0b62d6", "#c2410c", "#4d7c0f", "#7c3aed"}[i]
		points := ""
		for _, n := range r.Sizes {
			points += fmt.Sprintf("%.1f,%.1f ", x(n), y(total(n, p)))
		}
		write(`<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`, strings.TrimSpace(points), color)
		write(`<text x="%.1f" y="%.1f" fill="%s">%s</text>`, x(widest)+6, y(total(widest, p))+4, color, p)
	}
	write(`</svg>`)
	return b.String()
}

func writeBaseline(ratios map[string]float64) error {
	rounded := map[string]float64{}
	for name, v := range ratios {
		rounded[name] = math.Round(v*1000) / 1000
	}
	text, err := json.MarshalIndent(rounded, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(baselinePath, append(text, '\n'), 0o644)
}

// compare prints the ratios beside those of the baseline, and fails with the names of
// those that are worse.
func compare(stdout io.Writer, ratios map[string]float64) error {
	text, err := os.ReadFile(baselinePath)
	if err != nil {
		return err
	}
	baseline := map[string]float64{}
	if err := json.Unmarshal(text, &baseline); err != nil {
		return fmt.Errorf("%s: %w", baselinePath, err)
	}
	return errors.Join(verdicts(stdout, ratios, baseline)...)
}

var errWorse = errors.New("worse than the baseline")

func verdicts(stdout io.Writer, ratios, baseline map[string]float64) (failed []error) {
	names := slices.Collect(maps.Keys(ratios))
	for name := range baseline {
		if _, ok := ratios[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		now, was := ratios[name], baseline[name]
		word := "ok"
		// NaN compares false: a row that could not be measured is not in order.
		if was == 0 || now == 0 || !(now <= was*worse) {
			word = "WORSE"
			failed = append(failed, fmt.Errorf("%w: %s: %s, the baseline has %s", errWorse, name, number(now), number(was)))
		} else if now < was/worse {
			word = "better: write it down with make bench-quick BENCH_FLAGS=-update"
		}
		_, _ = fmt.Fprintf(stdout, "RATIO %-60s %8s  was %8s  %s\n", name, number(now), number(was), word)
	}
	return failed
}
