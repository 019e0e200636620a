package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/hostile"
	"github.com/roomcast/roomcast/media/fakeroom"
	"github.com/roomcast/roomcast/media/mediatest"
)

// What one source may do to a worker that plays others.
const (
	workerMemory = 1 << 30
	mayGrow      = 150 << 20
	mayDelay     = 100 * time.Millisecond
	mayLast      = 200 * time.Millisecond // a stop
)

// hostileSize is how hard the tests of hostile sources try.
func hostileSize() (neighbours int, watched time.Duration) {
	if full {
		return 20, 6 * time.Second
	}
	return 4, 1500 * time.Millisecond
}

// beset is a worker in little memory with neighbours whose pushes are copied,
// and a site of hostile sources.
type beset struct {
	*crowd
	bombs    []hostile.Bomb
	site     *farSite
	program  string // the worker's, confined
	settings []string
	worker   *process
	baseline time.Duration // how late packets of the neighbours are without bombs
	faults   []string
}

func newBeset(t *testing.T, bombs []hostile.Bomb) *beset {
	t.Helper()
	b := &beset{bombs: bombs, site: newFarSite(t)}
	clip := mediatest.Clip(t, mediatest.Spec{Seconds: 20, Width: 320, Height: 180, FPS: 15, GOPSeconds: 1})
	files := mediatest.Serve(t, map[string]string{"a": clip})
	b.crowd = &crowd{stack: newStack(t, options{workers: -1, forget: true, env: []string{"ROOMCAST_WORKER_SLOTS=400"}}), ids: map[string]string{}, files: files}
	b.program, b.settings = confined(t, filepath.Join(bin, "worker"), workerMemory)
	b.hire()
	b.settle()
	quiet := b.observe()
	<-time.After(3 * time.Second)
	b.baseline = quiet().late
	return b
}

// hire starts the worker.
func (b *beset) hire() {
	b.worker = start(b.t, b.program, slices.Concat(b.env, b.settings)...)
	b.worker.waitLine(b.t, "worker started")
}

// settle starts neighbours, new ones where there were some, and waits until all
// are on the air.
func (b *beset) settle() {
	b.t.Helper()
	for _, u := range b.users {
		b.do(http.MethodDelete, "/v1/pushes/"+b.ids[u], nil)
	}
	b.users = nil
	neighbours, _ := hostileSize()
	for range neighbours {
		user := fmt.Sprintf("u%d", len(b.ids))
		b.ids[user] = b.push(b.files.URL+"/a", "room_"+user, user, fields{"repeat": -1})
		b.users = append(b.users, user)
	}
	for _, u := range b.users {
		_, err := b.room.Wait(patient(b.t), u, "a second of media in a running session",
			func(s fakeroom.Session) bool { return s.Live() && s.Media() >= time.Second })
		require.NoError(b.t, err)
	}
}

// seen is what was seen of a worker and its neighbours for a while.
type seen struct {
	grown int           // resident memory, at its most, over what it was
	late  time.Duration // the most that a neighbour's packet was further behind its time than at the begin
	noise time.Duration // the most that a timer of this process was
}

// observe watches until the returned func is called.
func (b *beset) observe() func() seen {
	pid := b.worker.cmd.Process.Pid
	before := memoryOf(pid, "VmRSS")
	forgetPeak(b.t, pid)
	quit := make(chan struct{})
	noise := mediatest.WatchNoise(b.t)
	begun := b.lateness()
	var s seen
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				for u, late := range b.lateness() {
					s.late = max(s.late, late-max(begun[u], 0))
				}
				s.grown = max(s.grown, memoryOf(pid, "VmHWM")-before)
			}
		}
	})
	return func() seen { close(quit); watching.Wait(); s.noise = noise(); return s }
}

// lateness is how far each neighbour is behind its time: for good once it has slipped. One
// that is off the air is as late as it is away.
func (b *beset) lateness() map[string]time.Duration {
	late := map[string]time.Duration{}
	for _, u := range b.users {
		s, ok := b.room.Session(u)
		if !ok || s.Video.Packets == 0 {
			continue
		}
		due := s.Video.FirstAt.Add(s.Video.LastDTS - s.Video.FirstDTS + s.Video.FrameDuration)
		late[u] = max(time.Since(due), s.Video.Drift)
	}
	return late
}

