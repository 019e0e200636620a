package media

import (
	"bytes"
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// What an HTTP server's answer is, in words.

// statusKinds is what an error status says of the source. What is not in it is
// KindSourceNotFound below 500 and KindSourceUnavailable from there on.
var statusKinds = map[int]Kind{
	http.StatusUnauthorized:      KindSourceUnauthorized,
	http.StatusPaymentRequired:   KindSourceUnauthorized,
	http.StatusForbidden:         KindSourceUnauthorized,
	http.StatusProxyAuthRequired: KindSourceUnauthorized,
	http.StatusGone:              KindSourceGone,
	http.StatusRequestTimeout:    KindSourceUnavailable,
	http.StatusTooEarly:          KindSourceUnavailable,
	http.StatusTooManyRequests:   KindSourceUnavailable,
	// There is nothing at this offset: of an empty file, or of one that ends
	// before its index says.
	http.StatusRequestedRangeNotSatisfiable: KindSourceInvalid,

	http.StatusUnavailableForLegalReasons: KindSourceUnauthorized,
}

// OfStatus is an error status: what it says of the source, and the words for it.
func OfStatus(status int) (Kind, string) {
	kind, known := statusKinds[status]
	switch {
	case known:
	case status >= http.StatusInternalServerError:
		kind = KindSourceUnavailable
	default:
		kind = KindSourceNotFound
	}
	text := "the server answered " + strconv.Itoa(status)
	if words := http.StatusText(status); words != "" {
		text += " " + words
	}
	if status == http.StatusRequestedRangeNotSatisfiable {
		text += ": it is empty, or shorter than it says"
	}
	return kind, text
}

// ErrCamera is an answer of pictures that Replaces tells of.
const ErrCamera = Sentence("the source is an MJPEG camera (multipart/x-mixed-replace), which is not supported: use its RTSP or HLS address")

// Replaces says whether an answer is an endless row of pictures.
func Replaces(h http.Header) bool {
	kind, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(kind), "multipart/x-mixed-replace")
}

// IsEmpty says that an error is for there being no byte to give (RFC 9110, section
// 14.4).
func IsEmpty(answer *http.Response) bool {
	return answer.StatusCode == http.StatusRequestedRangeNotSatisfiable && answer.Header.Get("Content-Range") == "bytes */0"
}

// compressions are the encodings that change what is read (RFC 9110, section
// 8.4.1, and those registered since). Servers write much else there, such as
// aws-chunked, none and utf-8: what has it is taken as it is.
var compressions = []string{"gzip", "x-gzip", "br", "zstd", "deflate", "compress", "x-compress", "dcb", "dcz"}

// Compressions are those of an answer's encodings that change what is read.
func Compressions(h http.Header) []string {
	var found []string
	for name := range strings.SplitSeq(strings.Join(h["Content-Encoding"], ","), ",") {
		if name = strings.ToLower(strings.TrimSpace(name)); slices.Contains(compressions, name) {
			found = append(found, name)
		}
	}
	return found
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
	// A start code and a delimiter, an SPS or a VPS (ITU-T H.264 and H.265, B.1.1); a
	// sequence header (ISO/IEC 13818-2, 6.2.2.1).
	{"\x00\x00\x00\x01\x09", rawVideo},
	{"\x00\x00\x00\x01\x27", rawVideo},
	{"\x00\x00\x00\x01\x67", rawVideo},
	{"\x00\x00\x00\x01\x40", rawVideo},
	{"\x00\x00\x01\xb3", rawVideo},
	{"#!AMR", "sound as AMR, which is not supported as a file of its own: turn it into an m4a (ffmpeg -i SOURCE NEW.m4a)"},
	{"wvpk", "WavPack, which is not supported: turn it into FLAC (ffmpeg -i SOURCE NEW.flac)"},
	{"MAC ", "Monkey's Audio, which is not supported: turn it into FLAC (ffmpeg -i SOURCE NEW.flac)"},
	{"MThd", "MIDI: notes, and no sound"},
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

const rawVideo = "pictures without a container, which have no times: put them into an mp4 (ffmpeg -i SOURCE -c copy NEW.mp4)"

const listOfAddresses = "a list of addresses, not a video and no HLS playlist: use an address out of it"

// Describe says what an answer is that nobody could make anything of, by its
// begin (512 bytes are enough) and, where that tells nothing, its type. It quotes
// nothing of either; it is empty where nothing is known.
func Describe(contentType string, head []byte) string {
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

// Withheld says which of a request's headers a host that is not the source's own did
// not get, for an error status that may be for them; empty where there are none.
func (r SourceRequest) Withheld(status int) string {
	if status != http.StatusUnauthorized && status != http.StatusForbidden {
		return ""
	}
	var names []string
	for name := range r.Headers {
		if !r.HeadersForAll || !ForAll(name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	words := "; it is not the source's own host and was not sent: " + strings.Join(names, ", ")
	if !r.HeadersForAll && slices.ContainsFunc(names, ForAll) {
		words += ` (headersFor "all" sends Referer, Origin and User-Agent there, too)`
	}
	return words
}
