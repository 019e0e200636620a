package matrix

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/stretchr/testify/require"
)

// nearly is by how much a real sample's length may differ: what its container
// says is not always so.
const nearly = 400 * time.Millisecond

// TestChaosRealSamplesReachBothRooms plays the files that packages carry: those
// whose length is not given for a while, all others to their end.
func TestChaosRealSamplesReachBothRooms(t *testing.T) {
	if !full {
		t.Skip("packages are fetched for CHAOS=full only")
	}
	nginx := mediatest.StartNginx(t, mediatest.NginxConfig{})
	for name, r := range map[string]room{"the stand-in room": startStandIn(t), "nginx": foreign{nginx}} {
		t.Run(name, func(t *testing.T) {
			real := mediatest.RealSamples()
			samples := make([]mediatest.Sample, len(real))
			for i, s := range real {
				samples[i] = s.Sample()
			}
			pool(t, atOnce, samples, func(t *testing.T, i int, _ mediatest.Sample) {
				found, account := realRun(t, real[i], r, fmt.Sprintf("real%d", i))
				tell(t, verdict{sample: real[i].Sample(), found: found, account: account})
			})
		})
	}
}

// realRun is trial.run for a real sample.
func realRun(t *testing.T, real mediatest.RealSample, r room, user string) (found []string, account string) {
	t.Helper()
	path := real.Path(t)
	name := "a" + filepath.Ext(path)
	source := mediatest.Serve(t, map[string]string{name: path}).URL + "/" + name
	s := real.Sample()
	pusher, err := newPusher(r.endpoint())
	require.NoError(t, err)
	d := &diary{}
	err = play(t.Context(), pusher, job(s, source, user, d), d, real.Duration == 0)
	account = d.String() + fmt.Sprintf("ended: %v\n", err)
	if plan, _, ok := d.plan(); ok && real.Fails == "" {
		found = append(checkTrack("video", s.Video, plan.Video), checkTrack("audio", s.Audio, plan.Audio)...)
	}
	if want := real.Fails; want != "" {
		if got := media.KindOf(err).String(); err == nil || got != want {
			found = append(found, fmt.Sprintf("it should have failed with %s, not: %v", want, err))
		}
		return found, account
	}
	if err != nil {
		return append(found, "it failed: "+err.Error()), account
	}
	tape, complaints := r.tape(t, user)
	report := mediatest.Judge(t, tape)
	found = append(append(found, complaints...), report.Faults()...)
	if report.Black() != real.Dark {
		found = append(found, fmt.Sprintf("mean luma %.0f", report.Luma))
	}
	if off := (report.Length() - real.Duration).Abs(); real.Duration > 0 && off > nearly {
		found = append(found, fmt.Sprintf("it is %v long, not %v", report.Length(), real.Duration))
	}
	return found, account + report.String()
}
