package matrix

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media/mediatest"
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
			pool(t, atOnce, samples, func(t *testing.T, i int, s mediatest.Sample) {
				path := real[i].Path(t)
				name := "a" + filepath.Ext(path)
				pushed(t, trial{
					sample: s, room: r, user: fmt.Sprintf("real%d", i), share: real[i].Duration == 0,
					source: mediatest.Serve(t, map[string]string{name: path}).URL + "/" + name,
					judge:  func(report mediatest.Report) []string { return judgeReal(real[i], report) },
				})
			})
		})
	}
}

// judgeReal says what is wrong with the recording of a real sample, in which
// nothing flashes.
func judgeReal(s mediatest.RealSample, r mediatest.Report) []string {
	found := r.Faults()
	if r.Black() != s.Dark {
		found = append(found, fmt.Sprintf("mean luma %.0f", r.Luma))
	}
	if off := (r.Length() - s.Duration).Abs(); s.Duration > 0 && off > nearly {
		found = append(found, fmt.Sprintf("it is %v long, not %v", r.Length(), s.Duration))
	}
	return found
}
