package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// open opens a text in p.
func open(t *testing.T, p *Pool, m *text, c *media.Conduct) media.Source {
	t.Helper()
	s, err := p.Demux(t.Context(), media.SourceRequest{Conduct: c}, m)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = s.Close()
		m.closed.Wait()
	})
	return s
}

// read reads n packets, or all, as their lines without what fills them up.
func read(t *testing.T, s media.Source, n int) []string {
	t.Helper()
	var lines []string
	for n < 0 || len(lines) < n {
		p, err := s.ReadPacket()
		if err == io.EOF { //nolint:errorlint // as media.Source has it
			break
		}
		require.NoError(t, err)
		lines = append(lines, strings.TrimRight(string(p.Data), "x"))
	}
	return lines
}

func wanted(from, to int) []string {
	var lines []string
	for _, l := range numbered(to)[from:] {
		lines = append(lines, strings.TrimRight(l, "x"))
	}
	return lines
}

// hostOf is the process that a source lives in.
func hostOf(s media.Source) *host {
	in := s.(*source)
	in.working.Lock()
	defer in.working.Unlock()
	return in.host
}

func TestASourceIsReadThroughAHostAsWithout(t *testing.T) {
	s := open(t, newPool(t, nil), textOf(numbered(5000)...), nil)
	require.Equal(t, fakeDemuxer{}, fakeDemuxer{})
	require.Equal(t, (&fakeSource{}).Info(), s.Info())
	require.Equal(t, wanted(0, 700), read(t, s, 700))
	require.NoError(t, s.Seek(10*time.Second))
	require.Equal(t, wanted(1000, 5000), read(t, s, -1))
	_, err := s.ReadPacket()
	require.Equal(t, io.EOF, err)
}

func TestWhatComesOfASourceIsToldWhileItsIndexIsRead(t *testing.T) {
	for name, c := range map[string]struct{ size, most, came int }{
		"half a megabyte, in the parts that are asked for": {512 << 10, 0, 6},
		"too little for it not to be silent":               {10, 0, 0},
		"drips, which tell when they are enough":           {20_000, 1000, 1},
	} {
		t.Run(name, func(t *testing.T) {
			m := &text{Reader: bytes.NewReader([]byte(strings.Repeat("i", c.size) + "\na\nb\n")), seekable: true, most: c.most}
			came := 0
			s, err := newPool(t, nil).Demux(t.Context(), media.SourceRequest{Came: func() { came++ }}, m)
			require.NoError(t, err)
			defer s.Close()
			require.Equal(t, c.came, came)
			require.Len(t, read(t, s, -1), 2)
			require.Equal(t, c.came, came, "packets tell of themselves")
		})
	}
}

func TestWhatIsGivenAgainToAnotherHostHasNotComeAnew(t *testing.T) {
	m := &text{Reader: bytes.NewReader([]byte("crash " + strings.Repeat("i", 512<<10) + "\n"))}
	came := 0
	_, err := newPool(t, nil).Demux(t.Context(), media.SourceRequest{Conduct: &media.Conduct{}, Came: func() { came++ }}, m)
	require.Equal(t, media.KindSourcePoisoned, media.KindOf(err))
	require.Equal(t, 6, came)
}

func TestAHostLearnsWhatASourceIsAskedFor(t *testing.T) {
	asked := media.SourceRequest{
		Mode: media.ModeVOD, Choice: media.TrackChoice{Audio: "de", Program: 3}, Bounds: media.Bounds{Long: 1920, Short: 1080}, AudioDelay: time.Second,
	}
	s, err := newPool(t, nil).Demux(t.Context(), asked, textOf("a"))
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	require.Equal(t, fmt.Sprint(asked.Mode, asked.Choice, asked.Bounds, asked.AudioDelay), s.Info().Streams[0].Title)
}

func TestASourceGoesOnInAnotherHostWithoutLosingOrRepeatingAPacket(t *testing.T) {
	s := open(t, newPool(t, nil), textOf(numbered(3000)...), &media.Conduct{})
	require.Equal(t, wanted(0, 1000), read(t, s, 1000))
	first := hostOf(s)
	require.NoError(t, syscall.Kill(first.cmd.Process.Pid, syscall.SIGKILL))
	<-first.gone
	require.Equal(t, wanted(1000, 3000), read(t, s, -1))
	require.True(t, first != hostOf(s))
	require.True(t, hostOf(s).own)
}

