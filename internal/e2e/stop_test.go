package e2e

import (
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/stretchr/testify/require"
)

func TestAStopWorksInEveryState(t *testing.T) {
	beside(t)
	clip := mediatest.Clip(t, mediatest.Spec{Seconds: 30})
	files := mediatest.Serve(t, map[string]string{"a": clip})
	t.Run("queued, with no worker anywhere", func(t *testing.T) {
		s := newStack(t, options{workers: -1})
		id := s.push(files.URL+"/a", "r", "u", nil)
		s.stop(id)
		require.Equal(t, "stopped", s.get(id)["status"])
		s.addWorker()
		other := s.push(files.URL+"/a", "r", "v", nil) // comes after the stopped one in the queue
		s.waitStatus(other, "publishing")
		require.Equal(t, "stopped", s.get(id)["status"], "the task of a stopped push starts nothing")
		_, published := s.room.Session("u")
		require.False(t, published)
	})
	t.Run("starting, with a source that never answers", func(t *testing.T) {
		s := newStack(t, options{})
		silent, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer func() { _ = silent.Close() }()
		id := s.push("http://"+silent.Addr().String()+"/a", "r", "u", nil)
		s.waitStatus(id, "starting")
		begin, noise := time.Now(), mediatest.WatchNoise(t)
		s.stop(id)
		s.waitStatus(id, "stopped")
		took := time.Since(begin)
		t.Logf("stopped in %v", took)
		require.Less(t, took, 2*time.Second+mediatest.Hops*noise())
	})
	t.Run("publishing, and again, and to a push that is not there", func(t *testing.T) {
		s := newStack(t, options{})
		id := s.push(files.URL+"/a", "r", "u", nil)
		s.waitStatus(id, "publishing")
		s.stop(id)
		s.stop(id)
		s.waitStatus(id, "stopped")
		s.stop(id)
		require.Equal(t, "stopped", s.get(id)["status"])
		require.Equal(t, http.StatusNotFound, s.do(http.MethodDelete, "/v1/pushes/0190163d-8694-739b-aea5-966c26f8ad91", nil).code)
	})
	t.Run("publishing, with a worker that was killed", func(t *testing.T) {
		s := newStack(t, options{})
		id := s.push(files.URL+"/a", "r", "u", nil)
		s.waitStatus(id, "publishing")
		s.workers[0].kill()
		s.stop(id)
		begin := time.Now()
		s.waitStatus(id, "stopped")
		t.Logf("stopped in %v after its worker was killed", time.Since(begin))
	})
}

func TestAWorkerThatIsToldToEndGivesItsPushesAway(t *testing.T) {
	beside(t)
	s := newStack(t, options{workers: 2})
	files := mediatest.Serve(t, map[string]string{"a": mediatest.Clip(t, mediatest.Spec{Seconds: 60})})
	id := s.push(files.URL+"/a", "r", "u", nil)
	first, err := s.room.WaitMedia(patient(t), "u", 3*time.Second)
	require.NoError(t, err)
	holder := s.holderOf(id)
	require.Zero(t, holder.end(t))
	second, err := s.room.WaitSession(patient(t), "u", first.ID)
	require.NoError(t, err)
	ended, err := s.room.WaitPublishing(patient(t), "u")
	require.NoError(t, err)
	require.Equal(t, second.ID, ended.ID)
	push := s.waitStatus(id, "publishing")
	require.EqualValues(t, 2, push["attempt"])
	require.Greater(t, positionMs(push), 1000.0)
}

func TestAWorkerThatIsKilledIsReplaced(t *testing.T) {
	beside(t)
	s := newStack(t, options{workers: 2})
	files := mediatest.Serve(t, map[string]string{"a": mediatest.Clip(t, mediatest.Spec{Seconds: 60})})
	id := s.push(files.URL+"/a", "r", "u", nil)
	first, err := s.room.WaitMedia(patient(t), "u", 4*time.Second)
	require.NoError(t, err)
	s.holderOf(id).kill()
	begin := time.Now()
	_, err = s.room.WaitSession(patient(t), "u", first.ID)
	require.NoError(t, err)
	t.Logf("publishing again after %v", time.Since(begin))
	push := s.waitStatus(id, "publishing")
	require.EqualValues(t, 2, push["attempt"])
}

func TestCoverageIsOfTheWholePushOverTheDeathOfItsWorker(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{})
	files := mediatest.Serve(t, map[string]string{"a": mediatest.Clip(t, mediatest.Spec{Seconds: 12})})
	for user, asked := range map[string]fields{"copied": nil, "encoded": {"transcode": "always", "width": 160, "height": 90}} {
		ends := 1.0 // of sound whose last packet ends behind what it is of: the clip's, and an encoder's in each attempt
		if asked != nil {
			ends = 2
		}
		id := s.push(files.URL+"/a", "r", user, asked)
		holder := s.holderOf(id)
		s.addWorker()
		_, err := s.room.WaitMedia(patient(t), user, 5*time.Second)
		require.NoError(t, err)
		holder.kill()
		push := s.waitStatus(id, "completed", "failed", "stopped")
		require.Equal(t, "completed", push["status"], push)
		require.EqualValues(t, 2, push["attempt"])
		progress, _ := push["progress"].(map[string]any)
		coverage, _ := progress["coverage"].(map[string]any)
		t.Logf("%s: %v", user, coverage)
		for _, track := range []string{"video", "audio"} {
			total := 0.0
			c, _ := coverage[track].(map[string]any)
			for _, ms := range c {
				total += ms.(float64)
			}
			require.InDelta(t, 12000, total, 150, "%s: %v", track, c)
			require.LessOrEqual(t, total, 12000+24*ends+2, "%s: %v: no more than the last packets of sound, and a millisecond that each attempt rounds", track, c)
			require.Less(t, c["lostMs"], 120.0, "%s: %v", track, c)
		}
	}
}
