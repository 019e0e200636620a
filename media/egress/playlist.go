package egress

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
)

// HLS, RFC 8216. libav reads playlists itself; here they are only made fit for
// it: addresses marked, one variant left, older segments of a live one and what
// libav does not play left out, those for players with a licence and those that
// ask for too much turned down.
const playlistHead = "#EXTM3U"

const (
	tagVariant        = "#EXT-X-STREAM-INF"
	tagRendition      = "#EXT-X-MEDIA"
	tagKey            = "#EXT-X-KEY"
	tagInitial        = "#EXT-X-MAP"
	tagSegment        = "#EXTINF"
	tagRange          = "#EXT-X-BYTERANGE"
	tagBreak          = "#EXT-X-DISCONTINUITY"
	tagEnd            = "#EXT-X-ENDLIST"
	tagType           = "#EXT-X-PLAYLIST-TYPE"
	tagTime           = "#EXT-X-PROGRAM-DATE-TIME"
	tagSequence       = "#EXT-X-MEDIA-SEQUENCE"
	tagBreaksSequence = "#EXT-X-DISCONTINUITY-SEQUENCE"
)

// bounds are how much of one playlist libav gets. It makes an object of each
// entry and keeps its address resolved, of a segment with its key's.
type bounds struct {
	variants  int // looked at; of those left, and of renditions, libav opens each
	segments  int // of a recording; a day in segments of four seconds has 21 600
	addresses int // bytes of them, resolved
	live      int // segments of a live one: libav plays the last three
}

// boundsOf are a playlist's whose source has so many: libav holds all of them.
func boundsOf(lists int) bounds {
	const (
		segments, addresses       = 40_000, 16 << 20
		allSegments, allAddresses = 400_000, 64 << 20
	)
	lists = max(lists, 1)
	return bounds{
		variants: 100, live: 500,
		segments: min(segments, allSegments/lists), addresses: min(addresses, allAddresses/lists),
	}
}

const (
	// maxLine is what libav reads of a line (MAX_URL_SIZE in hls.c).
	maxLine = 4095
	// initialSize is what libav keeps of an initialization section beside its
	// address.
	initialSize = 128
	// linesBetween is how many lines are read between two looks at whether
	// anybody still wants them.
	linesBetween = 4096
)

var (
	errLicence   = errors.New("the playlist is encrypted for players with a licence")
	errSegments  = errors.New("the playlist has too many segments")
	errAddresses = errors.New("the playlist's addresses are too long altogether")
)

// list is a playlist as it came.
type list struct {
	at   target
	base string // its address, which others in it are relative to
	text string
}

// edited is a playlist as libav gets it.
type edited struct {
	text     []byte
	lists    int  // playlists that it leads to
	over     bool // nothing will be added to it
	initials int  // bytes that libav keeps of its initialization sections
}

// survey is what must be known of a whole playlist before its first line goes
// on.
type survey struct {
	segments int
	over     bool   // it has its end
	kind     string // EVENT, VOD or nothing
}

func newSurvey(text string) survey {
	var s survey
	info := false
	for line := range lines(text) {
		tag, value := tagOf(line)
		switch {
		case tag == tagSegment:
			info = true
		case tag == tagType:
			s.kind = value
		case strings.HasPrefix(line, tagEnd):
			s.over = true
		case info && isAddress(line):
			s.segments++
			info = false
		}
	}
	return s
}

// recorded says that all of it is to be played. libav takes an EVENT for a file
// that grows.
func (s survey) recorded() bool { return s.over || s.kind == "VOD" || s.isEvent() }

func (s survey) isEvent() bool { return s.kind == "EVENT" && !s.over }

// edit returns l as libav gets it. It fails with errLicence, with what is too
// much of it in words, or with ctx's cause.
func edit(ctx context.Context, l list, b bounds) (edited, error) {
	s := newSurvey(l.text)
	if !s.recorded() {
		return newEditor(l, b, s, s.segments-b.live).edit(ctx)
	}
	var e edited
	err := fmt.Errorf("%w: %d, and at most %d are taken", errSegments, s.segments, b.segments)
	if s.segments <= b.segments {
		e, err = newEditor(l, b, s, 0).edit(ctx)
	}
	if s.isEvent() && (errors.Is(err, errSegments) || errors.Is(err, errAddresses)) {
		return newEditor(l, b, s, s.segments-b.live).edit(ctx) // whoever plays it is near its end
	}
	return e, err
}

// editor edits one playlist line by line.
type editor struct {
	list
	most   bounds
	has    survey
	chosen *variant // nil: all stay
	out    bytes.Buffer
	skip   *skip // nil: no segment is left out
	parts  splitter
	place  placer

	variant  string // the tag of the address to come; empty for none
	info     bool   // the address to come is a segment's
	key      string // the line in force
	toldKey  string // the last that was put
	initial  string // the line in force, and its key's
	keyBytes int    // of the key in force, resolved; 0: nothing is encrypted
	count    counts
}

