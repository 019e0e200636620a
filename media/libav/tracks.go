package libav

// #include "demux.h"
import "C"

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/asticode/go-astiav"
	"github.com/roomcast/roomcast/media"
)

// choose picks the best video and the best audio, makes all others cost
// nothing and fills in Info's tracks.
func (s *Source) choose() error {
	streams, err := s.onOffer()
	if err != nil {
		return err
	}
	sounds, better := streams, s.betterAudio
	if s.request.Choice.Audio != "" {
		better = firstAudio
		if sounds, err = s.askedAudio(streams); err != nil {
			return err
		}
	}
	video := best(streams, s.usable(astiav.MediaTypeVideo), betterVideo)
	audio := best(s.related(sounds, video), s.usable(astiav.MediaTypeAudio), better)
	if audio == nil {
		audio = best(sounds, s.usable(astiav.MediaTypeAudio), better)
	}
	s.video, s.audio, s.tracks = -1, -1, make(map[int]int, 2)
	s.info.Tracks, s.configs, s.known = nil, nil, map[int]astiav.CodecID{}
	for _, st := range streams {
		s.known[st.Index()] = st.CodecParameters().CodecID()
	}
	if video != nil {
		s.video = video.Index()
		s.addTrack(video, s.videoTrack(video))
	}
	if audio != nil {
		s.audio = audio.Index()
		s.addTrack(audio, s.audioTrack(audio))
	}
	C.rc_choose(s.reader, C.int(s.video), C.int(s.audio))
	s.tell()
	return nil
}

func (s *Source) addTrack(stream *astiav.Stream, t media.Track) {
	s.tracks[stream.Index()] = len(s.info.Tracks)
	s.info.Tracks = append(s.info.Tracks, t)
	s.configs = append(s.configs, t.Extradata)
}

// describe fills in what Info says of the whole source.
func (s *Source) describe() {
	if f := s.format.InputFormat(); f != nil {
		s.info.Container = f.Name()
	}
	if t := s.format.StartTime(); t != astiav.NoPtsValue {
		s.info.StartTime = time.Duration(t) * time.Microsecond
	}
	if d := s.format.Duration(); d > 0 {
		s.info.Duration = time.Duration(d) * time.Microsecond
	}
	if s.info.Container == "flv" {
		s.info.Duration = flvLength(s.info, s.metadata("duration"))
	}
	if s.info.Container == "mpegts" && s.info.Duration > longestRecording { // a step back of its clock, which libav takes for a wrap
		s.info.Duration = 0
	}
	if begin := s.info.StartTime; begin != 0 && begin < s.info.Duration && s.toldEnd() {
		s.info.Duration -= begin
	}
	// An endless download is one that cannot go back, of a length that neither it nor its server tells.
	sized := s.way.Recorded || s.way.Bytes.Size() > 0
	endless := s.forwardOnly() && !sized && s.info.Duration == 0
	s.info.Live = endless || liveOptions(s.way.URL) != nil
}

// longestRecording is more than any that is played: what is said to be longer has a
// clock that does not tell.
const longestRecording = 24 * time.Hour

// An FLV's clock has 32 bits of milliseconds (FLV 10.1, E.4.1).
const flvWrap = (1 << 32) * time.Millisecond

// flvLength is how long an FLV is. libav has it from the metadata, where it is
// told, else it is the timestamp of the last tag. One that is said to be
// longer than a recording is has the time of its end in its metadata.
func flvLength(i media.SourceInfo, told string) time.Duration {
	seconds, _ := strconv.ParseFloat(told, 64)
	if i.Duration == 0 || seconds > 0 && (i.Duration < longestRecording || i.Duration < i.StartTime) {
		return i.Duration
	}
	return ((i.Duration-i.StartTime)%flvWrap + flvWrap) % flvWrap
}

// toldEnd says whether the container's duration is really the time of its end,
// so that one that begins late seems longer than it is: as FFmpeg writes
// Matroska (what is less than its start is a length all the same), and as libav
// reads Opus in Ogg.
func (s *Source) toldEnd() bool {
	if s.info.Container == "ogg" {
		return s.format.Streams()[s.leading()].CodecParameters().CodecID() == astiav.CodecIDOpus
	}
	return strings.HasPrefix(s.info.Container, "matroska")
}

// leadTime is where the video begins, or the audio where there is none; the
// source's begin when that is not known.
func (s *Source) leadTime() time.Duration {
	if s.leading() < 0 {
		return s.info.StartTime
	}
	stream := s.format.Streams()[s.leading()]
	if t := stream.StartTime(); t != astiav.NoPtsValue {
		return time.Duration(astiav.RescaleQ(t, stream.TimeBase(), nanoseconds))
	}
	return s.info.StartTime
}

