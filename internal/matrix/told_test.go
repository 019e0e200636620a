package matrix

import (
	"testing"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/stretchr/testify/require"
)

// TestTheNextAttemptGivesTheRoomTheSamePicture plays three attempts of a push,
// whose source is another one each time.
func TestTheNextAttemptGivesTheRoomTheSamePicture(t *testing.T) {
	t.Parallel()
	first := mediatest.Spec{Seconds: 1, Width: 320, Height: 180}
	other := mediatest.Spec{Seconds: 1, Width: 480, Height: 480, Args: []string{"-ar", "44100", "-ac", "1"}}
	room := startStandIn(t)
	var before media.Plan
	for i, c := range []struct {
		spec         mediatest.Spec
		video, audio media.Action
		reason       string
	}{
		{first, media.Copy, media.Copy, ""},
		{other, media.Transcode, media.Transcode, "size changed to 480x480"},
		{first, media.Copy, media.Copy, ""},
	} {
		s := newStay(t, room, mediatest.Serve(t, map[string]string{"a.mp4": mediatest.Clip(t, c.spec)}).URL+"/a.mp4")
		s.job.Before = before
		require.NoError(t, s.start().end(), "%s", s.diary)
		before, _, _ = s.diary.plan()
		require.Equal(t, c.video, before.Video.Action)
		require.Contains(t, before.Video.Reason, c.reason)
		require.Equal(t, c.audio, before.Audio.Action)
		require.Equal(t, media.Output{Width: 320, Height: 180}, before.Video.Output)
		require.Equal(t, media.Output{SampleRate: 48000, Channels: 2}, before.Audio.Output)
		session := s.sessions()[i]
		require.Equal(t, [2]int{320, 180}, [2]int{session.Width, session.Height})
		var config mpeg4audio.AudioSpecificConfig
		require.NoError(t, config.Unmarshal(session.AudioConfigs[0]))
		require.Equal(t, 48000, config.SampleRate)
		require.InDelta(t, 30, session.Video.Packets, 1)
		s.sound()
	}
}
