package push

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/clock"
	"github.com/roomcast/roomcast/media/fakesource"
)

// clipPart is a stretch of a source that is made of parts. Its picture and its sound
// need not begin together.
type clipPart struct {
	gap     time.Duration // before it
	length  time.Duration
	picture bool
	sound   bool
	late    time.Duration // of the sound's begin behind the picture's; negative: of the picture's behind the sound's
	bFrames bool
	changes [2]*media.Track // what the tracks become with it; nil: nothing else
}

func (p clipPart) String() string {
	text := fmt.Sprintf("{gap %v, length %v, picture %v, sound %v, late %v, B-frames %v", p.gap, p.length, p.picture, p.sound, p.late, p.bFrames)
	for _, t := range p.changes {
		if t != nil {
			text += fmt.Sprintf(", %s becomes %s %dx%d %d Hz", t.Type, t.Codec, t.Width, t.Height, t.SampleRate)
		}
	}
	return text + "}"
}

// anyParts draws a source of which the first or second part has a picture.
func anyParts(t *rapid.T) []clipPart {
	some := func(name string, from, to time.Duration) time.Duration {
		return time.Duration(rapid.IntRange(int(from/fakesource.Frame), int(to/fakesource.Frame)).Draw(t, name)) * fakesource.Frame
	}
	kinds := fakesource.Clip(0).Tracks
	small, hevc, mp3, slow := kinds[0], kinds[0], kinds[1], kinds[1]
	small.Width, small.Height, hevc.Codec = 320, 180, "hevc"
	mp3.Codec, slow.SampleRate, slow.Extradata = "mp3", 44100, []byte{0x12, 0x10}
	pictures, sounds := []*media.Track{nil, nil, &kinds[0], &small, &hevc}, []*media.Track{nil, nil, &kinds[1], &mp3, &slow}
	parts := make([]clipPart, rapid.IntRange(1, 4).Draw(t, "parts"))
	for i := range parts {
		p := &parts[i]
		*p = clipPart{
			length: some("length", time.Second, 6*time.Second), picture: rapid.Bool().Draw(t, "picture"), sound: rapid.Bool().Draw(t, "sound"),
			bFrames: rapid.Bool().Draw(t, "B-frames"),
		}
		p.late = some("late", -min(2*time.Second, p.length/2), min(2*time.Second, p.length/2))
		if i > 0 {
			p.gap = some("gap", 0, 8*time.Second)
			p.changes = [2]*media.Track{rapid.SampledFrom(pictures).Draw(t, "new picture"), rapid.SampledFrom(sounds).Draw(t, "new sound")}
		}
	}
	if first := &parts[min(len(parts)-1, 1)]; !parts[0].picture {
		first.picture = true
	}
	for i := range parts { // an empty one, or an empty begin, is a gap
		p := &parts[i]
		if p.sound = p.sound || !p.picture; p.sound != p.picture {
			p.late = 0
		}
	}
	return parts
}

// madeOf is a source of parts and all that is in it, by MediaType in the order in
// which it is shown.
type madeOf struct {
	script
	shown [2][]media.Packet
}

func newMadeOf(parts []clipPart) *madeOf {
	m := &madeOf{}
	at := time.Duration(0)
	sound := false
	for _, p := range parts {
		sound = sound || p.sound
		at += p.gap
		end := at + p.length
		if p.picture {
			m.add(media.Video, p, at+max(-p.late, 0), end)
		}
		if p.sound {
			m.add(media.Audio, p, at+max(p.late, 0), end)
		}
		at = end
	}
	m.info = fakesource.Clip(at)
	slices.SortStableFunc(m.packets, func(a, b media.Packet) int { return cmp.Compare(a.DTS, b.DTS) })
	for kind := range m.shown {
		slices.SortFunc(m.shown[kind], func(a, b media.Packet) int { return cmp.Compare(a.PTS, b.PTS) })
	}
	return m
}

// groupLength is how many pictures a group has.
const groupLength = 24

