package egress

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"strings"
)

// foundBytes is how much of what a source begins with is kept, to say what it is
// where it is no media: net/http looks at as much.
const foundBytes = 512

// headReader keeps the begin of what it reads, for its way.
type headReader struct {
	io.ReadCloser
	way  *way
	head []byte
	full bool
}

// keepHead makes w remember how the answer's body begins, if that is the begin of
// what was asked for.
func (w *way) keepHead(answer *http.Response) {
	if answer.StatusCode >= http.StatusMultipleChoices || isLaterPart(answer) || answer.Request.Method == http.MethodHead {
		return
	}
	contentType := answer.Header.Get("Content-Type")
	w.setHead(nil, contentType)
	answer.Body = &headReader{ReadCloser: answer.Body, way: w}
}

func (h *headReader) Read(b []byte) (int, error) {
	n, err := h.ReadCloser.Read(b)
	if !h.full && n > 0 {
		h.head = append(h.head, b[:min(n, foundBytes-len(h.head))]...)
		h.full = len(h.head) == foundBytes
		h.way.setHead(h.head, "")
	}
	return n, err
}

// setHead notes what came last. An empty contentType leaves the one that is known.
func (w *way) setHead(head []byte, contentType string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.head, w.answered = head, true
	if head == nil {
		w.headType = contentType
	}
}

// Found says in words what the source that answered last seems to be, as
// media.Way has it.
func (w *way) Found() string {
	w.mu.Lock()
	head, contentType, answered := w.head, w.headType, w.answered
	w.mu.Unlock()
	if !answered {
		return ""
	}
	return found(head, contentType)
}

// wordsOf says what a content type of net/http is to people.
var wordsOf = []struct{ begin, words string }{
	{"text/html", "a web page (HTML); the address of the video itself is needed"},
	{"text/xml", "an XML document"},
	{"application/pdf", "a PDF document"},
	{"application/zip", "a ZIP archive"},
	{"application/x-gzip", "a compressed file (gzip)"},
	{"application/x-rar", "a RAR archive"},
	{"image/gif", "a picture (GIF)"},
	{"image/", "a picture"},
	{"video/mp4", "an mp4 file without a readable index: it was cut short, is damaged, or is still being written"},
	{"text/plain", "a text"},
}

// found says what begins with head; empty where that is not known.
func found(head []byte, contentType string) string {
	text := bytes.ToLower(bytes.TrimSpace(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))))
	kind, _, _ := mime.ParseMediaType(contentType)
	switch {
	case len(head) == 0:
		return "empty: its server sent nothing"
	case strings.HasPrefix(kind, "multipart/x-mixed-replace"):
		return "a camera's row of pictures (MJPEG), which is not taken; use its RTSP address"
	case bytes.Contains(text, []byte("<mpd")):
		return "a DASH manifest, which is not taken; use the HLS address of the same video"
	case bytes.HasPrefix(text, []byte("#extm3u")):
		return "a playlist that leads to nothing that can be played"
	case bytes.HasPrefix(text, []byte("{")) || bytes.HasPrefix(text, []byte("[")):
		return "a text (JSON)"
	case len(head) >= 8 && (string(head[4:8]) == "moov" || string(head[4:8]) == "mdat"):
		return "an mp4 file that is cut short or damaged"
	}
	sniffed := http.DetectContentType(head)
	for _, w := range wordsOf {
		if strings.HasPrefix(sniffed, w.begin) {
			return w.words
		}
	}
	return ""
}
