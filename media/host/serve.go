package host

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/roomcast/roomcast/media"
)

// Demuxer takes apart what comes over a gate's way: media/libav.Opener.
type Demuxer interface {
	Demux(ctx context.Context, r media.SourceRequest, gate media.Gate) (media.Source, error)
}

// Pictures makes a JPEG of a keyframe: media/libav.Previews.
type Pictures interface {
	Picture(k media.Keyframe) ([]byte, error)
}

// Libav is what works in a host.
type Libav struct {
	Version     string // of FFmpeg
	Demuxer     Demuxer
	Transcoders media.Transcoders
	Pictures    Pictures
	Speeds      Speeds
	Recycle     func(data []byte) // takes the data of a packet that has been handed over
	Trim        func()            // gives back what C's allocator keeps
}

// hello is the first thing that a host says.
type hello struct {
	Version int
	FFmpeg  string
	Sandbox Sandbox
}

// opening says what a session is: one of its fields is set.
type opening struct {
	Level   slog.Level // of log lines that are wanted
	Source  *sourceOpening
	Video   *videoOpening
	Audio   *audioOpening
	Black   *media.VideoOutput
	Picture *pictureOpening
	Speed   bool
}

type sourceOpening struct {
	Name       string // an address that says no more than the source's scheme and how its path ends
	Mode       media.SourceMode
	Choice     media.TrackChoice
	Bounds     media.Bounds
	AudioDelay int64 // nanoseconds
	Seekable   bool
	Size       int64
	Recorded   bool
	Nice       int // of the thread that opens it; 0: as the others
}

type videoOpening struct {
	Track  media.Track
	Output media.VideoOutput
}

type audioOpening struct {
	Track  media.Track
	Output media.AudioOutput
}

type pictureOpening struct{ Config []byte }

// tidyAfter is how long after the last opening what openings have left goes back to the
// system: a probe takes megabytes.
const tidyAfter = 2 * time.Second

// gcPercent is less than Go's 100: hosts are many, and make hardly any garbage.
const gcPercent = 50

// controlFile is the descriptor over which a host is told of its sessions.
const controlFile = 3

// Serve is all that a host does until its worker ends: start is called in the
// sandbox and returns what works here.
func Serve(mode SandboxMode, start func() (Libav, error)) error {
	control, err := controlSocket()
	if err != nil {
		return err
	}
	c := newConn(control)
	sandbox, err := enterSandbox(mode)
	if err != nil {
		return errors.Join(err, c.sendJSON(kindEnd, faultOf(err)))
	}
	av, err := start()
	if err != nil {
		return errors.Join(err, c.sendJSON(kindEnd, faultOf(err)))
	}
	if err := c.sendJSON(kindOpen, hello{Version: version, FFmpeg: av.Version, Sandbox: sandbox}); err != nil {
		return err
	}
	debug.SetGCPercent(gcPercent)
	tidying := time.AfterFunc(tidyAfter, func() {
		av.Trim()
		debug.FreeOSMemory()
	})
	sessions := table{cancels: map[uint32]context.CancelCauseFunc{}}
	for {
		number, session, err := receiveConn(control)
		switch {
		case err != nil:
			os.Exit(0) // the worker has ended, or needs this host no more: whatever is under way
		case session == nil:
			sessions.end(number)
		default:
			ctx := sessions.begin(number)
			tidying.Reset(tidyAfter)
			go func() {
				defer sessions.end(number)
				serve(ctx, newConn(session), av)
			}()
		}
	}
}

// table has the sessions that are open.
type table struct {
	mu      sync.Mutex
	cancels map[uint32]context.CancelCauseFunc
}

func (t *table) begin(number uint32) context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cancels[number] = cancel
	return ctx
}

// end ends what a session does. It is the worker that says so: who works for it does
// not listen.
func (t *table) end(number uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if cancel := t.cancels[number]; cancel != nil {
		cancel(errGone)
		delete(t.cancels, number)
	}
}

func controlSocket() (*net.UnixConn, error) {
	f := os.NewFile(controlFile, "control")
	defer func() { _ = f.Close() }()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	control, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.New("a media host is started by a worker alone")
	}
	return control, nil
}

// A message over the control socket is the number of a session: with a descriptor to
// begin it, without to end it.
const controlSize = 4

// receiveConn waits for the next message; the session is nil where one is to end.
func receiveConn(control *net.UnixConn) (number uint32, session net.Conn, err error) {
	var message [controlSize]byte
	rights := make([]byte, syscall.CmsgSpace(4))
	n, oob, _, _, err := control.ReadMsgUnix(message[:], rights)
	if err != nil {
		return 0, nil, err
	}
	if n < controlSize {
		return 0, nil, io.ErrUnexpectedEOF
	}
	number = binary.BigEndian.Uint32(message[:])
	if oob == 0 {
		return number, nil, nil
	}
	messages, err := syscall.ParseSocketControlMessage(rights[:oob])
	if err != nil {
		return 0, nil, err
	}
	if len(messages) != 1 {
		return 0, nil, errFrame
	}
	files, err := syscall.ParseUnixRights(&messages[0])
	if err != nil {
		return 0, nil, err
	}
	f := os.NewFile(uintptr(files[0]), "session")
	defer func() { _ = f.Close() }()
	session, err = net.FileConn(f)
	return number, session, err
}

// frame is what has come from the worker.
type frame struct {
	kind    kind
	payload []byte
}

// session is one in a host.
type session struct {
	*conn
	log *slog.Logger
}

var errGone = errors.New("the worker does not want it any more")

// serve serves one session until the worker closes it.
func serve(ctx context.Context, c *conn, av Libav) {
	s := &session{conn: c}
	_ = media.Caught(func() error { return s.run(ctx, av) })
	_ = c.Close() // what libav holds is freed: the worker may go on
}

// next returns the worker's next frame.
func (s *session) next() (frame, error) { return s.nextIn(fresh) }

func (s *session) nextIn(take func(int) []byte) (frame, error) {
	k, payload, err := s.receive(take)
	return frame{k, payload}, err
}

func (s *session) run(ctx context.Context, av Libav) error {
	f, err := s.next()
	if err != nil {
		return err
	}
	var o opening
	if err := decode(f.payload, &o); err != nil {
		return err
	}
	s.log = slog.New(&lines{conn: s.conn, level: o.Level})
	switch {
	case o.Source != nil:
		return s.serveSource(ctx, av, *o.Source)
	case o.Video != nil:
		return s.serveTranscoder(av.Transcoders.With(ctx, s.log, nil).Video(o.Video.Track, o.Video.Output))
	case o.Audio != nil:
		return s.serveTranscoder(av.Transcoders.With(ctx, s.log, nil).Audio(o.Audio.Track, o.Audio.Output))
	case o.Black != nil:
		return s.serveBlack(ctx, av.Transcoders, *o.Black)
	case o.Picture != nil:
		return s.servePicture(av.Pictures, *o.Picture)
	case o.Speed:
		return s.serveSpeed(av.Speeds)
	}
	return errFrame
}
