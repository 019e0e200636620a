package media

// Action is what is done with a track.
type Action string

// The actions. Fill is a track the source does not have and we make.
const (
	Copy      Action = "copy"
	Transcode Action = "transcode"
	Drop      Action = "drop"
	Fill      Action = "fill"
)

// TrackPlan is the decision for one track and, in words a person understands,
// why.
type TrackPlan struct {
	Action Action `json:"action"`
	Reason string `json:"reason"`
}

// Plan is the decision for a source; a nil track means the source has none.
type Plan struct {
	Video *TrackPlan `json:"video,omitempty"`
	Audio *TrackPlan `json:"audio,omitempty"`
}
