package tasks

import (
	"cmp"
	"time"

	"github.com/roomcast/roomcast/media"
)

// Cost is what a push takes of a worker, as pixels that could be encoded each second
// instead: a machine that is twice as fast carries twice as many, of copies as well.
type Cost int64

const (
	// fullShare is how much of its cores a worker may plan with: pictures cost more
	// in one scene than in the next, and sources are opened meanwhile.
	fullShare = 0.85
	// busyShare is how much of them a worker may use and still take new pushes; then it
	// takes none until it is back at fullShare.
	busyShare = 0.95
	// strainTime is over how long that is measured: hundreds that start at once use
	// all cores for a moment.
	strainTime = 5 * time.Second
	// LeastCost is what any push costs, for it is fetched, taken apart, paced and sent:
	// 0.2 % of a core measured, with 100 copies of 720p at 2.1 Mb/s, media hosts included.
	LeastCost Cost = 300_000
	// leastBits is the bit rate a second up to which a push costs no more than that.
	leastBits = 2_000_000
	// bitCost is what each bit a second beyond it costs: 0.022 % of a core for 1 Mb/s,
	// measured with 40 copies each of 2 to 16 Mb/s.
	bitCost = 0.035
	// soundCost is what re-encoded sound costs beside that: 1.2 % of a core measured.
	soundCost Cost = 1_700_000
	// decodeShare is what a pixel costs that is decoded and scaled, where one that is
	// encoded costs 1. Measured with H.264: 0.2 to 0.3, and 0.25 more where the size
	// changes.
	decodeShare = 0.4
	// usualFPS stands for a rate that a source does not tell, and leastFPS and mostFPS
	// bound what it tells: of a live source it is a guess.
	usualFPS          = 30
	leastFPS, mostFPS = 5, 120
	// mostBits bounds what a source tells in the same way.
	mostBits = 100_000_000
)

// slowMachine is how many pixels a core encodes in a second where that could not
// be measured: few machines are slower.
const slowMachine Cost = 50_000_000

// costOf is what a push costs whose source s is played as p says, and of which so much
// is sent; what is not known yet counts as copied.
func costOf(s *SourceReport, p *media.Plan, asked media.VideoOptions, sent media.BitsPerSecond) Cost {
	cost := LeastCost + Cost(bitCost*float64(min(max(s.bitrate(), sent, leastBits), mostBits)-leastBits))
	if p == nil {
		return cost
	}
	if p.Audio != nil && p.Audio.Action == media.Transcode {
		cost += soundCost
	}
	if p.Video != nil && p.Video.Action == media.Transcode {
		cost += pictureCost(s.picture(), p.Video.Output, asked)
	}
	return cost
}

func pictureCost(from TrackReport, to media.Output, asked media.VideoOptions) Cost {
	fps := min(max(cmp.Or(from.FPS, usualFPS), leastFPS), mostFPS)
	made := cmp.Or(to, media.Output{Width: from.Width, Height: from.Height})
	decoded := float64(from.Width*from.Height) * fps
	encoded := float64(made.Width*made.Height) * min(fps, cmp.Or(asked.FPS, usualFPS))
	return Cost(decodeShare*decoded + encoded)
}

// picture returns the video track of a source, zero when none is known.
func (s *SourceReport) picture() TrackReport {
	if s != nil {
		for _, t := range s.Tracks {
			if t.Type == media.Video.String() {
				return t
			}
		}
	}
	return TrackReport{}
}

// bitrate is that of all tracks of a source, as far as it tells.
func (s *SourceReport) bitrate() (all media.BitsPerSecond) {
	if s != nil {
		for _, t := range s.Tracks {
			all += media.BitsPerSecond(t.BitrateKbps * 1000)
		}
	}
	return all
}

// Capacity is what a machine has for pushes.
type Capacity struct {
	Cores float64 // that the worker may use; 0: nothing is counted
	Speed Cost    // of one core; 0: it is not known, and taken for slow
}

