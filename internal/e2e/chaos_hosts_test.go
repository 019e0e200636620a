package e2e

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/hostile"
	"github.com/roomcast/roomcast/media/fakeroom"
	"github.com/roomcast/roomcast/media/mediatest"
)

const (
	// A file that is read ahead is not late when its host dies; of a live source, and
	// where there is re-encoding, a hole may show, with keyframes a second apart.
	mostLate = 200 * time.Millisecond
	mostHole = 500 * time.Millisecond
	// untouched is how long a host lives before it is a victim: a push that dies again
	// before it has got further counts as one that kills its hosts.
	untouched = 4 * time.Second
)

// The indexes of recordings of four hours do not fit into one host.
func TestChaosRecordingsOfHoursPlayBesideEachOther(t *testing.T) {
	beside(t)
	n := 8
	if full {
		n = 40
	}
	flv, err := os.ReadFile(mediatest.Clip(t, mediatest.Spec{Seconds: 8, Width: 320, Height: 180, FPS: 60, Container: "flv"}))
	require.NoError(t, err)
	recording, err := hostile.LongMP4(flv, 60, 4*time.Hour)
	require.NoError(t, err)
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "a.mp4", time.Time{}, recording.Reader())
	}))
	t.Cleanup(files.Close)
	c := &crowd{stack: newStack(t, options{forget: true}), ids: map[string]string{}, files: files}
	begin := time.Now()
	c.publish(n)
	result(t, "%d recordings of four hours publish after %v", n, time.Since(begin).Round(100*time.Millisecond))
	require.Empty(t, c.workers[0].named("a media host has died; its pushes go on in others"))
	for _, id := range c.ids {
		c.waitStatus(id, "publishing")
	}
	require.Eventually(t, func() bool { return len(c.hosts()) <= 2 }, patience, 100*time.Millisecond, "they need no host any more")
}

// hostsSize is how hard the tests of dying hosts try.
type hostsSize struct {
	mixes  []mixSize
	every  time.Duration // one host dies
	clip   float64       // seconds
	copies int
	bombs  int
	beside int // neighbours of bombs
	apart  time.Duration
}

// mixSize is a run of pushes of all kinds.
type mixSize struct {
	keys   float64 // seconds between keyframes
	each   int     // pushes of a kind are so many times as many as it says; 0: one
	during time.Duration
}

func hostsSized() hostsSize {
	if full {
		mixes := []mixSize{{1, 1, 5 * time.Minute}, {10, 0, time.Minute}}
		return hostsSize{mixes: mixes, every: 1500 * time.Millisecond, clip: 500, copies: 16, bombs: 24, beside: 40, apart: 5 * time.Second}
	}
	return hostsSize{mixes: []mixSize{{1, 0, 10 * time.Second}}, every: time.Second, clip: 60, copies: 4, bombs: 3, beside: 6, apart: time.Second}
}

// mixKind is a kind of push among many.
type mixKind struct {
	name    string
	many    int // at full size; one otherwise
	ahead   bool
	request fields
	source  func(sc *mix) string
}

// mix is a stack with pushes of many kinds.
type mix struct {
	*crowd
	size     mixSize
	clip, ts string
	kinds    map[string]mixKind // by user
	sources  map[string]string  // that are played to several
}

var mixKinds = []mixKind{
	{name: "an mp4", many: 8, ahead: true, source: func(m *mix) string { return m.files.URL + "/a" }},
	{name: "a Matroska file", many: 4, ahead: true, source: func(m *mix) string { return m.files.URL + "/a.mkv" }},
	{name: "a ts file", many: 6, ahead: true, source: func(m *mix) string { return m.files.URL + "/a.ts" }},
	{name: "a recorded playlist", many: 6, ahead: true, source: func(m *mix) string { return m.once("hls", m.playlist) }},
	{name: "a live playlist", many: 4, source: func(m *mix) string {
		return m.once("live hls", func() string { return mediatest.ServeLiveHLS(m.t, m.clip) })
	}},
	{name: "live RTMP", many: 6, source: func(m *mix) string { return m.once("rtmp", func() string { return liveSource(&scene{t: m.t}) }) }},
	{name: "live ts over http", many: 6, source: (*mix).endless},
	{name: "a re-encoded file", many: 2, request: fields{"transcode": "always"}, source: func(m *mix) string { return m.files.URL + "/a" }},
	{name: "re-encoded live ts", many: 2, request: fields{"transcode": "always"}, source: (*mix).endless},
}

