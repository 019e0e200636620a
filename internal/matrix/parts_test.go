package matrix

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// partClip is a clip that was drawn, and how it is to be played.
type partClip struct {
	container string // ts, hls or one of ffmpeg's muxers
	parts     []mediatest.Part
	transcode media.TranscodeMode
	fillVideo bool
}

func (c partClip) String() string {
	text := fmt.Sprintf("%s, transcode %s, fillVideo %v:", c.container, c.transcode, c.fillVideo)
	for _, p := range c.parts {
		text += " {"
		if p.Video != "" {
			text += fmt.Sprintf("%s %v ", p.Video, p.Picture)
		}
		if p.Audio != "" {
			text += fmt.Sprintf("%s %v ", p.Audio, p.Sound)
		}
		text += fmt.Sprintf("PID %#x jump %v}", p.PID, p.Jump)
	}
	return text
}

// The containers and the forms of tracks that they hold.
var (
	partContainers = []string{"ts", "ts", "hls", "mp4", "matroska", "flv"}
	partPictures   = []string{"h264", "h264 small", "B-frames", "hevc", "mpeg-2"}
	partSounds     = []string{"aac", "aac 44.1 kHz", "aac mono", "mp3", "mp2"}
	partsOfFLV     = 3 // of the pictures; its sounds are those but the last
)

// fifth is the grid of cuts.
const fifth = 200 * time.Millisecond

// longestClip bounds what a clip takes: it is played in its time.
const longestClip = 11 * time.Second

// anyClip draws a clip of parts. Where several tracks of a file go on, they are of
// one form; a part of a stream may be of another, under the same numbers or others,
// and follow a jump of the clock.
var anyClip = rapid.Custom(func(t *rapid.T) partClip {
	c := partClip{
		container: rapid.SampledFrom(partContainers).Draw(t, "container"), fillVideo: rapid.Bool().Draw(t, "fillVideo"),
		transcode: rapid.SampledFrom([]media.TranscodeMode{media.TranscodeAuto, media.TranscodeAlways}).Draw(t, "transcode"),
	}
	stream := c.container == "ts" || c.container == "hls"
	pictures, sounds := partPictures, partSounds
	if c.container == "flv" {
		pictures, sounds = pictures[:partsOfFLV], sounds[:len(sounds)-1]
	}
	video, audio := rapid.SampledFrom(pictures).Draw(t, "video"), rapid.SampledFrom(sounds).Draw(t, "audio")
	at := time.Duration(0)
	forms := map[int][2]string{0: {video, audio}} // by stream number
	for i := range rapid.IntRange(2, 4).Draw(t, "parts") {
		p := mediatest.Part{}
		if i > 0 && stream {
			p.PID = rapid.SampledFrom([]int{0, 0, 0x200, 0x300}).Draw(t, "PID")
		}
		if _, ok := forms[p.PID]; !ok {
			forms[p.PID] = [2]string{
				rapid.SampledFrom([]string{video, video, rapid.SampledFrom(pictures).Draw(t, "new video")}).Draw(t, "video"),
				rapid.SampledFrom([]string{audio, audio, rapid.SampledFrom(sounds).Draw(t, "new audio")}).Draw(t, "audio"),
			}
		}
		p.Video, p.Audio = forms[p.PID][0], forms[p.PID][1]
		if i > 0 && c.container != "hls" {
			at += time.Duration(rapid.SampledFrom([]int{0, 0, 1, 2, 3}).Draw(t, "gap")) * time.Second
		}
		if i > 0 && stream && at == c.length() { // a gap before a jump is none
			p.Jump = time.Duration(rapid.SampledFrom([]int{0, 0, 0, -100, -60, 60, 100}).Draw(t, "jump")) * time.Second
		}
		length := time.Duration(rapid.IntRange(1, 3).Draw(t, "length")) * time.Second
		p.Picture, p.Sound = mediatest.Span{From: at, To: at + length}, mediatest.Span{From: at, To: at + length}
		less := func(name string) time.Duration {
			return time.Duration(rapid.SampledFrom([]int{0, 0, 2, 3, 4, 8}).Draw(t, name)) * fifth
		}
		shorter := &p.Sound // the other is as long as the part
		switch rapid.SampledFrom([]string{"both", "both", "both", "picture", "sound", "picture late", "picture late"}).Draw(t, "tracks") {
		case "picture":
			p.Audio = ""
		case "sound":
			p.Video = ""
		case "picture late":
			shorter = &p.Picture
		}
		if p.Video != "" && p.Audio != "" {
			late, early := less("late"), less("early")
			if late+early < length {
				shorter.From, shorter.To = shorter.From+late, shorter.To-early
			}
		}
		at += length
		c.parts = append(c.parts, p)
	}
	if stream && rapid.SampledFrom([]bool{false, true}).Draw(t, "numbers of any form") { // last: seeds keep what they draw before
		for i := range c.parts[1:] {
			if p := &c.parts[i+1]; p.Video != "" {
				p.Video = rapid.SampledFrom(pictures).Draw(t, "other video")
			}
			if p := &c.parts[i+1]; p.Audio != "" {
				p.Audio = rapid.SampledFrom(sounds).Draw(t, "other audio")
			}
		}
	}
	if c.parts[0].Video == "" {
		c.fillVideo = true // else the room is opened again with the picture
	}
	return c
}).Filter(func(c partClip) bool {
	return c.length() <= longestClip && len(c.spans(media.Video)) > 0
})

