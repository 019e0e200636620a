package matrix

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/roomcast/roomcast/internal/link"
	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakeroom"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/roomcast/roomcast/media/trtc"
	"github.com/roomcast/roomcast/tasks"
	"github.com/stretchr/testify/require"
)

// served is where a clip of that many seconds is.
func served(t *testing.T, seconds float64) string {
	t.Helper()
	return mediatest.Serve(t, map[string]string{"a.mp4": moving(t, seconds)}).URL + "/a.mp4"
}

// shown is a live stream that is there.
func shown(t *testing.T) string {
	t.Helper()
	address, _ := sent(t, moving(t, 60))
	return address
}

// sent is a live stream of a clip, and its sender.
func sent(t *testing.T, clip string) (string, *mediatest.Process) {
	t.Helper()
	nginx := mediatest.StartNginx(t, mediatest.NginxConfig{})
	address := nginx.RTMP + "/live/show"
	sender := mediatest.FFmpegPublish(t, address, clip)
	_, err := nginx.WaitEvent(soon(t), "publish", "show")
	require.NoError(t, err)
	return address, sender
}

func TestANameInUseIsWaitedForAndThenAConflict(t *testing.T) {
	t.Parallel()
	t.Run("free again", func(t *testing.T) {
		s := newStay(t, startStandIn(t), served(t, 2))
		s.room.Misbehave(fakeroom.Fault{Kind: fakeroom.Reject, Code: fakeroom.CodeBadName, Times: 3})
		require.NoError(t, s.start().end())
		require.Len(t, s.retries(), 3)
		require.Len(t, s.sessions(), 1)
	})
	t.Run("for ever", func(t *testing.T) {
		s := newStay(t, startStandIn(t), served(t, 2))
		s.room.Misbehave(fakeroom.Fault{Kind: fakeroom.Reject, Code: fakeroom.CodeBadName, Words: "Already publishing"})
		begin := time.Now()
		f := s.start().failed()
		require.Equal(t, tasks.CodeRoomConflict, f.Code)
		require.InDelta(t, 9.5, time.Since(begin).Seconds(), 3, "a tenth of 95 s")
		require.Contains(t, f.Message, "Already publishing")
	})
}

func TestARoomThatDeniesIsNotAskedTwice(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault fakeroom.Fault
		words string
	}{
		"the publish": {fakeroom.Fault{Kind: fakeroom.Reject, Words: "the package was not bought"}, "the package was not bought"},
		"the connect": {fakeroom.Fault{Kind: fakeroom.Reject, AtConnect: true, Code: fakeroom.CodeConnectRejected, Words: "no such app"}, "no such app"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStay(t, startStandIn(t), served(t, 2))
			s.room.Misbehave(c.fault)
			f := s.start().failed()
			require.Equal(t, tasks.CodeRoomDenied, f.Code)
			require.Contains(t, f.Message, c.words)
			require.Empty(t, s.retries())
		})
	}
	t.Run("a bad signature", func(t *testing.T) {
		s := newStay(t, startStandIn(t), served(t, 2))
		s.sign("fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210", time.Hour)
		s.forgetKey()
		f := s.start().failed()
		require.Equal(t, tasks.CodeRoomDenied, f.Code)
		require.Contains(t, f.Message, "usersig refused")
		require.Empty(t, s.retries())
	})
}

// sign gives the push a signature made with key.
func (s *stay) sign(key media.Secret, ttl time.Duration) {
	s.t.Helper()
	minter, err := trtc.New(trtc.Config{Keys: map[uint32]media.Secret{appID: key}})
	require.NoError(s.t, err)
	s.job.Destination.UserSig, err = minter.MintUserSig(appID, s.user, ttl)
	require.NoError(s.t, err)
}

// forgetKey makes the worker one that was not given the app's key.
func (s *stay) forgetKey() {
	s.t.Helper()
	door, err := trtc.New(trtc.Config{Endpoint: s.room.endpoint()})
	require.NoError(s.t, err)
	s.pusher.Door = door
}