func newMix(t *testing.T, size mixSize) *mix {
	t.Helper()
	spec := mediatest.Spec{Seconds: hostsSized().clip, Width: 320, Height: 180, FPS: 15, GOPSeconds: size.keys}
	m := &mix{size: size, kinds: map[string]mixKind{}, sources: map[string]string{}, clip: mediatest.Clip(t, spec)}
	spec.Container = "mpegts"
	m.ts = mediatest.Clip(t, spec)
	spec.Container = "matroska"
	m.crowd = crowdOf(t, map[string]string{"a": m.clip, "a.ts": m.ts, "a.mkv": mediatest.Clip(t, spec)})
	return m
}

// crowdOf is a stack whose pushes play these files.
func crowdOf(t testing.TB, files map[string]string) *crowd {
	served := mediatest.Serve(t, files) // closed after those who read from it
	return &crowd{stack: newStack(t, options{forget: true}), ids: map[string]string{}, files: served}
}

// once makes a source that all pushes of a kind may play.
func (m *mix) once(name string, start func() string) string {
	if m.sources[name] == "" {
		m.sources[name] = start()
	}
	return m.sources[name]
}

func (m *mix) endless() string {
	return m.once("ts", func() string { return mediatest.ServeEndless(m.t, m.clip, "mpegts") }) + "/live.ts"
}

func (m *mix) playlist() string {
	dir := m.t.TempDir()
	mediatest.Make(m.t, patience, "-i", m.clip, "-c", "copy", "-f", "hls", "-hls_time", "4", "-hls_list_size", "0", filepath.Join(dir, "a.m3u8"))
	return mediatest.ServeFolder(m.t, dir) + "/a.m3u8"
}

// fill starts pushes of all kinds.
func (m *mix) fill() {
	m.t.Helper()
	for _, k := range mixKinds {
		for range max(1, k.many*m.size.each) {
			user := fmt.Sprintf("u%d", len(m.users))
			m.ids[user] = m.push(k.source(m), "room_"+user, user, k.request)
			m.users = append(m.users, user)
			m.kinds[user] = k
		}
	}
	for _, u := range m.users {
		_, err := m.room.WaitMedia(patient(m.t), u, 3*time.Second)
		require.NoError(m.t, err, u)
	}
}

// hosts are the children of a worker.
func (c *crowd) hosts() []int {
	var all []int
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", c.workers[0].cmd.Process.Pid))
	for _, name := range tasks {
		text, _ := os.ReadFile(name) // a thread may have ended
		for _, field := range strings.Fields(string(text)) {
			pid, _ := strconv.Atoi(field)
			all = append(all, pid)
		}
	}
	slices.Sort(all)
	return all
}

// strike makes hosts die, one after another, each in another way. It returns how many
// there were of each.
func (m *mix) strike(random *rand.Rand) map[string]int {
	ways := map[string]syscall.Signal{"kill -9": syscall.SIGKILL, "SIGSTOP": syscall.SIGSTOP, "SIGSEGV": syscall.SIGSEGV}
	names := slices.Sorted(maps.Keys(ways))
	struck, since := map[string]int{}, map[int]time.Time{}
	var crashed time.Time
	tick := time.NewTicker(hostsSized().every)
	defer tick.Stop()
	for begin := time.Now(); time.Since(begin) < m.size.during; {
		<-tick.C
		victims := slices.DeleteFunc(m.hosts(), func(pid int) bool {
			if since[pid].IsZero() {
				since[pid] = time.Now()
				return true
			}
			return time.Since(since[pid]) < untouched
		})
		if len(victims) == 0 {
			continue
		}
		victim, way := victims[random.IntN(len(victims))], names[random.IntN(len(names))]
		if way == "SIGSEGV" && time.Since(crashed) < untouched { // the push may be in an old host: it would be taken for poison
			way = "kill -9"
		}
		if syscall.Kill(victim, ways[way]) == nil {
			struck[way]++
			if way == "SIGSEGV" {
				crashed = time.Now()
			}
			delete(since, victim)
		}
	}
	return struck
}