// length is from the begin of the clip to its end.
func (c partClip) length() (end time.Duration) {
	for _, p := range c.parts {
		end = max(end, p.Whole().To)
	}
	return end
}

// spans returns where a track is.
func (c partClip) spans(m media.MediaType) (spans []mediatest.Span) {
	for _, p := range c.parts {
		form, span := p.Video, p.Picture
		if m == media.Audio {
			form, span = p.Audio, p.Sound
		}
		if form != "" {
			spans = append(spans, span)
		}
	}
	return spans
}

// source makes the clip and serves it.
func (c partClip) source(t *testing.T) string {
	t.Helper()
	var path string
	switch c.container {
	case "ts":
		path = mediatest.JoinTS(t, c.parts)
	case "hls":
		path = mediatest.JoinHLS(t, c.parts)
	default:
		path = mediatest.JoinFile(t, c.container, c.parts)
	}
	return mediatest.ServeFolder(t, filepath.Dir(path)) + "/" + filepath.Base(path)
}

// What a push may miss of a clip.
const (
	atAnEdge     = 100 * time.Millisecond // an AAC frame, two pictures
	mayStand     = 1100 * time.Millisecond
	silentAt     = 100 * time.Millisecond
	outOfPlace   = 100 * time.Millisecond
	outOfListed  = 300 * time.Millisecond // a playlist's clock is only set right when it has drifted
	unevenEnding = 500 * time.Millisecond
)

// beepLength is for how long a beep is heard.
const beepLength = 100 * time.Millisecond

// marks returns when flashes or beeps are: half a second after each full one of
// the clip, where the track is.
func (c partClip) marks(m media.MediaType) (marks []time.Duration) {
	for _, s := range c.spans(m) {
		for at := s.From.Truncate(time.Second) + time.Second/2; at < s.To; at += time.Second {
			if at > s.From {
				marks = append(marks, at)
			}
		}
	}
	return marks
}