func TestABrokenRoomIsOpenedAgainAtOnceAndGoesOnAtAKeyframe(t *testing.T) {
	t.Parallel()
	const length = 8
	for name, mode := range map[string]media.TranscodeMode{"copied": media.TranscodeAuto, "re-encoded": media.TranscodeAlways} {
		t.Run("a file, "+name, func(t *testing.T) {
			t.Parallel()
			s := newStay(t, startStandIn(t), served(t, length))
			s.job.Options.Transcode = mode
			s.start().has(3 * time.Second)
			noise := mediatest.WatchNoise(t)
			require.Equal(t, 1, s.room.Cut(s.user))
			require.NoError(t, s.end(), "%s", s.diary)
			s.back(2, noise())
			different, again := s.pictures()
			require.InDelta(t, length*30, different, 4, "what was on the wire may be lost")
			if mode == media.TranscodeAuto {
				require.LessOrEqual(t, again, 30)
			}
			require.Equal(t, length*time.Second, s.progress().Position.Round(100*time.Millisecond))
		})
		t.Run("a live stream, "+name, func(t *testing.T) {
			t.Parallel()
			s := newStay(t, startStandIn(t), shown(t))
			s.job.Options.Transcode = mode
			first := s.start().has(3 * time.Second)
			noise := mediatest.WatchNoise(t)
			require.Equal(t, 1, s.room.Cut(s.user))
			_, err := s.room.WaitSession(soon(t), s.user, first.ID)
			require.NoError(t, err, s.diary)
			s.has(3 * time.Second)
			s.back(2, noise())
		})
	}
}

// back demands that many sessions, each soon after the one before, on a machine of such noise, and sound.
func (s *stay) back(n int, noise time.Duration) {
	s.t.Helper()
	all := s.sessions()
	require.Len(s.t, all, n, "%s", s.diary)
	for i := range all[1:] {
		require.Less(s.t, all[i+1].StartedAt.Sub(all[i].EndedAt), 2*time.Second+mediatest.Hops*noise)
	}
	s.sound()
}

func TestABrokenRoomIsOpenedAgainOverANetworkThatBreaks(t *testing.T) {
	t.Parallel()
	room := startStandIn(t)
	l := link.New(t, room.Addr())
	s := newStay(t, room, served(t, 8))
	s.pusher = newPusher(t, "rtmp://"+l.Addr()+"/push")
	s.start().has(2 * time.Second)
	l.Reset()
	_, err := room.WaitSession(soon(t), s.user, 1)
	require.NoError(t, err)
	s.has(2 * time.Second)
	l.HangUp()
	require.NoError(t, s.end(), "%s", s.diary)
	s.sound()
	require.Len(t, s.sessions(), 3)
	different, _ := s.pictures()
	require.InDelta(t, 8*30, different, 8)
}

