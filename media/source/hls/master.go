package hls

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/roomcast/roomcast/media"
)

// variant is one #EXT-X-STREAM-INF of a master playlist with its address.
type variant struct {
	uri           string
	width, height int // 0 when it does not say
	bandwidth     int
	h264          bool // as far as it says
	sound         bool // it has no picture, as it says
	audio         string
}

// rendition is one #EXT-X-MEDIA of a variant's sound.
type rendition struct {
	group, name, language, uri string
	isDefault, forFew          bool
	channels                   int
}

// master is a playlist of playlists.
type master struct {
	variants   []variant
	renditions []rendition
	is         bool   // it names a variant
	info       string // of the variant whose address is to come
	awaited    bool   // it is
}

// take reads a line.
func (m *master) take(line string) {
	tag, value := tagOf(line)
	switch {
	case tag == tagVariant:
		m.info, m.awaited, m.is = value, true, true
	case tag == tagRendition && attribute(value, "TYPE") == "AUDIO" && len(m.renditions) < mostVariants:
		m.renditions = append(m.renditions, newRendition(value))
	case m.awaited && line[0] != '#':
		m.awaited = false
		if len(m.variants) < mostVariants {
			m.variants = append(m.variants, newVariant(m.info, line))
		}
	}
}

// sort puts the variants first that are best for a room that takes pictures within bounds.
func (m *master) sort(bounds media.Bounds) {
	slices.SortStableFunc(m.variants, func(a, b variant) int { return better(b, a, bounds) })
}

func newVariant(info, uri string) variant {
	v := variant{uri: uri, audio: attribute(info, "AUDIO")}
	v.bandwidth, _ = strconv.Atoi(attribute(info, "BANDWIDTH"))
	if w, h, ok := strings.Cut(attribute(info, "RESOLUTION"), "x"); ok {
		v.width, _ = strconv.Atoi(w)
		v.height, _ = strconv.Atoi(h)
	}
	if v.width <= 0 || v.height <= 0 {
		v.width, v.height = 0, 0
	}
	codecs := strings.ToLower(attribute(info, "CODECS"))
	v.h264 = codecs == "" || strings.Contains(codecs, "avc")
	v.sound = codecs != "" && v.width == 0 && !slices.ContainsFunc([]string{"avc", "hvc", "hev", "vp0", "vp8", "vp9", "av01", "dvh", "mp4v"},
		func(picture string) bool { return strings.Contains(codecs, picture) })
	return v
}

func newRendition(info string) rendition {
	r := rendition{
		group: attribute(info, "GROUP-ID"), name: attribute(info, "NAME"), language: attribute(info, "LANGUAGE"), uri: attribute(info, "URI"),
		isDefault: attribute(info, "DEFAULT") == "YES",
		forFew:    strings.Contains(attribute(info, "CHARACTERISTICS"), "public.accessibility"),
	}
	r.channels = int(number(attribute(info, "CHANNELS")))
	return r
}

// fit is 1 for what the room takes, 0 for what does not say, -1 for what is too big.
func fit(width, height int, bounds media.Bounds) int {
	switch {
	case width == 0:
		return 0
	case bounds.Hold(width, height):
		return 1
	}
	return -1
}

// better prefers a picture, then what fits, then what is bigger; of those that do not
// fit the smallest. Of the same size it prefers what the room takes as it is.
func better(a, b variant, bounds media.Bounds) int {
	if a.sound != b.sound {
		return order(b.sound, a.sound)
	}
	fits := fit(a.width, a.height, bounds)
	pixels := cmp.Compare(a.width*a.height, b.width*b.height)
	if fits < 0 {
		pixels = -pixels
	}
	return cmp.Or(fits-fit(b.width, b.height, bounds), pixels, order(a.h264, b.h264), cmp.Compare(a.bandwidth, b.bandwidth))
}

func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// sounds are the renditions that go with a variant.
func (m *master) sounds(v variant) []rendition {
	return slices.DeleteFunc(slices.Clone(m.renditions), func(r rendition) bool { return v.audio == "" || r.group != v.audio })
}

// chooseSound returns the number of the sound that is asked for by its own number, its
// language or its name; empty asks for the best.
func chooseSound(sounds []rendition, asked string) (int, error) {
	among := make([]int, len(sounds))
	for i := range among {
		among[i] = i
	}
	if asked != "" {
		if among = matching(sounds, among, asked); len(among) == 0 {
			return 0, noSuchSound(sounds, asked)
		}
	}
	return slices.MaxFunc(among, func(i, j int) int {
		a, b := sounds[i], sounds[j]
		return cmp.Or(order(b.forFew, a.forFew), order(a.isDefault, b.isDefault), cmp.Compare(j, i))
	}), nil
}

func matching(sounds []rendition, among []int, asked string) []int {
	if n, err := strconv.Atoi(asked); err == nil && n >= 0 && n < len(sounds) {
		return []int{n}
	}
	return media.Those(among,
		func(i int) bool { return media.SameLanguage(asked, sounds[i].language) },
		func(i int) bool { return strings.EqualFold(asked, sounds[i].name) },
	)
}

func noSuchSound(sounds []rendition, asked string) error {
	var there []string
	for i, r := range sounds {
		parts := slices.DeleteFunc([]string{media.Clean(r.language), media.Clean(r.name)}, func(part string) bool { return part == "" })
		there = append(there, fmt.Sprintf("%d (%s)", i, strings.Join(parts, ", ")))
	}
	return &media.Error{Kind: media.KindSourceNoTrack, Op: opOpen, Err: media.Sentence(
		fmt.Sprintf("the source has no audio track '%s': it has %s", asked, media.Listed(there)))}
}
