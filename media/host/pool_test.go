package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestWhoLivesWithWhom(t *testing.T) {
	proven := &media.Conduct{}
	proven.Prove()
	died := &media.Conduct{}
	died.Died(media.Killing, true)
	p := newPool(t, func(c *Config) { c.Pushes = 6 })
	take := func(n need) *host {
		h, err := p.take(n)
		require.NoError(t, err)
		t.Cleanup(func() { h.leave(n.conduct) })
		return h
	}
	first := take(need{})
	for range 5 {
		require.True(t, first == take(need{}), "those that are new live together")
	}
	second := take(need{})
	require.True(t, first != second, "as many as may")
	require.True(t, second == take(need{conduct: proven}), "a few live together whatever their age")
	require.True(t, second == take(need{}))
	require.True(t, second == take(need{}))
	third := take(need{})
	require.True(t, second != third, "one that is new does not join many of which one has played")
	require.True(t, second == take(need{conduct: proven}), "but one that has played does")
	coder := take(need{encodes: true})
	require.False(t, slices.Contains([]*host{first, second, third}, coder), "who re-encodes lives alone")
	require.True(t, coder != take(need{encodes: true}))
	fresh := &media.Conduct{}
	require.True(t, second == take(need{conduct: proven}))
	fourth := take(need{conduct: fresh})
	require.True(t, third == fourth)
	fresh.Prove()
	for range 2 {
		require.True(t, third == take(need{}), "a few")
	}
	require.True(t, third != take(need{}), "one that has played by now is not joined by more")
	require.True(t, take(need{conduct: died}).own, "so does a source whose host has died")
}

func TestSourcesThatMayNeedMuchAreOpenedInSeveralHosts(t *testing.T) {
	p := newPool(t, func(c *Config) { c.Memory = 8 << 30 })
	large := need{memory: 5 << 30}
	take := func(n need) *host {
		h, err := p.take(n)
		require.NoError(t, err)
		t.Cleanup(func() { h.leave(n.conduct) })
		return h
	}
	first := take(large)
	require.True(t, first == take(need{memory: openingMemory(0)}), "there is place beside it")
	require.False(t, first == take(large), "not for two such")
	first.settle(large)
	require.True(t, first == take(need{memory: openingMemory(0)}), "what was set aside is free again when it is open")
	require.EqualValues(t, 120<<20, openingMemory(4<<30), "that of four hours took 110")
	require.EqualValues(t, 8<<20, openingMemory(-1))
}

func TestASourceForWhichAHostHasNoMemoryGoesOnAloneAndHarmsNobody(t *testing.T) {
	for name, lines := range map[string][]string{
		"as it is opened": {"needs much\na", "b", "c"}, "as it is read": {"begin\na", "needs much", "c"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, nil)
			neighbour := open(t, p, textOf(numbered(3000)...), &media.Conduct{})
			conduct := &media.Conduct{}
			all := strings.Join(lines, "\n") + "\n"
			s := open(t, p, &text{Reader: bytes.NewReader([]byte(all)), seekable: true}, conduct)
			want := []string{"a", "b", "c"}
			if name == "as it is read" {
				want[1] = "needs much"
			}
			require.Equal(t, want, read(t, s, -1))
			require.True(t, hostOf(s).isOwn())
			require.True(t, conduct.Apart())
			require.False(t, conduct.Poisoned())
			require.Equal(t, wanted(0, 3000), read(t, neighbour, -1))
			require.Zero(t, p.Stats().Deaths[Crashed]+p.Stats().Deaths[Stuck])
		})
	}
}

func TestASourceThatCannotBeReadAgainSaysThatMemoryIsShortAndIsOpenedAnewAlone(t *testing.T) {
	p := newPool(t, nil)
	open(t, p, textOf(numbered(3)...), &media.Conduct{})
	conduct := &media.Conduct{}
	lines := append(numbered(60_000), "needs much", "c")
	once := textOf(lines...)
	once.seekable = false
	s := open(t, p, once, conduct)
	var err error
	for err == nil {
		_, err = s.ReadPacket()
	}
	require.Equal(t, media.KindSourceDropped, media.KindOf(err), "it is tried again at once")
	require.ErrorContains(t, err, "no memory left beside its other sources")
	require.NoError(t, s.Close())
	again := open(t, p, textOf("needs much", "c"), conduct)
	require.Equal(t, []string{"needs much", "c"}, read(t, again, -1))
	require.True(t, hostOf(again).isOwn())
}

