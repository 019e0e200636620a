package e2e

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"
)

// surface is a place that tells how a push is, or how Roomcast is.
type surface string

const (
	onPost    surface = "POST"
	onGet     surface = "GET"
	onList    surface = "list"
	onHistory surface = "history"
	onSSE     surface = "SSE"
	onMonitor surface = "asynqmon"
	onLs      surface = "ls"
	onShow    surface = "show"
	onEvents  surface = "events"
	onPush    surface = "push"
	onWebhook surface = "webhook"
	onMetric  surface = "metric"
	onAlert   surface = "alert"
	onLog     surface = "log"
	onReady   surface = "/readyz"
	onDoctor  surface = "doctor"
)

// surfaces are all, in the order of the table.
var surfaces = []surface{
	onPost, onGet, onList, onHistory, onSSE, onLs, onShow, onEvents, onPush, onMonitor, onWebhook, onMetric, onAlert, onLog, onReady, onDoctor,
}

// within is how soon a surface has to tell. A metric is looked at each second,
// and an API reads the fleet's every two.
func (s surface) within() time.Duration {
	return cmp.Or(map[surface]time.Duration{onMetric: 5 * time.Second, onAlert: time.Minute}[s], 3*time.Second)
}

// every is how often it is asked.
func (s surface) every() time.Duration {
	const seldom, often = time.Second, 300 * time.Millisecond
	return cmp.Or(map[surface]time.Duration{
		onMetric: seldom, onAlert: seldom, onReady: seldom, onDoctor: seldom, onMonitor: often, onLs: often, onShow: often, onEvents: often,
	}[s], 100*time.Millisecond)
}

// text is what a stream or a program has said so far.
type text struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (o *text) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.Write(p)
}

func (o *text) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.String()
}

// command is one of the command line program, to be run against the stack.
func (s *stack) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(s.t.Context(), filepath.Join(bin, "roomcast"), args...)
	cmd.Env = append(cmd.Environ(), "ROOMCAST_API="+s.url, "ROOMCAST_API_KEY="+apiKey)
	return cmd
}

// printed is what such a command prints, its error too.
func (s *stack) printed(args ...string) string {
	out, _ := s.command(args...).CombinedOutput()
	return string(out)
}

// listen reads a stream of all events until the end of the test.
func (s *stack) listen() *text {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+"/v1/events", nil)
	require.NoError(s.t, err)
	r.Header.Set("Authorization", "Bearer "+apiKey)
	r.Header.Set("Accept", "text/event-stream")
	answer, err := http.DefaultClient.Do(r)
	require.NoError(s.t, err)
	require.Equal(s.t, http.StatusOK, answer.StatusCode)
	heard := &text{}
	go func() {
		defer func() { _ = answer.Body.Close() }()
		_, _ = io.Copy(heard, answer.Body)
		fmt.Fprintln(heard, "THE STREAM HAS ENDED")
	}()
	return heard
}

// words are how a push is, as the API shows it: its state, its trouble, and why
// it failed, a line each.
func words(push map[string]any) string {
	out := fmt.Sprintln(push["state"])
	if e, ok := push["error"].(map[string]any); ok {
		out += fmt.Sprintf("error %v: %v\n", e["code"], e["message"])
	}
	if t, ok := push["trouble"].(map[string]any); ok {
		out += fmt.Sprintf("trouble %v/%v: %v\n", t["side"], t["code"], t["message"])
	}
	return out
}

// object reads JSON; what is none has no members.
func object(raw string) map[string]any {
	var m map[string]any
	_ = json.Unmarshal([]byte(raw), &m)
	return m
}

// objects are the members of a list in it.
func objects(m map[string]any, name string) (all []map[string]any) {
	list, _ := m[name].([]any)
	for _, e := range list {
		if o, ok := e.(map[string]any); ok {
			all = append(all, o)
		}
	}
	return all
}

// fetch is what the API answers, or that it does not.
func (s *stack) fetch(path string) answer {
	a, err := s.ask(call{method: http.MethodGet, path: path})
	if err != nil {
		return answer{raw: err.Error()}
	}
	return a
}