func TestASourceThatIsReadOnceGoesOnWithWhatIsKeptOfIt(t *testing.T) {
	m := textOf(numbered(3000)...)
	m.seekable = false
	s := open(t, newPool(t, nil), m, &media.Conduct{})
	require.Equal(t, wanted(0, 1000), read(t, s, 1000))
	require.NoError(t, syscall.Kill(hostOf(s).cmd.Process.Pid, syscall.SIGKILL))
	require.Equal(t, wanted(1000, 3000), read(t, s, -1))
}

func TestASourceOfWhichTooLittleIsKeptIsToBeOpenedAnewWhenItsHostDies(t *testing.T) {
	m := textOf(numbered(60000)...)
	m.seekable = false
	s := open(t, newPool(t, nil), m, &media.Conduct{})
	require.Len(t, read(t, s, 50000), 50000)
	require.NoError(t, syscall.Kill(hostOf(s).cmd.Process.Pid, syscall.SIGKILL))
	var err error
	for err == nil {
		_, err = s.ReadPacket()
	}
	require.Equal(t, media.KindSourceDropped, media.KindOf(err))
}

func TestAHostThatSomebodyStopsIsKilledAndItsSourceGoesOn(t *testing.T) {
	s := open(t, newPool(t, nil), textOf(numbered(3000)...), &media.Conduct{})
	require.Equal(t, wanted(0, 1000), read(t, s, 1000))
	first := hostOf(s)
	require.NoError(t, syscall.Kill(first.cmd.Process.Pid, syscall.SIGSTOP))
	begin := time.Now()
	require.Equal(t, wanted(1000, 3000), read(t, s, -1))
	require.Less(t, time.Since(begin), 10*obeyTime)
	require.True(t, first != hostOf(s))
	require.Equal(t, wasStopped, first.killed)
}

func TestASourceThatKillsItsHostTwiceIsPoisonedAndItsNeighbourGoesOn(t *testing.T) {
	for name, lines := range map[string][]string{"at once": {"crash"}, "later": append(numbered(1000), "crash")} {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, nil)
			good, conduct := open(t, p, textOf(numbered(3000)...), &media.Conduct{}), &media.Conduct{}
			require.Equal(t, wanted(0, 100), read(t, good, 100))
			bad, err := p.Demux(t.Context(), media.SourceRequest{Conduct: conduct}, textOf(lines...))
			if err == nil {
				defer func() { _ = bad.Close() }()
				require.True(t, hostOf(good) == hostOf(bad))
				for err == nil {
					_, err = bad.ReadPacket()
				}
			}
			require.Equal(t, media.KindSourcePoisoned, media.KindOf(err), err)
			require.Equal(t, wanted(100, 3000), read(t, good, -1))
		})
	}
}

func TestAHostThatDoesNotObeyIsKilledAndNobodyWaitsForIt(t *testing.T) {
	for _, what := range []string{"hang", "loop"} {
		t.Run(what, func(t *testing.T) {
			p := newPool(t, nil)
			ctx, stop := context.WithCancelCause(t.Context())
			defer stop(nil)
			s, err := p.Demux(ctx, media.SourceRequest{Conduct: &media.Conduct{}}, textOf("a", what))
			require.NoError(t, err)
			h := hostOf(s)
			time.AfterFunc(50*time.Millisecond, func() { stop(media.ErrStopped) })
			var read error
			for read == nil {
				_, read = s.ReadPacket()
			}
			require.ErrorIs(t, read, media.ErrStopped)
			begin, noise := time.Now(), mediatest.WatchNoise(t)
			require.NoError(t, s.Close())
			require.Less(t, time.Since(begin), 200*time.Millisecond+mediatest.Hops*noise())
			select {
			case <-h.gone:
			case <-time.After(time.Minute):
				t.Fatal("the host goes on")
			}
		})
	}
}