func (m *madeOf) add(kind media.MediaType, p clipPart, from, to time.Duration) {
	span := fakesource.Frame
	if kind == media.Audio {
		span = fakesource.AudioFrame
	}
	n := int((to - from) / span)
	for i := range n {
		show, shift := i, time.Duration(0)
		if kind == media.Video && p.bFrames { // I P B B P B B ...
			shift = fakesource.Frame
			group, k := i/groupLength*groupLength, i%groupLength
			if last := min(groupLength, n-group); k > 0 && (k-1)/3*3+3 < last {
				show = group + (k-1)/3*3 + []int{3, 1, 2}[(k-1)%3]
			}
		}
		pts := from + time.Duration(show)*span
		packet := media.Packet{
			Track: int(kind), PTS: pts, DTS: from + time.Duration(i)*span - shift, Duration: span,
			Keyframe: kind == media.Audio || i%groupLength == 0, Data: binary.BigEndian.AppendUint32([]byte{0, 0, 0, 6, 0x65, 0xff}, uint32(pts/time.Millisecond)),
		}
		if i == 0 {
			packet.Change = p.changes[kind]
		}
		m.packets, m.shown[kind] = append(m.packets, packet), append(m.shown[kind], packet)
	}
}

func times(packets []media.Packet) (all []time.Duration) {
	for _, p := range packets {
		all = append(all, p.PTS)
	}
	return all
}

// madeAt is when a packet's data is shown in its source.
func madeAt(p media.Packet) time.Duration {
	return time.Duration(binary.BigEndian.Uint32(p.Data[6:])) * time.Millisecond
}

func (m *madeOf) open(ctx context.Context, _ media.SourceRequest) (media.Source, error) {
	s := m.script
	s.ctx, s.begin = ctx, time.Now()
	return &s, nil
}

// begins is when the room's begin is in the source: a file's with whatever comes
// first, unless sound is hardly before its picture; a live source's with its
// picture.
func (m *madeOf) begins() time.Duration {
	begin := m.shown[media.Video][0].PTS
	if sound := m.shown[media.Audio]; !m.info.Live && len(sound) > 0 && begin-sound[0].PTS >= (300*time.Millisecond) {
		begin = sound[0].PTS
	}
	return begin
}

// faults returns what is wrong with what the room got of a file.
func (m *madeOf) faults(s *stage) []string {
	var found []string
	unless := func(ok bool, format string, args ...any) {
		if !ok {
			found = append(found, fmt.Sprintf(format, args...))
		}
	}
	begin, end := m.begins(), m.info.Duration
	// What comes next is known by its DTS: a copied picture may stand a frame longer.
	most := [2]time.Duration{clock.LongestStand + fakesource.Frame, (100 * time.Millisecond) + 22*time.Millisecond}
	origin := begin - s.room.of(int(media.Video))[0].PTS
	for kind, shown := range m.shown {
		got := s.room.of(kind)
		seen := map[time.Duration]bool{}
		last, next := begin, shown
		for _, a := range got {
			at := a.PTS + origin
			unless(m.info.Live || at-last <= most[kind], "%v: nothing from %v until %v", media.MediaType(kind), last, at)
			last = at
			if a.Origin == media.Filled {
				continue
			}
			for len(next) > 1 && next[1].PTS-at < clock.Tick {
				next = next[1:]
			}
			made := madeAt(a.Packet)
			if a.Origin == media.Taken {
				seen[made] = true
				unless((made-at).Abs() <= synced, "%v: of %v at %v", media.MediaType(kind), made, at)
			} else {
				unless((made-next[0].PTS).Abs() <= synced, "%v: of %v at %v, not of %v", media.MediaType(kind), made, at, next[0].PTS)
			}
		}
		unless(m.info.Live || end-last <= most[kind]+fakesource.AudioFrame, "%v: nothing from %v until the end at %v", media.MediaType(kind), last, end)
		lost := slices.DeleteFunc(slices.Clone(shown), func(p media.Packet) bool { return p.PTS < begin || seen[p.PTS] })
		mayLose := 0
		if media.MediaType(kind) == media.Video && s.seen.plan.Video.Reason == "B-frames" {
			mayLose = 2 // the picture that follows them had gone when they told that there are B-frames
		}
		unless(len(lost) <= mayLose, "%v: %d of %d are not there, at %v", media.MediaType(kind), len(lost), len(shown), times(lost))
	}
	return append(found, m.uncovered(s, begin)...)
}