func TestASourceThatNeedsTooMuchAloneIsTooLarge(t *testing.T) {
	p := newPool(t, nil)
	open(t, p, textOf("a"), &media.Conduct{})
	for _, conduct := range []*media.Conduct{nil, {}} {
		_, err := p.Demux(t.Context(), media.SourceRequest{Conduct: conduct}, &text{Reader: bytes.NewReader([]byte("needs too much\n")), seekable: true})
		require.Equal(t, media.KindSourceTooLarge, media.KindOf(err), err)
		require.ErrorIs(t, err, media.ErrMemory)
	}
}

func TestAHostIsReadyBeforeItIsNeeded(t *testing.T) {
	p := newPool(t, nil)
	h, err := p.take(need{encodes: true})
	require.NoError(t, err)
	defer h.leave(nil)
	require.Eventually(t, func() bool { return len(p.PIDs()) == 2 }, 10*time.Second, time.Millisecond)
}

func TestAHostThatReencodesGivesWayAndMayAllocateMore(t *testing.T) {
	p := newPool(t, nil)
	before, err := nice()
	require.NoError(t, err)
	nice := min(before+1, mostNice) // somebody may have started the worker so
	require.NoError(t, unix.Setpriority(unix.PRIO_PROCESS, os.Getpid(), nice))
	defer func() { _ = unix.Setpriority(unix.PRIO_PROCESS, os.Getpid(), before) }() // it needs a right
	h, err := p.take(need{encodes: true})
	require.NoError(t, err)
	defer h.leave(nil)
	require.NoError(t, h.ready(t.Context()))
	limits, err := os.ReadFile("/proc/" + strconv.Itoa(h.cmd.Process.Pid) + "/limits")
	require.NoError(t, err)
	i := strings.Index(string(limits), "Max data size")
	require.Contains(t, string(limits)[i:i+60], strconv.Itoa(defaultEncodeMemory))
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(h.cmd.Process.Pid) + "/stat")
	require.NoError(t, err)
	require.Equal(t, strconv.Itoa(min(nice+givesWay, mostNice)), strings.Fields(string(stat))[18])
}