// counts are of what went on.
type counts struct {
	variants, renditions, initials int
	lists                          int // of the first two, those with a playlist of their own
	addresses                      int // bytes, resolved
	initialBytes                   int
}

// newEditor leaves out the first of l's segments, if older is positive.
func newEditor(l list, most bounds, has survey, older int) *editor {
	e := &editor{list: l, most: most, has: has, place: placer{last: -1}}
	e.base, _, _ = strings.Cut(l.base, "?")
	if strings.Contains(l.text, tagVariant) {
		e.chosen = choose(variants(l.text, most.variants))
	}
	if has.over {
		e.place.last = has.segments - 1
	}
	if older > 0 {
		e.skip = &skip{left: older}
	} else {
		e.out.Grow(len(l.text) + has.segments*longestMark)
	}
	return e
}

func (e *editor) edit(ctx context.Context) (edited, error) {
	read := 0
	for line := range lines(e.text) {
		if read++; read%linesBetween == 0 && ctx.Err() != nil {
			return edited{}, context.Cause(ctx)
		}
		if err := e.take(line); err != nil {
			return edited{}, err
		}
		if e.count.addresses > e.most.addresses || e.count.initials > e.most.segments {
			return edited{}, fmt.Errorf("%w: with its own before the relative ones more than %d MB", errAddresses, e.most.addresses>>20)
		}
	}
	return edited{
		text: e.out.Bytes(), lists: e.count.lists, over: e.has.over, initials: e.count.initialBytes,
	}, nil
}

func (e *editor) put(line string) {
	if e.out.Len() > 0 {
		e.out.WriteByte('\n')
	}
	e.out.WriteString(line)
}

func (e *editor) take(line string) error {
	tag, value := tagOf(line)
	if e.skip != nil {
		if e.skip.left > 0 {
			return e.leaveOut(tag, value, line)
		}
		if line = e.skip.correct(tag, line); line == "" {
			return nil
		}
	}
	switch tag {
	case "":
		if isAddress(line) {
			e.takeAddress(markLink(e.at, line))
			return nil
		}
	case tagVariant:
		e.variant = line // goes on with its address
		return nil
	case "#EXT-X-I-FRAME-STREAM-INF", "#EXT-X-SESSION-DATA", "#EXT-X-SESSION-KEY":
		return nil
	case tagRendition:
		e.takeRendition(line, value)
		return nil
	case tagKey:
		if line != e.key && needsLicence(value) {
			return errLicence
		}
		e.key = line // goes on with what it is for
		return nil
	case tagInitial:
		e.takeInitial(line)
		return nil
	case tagSegment:
		e.putKey()
		e.info, e.place.length = true, segmentLength(value)
	case tagBreak:
		e.place.discontinue()
	case tagRange:
		e.parts.ranged = true
	}
	e.put(line)
	return nil
}

// leaveOut passes the lines on that are not of one segment.
func (e *editor) leaveOut(tag, value, line string) error {
	if tag == tagKey && needsLicence(value) {
		return errLicence
	}
	if e.skip.take(tag, value, line) {
		e.put(line)
	}
	if e.skip.left > 0 {
		return nil
	}
	for _, line := range e.skip.sequences() {
		e.put(line)
	}
	for _, line := range e.skip.inForce() {
		if err := e.take(line); err != nil {
			return err
		}
	}
	return nil
}

func (e *editor) takeAddress(link string) {
	if e.variant != "" {
		tag, number := e.variant, e.count.variants
		e.variant = ""
		e.count.variants++
		if number >= e.most.variants || e.chosen != nil && number != e.chosen.number {
			return
		}
		e.put(tag)
		e.count.lists++
	}
	link = e.parts.split(link)
	if e.info {
		e.putKey()
		e.info = false
		link = e.place.mark(link)
		e.count.addresses += e.resolved(link) + e.keyBytes
	}
	e.put(link)
}

// takeRendition leaves out what is of no use to the chosen variant.
func (e *editor) takeRendition(line, value string) {
	kind := attribute(value, "TYPE")
	foreign := e.chosen != nil && attribute(value, "GROUP-ID") != e.chosen.audio
	if kind != "VIDEO" && kind != "AUDIO" || kind == "AUDIO" && foreign || e.count.renditions >= e.most.variants {
		return
	}
	e.count.renditions++
	if attribute(value, "URI") != "" {
		e.count.lists++
	}
	e.put(markLine(e.at, line))
}

// putKey puts the key in force where libav has not been told of it.
func (e *editor) putKey() {
	if e.key == e.toldKey {
		return
	}
	e.toldKey = e.key
	line := markLine(e.at, e.key)
	_, value := tagOf(line)
	e.keyBytes = 0
	if method := attribute(value, "METHOD"); method != "" && method != "NONE" {
		e.keyBytes = e.resolved(attribute(value, "URI"))
	}
	e.put(line)
}

