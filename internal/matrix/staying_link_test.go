package matrix

import (
	"os"
	"testing"
	"time"

	"github.com/roomcast/roomcast/internal/link"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/stretchr/testify/require"
)

// slow lets over the link a share of the bit rate of the fat clip.
func slow(t *testing.T, l *link.Link, share float64) {
	t.Helper()
	info, err := os.Stat(mediatest.Clip(t, fat(t)))
	require.NoError(t, err)
	l.Slow(int(float64(info.Size()) / fat(t).Seconds * share))
}

func TestAFileGoesOnOverANetworkThatIsSlowOrBreaks(t *testing.T) {
	t.Parallel()
	const length = 3
	path := mediatest.Clip(t, fat(t))
	for name, c := range map[string]struct {
		share  float64                 // what follows happens while the file is on its way
		breaks func(*stay, *link.Link) // nil: it does not
		words  string                  // of the first retry; empty: the source is not opened anew
	}{
		"is slow": {share: 0.4},
		"resets":  {0.6, func(_ *stay, l *link.Link) { l.Reset() }, ""},
		"is cut":  {0.6, func(s *stay, l *link.Link) { l.Cut(); s.retried(1); l.Heal() }, "source_stalled"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := link.New(t, mediatest.Serve(t, map[string]string{"a.mp4": path}).Listener.Addr().String())
			slow(t, l, c.share)
			s := newStay(t, startStandIn(t), "http://"+l.Addr()+"/a.mp4")
			s.job.Options.EndAt = length * time.Second
			s.start().has(300 * time.Millisecond)
			if c.breaks != nil {
				c.breaks(s, l)
				l.Slow(0)
			}
			require.NoError(t, s.end(), "%s", s.diary)
			require.Len(t, s.sessions(), 1, "in one publish session")
			s.sound()
			different, again := s.pictures()
			require.Equal(t, length*30, different, "every picture is shown")
			require.Equal(t, length*time.Second, s.progress().Position.Round(100*time.Millisecond))
			if c.words == "" {
				require.Empty(t, s.retries())
				require.Zero(t, again)
				require.True(t, c.breaks != nil || s.progress().Slipped > time.Second)
				return
			}
			require.Contains(t, s.retries()[0], c.words)
			require.LessOrEqual(t, again, 30, "from the keyframe before")
		})
	}
}

func TestARoomBehindASlowNetworkMakesAFileSlipAndLosesNothing(t *testing.T) {
	t.Parallel()
	const length = 4
	room := startStandIn(t)
	l := link.New(t, room.Addr())
	slow(t, l, 0.25)
	s := newStay(t, room, mediatest.Serve(t, map[string]string{"a.mp4": mediatest.Clip(t, fat(t))}).URL+"/a.mp4")
	s.pusher = newPusher(t, "rtmp://"+l.Addr()+"/push")
	s.job.Options.EndAt = length * time.Second
	s.start()
	require.Eventually(t, func() bool { return s.progress().Slipped > time.Second }, time.Minute, 20*time.Millisecond, "%s", s.diary)
	l.Slow(0)
	require.NoError(t, s.end(), "%s", s.diary)
	require.Len(t, s.sessions(), 1)
	s.sound()
	require.Empty(t, s.retries())
	require.Zero(t, s.progress().DroppedPackets)
	require.Equal(t, length*30, s.sessions()[0].Video.Packets)
}