// holes returns where a file that was played again and again left a hole, but for
// the one while the room was opened anew.
func (m *madeOf) holes(s *stage, plays, breaks time.Duration) (found []string) {
	end := plays * (m.info.Duration - m.begins())
	most := [2]time.Duration{clock.LongestStand + fakesource.Frame, (100 * time.Millisecond) + 22*time.Millisecond}
	for kind := range m.shown {
		last, sent := time.Duration(0), time.Duration(0)
		for _, a := range s.room.of(kind) {
			opened := breaks > 0 && sent <= breaks && a.PTS >= breaks // viewers have to come again
			if a.PTS-last > most[kind] && !opened {
				found = append(found, fmt.Sprintf("%v: nothing from %v until %v", media.MediaType(kind), last, a.PTS))
			}
			last, sent = a.PTS, a.DTS
		}
		if s.room.dials == 1 && (end-last).Abs() > most[kind]+plays*fakesource.Frame {
			found = append(found, fmt.Sprintf("%v: the last is at %v, not before %v", media.MediaType(kind), last, end))
		}
	}
	return found
}

// uncovered returns in which way the coverage is not that of what was made.
func (m *madeOf) uncovered(s *stage, begin time.Duration) (found []string) {
	for kind, c := range s.job.Meter.Snapshot(time.Now()).Coverage {
		made, parts, last := time.Duration(0), 0, -clock.Forever
		for _, p := range m.shown[kind] {
			if p.PTS < begin {
				continue
			}
			made += p.Duration
			if p.PTS-last > p.Duration {
				parts++
			}
			last = p.PTS
		}
		all, near := c.Taken+c.Held+c.Filled+c.Lost, time.Duration(parts+1)*fakesource.Frame
		length := m.info.Duration - begin
		if m.info.Live { // what is counted when it ends is what has been sent
			length, made = 0, min(made, c.Taken)
			if got := s.room.of(kind); len(got) > 0 {
				length = got[len(got)-1].PTS
			}
		}
		if (all - length).Abs() > max((500*time.Millisecond)+fakesource.Frame, near) {
			found = append(found, fmt.Sprintf("%v: %+v is %v in all, not %v", media.MediaType(kind), c, all, length))
		}
		stands := (100 * time.Millisecond)
		if media.MediaType(kind) == media.Video {
			stands = clock.LongestStand // what a picture stands for before it is sent again is its own
		}
		if c.Taken < made-near || c.Taken > made+near+time.Duration(parts)*stands {
			found = append(found, fmt.Sprintf("%v: %+v, made were %v in %d parts", media.MediaType(kind), c, made, parts))
		}
		if c.Lost > 0 && media.MediaType(kind) == media.Audio && !m.info.Live {
			found = append(found, fmt.Sprintf("%v: %+v", media.MediaType(kind), c))
		}
	}
	return found
}

// notRising returns where a track's DTS do not rise.
func notRising(got []arrival) (found []string) {
	last := [2]time.Duration{-1, -1}
	for _, a := range got {
		if a.DTS <= last[a.Track] || a.PTS < a.DTS {
			found = append(found, fmt.Sprintf("track %d: DTS %v, PTS %v after %v", a.Track, a.DTS, a.PTS, last[a.Track]))
		}
		last[a.Track] = a.DTS
	}
	return found
}

