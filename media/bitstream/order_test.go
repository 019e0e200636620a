package bitstream

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func TestPicturesAreOutOfOrderWherePTSStepBackAndDTSDoNot(t *testing.T) {
	const frame = 40 * time.Millisecond
	for name, c := range map[string]struct {
		pts, dts []time.Duration // in frames; no dts: there are none
		want     bool
	}{
		"in order":                                 {[]time.Duration{0, 1, 2, 3}, []time.Duration{0, 1, 2, 3}, false},
		"in order, each shown later":               {[]time.Duration{2, 3, 4, 5}, []time.Duration{0, 1, 2, 3}, false},
		"B-frames":                                 {[]time.Duration{1, 3, 2, 4}, []time.Duration{0, 1, 2, 3}, true},
		"B-frames without DTS":                     {[]time.Duration{1, 3, 2, 4}, nil, true},
		"B-frames whose DTS was guessed":           {[]time.Duration{1, 3, 2, 4}, []time.Duration{1, 3, 3, 4}, true},
		"a clock that steps back":                  {[]time.Duration{8, 9, 4, 5}, []time.Duration{8, 9, 4, 5}, false},
		"B-frames after a clock that stepped back": {[]time.Duration{8, 9, 5, 7, 6}, []time.Duration{8, 9, 4, 5, 6}, true},
		"another clock":                            {[]time.Duration{90, 91, 0, 1}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			var w OrderWatch
			reordered := false
			for i, pts := range c.pts {
				p := media.Packet{PTS: pts * frame, NoDTS: c.dts == nil}
				if !p.NoDTS {
					p.DTS = c.dts[i] * frame
				}
				reordered = w.Reordered(&p) || reordered
			}
			require.Equal(t, c.want, reordered)
		})
	}
}