// thrown is what became of a bomb.
type thrown struct {
	seen
	status, code, message string
	took, stop            time.Duration
	died                  bool
}

func (th thrown) String() string {
	ended := fmt.Sprintf("%s after %.1f s", strings.TrimSpace(th.status+" "+th.code), th.took.Seconds())
	if th.stop > 0 {
		ended += fmt.Sprintf(", stop %4d ms", th.stop.Milliseconds())
	}
	if th.died {
		ended = "THE WORKER DIED, " + ended
	}
	return fmt.Sprintf("+%4d MB, neighbours %4d ms late, %s", th.grown>>20, th.late.Milliseconds(), ended)
}

// throw pushes a bomb, waits for its end, and stops it when it runs after a
// while.
func (b *beset) throw(n int, watched time.Duration) thrown {
	b.t.Helper()
	b.site.prepare(b.bombs[n])
	observed := b.observe()
	began := time.Now()
	user := fmt.Sprintf("bomb%d_%d", n, began.UnixMilli())
	id := b.push(b.site.address(b.bombs[n]), "r", user, nil)
	var th thrown
	for push := b.get(id); ; push = b.get(id) {
		th.status, _ = push["status"].(string)
		if failure, ok := push["error"].(map[string]any); ok {
			th.code, _ = failure["code"].(string)
			th.message, _ = failure["message"].(string)
		}
		th.died = !b.worker.alive()
		if ended(push) || th.died || time.Since(began) > watched {
			break
		}
		<-time.After(20 * time.Millisecond)
	}
	th.took = time.Since(began)
	if !th.died && !slices.Contains([]string{"failed", "completed"}, th.status) {
		th.stop = b.stopOf(id)
	}
	th.died = th.died || !b.worker.alive()
	<-time.After(200 * time.Millisecond) // what it left may still grow
	th.seen = observed()
	if th.died {
		b.do(http.MethodDelete, "/v1/pushes/"+id, nil)
		b.hire()
		b.settle()
	}
	return th
}

// stopOf stops a push and returns how long it took to be stopped.
func (b *beset) stopOf(id string) time.Duration {
	at := time.Now()
	b.do(http.MethodDelete, "/v1/pushes/"+id, nil)
	for time.Since(at) < patience && b.worker.alive() && !ended(b.get(id)) {
		<-time.After(5 * time.Millisecond)
	}
	return time.Since(at)
}

// noteHarm notes what a bomb did that none may do.
func (b *beset) noteHarm(name string, th thrown) {
	tolerance := sized().tolerance
	check := func(ok bool, format string, args ...any) {
		if !ok {
			b.faults = append(b.faults, name+": "+fmt.Sprintf(format, args...))
		}
	}
	check(!th.died, "the worker died")
	grow, late, last := mayGrow, b.baseline+mayDelay, mayLast
	if !full { // the race detector keeps books, and other packages are tested at the same time
		grow, late, last = 2*grow, b.baseline+mayDelay*tolerance+mediatest.Hops*th.noise, patience // it has to come about
	}
	check(th.grown <= grow, "the worker grew by %d MB", th.grown>>20)
	check(th.late <= late, "neighbours were %v late, %v without it, and this machine stood still for up to %v", th.late, b.baseline, th.noise)
	check(th.stop <= last, "its stop took %v", th.stop)
	check(th.status != "failed" || th.code != "internal" && th.message != "", "it failed with %q: %q", th.code, th.message)
}

// report fails the test where something was wrong.
func (b *beset) report() {
	b.t.Helper()
	result(b.t, "neighbours %d ms late without bombs; %d faults", b.baseline.Milliseconds(), len(b.faults))
	for _, f := range b.faults {
		b.t.Error(f)
	}
}

// named keeps the bombs that HOSTILE names a part of, where it is set.
func named(bombs []hostile.Bomb) []hostile.Bomb {
	f := os.Getenv("HOSTILE")
	return slices.DeleteFunc(bombs, func(b hostile.Bomb) bool { return !strings.Contains(b.Name, f) })
}

