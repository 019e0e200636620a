package libav

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/asticode/go-astiav"
	"github.com/roomcast/roomcast/media"
)

// choice decides which of a container's streams are played: what was asked for, then
// what is best.
type choice struct {
	container *container
	asked     media.TrackChoice
	bounds    media.Bounds // of the room
}

// best returns the best video and the best audio of streams, nil for none.
func (c choice) best(streams []*astiav.Stream) (video, audio *astiav.Stream, err error) {
	sounds, better := streams, c.betterAudio
	if c.asked.Audio != "" {
		better = firstAudio
		if sounds, err = c.askedAudio(streams); err != nil {
			return nil, nil, err
		}
	}
	ofAudio := c.container.usable(astiav.MediaTypeAudio)
	video = best(streams, c.container.usable(astiav.MediaTypeVideo), c.betterVideo)
	audio = best(c.related(sounds, video), ofAudio, better)
	if audio == nil {
		audio = best(sounds, ofAudio, better)
	}
	return video, audio, nil
}

// onOffer returns the streams that may be chosen: those of the program that was
// asked for, or all.
func (c choice) onOffer() ([]*astiav.Stream, error) {
	number := c.asked.Program
	if number == 0 {
		return c.container.format.Streams(), nil
	}
	var there []string
	for _, p := range c.container.programs() {
		if p.ProgramNumber() == number {
			return p.Streams(), nil
		}
		there = append(there, strconv.Itoa(p.ProgramNumber()))
	}
	if len(there) == 0 {
		return nil, noSuchTrack("the source has no program %d: it has no programs, as only a transport stream (MPEG-TS) has; leave programNumber out", number)
	}
	return nil, noSuchTrack("the source has no program %d: it has %s", number, media.Listed(there))
}

// askedAudio returns those of the streams that are the audio track that was asked
// for: more than one, where a language has several.
func (c choice) askedAudio(streams []*astiav.Stream) ([]*astiav.Stream, error) {
	asked := c.asked.Audio
	sounds := slices.DeleteFunc(slices.Clone(streams), func(st *astiav.Stream) bool { return !isAudio(st) })
	if number, err := strconv.Atoi(asked); err == nil && number >= 0 && number < len(sounds) {
		sounds = sounds[number : number+1]
	} else if found := matching(sounds, asked); len(found) > 0 {
		sounds = found
	} else {
		return nil, noAudio(sounds, "the source has no audio track '%s'", asked)
	}
	return sounds, nil
}

// admits says whether a stream that has not begun is of those that were asked for.
func (c choice) admits(st *astiav.Stream) bool {
	offered, err := c.onOffer()
	if err == nil && isAudio(st) && c.asked.Audio != "" {
		offered, err = c.askedAudio(offered)
	}
	return err == nil && slices.ContainsFunc(offered, func(o *astiav.Stream) bool { return o.Index() == st.Index() })
}

// fits says whether a stream may take the part of another: one that comes later
// is not of another program or language than was asked for. What has no
// language may be the one.
func (c choice) fits(st *astiav.Stream) bool {
	if offered, err := c.onOffer(); err == nil && !slices.ContainsFunc(offered, func(o *astiav.Stream) bool { return o.Index() == st.Index() }) {
		return false
	}
	asked, has := c.asked.Audio, told(st, "language")
	if _, err := strconv.Atoi(asked); err == nil || asked == "" || has == "" || !isAudio(st) {
		return true
	}
	return media.SameLanguage(asked, has) || strings.EqualFold(asked, name(st))
}

// matching returns the sounds in a language, else those of a name.
func matching(sounds []*astiav.Stream, asked string) []*astiav.Stream {
	return media.Those(sounds,
		func(st *astiav.Stream) bool { return media.SameLanguage(asked, told(st, "language")) },
		func(st *astiav.Stream) bool {
			return strings.EqualFold(asked, told(st, "title")) || strings.EqualFold(asked, told(st, "comment"))
		},
	)
}

func noAudio(sounds []*astiav.Stream, format, asked string) error {
	var there []string
	for i, st := range sounds {
		parts := []string{told(st, "language"), string(codecOf(st)), name(st)}
		parts = slices.DeleteFunc(parts, func(part string) bool { return part == "" })
		there = append(there, fmt.Sprintf("%d (%s)", i, strings.Join(parts, ", ")))
	}
	if len(there) == 0 {
		return noSuchTrack(format+": it has no sound at all", asked)
	}
	return noSuchTrack(format+": it has %s", asked, media.Listed(there))
}

func noSuchTrack(format string, args ...any) error {
	return &media.Error{Kind: media.KindSourceNoTrack, Op: opProbe, Err: media.Sentence(fmt.Sprintf(format, args...))}
}

// best returns the first of the streams that are ok and that no other beats.
func best(streams []*astiav.Stream, ok func(*astiav.Stream) bool, better func(a, b *astiav.Stream) int) *astiav.Stream {
	streams = slices.DeleteFunc(slices.Clone(streams), func(s *astiav.Stream) bool { return !ok(s) })
	if len(streams) == 0 {
		return nil
	}
	slices.SortStableFunc(streams, func(a, b *astiav.Stream) int { return better(b, a) })
	return streams[0]
}