func (c Capacity) speed() Cost { return cmp.Or(c.Speed, slowMachine) }

// limit is how much a worker takes; 0 when nothing is counted.
func (c Capacity) limit() Cost { return Cost(fullShare * c.Cores * float64(c.speed())) }

// larger says whether a push is larger than the whole worker.
func (c Capacity) larger(cost Cost) bool { return c.limit() > 0 && cost > c.limit() }

func (c Capacity) cores(cost Cost) float64 { return float64(cost) / float64(c.speed()) }

// usage is how much of cores a worker has used until a time.
type usage struct {
	at   time.Time
	used time.Duration
}

// since returns how many cores were used on average from another time on.
func (u usage) since(from usage) float64 {
	return max(u.used-from.used, 0).Seconds() / u.at.Sub(from.at).Seconds()
}

// strain is what a worker takes of its machine, and whether it uses up its cores,
// whatever its pushes are counted with: figures of a machine and of sources may be wrong.
type strain struct {
	load         *Load // nil at the begin
	last, before usage // of the last look, and of one strainTime or less before it
	busy         bool
}

// look notes what a worker has used, and says whether that has changed if it is busy.
func (s *strain) look(now usage, cores float64) (changed bool) {
	if !s.last.at.IsZero() {
		s.load = &Load{Cores: now.since(s.last)}
	}
	s.last = now
	if now.at.Sub(s.before.at) < strainTime {
		return false
	}
	was := s.busy
	if !s.before.at.IsZero() && cores > 0 {
		share := now.since(s.before) / cores
		s.busy = share > busyShare || was && share > fullShare
	}
	s.before = now
	return s.busy != was
}

// Place is what a worker has beside a push that it would take.
type Place struct {
	Others int  // that one with IsolationStrikes may not run beside
	Taken  Cost // by all pushes that run or are prepared
	Limit  Cost // 0: there is none
	// Counted says that the push has its place already: it is prepared here, so that
	// other claims have it among theirs.
	Counted bool
}

// fits says whether a push of this cost fits beside what is there. What is larger
// than a whole worker fits where nothing is: else it would wait for ever. Where a larger
// one is there the store gives it that first.
func (p Place) fits(c Cost) bool {
	return p.Counted || p.Limit <= 0 || p.Taken <= 0 || p.Taken+c <= p.Limit
}

// CapacityReport is what a worker tells of its capacity.
type CapacityReport struct {
	Cores float64 `json:"cores"` // that it takes pushes for
	Used  float64 `json:"used"`  // cores that its pushes are counted with; more than Cores where their plans have changed
	Speed Cost    `json:"speed"` // of one core
	Taken Cost    `json:"taken"`
	Limit Cost    `json:"limit"`
	Full  bool    `json:"full,omitempty"` // nothing new is taken: no copy fits, the cores are used up, or kept for what waits
}

// Free is how many cores new pushes may have.
func (r CapacityReport) Free() float64 {
	if r.Full {
		return 0
	}
	return max(r.Cores-r.Used, 0)
}

// Room is how many pushes of a kind would fit, roughly: each figure is for that
// kind alone.
type Room struct{ Copies, At720p, At1080p int }

// Room returns how many pushes fit where so many slots are free.
func (r CapacityReport) Room(slots int) Room {
	if r.Full {
		return Room{}
	}
	fit := func(each Cost) int { return max(min(int((r.Limit-r.Taken)/each), slots), 0) }
	return Room{Copies: fit(LeastCost), At720p: fit(encodedCost(1280, 720)), At1080p: fit(encodedCost(1920, 1080))}
}

// encodedCost is what a push costs that is re-encoded to its own size.
func encodedCost(width, height int) Cost {
	return LeastCost + soundCost + pictureCost(TrackReport{Width: width, Height: height}, media.Output{}, media.VideoOptions{})
}