func TestAHostThatObeysLivesOn(t *testing.T) {
	p := newPool(t, nil)
	ctx, stop := context.WithCancelCause(t.Context())
	s, err := p.Demux(ctx, media.SourceRequest{}, textOf("a", "wait"))
	require.NoError(t, err)
	h := hostOf(s)
	time.AfterFunc(50*time.Millisecond, func() { stop(media.ErrStalled) })
	for err == nil {
		_, err = s.ReadPacket()
	}
	require.Equal(t, media.KindSourceStalled, media.KindOf(err))
	require.NoError(t, s.Close())
	require.Eventually(t, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return h.sessions == 0
	}, 5*time.Second, time.Millisecond)
	require.Equal(t, wanted(0, 3), read(t, open(t, p, textOf(numbered(3)...), nil), -1))
}

func TestASourceThatSaysNothingIsNotWaitedFor(t *testing.T) {
	for name, gate := range map[string]func(*io.PipeReader) media.Gate{
		"from its way":      func(r *io.PipeReader) media.Gate { return piped{r} },
		"of its name":       func(*io.PipeReader) media.Gate { return hangingGate{} },
		"but a byte a time": func(r *io.PipeReader) media.Gate { return piped{r} },
	} {
		t.Run(name, func(t *testing.T) {
			r, w := io.Pipe()
			defer func() { _ = w.Close() }()
			if name == "but a byte a time" {
				go func() {
					for range time.Tick(10 * time.Millisecond) {
						if _, err := w.Write([]byte("b")); err != nil {
							return
						}
					}
				}()
			}
			p := newPool(t, nil)
			begin := time.Now()
			_, err := p.Demux(t.Context(), media.SourceRequest{ProbeTimeout: 200 * time.Millisecond}, gate(r))
			require.Equal(t, media.KindSourceUnavailable, media.KindOf(err))
			require.Less(t, time.Since(begin), defaultProbeTime)
		})
	}
}

func TestASourceWithoutHeadAndTailIsGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	s := &source{supply: supply{ctx: ctx, way: media.Way{Bytes: textOf("a")}, probe: newProbe(time.Hour, cancel)}}
	for range 2 {
		require.True(t, s.rewind(), "for another host")
		s.probe.came(openingBytes)
		require.NoError(t, s.ended(opOpen))
	}
	s.probe.came(1)
	err := s.ended(opOpen)
	require.Equal(t, media.KindSourceInvalid, media.KindOf(err))
	require.ErrorContains(t, err, "256 MB")
}

// hangingGate is a name server that never answers.
type hangingGate struct{}

func (hangingGate) Open(ctx context.Context, _ media.SourceRequest) (media.Way, error) {
	<-ctx.Done()
	return media.Way{}, context.Cause(ctx)
}

// piped is a stream.
type piped struct{ *io.PipeReader }

func (piped) Seek(int64, int) (int64, error) { return 0, errors.ErrUnsupported }
func (piped) Seekable() bool                 { return false }
func (piped) Size() int64                    { return -1 }
func (p piped) Open(ctx context.Context, _ media.SourceRequest) (media.Way, error) {
	context.AfterFunc(ctx, func() { _ = p.CloseWithError(ctx.Err()) })
	return media.Way{Bytes: p}, nil
}

func TestWhatIsFoundInPlaceOfMediaIsSaid(t *testing.T) {
	m := textOf()
	m.found = "the source is a page"
	_, err := newPool(t, nil).Demux(t.Context(), media.SourceRequest{}, m)
	require.Equal(t, media.KindSourceInvalid, media.KindOf(err))
	said, ok := errors.AsType[media.Sentence](err)
	require.True(t, ok)
	require.Equal(t, media.Sentence("the source is a page"), said)
}

