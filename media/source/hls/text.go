package hls

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/roomcast/roomcast/media"
)

const (
	// mostText is what a playlist may hold. Ten hours in segments of two seconds
	// are some 2 MB.
	mostText = 4 << 20
	// mostRatio is how many times its size compressed a playlist may be; one of
	// ten thousand segments is 10 to 30 times that long.
	mostRatio = 100
	// anyRatio is the size up to which it does not count.
	anyRatio = 256 << 10
)

const opPlaylist = "read the source's playlist"

var (
	errEncoding = media.Because("its server compresses its playlist in a way that was not asked for", nil)
	errRatio    = media.Because("its playlist is more than 100 times as long as it is compressed", nil)
	errLong     = media.Because("its playlist is longer than 4 MiB", nil)
	// ErrNoPlaylist says that what was read is none.
	ErrNoPlaylist = errors.New("it is no playlist")
)

func invalid(reason error) error {
	return &media.Error{Kind: media.KindSourceInvalid, Op: opPlaylist, Err: reason}
}

// Playlist is one that has been fetched.
type Playlist struct {
	Address media.Secret // that gave it, behind all redirects
	Text    string       // begins with #EXTM3U
}

// Read reads a playlist from an answer, whose body comes from body. The error is
// ErrNoPlaylist, an *media.Error, or body's own.
func Read(answer *http.Response, body io.Reader) (Playlist, error) {
	plain, err := unpack(answer.Header, body)
	if err != nil {
		return Playlist{}, err
	}
	if !begins(plain) {
		return Playlist{}, ErrNoPlaylist
	}
	var text strings.Builder
	_, err = io.Copy(&text, io.LimitReader(plain, mostText+1))
	if err == nil && text.Len() > mostText {
		err = &media.Error{Kind: media.KindSourceTooLarge, Op: opPlaylist, Err: errLong}
	}
	return Playlist{Address: media.Secret(answer.Request.URL.String()), Text: text.String()}, err
}

// begins reads over what people's editors leave before the first line, and says
// whether that is a playlist's. It waits for no byte more than it needs: a source may
// be slow.
func begins(body *bufio.Reader) bool {
	next := func(text string) bool {
		for n := range len(text) {
			head, err := body.Peek(n + 1)
			if err != nil || head[n] != text[n] {
				return false
			}
		}
		return true
	}
	const mark = "\xef\xbb\xbf"
	if next(mark) {
		_, _ = body.Discard(len(mark)) // they are there
	}
	for range anyRatio {
		c, err := body.ReadByte()
		if err != nil {
			return false
		}
		if !strings.ContainsRune(" \t\r\n", rune(c)) {
			_ = body.UnreadByte()
			break
		}
	}
	return next(tagHead)
}

// unpack undoes gzip, which some servers send unasked.
func unpack(h http.Header, body io.Reader) (*bufio.Reader, error) {
	found := media.Compressions(h)
	if len(found) == 0 {
		return bufio.NewReader(body), nil
	}
	if len(found) > 1 || found[0] != "gzip" && found[0] != "x-gzip" {
		return nil, &media.Error{Kind: media.KindSourceUnsupported, Op: opPlaylist, Err: errEncoding}
	}
	packed := &counter{from: body}
	plain, err := gzip.NewReader(packed)
	if err != nil {
		return nil, invalid(errEncoding)
	}
	return bufio.NewReader(&unpacked{plain: plain, packed: packed}), nil
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

// unpacked reads what was compressed, as long as it is not too much of it.
type unpacked struct {
	plain  *gzip.Reader
	packed *counter
	size   int64
}

func (u *unpacked) Read(b []byte) (int, error) {
	n, err := u.plain.Read(b)
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.As(err, new(flate.CorruptInputError)) {
		return 0, invalid(errEncoding)
	}
	if u.size += int64(n); u.size > anyRatio && u.size > mostRatio*u.packed.read {
		return 0, &media.Error{Kind: media.KindSourceTooLarge, Op: opPlaylist, Err: errRatio}
	}
	return n, err
}