// TestChaosOneHostileSourceHarmsNobody pushes them one after another; at full
// size each twice, one of which is stopped after a second.
func TestChaosOneHostileSourceHarmsNobody(t *testing.T) {
	bombs := hostile.Bombs()
	if !full && os.Getenv("HOSTILE") == "" {
		bombs = slices.DeleteFunc(bombs, func(b hostile.Bomb) bool { return !b.Worst })
	}
	harmNobody(t, named(bombs))
}

// TestChaosAHostileServerHarmsNobody does the same with servers that answer as
// none should.
func TestChaosAHostileServerHarmsNobody(t *testing.T) {
	servers := hostile.Servers()
	if !full && os.Getenv("HOSTILE") == "" {
		servers = mediatest.Half(servers)
	}
	harmNobody(t, named(servers))
}

func harmNobody(t *testing.T, bombs []hostile.Bomb) {
	t.Helper()
	beside(t)
	b := newBeset(t, bombs)
	_, watched := hostileSize()
	for n, bomb := range bombs {
		var stopped thrown
		if full {
			stopped = b.throw(n, time.Second)
			b.noteHarm(bomb.Name+", stopped", stopped)
		}
		th := b.throw(n, watched)
		b.noteHarm(bomb.Name, th)
		t.Logf("RESULT %-62s %v; %s", bomb.Name, th, th.message)
		if stopped.stop > 0 {
			t.Logf("RESULT %-62s stopped after 1 s: %v", bomb.Name, stopped)
		}
	}
	b.report()
}

// TestChaosHostileSourcesAtOnceHarmNobody pushes the worst together, and as many of all as
// there may be pushes.
func TestChaosHostileSourcesAtOnceHarmNobody(t *testing.T) {
	if !full {
		t.Log("only at full size: TestChaosOneHostileSourceHarmsNobody tries each of them")
		return
	}
	all := hostile.Bombs()
	worst := slices.DeleteFunc(slices.Clone(all), func(b hostile.Bomb) bool { return !b.Worst })[:10]
	for name, c := range map[string]struct {
		bombs   []hostile.Bomb
		n       int
		between time.Duration
		times   time.Duration // what may come of one may be so many times as bad
	}{"ten at once": {worst, 10, 0, 1}, "ten in 50 s": {worst, 10, 5 * time.Second, 1}, "300 at once": {all, 300, 0, 2}} {
		t.Run(name, func(t *testing.T) {
			b := newBeset(t, c.bombs)
			before := b.now()
			for n := range c.bombs {
				b.site.prepare(b.bombs[n])
			}
			observed := b.observe()
			var ids []string
			for n := range c.n {
				ids = append(ids, b.push(b.site.address(c.bombs[n%len(c.bombs)]), "r", fmt.Sprintf("bomb%d", n), nil))
				<-time.After(c.between)
			}
			<-time.After(10 * time.Second)
			var stops figures
			codes := map[string]int{}
			for _, id := range ids {
				if push := b.get(id); !ended(push) && b.worker.alive() {
					stops = append(stops, b.stopOf(id))
				} else if failure, ok := push["error"].(map[string]any); ok {
					codes[fmt.Sprint(failure["code"])]++
				}
			}
			s := observed()
			result(t, "%s: +%d MB, neighbours %d ms late (%d without, and this machine stood still for up to %d), ended as %v, %d stops %v", name, s.grown>>20,
				s.late.Milliseconds(), b.baseline.Milliseconds(), s.noise.Milliseconds(), codes, len(stops), append(stops, 0))
			require.True(t, b.worker.alive(), "the worker died: %v", b.worker.err)
			require.Zero(t, codes["internal"])
			require.LessOrEqual(t, append(stops, 0).max(), mayLast*c.times+s.noise)
			require.LessOrEqual(t, s.late, b.baseline+mayDelay*c.times+s.noise)
			for u, was := range b.now() {
				require.Equal(t, before[u].ID, was.ID, "%s is in the session it was in", u)
			}
		})
	}
}
