package source

import (
	"testing"

	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/stretchr/testify/require"
)

func TestTracksOfAnRTSPSessionBeginWhereItsAnswerSaysTogetherOrNotAtAll(t *testing.T) {
	const second = 90_000
	for name, c := range map[string]struct {
		first, second uint32 // of the tracks' packets, after where the answer says
		wantFirst     bool
		wantSecond    bool
	}{
		"both there":                    {0, second / 2, true, true},
		"both as far from it":           {9 * second, 11 * second, true, true},
		"both too far":                  {11 * second, 9 * second, false, false},
		"the second far from the first": {second, 30 * second, true, false},
		"the first far from the second": {30 * second, second, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			together := &rtspBegin{}
			track := func() *rtspTrack {
				return &rtspTrack{format: &format.H264{}, aligned: true, begins: together}
			}
			a, b := track(), track()
			_, ok := a.clock(c.first)
			require.Equal(t, c.wantFirst, ok)
			_, ok = b.clock(c.second)
			require.Equal(t, c.wantSecond, ok)
			_, ok = b.clock(c.second + second)
			require.Equal(t, c.wantSecond, ok, "what holds for its first packet holds on")
		})
	}
}
