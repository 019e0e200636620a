package tasks

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/roomcast/roomcast/media"
)

// PushOptions is the part of a request beyond source and room, decoded and not yet
// checked. What is nil, empty or false was not asked for.
type PushOptions struct {
	StartAtMs, EndAtMs         *int64
	Repeat                     *int64
	MaxDurationSec, MaxIdleSec *int64
	Transcode                  string
	Width, Height              *int64
	FPS                        *float64
	VideoKbps, AudioKbps       *int64
	Volume                     *int64
	Mute                       bool
	FillAudio                  *bool
	FillVideo                  bool
	AudioTrack                 string // a number or a language
	ProgramNumber              *int64
	AudioDelayMs               *int64
	Headers                    map[string]media.Secret // for the source's server
	HeadersFor                 string                  `json:",omitempty"` // origin or all
}

// The limits of options.
const (
	maxRepeat     = 1000
	maxIdleSec    = 3600
	maxSpan       = 366 * 24 * time.Hour // of every length of time: what is longer is a mistake
	minSize       = 16
	maxFPS        = 60
	maxVolume     = 200
	maxAudioTrack = 64        // runes, of what names an audio track
	maxProgram    = 1<<16 - 1 // ISO 13818-1, 2.4.4.5; 0 is no program
	maxAudioDelay = 5000      // milliseconds: what is further apart is more than a fault of lip sync
	maxHeaders    = 32
	maxHeaderSize = 8 << 10 // names and values together; servers take no more
)

// Where the headers of a request go: to the source's own origin, or those of
// media.ForAll to every host of the source.
const (
	headersForOrigin = "origin"
	headersForAll    = "all"
)

// checkOptions checks what r asks beyond source and room, and fills in spec.
func (s *Service) checkOptions(c *checker, r Request, spec *Spec) {
	o := &spec.Options
	c.checkPart(r.Options, o, spec.Mode)
	s.checkTimes(c, r.Options, spec)
	c.checkVideo(r.Options, &o.Video, s.Door.Rules())
	c.checkAudio(r.Options, &o.Audio)
	c.checkChoice(r.Options, o)
	c.checkTranscode(r.Options, o)
	c.checkHeaders(r, spec)
	o.FillAudio = r.Options.FillAudio == nil || *r.Options.FillAudio
	o.FillVideo = r.Options.FillVideo
}

// checkPart checks which part of the source is played, and how often.
func (c *checker) checkPart(asked PushOptions, o *media.Options, mode media.SourceMode) {
	o.StartAt = time.Duration(c.whole("startAtMs", asked.StartAtMs, 0, maxSpan.Milliseconds())) * time.Millisecond
	o.EndAt = time.Duration(c.whole("endAtMs", asked.EndAtMs, 1, maxSpan.Milliseconds())) * time.Millisecond
	c.refuseIf(o.EndAt > 0 && o.EndAt <= o.StartAt, "endAtMs", "must be greater than startAtMs")
	if asked.Repeat != nil && *asked.Repeat != media.RepeatForever && (*asked.Repeat < 1 || *asked.Repeat > maxRepeat) {
		c.add("repeat", fmt.Sprintf("must be from 1 to %d, or -1 for ever", maxRepeat))
	} else if asked.Repeat != nil {
		o.Repeat = int(*asked.Repeat)
	}
	if mode != media.ModeLive {
		return
	}
	c.refuseIf(o.StartAt > 0, "startAtMs", "cannot be asked of a live source")
	c.refuseIf(o.EndAt > 0, "endAtMs", "cannot be asked of a live source")
	c.refuseIf(!o.PlaysOnce(), "repeat", "cannot be asked of a live source")
}

func (c *checker) refuseIf(wrong bool, field, detail string) {
	if wrong {
		c.add(field, detail)
	}
}

// checkTimes checks how long a push may last and its source be away.
func (s *Service) checkTimes(c *checker, asked PushOptions, spec *Spec) {
	longest := time.Duration(c.whole("maxDurationSec", asked.MaxDurationSec, 1, int64(maxSpan/time.Second))) * time.Second
	c.refuseIf(s.MaxDuration > 0 && longest > s.MaxDuration, "maxDurationSec",
		fmt.Sprintf("is more than the %d seconds that the operator allows", int64(s.MaxDuration/time.Second)))
	spec.Options.MaxDuration = cmp.Or(longest, s.MaxDuration)
	spec.MaxIdle = time.Duration(c.whole("maxIdleSec", asked.MaxIdleSec, 1, maxIdleSec)) * time.Second
	c.refuseIf(spec.MaxIdle > 0 && spec.Mode == media.ModeVOD, "maxIdleSec", "is about live sources; leave it out with mode vod")
}

