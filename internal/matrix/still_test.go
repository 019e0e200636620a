package matrix

import (
	"fmt"
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
			require.Empty(t, again(t, sample.Serve.Live(), func(int) ([]string, media.Progress) {
				s := newStay(t, startStandIn(t), sample.Source(t, nginx)).start()
				return stoodForAWhile(t, s, sample), s.progress()
			}))
		})
	}
}

// stoodForAWhile plays a sample that stands for four seconds, and returns what was wrong.
func stoodForAWhile(t *testing.T, s *stay, sample mediatest.Sample) []string {
	t.Helper()
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
	t.Logf("%s%s", s.diary, report)
	wrong := slices.Concat(complaints, report.Problems(sample.Tape))

	var actions []media.Action
	for _, p := range s.diary.plans {
		actions = append(actions, p.Video.Action)
	}
	if !slices.Equal(actions, []media.Action{media.Copy, media.Transcode, media.Copy}) {
		wrong = append(wrong, fmt.Sprintf("its picture's plans are %v", actions))
	}
	if cover := s.progress().Coverage[media.Video]; cover.Lost > 0 || (cover.Held-4*time.Second).Abs() > 1500*time.Millisecond {
		wrong = append(wrong, fmt.Sprintf("of its picture is %+v", cover))
	}
	return wrong
}