// covered returns in which way the coverage is not that of what was made.
func (c partClip) covered(all [2]media.Coverage) (found []string) {
	for m, got := range all {
		spans := c.spans(media.MediaType(m))
		made := time.Duration(0)
		for _, s := range spans {
			made += s.To - s.From
		}
		near, stands := time.Duration(len(c.parts)+1)*atAnEdge/2, silentAt
		if media.MediaType(m) == media.Video {
			stands = mayStand // what a picture stands for before it is sent again is its own
		}
		total := got.Taken + got.Held + got.Filled + got.Lost
		if (total - c.length()).Abs() > unevenEnding+near {
			found = append(found, fmt.Sprintf("%v: %+v is %v in all, not %v", media.MediaType(m), got, total, c.length()))
		}
		if got.Taken < made-near || got.Taken > made+near+time.Duration(len(spans))*stands {
			found = append(found, fmt.Sprintf("%v: %+v, made were %v", media.MediaType(m), got, made))
		}
		if got.Lost > near {
			found = append(found, fmt.Sprintf("%v: %+v is lost", media.MediaType(m), got))
		}
	}
	return found
}

// lastPictures are those that libav keeps of a stream until more of it comes, and
// loses where its number goes to another codec, or to none. Where the clock jumps
// there, all that follows is earlier by them.
const lastPictures = 2 * time.Second / 30

// mayMove is by how much a mark may be out of its place.
func (c partClip) mayMove() time.Duration {
	most := outOfPlace
	if c.container == "hls" {
		most = outOfListed
	}
	for i, p := range c.parts[1:] {
		if before := c.parts[i]; p.Jump != 0 && before.Video != "" && (p.PID != before.PID || p.Video != before.Video) {
			most += lastPictures
		}
	}
	return most
}

// placed returns which marks are not where they were made, where the room begins
// with what was made at begin.
func (c partClip) placed(what string, got, made []time.Duration, begin time.Duration) (found []string) {
	outOfPlace := c.mayMove()
	for _, at := range made {
		if at -= begin; !slices.ContainsFunc(got, func(g time.Duration) bool { return (g - at).Abs() <= outOfPlace }) {
			found = append(found, fmt.Sprintf("no %s at %v", what, at))
		}
	}
	for _, g := range got {
		if !slices.ContainsFunc(made, func(at time.Duration) bool { return (g - at + begin).Abs() <= outOfPlace }) {
			found = append(found, fmt.Sprintf("a %s at %v, where none was made", what, g))
		}
	}
	return found
}

// begin is where the clip begins in the room: sound that is hardly before the
// first picture is left out.
func (c partClip) begin() time.Duration {
	const leastLead = 300 * time.Millisecond
	first := c.parts[0]
	if first.Video == "" || first.Audio == "" {
		return 0
	}
	if lead := first.Picture.From - first.Sound.From; lead > 0 && lead < leastLead {
		return lead
	}
	return 0
}

// judge returns what is wrong with the recording.
func (c partClip) judge(r mediatest.Report) (found []string) {
	found = slices.DeleteFunc(r.Faults(), func(f string) bool { // a copied picture may stand a frame longer
		return strings.HasPrefix(f, "video: a gap") && r.Video.Gap <= mayStand
	})
	begin := c.begin()
	if r.Video != nil { // B-frames
		begin -= r.Video.First
	}
	flashes, beeps := c.marks(media.Video), c.marks(media.Audio)
	fromBlack := func(at time.Duration) bool { // to a picture: that is no flash
		first := c.spans(media.Video)[0].From
		return first > 0 && (at-first+begin).Abs() <= c.mayMove()
	}
	r.Flashes = slices.DeleteFunc(slices.Clone(r.Flashes), func(at time.Duration) bool {
		near := func(mark time.Duration) bool { return (at - mark + begin).Abs() <= c.mayMove() }
		return fromBlack(at) && !slices.ContainsFunc(flashes, near) // a flash right behind is not seen
	})
	for _, s := range c.spans(media.Audio) { // the end of a beep that the encoder's delay has left behind the cut
		if s.From%time.Second == time.Second/2+beepLength {
			r.Beeps = slices.DeleteFunc(slices.Clone(r.Beeps), func(at time.Duration) bool { return (at - s.From + begin).Abs() <= maxApart })
		}
	}
	found = append(found, c.placed("flash", r.Flashes, flashes, begin)...)
	found = append(found, c.placed("beep", r.Beeps, beeps, begin)...)
	for _, beep := range r.Beeps {
		if slices.ContainsFunc(c.spans(media.Audio), func(s mediatest.Span) bool { return beep+begin > s.From && beep+begin < s.From+fifth }) {
			continue // an MP3 begins with what is in frames before it
		}
		for _, flash := range r.Flashes {
			if apart := (beep - flash).Abs(); apart > maxApart && apart < fifth && !fromBlack(flash) {
				found = append(found, fmt.Sprintf("flash at %v and beep at %v", flash, beep))
			}
		}
	}
	if length := c.length() - c.begin(); (r.Length() - length).Abs() > 2*fifth {
		found = append(found, fmt.Sprintf("it is %v long, not %v", r.Length(), length))
	}
	return found
}