// playParts plays what is made of parts, a file's or what live names, and returns what is wrong with it.
func playParts(t *testing.T, parts []clipPart, mode media.TranscodeMode, live string) (found []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m, s := newMadeOf(parts), newStage(nil)
		m.info.Live, m.timed = live != "", live == "rtmp"
		m.info.Container = cmp.Or(live, m.info.Container)
		if !slices.ContainsFunc(parts, func(p clipPart) bool { return p.sound }) {
			m.info.Tracks = m.info.Tracks[:1]
		}
		s.job.Retry = noRetry
		s.job.Options.FillAudio, s.job.Options.Transcode = true, mode
		err := s.playFrom(t.Context(), m.open, &fakeCoders{})
		if m.info.Live && media.KindOf(err) != media.KindSourceEnded || !m.info.Live && err != nil {
			found = append(found, fmt.Sprintf("it ended with %v", err))
		}
		if len(s.room.got) == 0 {
			found = append(found, "nothing came")
			return
		}
		found = append(found, notRising(s.room.got)...)
		found = append(found, m.faults(s)...)
		if t.Failed() {
			found = append(found, "failed")
		}
	})
	return found
}

func TestAHoleInAFileIsStoodThroughWhateverFollowsIt(t *testing.T) {
	kinds := fakesource.Clip(0).Tracks
	both, picture, sound := clipPart{length: time.Second, picture: true, sound: true}, clipPart{length: time.Second, picture: true}, clipPart{length: time.Second, sound: true}
	behind := func(p clipPart, gap time.Duration, changes ...*media.Track) clipPart {
		p.gap = gap
		copy(p.changes[:], changes)
		return p
	}
	reordered, late := picture, both
	late.late = -280 * time.Millisecond
	reordered.bFrames, reordered.length = true, 1120*time.Millisecond
	for name, parts := range map[string][]clipPart{
		"the next picture is far behind the last sound":         {sound, picture, behind(sound, 480*time.Millisecond), behind(picture, 600*time.Millisecond)},
		"another stream is next":                                {picture, behind(picture, 1080*time.Millisecond, &kinds[0])},
		"another stream is next, pictures are inside a decoder": {reordered, behind(late, 600*time.Millisecond, &kinds[0])},
	} {
		for _, mode := range []media.TranscodeMode{media.TranscodeAuto, media.TranscodeAlways} {
			t.Run(name+" "+string(mode), func(t *testing.T) { require.Empty(t, playParts(t, parts, mode, "")) })
		}
	}
}

func TestInAHoleOfBothTracksPictureAndSilenceGoOutTogether(t *testing.T) {
	both := clipPart{length: 2 * time.Second, picture: true, sound: true}
	behind := both
	behind.gap, behind.late = 4*time.Second, -400*time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		m, s := newMadeOf([]clipPart{both, behind}), newStage(nil)
		s.job.Options.FillAudio, s.job.Options.Transcode = true, media.TranscodeAlways
		require.NoError(t, s.playFrom(t.Context(), m.open, &fakeCoders{holds: 2}))
		sent := [2]time.Duration{}
		for _, a := range s.room.got {
			sent[a.Track] = a.DTS
			require.LessOrEqual(t, sent[a.Track]-sent[1-a.Track], clock.LongestStand, "track %d at %v", a.Track, a.DTS)
		}
	})
}

func TestPicturesInsideADecoderAreShownAlthoughAKeyframeHasComeBehindThem(t *testing.T) {
	hole := []clipPart{{length: time.Second, picture: true, bFrames: true}, {gap: 1840 * time.Millisecond, length: time.Second, picture: true, sound: true}}
	require.Empty(t, playParts(t, hole, media.TranscodeAuto, "rtmp"))
}

func TestTheEndOfALiveSourceThatIsReencodedIsInTheRoom(t *testing.T) {
	for _, live := range []string{"rtmp", "hls"} {
		t.Run(live, func(t *testing.T) {
			require.Empty(t, playParts(t, []clipPart{{length: 5 * time.Second, picture: true, sound: true}}, media.TranscodeAlways, live))
		})
	}
}

func TestACopiedPictureThatStandsIsSentAgainWhenASecondIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(nil)
		require.NoError(t, s.playFrom(t.Context(), script{info: fakesource.Clip(8 * time.Second), pictures: slices.Concat(moving(0, 2), shows(7))}.open, &fakeCoders{}))
		got := s.room.of(0)
		require.Equal(t, media.Transcode, s.seen.plan.Video.Action)
		require.Equal(t, 2*time.Second-fakesource.Frame, got[49].PTS)
		require.Equal(t, got[49].PTS+clock.FrameHold, got[50].PTS)
	})
}

