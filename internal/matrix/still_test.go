package matrix

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/stretchr/testify/require"
)

func TestAPictureThatStoodIsCopiedAgain(t *testing.T) {
	t.Parallel()
	nginx := mediatest.StartNginx(t, mediatest.NginxConfig{})
	file := mediatest.Pausing("-f flv a.flv")
	live := file
	live.Serve = mediatest.ByRTMP
	for name, sample := range map[string]mediatest.Sample{"of a file": file, "of a live stream": live} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStay(t, startStandIn(t), sample.Source(t, nginx)).start()
			if sample.Serve.Live() { // it begins anew after 20 s
				s.has(19 * time.Second)
				s.cancel(media.ErrStopped)
				require.ErrorIs(t, s.end(), media.ErrStopped)
				sample.Tape.Open, sample.Tape.Flashes, sample.Tape.Beeps = true, 14, 17
				sample.Tape.Duration = 18 * time.Second
			} else {
				require.NoError(t, s.end())
			}
			path, complaints := s.room.tape(t, s.user)
			complaints = slices.DeleteFunc(complaints, func(c string) bool { return strings.Contains(c, "a new SPS of the same size") })
			report := mediatest.Judge(t, path)
			require.Empty(t, append(complaints, report.Problems(sample.Tape)...), "%s%s", s.diary, report)

			var actions []media.Action
			for _, p := range s.diary.plans {
				actions = append(actions, p.Video.Action)
			}
			require.Equal(t, []media.Action{media.Copy, media.Transcode, media.Copy}, actions)
			cover := s.progress().Coverage[media.Video]
			require.InDelta(t, 4, cover.Held.Seconds(), 1.5)
			require.Zero(t, cover.Lost)
		})
	}
}