func (c *checker) checkVideo(asked PushOptions, v *media.VideoOptions, rules media.Rules) {
	v.Width = c.size("width", asked.Width, rules.MaxWidth)
	v.Height = c.size("height", asked.Height, rules.MaxWidth)
	c.refuseIf(min(v.Width, v.Height) > rules.MaxHeight, "height", fmt.Sprintf("and width: the shorter must be at most %d", rules.MaxHeight))
	if asked.FPS != nil {
		inside := *asked.FPS >= 1 && *asked.FPS <= maxFPS // false for NaN, too
		c.refuseIf(!inside, "fps", fmt.Sprintf("must be from 1 to %d", maxFPS))
		v.FPS = *asked.FPS
	}
	v.Bitrate = media.BitsPerSecond(c.whole("videoKbps", asked.VideoKbps, 64, 20000)) * 1000
}

func (c *checker) checkAudio(asked PushOptions, a *media.AudioOptions) {
	a.Bitrate = media.BitsPerSecond(c.whole("audioKbps", asked.AudioKbps, 16, 320)) * 1000
	if asked.Volume != nil && *asked.Volume != 100 {
		a.Volume, a.VolumeSet = int(c.whole("volume", asked.Volume, 0, maxVolume)), true
	}
	a.Mute = asked.Mute
}

// checkChoice checks which tracks are asked for, and how they are to stand
// against each other.
func (c *checker) checkChoice(asked PushOptions, o *media.Options) {
	track := strings.TrimSpace(asked.AudioTrack)
	wrong := utf8.RuneCountInString(track) > maxAudioTrack || strings.ContainsFunc(track, func(r rune) bool { return !unicode.IsPrint(r) })
	c.refuseIf(wrong, "audioTrack", fmt.Sprintf("must be a number, counted from 0, or a language such as de, of at most %d characters", maxAudioTrack))
	o.Choice.Audio = track
	o.Choice.Program = int(c.whole("programNumber", asked.ProgramNumber, 1, maxProgram))
	o.AudioDelay = time.Duration(c.whole("audioDelayMs", asked.AudioDelayMs, -maxAudioDelay, maxAudioDelay)) * time.Millisecond
}

func (c *checker) checkTranscode(asked PushOptions, o *media.Options) {
	o.Transcode = media.TranscodeMode(asked.Transcode)
	switch o.Transcode {
	case "":
		o.Transcode = media.TranscodeAuto
	case media.TranscodeAuto, media.TranscodeAlways:
	case media.TranscodeNever:
		if o.Video != (media.VideoOptions{}) || o.Audio != (media.AudioOptions{}) {
			c.add("transcode", "cannot be never with width, height, fps, videoKbps, audioKbps, volume or mute: they need re-encoding")
		}
	default:
		c.add("transcode", "must be auto, never or always")
	}
}

// whole returns a number, 0 when it was not given or is outside of its limits.
func (c *checker) whole(field string, n *int64, least, most int64) int64 {
	if n == nil {
		return 0
	}
	if *n < least || *n > most {
		c.add(field, fmt.Sprintf("must be a whole number from %d to %d", least, most))
		return 0
	}
	return *n
}

// size is whole for a side of a picture: 4:2:0 halves it, so it is even.
func (c *checker) size(field string, n *int64, most int) int {
	size := c.whole(field, n, minSize, int64(most))
	c.refuseIf(size%2 != 0, field, "must be even")
	return int(size)
}

// checkHeaders checks the headers for the source's server. What it finds names
// them, and shows no value.
func (c *checker) checkHeaders(r Request, spec *Spec) {
	headers := r.Options.Headers
	switch r.Options.HeadersFor {
	case "", headersForOrigin:
	case headersForAll:
		spec.HeadersForAll = true
		c.refuseIf(len(headers) == 0, "headersFor", "says where headers go, and there are none")
	default:
		c.add("headersFor", "must be origin or all")
	}
	if len(headers) == 0 {
		return
	}
	scheme, _, _ := strings.Cut(spec.VideoSrc, ":") // url.URL's String has it in lower case
	c.refuseIf(spec.VideoSrc != "" && scheme != "http" && scheme != "https", "headers", "are sent over http and https only")
	c.refuseIf(len(headers) > maxHeaders, "headers", fmt.Sprintf("has more than %d entries", maxHeaders))
	names, size, seen := slices.Sorted(maps.Keys(headers)), 0, map[string]bool{}
	for _, name := range names {
		size += len(name) + len(headers[name])
		lower := strings.ToLower(name)
		err := media.CheckHeader(name, headers[name])
		switch {
		case errors.Is(err, media.ErrHeaderName): // which may be a whole line, value and all
			c.add("headers", "has an entry that "+err.Error())
		case err != nil:
			c.add("headers", fmt.Sprintf("%.64q %s", name, err))
		case seen[lower]:
			c.add("headers", fmt.Sprintf("%.64q is given twice; names differ in more than case", name))
		}
		seen[lower] = true
	}
	c.refuseIf(size > maxHeaderSize, "headers", fmt.Sprintf("is longer than %d bytes", maxHeaderSize))
	spec.HeaderNames = names
}
