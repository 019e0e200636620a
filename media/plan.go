package media

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
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
	for name, t := range p.tracks() {
		part := name + " " + string(t.Action)
		if t.Action != Copy {
			part += " (" + t.Reason + ")"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

// tracks yields the tracks there are, with their names.
func (p Plan) tracks() iter.Seq2[string, *TrackPlan] {
	return func(yield func(string, *TrackPlan) bool) {
		if p.Video != nil && !yield("video", p.Video) {
			return
		}
		if p.Audio != nil {
			yield("audio", p.Audio)
		}
	}
}

// of returns the plan of a type's track, nil when there is none.
func (p Plan) of(m MediaType) *TrackPlan {
	if m == Video {
		return p.Video
	}
	return p.Audio
}

// with returns the plan with another decision for a type's track, of which the
// room was told what it was.
func (p Plan) with(m MediaType, t TrackPlan) Plan {
	t.Output = p.output(m)
	if m == Video {
		p.Video = &t
	} else {
		p.Audio = &t
	}
	return p
}

// seen is what the first packets of a source showed; codec parameters alone
// mislead about reordering.
type seen struct {
	pictures  int
	reordered bool    // PTS do not rise in the order of DTS: B-frames
	cut       bool    // the container leaves out pictures that others are made of
	stands    bool    // a picture is shown for longer than one may stand
	fps       float64 // by their DTS; 0: not known
	ended     bool    // there is nothing else
}

// fasterAsSeen is by how much the first pictures must be faster than what was
// asked for: their times are rounded, and few.
const fasterAsSeen = 1.1

// leftOutShown is how much may be shown, by copy, of what the container leaves out.
const leftOutShown = 100 * time.Millisecond

// cutWatch looks for pictures that the container leaves out.
type cutWatch struct {
	shown  bool          // there was one that is not left out
	before time.Duration // how much of the others came one after the other
}

// cut says whether p is one of more than may be shown: in the middle, of any.
func (w *cutWatch) cut(p Packet) bool {
	if !p.Discard {
		w.before, w.shown = 0, true
		return false
	}
	over := w.shown || w.before > leftOutShown
	w.before += p.Duration
	return over
}

// plan decides for each track of a source from its parameters, its first
// packets and what was asked for.
func (r Rules) plan(tracks []Track, s seen, o Options) Plan {
	var p Plan
	for _, t := range tracks {
		switch t.Type {
		case Video:
			p.Video = decide(cmp.Or(r.videoProblem(t, s), o.interlacedReason(t), o.videoReason(t, s, r)))
			if t.Interlaced && p.Video.Action == Copy {
				p.Video.Reason = reasonFields
			}
		case Audio:
			p.Audio = decide(cmp.Or(r.audioProblem(t), o.audioReason(t)))
		}
	}
	if p.Audio == nil && p.Video != nil && o.FillAudio {
		p.Audio = &TrackPlan{Action: Fill, Reason: "the source has no audio: silence"}
	}
	if p.Video == nil && p.Audio != nil && o.FillVideo {
		p.Video = &TrackPlan{Action: Fill, Reason: "the source has no video: black"}
	}
	return p
}

func decide(problem string) *TrackPlan {
	if problem == "" {
		return &TrackPlan{Action: Copy, Reason: "the room takes it as it is"}
	}
	return &TrackPlan{Action: Transcode, Reason: problem}
}

// videoProblem says why the room does not take t as it is; empty when it does.
func (r Rules) videoProblem(t Track, s seen) string {
	long, short := max(t.Width, t.Height), min(t.Width, t.Height)
	switch {
	case !slices.Contains(r.Video, t.Codec):
		return fmt.Sprintf("codec %s", t.Codec)
	case s.reordered && !r.BFrames:
		return reasonBFrames
	case s.cut:
		return reasonCut
	case t.PixelFormat != "" && !slices.Contains(r.PixelFormats, t.PixelFormat):
		return fmt.Sprintf("pixel format %s", t.PixelFormat)
	case r.MaxWidth > 0 && long > r.MaxWidth, r.MaxHeight > 0 && short > r.MaxHeight:
		return fmt.Sprintf("size %dx%d", t.Width, t.Height)
	case t.HDR:
		return "HDR"
	case t.Pixels.Aspect() != 1: // a room's players take every pixel for square
		return fmt.Sprintf("pixels of %s", t.Pixels)
	case t.Mirrored:
		return "mirrored"
	case t.Rotation != 0:
		return fmt.Sprintf("rotated by %d degrees", t.Rotation)
	}
	return ""
}

const (
	reasonBFrames = "B-frames"
	reasonFields  = "it is interlaced, and not to be re-encoded: players may show both fields at once"
	reasonCut     = "the edit list cuts into a group of pictures"
)

// audioProblem says why the room does not take t as it is; empty when it does.
func (r Rules) audioProblem(t Track) string {
	switch {
	case !slices.Contains(r.Audio, t.Codec):
		return fmt.Sprintf("codec %s", t.Codec)
	case t.Profile != "" && !slices.Contains(r.AudioProfiles, t.Profile):
		return fmt.Sprintf("AAC profile %s", t.Profile)
	case t.Codec == AAC && highEfficiency(t.Extradata) && !slices.Contains(r.AudioProfiles, profileHE):
		return "AAC profile " + profileHE
	case r.MaxChannels > 0 && t.Channels > r.MaxChannels:
		return fmt.Sprintf("%d channels", t.Channels)
	case r.MaxSampleRate > 0 && t.SampleRate > r.MaxSampleRate:
		return fmt.Sprintf("%d Hz", t.SampleRate)
	}
	return ""
}

// reasonAsked is why a track is re-encoded that need not be.
const reasonAsked = "asked for"

// interlacedReason says why t is re-encoded though a room takes it: its players
// would show both fields at once. Where nothing may be re-encoded they do.
func (o Options) interlacedReason(t Track) string {
	if !t.Interlaced || o.Transcode == TranscodeNever {
		return ""
	}
	return "interlaced"
}

// videoReason says why the request wants t re-encoded, empty when it is what
// was asked for already.
func (o Options) videoReason(t Track, s seen, r Rules) string {
	want := r.videoOutput(t, o.Video)
	switch w := o.Video; {
	case o.Transcode == TranscodeAlways:
		return reasonAsked
	case (w.Width > 0 || w.Height > 0) && (want.Width != t.Width || want.Height != t.Height):
		return fmt.Sprintf("%s %dx%d", reasonAsked, want.Width, want.Height)
	case w.FPS > 0 && (t.FPS == 0 || t.FPS > w.FPS+0.01 || s.fps > w.FPS*fasterAsSeen):
		return fmt.Sprintf("%s %g frames a second", reasonAsked, w.FPS)
	case w.Bitrate > 0 && (t.Bitrate == 0 || t.Bitrate > w.Bitrate):
		return fmt.Sprintf("%s %d kb/s", reasonAsked, w.Bitrate/1000)
	}
	return ""
}

// audioReason is videoReason for audio.
func (o Options) audioReason(t Track) string {
	switch w := o.Audio; {
	case o.Transcode == TranscodeAlways:
		return reasonAsked
	case w.Percent() != 100:
		return fmt.Sprintf("volume %d %%", w.Percent())
	case w.Bitrate > 0 && (t.Bitrate == 0 || t.Bitrate > w.Bitrate):
		return fmt.Sprintf("%s %d kb/s", reasonAsked, w.Bitrate/1000)
	}
	return ""
}

// copyable returns an *Error that names every track that would have to be
// re-encoded, or nil.
func (p Plan) copyable() error {
	var problems []string
	for name, t := range p.tracks() {
		if t.Action == Transcode {
			problems = append(problems, name+": "+t.Reason)
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return &Error{Kind: KindSourceUnsupported, Op: "plan", Err: mustRecode(problems, "")}
}

// mustRecode says that a source cannot be copied (any more).
func mustRecode(problems []string, anyMore string) error {
	return Sentence("the source cannot be copied" + anyMore + " (" + strings.Join(problems, "; ") +
		"), and transcode: never forbids to re-encode it; leave transcode out, and what is needed is done")
}