// TestChaosNobodySeesAHostDie: a push's publish goes on, its history tells nothing, and
// what it plays is late, or has a hole, for a moment at most.
func TestChaosNobodySeesAHostDie(t *testing.T) {
	beside(t)
	for _, size := range hostsSized().mixes {
		t.Run(fmt.Sprintf("keyframes %g s apart", size.keys), func(t *testing.T) {
			inTime(t, func() []string { return nobodySees(t, newMix(t, size)) })
		})
	}
}

// nobodySees returns who saw what.
func nobodySees(t *testing.T, m *mix) (wrong []string) {
	t.Helper()
	noise := mediatest.WatchNoise(t)
	m.fill()
	<-time.After(untouched)
	before, history := m.now(), map[string]string{}
	for u := range before {
		history[u] = m.history(m.ids[u])
	}
	starting := noise() // MaxLate is of all that was played
	noise = mediatest.WatchNoise(t)
	seed := seedOf(t)
	struck := m.strike(rand.New(rand.NewPCG(seed, seed))) //nolint:gosec // its figures are to come again
	<-time.After(2 * time.Second)
	stood, after := noise(), m.now()
	worst, troubles := map[string]fakeroom.TrackStats{}, map[string]int{}
	var ended []string
	for u, s := range after {
		k := m.kinds[u]
		worst[k.name] = worse(worse(worst[k.name], s.Video), s.Audio)
		if before[u].ID != s.ID || !s.Live() {
			ended = append(ended, fmt.Sprintf("%s, %s: %s %s", u, k.name, s.End, s.EndWords))
		}
		for line := range strings.Lines(strings.TrimPrefix(m.history(m.ids[u]), history[u])) {
			if !strings.Contains(line, "worker_slow") { // which this machine may be
				troubles[k.name+": "+strings.TrimSpace(line)]++
			}
		}
	}
	died := map[string]int{}
	for _, line := range m.workers[0].named("a media host has died; its pushes go on in others") {
		died[fmt.Sprint(line["how"])]++
	}
	for _, k := range mixKinds {
		w := worst[k.name]
		result(t, "%d × %s: at most %v late, longest gap %v, longest step %v", max(1, k.many*m.size.each), k.name,
			w.MaxLate.Round(time.Millisecond), w.MaxGap.Round(time.Millisecond), w.MaxStep.Round(time.Millisecond))
	}
	result(t, "seed %d: %d pushes, %v in %v (the worker counts %v), publishes that ended: %d, what histories tell: %v; this machine stood still for up to %v",
		seed, len(m.users), struck, m.size.during, died, len(ended), troubles, stood.Round(time.Millisecond))
	require.Empty(t, ended, "CHAOS_SEED=%d", seed)
	if full || max(starting, stood) < mayStand {
		require.Empty(t, troubles, "CHAOS_SEED=%d", seed)
	}
	quiver := max(stood+busy(stood), worst["live RTMP"].MaxGap) // of what comes live where no host has a part
	for _, k := range mixKinds {
		w, tolerance := worst[k.name], sized().tolerance
		if k.ahead {
			if w.MaxLate > mostLate*tolerance+stood+busy(max(starting, stood)) {
				wrong = append(wrong, fmt.Sprintf("%s is %v late", k.name, w.MaxLate))
			}
			require.LessOrEqual(t, w.MaxStep, mostLate, "%s: nothing is left out", k.name)
		} else if hole := max(w.MaxGap, w.MaxStep); m.size.keys == 1 && hole > mostHole*tolerance+quiver { // what it is with more is told
			wrong = append(wrong, fmt.Sprintf("%s has a hole of %v", k.name, hole))
		}
	}
	m.stopAll()
	return wrong
}

// worse has the worst of both.
func worse(a, b fakeroom.TrackStats) fakeroom.TrackStats {
	a.MaxLate, a.MaxGap, a.MaxStep = max(a.MaxLate, b.MaxLate), max(a.MaxGap, b.MaxGap), max(a.MaxStep, b.MaxStep)
	return a
}

