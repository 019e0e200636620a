package media

import (
	"iter"
	"strings"
)

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
	// Output is what the room was told of the track, zero when nothing yet.
	Output Output `json:"output,omitzero"`
}

// Plan is the decision for a push; a nil track means the room gets none.
type Plan struct {
	Video *TrackPlan `json:"video,omitempty"`
	Audio *TrackPlan `json:"audio,omitempty"`
}

// String is the plan for a log: "video copy, audio transcode (codec opus)".
func (p Plan) String() string {
	var parts []string
	for name, t := range p.Tracks() {
		part := name + " " + string(t.Action)
		if t.Action != Copy {
			part += " (" + t.Reason + ")"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

// Tracks yields the tracks there are, with their names.
func (p Plan) Tracks() iter.Seq2[string, *TrackPlan] {
	return func(yield func(string, *TrackPlan) bool) {
		if p.Video != nil && !yield("video", p.Video) {
			return
		}
		if p.Audio != nil {
			yield("audio", p.Audio)
		}
	}
}

// Of returns the plan of a type's track, nil when there is none.
func (p Plan) Of(m MediaType) *TrackPlan {
	if m == Video {
		return p.Video
	}
	return p.Audio
}

// With returns the plan with another decision for a type's track, of which the
// room was told what it was.
func (p Plan) With(m MediaType, t TrackPlan) Plan {
	t.Output = p.Output(m)
	if m == Video {
		p.Video = &t
	} else {
		p.Audio = &t
	}
	return p
}

// Output is what a room is told of a track. It is the same for a whole push,
// over all its attempts and whatever its source becomes: players are set up
// with it.
type Output struct {
	Width      int `json:"width,omitempty"` // pixels, video only
	Height     int `json:"height,omitempty"`
	SampleRate int `json:"sampleRate,omitempty"` // hertz, audio only
	Channels   int `json:"channels,omitempty"`   // audio only; 0 when not known
}

// Output returns what the room was told of a type's track.
func (p Plan) Output(m MediaType) Output {
	if t := p.Of(m); t != nil {
		return t.Output
	}
	return Output{}
}