func TestASourceThatNobodyHasPlayedIsOpenedByAThreadThatGivesWay(t *testing.T) {
	p := newPool(t, nil)
	nice, err := nicer()
	require.NoError(t, err)
	givesWay := func() bool {
		all, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.PIDs()[0]))
		require.NoError(t, err)
		return slices.ContainsFunc(all, func(name string) bool {
			stat, err := os.ReadFile(name)
			return err == nil && strings.Fields(string(stat))[18] == strconv.Itoa(nice)
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	var opening sync.WaitGroup
	opening.Go(func() {
		_, err := p.Demux(ctx, media.SourceRequest{}, &text{Reader: bytes.NewReader([]byte("wait\n"))})
		assert.Error(t, err)
	})
	require.Eventually(t, givesWay, 10*time.Second, time.Millisecond)
	cancel()
	opening.Wait()
	played := &media.Conduct{}
	played.Prove()
	require.Zero(t, niceFor(played, false))
	require.Zero(t, niceFor(nil, true), "it goes on where viewers wait")
}

func TestWhenMemoryIsShortTheKernelKillsAHostFirst(t *testing.T) {
	p := newPool(t, nil)
	score, err := os.ReadFile("/proc/" + strconv.Itoa(p.PIDs()[0]) + "/oom_score_adj")
	require.NoError(t, err)
	require.Equal(t, "1000\n", string(score))
}

func TestHostsLeaveNoProcessAndNoDescriptor(t *testing.T) {
	n := 30
	if os.Getenv("CHAOS") == "full" {
		n = 2000
	}
	p := newPool(t, nil)
	before := descriptors(t)
	for range n {
		h, c, err := p.session(t.Context(), need{encodes: true})
		require.NoError(t, err)
		h.finish(c, nil, false)
	}
	require.Eventually(t, func() bool { return descriptors(t) <= before && children(t) <= 1 }, 20*time.Second, 10*time.Millisecond)
}

// children is how many processes this one has, zombies too.
func children(t *testing.T) int {
	t.Helper()
	tasks, err := filepath.Glob("/proc/self/task/*/children")
	require.NoError(t, err)
	n := 0
	for _, name := range tasks {
		all, err := os.ReadFile(name)
		if !errors.Is(err, os.ErrNotExist) { // a thread that has ended
			require.NoError(t, err)
		}
		n += len(strings.Fields(string(all)))
	}
	return n
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(all)
}

func TestAPoolThatCannotStartAHostSaysSo(t *testing.T) {
	for name, command := range map[string][]string{"no program": {"/nowhere"}, "another program": {"/bin/true"}} {
		t.Run(name, func(t *testing.T) {
			_, err := New(t.Context(), Config{Command: command, Log: newPool(t, nil).cfg.Log})
			require.Error(t, err)
		})
	}
}

func TestAHostThatWorksForNobodyIsKilled(t *testing.T) {
	p := newPool(t, func(c *Config) { c.look, c.work = time.Second, 50*time.Millisecond })
	h := p.living()[0] // idle: what is begun in it is nobody's
	c, err := h.connect()
	require.NoError(t, err)
	require.NoError(t, c.sendJSON(kindOpen, opening{Picture: &pictureOpening{}}))
	require.NoError(t, c.send(kindBytes, []byte("loop")))
	select {
	case <-h.gone:
	case <-time.After(time.Minute):
		t.Fatal("it goes on")
	}
	require.Equal(t, int64(1), p.Stats().Deaths[Stuck])
}

func TestAHostThatBurnsACoreIsKilledAndHarmsNobodyWhoWasInIt(t *testing.T) {
	p := newPool(t, func(c *Config) { c.look, c.work = time.Second, 50*time.Millisecond })
	good, bad := &media.Conduct{}, &media.Conduct{}
	neighbour := open(t, p, textOf(numbered(3000)...), good)
	s := open(t, p, textOf("a", "loop"), bad)
	h := hostOf(neighbour)
	require.True(t, h == hostOf(s))
	var err error
	for err == nil {
		_, err = s.ReadPacket()
	}
	require.Equal(t, media.KindSourcePoisoned, media.KindOf(err), err)
	<-h.gone
	require.Equal(t, overworked, h.killed)
	require.Equal(t, wanted(0, 3000), read(t, neighbour, -1))
	require.False(t, good.Poisoned())
}

// lookedAtByHand are hosts that only their test looks at.
func lookedAtByHand(c *Config) { c.look = time.Hour }

func TestAPushWhoseHostHasDiedSharesAgainAfterAWhile(t *testing.T) {
	p, conduct := newPool(t, lookedAtByHand), &media.Conduct{}
	s := open(t, p, textOf(numbered(3000)...), conduct)
	require.NoError(t, syscall.Kill(hostOf(s).cmd.Process.Pid, syscall.SIGSEGV))
	<-hostOf(s).gone
	read(t, s, -1)
	alone := hostOf(s)
	require.True(t, alone != hostOf(open(t, p, textOf("a"), nil)))
	for range aloneLooks {
		p.look()
	}
	require.True(t, conduct.Apart(), "not before a minute is over")
	p.look()
	require.False(t, conduct.Apart())
	require.False(t, alone.own, "others may join it")
}

func TestAPushThatSharesAgainGoesWhereThereIsMemoryForAllThatItHas(t *testing.T) {
	p := newPool(t, func(c *Config) {
		lookedAtByHand(c)
		c.Memory = 8 << 30
	})
	s := open(t, p, textOf(numbered(20000)...), &media.Conduct{})
	leave := func(h *host) {
		for hostOf(s) == h {
			read(t, s, 1)
		}
	}
	died := hostOf(s)
	require.NoError(t, syscall.Kill(died.cmd.Process.Pid, syscall.SIGSEGV))
	<-died.gone
	leave(died)
	take := func(n need) *host {
		h, err := p.take(n)
		require.NoError(t, err)
		t.Cleanup(func() { h.leave(nil) })
		<-h.said
		return h
	}
	first := take(need{})
	alone := hostOf(s)
	p.mu.Lock()
	first.opening = p.cfg.Memory - first.allocated() - 512<<20
	alone.empty -= 1 << 30 // so much has it by now
	p.mu.Unlock()
	second := take(need{memory: 1 << 30})
	require.True(t, first != second)
	for range aloneLooks + 1 {
		p.look()
	}
	leave(alone)
	require.True(t, hostOf(s) == second)
}

func TestASourceThatFailsAsItSharesAgainDoesNotBlameMemoryThatWasShortBefore(t *testing.T) {
	p := newPool(t, lookedAtByHand)
	open(t, p, textOf("a"), &media.Conduct{})
	m := textOf(append([]string{"a", "needs much"}, numbered(20000)...)...)
	s := open(t, p, m, &media.Conduct{})
	require.Equal(t, []string{"a", "needs much"}, read(t, s, 2))
	require.True(t, hostOf(s).isOwn())
	for range aloneLooks + 1 {
		p.look()
	}
	m.Reset(nil)
	var err error
	for err == nil {
		_, err = s.ReadPacket()
	}
	require.Equal(t, errGoneOn(opRead), err)
}

func TestPushesThatLiveAloneAfterADeathLiveTogetherAgainWithoutLosingAPacket(t *testing.T) {
	for name, seekable := range map[string]bool{"read again": true, "kept": false} {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, lookedAtByHand)
			var sources []media.Source
			for range 3 {
				m := textOf(numbered(20000)...)
				m.seekable = seekable
				sources = append(sources, open(t, p, m, &media.Conduct{}))
			}
			shared := hostOf(sources[0])
			require.NoError(t, syscall.Kill(shared.cmd.Process.Pid, syscall.SIGSEGV))
			<-shared.gone
			at := 0
			next := func() {
				for _, s := range sources {
					require.Equal(t, wanted(at, at+1500), read(t, s, 1500))
				}
				at += 1500
			}
			for next(); hostOf(sources[0]) == shared; next() { // what had been read ahead
			}
			require.True(t, hostOf(sources[0]) != hostOf(sources[1]))
			for range aloneLooks + 1 {
				p.look()
			}
			for range 3 {
				next()
			}
			require.True(t, hostOf(sources[0]) == hostOf(sources[1]))
			require.True(t, hostOf(sources[0]) == hostOf(sources[2]))
			require.EqualValues(t, 1, p.Stats().Deaths[Crashed])
		})
	}
}

