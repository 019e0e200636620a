package hls

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"iter"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/roomcast/roomcast/media"
)

// The tags that mean something here (RFC 8216, section 4.3). All others are passed
// over.
const (
	tagHead           = "#EXTM3U"
	tagVariant        = "#EXT-X-STREAM-INF"
	tagRendition      = "#EXT-X-MEDIA"
	tagKey            = "#EXT-X-KEY"
	tagInitial        = "#EXT-X-MAP"
	tagSegment        = "#EXTINF"
	tagRange          = "#EXT-X-BYTERANGE"
	tagBreak          = "#EXT-X-DISCONTINUITY"
	tagGap            = "#EXT-X-GAP"
	tagEnd            = "#EXT-X-ENDLIST"
	tagType           = "#EXT-X-PLAYLIST-TYPE"
	tagTime           = "#EXT-X-PROGRAM-DATE-TIME"
	tagTarget         = "#EXT-X-TARGETDURATION"
	tagSequence       = "#EXT-X-MEDIA-SEQUENCE"
	tagBreaksSequence = "#EXT-X-DISCONTINUITY-SEQUENCE"
)

const (
	// mostVariants are looked at, and as many renditions.
	mostVariants = 100
	// mostSegments are those of a recording, and mostKept the bytes of their addresses,
	// with those of the sound beside it: a day in segments of one second has 86 400; six
	// hours in segments of two, each signed with 1.5 kB, have 16 MB. Of a live stream the
	// newest are kept.
	mostSegments, mostLive = 100_000, 500
	mostKept               = 16 << 20
	// mostRate is how many bytes a second a live playlist may cost that is read again and
	// again: 16 MB each two seconds.
	mostRate = 8 << 20
	// lineCost is how many bytes of a long line are read in the time that a line takes, or
	// an attribute of a key.
	lineCost = 20
	// mostLine is how long a line may be.
	mostLine = 16 << 10
	// No sum of what a hostile playlist says overflows.
	mostTime   = time.Duration(1 << 61)
	mostLength = 24 * time.Hour
)

// segment is an entry of a media playlist.
type segment struct {
	uri     string
	number  uint64 // in the whole stream
	clock   uint64 // how many discontinuities there were in the whole stream
	begin   time.Duration
	length  time.Duration
	part    part
	key     *key     // nil: it is not encrypted
	initial *initial // nil: it needs none
	gap     bool
	at      time.Time // zero: unknown
}

func (s segment) end() time.Duration { return s.begin + s.length }

// part is a byte range; all of it when size is 0.
type part struct{ from, size int64 }

// key says how what follows it is encrypted, by AES-128.
type key struct{ uri, iv string }

// initial is an initialization section.
type initial struct {
	uri  string
	part part
	key  *key
}

// same says whether two initialization sections are one.
func (i *initial) same(other *initial) bool {
	return i == other || i != nil && other != nil && i.uri == other.uri && i.part == other.part
}

// list is a media playlist.
type list struct {
	segments []segment
	target   time.Duration // no segment is longer, or so it says
	over     bool          // it has its end
	kind     string        // EVENT, VOD or nothing
	total    int           // segments that it names
	cut      bool          // the newest alone are there
	kept     int           // bytes of its addresses, and of the keys and sections beside them
	work     int64         // of reading it: bytes of its text, and lineCost for each line and attribute of a key
}

func (l *list) length() time.Duration {
	if len(l.segments) == 0 {
		return 0
	}
	return l.segments[len(l.segments)-1].end()
}

// recorded says that all of it is there.
func (l *list) recorded() bool { return l.over || l.kind == "VOD" }

// keepNewest leaves out what a live stream needs no more.
func (l *list) keepNewest() {
	if older := len(l.segments) - mostLive; older > 0 {
		l.segments, l.cut = slices.Delete(l.segments, 0, older), true
	}
}

// tooLong is of a recording that is not there as a whole.
func (l *list) tooLong() error {
	words := fmt.Sprintf("its playlist is too long, with %d segments: at most %d are taken, with %d MiB of addresses, its sound's included", l.total, mostSegments, mostKept>>20)
	return &media.Error{Kind: media.KindSourceTooLarge, Op: opPlaylist, Err: media.Because(words, nil)}
}

// reader reads one media playlist line by line.
type reader struct {
	list            *list
	most            int     // segments that are kept
	next            segment // the one to come
	info            bool    // the address to come is a segment's
	sequence, clock uint64
	at              time.Duration
	time            time.Time
	key             *key
	initial         *initial
	last            segment
}

func (r *reader) take(line string) error {
	tag, value := tagOf(line)
	switch tag {
	case "":
		if r.info && line[0] != '#' {
			r.add(line)
		}
	case tagSegment:
		r.info, r.next.length = true, segmentLength(value)
	case tagRange:
		if r.next.part = partOf(value); !strings.Contains(value, "@") {
			r.next.part.from = -1
		}
	case tagGap:
		r.next.gap = true
	case tagBreak:
		r.clock++
	case tagKey:
		r.list.kept += len(value)
		r.list.work += lineCost * int64(strings.Count(value, ","))
		return r.takeKey(value)
	case tagInitial:
		r.list.kept += len(value)
		r.initial = &initial{uri: attribute(value, "URI"), part: partOf(attribute(value, "BYTERANGE")), key: r.key}
	default:
		r.takeWhole(tag, value)
	}
	return nil
}