// oversize is by how many pixels a picture is too big, 0 when it fits.
func (c choice) oversize(p *astiav.CodecParameters) int {
	if c.bounds.Hold(p.Width(), p.Height()) {
		return 0
	}
	return p.Width() * p.Height()
}

// betterVideo prefers what can be decoded, then the container's default, then
// what fits the room, then pixels, then bit rate.
func (c choice) betterVideo(a, b *astiav.Stream) int {
	p, q := a.CodecParameters(), b.CodecParameters()
	return cmp.Or(
		decodable(a)-decodable(b),
		preferred(a)-preferred(b),
		c.oversize(q)-c.oversize(p),
		p.Width()*p.Height()-q.Width()*q.Height(),
		cmp.Compare(p.BitRate(), q.BitRate()),
	)
}

func (c choice) betterAudio(a, b *astiav.Stream) int {
	return cmp.Or(
		decodable(a)-decodable(b),
		preferred(a)-preferred(b),
		min(c.container.channels(a), 2)-min(c.container.channels(b), 2),
		cmp.Compare(a.CodecParameters().BitRate(), b.CodecParameters().BitRate()),
	)
}

// firstAudio is for the sounds of one language: the first, unless it is made for few.
func firstAudio(a, b *astiav.Stream) int {
	return cmp.Or(decodable(a)-decodable(b), preferred(a)-preferred(b))
}

// decodable is 1 for a stream that there is a decoder for, as there is for all
// that a room takes as it is, else 0.
func decodable(s *astiav.Stream) int {
	if astiav.FindDecoder(s.CodecParameters().CodecID()) == nil {
		return 0
	}
	return 1
}

// preferred ranks a stream by what the container says it is for.
func preferred(s *astiav.Stream) int {
	d, rank := s.DispositionFlags(), 0
	for _, special := range []astiav.DispositionFlag{
		astiav.DispositionFlagHearingImpaired, astiav.DispositionFlagVisualImpaired,
		astiav.DispositionFlagComment, astiav.DispositionFlagDependent,
	} {
		if d.Has(special) {
			rank -= 2
		}
	}
	if d.Has(astiav.DispositionFlagDefault) {
		rank++
	}
	return rank
}

// related returns those of the streams that are in a program with video.
func (c choice) related(streams []*astiav.Stream, video *astiav.Stream) []*astiav.Stream {
	if video == nil {
		return streams
	}
	beside := map[int]bool{}
	for _, p := range c.container.format.Programs() {
		members := p.Streams()
		if slices.ContainsFunc(members, func(m *astiav.Stream) bool { return m.Index() == video.Index() }) {
			for _, m := range members {
				beside[m.Index()] = true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(streams), func(st *astiav.Stream) bool { return !beside[st.Index()] })
}

// mostTold is of how many of a source's streams is told.
const mostTold = 64

// describe says of all streams what is made of them; chosen has those that are played.
func (c choice) describe(chosen map[int]int) (all []media.Stream) {
	program := map[int]int{}
	for _, p := range c.container.programs() {
		for _, st := range p.Streams() {
			program[st.Index()] = cmp.Or(program[st.Index()], p.ProgramNumber())
		}
	}
	sounds := map[int]int{}
	offered, err := c.onOffer()
	if err != nil { // the program has gone
		offered = nil
	}
	for _, st := range offered {
		if isAudio(st) {
			sounds[st.Index()] = len(sounds)
		}
	}
	streams := c.container.format.Streams()
	for _, st := range streams[:min(len(streams), mostTold)] {
		t := media.Stream{
			Type: typeOf(st), Codec: codecOf(st), Language: told(st, "language"), Title: name(st),
			Default: st.DispositionFlags().Has(astiav.DispositionFlagDefault), Program: program[st.Index()], AudioTrack: -1,
		}
		if isAudio(st) {
			t.Channels = c.container.channels(st)
		}
		if number, ok := sounds[st.Index()]; ok {
			t.AudioTrack = number
		}
		if _, t.Chosen = chosen[st.Index()]; !t.Chosen {
			t.LeftOut = c.container.leftOut(st)
			t.NoDecoder = t.LeftOut == leftUnreadable && t.Codec != "none" && decoderOf(t.Codec) == nil
		}
		all = append(all, t)
	}
	return all
}

func typeOf(st *astiav.Stream) string {
	switch kind := st.CodecParameters().MediaType(); kind {
	case astiav.MediaTypeVideo, astiav.MediaTypeAudio, astiav.MediaTypeSubtitle:
		return kind.String()
	default:
		return "data"
	}
}

func isAudio(st *astiav.Stream) bool {
	return st.CodecParameters().MediaType() == astiav.MediaTypeAudio
}

func codecOf(st *astiav.Stream) media.Codec {
	return media.Codec(st.CodecParameters().CodecID().Name())
}

// name is what a stream is called.
func name(st *astiav.Stream) string { return cmp.Or(told(st, "title"), told(st, "comment")) }

// told returns what a stream's metadata say under a key, cleaned.
func told(st *astiav.Stream, key string) string {
	m := st.Metadata()
	if m == nil {
		return ""
	}
	entry := m.Get(key, nil, 0)
	if entry == nil {
		return ""
	}
	return media.Clean(entry.Value())
}
