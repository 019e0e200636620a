package matrix

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/stretchr/testify/require"
)

// atOnce is how many pushes run beside each other: each takes as long as its
// clip.
const atOnce = 8

// testsAtOnce is how many parallel tests run beside each other: they wait far more than they work.
const testsAtOnce = 4

// full is the matrix at full size: every sample to every room, and the samples
// that packages carry.
var full = os.Getenv("CHAOS") == "full"

// forNginx are the kinds that nginx gets in a short run.
var forNginx = map[string]bool{
	"mp4, baseline": true, "mp4, high with B-frames": true, "webm, vp9 and opus": true, "ts, clock wraps": true,
	"mkv, screen that stands for 6 s": true, "ts, stream numbers and codecs change": true, "live rtmp, a picture that stands": true,
	"phone video, rotated by 90": true, "hls, aes-128": true, "live rtmp": true, "m4a, audio only": true,
}

// slots are those of all pools: tests run beside each other, and pushes that
// re-encode need the CPU in time.
var slots = make(chan struct{}, atOnce+4)

// pool calls act for every sample as a subtest, n at once, if no other pool has the
// slots.
func pool(t *testing.T, n int, samples []mediatest.Sample, act func(t *testing.T, i int, s mediatest.Sample)) {
	t.Helper()
	next := make(chan int)
	var running sync.WaitGroup
	for range n {
		running.Go(func() {
			for i := range next {
				slots <- struct{}{}
				t.Run(samples[i].Name, func(t *testing.T) { act(t, i, samples[i]) })
				<-slots
			}
		})
	}
	for i := range samples {
		next <- i
	}
	close(next)
	running.Wait()
}

// beside lets a test run beside others in a short run.
func beside(t *testing.T) {
	t.Helper()
	if !full {
		t.Parallel()
	}
}

// prepare makes what is not there yet: not beside pushes, which would be late.
func prepare(t *testing.T, samples []mediatest.Sample) {
	t.Helper()
	t.Run("made", func(t *testing.T) {
		pool(t, 2, samples, func(t *testing.T, _ int, s mediatest.Sample) { s.Path(t) })
	})
}

func TestChaosTheCorpusReachesTheStandInRoom(t *testing.T) {
	beside(t)
	samples := mediatest.Corpus()
	if !full {
		samples = mediatest.Half(samples)
	}
	prepare(t, samples)
	nginx := mediatest.StartNginx(t, mediatest.NginxConfig{})
	r := startStandIn(t)
	pool(t, atOnce, samples, func(t *testing.T, i int, s mediatest.Sample) {
		pushed(t, trial{sample: s, room: r, user: fmt.Sprintf("u%d", i), nginx: nginx})
	})
}

func TestChaosTheCorpusReachesNginx(t *testing.T) {
	beside(t)
	var samples []mediatest.Sample
	for _, s := range mediatest.Corpus() {
		if full || forNginx[s.Name] {
			samples = append(samples, s)
		}
	}
	require.GreaterOrEqual(t, len(samples), len(forNginx))
	prepare(t, samples)
	nginx := mediatest.StartNginx(t, mediatest.NginxConfig{})
	pool(t, atOnce, samples, func(t *testing.T, i int, s mediatest.Sample) {
		pushed(t, trial{sample: s, room: foreign{nginx}, user: fmt.Sprintf("u%d", i), nginx: nginx})
	})
}

// trial is one sample on its way into one room.
type trial struct {
	sample mediatest.Sample
	room   room
	user   string
	nginx  *mediatest.Nginx // where rtmp sources are pulled from

	source string                          // an address that is served already
	share  bool                            // only the begin is played
	judge  func(mediatest.Report) []string // Report.Problems when nil
}

// pushed plays a sample into a room and judges what came of it.
func pushed(t *testing.T, tr trial) {
	t.Helper()
	tell(t, inTime(t, tr.sample, tr.user, func(user string, d *diary) verdict {
		began := time.Now()
		tr.user = user
		found, account := tr.run(t, d)
		return verdict{tr.sample, found, account, time.Since(began)}
	}))
}

// verdict is what was found wrong with a push, and all that is known of it.
type verdict struct {
	sample  mediatest.Sample
	found   []string
	account string
	took    time.Duration
}

