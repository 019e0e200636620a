package egress

import (
	"math"
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

// longestMark is what placer and splitter add to an address at most.
const longestMark = len("#even") + len(media.SegmentMark) + len("9223372036854775-9223372036854775b")

func (p *placer) discontinue() { p.broken = p.broken || p.number > 0 }

// mark marks the address of the next segment. The last one has no end, so that
// no position is behind it.
func (p *placer) mark(link string) string {
	if p.last < 0 {
		return link
	}
	begin := p.at
	p.at = min(p.at+p.length, mostTime)
	end := p.at
	if p.number >= p.last {
		end = time.Duration(math.MaxInt64)
	}
	p.number, p.length = p.number+1, 0
	link += media.SegmentMark + strconv.FormatInt(begin.Microseconds(), 10) + "-" + strconv.FormatInt(end.Microseconds(), 10)
	if p.broken {
		link += "b"
	}
	return link
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
