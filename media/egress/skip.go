package egress

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// skip leaves out the older segments of a live playlist, and knows what of them
// holds for those after them (RFC 8216, section 4.3).
type skip struct {
	left             int // segments to be left out yet
	gone             uint64
	sequence, breaks uint64

	info         bool // the address to come is a segment's
	length       time.Duration
	time         time.Time // of the segment to come; zero: unknown
	key          string    // the lines in force
	initial      string
	initialKey   string // in force where initial stands
	size, offset int64  // of a byte range, and where one without an offset begins
}

// take reads a line before the last segment to be left out, and says whether it
// is one of the whole playlist.
func (s *skip) take(tag, value, line string) bool {
	switch tag {
	case playlistHead, tagType, "#EXT-X-VERSION", "#EXT-X-TARGETDURATION", "#EXT-X-INDEPENDENT-SEGMENTS", "#EXT-X-START":
		return true
	case tagSequence:
		s.sequence = number(value)
	case tagBreaksSequence:
		s.breaks += number(value)
	case tagBreak:
		s.breaks++
	case tagKey:
		s.key = line
	case tagInitial:
		s.initial, s.initialKey = line, s.key
	case tagTime:
		s.time = readTime(value)
	case tagRange:
		size, offset, ok := strings.Cut(value, "@")
		if s.size = int64(number(size)); ok {
			s.offset = int64(number(offset))
		}
	case tagSegment:
		s.info, s.length = true, segmentLength(value)
	case "":
		if s.info && isAddress(line) {
			s.pass()
		}
	}
	return false
}

// pass leaves one segment out.
func (s *skip) pass() {
	s.left--
	s.gone++
	s.info = false
	if !s.time.IsZero() {
		s.time = s.time.Add(s.length)
	}
	if s.offset += s.size; s.size == 0 || s.offset < 0 {
		s.offset = 0
	}
	s.size = 0
}

// sequences number the first segment that is left.
func (s *skip) sequences() []string {
	text := []string{fmt.Sprintf("%s:%d", tagSequence, s.sequence+s.gone)}
	if s.breaks > 0 {
		text = append(text, fmt.Sprintf("%s:%d", tagBreaksSequence, s.breaks))
	}
	return text
}

// inForce are the lines that hold for it.
func (s *skip) inForce() []string {
	var text []string
	add := func(line string) {
		if line != "" {
			text = append(text, line)
		}
	}
	if s.initial != "" {
		add(s.initialKey)
		add(s.initial)
	}
	if s.initial == "" || s.key != s.initialKey {
		add(s.key)
	}
	if !s.time.IsZero() {
		add(tagTime + ":" + s.time.Format("2006-01-02T15:04:05.000Z07:00"))
	}
	return text
}

// correct is a line behind those left out, empty where it is to go as well.
func (s *skip) correct(tag, line string) string {
	switch {
	case tag == tagSequence || tag == tagBreaksSequence:
		return ""
	case tag == tagRange:
		if s.offset > 0 && !strings.Contains(line, "@") {
			line += "@" + strconv.FormatInt(s.offset, 10)
		}
		s.offset = 0
	case isAddress(line):
		s.offset = 0
	}
	return line
}

// number is what the digits at the begin of a text say, 0 for none.
func number(text string) uint64 {
	end := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(text)
	}
	n, err := strconv.ParseUint(text[:end], 10, 62)
	if err != nil {
		return 0
	}
	return n
}

// readTime takes both spellings of a zone; zero for what is no time.
func readTime(text string) time.Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t
		}
	}
	return time.Time{}
}