// tell fails the test where something was found, with the account of it.
func tell(t *testing.T, v verdict) {
	t.Helper()
	t.Logf("%s\n%s", v.sample.Name, v.account)
	result := "as wanted"
	if len(v.found) > 0 {
		result = strings.Join(v.found, "; ")
		t.Error(result)
	}
	t.Logf("RESULT %-36s %4.1f s  %s", v.sample.Name, v.took.Seconds(), result)
}

// run returns what is wrong, in sentences, and all that is known of the push.
func (tr trial) run(t *testing.T, d *diary) (found []string, account string) {
	t.Helper()
	s := tr.sample
	err := tr.play(t, d)
	account = d.String() + fmt.Sprintf("ended with: %v\n", err)
	if first, last, ok := d.plan(); ok && s.Fails == "" {
		found = slices.Concat(checkTrack("video", s.Video, first.Video), checkTrack("audio", s.Audio, first.Audio),
			checkTrack("later video", s.Video.AtTheEnd(), last.Video), checkTrack("later audio", s.Audio.AtTheEnd(), last.Audio))
	}
	switch {
	case s.Fails != "" && (err == nil || media.KindOf(err).String() != s.Fails):
		return append(found, fmt.Sprintf("it should have failed with %s, not: %v", s.Fails, err)), account
	case s.Fails != "":
		return found, account
	case err != nil:
		return append(found, "it failed: "+err.Error()), account
	}
	if w := d.warning(); w != s.Warned {
		found = append(found, fmt.Sprintf("warned %q, not %q", w, s.Warned))
	}
	path, complaints := tr.room.tape(t, tr.user)
	if r, ok := tr.room.(standIn); ok {
		complaints = append(complaints, r.apart(t, tr.user, s.Tape)...)
	}
	report := mediatest.Judge(t, path)
	if s.Renewed {
		complaints = slices.DeleteFunc(complaints, func(c string) bool { return strings.Contains(c, "a new SPS of the same size") })
	}
	judge := tr.judge
	if judge == nil {
		judge = func(r mediatest.Report) []string { return r.Problems(s.Tape) }
	}
	return slices.Concat(found, complaints, made(s, report), judge(report)), account + report.String()
}

// play plays the sample into the room.
func (tr trial) play(t *testing.T, d *diary) error {
	t.Helper()
	if tr.source == "" {
		tr.source = tr.sample.Source(t, tr.nginx)
	}
	j := job(tr.source, tr.user, d)
	j.Source.Mode = media.SourceMode(tr.sample.Mode)
	return play(t.Context(), newPusher(t, tr.room.endpoint()), j, d, tr.sample.Serve.Live() || tr.share)
}

// checkTrack says in which way a track's plan is not what is wanted.
func checkTrack(name string, want mediatest.TrackWant, got *media.TrackPlan) []string {
	if got == nil {
		got = &media.TrackPlan{}
	}
	if string(got.Action) != want.Action || !strings.Contains(got.Reason, want.Reason) {
		return []string{fmt.Sprintf("%s: the plan is %q (%s), not %q (%s)", name, got.Action, got.Reason, want.Action, want.Reason)}
	}
	return nil
}

// maxKeyGap is the longest GOP of ours, and a frame.
const maxKeyGap = 2*time.Second + 40*time.Millisecond

// made says in which way the tracks are not those planned: what we encode has
// a form of its own.
func made(s mediatest.Sample, r mediatest.Report) []string {
	var found []string
	if (s.Video.Action != "") != (r.Video != nil) || (s.Audio.Action != "") != (r.Audio != nil) {
		found = append(found, "the room's tracks are not those planned")
	}
	ours := func(w mediatest.TrackWant) bool { return w.Action == "transcode" || w.Action == "fill" }
	if ours(s.Video) && r.Video != nil && r.Video.KeyGap > maxKeyGap {
		found = append(found, fmt.Sprintf("our keyframes are %v apart", r.Video.KeyGap))
	}
	if ours(s.Audio) && (r.SampleRate != "48000" || r.Channels != 2) {
		found = append(found, fmt.Sprintf("our audio is of %s Hz with %d channels", r.SampleRate, r.Channels))
	}
	return found
}
