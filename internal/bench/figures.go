package main

import (
	"math"
	"slices"
	"time"
)

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// quantile returns the value below which a part q of all lies; NaN of nothing.
func quantile(all []float64, q float64) float64 {
	if len(all) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// median is that of the values that were measured.
func median(all []float64) float64 {
	return quantile(slices.DeleteFunc(slices.Clone(all), func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }), 0.5)
}

// played is how many seconds of media came, all pushes together.
func played(all []session) (seconds float64) {
	for _, s := range all {
		if low, high, ok := span(s.Arrivals); ok {
			seconds += float64(high-low) / 1e3
		}
	}
	return seconds
}

func span(all []arrival) (low, high uint32, ok bool) {
	for i, a := range all {
		if i == 0 {
			low, high = a.MS, a.MS
		}
		low, high = min(low, a.MS), max(high, a.MS)
	}
	return low, high, len(all) > 0
}

// lateness is how far behind its time each packet came, more than the earliest of its
// push, in ms; and the median of the second of the clock in which it was worst.
func lateness(all []session) (late []float64, worst float64) {
	seconds := map[int64][]float64{}
	for _, s := range all {
		behind := func(a arrival) int64 { return a.At - int64(a.MS)*1e6 }
		earliest := int64(math.MaxInt64)
		for _, a := range s.Arrivals {
			earliest = min(earliest, behind(a))
		}
		for _, a := range s.Arrivals {
			ms := float64(behind(a)-earliest) / 1e6
			late = append(late, ms)
			seconds[a.At/1e9] = append(seconds[a.At/1e9], ms)
		}
	}
	for _, second := range seconds {
		worst = max(worst, median(second))
	}
	return late, worst
}

// ahead is how much more than a second of media each push sent within its first
// second, in ms.
func ahead(all []session) (each []float64) {
	for _, s := range all {
		if len(s.Arrivals) == 0 {
			continue
		}
		begin := s.Arrivals[0].At
		low, high, _ := span(slices.DeleteFunc(slices.Clone(s.Arrivals), func(a arrival) bool { return a.At-begin > 1e9 }))
		each = append(each, math.Max(0, float64(high-low)-1e3))
	}
	return each
}

// gaps is how long each user was away, in s: from the last packet of a session to the
// first of the next one. Who did not come again counts as away for ever.
func gaps(all []session) (each []float64) {
	users := map[string][]session{}
	for _, s := range all {
		if len(s.Arrivals) > 0 {
			users[s.User] = append(users[s.User], s)
		}
	}
	for _, sessions := range users {
		slices.SortFunc(sessions, func(x, y session) int { return int(x.Arrivals[0].At - y.Arrivals[0].At) })
		longest := math.Inf(1)
		for i := 1; i < len(sessions); i++ {
			gone := sessions[i-1].Arrivals
			away := float64(sessions[i].Arrivals[0].At-gone[len(gone)-1].At) / 1e9
			if i == 1 || away > longest {
				longest = away
			}
		}
		each = append(each, longest)
	}
	return each
}