// takeInitial leaves out what holds already: libav keeps each one it is told of.
func (e *editor) takeInitial(line string) {
	if both := line + "\n" + e.key; both != e.initial {
		e.putKey()
		e.initial = both
		line = markLine(e.at, line)
		_, value := tagOf(line)
		bytes := e.resolved(attribute(value, "URI")) + e.keyBytes
		e.count.initials++
		e.count.addresses += bytes
		e.count.initialBytes += bytes + initialSize
		e.put(line)
	}
}

// resolved is how long an address is when libav has made it absolute
// (ff_make_absolute_url); its dots may shorten it.
func (e *editor) resolved(link string) int {
	end := strings.IndexAny(link, ":/?#")
	before := len(e.base)
	switch {
	case end > 0 && strings.HasPrefix(link[end:], "://"):
		before = 0
	case strings.HasPrefix(link, "/"):
		before = len(e.at.scheme) + len("://") + len(e.at.markedHost())
	case !strings.HasPrefix(link, "?"):
		before = strings.LastIndexByte(e.base, '/') + 1
	}
	return min(before+len(link), maxLine)
}

// lines are a playlist's as libav reads them (ff_get_chomp_line), but for those
// that are empty: a line feed, a carriage return and a zero end one, and no
// blank stands at its end.
func lines(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		begin := 0
		for end := 0; end <= len(text); end++ {
			if end < len(text) && text[end] != '\n' && text[end] != '\r' && text[end] != 0 {
				continue
			}
			line := text[begin:min(end, begin+maxLine)]
			begin = end + 1
			for line != "" && isBlank(line[len(line)-1]) {
				line = line[:len(line)-1]
			}
			if line != "" && !yield(line) {
				return
			}
		}
	}
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\v' || c == '\f' }

// tagOf splits "#EXT-X-KEY:METHOD=NONE"; the tag of what is none is empty.
func tagOf(line string) (tag, value string) {
	if !strings.HasPrefix(line, "#EXT") {
		return "", ""
	}
	tag, value, _ = strings.Cut(line, ":")
	return tag, value
}

func isAddress(line string) bool { return line != "" && line[0] != '#' }

// splitter gives byte ranges of one file different addresses, by a fragment
// that no server sees. libav reads adjacent ranges of the same address as one
// (segment_reusable in hls.c), and of fragmented MP4 then ends after the first.
type splitter struct {
	ranged bool // the next address is a byte range
	odd    bool
}

func (s *splitter) split(link string) string {
	if !s.ranged {
		return link
	}
	s.ranged = false
	if strings.Contains(link, "#") {
		return link
	}
	if s.odd = !s.odd; s.odd {
		return link + "#odd"
	}
	return link + "#even"
}

// markLine marks the address in a tag that libav reads.
func markLine(t target, line string) string {
	const name = `URI="`
	before, rest, ok := strings.Cut(line, name)
	link, after, closed := strings.Cut(rest, `"`)
	if !ok || !closed {
		return line
	}
	return before + name + markLink(t, link) + `"` + after
}

// needsLicence is true for a key that no plain request gives (RFC 8216, section
// 4.3.2.4): of FairPlay, Widevine or PlayReady.
func needsLicence(value string) bool {
	switch attribute(value, "METHOD") {
	case "", "NONE":
		return false
	case "AES-128", "SAMPLE-AES":
		format := cmp.Or(attribute(value, "KEYFORMAT"), "identity")
		return format != "identity" || strings.HasPrefix(attribute(value, "URI"), "skd:")
	}
	return true // SAMPLE-AES-CTR and what comes after it
}

// attribute returns the last value of a name in an attribute list, read as
// libav does (ff_parse_key_value) so that both see the same; empty for none.
func attribute(list, name string) string {
	var found string
	for at := 0; ; {
		for at < len(list) && (list[at] == ',' || isBlank(list[at])) {
			at++
		}
		sign := strings.IndexByte(list[at:], '=')
		if sign < 0 {
			return found
		}
		key := list[at : at+sign]
		at += sign + 1
		begin, end := at, at
		if at < len(list) && list[at] == '"' {
			begin, end = inQuotes(list, at+1)
			at = end + 1
		} else {
			for end < len(list) && list[end] != ',' && !isBlank(list[end]) {
				end++
			}
			at = end
		}
		if key == name {
			found = list[begin:end]
		}
		if at > len(list) {
			return found
		}
	}
}

// inQuotes returns where the text that begins in quotes does so and ends; a
// backslash takes away a quote's meaning.
func inQuotes(list string, begin int) (int, int) {
	end := begin
	for end < len(list) && list[end] != '"' {
		if list[end] == '\\' && end+1 < len(list) {
			end++
		}
		end++
	}
	return begin, end
}
