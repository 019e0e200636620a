package egress

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"net/http"

	"github.com/roomcast/roomcast/media"
)

const (
	// maxRatio is how many times its size compressed a playlist may be; one of
	// ten thousand segments is 10 to 30 times that long.
	maxRatio = 100
	// anyRatio is the size up to which it does not count.
	anyRatio = 256 << 10
)

var (
	errEncoding   = errors.New("the source compresses its answer in a way that was not asked for")
	errCompressed = errors.New("the source compresses its answer as a whole (Content-Encoding: gzip), which is taken of playlists alone")
	errRatio      = errors.New("the playlist is more than 100 times as long as it is compressed")
)

// compressed says whether an answer comes in gzip, which some servers send
// unasked, and takes the field away. libav gets nothing compressed.
func compressed(answer *http.Response) (bool, error) {
	found := media.Compressions(answer.Header)
	answer.Header.Del("Content-Encoding")
	switch {
	case len(found) == 0:
		return false, nil
	case len(found) > 1 || found[0] != "gzip" && found[0] != "x-gzip":
		return false, errEncoding
	}
	return true, nil
}

// unpacked reads what was compressed, as long as it is not too much of it.
type unpacked struct {
	plain  *gzip.Reader
	packed *counter
	size   int64
}

type counter struct {
	from io.Reader
	read int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.from.Read(b)
	c.read += int64(n)
	return n, err
}

// unpack makes of body what is compressed in it.
func unpack(body io.Reader) (*bufio.Reader, error) {
	packed := &counter{from: body}
	plain, err := gzip.NewReader(packed)
	if err != nil {
		return nil, errEncoding
	}
	return bufio.NewReader(&unpacked{plain: plain, packed: packed}), nil
}

func (u *unpacked) Read(b []byte) (int, error) {
	n, err := u.plain.Read(b)
	if u.size += int64(n); u.size > anyRatio && u.size > maxRatio*u.packed.read {
		return 0, errRatio
	}
	return n, err
}
