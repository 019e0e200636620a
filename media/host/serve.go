package host

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"

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
}

type sourceOpening struct {
	Name         string // an address that says no more than the source's scheme and how its path ends
	Mode         media.SourceMode
	Choice       media.TrackChoice
	AudioDelay   int64 // nanoseconds, as all that follow
	ProbeTimeout int64
	Seekable     bool
	Size         int64
	Recorded     bool
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
	for {
		session, err := receiveConn(control)
		if err != nil {
			os.Exit(0) // the worker has ended, or needs this host no more: whatever is under way
		}
		go serve(newConn(session), av)
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

// receiveConn waits for the next session.
func receiveConn(control *net.UnixConn) (net.Conn, error) {
	var one [1]byte
	rights := make([]byte, syscall.CmsgSpace(4))
	_, n, _, _, err := control.ReadMsgUnix(one[:], rights)
	if err != nil {
		return nil, err
	}
	messages, err := syscall.ParseSocketControlMessage(rights[:n])
	if err != nil {
		return nil, err
	}
	if len(messages) != 1 {
		return nil, errFrame
	}
	files, err := syscall.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(files[0]), "session")
	defer func() { _ = f.Close() }()
	return net.FileConn(f)
}

// frame is what has come from the worker.
type frame struct {
	kind    kind
	payload []byte
}

// session is one in a host. Its frames are read by a goroutine of their own: the
// worker's going away ends what libav does.
type session struct {
	*conn
	ctx    context.Context
	frames chan frame
	log    *slog.Logger
}

var errGone = errors.New("the worker does not want it any more")

// serve serves one session until the worker closes it.
func serve(c *conn, av Libav) {
	ctx, cancel := context.WithCancelCause(context.Background())
	s := &session{conn: c, ctx: ctx, frames: make(chan frame)}
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(s.frames)
		for {
			k, payload, err := c.receive(nil)
			if err != nil {
				cancel(errGone)
				return
			}
			select {
			case s.frames <- frame{k, payload}:
			case <-ctx.Done():
				return
			}
		}
	})
	err := media.Caught(func() error { return s.run(av) })
	cancel(err)
	_ = c.Close() // what libav holds is freed: the worker may go on
	reading.Wait()
}

// next returns the worker's next frame.
func (s *session) next() (frame, error) {
	f, ok := <-s.frames
	if !ok {
		return f, errGone
	}
	return f, nil
}

func (s *session) run(av Libav) error {
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
		return s.serveSource(av.Demuxer, *o.Source)
	case o.Video != nil:
		return s.serveTranscoder(av.Transcoders.With(s.log, nil).Video(o.Video.Track, o.Video.Output))
	case o.Audio != nil:
		return s.serveTranscoder(av.Transcoders.With(s.log, nil).Audio(o.Audio.Track, o.Audio.Output))
	case o.Black != nil:
		return s.serveBlack(av.Transcoders, *o.Black)
	case o.Picture != nil:
		return s.servePicture(av.Pictures, *o.Picture)
	}
	return errFrame
}
