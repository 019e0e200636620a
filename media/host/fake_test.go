package host

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

const hostArgument = "media-host"

// orphanArgument makes this program a worker whose hosts are the command behind it.
const orphanArgument = "orphan"

// TestMain makes this program a media host in which a fake of libav works.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == withoutArgument {
		fmt.Fprintln(os.Stderr, without(os.Args[2], os.Args[3:]))
		os.Exit(1)
	}
	if len(os.Args) > 1 && os.Args[1] == orphanArgument {
		_, err := New(context.Background(), Config{Command: os.Args[2:], Log: slog.New(slog.DiscardHandler)})
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if len(os.Args) > 1 && os.Args[1] == hostArgument {
		mode := SandboxAuto
		if len(os.Args) > 2 {
			mode = SandboxMode(os.Args[2])
		}
		err := Serve(mode, func() (Libav, error) {
			return Libav{Version: "fake", Demuxer: fakeDemuxer{}, Transcoders: fakeTranscoders{}, Pictures: fakePictures{}, Speeds: fakeSpeeds{}, Recycle: func([]byte) {}, Trim: func() {}}, nil
		})
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// newPool returns a pool of hosts with fakes.
func newPool(t *testing.T, change func(*Config)) *Pool {
	t.Helper()
	c := Config{Command: []string{os.Args[0], hostArgument}, Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&c)
	}
	p, err := New(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p
}

// A fake's source is text, of which each line is a packet, ten milliseconds after the
// one before, a keyframe, with the line as its data, or something that a host does:
// see act.
const fakeStep = 10 * time.Millisecond

type fakeDemuxer struct{ tame bool } // a tame one does nothing of what its source says

func (d fakeDemuxer) Demux(ctx context.Context, r media.SourceRequest, gate media.Gate) (media.Source, error) {
	way, err := gate.Open(ctx, r)
	if err != nil {
		return nil, err
	}
	s := &fakeSource{tame: d.tame, ctx: ctx, asked: r, way: way, lines: bufio.NewReader(way.Bytes)}
	first, err := s.lines.ReadString('\n')
	if err != nil {
		if refusal := way.Refusal(); refusal != nil {
			if strings.Contains(refusal.Error(), "://") || strings.Contains(err.Error(), "://") {
				os.Exit(4) // an address
			}
			return nil, refusal
		}
		return nil, &media.Error{Kind: media.KindSourceInvalid, Op: opOpen, Err: media.Sentence(way.Found())}
	}
	s.begin = int64(len(first))
	if err := lacks(strings.TrimSpace(first), fakes.Load()+1); err != nil {
		return nil, err
	}
	fakes.Add(1)
	if !s.tame {
		act(ctx, strings.TrimSpace(first))
	}
	return s, nil
}

type fakeSource struct {
	tame  bool
	ctx   context.Context
	asked media.SourceRequest
	way   media.Way
	lines *bufio.Reader
	begin int64
	line  int
}

func (s *fakeSource) Info() media.SourceInfo {
	asked := media.Stream{Title: fmt.Sprint(s.asked.Mode, s.asked.Choice, s.asked.Bounds, s.asked.AudioDelay)}
	return media.SourceInfo{Container: "fake", Duration: time.Hour, Streams: []media.Stream{asked}, Tracks: []media.Track{{Type: media.Video, Codec: media.H264, Width: 640, Height: 360}}}
}

func (s *fakeSource) Seek(pos time.Duration) error {
	if _, err := s.way.Bytes.Seek(s.begin, io.SeekStart); err != nil {
		return err
	}
	s.lines.Reset(s.way.Bytes)
	for s.line = 0; s.line < int(pos/fakeStep); s.line++ {
		if _, err := s.lines.ReadString('\n'); err != nil {
			return err
		}
	}
	return nil
}

func (s *fakeSource) ReadPacket() (media.Packet, error) {
	line, err := s.lines.ReadString('\n')
	if errors.Is(err, io.EOF) {
		return media.Packet{}, io.EOF
	}
	if err != nil {
		return media.Packet{}, err
	}
	said := strings.TrimSpace(line)
	if err := lacks(said, fakes.Load()); err != nil {
		return media.Packet{}, err
	}
	if !s.tame {
		said = act(s.ctx, said)
	}
	at := time.Duration(s.line) * fakeStep
	s.line++
	p := media.Packet{PTS: at, DTS: at, Duration: fakeStep, Keyframe: true, Data: []byte(said)}
	_, _ = fmt.Sscanf(said, "at %d ", &p.Offset) // it knows where it stands
	return p, nil
}

func (s *fakeSource) Close() error {
	fakes.Add(-1)
	return nil
}

// fakes are the sources that are open in this process.
var fakes atomic.Int64

// lacks is the error of a line for which memory is short beside others, or always.
func lacks(line string, open int64) error {
	if line == "needs much" && open > 1 || line == "needs too much" {
		return &media.Error{Kind: media.KindSourceTooLarge, Op: opOpen, Err: media.ErrMemory}
	}
	return nil
}

// act does what a hole in a decoder could, and returns what came of it; a line of
// something else is returned as it is.
func act(ctx context.Context, line string) string {
	what, argument, _ := strings.Cut(line, " ")
	var err error
	switch what {
	case "crash":
		_ = syscall.Kill(syscall.Getpid(), syscall.SIGSEGV) // refused in the sandbox
		var nowhere *int
		func() {
			defer func() { os.Exit(3) }()
			*nowhere = 1
		}()
	case "hang":
		select {}
	case "wait":
		<-ctx.Done()
	case "loop":
		for { //nolint:staticcheck // that is what it is to do
		}
	case "open":
		_, err = os.Open(argument)
	case "create":
		err = os.WriteFile(argument, nil, 0o600)
	case "connect":
		_, err = net.Dial("tcp", argument)
	case "exec":
		err = exec.Command(argument).Run()
	case "ptrace":
		err = syscall.PtraceAttach(number(argument))
	case "kill":
		err = syscall.Kill(number(argument), syscall.SIGTERM)
	case "kill-thread":
		err = unix.Tgkill(number(argument), number(argument), syscall.SIGTERM)
	case "signal-by-socket":
		_, err = unix.FcntlInt(controlFile, unix.F_SETOWN, number(argument))
	case "slow-down":
		err = unix.Setpriority(unix.PRIO_PROCESS, number(argument), 19)
	case "fork":
		_, _, errno := syscall.RawSyscall(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0)
		if err = nil; errno != 0 {
			err = errno
		}
	case "allocate":
		var all [][]byte
		for range 2 << 10 {
			mapped, failed := unix.Mmap(-1, 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
			if err = failed; err != nil {
				break
			}
			all = append(all, mapped)
		}
		for _, m := range all {
			_ = unix.Munmap(m)
		}
	case "share-memory":
		_, err = unix.Mmap(-1, 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANON)
	case "grow-memory":
		_, err = unix.Mmap(-1, 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_GROWSDOWN)
	case "environ":
		return strings.Join(os.Environ(), " ")
	default:
		return line
	}
	return fmt.Sprint(what, ": ", err)
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return n
}

// fakeTranscoders gives each packet back, upper case, with its own number of packets
// since it was made.
type fakeTranscoders struct{ tame bool }

func (f fakeTranscoders) With(context.Context, *slog.Logger, *media.Conduct) media.Transcoders {
	return f
}

func (f fakeTranscoders) Video(t media.Track, to media.VideoOutput) (media.Transcoder, error) {
	if t.Codec == "unknown" {
		return nil, &media.Error{Kind: media.KindSourceUnsupported, Op: "open decoder", Err: media.Sentence("it is unknown")}
	}
	return &fakeTranscoder{tame: f.tame, out: media.Track{Type: media.Video, Codec: media.H264, Width: to.Width, Height: to.Height, Extradata: []byte("config")}}, nil
}

func (f fakeTranscoders) Audio(media.Track, media.AudioOutput) (media.Transcoder, error) {
	return &fakeTranscoder{tame: f.tame, out: media.Track{Type: media.Audio, Codec: media.AAC, Extradata: []byte("config")}}, nil
}

func (fakeTranscoders) Black(media.VideoOutput) (media.Track, []media.Packet, error) {
	return media.Track{Type: media.Video, Codec: media.H264}, []media.Packet{{Data: []byte("black"), Keyframe: true}}, nil
}

type fakeTranscoder struct {
	tame    bool
	out     media.Track
	from    time.Duration
	decoded []string // since the last keyframe
	data    []byte
}

func (f *fakeTranscoder) Output() media.Track                       { return f.out }
func (f *fakeTranscoder) SkipBefore(t time.Duration)                { f.from = t }
func (f *fakeTranscoder) SkipFrom(time.Duration)                    {}
func (f *fakeTranscoder) ForceKey()                                 {}
func (f *fakeTranscoder) Damaged() int64                            { return 1 }
func (f *fakeTranscoder) Close()                                    {}
func (f *fakeTranscoder) Input(media.Track) ([]media.Packet, error) { return nil, nil }
func (f *fakeTranscoder) Flush() ([]media.Packet, error) {
	return []media.Packet{{Data: []byte("flushed")}}, nil
}

func (f *fakeTranscoder) Repeat(at time.Duration) ([]media.Packet, error) {
	return []media.Packet{{PTS: at, DTS: at, Data: []byte("repeated"), OnAir: media.OnAir{Origin: media.Held}}}, nil
}

func (f *fakeTranscoder) Transcode(p media.Packet) ([]media.Packet, error) {
	if p.Keyframe {
		f.decoded = nil
	}
	said := string(p.Data)
	if !f.tame {
		said = act(context.Background(), said)
	}
	f.decoded = append(f.decoded, said)
	same := len(f.data) > 0 && len(p.Data) > 0 && &f.data[0] == &p.Data[0]
	if f.data = p.Data; p.PTS < f.from {
		return nil, nil
	}
	text := strings.Join(f.decoded, "+")
	if same {
		text = "again"
	}
	return []media.Packet{{PTS: p.PTS, DTS: p.PTS, Duration: fakeStep, Data: []byte(text)}}, nil
}

type fakePictures struct{ tame bool }

func (f fakePictures) Picture(k media.Keyframe) ([]byte, error) {
	if f.tame {
		return k.Data, nil
	}
	return []byte(act(context.Background(), string(k.Data)) + " " + string(k.Config)), nil
}

// text is a source in memory that counts its readers.
type text struct {
	*bytes.Reader
	seekable bool
	found    string
	refusal  error // of which the bytes end
	most     int   // that it gives at once; 0: as much as is asked for
	closed   sync.WaitGroup
}

func (m *text) Seekable() bool { return m.seekable }

func (m *text) Read(to []byte) (int, error) {
	if m.most > 0 {
		to = to[:min(m.most, len(to))]
	}
	return m.Reader.Read(to)
}

func (m *text) Open(context.Context, media.SourceRequest) (media.Way, error) {
	m.closed.Add(1)
	return media.Way{
		Bytes: m, URL: "http://user:secret@example.com/a/clip.mp4?token=secret",
		Found: func() string { return m.found }, Refusal: func() error { return m.refusal }, Close: m.closed.Done,
	}, nil
}

// textOf is a source of lines behind a first one.
func textOf(lines ...string) *text {
	all := "begin\n" + strings.Join(lines, "\n") + "\n"
	if len(lines) == 0 {
		all = ""
	}
	return &text{Reader: bytes.NewReader([]byte(all)), seekable: true}
}

// numbered are so many lines that are packets.
func numbered(n int) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf("packet %d %s", i, strings.Repeat("x", 100))
	}
	return lines
}