// leading is libav's index of the video, or of the audio where there is none.
func (s *Source) leading() int {
	if s.video >= 0 {
		return s.video
	}
	return s.audio
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

// usable is a stream of a type whose parameters are known. A cover picture is
// no video.
func (s *Source) usable(t astiav.MediaType) func(*astiav.Stream) bool {
	return func(st *astiav.Stream) bool {
		p, d := st.CodecParameters(), st.DispositionFlags()
		if p.MediaType() != t || p.CodecID() == astiav.CodecIDNone {
			return false
		}
		if t == astiav.MediaTypeAudio {
			return p.SampleRate() > 0 && s.channels(st) > 0
		}
		return p.Width() > 0 && p.Height() > 0 &&
			!d.Has(astiav.DispositionFlagAttachedPic) && !d.Has(astiav.DispositionFlagTimedThumbnails)
	}
}

// What the room takes without scaling, either way round.
const (
	mostLong  = 1920
	mostShort = 1080
)

// oversize is by how many pixels a picture is too big, 0 when it fits.
func oversize(width, height int) int {
	if max(width, height) <= mostLong && min(width, height) <= mostShort {
		return 0
	}
	return width * height
}

// betterVideo prefers what can be decoded, then the container's default, then
// what fits the room, then pixels, then bit rate.
func betterVideo(a, b *astiav.Stream) int {
	p, q := a.CodecParameters(), b.CodecParameters()
	return cmp.Or(
		decodable(a)-decodable(b),
		preferred(a)-preferred(b),
		oversize(q.Width(), q.Height())-oversize(p.Width(), p.Height()),
		p.Width()*p.Height()-q.Width()*q.Height(),
		cmp.Compare(p.BitRate(), q.BitRate()),
	)
}

func (s *Source) betterAudio(a, b *astiav.Stream) int {
	return cmp.Or(
		decodable(a)-decodable(b),
		preferred(a)-preferred(b),
		min(s.channels(a), 2)-min(s.channels(b), 2),
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
func (s *Source) related(streams []*astiav.Stream, video *astiav.Stream) []*astiav.Stream {
	if video == nil {
		return streams
	}
	beside := map[int]bool{}
	for _, p := range s.format.Programs() {
		members := p.Streams()
		if slices.ContainsFunc(members, func(m *astiav.Stream) bool { return m.Index() == video.Index() }) {
			for _, m := range members {
				beside[m.Index()] = true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(streams), func(st *astiav.Stream) bool { return !beside[st.Index()] })
}

func (s *Source) parameters(stream *astiav.Stream) C.rc_parameters {
	return C.rc_parameters_at(cFormat(s.format), C.int(stream.Index()))
}

func (s *Source) channels(stream *astiav.Stream) int { return int(s.parameters(stream).channels) }

func (s *Source) videoTrack(stream *astiav.Stream) media.Track {
	p := stream.CodecParameters()
	t := s.track(media.Video, stream)
	t.Width, t.Height = p.Width(), p.Height()
	t.FPS = frameRate(stream)
	if f := p.PixelFormat(); f != astiav.PixelFormatNone {
		t.PixelFormat = f.Name()
	}
	t.Pixels, t.PixelsFixed = s.pixels(stream)
	t.Mirrored, t.Rotation = upright(p)
	t.Interlaced = s.parameters(stream).interlaced != 0
	t.HDR = isHDR(p.ColorTransferCharacteristic())
	return t
}

func (s *Source) audioTrack(stream *astiav.Stream) media.Track {
	p := stream.CodecParameters()
	t := s.track(media.Audio, stream)
	t.SampleRate, t.Channels = p.SampleRate(), s.channels(stream)
	return t
}

func (s *Source) track(m media.MediaType, stream *astiav.Stream) media.Track {
	p, more := stream.CodecParameters(), s.parameters(stream)
	t := media.Track{
		Type:    m,
		Codec:   media.Codec(p.CodecID().Name()),
		Profile: p.ProfileName(),
		Bitrate: media.BitsPerSecond(p.BitRate()),

		BlockAlign: int(more.block_align), BitsPerSample: int(more.bits_per_sample), CodecTag: uint32(more.tag),
	}
	if extra := p.ExtraData(); len(extra) > 0 {
		t.Extradata = extra
	}
	return t
}

// frameRate is the average over the file, or libav's guess.
func frameRate(s *astiav.Stream) float64 {
	const most = 1000 // beyond it is a container's nonsense
	for _, r := range []astiav.Rational{s.AvgFrameRate(), s.RFrameRate()} {
		if r.Num() > 0 && r.Den() > 0 && r.Float64() <= most {
			return r.Float64()
		}
	}
	return 0
}
