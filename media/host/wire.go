package host

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// version is that of what goes over the sockets. Both ends are the same binary, unless
// it was replaced on the disk while the worker ran.
const version = 2

// kind says what a frame is.
type kind byte

const (
	kindOpen  kind = 'o' // to the host: what the session is, as JSON; from it: what became of it
	kindRead  kind = 'r' // to the host: packets are wanted
	kindBytes kind = 'b' // to the host: bytes that it asked for
	kindEnd   kind = 'e' // to the host: there are none, as JSON
	kindSeek  kind = 's' // to the host: position, as JSON; from it: what became of it
	kindBatch kind = 'p' // from the host: packets, and what it needs to go on
	kindWhy   kind = 'w' // from the host: what is known of the source's end; to it: that, as JSON
	kindWork  kind = 't' // to the host: an order to a transcoder; from it: what came of it
	kindLog   kind = 'l' // from the host: a line for the log, as JSON
)

const (
	headerSize = 5 // kind, and how many bytes follow, in big endian
	// mostFrame bounds a frame: the largest picture that a camera writes uncompressed,
	// twice over.
	mostFrame = 64 << 20
	// readAhead is how much of a socket is read at once: the small frames whole.
	readAhead = 4 << 10
	// mostJSON bounds what is JSON in a frame: what it is made into takes forty times as
	// much memory.
	mostJSON = 1 << 20
	// mostAtOnce is how much memory a frame's length alone may take.
	mostAtOnce = 1 << 20
)

var errFrame = errors.New("what came from the other end is no frame of ours")

// conn is one end of a session. It may be read and written at the same time, and be
// written by several.
type conn struct {
	net.Conn
	number uint32        // of the session, in its host
	moved  *atomic.Int64 // counts the bytes of frames
	in     *bufio.Reader

	mu     sync.Mutex // of writing
	header [headerSize]byte

	ending  sync.Mutex  // guards leaving
	leaving bool        // it is not waited for any more
	unbind  func() bool // ends bound; nil before it
}

func newConn(c net.Conn) *conn {
	return &conn{Conn: c, moved: &atomic.Int64{}, in: bufio.NewReaderSize(c, readAhead)}
}

// socketPair returns two ends of a stream.
func socketPair() (here *net.UnixConn, there *os.File, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	there = os.NewFile(uintptr(fds[1]), "host")
	f := os.NewFile(uintptr(fds[0]), "worker")
	defer func() { _ = f.Close() }()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, nil, errors.Join(err, there.Close())
	}
	return c.(*net.UnixConn), there, nil //nolint:forcetypeassert // it is one
}

// bound makes the end of ctx that of what waits for the other end.
func (c *conn) bound(ctx context.Context) {
	c.unbind = context.AfterFunc(ctx, func() {
		c.ending.Lock()
		defer c.ending.Unlock()
		if !c.leaving {
			_ = c.SetDeadline(time.Unix(1, 0))
		}
	})
}

// leave gives the other end so much time for its farewell.
func (c *conn) leave(limit time.Duration) {
	c.ending.Lock()
	defer c.ending.Unlock()
	c.leaving = true
	if c.unbind != nil {
		c.unbind()
	}
	_ = c.SetReadDeadline(time.Now().Add(limit))
}

// send writes one frame, of parts.
func (c *conn) send(k kind, parts ...[]byte) error {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	c.moved.Add(int64(size))
	if size > mostFrame {
		return fmt.Errorf("a frame of %d bytes is too long", size)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.header[0] = byte(k)
	binary.BigEndian.PutUint32(c.header[1:], uint32(size))
	all := append(net.Buffers{c.header[:]}, parts...)
	_, err := all.WriteTo(c.Conn)
	return err
}

func (c *conn) sendJSON(k kind, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return c.send(k, text)
}

// receive reads one frame. Its bytes are in what take returns for so many.
func (c *conn) receive(take func(size int) []byte) (kind, []byte, error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(c.in, header[:]); err != nil {
		return 0, nil, err
	}
	size := int(binary.BigEndian.Uint32(header[1:]))
	c.moved.Add(int64(size))
	if size > mostFrame {
		return 0, nil, errFrame
	}
	payload, err := readInto(c.in, take(size), size)
	return kind(header[0]), payload, err
}

// fresh returns nobody's bytes.
func fresh(size int) []byte { return make([]byte, 0, min(size, mostAtOnce)) }

// readInto reads size bytes into buffer, or a longer one, which grows with what comes.
func readInto(r io.Reader, buffer []byte, size int) ([]byte, error) {
	buffer = buffer[:min(cap(buffer), size)]
	if _, err := io.ReadFull(r, buffer); err != nil {
		return nil, err
	}
	for len(buffer) < size {
		n := len(buffer)
		larger := make([]byte, max(mostAtOnce, min(size, 2*n)))
		copy(larger, buffer)
		buffer = larger[:min(len(larger), size)]
		if _, err := io.ReadFull(r, buffer[n:]); err != nil {
			return nil, err
		}
	}
	return buffer, nil
}

// decode reads the JSON of a frame.
func decode(payload []byte, v any) error {
	if len(payload) > mostJSON {
		return errFrame
	}
	if err := json.Unmarshal(payload, v); err != nil {
		return errors.Join(errFrame, err)
	}
	return nil
}

// buffers are for bytes that are used up before their session waits.
var buffers sync.Pool

// lent returns a buffer for size bytes.
func lent(size int) []byte {
	if b, ok := buffers.Get().(*[]byte); ok && cap(*b) >= size {
		return (*b)[:0]
	}
	return make([]byte, 0, min(max(size, mostRead), mostAtOnce))
}

// borrowed returns bytes for a frame that is used up before the next one.
func borrowed(size int) []byte {
	if size <= readAhead {
		return fresh(size)
	}
	return lent(size)
}

// giveBack gives a buffer to whoever needs one next.
func giveBack(b []byte) {
	if cap(b) >= firstRead && cap(b) <= mostAtOnce {
		buffers.Put(&b)
	}
}