// run plays the clip and returns what is wrong, and all that is known of it.
func (c partClip) run(t *testing.T, r standIn, user string) (found []string, account string) {
	t.Helper()
	d := &diary{}
	j := job(c.source(t), user, d)
	j.Options.Transcode, j.Options.FillVideo = c.transcode, c.fillVideo
	err := play(t.Context(), newPusher(t, r.endpoint()), j, d, false)
	account = fmt.Sprintf("%v\n%s%+v\n", c, d, j.Meter.Snapshot(time.Now()).Coverage)
	if err != nil {
		return []string{"it failed: " + err.Error()}, account
	}
	for _, w := range strings.Fields(d.warning()) {
		if w != string(media.WarnHole) { // of the parts without sound
			found = append(found, "it warned of "+w)
		}
	}
	if n := r.sessionsOf(user); n != 1 {
		found = append(found, fmt.Sprintf("%d publish sessions", n))
	}
	path, complaints := r.tape(t, user)
	complaints = slices.DeleteFunc(append(complaints, r.apart(t, user, mediatest.TapeWant{Apart: mayStand})...), func(c string) bool {
		return strings.Contains(c, "a new SPS of the same size")
	})
	report := mediatest.Judge(t, path)
	return slices.Concat(found, complaints, c.covered(j.Meter.Snapshot(time.Now()).Coverage), c.judge(report)), account + report.String()
}

// partClips is how many clips are drawn in a full run.
const partClips = 120

// partSeeds returns the seeds of the clips: in a short run those that found a
// fault. CHAOS_SEED repeats one that failed.
func partSeeds(t *testing.T) (seeds []int) {
	t.Helper()
	if s := os.Getenv("CHAOS_SEED"); s != "" {
		seed, err := strconv.Atoi(s)
		require.NoError(t, err)
		return []int{seed}
	}
	if !full {
		return []int{15, 30, 31, 34, 40, 44, 52, 56, 58, 83, 31009, 1795906800, 1795906862, 1795972881, 1796000976}
	}
	first := int(time.Now().Unix() % math.MaxInt32)
	for i := range partClips {
		seeds = append(seeds, first+i)
	}
	return seeds
}

// TestChaosWhateverARecordingIsMadeOfAllOfItIsSeenAndHeard draws clips of parts,
// makes each with ffmpeg, plays it, and compares what it was made of with the
// coverage and the recording.
func TestChaosWhateverARecordingIsMadeOfAllOfItIsSeenAndHeard(t *testing.T) {
	beside(t)
	seeds := partSeeds(t)
	r := startStandIn(t)
	clips := make([]mediatest.Sample, len(seeds))
	for i, seed := range seeds {
		clips[i].Name = fmt.Sprintf("CHAOS_SEED=%d", seed)
	}
	pool(t, atOnce, clips, func(t *testing.T, i int, s mediatest.Sample) {
		began := time.Now()
		found, account := anyClip.Example(seeds[i]).run(t, r, fmt.Sprintf("parts%d", i))
		tell(t, verdict{s, found, account, time.Since(began)})
	})
}
