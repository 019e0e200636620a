package tasks

import "github.com/roomcast/roomcast/media"

// CoverageReport is what the room's tracks were made of, over all attempts of a
// push, in milliseconds of media.
type CoverageReport struct {
	Video *TrackCoverage `json:"video,omitempty"`
	Audio *TrackCoverage `json:"audio,omitempty"`
}

// TrackCoverage is of one track: taken from the source, its last picture held,
// filled with silence or black, or lost.
type TrackCoverage struct {
	TakenMs  int64 `json:"takenMs"`
	HeldMs   int64 `json:"heldMs"`
	FilledMs int64 `json:"filledMs"`
	LostMs   int64 `json:"lostMs"`
}

// CoverageOf returns p's, nil while there is none.
func CoverageOf(p media.Progress) *CoverageReport {
	r := CoverageReport{Video: trackCoverage(p.Coverage[media.Video]), Audio: trackCoverage(p.Coverage[media.Audio])}
	if r.Video == nil && r.Audio == nil {
		return nil
	}
	return &r
}

func trackCoverage(c media.Coverage) *TrackCoverage {
	r := TrackCoverage{c.Taken.Milliseconds(), c.Held.Milliseconds(), c.Filled.Milliseconds(), c.Lost.Milliseconds()}
	if r == (TrackCoverage{}) {
		return nil
	}
	return &r
}
