package egress

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/roomcast/roomcast/media"
)

// placer writes into the address of each of a recording's segments where in
// the recording it is, by the durations before it: a segment's own clock may
// begin anew (RFC 8216, section 4.3.2.3), and libav tells of nothing else. Like
// the splitter's, the fragment is seen by no server.
type placer struct {
	last   int // the last segment's number; -1: this is no recording's media playlist
	number int // of the next segment
	at     time.Duration
	length time.Duration // of the next segment
	broken bool          // there was a discontinuity on the way
}

func newPlacer(lines []string) *placer {
	p := &placer{last: -1}
	if !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, "#EXT-X-ENDLIST") }) {
		return p
	}
	for _, line := range lines {
		if strings.HasPrefix(line, "#EXTINF:") {
			p.last++
		}
	}
	return p
}

func (p *placer) place(line string) string {
	info, isInfo := strings.CutPrefix(line, "#EXTINF:")
	switch {
	case p.last < 0:
	case isInfo:
		p.length = segmentLength(info)
	case strings.TrimSpace(line) == "#EXT-X-DISCONTINUITY":
		p.broken = p.broken || p.number > 0
	case line != "" && !strings.HasPrefix(line, "#"):
		return line + p.mark()
	}
	return line
}

// mark is for the next segment. The last one has no end, so that no position
// is behind it.
func (p *placer) mark() string {
	begin := p.at
	p.at = min(p.at+p.length, mostTime)
	end := p.at
	if p.number >= p.last {
		end = time.Duration(math.MaxInt64)
	}
	p.number, p.length = p.number+1, 0
	mark := fmt.Sprintf("%s%d-%d", media.SegmentMark, begin.Microseconds(), end.Microseconds())
	if p.broken {
		mark += "b"
	}
	return mark
}

// No sum of what a hostile playlist says overflows.
const (
	mostTime   = time.Duration(1 << 61)
	mostLength = 24 * time.Hour
)

func segmentLength(info string) time.Duration {
	text, _, _ := strings.Cut(info, ",")
	seconds, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || !(seconds > 0) {
		return 0
	}
	return time.Duration(min(seconds, mostLength.Seconds()) * float64(time.Second))
}
