package e2e

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redistest"
	"github.com/roomcast/roomcast/media/mediatest"
)

var update = flag.Bool("update", false, "write the table of metrics into docs/metrics.md")

// metricsOf is what a process tells Prometheus.
func metricsOf(t testing.TB, url, key string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/metrics", nil)
	require.NoError(t, err)
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode, "%s", text)
	return string(text)
}

// scrape returns what the API and the first worker tell Prometheus.
func (s *stack) scrape(t testing.TB) (api, worker string) {
	t.Helper()
	addr, _ := s.workers[0].waitLine(t, "worker started")["addr"].(string)
	return metricsOf(t, s.url, apiKey), metricsOf(t, "http://"+addr, "")
}

// metric is one of Roomcast's own, as a scrape tells it.
type metric struct{ name, kind, help string }

var (
	helpLine  = regexp.MustCompile(`(?m)^# HELP (roomcast_\w+) (.*)\n# TYPE \w+ (\w+)$`)
	labelName = regexp.MustCompile(`[{,](\w+)="`)
)

// table is docs/metrics.md's: a row for each metric.
func table(scrapes map[string]string) string {
	from, labels := map[metric][]string{}, map[metric][]string{}
	for program, text := range scrapes {
		for _, m := range helpLine.FindAllStringSubmatch(text, -1) {
			is := metric{m[1], m[3], m[2]}
			from[is] = append(from[is], program)
			series := regexp.MustCompile(`(?m)^`+is.name+`(_bucket)?\{.*\}`).FindAllString(text, -1)
			for _, l := range labelName.FindAllStringSubmatch(strings.Join(series, "\n"), -1) {
				if l[1] != "le" {
					labels[is] = append(labels[is], "`"+l[1]+"`")
				}
			}
		}
	}
	var rows []string
	for is, programs := range from {
		slices.Sort(programs)
		slices.Sort(labels[is])
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s | %s | %s |\n", is.name, strings.Join(programs, ", "), is.kind,
			strings.Join(slices.Compact(labels[is]), ", "), is.help))
	}
	slices.Sort(rows)
	return "| metric | of | kind | labels | |\n|---|---|---|---|---|\n" + strings.Join(rows, "")
}

func TestDocsListTheMetricsThatAPIAndWorkerExport(t *testing.T) {
	beside(t)
	s := newStack(t, options{forget: true})
	s.do(http.MethodGet, "/healthz", nil)
	api, worker := s.scrape(t)
	got := table(map[string]string{"API": api, "worker": worker})

	const path, begin, end = "../../docs/metrics.md", "<!-- metrics -->\n", "<!-- /metrics -->"
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(text), begin)
	require.True(t, ok)
	want, after, ok := strings.Cut(rest, end)
	require.True(t, ok)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(before+begin+got+end+after), 0o600))
		return
	}
	require.Equal(t, want, got, "go test ./internal/e2e -run TestDocsList -update writes it anew")
}

// value is that of a series, whole as it is written, in a scrape.
func value(t testing.TB, scrape, series string) float64 {
	t.Helper()
	for line := range strings.Lines(scrape) {
		if rest, ok := strings.CutPrefix(line, series+" "); ok {
			var v float64
			_, err := fmt.Sscan(rest, &v)
			require.NoError(t, err, line)
			return v
		}
	}
	require.Fail(t, "no such series", "%s in %s", series, scrape)
	return 0
}

