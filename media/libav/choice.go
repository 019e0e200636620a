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

// mostTold is of how many of a source's streams is told.
const mostTold = 64

// onOffer returns the streams that may be chosen: those of the program that was
// asked for, or all.
func (s *Source) onOffer() ([]*astiav.Stream, error) {
	number := s.request.Choice.Program
	if number == 0 {
		return s.format.Streams(), nil
	}
	var there []string
	for _, p := range s.programs() {
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

// programs returns a transport stream's programs.
func (s *Source) programs() []*astiav.Program {
	if s.info.Container != "mpegts" {
		return nil
	}
	return s.format.Programs()
}

// askedAudio returns those of the streams that are the audio track that was asked
// for: more than one, where a language has several.
func (s *Source) askedAudio(streams []*astiav.Stream) ([]*astiav.Stream, error) {
	asked := s.request.Choice.Audio
	sounds := slices.DeleteFunc(slices.Clone(streams), func(st *astiav.Stream) bool { return !isAudio(st) })
	if number, err := strconv.Atoi(asked); err == nil && number >= 0 && number < len(sounds) {
		sounds = sounds[number : number+1]
	} else if found := matching(sounds, asked); len(found) > 0 {
		sounds = found
	} else {
		return nil, s.noAudio(sounds, "the source has no audio track '%s'", asked)
	}
	return sounds, nil
}

// asked says whether a stream that has not begun is of those that were asked for.
func (s *Source) asked(st *astiav.Stream) bool {
	offered, err := s.onOffer()
	if err == nil && isAudio(st) && s.request.Choice.Audio != "" {
		offered, err = s.askedAudio(offered)
	}
	return err == nil && slices.ContainsFunc(offered, func(o *astiav.Stream) bool { return o.Index() == st.Index() })
}

// fits says whether a stream may take the part of another: one that comes later
// is not of another program or language than was asked for. What has no
// language may be the one.
func (s *Source) fits(st *astiav.Stream) bool {
	if offered, err := s.onOffer(); err == nil && !slices.ContainsFunc(offered, func(o *astiav.Stream) bool { return o.Index() == st.Index() }) {
		return false
	}
	asked, has := s.request.Choice.Audio, told(st, "language")
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

func (s *Source) noAudio(sounds []*astiav.Stream, format, asked string) error {
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

// tell fills in what Info says of all streams.
func (s *Source) tell() {
	s.info.Streams = nil
	program := map[int]int{}
	for _, p := range s.programs() {
		for _, st := range p.Streams() {
			program[st.Index()] = cmp.Or(program[st.Index()], p.ProgramNumber())
		}
	}
	sounds := map[int]int{}
	offered, err := s.onOffer()
	if err != nil { // the program has gone
		offered = nil
	}
	for _, st := range offered {
		if isAudio(st) {
			sounds[st.Index()] = len(sounds)
		}
	}
	streams := s.format.Streams()
	for _, st := range streams[:min(len(streams), mostTold)] {
		t := media.Stream{
			Type: typeOf(st), Codec: codecOf(st), Language: told(st, "language"), Title: name(st),
			Default: st.DispositionFlags().Has(astiav.DispositionFlagDefault), Program: program[st.Index()], AudioTrack: -1,
		}
		if isAudio(st) {
			t.Channels = s.channels(st)
		}
		if number, ok := sounds[st.Index()]; ok {
			t.AudioTrack = number
		}
		if _, t.Chosen = s.tracks[st.Index()]; !t.Chosen {
			t.LeftOut = s.leftOut(st)
			t.NoDecoder = t.LeftOut == leftUnreadable && t.Codec != "none" && decoderOf(t.Codec) == nil
		}
		s.info.Streams = append(s.info.Streams, t)
	}
}

const leftUnreadable = "unreadable"

func (s *Source) leftOut(st *astiav.Stream) string {
	d := st.DispositionFlags()
	switch kind := st.CodecParameters().MediaType(); {
	case kind != astiav.MediaTypeVideo && kind != astiav.MediaTypeAudio:
		return typeOf(st)
	case d.Has(astiav.DispositionFlagAttachedPic) || d.Has(astiav.DispositionFlagTimedThumbnails):
		return "cover"
	case !s.usable(kind)(st):
		return leftUnreadable
	}
	return "not chosen"
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