// TestChaosAHostThatDiesWithAllItsCopiesIsNotSeen kills all hosts at once.
func TestChaosAHostThatDiesWithAllItsCopiesIsNotSeen(t *testing.T) {
	beside(t)
	clip := mediatest.Clip(t, mediatest.Spec{Seconds: 60, Width: 320, Height: 180, FPS: 15, GOPSeconds: 1, Container: "matroska"}) // an mp4 has left its host
	m := crowdOf(t, map[string]string{"a": clip})
	m.publish(hostsSized().copies)
	<-time.After(2 * time.Second)
	before, noise := m.now(), mediatest.WatchNoise(t)
	for _, pid := range m.hosts() {
		require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	}
	<-time.After(4 * time.Second)
	stood := noise()
	var late time.Duration
	for u, s := range m.now() {
		require.Equal(t, before[u].ID, s.ID, "%s has a new session", u)
		require.True(t, s.Live(), "%s: %s %s", u, s.End, s.EndWords)
		late = max(late, s.Video.MaxLate, s.Audio.MaxLate)
	}
	most := slices.MaxFunc(m.workers[0].named("a media host has died; its pushes go on in others"), func(a, b logLine) int {
		x, _ := a["sessions"].(float64)
		y, _ := b["sessions"].(float64)
		return cmp.Compare(x, y)
	})
	result(t, "a host with %v copies: no publish ended, packets at most %v late; this machine stood still for up to %v",
		most["sessions"], late.Round(time.Millisecond), stood.Round(time.Millisecond))
	require.InDelta(t, hostsSized().copies, most["sessions"], 0)
	require.LessOrEqual(t, late, mostLate*sized().tolerance+stood+busy(stood))
	m.stopAll()
}

// TestChaosABombEveryFewSecondsIsSeenByNoNeighbour pushes bombs one after another, while
// those before may still be under way.
func TestChaosABombEveryFewSecondsIsSeenByNoNeighbour(t *testing.T) {
	beside(t)
	bombs := slices.DeleteFunc(hostile.Bombs(), func(b hostile.Bomb) bool {
		kind, _, _ := strings.Cut(b.Name, ":")
		return !b.Worst || !full && !slices.Contains([]string{"ts", "ogg"}, kind) // which are soon made
	})
	site := hostile.NewSite(bombs)
	server := httptest.NewServer(site)
	t.Cleanup(server.CloseClientConnections)
	clip := mediatest.Clip(t, mediatest.Spec{Seconds: 20, Width: 320, Height: 180, FPS: 15, GOPSeconds: 1, Container: "matroska"}) // an mp4 has left its host
	m := crowdOf(t, map[string]string{"a": clip})
	for n := range hostsSized().beside {
		user := fmt.Sprintf("u%d", n)
		m.ids[user] = m.push(m.files.URL+"/a", "room_"+user, user, fields{"repeat": -1})
		m.users = append(m.users, user)
	}
	for n := range min(len(bombs), hostsSized().bombs) {
		site.Prepare(n)
	}
	for _, u := range m.users {
		_, err := m.room.WaitMedia(patient(t), u, 2*time.Second)
		require.NoError(t, err)
	}
	before, noise := m.now(), mediatest.WatchNoise(t)
	var thrown []string
	for n := range hostsSized().bombs {
		n %= len(bombs)
		thrown = append(thrown, m.push(server.URL+site.Path(n), "r", fmt.Sprintf("bomb%d", len(thrown)), nil))
		<-time.After(hostsSized().apart)
	}
	<-time.After(2 * hostsSized().apart)
	stood := noise()
	var late, early time.Duration
	for u, s := range m.now() {
		require.Equal(t, before[u].ID, s.ID, "%s has a new session", u)
		require.True(t, s.Live(), "%s: %s %s", u, s.End, s.EndWords)
		late, early = max(late, s.Video.MaxLate, s.Audio.MaxLate), max(early, before[u].Video.MaxLate, before[u].Audio.MaxLate)
	}
	became := map[string]int{}
	m.waitStatus(thrown[0], "failed", "completed", "stopped")
	for _, id := range thrown {
		push := m.get(id)
		failure, _ := push["error"].(map[string]any)
		became[strings.TrimSpace(fmt.Sprint(push["status"], " ", cmp.Or(failure["code"], any(""))))]++
	}
	result(t, "%d bombs %v apart: %d neighbours at most %v late (%v before), no publish ended; the bombs became %v; this machine stood still for up to %v",
		len(thrown), hostsSized().apart, len(m.users), late.Round(time.Millisecond), early.Round(time.Millisecond), became, stood.Round(time.Millisecond))
	require.True(t, m.workers[0].alive())
	require.LessOrEqual(t, late, early+mayDelay*sized().tolerance+stood+busy(stood))
	require.NotContains(t, became, "failed internal")
	require.Positive(t, became["failed source_too_large"]+became["failed source_poisoned"])
}