// takeWhole reads what is of the whole playlist.
func (r *reader) takeWhole(tag, value string) {
	switch tag {
	case tagTime:
		r.time = readTime(value)
	case tagTarget:
		r.list.target = segmentLength(value)
	case tagSequence:
		r.sequence = number(value)
	case tagBreaksSequence:
		r.clock += number(value)
	case tagType:
		r.list.kind = strings.ToUpper(strings.TrimSpace(value))
	case tagEnd:
		r.list.over = true
	}
}

func (r *reader) takeKey(value string) error {
	switch method := attribute(value, "METHOD"); {
	case method == "" || method == "NONE":
		r.key = nil
	case method != "AES-128" || cmp.Or(attribute(value, "KEYFORMAT"), "identity") != "identity" || strings.HasPrefix(attribute(value, "URI"), "skd:"):
		words := "its playlist is encrypted for players with a licence (DRM)"
		if method == "SAMPLE-AES" && attribute(value, "KEYFORMAT") == "" {
			words = "its playlist is encrypted by SAMPLE-AES, which is not supported: only AES-128 is"
		}
		return &media.Error{Kind: media.KindSourceEncrypted, Op: opPlaylist, Err: media.Because(words, nil)}
	default:
		r.key = &key{uri: attribute(value, "URI"), iv: attribute(value, "IV")}
	}
	return nil
}

func (r *reader) add(uri string) {
	s := r.next
	s.uri, s.number, s.clock, s.begin = uri, r.sequence+uint64(r.list.total), r.clock, r.at
	s.key, s.initial, s.at = r.key, r.initial, r.time
	if s.part.from < 0 {
		s.part.from = 0
		if r.last.uri == uri {
			s.part.from = r.last.part.from + r.last.part.size
		}
	}
	r.at = min(r.at+s.length, mostTime)
	if !r.time.IsZero() {
		r.time = r.time.Add(s.length)
	}
	if len(r.list.segments) == r.most || r.list.kept > mostKept { // too many, or of a live stream
		r.list.keepNewest()
		r.list.kept = 0
	}
	r.list.segments = append(r.list.segments, s)
	r.list.kept += len(uri)
	r.list.total++
	r.last, r.next, r.info = s, segment{}, false
}

// splitting is held while lines are taken from what has come: a text may be 80 MiB, and
// pushes play beside it, which wait for one reader of playlists then, not for all.
var splitting sync.Mutex

// lines are a playlist's, empty ones too: a line feed, a carriage return and a zero end
// one, and no blank stands around it. Of one that is too long the begin is there. An
// error is from's.
func lines(from io.Reader) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		var line []byte
		give := func() bool {
			text := string(bytes.Trim(line, " \t\v\f"))
			line = line[:0]
			return yield(text, nil)
		}
		split := func(text []byte) bool {
			splitting.Lock()
			defer splitting.Unlock()
			endLines(text)
			for part := range bytes.SplitAfterSeq(text, []byte{'\n'}) {
				text, ended := bytes.CutSuffix(part, []byte{'\n'})
				line = append(line, text[:min(len(text), mostLine-len(line))]...)
				if ended && !give() {
					return false
				}
			}
			return true
		}
		for buf := make([]byte, mostLine); ; {
			n, err := from.Read(buf)
			if !split(buf[:n]) {
				return
			}
			if err == nil {
				runtime.Gosched()
				continue
			}
			if give() && err != io.EOF {
				yield("", err)
			}
			return
		}
	}
}

// endLines makes line feeds of what else ends a line. It looks at no byte twice for one.
func endLines(text []byte) {
	for _, end := range []byte("\r\x00") {
		for at, i := 0, 0; i >= 0; at += i + 1 {
			if i = bytes.IndexByte(text[at:], end); i >= 0 {
				text[at+i] = '\n'
			}
		}
	}
}

// tagOf splits "#EXT-X-KEY:METHOD=NONE"; the tag of what is none is empty.
func tagOf(line string) (tag, value string) {
	if !strings.HasPrefix(line, "#EXT") {
		return "", ""
	}
	tag, value, _ = strings.Cut(line, ":")
	return strings.TrimSpace(tag), value
}

// attribute returns a value of an attribute list, empty for none.
func attribute(list, name string) string {
	for list != "" {
		key, rest, ok := strings.Cut(list, "=")
		if !ok {
			return ""
		}
		var value string
		rest = strings.TrimLeft(rest, " ")
		if inner, quoted := strings.CutPrefix(rest, `"`); quoted {
			value, rest, _ = strings.Cut(inner, `"`)
			_, rest, _ = strings.Cut(rest, ",")
		} else {
			value, rest, _ = strings.Cut(rest, ",")
			value = strings.TrimSpace(value)
		}
		if strings.Trim(key, " ,\t") == name {
			return value
		}
		list = rest
	}
	return ""
}

// partOf reads "720@100".
func partOf(value string) part {
	size, from, _ := strings.Cut(strings.TrimSpace(value), "@")
	return part{from: int64(number(from)), size: int64(number(size))}
}

// number is what the digits at the begin of a text say, 0 for none.
func number(text string) uint64 {
	text = strings.TrimSpace(text)
	end := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(text)
	}
	n, err := strconv.ParseUint(text[:end], 10, 61)
	if err != nil {
		return 0
	}
	return n
}

func segmentLength(info string) time.Duration {
	text, _, _ := strings.Cut(info, ",")
	seconds, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || !(seconds > 0) || math.IsInf(seconds, 0) {
		return 0
	}
	return time.Duration(min(seconds, mostLength.Seconds()) * float64(time.Second))
}

// readTime takes both spellings of a zone; zero for what is no time.
func readTime(text string) time.Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700"} {
		if t, err := time.Parse(layout, strings.TrimSpace(text)); err == nil {
			return t
		}
	}
	return time.Time{}
}
