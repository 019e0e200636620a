package egress

import (
	"bytes"
	"cmp"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// HLS, RFC 8216. libav reads playlists itself; here they are only made fit for
// it: addresses marked, one variant left, those for players with a licence
// turned down.
const playlistHead = "#EXTM3U"

// What the room takes: FACTS of TRTC, 1080p either way round.
const (
	mostLong  = 1920
	mostShort = 1080
)

var errLicence = errors.New("the playlist is encrypted for players with a licence")

var (
	uriAttribute = regexp.MustCompile(`URI="([^"]*)"`)
	attribute    = regexp.MustCompile(`([A-Z0-9-]+)=("[^"]*"|[^",]*)`)
)

// edit returns the playlist at t as libav gets it, or errLicence.
func edit(t target, text []byte) ([]byte, error) {
	lines := strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
	lines = oneVariant(lines)
	var out bytes.Buffer
	var parts splitter
	at := newPlacer(lines)
	for i, line := range lines {
		if needsLicence(line) {
			return nil, errLicence
		}
		if i > 0 {
			out.WriteByte('\n')
		}
		out.WriteString(at.place(parts.split(markLine(t, line))))
	}
	return out.Bytes(), nil
}

// splitter gives byte ranges of one file different addresses, by a fragment
// that no server sees. libav reads adjacent ranges of the same address as one
// (segment_reusable in hls.c), and of fragmented MP4 then ends after the first.
type splitter struct {
	ranged bool // the next address is a byte range
	odd    bool
}

func (s *splitter) split(line string) string {
	switch {
	case strings.HasPrefix(line, "#EXT-X-BYTERANGE:"):
		s.ranged = true
	case line == "" || strings.HasPrefix(line, "#") || !s.ranged:
	case strings.Contains(line, "#"):
		s.ranged = false
	default:
		s.ranged, s.odd = false, !s.odd
		if s.odd {
			return line + "#odd"
		}
		return line + "#even"
	}
	return line
}

func markLine(t target, line string) string {
	if !strings.HasPrefix(line, "#") {
		return markLink(t, line)
	}
	if !strings.HasPrefix(line, "#EXT") {
		return line
	}
	return uriAttribute.ReplaceAllStringFunc(line, func(s string) string {
		return `URI="` + markLink(t, s[len(`URI="`):len(s)-1]) + `"`
	})
}

// needsLicence is true for a key that no plain request gives (RFC 8216, section
// 4.3.2.4): of FairPlay, Widevine or PlayReady.
func needsLicence(line string) bool {
	list, ok := strings.CutPrefix(line, "#EXT-X-KEY:")
	if !ok {
		return false
	}
	a := attributes(list)
	switch a["METHOD"] {
	case "", "NONE":
		return false
	case "AES-128", "SAMPLE-AES":
		format := cmp.Or(a["KEYFORMAT"], "identity")
		return format != "identity" || strings.HasPrefix(a["URI"], "skd:")
	}
	return true // SAMPLE-AES-CTR and what comes after it
}

func attributes(list string) map[string]string {
	found := make(map[string]string)
	for _, m := range attribute.FindAllStringSubmatch(list, -1) {
		found[m[1]] = strings.Trim(m[2], `"`)
	}
	return found
}

// variant is one #EXT-X-STREAM-INF with the line of its address.
type variant struct {
	tag, uri      int // lines
	width, height int // 0 when it does not say
	bandwidth     int
	h264          bool // as far as it says
	audio         string
}

// oneVariant leaves of a master playlist's variants the best that the room
// takes, and its own sound: libav would open and probe them all. A playlist
// whose variants do not say how big they are stays as it is.
func oneVariant(lines []string) []string {
	all := variants(lines)
	sized := slices.DeleteFunc(slices.Clone(all), func(v variant) bool { return v.width == 0 })
	if len(sized) == 0 || (len(sized) < len(all) && !slices.ContainsFunc(sized, variant.fits)) {
		return lines
	}
	best := slices.MaxFunc(sized, better)
	drop := make(map[int]bool)
	for _, v := range all {
		if v.uri != best.uri {
			drop[v.tag], drop[v.uri] = true, true
		}
	}
	kept := make([]string, 0, len(lines))
	for i, line := range lines {
		if !drop[i] && !foreign(line, best) {
			kept = append(kept, line)
		}
	}
	return kept
}

// foreign says whether a line is of no use to the chosen variant.
func foreign(line string, chosen variant) bool {
	if strings.HasPrefix(line, "#EXT-X-I-FRAME-STREAM-INF:") {
		return true
	}
	list, ok := strings.CutPrefix(line, "#EXT-X-MEDIA:")
	if !ok {
		return false
	}
	a := attributes(list)
	return a["TYPE"] != "AUDIO" && a["TYPE"] != "VIDEO" || a["TYPE"] == "AUDIO" && a["GROUP-ID"] != chosen.audio
}

func variants(lines []string) []variant {
	var all []variant
	tag := -1
	for i, line := range lines {
		switch {
		case strings.HasPrefix(line, "#EXT-X-STREAM-INF:"):
			tag = i
		case tag >= 0 && line != "" && !strings.HasPrefix(line, "#"):
			all = append(all, newVariant(lines[tag], tag, i))
			tag = -1
		}
	}
	return all
}

func newVariant(line string, tag, uri int) variant {
	a := attributes(strings.TrimPrefix(line, "#EXT-X-STREAM-INF:"))
	v := variant{tag: tag, uri: uri, audio: a["AUDIO"]}
	v.bandwidth, _ = strconv.Atoi(a["BANDWIDTH"])
	if w, h, ok := strings.Cut(a["RESOLUTION"], "x"); ok {
		v.width, _ = strconv.Atoi(w)
		v.height, _ = strconv.Atoi(h)
	}
	if v.width <= 0 || v.height <= 0 {
		v.width, v.height = 0, 0
	}
	codecs := a["CODECS"]
	v.h264 = codecs == "" || strings.Contains(codecs, "avc")
	return v
}

func (v variant) fits() bool {
	return max(v.width, v.height) <= mostLong && min(v.width, v.height) <= mostShort
}

// better prefers what fits, then what is bigger; of those that do not fit the
// smallest. Of the same size it prefers what the room takes as it is.
func better(a, b variant) int {
	if a.fits() != b.fits() {
		return order(a.fits(), b.fits())
	}
	pixels := cmp.Compare(a.width*a.height, b.width*b.height)
	if !a.fits() {
		pixels = -pixels
	}
	return cmp.Or(pixels, order(a.h264, b.h264), cmp.Compare(a.bandwidth, b.bandwidth))
}

func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