// refusal is what an answer other than 200 says.
func (a answer) refusal() string {
	return fmt.Sprintf("%d %v: %v\n", a.code, a.body["code"], a.body["detail"])
}

// shown is how GET shows a push.
func (s *stack) shown(id string) string {
	a := s.fetch("/v1/pushes/" + id)
	if a.code != http.StatusOK {
		return a.refusal()
	}
	return words(a.body)
}

// inList is how the list shows it.
func (s *stack) inList(id string) string {
	a := s.fetch("/v1/pushes")
	if a.code != http.StatusOK {
		return a.refusal()
	}
	for _, p := range objects(a.body, "pushes") {
		if p["id"] == id {
			return words(p)
		}
	}
	return ""
}

// history are the events of a push.
func (s *stack) history(id string) string {
	a := s.fetch("/v1/pushes/" + id + "/events")
	if a.code != http.StatusOK {
		return a.refusal()
	}
	var out strings.Builder
	for _, e := range objects(a.body, "events") {
		fmt.Fprintln(&out, eventWords(e))
	}
	return out.String()
}

func eventWords(e map[string]any) string {
	var parts []string
	for _, name := range []string{"type", "state", "side", "code", "message"} {
		if v, ok := e[name].(string); ok {
			parts = append(parts, v)
		}
	}
	return strings.Join(parts, " ")
}

// streamed is what a stream has told of a push.
func streamed(heard, id string) string {
	var out strings.Builder
	for message := range strings.SplitSeq(heard, "\n\n") {
		_, data, ok := strings.Cut(message, "\ndata: ")
		if !ok { // a heartbeat, or the end
			fmt.Fprintln(&out, message)
			continue
		}
		if m := object(data); m["pushId"] == id {
			push, _ := m["push"].(map[string]any)
			if push == nil {
				push = m
			}
			fmt.Fprintf(&out, "%s\n%s", eventWords(m), words(push))
		}
	}
	return out.String()
}

// inMonitor is how asynqmon shows the tasks of a push.
func (s *stack) inMonitor(id string) string {
	var out strings.Builder
	for _, queue := range []string{"push", "resume"} {
		for _, list := range []string{"active", "pending", "scheduled", "retry", "archived", "completed"} {
			a := s.fetch("/monitor/api/queues/" + queue + "/" + list + "_tasks")
			if a.code != http.StatusOK {
				return a.refusal()
			}
			for _, task := range objects(a.body, "tasks") {
				if name, _ := task["id"].(string); strings.HasPrefix(name, id) {
					fmt.Fprintf(&out, "%s: %v %v\n", list, task["payload"], task["error_message"])
				}
			}
		}
	}
	return out.String()
}

// delivered is what webhooks have told of a push.
func (h *webhooks) delivered(id string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out strings.Builder
	for body := range strings.Lines(h.text.String()) {
		event := object(body)
		if push, _ := event["data"].(map[string]any); push["id"] == id {
			fmt.Fprintf(&out, "%v %s", event["type"], words(push))
		}
	}
	return out.String()
}

var counts = regexp.MustCompile(`(?m)^roomcast_(?:pushes_in_trouble|ends_total|redis_up|redis_evicts|workers)\b.*$`)

// addr is the API's.
func (s *stack) addr() string { return strings.TrimPrefix(s.url, "http://") }

// scraped are the metrics of the API and of all workers that tell of troubles.
func (s *stack) scraped() string {
	out := ""
	for _, addr := range append(s.workerAddrs(), s.addr()) {
		r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+addr+"/metrics", nil)
		if err != nil {
			continue
		}
		r.Header.Set("Authorization", "Bearer "+apiKey)
		if resp, err := http.DefaultClient.Do(r); err == nil {
			body, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			out += strings.Join(counts.FindAllString(string(body), -1), "\n") + "\n"
		}
	}
	return out
}