func TestAKilledHostThatNobodyHadIsReplaced(t *testing.T) {
	p := newPool(t, lookedAtByHand)
	h := p.living()[0]
	require.NoError(t, syscall.Kill(h.cmd.Process.Pid, syscall.SIGKILL))
	<-h.gone
	p.look()
	require.Eventually(t, func() bool { return len(p.PIDs()) == 1 }, 10*time.Second, time.Millisecond)
}

func TestASlowStartOfAHostHoldsNobodyUp(t *testing.T) {
	p := newPool(t, nil)
	slow := make(chan struct{})
	p.forks <- func() { <-slow }
	defer close(slow)
	require.Equal(t, []string{"a"}, read(t, open(t, p, textOf("a"), nil), -1), "it has the one that was ready")
	require.Equal(t, int64(2), p.Stats().Started)
}

func TestAHostWhoseLimitsCannotBeSetServesUnlessTheyAreRequired(t *testing.T) {
	var log bytes.Buffer
	c := Config{Command: []string{os.Args[0], hostArgument}, Log: slog.New(slog.NewTextHandler(&log, nil))}
	c.prlimit = func(int, int, *unix.Rlimit, *unix.Rlimit) error { return unix.EPERM }
	p, err := New(t.Context(), c)
	require.NoError(t, err)
	s, err := p.Demux(t.Context(), media.SourceRequest{}, textOf("a"))
	require.NoError(t, err)
	require.NoError(t, s.Close())
	p.Close()
	require.Equal(t, 1, strings.Count(log.String(), "limits of media hosts cannot be set"), "it is said once")

	c.Sandbox = SandboxRequire
	_, err = New(t.Context(), c)
	require.ErrorContains(t, err, "its limits cannot be set: operation not permitted; ROOMCAST_SANDBOX is require")
}

func TestNoHostOutlivesItsWorker(t *testing.T) {
	worker := exec.Command(os.Args[0], orphanArgument, "/bin/sleep", "300") // it does not notice that its socket ends
	require.NoError(t, worker.Start())
	var host int
	require.Eventually(t, func() bool {
		all, _ := filepath.Glob(procOf(worker.Process.Pid, "task/*/children"))
		for _, name := range all {
			text, _ := os.ReadFile(name)
			if host, _ = strconv.Atoi(strings.TrimSpace(string(text))); host > 0 {
				program, _ := os.ReadFile(procOf(host, "comm"))
				return strings.TrimSpace(string(program)) == "sleep"
			}
		}
		return false
	}, 10*time.Second, time.Millisecond)
	require.NoError(t, worker.Process.Kill())
	_ = worker.Wait()
	require.Eventually(t, func() bool {
		stat, err := os.ReadFile(procOf(host, "stat"))
		return err != nil || strings.Contains(string(stat), ") Z ")
	}, 5*time.Second, time.Millisecond)
}
