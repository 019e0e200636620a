package mp4

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func words(values ...uint32) (b []byte) {
	for _, v := range values {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

// What libav mends in tables, or reads in a way of its own, is left to it.
func TestTablesThatLibavMendsAreNotPlain(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Track)
		want   bool
	}{
		"plain":                                {func(*Track) {}, true},
		"chunks of several lengths":            {func(t *Track) { t.samples = words(1, 1, 1, 2, 3, 1) }, true},
		"a run of no samples":                  {func(t *Track) { t.steps = words(2, 1, 0, 7, 2, 1) }, false},
		"a distance of no samples":             {func(t *Track) { t.shifts = words(2, 1, 0, 7, 2, 1) }, false},
		"too few durations":                    {func(t *Track) { t.steps = words(3, 1) }, false},
		"two lengths of the same chunk":        {func(t *Track) { t.samples = words(1, 2, 1, 1, 2, 1) }, false},
		"chunks whose lengths are in no order": {func(t *Track) { t.samples = words(1, 2, 1, 5, 1, 1, 2, 2, 1) }, false},
		"a keyframe that does not come":        {func(t *Track) { t.allKeys, t.keys = false, words(1, 5) }, false},
	} {
		track := &Track{
			Scale: 1, film: 1, count: 4, sizes: words(1, 1, 1, 1), chunks: words(0, 4), samples: words(1, 2, 1), steps: words(4, 1), allKeys: true,
		}
		track.edit.length = math.MaxInt64
		c.change(track)
		require.Equal(t, c.want, track.valid(8), name)
	}
}
