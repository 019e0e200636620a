package matrix

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakeroom"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/stretchr/testify/require"
)

// plays is how often a loop's source is played.
const plays = 3

// aLoop is a sample, or a part of it, played three times in a row.
type aLoop struct {
	sample   string
	from, to time.Duration // what is asked for; 0: all
	// begins is where it really begins: a copied video does so at a keyframe.
	begins    time.Duration
	transcode media.TranscodeMode
	fillVideo bool
	short     bool // played in CI, too
}

// Where a part begins that does not begin at a keyframe. The priming of the
// sound puts keyframes some milliseconds behind the full second.
const (
	afterKey = 1100 * time.Millisecond
	halfway  = 1400 * time.Millisecond
)

var loops = []aLoop{
	{sample: "mp4, baseline", from: time.Second, to: 3 * time.Second, begins: time.Second, short: true},
	{sample: "mp4, baseline", from: halfway, to: 3400 * time.Millisecond, begins: time.Second, short: true},
	{sample: "mp4, baseline", from: halfway, to: 3400 * time.Millisecond, begins: halfway, transcode: media.TranscodeAlways, short: true},
	{sample: "mp4, video only", to: 2 * time.Second, short: true},
	{sample: "mp4, high with B-frames", from: halfway, to: 3400 * time.Millisecond, begins: halfway, short: true},
	{sample: "mkv, opus", from: afterKey, to: 3 * time.Second, begins: time.Second, short: true},
	{sample: "ts", from: afterKey, to: 3 * time.Second, begins: time.Second, short: true},
	{sample: "hls, ts", from: time.Second, to: 3 * time.Second, begins: time.Second, transcode: media.TranscodeAlways, short: true},
	{sample: "hls, discontinuity", from: afterKey, to: 3 * time.Second, begins: time.Second, short: true},
	{sample: "hls, discontinuity", from: 3100 * time.Millisecond, to: 4 * time.Second, begins: 3 * time.Second, short: true},
	{sample: "m4a, audio only", to: 2 * time.Second, short: true},
	{sample: "ts", short: true},
	{sample: "hls, ts", short: true},
	{sample: "mp4, baseline", short: true},

	{sample: "mp4, baseline", transcode: media.TranscodeAlways},
	{sample: "mp4, video only"},
	{sample: "mp4, video only", transcode: media.TranscodeAlways},
	{sample: "mp4, high with B-frames"},
	{sample: "mp4, audio ends early"},
	{sample: "mp4, mono of 8 kHz"},
	{sample: "webm, vp9 and opus"},
	{sample: "ts", transcode: media.TranscodeAlways},
	{sample: "ts, video only"},
	{sample: "ts, clock wraps"},
	{sample: "hls, fmp4", from: afterKey, to: 3 * time.Second, begins: time.Second},
	{sample: "hls, discontinuity"},
	{sample: "m4a, audio only"},
	{sample: "m4a, audio only", fillVideo: true},
	{sample: "mp3, audio only", from: time.Second, to: 3 * time.Second, begins: time.Second},
}

func (l aLoop) String() string {
	return fmt.Sprintf("%s, %v to %v%s", l.sample, l.from, l.to, orNothing(" re-encoded", l.transcode == media.TranscodeAlways))
}

func orNothing(s string, there bool) string {
	if there {
		return s
	}
	return ""
}

// sampleNamed returns a sample of the corpus.
func sampleNamed(t testing.TB, name string) mediatest.Sample {
	t.Helper()
	all := mediatest.Corpus()
	i := slices.IndexFunc(all, func(s mediatest.Sample) bool { return s.Name == name })
	require.GreaterOrEqual(t, i, 0, name)
	return all[i]
}

func TestChaosALoopHasNoSeams(t *testing.T) {
	beside(t)
	var wanted []aLoop
	var samples []mediatest.Sample
	for _, l := range loops {
		if full || l.short {
			s := sampleNamed(t, l.sample)
			wanted, samples = append(wanted, l), append(samples, s)
		}
	}
	prepare(t, samples)
	for i, l := range wanted {
		samples[i].Name = l.String()
	}
	r := startStandIn(t)
	pool(t, atOnce+4, samples, func(t *testing.T, i int, s mediatest.Sample) {
		began := time.Now()
		found, account := wanted[i].run(t, r, fmt.Sprintf("loop%d", i))
		tell(t, verdict{s, found, account, time.Since(began)})
	})
}