// workerAddrs are where workers answer.
func (s *stack) workerAddrs() (all []string) {
	for _, w := range s.workers {
		addr, _ := w.waitLine(s.t, "worker started")["addr"].(string)
		all = append(all, addr)
	}
	return all
}

// logged is what API and workers have logged at WARN or above, and of this
// push's end.
func (s *stack) logged(id string) string {
	var out strings.Builder
	for _, p := range append([]*process{s.api}, s.workers...) {
		for line := range strings.Lines(p.log()) {
			m := object(line)
			of := m["push_id"] == nil || m["push_id"] == id
			if of && m["msg"] != "request" && (m["level"] == "WARN" || m["level"] == "ERROR" || m["msg"] == "push ended") {
				delete(m, "time")
				delete(m, "push_id")
				fmt.Fprintf(&out, "%v:", m["msg"])
				delete(m, "msg")
				for _, k := range slices.Sorted(maps.Keys(m)) {
					fmt.Fprintf(&out, " %s=%v", k, m[k])
				}
				fmt.Fprintln(&out)
			}
		}
	}
	return out.String()
}

// saying is what a surface has said, and how long after the beginning.
type saying struct {
	on    surface
	after time.Duration
	words string // "" when it has not
}

// hear asks a surface until a line of its text matches, or limit is over.
func hear(on surface, ask func() string, want string, begun time.Time, limit time.Duration) saying {
	pattern := regexp.MustCompile(want)
	for {
		for line := range strings.Lines(ask()) {
			if pattern.MatchString(line) {
				return saying{on, time.Since(begun), strings.TrimSpace(line)}
			}
		}
		if time.Since(begun) > limit {
			return saying{on: on, after: time.Since(begun)}
		}
		<-time.After(on.every())
	}
}

// prometheus is one that looks at a stack as deploy/observability's does.
type prometheus struct{ url string }

// watched starts one and returns when it has looked twice: a counter that it has
// seen once tells of no rise.
func (s *stack) watched() prometheus {
	s.t.Helper()
	rules, err := filepath.Abs("../../deploy/observability/alerts.yml")
	require.NoError(s.t, err)
	job := func(name string, addrs []string) fields {
		return fields{
			"job_name": name, "authorization": fields{"credentials": apiKey}, "static_configs": []fields{{"targets": addrs}},
		}
	}
	config, err := json.Marshal(fields{ // JSON is YAML
		"global": fields{"scrape_interval": "10s", "evaluation_interval": "10s"}, "rule_files": []string{rules},
		"scrape_configs": []fields{job("roomcast-api", []string{s.addr()}), job("roomcast-worker", s.workerAddrs())},
	})
	require.NoError(s.t, err)
	dir := s.t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	require.NoError(s.t, os.WriteFile(file, config, 0o600))
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(s.t, err)
	p := prometheus{"http://" + free.Addr().String()}
	require.NoError(s.t, free.Close())
	cmd := exec.Command("prometheus", "--config.file="+file, "--storage.tsdb.path="+dir, "--web.listen-address="+free.Addr().String())
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(s.t, cmd.Start(), "apt-get install -y prometheus")
	s.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	require.Eventually(s.t, func() bool {
		return strings.Count(p.get("/api/v1/query?query=min_over_time(up[1m])>0+and+count_over_time(up[1m])>1"), `"instance"`) == 1+len(s.workers)
	}, 2*time.Minute, time.Second, "%s", p)
	return p
}

func (p prometheus) get(path string) string {
	r, err := http.Get(p.url + path)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = r.Body.Close() }()
	body, _ := io.ReadAll(r.Body)
	return string(body)
}

// alerts are those that fire, a line each.
func (p prometheus) alerts() string {
	var out strings.Builder
	data, _ := object(p.get("/api/v1/alerts"))["data"].(map[string]any)
	for _, a := range objects(data, "alerts") {
		if a["state"] == "firing" {
			labels, _ := a["labels"].(map[string]any)
			annotations, _ := a["annotations"].(map[string]any)
			fmt.Fprintf(&out, "%v: %v\n", labels["alertname"], annotations["summary"])
		}
	}
	return out.String()
}
