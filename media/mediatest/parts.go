package mediatest

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Span is a stretch of time; none if its ends are the same.
type Span struct{ From, To time.Duration }

// String is in seconds.
func (s Span) String() string { return fmt.Sprintf("%g-%g", s.From.Seconds(), s.To.Seconds()) }

// Part is a stretch of a clip of flash and beep. Its spans are on the clip's
// clock: a flash and a beep are half a second after each of its full seconds.
// A picture begins and ends at a fifth of a second.
type Part struct {
	Picture, Sound Span
	Video, Audio   string        // keys of partVideo and partAudio; empty in a part without
	Jump           time.Duration // by how much the source's clock jumps before it
	PID            int           // of its picture, its sound has the next; 0: as usual
}

// partSeconds is how much there is to cut parts from.
const partSeconds = 24

// partGroups lets each fifth of a second begin with a keyframe.
const partGroups = " -g 6 -keyint_min 6 -bf 0"

// partVideo and partAudio are the forms that a part's tracks can have, each
// with the encoder options that make it.
var (
	partVideo = map[string]piece{
		"h264":       {video: baseline + partGroups},
		"h264 small": {video: baseline + partGroups, size: "256x144"},
		"B-frames":   {video: adaptive + partGroups + " -bf 2"},
		"hevc":       {video: "-c:v libx265 -preset ultrafast -x265-params log-level=error:keyint=6:min-keyint=6:open-gop=0:scenecut=0:bframes=0"},
		"mpeg-2":     {video: "-c:v mpeg2video -b:v 900k -sc_threshold 1000000000" + partGroups},
	}
	partAudio = map[string]piece{
		"aac":          {audio: aac},
		"aac 44.1 kHz": {audio: aac, hertz: 44100},
		"aac mono":     {audio: aac, layout: "mono"},
		"mp3":          {audio: "-c:a libmp3lame -b:a 96k"},
		"mp2":          {audio: "-c:a mp2 -b:a 192k"},
	}
)

// whole returns the path of a track of which parts are cut.
func (p piece) whole(t testing.TB) string {
	t.Helper()
	p.seconds, p.out = partSeconds, matroska
	p.video, p.audio = cmp.Or(p.video, None), cmp.Or(p.audio, None)
	return p.sample("a track to cut", absent, absent).Path(t)
}

// partsClock is where the clock of parts begins.
const partsClock = 200 * time.Second

// JoinTS makes a transport stream of parts, one behind the other.
func JoinTS(t testing.TB, parts []Part) string {
	t.Helper()
	names := segmentsOf(t, parts)
	path := filepath.Join(t.TempDir(), "a.ts")
	if err := verbs["join"]("/", append([]string{path}, names...)); err != nil {
		t.Fatalf("join parts: %v", err)
	}
	return path
}

// JoinHLS makes a playlist of parts, with a discontinuity before each but the
// first.
func JoinHLS(t testing.TB, parts []Part) string {
	t.Helper()
	lines := []string{"#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:8"}
	names := segmentsOf(t, parts)
	for i, p := range parts {
		if i > 0 {
			lines = append(lines, "#EXT-X-DISCONTINUITY")
		}
		lines = append(lines, fmt.Sprintf("#EXTINF:%.1f,", p.Whole().length().Seconds()), filepath.Base(names[i]))
	}
	dir := filepath.Dir(names[0])
	if err := verbs["write"](dir, []string{"a.m3u8", strings.Join(append(lines, "#EXT-X-ENDLIST", ""), "\n")}); err != nil {
		t.Fatalf("write a playlist: %v", err)
	}
	return filepath.Join(dir, "a.m3u8")
}

// JoinFile makes one file of parts whose tracks are of one form each, as the
// muxer of its name has it: mp4, matroska, flv.
func JoinFile(t testing.TB, muxer string, parts []Part) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a."+muxer)
	cut(t, parts, "-f", muxer, path)
	return path
}

// Whole is from where the first of the part's tracks begins until the last ends.
func (p Part) Whole() Span {
	switch {
	case p.Video == "":
		return p.Sound
	case p.Audio == "":
		return p.Picture
	}
	return Span{min(p.Picture.From, p.Sound.From), max(p.Picture.To, p.Sound.To)}
}

func (s Span) length() time.Duration { return s.To - s.From }

// segmentsOf makes a transport stream of each part.
func segmentsOf(t testing.TB, parts []Part) (paths []string) {
	t.Helper()
	dir, clock := t.TempDir(), partsClock
	for i, p := range parts {
		clock += p.Jump
		path := filepath.Join(dir, fmt.Sprintf("%d.ts", i))
		args := []string{"-muxdelay", "0", "-muxpreload", "0", "-output_ts_offset", fmt.Sprint(clock.Seconds())}
		pid, stream := cmp.Or(p.PID, 0x100), 0
		if p.Video != "" {
			args = append(args, "-streamid", fmt.Sprintf("%d:%d", stream, pid))
			stream++
		}
		if p.Audio != "" {
			args = append(args, "-streamid", fmt.Sprintf("%d:%d", stream, pid+1))
		}
		cut(t, parts[i:i+1], append(args, "-f", "mpegts", path)...)
		paths = append(paths, path)
	}
	return paths
}

// cut makes a file of some parts, by dropping all else from the tracks they are
// cut of.
func cut(t testing.TB, parts []Part, output ...string) {
	t.Helper()
	args := []string{"-y", "-copyts"}
	var filters []string
	n := 0
	track := func(kind string, form piece, spans []Span) {
		keep := make([]string, len(spans))
		for i, s := range spans { // times are rounded to milliseconds
			keep[i] = fmt.Sprintf(`gte(pts*tb\,%g)*lt(pts*tb\,%g)`, s.From.Seconds()-0.002, s.To.Seconds()-0.002)
		}
		args = append(args, "-i", form.whole(t))
		filters = append(filters, "-map", fmt.Sprintf("%d:%s", n, kind), "-bsf:"+kind, "noise=drop=not("+strings.Join(keep, "+")+")")
		n++
	}
	if video, spans := spansOf(parts, Part.picture); video != "" {
		track("v", partVideo[video], spans)
	}
	if audio, spans := spansOf(parts, Part.sound); audio != "" {
		track("a", partAudio[audio], spans)
	}
	kept := filepath.Join(t.TempDir(), "kept.mkv") // the filter takes its times in what the muxer counts in: matroska's are the tracks'
	Make(t, 3*time.Minute, slices.Concat(args, filters, []string{"-c", "copy", kept})...)
	Make(t, 3*time.Minute, slices.Concat([]string{"-y", "-copyts", "-i", kept, "-map", "0", "-c", "copy"}, output)...)
}

func (p Part) picture() (string, Span) { return p.Video, p.Picture }
func (p Part) sound() (string, Span)   { return p.Audio, p.Sound }

// spansOf returns the form of a track and where it is.
func spansOf(parts []Part, track func(Part) (string, Span)) (form string, spans []Span) {
	for _, p := range parts {
		if f, s := track(p); f != "" {
			form, spans = f, append(spans, s)
		}
	}
	return form, spans
}