func TestFromInsideAHostNothingElseIsReached(t *testing.T) {
	file := filepath.Join(t.TempDir(), "made")
	worker := " " + strconv.Itoa(os.Getpid())
	for line, want := range map[string]string{
		"open /etc/passwd":          "open: open /etc/passwd: operation not permitted",
		"open /proc/self/environ":   "open: open /proc/self/environ: operation not permitted",
		"create " + file:            "create: open " + file + ": operation not permitted",
		"connect 127.0.0.1:6379":    "connect: dial tcp 127.0.0.1:6379: socket: operation not permitted",
		"exec /bin/true":            "exec: open /dev/null: operation not permitted",
		"ptrace" + worker:           "ptrace: operation not permitted",
		"kill" + worker:             "kill: operation not permitted",
		"kill-thread" + worker:      "kill-thread: operation not permitted",
		"signal-by-socket" + worker: "signal-by-socket: operation not permitted",
		"slow-down" + worker:        "slow-down: operation not permitted",
		"fork":                      "fork: operation not permitted",
		"allocate":                  "allocate: cannot allocate memory",
		"share-memory":              "share-memory: operation not permitted",
		"grow-memory":               "grow-memory: operation not permitted",
	} {
		t.Run(line, func(t *testing.T) {
			p := newPool(t, nil)
			if !p.Sandbox().Seccomp {
				t.Fatal("this kernel has no seccomp: ", p.Sandbox())
			}
			require.Equal(t, []string{want, "packet"}, read(t, open(t, p, textOf(line, "packet"), nil), -1))
		})
	}
	_, err := os.Stat(file)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestWhatStandsInTheSourcesBytesDoesNotComeBackFromItsHost(t *testing.T) {
	for name, c := range map[string]struct {
		wrongBy int // the position that the demuxer tells
		most    float64
	}{"where it is told": {0, 1.1}, "behind a head": {-20, 1.1}, "elsewhere": {1000, 2.2}} {
		t.Run(name, func(t *testing.T) {
			var lines []string
			for at, n := len("begin\n"), 0; at < 1<<20; n++ {
				line := fmt.Sprintf("at %d %d %s", at+c.wrongBy, n, strings.Repeat("y", n%3000)+"z")
				lines, at = append(lines, line), at+len(line)+1
			}
			all := textOf(lines...)
			size := all.Size()
			s := open(t, newPool(t, nil), all, nil)
			moved := &hostOf(s).moved
			require.Equal(t, lines, read(t, s, -1))
			require.Less(t, float64(moved.Load()), c.most*float64(size))
			require.Greater(t, float64(moved.Load()), (c.most-0.2)*float64(size))
		})
	}
}

func TestAHostHasNoSecretInItsEnvironment(t *testing.T) {
	t.Setenv("ROOMCAST_SECRET_KEY", "secret")
	said := read(t, open(t, newPool(t, nil), textOf("environ"), nil), -1)
	names := []string{}
	for _, v := range strings.Fields(said[0]) {
		name, _, _ := strings.Cut(v, "=")
		names = append(names, name)
	}
	want := []string{"GOMAXPROCS", "GOMEMLIMIT", "MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_"}
	if _, ok := os.LookupEnv("GORACE"); ok {
		want = append(want, "GORACE") // what make test sets for the race detector
	}
	require.ElementsMatch(t, want, names)
}

func TestAHostLearnsNoMoreOfAnAddressThanHowItEnds(t *testing.T) {
	for address, want := range map[media.Secret]string{
		"https://user:secret@example.com/a/Clip.MP4?token=secret": "https://source/source.mp4",
		"rtmp://example.com/live/key":                             "rtmp://source/source",
		"http://example.com/clip.mp4secret":                       "http://source/source",
		":%":                                                      "file://source",
	} {
		assert.Equal(t, want, nameOf(address))
	}
}

func TestAHostLearnsNoWordOfARefusal(t *testing.T) {
	m := textOf()
	m.refusal = &media.Error{Kind: media.KindSourceUnauthorized, Op: opOpen, Err: media.Because("http://inside.example: the server refuses access", nil)}
	_, err := newPool(t, nil).Demux(t.Context(), media.SourceRequest{}, m)
	require.Same(t, m.refusal, err)
}

// What is grouped in a track is not in its JSON: both ends of a socket, and those who
// read it elsewhere, know it flat.
func TestATrackIsFlatInItsFrame(t *testing.T) {
	text, err := json.Marshal(media.Track{Display: media.Display{Rotation: 90, Mirrored: true}, DecoderHints: media.DecoderHints{CodecTag: 7}})
	require.NoError(t, err)
	var fields map[string]any
	require.NoError(t, json.Unmarshal(text, &fields))
	for name, want := range map[string]any{"Rotation": 90.0, "Mirrored": true, "PixelsFixed": false, "CodecTag": 7.0, "BlockAlign": 0.0} {
		require.Equal(t, want, fields[name], name)
	}
}