func TestMetricsTellOfAPushFromItsBeginToItsEnd(t *testing.T) {
	beside(t)
	s := newStack(t, options{})
	files := mediatest.Serve(t, map[string]string{"a": mediatest.Clip(t, mediatest.Spec{Seconds: 20})})
	id := s.push(files.URL+"/a", "r", "u", nil)
	_, err := s.room.WaitMedia(patient(t), "u", 2*time.Second)
	require.NoError(t, err)
	s.waitStatus(id, "publishing")
	failing := s.push(files.URL+"/none", "r", "v", nil)
	s.waitStatus(failing, "failed")
	require.Eventually(t, func() bool {
		api, worker := s.scrape(t)
		return value(t, api, `roomcast_pushes{state="publishing"}`) == 1 && value(t, api, `roomcast_pushes{state="failed"}`) == 1 &&
			value(t, worker, `roomcast_sent_media_seconds_total`) >= 2
	}, patience, 100*time.Millisecond)
	api, worker := s.scrape(t)
	require.EqualValues(t, 1, value(t, api, `roomcast_workers`))
	require.EqualValues(t, 1, value(t, api, `roomcast_redis_up`))
	require.EqualValues(t, 0, value(t, api, `roomcast_redis_evicts`))
	require.EqualValues(t, 2, value(t, api, `roomcast_http_requests_total{route="/v1/pushes",status="202"}`))
	require.EqualValues(t, 2, value(t, worker, `roomcast_starts_total`))
	require.EqualValues(t, 1, value(t, worker, `roomcast_first_packet_seconds_count`))
	require.Less(t, value(t, worker, `roomcast_first_packet_seconds_sum`), patience.Seconds())
	require.EqualValues(t, 1, value(t, worker, `roomcast_ends_total{code="source_not_found",state="failed"}`))
	require.EqualValues(t, 1, value(t, worker, `roomcast_worker_slots_used`))
	require.Greater(t, value(t, worker, `roomcast_sent_bytes_total`), 1e4)
	require.Greater(t, value(t, worker, `roomcast_received_bytes_total`), value(t, worker, `roomcast_sent_bytes_total`)/2)
	require.Greater(t, value(t, worker, `roomcast_packet_lateness_seconds_count`), 50.0)
	s.stop(id)
	s.waitStatus(id, "stopped")
	require.Eventually(t, func() bool {
		_, worker = s.scrape(t)
		return value(t, worker, `roomcast_ends_total{code="",state="stopped"}`) == 1
	}, patience, 50*time.Millisecond)
	require.Greater(t, value(t, worker, `roomcast_sent_bytes_total`), 1e4, "what has ended stays counted")
}

func TestMetricsTellOfATakeoverAndItsGap(t *testing.T) {
	beside(t)
	s := newStack(t, options{forget: true})
	s.addWorker()
	files := mediatest.Serve(t, map[string]string{"a": mediatest.Clip(t, mediatest.Spec{Seconds: 60})})
	id := s.push(files.URL+"/a", "r", "u", nil)
	s.waitStatus(id, "publishing")
	holder := s.holderOf(id)
	holder.kill()
	s.workers = slices.DeleteFunc(s.workers, func(w *process) bool { return w == holder })
	s.waitFor(id, "a second attempt", func(p map[string]any) bool { return p["attempt"] == 2.0 && p["status"] == "publishing" })
	api, worker := s.scrape(t)
	taken := `roomcast_takeovers_total{from="worker",state="queued"}`
	require.EqualValues(t, 1, value(t, api, taken)+value(t, worker, taken), "whoever did it")
	require.EqualValues(t, 1, value(t, worker, `roomcast_gap_seconds_count{by="takeover"}`))
	require.Greater(t, value(t, worker, `roomcast_gap_seconds_sum{by="takeover"}`), 2.0)
	require.EqualValues(t, 0, value(t, worker, `roomcast_gap_seconds_count{by="handover"}`))
	s.stop(id)
}

func TestAScrapeSaysThatRedisIsAwayAndDoesNotHang(t *testing.T) {
	beside(t)
	s := newStack(t, options{forget: true, redis: redistest.Config{}})
	require.NoError(t, s.redis.Stop())
	defer func() { _ = s.redis.Cont() }()
	var longest time.Duration
	require.Eventually(t, func() bool {
		begin := time.Now()
		api := metricsOf(t, s.url, apiKey)
		longest = max(longest, time.Since(begin))
		return value(t, api, "roomcast_redis_up") == 0 && !strings.Contains(api, "roomcast_workers ")
	}, patience, 50*time.Millisecond)
	require.Less(t, longest, 8*time.Second)
	require.NoError(t, s.redis.Cont())
	require.Eventually(t, func() bool {
		return value(t, metricsOf(t, s.url, apiKey), "roomcast_redis_up") == 1
	}, patience, 50*time.Millisecond)
}