func TestABrokenRoomIsNotOpenedAgainWithoutAFreshLease(t *testing.T) {
	t.Parallel()
	s := newStay(t, startStandIn(t), served(t, 6))
	leases := make(chan struct{}, 1)
	leases <- struct{}{}
	asked := make(chan struct{}, 2)
	s.job.MayOpenRoom = func(ctx context.Context) (context.Context, context.CancelFunc, error) {
		asked <- struct{}{}
		select {
		case <-leases:
			leased, cancel := context.WithCancel(ctx)
			return leased, cancel, nil
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
	}
	s.start().has(2 * time.Second)
	<-asked
	s.room.Cut(s.user)
	<-asked
	require.Len(t, s.sessions(), 1, "it waits")
	leases <- struct{}{}
	require.NoError(t, s.end())
	require.Len(t, s.sessions(), 2)
	s.sound()
}

func TestASignatureThatRanOutIsMintedAnewWhereTheKeyIsKnown(t *testing.T) {
	t.Parallel()
	t.Run("known", func(t *testing.T) {
		s := newStay(t, startStandIn(t), served(t, 10))
		s.sign(appKey, 5*time.Second)
		s.start().has(6 * time.Second)
		s.room.Cut(s.user)
		require.NoError(t, s.end(), "%s", s.diary)
		require.Len(t, s.sessions(), 2)
		require.Contains(t, s.diary.warning(), "usersig_expires")
	})
	t.Run("not known", func(t *testing.T) {
		s := newStay(t, startStandIn(t), served(t, 10))
		s.sign(appKey, 5*time.Second)
		s.forgetKey()
		s.start().has(6 * time.Second)
		s.room.Cut(s.user)
		require.Equal(t, tasks.CodeUserSigExpired, s.failed().Code)
		require.Len(t, s.sessions(), 1)
	})
}

func TestAKickIsAConflictAndNoFight(t *testing.T) {
	t.Parallel()
	t.Run("the room says so", func(t *testing.T) {
		s := newStay(t, startStandIn(t), served(t, 6))
		s.start().has(time.Second)
		s.room.Kick(s.user)
		f := s.failed()
		require.Equal(t, tasks.CodeRoomConflict, f.Code)
		require.Contains(t, f.Message, "the same user came again")
		require.Empty(t, s.retries())
		require.Len(t, s.sessions(), 1)
	})
	t.Run("it hangs up three times in a row", func(t *testing.T) {
		s := newStay(t, startStandIn(t), served(t, 6))
		s.room.Misbehave(fakeroom.Fault{Kind: fakeroom.Cut, AfterPackets: 10})
		require.Equal(t, tasks.CodeRoomConflict, s.start().failed().Code)
		require.Len(t, s.sessions(), 3)
	})
	t.Run("it hangs up on a live stream with a keyframe in four seconds", func(t *testing.T) {
		nginx := mediatest.StartNginx(t, mediatest.NginxConfig{})
		s := newStay(t, startStandIn(t), nginx.RTMP+"/live/show").start()
		_, err := nginx.WaitEvent(soon(t), "play", "show")
		require.NoError(t, err)
		mediatest.FFmpegPublish(t, nginx.RTMP+"/live/show", mediatest.Clip(t, mediatest.Spec{Seconds: 60, Width: 320, Height: 180, GOPSeconds: 4}))
		s.has(2500 * time.Millisecond)
		s.room.Misbehave(fakeroom.Fault{Kind: fakeroom.Cut, AfterPackets: 2}) // the configurations
		begin := time.Now()
		require.Equal(t, tasks.CodeRoomConflict, s.failed().Code)
		require.Less(t, time.Since(begin), 20*time.Second, "no keyframe is waited for")
		require.Len(t, s.sessions(), 1+3)
	})
	t.Run("the room says so while a live sender is away", func(t *testing.T) {
		address, sender := sent(t, moving(t, 60))
		s := newStay(t, startStandIn(t), address)
		s.start().has(time.Second)
		sender.Interrupt()
		s.retried(1)
		begin, noise := time.Now(), mediatest.WatchNoise(t)
		s.room.Kick(s.user)
		f := s.failed()
		require.Less(t, time.Since(begin), soonEnough+mediatest.Hops*noise())
		require.Equal(t, tasks.CodeRoomConflict, f.Code)
		require.Contains(t, f.Message, "the same user came again")
		require.Len(t, s.sessions(), 1)
	})
	t.Run("it hangs up twice", func(t *testing.T) {
		s := newStay(t, startStandIn(t), served(t, 4))
		s.room.Misbehave(fakeroom.Fault{Kind: fakeroom.Cut, AfterPackets: 10, Times: 2})
		require.NoError(t, s.start().end(), "%s", s.diary)
		require.Len(t, s.sessions(), 3)
	})
}

// fat is a clip of about 6 Mb/s: a slow room is soon noticed.
func fat(t *testing.T) mediatest.Spec {
	t.Helper()
	return mediatest.Spec{Seconds: 20, Args: []string{"-b:v", "6M", "-minrate", "6M", "-maxrate", "6M", "-bufsize", "1M", "-nal-hrd", "cbr"}}
}

func startSlow(t *testing.T) standIn {
	t.Helper()
	r, err := fakeroom.Start(fakeroom.Config{Keys: map[uint32]string{appID: appKey}, RecordAll: true, ReadBuffer: 64 << 10})
	require.NoError(t, err)
	t.Cleanup(r.Close)
	return standIn{r}
}

func TestASlowRoomMakesAFileSlipAndLosesNothing(t *testing.T) {
	t.Parallel()
	s := newStay(t, startSlow(t), mediatest.Serve(t, map[string]string{"a.mp4": mediatest.Clip(t, fat(t))}).URL+"/a.mp4")
	s.job.Options.EndAt = 10 * time.Second
	noise := mediatest.WatchNoise(t)
	s.start().has(2 * time.Second)
	s.room.Misbehave(fakeroom.Fault{Kind: fakeroom.StopReading})
	heal := time.AfterFunc(5*time.Second, s.room.Heal)
	defer heal.Stop()
	require.NoError(t, s.end(), "%s", s.diary)
	require.Len(t, s.sessions(), 1)
	s.sound()
	require.GreaterOrEqual(t, s.progress().Slipped, 2500*time.Millisecond)
	require.LessOrEqual(t, s.progress().Slipped, 6500*time.Millisecond+mediatest.Hops*noise())
	require.Zero(t, s.progress().DroppedPackets)
	require.Equal(t, 300, s.sessions()[0].Video.Packets)
}

func TestASlowRoomMakesALiveStreamDropToItsNextKeyframe(t *testing.T) {
	t.Parallel()
	nginx := mediatest.StartNginx(t, mediatest.NginxConfig{})
	address := nginx.RTMP + "/live/show"
	mediatest.FFmpegPublish(t, address, mediatest.Clip(t, fat(t)))
	_, err := nginx.WaitEvent(soon(t), "publish", "show")
	require.NoError(t, err)
	requireSoonBack(t, 6*time.Second, 11*time.Second, func() *stay { return newStay(t, startSlow(t), address) })
}

// requireSoonBack plays into a room that takes nothing for a while. Of a live source a part is
// left out then, and at the end it is no more behind than what is queued, two seconds, and in
// the kernels.
func requireSoonBack(t *testing.T, slow, length time.Duration, newStay func() *stay) {
	t.Helper()
	const most = 3500 * time.Millisecond
	require.Empty(t, again(t, true, func(int) (wrong []string, p media.Progress) {
		s := newStay()
		s.start().has(2 * time.Second)
		s.room.Misbehave(fakeroom.Fault{Kind: fakeroom.StopReading})
		heal := time.AfterFunc(slow, s.room.Heal)
		defer heal.Stop()
		session := s.has(length)
		require.Len(t, s.sessions(), 1, "%s", s.diary)
		s.sound()
		p = s.progress()
		require.Positive(t, p.DroppedPackets)
		require.Greater(t, session.Video.MaxStep, time.Second, "a part is left out")
		require.InDelta(t, session.Video.LastDTS, session.Audio.LastDTS, float64(500*time.Millisecond), "sound has gone on with its picture")
		s.cancel(media.ErrStopped)
		require.ErrorIs(t, s.end(), media.ErrStopped)
		if behind := session.Video.Drift; behind >= most {
			wrong = append(wrong, fmt.Sprintf("%v behind", behind))
		}
		return wrong, p
	}))
}

func TestASlowRoomMakesALivePlaylistDropToAKeyframe(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]media.TranscodeMode{"copied": media.TranscodeAuto, "re-encoded": media.TranscodeAlways} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireSoonBack(t, 7*time.Second, 17*time.Second, func() *stay {
				s := newStay(t, startSlow(t), mediatest.ServeLiveHLS(t, mediatest.Clip(t, fat(t))))
				s.job.Options.Transcode, s.job.Options.Video.Bitrate = mode, 3_000_000
				return s
			})
		})
	}
}

