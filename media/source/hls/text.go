package hls

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/roomcast/roomcast/media"
)

const (
	// mostText is what a playlist may hold: a day in segments of two seconds, each signed
	// with 1.5 kB, is 66 MB. It is read as it comes, and its text is not kept.
	mostText = 80 << 20
	// mostBlank is what may stand before its first line.
	mostBlank = 256 << 10
	// worthPacking is from which size on a playlist that is read again is asked for
	// compressed. A cache may have another one so, from a little before.
	worthPacking = 1 << 20
)

const opPlaylist = "read the source's playlist"

var (
	errEncoding = media.Because("its server compresses its playlist in a way that was not asked for", nil)
	errLong     = media.Because(fmt.Sprintf("its playlist is longer than %d MiB", mostText>>20), nil)
	// ErrNoPlaylist says that what was read is none.
	ErrNoPlaylist = errors.New("it is no playlist")
)

func invalid(reason error) error {
	return &media.Error{Kind: media.KindSourceInvalid, Op: opPlaylist, Err: reason}
}

// Playlist is one that has been fetched.
type Playlist struct {
	asked   media.Secret // address that it was asked for by
	address media.Secret // that gave it, behind all redirects
	master  *master      // nil: it is a media playlist
	list    *list
	refused error // why it cannot be played
}

// work is what reading it was, as list has it, also of one that could not be read.
func (p Playlist) work() int64 {
	if p.list == nil {
		return 0
	}
	return p.list.work
}

// Read reads a playlist from an answer, whose body comes from body. The error is
// ErrNoPlaylist, an *media.Error, or body's own.
func Read(answer *http.Response, body io.Reader) (Playlist, error) {
	return read(answer, body, mostSegments)
}

// read keeps so many of a media playlist's segments, or the newest.
func read(answer *http.Response, body io.Reader, most int) (Playlist, error) {
	plain, err := unpack(answer.Header, body)
	if err != nil {
		return Playlist{}, err
	}
	if !begins(plain) {
		return Playlist{}, ErrNoPlaylist
	}
	text := &counter{ctx: answer.Request.Context(), from: io.LimitReader(plain, mostText+1)}
	p := Playlist{asked: media.Secret(askedOf(answer).String()), address: media.Secret(answer.Request.URL.String())}
	err = p.take(text, most)
	if err == nil && text.read > mostText {
		err = &media.Error{Kind: media.KindSourceTooLarge, Op: opPlaylist, Err: errLong}
	}
	p.list.work += text.read
	return p, err
}

// askedOf is the address that led to an answer, before all redirects.
func askedOf(answer *http.Response) *url.URL {
	for answer.Request.Response != nil {
		answer = answer.Request.Response
	}
	return answer.Request.URL
}

// take reads a playlist's text. A variant that comes before any segment makes it one of
// playlists.
func (p *Playlist) take(text io.Reader, most int) error {
	m, r := &master{}, reader{list: &list{}, most: most}
	p.list = r.list
	for line, err := range lines(text) {
		if err != nil {
			return err
		}
		if p.list.work += lineCost; line == "" {
			continue
		}
		if p.master == nil && p.refused == nil {
			p.refused = r.take(line)
		}
		if r.list.total > 0 || r.info {
			continue
		}
		if m.take(line); m.is {
			p.master = m
		}
	}
	return nil
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
	for range mostBlank {
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
	plain, err := gzip.NewReader(body)
	if err != nil {
		return nil, invalid(errEncoding)
	}
	return bufio.NewReader(unpacked{plain}), nil
}

type counter struct {
	ctx  context.Context // of who waits: in 4 kB that are packed there may be 4 MB, for which nobody does any more
	from io.Reader
	read int64
}

func (c *counter) Read(b []byte) (int, error) {
	if err := context.Cause(c.ctx); err != nil {
		return 0, err
	}
	n, err := c.from.Read(b)
	c.read += int64(n)
	return n, err
}

// unpacked reads what was compressed.
type unpacked struct{ plain *gzip.Reader }

func (u unpacked) Read(b []byte) (int, error) {
	n, err := u.plain.Read(b)
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.As(err, new(flate.CorruptInputError)) {
		return 0, invalid(errEncoding)
	}
	return n, err
}