func TestWhateverAFileIsMadeOfAllOfItIsSeenAndHeard(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		mode := rapid.SampledFrom([]media.TranscodeMode{media.TranscodeAuto, media.TranscodeAlways}).Draw(rt, "transcode")
		parts := anyParts(rt)
		if found := playParts(t, parts, mode, ""); len(found) > 0 {
			rt.Fatalf("%v\n%v", parts, found[:min(len(found), 8)])
		}
	})
}

func TestWhateverALivePlaylistIsMadeOfItIsInPlace(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		mode := rapid.SampledFrom([]media.TranscodeMode{media.TranscodeAuto, media.TranscodeAlways}).Draw(rt, "transcode")
		parts := append([]clipPart{{length: 2 * time.Second, picture: true, sound: true}}, anyParts(rt)...) // one that ends at once is not played
		if found := playParts(t, parts, mode, "hls"); len(found) > 0 {
			rt.Fatalf("%v\n%v", parts, found[:min(len(found), 8)])
		}
	})
}

func TestWhateverAFileIsMadeOfItsPlaysFollowEachOther(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		mode := rapid.SampledFrom([]media.TranscodeMode{media.TranscodeAuto, media.TranscodeAlways}).Draw(rt, "transcode")
		parts := anyParts(rt)
		breaks := time.Duration(rapid.IntRange(0, 200).Draw(rt, "t: the room breaks")) * fakesource.Frame
		var found []string
		synctest.Test(t, func(t *testing.T) {
			m, s := newMadeOf(parts), newStage(nil)
			s.job.Options = media.Options{FillAudio: true, Transcode: mode, Repeat: 2}
			if breaks > 0 {
				s.room.breakAt(breaks, media.KindRoomClosed)
			}
			if err := s.playFrom(t.Context(), m.open, &fakeCoders{}); err != nil {
				found = append(found, err.Error())
			}
			found = slices.Concat(found, notRising(s.room.got), m.holes(s, 2, breaks))
		})
		if len(found) > 0 {
			rt.Fatalf("%v\n%v", parts, found[:min(len(found), 8)])
		}
	})
}

func TestWhateverALiveSourceIsMadeOfItIsInPlace(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		mode := rapid.SampledFrom([]media.TranscodeMode{media.TranscodeAuto, media.TranscodeAlways}).Draw(rt, "transcode")
		parts := anyParts(rt)
		if found := playParts(t, parts, mode, "rtmp"); len(found) > 0 {
			rt.Fatalf("%v\n%v", parts, found[:min(len(found), 8)])
		}
	})
}

func TestSoundBeforeAPictureOfAnotherClockIsHeardBeforeIt(t *testing.T) {
	sound, both := clipPart{length: 3 * time.Second, sound: true}, clipPart{length: 3 * time.Second, picture: true, sound: true}
	for name, jumps := range map[string][2]time.Duration{
		"back": {0, -time.Minute}, "forward": {0, time.Minute}, "by a day": {0, 26 * time.Hour}, "twice": {time.Minute, -time.Minute},
	} {
		for _, mode := range []media.TranscodeMode{media.TranscodeAuto, media.TranscodeAlways} {
			t.Run(name+" "+string(mode), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m, s := newMadeOf([]clipPart{sound, sound, both}), newStage(nil)
					for i := range m.packets {
						p := &m.packets[i]
						if part := p.PTS / (3 * time.Second); part > 0 {
							p.PTS, p.DTS = p.PTS+jumps[part-1], p.DTS+jumps[part-1]
						}
					}
					s.job.Options.Transcode = mode
					require.NoError(t, s.playFrom(t.Context(), m.open, &fakeCoders{}))
					require.Empty(t, m.faults(s))
				})
			})
		}
	}
}

// synced is how far apart picture and sound may be.
const synced = 40 * time.Millisecond