// run plays the loop and returns what is wrong with it, and all that is known.
func (l aLoop) run(t *testing.T, r standIn, user string) (found []string, account string) {
	t.Helper()
	s := sampleNamed(t, l.sample)
	d := &diary{}
	j := job(s.Source(t, nil), user, d)
	j.Options.StartAt, j.Options.EndAt, j.Options.Repeat = l.from, l.to, plays
	j.Options.Transcode, j.Options.FillVideo = l.transcode, l.fillVideo
	err := play(t.Context(), newPusher(t, r.endpoint()), j, d, false)
	require.NoError(t, err)
	path, complaints := r.tape(t, user)
	report := mediatest.Judge(t, path)
	if n := r.sessionsOf(user); n != 1 {
		found = append(found, fmt.Sprintf("%d publish sessions", n))
	}
	if p := j.Meter.Snapshot(time.Now()); p.Loop != plays-1 {
		found = append(found, fmt.Sprintf("the meter stands in loop %d", p.Loop))
	}
	return slices.Concat(found, complaints, l.judge(s, report)), d.String() + report.String()
}

// sessionsOf is how often a user has published.
func (r standIn) sessionsOf(user string) int {
	all := slices.DeleteFunc(r.Sessions(), func(s fakeroom.Session) bool { return s.User != user })
	return len(all)
}

// What ends last of sound and picture is shown to its end before the next play
// begins: up to a frame more.
const (
	pictureLasts = time.Second / 30
	rounded      = 2 * time.Millisecond
)

// judge compares the recording with three plays, one behind the other.
func (l aLoop) judge(s mediatest.Sample, r mediatest.Report) []string {
	length := s.Tape.Duration - l.begins
	if l.to > 0 {
		length = l.to - l.begins
	}
	inside := func(i int) bool {
		at := time.Duration(i)*time.Second + time.Second/2
		return at >= l.begins && at < l.begins+length
	}
	var marks []time.Duration // expected, from the begin
	for play := range plays {
		for i := range int(s.Tape.Duration / time.Second) {
			if inside(i) {
				marks = append(marks, time.Duration(play)*length+time.Duration(i)*time.Second+time.Second/2-l.begins)
			}
		}
	}
	want := mediatest.TapeWant{Duration: plays * length}
	if s.Tape.Flashes > 0 {
		want.Flashes = len(marks)
	}
	if s.Tape.Beeps == s.Tape.Flashes || s.Tape.Flashes == 0 {
		want.Beeps = min(len(marks), s.Tape.Beeps*len(marks))
	} else {
		want.Beeps = s.Tape.Beeps * plays
	}
	found := r.Faults()
	if want.Flashes == 0 && l.fillVideo {
		r.Flashes = nil
	} else {
		found = r.Problems(want)
	}
	if s.Tape.Beeps < s.Tape.Flashes { // the sound is away for a while
		found = slices.DeleteFunc(found, func(f string) bool { return strings.HasPrefix(f, "audio: a gap") })
	}
	found = append(found, seams("flash", r.Flashes, marks)...)
	if want.Beeps == len(marks) {
		found = append(found, seams("beep", r.Beeps, marks)...)
	}
	return found
}

// seams says where marks are not as far apart as they should be: one frame may
// be between, for each seam passed.
func seams(what string, got, want []time.Duration) []string {
	var found []string
	for i := 1; i < min(len(got), len(want)); i++ {
		off := (got[i] - got[i-1]) - (want[i] - want[i-1])
		if off.Abs() > pictureLasts+rounded {
			found = append(found, fmt.Sprintf("%s %d comes %v after the one before, not %v", what, i, got[i]-got[i-1], want[i]-want[i-1]))
		}
	}
	return found
}
