package egress

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/roomcast/roomcast/media"
)

const (
	maxTurns = 8 // redirects before an answer; libav's max_redirects is the same
	// maxPlaylist is what a playlist may hold. Ten hours in segments of two
	// seconds are some 2 MB.
	maxPlaylist = 4 << 20
	// maxInitialBytes is what libav keeps of the initialization sections of live
	// playlists, of each time they were read, until it is closed. One of 150 bytes
	// read every two seconds comes to it in five days.
	maxInitialBytes = 64 << 20
	opAnswer        = "read the source's answer"
)

var (
	errTurns    = errors.New("the source redirects without end")
	errInitials = errors.New("the playlist has been read so often that it is opened anew")
	errPlaylist = errors.New("the playlist is longer than 4 MiB")
)

// answerError is an error status in words.
func answerError(t target, status int, more ...string) error {
	kind, text := media.OfStatus(status)
	text += strings.Join(more, "")
	return &media.Error{Kind: kind, Op: opAnswer, Err: described(t, errors.New(text))}
}

// withheld says which headers t did not get.
func (w *way) withheld(t target, status int) string {
	if t == w.to {
		return ""
	}
	return media.SourceRequest{Headers: w.headers, HeadersForAll: w.all}.Withheld(status)
}

// judge notes what an answer's head says and makes it fit for libav: redirects
// and playlists in marked addresses, nothing compressed. An error means that
// libav gets none of it.
func (w *way) judge(ctx context.Context, t target, answer *http.Response) error {
	redirect := answer.StatusCode/100 == 3
	if w.turn(redirect && answer.Header.Get("Location") != "") {
		return answerFailure(media.KindSourceInvalid, t, errTurns)
	}
	switch {
	case answer.StatusCode >= http.StatusBadRequest && answer.StatusCode != http.StatusUnauthorized && w.divert(t, answer):
		return nil
	case answer.StatusCode >= http.StatusBadRequest:
		w.note(t, answerError(t, answer.StatusCode, w.withheld(t, answer.StatusCode)))
		if media.IsEmpty(answer) {
			w.found.noteEmpty()
		}
		if answer.StatusCode == http.StatusUnauthorized {
			echoRange(answer.Header, answer.Request.Header)
		}
		return nil
	case redirect:
		if to := answer.Header.Get("Location"); to != "" {
			answer.Header.Set("Location", markLink(t, to))
		}
		return nil
	}
	if media.Replaces(answer.Header) {
		return &media.Error{Kind: media.KindSourceInvalid, Op: opAnswer, Err: media.ErrCamera}
	}
	packed, err := compressed(answer)
	switch {
	case err != nil:
		return answerFailure(media.KindSourceUnsupported, t, err)
	case answer.Request.Method == http.MethodHead:
		return nil
	case packed:
		return w.judgePacked(ctx, t, answer)
	}
	return w.judgeBody(ctx, t, answer)
}

// judgePacked lets nothing but a playlist through, which is read whole.
func (w *way) judgePacked(ctx context.Context, t target, answer *http.Response) error {
	body, err := unpack(answer.Body)
	if err != nil {
		return answerFailure(media.KindSourceInvalid, t, err)
	}
	if isLaterPart(answer) || !beginsWith(body, playlistHead) {
		return answerFailure(media.KindSourceUnsupported, t, errCompressed)
	}
	return w.judgePlaylist(ctx, t, answer, body)
}

// divert makes of an error a redirect to what may stand in, if there is such.
func (w *way) divert(t target, answer *http.Response) bool {
	to := w.instead(addressKey(t, answer.Request), true)
	if to == "" {
		return false
	}
	w.gate.cfg.Log.Warn("another variant is taken", "host", t.host, "status", answer.StatusCode)
	_ = answer.Body.Close()
	answer.StatusCode, answer.Body, answer.ContentLength = http.StatusFound, http.NoBody, 0
	answer.Header = http.Header{"Location": {markLink(t, to)}, "Content-Length": {"0"}}
	return true
}

// judgeBody reads a playlist whole and leaves everything else unread. Where no
// playlist can be, the head goes on to libav without waiting for the body.
func (w *way) judgeBody(ctx context.Context, t target, answer *http.Response) error {
	if !isLaterPart(answer) {
		w.found.note(answer)
	}
	if !w.listed(answer.Header.Get("Content-Type")) {
		return nil
	}
	if err := w.judgeInitial(t, answer); err != nil {
		return err
	}
	if isLaterPart(answer) {
		return nil
	}
	body := bufio.NewReader(answer.Body)
	if !beginsWith(body, playlistHead) {
		answer.Body = readCloser{body, answer.Body}
		return nil
	}
	return w.judgePlaylist(ctx, t, answer, body)
}

