package egress

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/roomcast/roomcast/media"
)

// mostHead is how much of an answer is looked at to say what it is: what
// http.DetectContentType wants.
const mostHead = 512

// found is what came over a way.
type found struct {
	mu   sync.Mutex
	last *looked // the answer that came last, of those that hold the begin of something; nil: none
	led  bool    // by a playlist
}

// looked keeps the begin of an answer while it is read.
type looked struct {
	io.ReadCloser
	of          *found
	contentType string
	head        []byte
	over        bool // head is all of it
	done        bool
}

// note looks at an answer.
func (f *found) note(answer *http.Response) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = &looked{ReadCloser: answer.Body, of: f, contentType: answer.Header.Get("Content-Type"), over: answer.ContentLength == 0}
	answer.Body = f.last
}

// noteEmpty is for an answer that says that there is nothing of it.
func (f *found) noteEmpty() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = &looked{over: true}
}

// lead is for an answer that is a playlist.
func (f *found) lead() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last, f.led = nil, true
}

func (l *looked) Read(b []byte) (int, error) {
	n, err := l.ReadCloser.Read(b)
	if !l.done {
		l.of.mu.Lock()
		defer l.of.mu.Unlock()
		l.head = append(l.head, b[:min(n, mostHead-len(l.head))]...)
		l.over = errors.Is(err, io.EOF)
		l.done = err != nil || len(l.head) == mostHead
	}
	return n, err
}

// words say what was found, empty for what may be media.
func (f *found) words() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last == nil {
		return ""
	}
	what := describe(f.last.contentType, f.last.head)
	if len(f.last.head) == 0 && f.last.over {
		what = "empty: its server sends no byte of it"
	}
	switch {
	case what == "":
		return ""
	case f.led:
		return "what the source's playlist leads to is " + what
	}
	return "the source is " + what
}

// signatures are how files begin that people take for media, and what they are.
var signatures = []struct{ begin, what string }{
	{"GIF8", "a GIF: turn it into an mp4 (ffmpeg -i SOURCE.gif -pix_fmt yuv420p NEW.mp4)"},
	{"%PDF-", "a PDF, not a video"},
	{"PK\x03\x04", "a ZIP archive, not a video: unpack it"},
	{"Rar!\x1a\x07", "a RAR archive, not a video: unpack it"},
	{"7z\xbc\xaf\x27\x1c", "a 7z archive, not a video: unpack it"},
	{"\x1f\x8b", "compressed by gzip, not a video: unpack it"},
	{".RMF", "RealMedia, which is not supported: turn it into an mp4 (ffmpeg -i SOURCE NEW.mp4)"},
	{".ra\xfd", "RealAudio, which is not supported: turn it into an mp4 (ffmpeg -i SOURCE NEW.mp4)"},
	// The header of its first block, of 525 or 625 lines (IEC 61834-2, table 36).
	{"\x1f\x07\x00\x3f", rawDV},
	{"\x1f\x07\x00\xbf", rawDV},
	{"II*\x00", "a TIFF picture: only JPEG, PNG and WebP can be shown"},
	{"MM\x00*", "a TIFF picture: only JPEG, PNG and WebP can be shown"},
	{"[playlist]", "a playlist of addresses (PLS), not a video: use an address out of it"},
	{"[Reference]", "a playlist of addresses (ASX), not a video: use an address out of it"},
	{"<asx", "a playlist of addresses (ASX), not a video: use an address out of it"},
	{"#EXTINF", "a playlist without its first line, #EXTM3U: it is not HLS"},
	{"http://", listOfAddresses},
	{"https://", listOfAddresses},
	{"rtsp://", listOfAddresses},
}

const rawDV = "raw DV, which is not supported: put it into a mov or an mp4 (ffmpeg -i SOURCE NEW.mp4)"

const listOfAddresses = "a list of addresses, not a video and no HLS playlist: use an address out of it"

// describe says what an answer is that libav could make nothing of, by its
// begin and, where that tells nothing, its type. It quotes nothing of either.
func describe(contentType string, head []byte) string {
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	for _, s := range signatures {
		if len(text) >= len(s.begin) && strings.EqualFold(string(text[:len(s.begin)]), s.begin) {
			return s.what
		}
	}
	if len(head) >= 12 && string(head[4:8]) == "ftyp" {
		return describeMP4(string(head[8:12]))
	}
	detected, _, _ := strings.Cut(http.DetectContentType(head), ";")
	lower := bytes.ToLower(text)
	if detected == "image/bmp" && len(head) >= 10 && string(head[6:10]) == "\x00\x00\x00\x00" {
		return "a BMP picture: only JPEG, PNG and WebP can be shown"
	}
	switch has := func(part string) bool { return bytes.Contains(lower, []byte(part)) }; {
	case has("<mpd"):
		return "a DASH manifest, and DASH is not supported: use HLS or a file"
	case has("<smoothstreamingmedia"):
		return "a Smooth Streaming manifest, and that is not supported: use HLS or a file"
	case has("<svg"):
		return "an SVG picture: only JPEG, PNG and WebP can be shown"
	case detected == "text/html" || has("<html"):
		return "a web page (HTML), not a video: does it need a login, or does its address lead to a player instead of the file?"
	case detected == "text/xml" || has("<?xml") || bytes.HasPrefix(lower, []byte("<error")):
		return "an XML document, not a video: its server's answer may be an error in disguise"
	case bytes.HasPrefix(lower, []byte("{")) || bytes.HasPrefix(lower, []byte("[")):
		return "a JSON document, not a video: its server's answer may be an error in disguise"
	case detected == "text/plain" && len(text) > 0:
		return "plain text, not a video"
	}
	return describeType(contentType)
}

// describeMP4 is for a file of ISO/IEC 14496-12 of this brand.
func describeMP4(brand string) string {
	switch brand {
	case "heic", "heix", "mif1", "msf1":
		return "a HEIF picture: only JPEG, PNG and WebP can be shown"
	case "avif", "avis":
		return "an AVIF picture: only JPEG, PNG and WebP can be shown"
	}
	return "an mp4 whose index (moov) is missing or cannot be read: was it written, and uploaded, to its end?"
}

// describeType is for what is known by nothing but what its server says.
func describeType(contentType string) string {
	kind, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	kind = strings.TrimSpace(kind)
	return map[string]string{
		"text/html":            "said to be a web page (text/html), and nothing that can be read as video or audio",
		"application/json":     "said to be JSON, and nothing that can be read as video or audio",
		"application/dash+xml": "said to be a DASH manifest, and DASH is not supported: use HLS or a file",
	}[cmp.Or(kind, "none")]
}

var errCamera = media.Sentence("the source is an MJPEG camera (multipart/x-mixed-replace), which is not supported: use its RTSP or HLS address")

// isEmpty says that an error is for there being no byte to give (RFC 9110, section
// 14.4).
func isEmpty(answer *http.Response) bool {
	return answer.StatusCode == http.StatusRequestedRangeNotSatisfiable && answer.Header.Get("Content-Range") == "bytes */0"
}

// replaces says whether an answer is an endless row of pictures.
func replaces(answer *http.Response) bool {
	kind, _, _ := strings.Cut(answer.Header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(kind), "multipart/x-mixed-replace")
}
