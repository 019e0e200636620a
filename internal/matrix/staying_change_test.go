package matrix

import (
	"testing"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakeroom"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/stretchr/testify/require"
)

// soonEnough is what a stop may take: 200 ms, and some. What a busy machine adds is measured.
const soonEnough = 500 * time.Millisecond

// stops stops the push and demands that it ends soon.
func (s *stay) stops() {
	s.t.Helper()
	stopped, noise := time.Now(), mediatest.WatchNoise(s.t)
	s.cancel(media.ErrStopped)
	require.ErrorIs(s.t, s.end(), media.ErrStopped)
	took := time.Since(stopped)
	s.t.Logf("stopped within %v", took)
	require.Less(s.t, took, soonEnough+mediatest.Hops*noise())
}

func TestAStopIsSoonWhateverHangs(t *testing.T) {
	t.Run("a transcoder at work", func(t *testing.T) {
		big := mediatest.Clip(t, mediatest.Spec{Width: 1280, Height: 720, BFrames: 2})
		s := newStay(t, startStandIn(t), mediatest.Serve(t, map[string]string{"a.mp4": big}).URL+"/a.mp4")
		s.start().has(time.Second)
		s.stops()
	})
	for name, mode := range map[string]media.TranscodeMode{"copied": media.TranscodeAuto, "re-encoded": media.TranscodeAlways} {
		t.Run("a loop's next opening, "+name, func(t *testing.T) {
			const length = 3
			h := newHostile(t, moving(t, length), length*time.Second)
			s := newStay(t, startStandIn(t), h.url())
			s.job.Options.Repeat, s.job.Options.Transcode = media.RepeatForever, mode
			asked := make(chan struct{}, 1)
			s.start().has(time.Second / 2)
			h.next(asking(asked))
			<-asked
			s.has(length*time.Second - 300*time.Millisecond)
			s.stops()
		})
	}
	t.Run("the source's opening", func(t *testing.T) {
		h := newHostile(t, moving(t, 2), 2*time.Second)
		asked := make(chan struct{}, 1)
		h.fail(asking(asked))
		s := newStay(t, startStandIn(t), h.url()).start()
		<-asked
		s.stops()
	})
	t.Run("the publish", func(t *testing.T) {
		s := newStay(t, startStandIn(t), served(t, 2))
		s.room.Misbehave(fakeroom.Fault{Kind: fakeroom.Stall})
		s.start()
		require.Eventually(t, func() bool { return s.room.Connections() > 0 }, time.Minute, 10*time.Millisecond)
		s.stops()
	})
	t.Run("a room that does not read", func(t *testing.T) {
		s := newStay(t, startSlow(t), mediatest.Serve(t, map[string]string{"a.mp4": mediatest.Clip(t, fat(t))}).URL+"/a.mp4")
		s.start().has(time.Second)
		s.room.Misbehave(fakeroom.Fault{Kind: fakeroom.StopReading})
		require.Eventually(t, func() bool { // the position stands
			before := s.progress().SentBytes
			return !s.moves(before, time.Second)
		}, time.Minute, time.Millisecond)
		s.stops()
	})
}

// moves says whether more than before is sent within limit.
func (s *stay) moves(before int64, limit time.Duration) bool {
	tick, end := time.NewTicker(20*time.Millisecond), time.NewTimer(limit)
	defer tick.Stop()
	defer end.Stop()
	for {
		select {
		case <-tick.C:
			if s.progress().SentBytes > before {
				return true
			}
		case <-end.C:
			return false
		}
	}
}

func TestALiveStreamMayComeBackOtherwise(t *testing.T) {
	t.Parallel()
	first := mediatest.Spec{Seconds: 60, Width: 320, Height: 180}
	for name, c := range map[string]struct {
		change       func(*mediatest.Spec)
		video, audio media.Action
		reason       string
	}{
		"larger":        {change: func(s *mediatest.Spec) { s.Width, s.Height = 640, 480 }, video: media.Transcode, audio: media.Copy, reason: "size changed to 640x480"},
		"with B-frames": {change: func(s *mediatest.Spec) { s.BFrames = 2 }, video: media.Transcode, audio: media.Copy, reason: "B-frames"},
		"without sound": {change: func(s *mediatest.Spec) { s.AudioCodec = mediatest.None }, video: media.Copy, audio: media.Fill},
		"as it was":     {change: func(*mediatest.Spec) {}, video: media.Copy, audio: media.Copy},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			second := first
			c.change(&second)
			before, after := mediatest.Clip(t, first), mediatest.Clip(t, second)
			nginx := mediatest.StartNginx(t, mediatest.NginxConfig{})
			address := nginx.RTMP + "/live/show"
			sender := mediatest.FFmpegPublish(t, address, before)
			_, err := nginx.WaitEvent(soon(t), "publish", "show")
			require.NoError(t, err)
			s := newStay(t, startStandIn(t), address)
			s.job.Retry = briefLive(time.Minute)
			s.start().has(2 * time.Second)
			sender.Interrupt()
			s.retried(1)
			stood := s.sessions()[0]
			mediatest.FFmpegPublish(t, address, after)
			session, err := s.room.Wait(soon(t), s.user, "more of both", func(now fakeroom.Session) bool {
				return now.Video.Packets > stood.Video.Packets+90 && now.Audio.Packets > stood.Audio.Packets+140
			})
			require.NoError(t, err, "%s", s.diary)
			require.Equal(t, stood.ID, session.ID, "the session goes on")
			require.Equal(t, 320, session.Width, "and the picture keeps its size")
			for _, v := range session.Violations {
				require.Equal(t, fakeroom.NewSPS, v.Kind, v.Words)
			}
			_, plan, _ := s.diary.plan()
			require.Equal(t, c.video, plan.Video.Action)
			require.Equal(t, c.audio, plan.Audio.Action)
			require.Contains(t, plan.Video.Reason, c.reason)
		})
	}
}
