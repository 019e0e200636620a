package source

import (
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
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

func TestTheTimesOfAnRTSPPictureAreRightForHoweverLongItHasPlayed(t *testing.T) {
	const ahead = 3600 // of a clock of 90 kHz
	var shown int64
	track := &rtspTrack{known: media.Track{Type: media.Video}, told: true}
	track.units = func(*rtp.Packet) ([]unit, error) { return make([]unit, 1), nil }
	track.decoded = func(_ unit, ticks int64) (int64, bool) {
		shown = ticks
		return ticks - ahead, true
	}
	for _, hours := range []int64{0, 1, 28, 29, 24 * 365 * 60} {
		p := track.frames(nil, time.Duration(hours)*time.Hour)[0].packet
		require.Equal(t, hours*3600*90_000, shown)
		require.Equal(t, 40*time.Millisecond, p.PTS-p.DTS)
	}
}