// thin is a clip of about 200 kb/s.
func thin(t *testing.T) mediatest.Spec {
	t.Helper()
	return mediatest.Spec{Seconds: 30, Width: 320, Height: 180, Args: []string{"-b:v", "72k", "-maxrate", "72k", "-bufsize", "72k"}}
}

func TestASlowRoomIsSentNoMoreThanTwoSecondsOfALowBitRate(t *testing.T) {
	t.Parallel()
	const roomBuffer = 2*(64<<10) + 8<<10 // the kernel doubles it; and what the room's reader has taken
	path := mediatest.Clip(t, thin(t))
	info, err := os.Stat(path)
	require.NoError(t, err)
	s := newStay(t, startSlow(t), mediatest.Serve(t, map[string]string{"a.mp4": path}).URL+"/a.mp4")
	s.start().has(2 * time.Second)
	s.room.Misbehave(fakeroom.Fault{Kind: fakeroom.StopReading})
	require.Eventually(t, func() bool { return !s.moves(s.progress().SentBytes, time.Second) }, time.Minute, time.Millisecond)
	got, sent := s.sessions()[0].Bytes(), s.progress().SentBytes
	require.LessOrEqual(t, sent-got-roomBuffer, 2*info.Size()/30, "%d sent, of which %d came", sent, got)
	s.room.Heal()
	s.has(12 * time.Second)
	s.sound()
	require.Len(t, s.sessions(), 1, "%s", s.diary)
}

func TestARoomThatStaysSilentIsGivenUp(t *testing.T) {
	t.Parallel()
	s := newStay(t, startStandIn(t), served(t, 2))
	s.pusher.Dialer = shortDialer()
	s.room.Misbehave(fakeroom.Fault{Kind: fakeroom.Stall})
	s.job.Retry = func(k media.Kind) media.Retry {
		r := brief(k)
		r.For = 10 * time.Second
		return r
	}
	require.Equal(t, tasks.CodeRoomUnavailable, s.start().failed().Code)
	require.Greater(t, len(s.retries()), 1)
}
