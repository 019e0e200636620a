package host

import (
	"slices"

	"github.com/roomcast/roomcast/media"
)

// What a host may say a source is.
const (
	mostStreams = 512
	mostPixels  = 1 << 16 // of a side
	mostRate    = 1 << 20 // hertz
	mostVoices  = 1 << 10 // channels
	mostName    = 64      // letters of a name of libav's
)

// sound says whether i can be of a source.
func sound(i media.SourceInfo) bool {
	if len(i.Tracks) > mostTracks || len(i.Streams) > mostStreams || i.Duration < 0 || len(i.Tracks) == 2 && i.Tracks[0].Type == i.Tracks[1].Type {
		return false
	}
	for _, t := range i.Tracks {
		if !soundTrack(t) {
			return false
		}
	}
	for _, s := range i.Streams {
		if !soundStream(s) {
			return false
		}
	}
	return len(i.Container) <= mostName && (len(i.Tracks) > 0 || !i.Still)
}

func soundStream(s media.Stream) bool { return named(s.Type, string(s.Codec), s.LeftOut) }

func named(names ...string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return len(name) > mostName })
}

func soundTrack(t media.Track) bool {
	within := func(n, most int) bool { return n >= 0 && n <= most }
	return known(t.Type) && within(t.Width, mostPixels) && within(t.Height, mostPixels) && within(t.SampleRate, mostRate) &&
		within(t.Channels, mostVoices) && t.FPS >= 0 && named(string(t.Codec), t.Profile, t.PixelFormat)
}
