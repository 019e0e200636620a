package egress

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/roomcast/roomcast/media"
)

// HLS of fragmented MP4 may change its encoding behind a discontinuity: a new
// EXT-X-MAP (RFC 8216, section 4.3.2.5). libav reads the new initialization
// section and leaves it out of account, so that what follows would be decoded
// by the old one.

const (
	maxInitial  = 1 << 20 // bytes of an initialization section
	maxInitials = 1000    // addresses kept, of an attempt; to make one absolute takes up to 0.2 ms
)

var errChanged = errors.New("the playlist goes on in another encoding")

// initials are the initialization sections of one media playlist.
type initials struct {
	recorded     bool   // the playlist has an end
	descriptions []byte // of the one libav began with
}

// listInitials keeps which addresses are initialization sections of l.
func (w *way) listInitials(l list) {
	base, err := url.Parse(l.base)
	if err != nil || !strings.Contains(l.text, tagInitial+":") {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	own := w.initials[l.base]
	if own == nil {
		own = &initials{recorded: strings.Contains(l.text, tagEnd)}
	}
	if w.initials == nil || len(w.initials) >= maxInitials { // a live stream's older ones do not come again
		w.initials = make(map[string]*initials)
	}
	w.initials[l.base] = own
	seen := make(map[string]bool)
	for line := range lines(l.text) {
		tag, value := tagOf(line)
		if tag != tagInitial || seen[line] {
			continue
		}
		if seen[line] = true; len(seen) > maxInitials {
			return
		}
		to, err := base.Parse(attribute(value, "URI"))
		if err != nil {
			continue
		}
		if a, err := parseAddress(to.String()); err == nil {
			path, _, _ := strings.Cut(a.path, "#")
			w.initials[a.target.String()+path] = own
		}
	}
}

// judgeInitial reads an initialization section and refuses one of another
// encoding than the first of its playlist.
func (w *way) judgeInitial(t target, answer *http.Response) error {
	w.mu.Lock()
	own := w.initials[addressKey(t, answer.Request)]
	w.mu.Unlock()
	if own == nil {
		return nil
	}
	head, err := io.ReadAll(io.LimitReader(answer.Body, maxInitial))
	if err != nil {
		return unavailable(t, plainCause(err))
	}
	answer.Body = readCloser{io.MultiReader(bytes.NewReader(head), answer.Body), answer.Body}
	found := descriptions(head)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case len(found) == 0 || bytes.Equal(found, own.descriptions):
		return nil
	case own.descriptions == nil:
		own.descriptions = found
		return nil
	case own.recorded:
		return answerFailure(media.KindSourceUnsupported, t, errChanged)
	}
	return answerFailure(media.KindSourceUnavailable, t, errChanged)
}

// descriptions returns the sample descriptions (ISO/IEC 14496-12, 8.5.2) in an
// initialization section: how its tracks are encoded.
func descriptions(section []byte) []byte {
	var found []byte
	for at := 0; ; {
		i := bytes.Index(section[at:], []byte("stsd"))
		if i < 0 {
			return found
		}
		at += i
		if at >= 4 {
			size := int(binary.BigEndian.Uint32(section[at-4:]))
			if end := at - 4 + size; size >= 8 && end > at && end <= len(section) {
				found = append(found, section[at:end]...)
				at = end // what is inside is in it already: boxes that overlap would add up
				continue
			}
		}
		at += 4
	}
}
