package program

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/bitstream"
	"github.com/roomcast/roomcast/media/input"
)

// fasterAsSeen is by how much the first pictures must be faster than what was
// asked for: their times are rounded, and few.
const fasterAsSeen = 1.1

// planTracks decides for each track of a source from its parameters, its first
// packets and what was asked for.
func planTracks(r media.Rules, tracks []media.Track, s input.ProbeResult, o media.Options) media.Plan {
	var p media.Plan
	for _, t := range tracks {
		switch t.Type {
		case media.Video:
			p.Video = decide(cmp.Or(videoProblem(r, t, s), interlacedReason(o, t), videoReason(o, t, s, r)))
			if t.Interlaced && p.Video.Action == media.Copy {
				p.Video.Reason = reasonFields
			}
		case media.Audio:
			p.Audio = decide(cmp.Or(audioProblem(r, t), audioReason(o, t)))
		}
	}
	if p.Audio == nil && p.Video != nil && o.FillAudio {
		p.Audio = &media.TrackPlan{Action: media.Fill, Reason: "the source has no audio: silence"}
	}
	if p.Video == nil && p.Audio != nil && o.FillVideo {
		p.Video = &media.TrackPlan{Action: media.Fill, Reason: "the source has no video: black"}
	}
	return p
}

func decide(problem string) *media.TrackPlan {
	if problem == "" {
		return &media.TrackPlan{Action: media.Copy, Reason: "the room takes it as it is"}
	}
	return &media.TrackPlan{Action: media.Transcode, Reason: problem}
}

// videoProblem says why the room does not take t as it is; empty when it does.
func videoProblem(r media.Rules, t media.Track, s input.ProbeResult) string {
	switch {
	case !slices.Contains(r.Video, t.Codec):
		return fmt.Sprintf("codec %s", t.Codec)
	case s.Reordered && !r.BFrames:
		return reasonBFrames
	case s.Cut:
		return reasonCut
	case t.PixelFormat != "" && !slices.Contains(r.PixelFormats, t.PixelFormat):
		return fmt.Sprintf("pixel format %s", t.PixelFormat)
	case !r.Bounds().Hold(t.Width, t.Height):
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
func audioProblem(r media.Rules, t media.Track) string {
	switch {
	case !slices.Contains(r.Audio, t.Codec):
		return fmt.Sprintf("codec %s", t.Codec)
	case t.Profile != "" && !slices.Contains(r.AudioProfiles, t.Profile):
		return fmt.Sprintf("AAC profile %s", t.Profile)
	case t.Codec == media.AAC && bitstream.HighEfficiency(t.Extradata) && !slices.Contains(r.AudioProfiles, bitstream.ProfileHE):
		return "AAC profile " + bitstream.ProfileHE
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
func interlacedReason(o media.Options, t media.Track) string {
	if !t.Interlaced || o.Transcode == media.TranscodeNever {
		return ""
	}
	return "interlaced"
}

// videoReason says why the request wants t re-encoded, empty when it is what
// was asked for already.
func videoReason(o media.Options, t media.Track, s input.ProbeResult, r media.Rules) string {
	want := videoOutput(r, t, o.Video)
	switch w := o.Video; {
	case o.Transcode == media.TranscodeAlways:
		return reasonAsked
	case (w.Width > 0 || w.Height > 0) && (want.Width != t.Width || want.Height != t.Height):
		return fmt.Sprintf("%s %dx%d", reasonAsked, want.Width, want.Height)
	case w.FPS > 0 && (t.FPS == 0 || t.FPS > w.FPS+0.01 || s.Fps > w.FPS*fasterAsSeen):
		return fmt.Sprintf("%s %g frames a second", reasonAsked, w.FPS)
	case w.Bitrate > 0 && (t.Bitrate == 0 || t.Bitrate > w.Bitrate):
		return fmt.Sprintf("%s %d kb/s", reasonAsked, w.Bitrate/1000)
	}
	return ""
}

// audioReason is videoReason for audio.
func audioReason(o media.Options, t media.Track) string {
	switch w := o.Audio; {
	case o.Transcode == media.TranscodeAlways:
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
func copyable(p media.Plan) error {
	var problems []string
	for name, t := range p.Tracks() {
		if t.Action == media.Transcode {
			problems = append(problems, name+": "+t.Reason)
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return &media.Error{Kind: media.KindSourceUnsupported, Op: "plan", Err: mustRecode(problems, "")}
}

// mustRecode says that a source cannot be copied (any more).
func mustRecode(problems []string, anyMore string) error {
	return media.Sentence("the source cannot be copied" + anyMore + " (" + strings.Join(problems, "; ") +
		"), and transcode: never forbids to re-encode it; leave transcode out, and what is needed is done")
}
