package matrix

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/stretchr/testify/require"
)

// maxApart is how far beep and flash may be from what was asked.
const maxApart = 40 * time.Millisecond

// TestChaosTheSoundIsHeardAsMuchLaterAsWasAsked plays flash and beep, from files
// and live, and measures by how much each beep is behind its flash.
func TestChaosTheSoundIsHeardAsMuchLaterAsWasAsked(t *testing.T) {
	beside(t)
	cases := []struct {
		sample    string
		by        time.Duration
		transcode media.TranscodeMode
		repeat    int
		from      time.Duration
		lost      int // beeps that lie before the first picture
	}{
		{sample: "mp4, baseline", by: 300 * time.Millisecond},
		{sample: "mp4, baseline", by: -300 * time.Millisecond, transcode: media.TranscodeAlways},
		{sample: "mp4, baseline", by: 1200 * time.Millisecond, repeat: 2},
		{sample: "mp4, baseline", by: -1300 * time.Millisecond, repeat: 2, lost: 1},
		{sample: "mp4, baseline", by: 2200 * time.Millisecond, transcode: media.TranscodeAlways, from: 2 * time.Second},
		{sample: "ts", by: -300 * time.Millisecond},
		{sample: "hls, ts", by: 300 * time.Millisecond, transcode: media.TranscodeAlways},
		{sample: "live rtmp", by: 300 * time.Millisecond},
		{sample: "live rtmp", by: -2300 * time.Millisecond},
		{sample: "live rtmp", by: 1300 * time.Millisecond, transcode: media.TranscodeAlways},
	}
	var samples []mediatest.Sample
	for _, c := range cases {
		samples = append(samples, sampleNamed(t, c.sample))
	}
	prepare(t, samples)
	for i, c := range cases {
		samples[i].Name = fmt.Sprintf("%s, %v %s, %d plays from %v", c.sample, c.by, c.transcode, max(c.repeat, 1), c.from)
	}
	nginx := mediatest.StartNginx(t, mediatest.NginxConfig{})
	r := startStandIn(t)
	pool(t, atOnce, samples, func(t *testing.T, i int, s mediatest.Sample) {
		c, live := cases[i], s.Serve.Live()
		tell(t, inTime(t, s, fmt.Sprintf("delay%d", i), func(user string, d *diary) verdict {
			began := time.Now()
			j := job(sampleNamed(t, c.sample).Source(t, nginx), user, d)
			j.Source.AudioDelay, j.Options.Transcode, j.Options.Repeat, j.Options.StartAt = c.by, c.transcode, c.repeat, c.from
			j.Start = c.from
			require.NoError(t, play(t.Context(), newPusher(t, r.endpoint()), j, d, live))
			path, complaints := r.tape(t, user)
			report := mediatest.Judge(t, path)
			// A hole of the delay's length is what was asked for, where the other track goes on.
			found := slices.DeleteFunc(slices.Concat(complaints, report.Faults()), func(f string) bool { return strings.Contains(f, "a gap of") })
			if c.by > 0 && c.repeat > 1 { // the last picture, re-encoded, stands until the sound has ended; ffmpeg's null muxer rounds its time to the frame rate
				found = slices.DeleteFunc(found, func(f string) bool {
					return strings.Contains(f, "a new SPS of the same size") || strings.Contains(f, "complains 1 times") && strings.Contains(f, "increasing dts to muxer")
				})
			}
			for _, beep := range report.Beeps {
				if behind := nearest(report.Flashes, beep-c.by); behind.Abs() > maxApart {
					found = append(found, fmt.Sprintf("the beep at %v is %v from where it should be", beep, behind))
				}
			}
			if !live {
				want := (s.Tape.Beeps - int(c.from/time.Second) - c.lost) * max(c.repeat, 1)
				if c.from > 0 { // and those that were delayed into the part
					want += int((c.by + time.Second/2) / time.Second)
				}
				if len(report.Beeps) != want {
					found = append(found, fmt.Sprintf("%d beeps, not %d", len(report.Beeps), want))
				}
			} else if len(report.Beeps) < 2 {
				found = append(found, fmt.Sprintf("%d beeps", len(report.Beeps)))
			}
			return verdict{s, found, d.String() + report.String(), time.Since(began)}
		}))
	})
}

// nearest is by how much at is behind the flash next to it, where flashes come
// each second: beeps may be delayed beyond the last one.
func nearest(flashes []time.Duration, at time.Duration) time.Duration {
	best := time.Duration(math.MaxInt64)
	for _, f := range flashes {
		off := (at - f) % time.Second
		off = (off+3*time.Second/2)%time.Second - time.Second/2
		if off.Abs() < best.Abs() {
			best = off
		}
	}
	return best
}