// isLaterPart says that an answer does not hold the begin.
func isLaterPart(answer *http.Response) bool {
	part := answer.Header.Get("Content-Range")
	return part != "" && !strings.HasPrefix(part, "bytes 0-")
}

// judgePlaylist reads one and has libav get it edited.
func (w *way) judgePlaylist(ctx context.Context, t target, answer *http.Response, body io.Reader) error {
	w.listed(playlistType)
	w.found.lead()
	var text strings.Builder
	_, err := io.Copy(&text, io.LimitReader(body, maxPlaylist+1))
	switch {
	case errors.Is(err, errRatio):
		return answerFailure(media.KindSourceTooLarge, t, err)
	case err != nil:
		return unavailable(t, plainCause(err))
	case text.Len() > maxPlaylist:
		return answerFailure(media.KindSourceTooLarge, t, errPlaylist)
	}
	done, err := w.edit(ctx, list{at: t, base: addressKey(t, answer.Request), text: text.String()})
	if err != nil {
		return err
	}
	answer.Body = readCloser{bytes.NewReader(done), answer.Body}
	answer.StatusCode = http.StatusOK // also where libav asked for the range from 0
	answer.ContentLength = int64(len(done))
	answer.Header.Del("Content-Range")
	answer.Header.Del("Accept-Ranges")
	answer.Header.Set("Content-Length", strconv.Itoa(len(done)))
	answer.Header.Set("Content-Type", playlistType)
	return nil
}

// edit makes a playlist fit for libav, and keeps what of it may be asked for
// later.
func (w *way) edit(ctx context.Context, l list) ([]byte, error) {
	w.mu.Lock()
	most := boundsOf(w.lists)
	w.mu.Unlock()
	done, err := edit(ctx, l, most)
	switch {
	case errors.Is(err, errLicence):
		return nil, answerFailure(media.KindSourceEncrypted, l.at, err)
	case ctx.Err() != nil:
		return nil, unavailable(l.at, plainCause(ctx.Err()))
	case err != nil:
		return nil, answerFailure(media.KindSourceTooLarge, l.at, err)
	}
	w.remember(l, most.variants)
	w.listInitials(l)
	w.mu.Lock()
	defer w.mu.Unlock()
	if done.lists > 0 {
		w.lists = done.lists
	}
	if !done.over {
		w.initialBytes += done.initials
	}
	if w.initialBytes > maxInitialBytes {
		return nil, answerFailure(media.KindSourceUnavailable, l.at, errInitials)
	}
	return done.text, nil
}

// beginsWith looks no further than the first byte that differs: a source may
// be slow.
func beginsWith(body *bufio.Reader, text string) bool {
	for n := range len(text) {
		head, err := body.Peek(n + 1)
		if err != nil || head[n] != text[n] {
			return false
		}
	}
	return true
}

// playlistType is the one that libav knows a playlist by (hls_probe in hls.c),
// unless by the address it was told to open. Many servers say another, or none.
const playlistType = "application/vnd.apple.mpegurl"

// listed says whether an answer may be a playlist: all that a playlist leads
// to, and of what is not known to be one all that is not said to be media.
func (w *way) listed(contentType string) bool {
	contentType = strings.ToLower(contentType)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.playlists = w.playlists || strings.Contains(contentType, "mpegurl")
	return w.playlists || !strings.HasPrefix(contentType, "video/") && !strings.HasPrefix(contentType, "audio/")
}

// namesPlaylist says whether path, which may have a query, ends as a
// playlist's does.
func namesPlaylist(path string) bool {
	path, _, _ = strings.Cut(path, "#")
	path, _, _ = strings.Cut(path, "?")
	path = strings.ToLower(path)
	return strings.HasSuffix(path, ".m3u8") || strings.HasSuffix(path, ".m3u") || strings.HasSuffix(path, ".hls")
}

func answerFailure(k media.Kind, t target, cause error) error {
	return &media.Error{Kind: k, Op: opAnswer, Err: described(t, cause)}
}

type readCloser struct {
	io.Reader
	io.Closer
}

// markLink makes a redirect or a playlist's entry at t one for libav, which
// knows http alone: see media.TLSPort. Relative ones stay, but for //host/path.
// Nothing of it is encoded anew: it may be signed.
func markLink(t target, link string) string {
	scheme, rest, ok := strings.Cut(link, "://")
	if inner, found := strings.CutPrefix(link, "//"); found {
		scheme, rest, ok = t.scheme, inner, true
	}
	if !ok || !strings.EqualFold(scheme, "https") && !strings.EqualFold(scheme, "http") {
		return link
	}
	if strings.EqualFold(scheme, "http") {
		return "http://" + rest
	}
	a, err := parseAddress("https://" + rest)
	if err != nil {
		return link // libav refuses https
	}
	return a.marked()
}
