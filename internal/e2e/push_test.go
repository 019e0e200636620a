package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media/fakeroom"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/stretchr/testify/require"
)

// copyInto puts a file into a folder and returns its name there.
func copyInto(t testing.TB, dir, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, filepath.Base(path)), data, 0o600))
	return filepath.Base(path)
}

func patient(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// The peer here is one that nobody here wrote: nginx is the file server and
// the room.
func TestARequestPutsAVideoIntoARoomAndAStopTakesItOut(t *testing.T) {
	beside(t)
	root := t.TempDir()
	name := copyInto(t, root, mediatest.Clip(t, mediatest.Spec{Seconds: 75, GOPSeconds: 2}))
	nginx := mediatest.StartNginx(t, mediatest.NginxConfig{Root: root})
	s := newStack(t, options{room: nginx.RTMP + "/push"})

	n, id, room := 0, "", ""
	begin := func() (took time.Duration) {
		n++
		room = fmt.Sprintf("class_%d", n)
		posted := time.Now()
		id = s.push(nginx.HTTP+"/"+name, room, fmt.Sprintf("teacher_%d", n), nil)
		published, err := nginx.WaitEvent(patient(t), "publish", room)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("teacher_%d", n), published.Args.Get("userid"))
		return published.At.Sub(posted)
	}
	end := func() (took time.Duration) {
		deleted := time.Now()
		s.stop(id)
		done, err := nginx.WaitEvent(patient(t), "publish_done", room)
		require.NoError(t, err)
		require.Equal(t, "stopped", s.waitStatus(id, "stopped", "failed", "completed")["status"])
		return done.At.Sub(deleted)
	}
	soon := func(what string, took, most time.Duration) (wrong []string) {
		t.Logf("%s: %v", what, took)
		if took >= most {
			wrong = append(wrong, fmt.Sprintf("%s: %v", what, took))
		}
		return wrong
	}
	inTime(t, func() []string {
		if id != "" {
			end()
		}
		return soon("POST to publish", begin(), time.Second)
	})

	first := s.waitFor(id, "a position", func(p map[string]any) bool { return positionMs(p) > 1000 })
	from := time.Now()
	noise := mediatest.WatchNoise(t)
	<-time.After(time.Minute) // over which real time is measured
	second := s.get(id)
	elapsed, stood := time.Since(from), noise()
	played := time.Duration(positionMs(second)-positionMs(first)) * time.Millisecond
	t.Logf("played %v in %v; this machine stood still for up to %v", played, elapsed, stood)
	require.InDelta(t, elapsed.Seconds(), played.Seconds(), 0.03*elapsed.Seconds()+(mediatest.Hops*stood).Seconds())
	require.Equal(t, "publishing", second["status"])

	long := room
	inTime(t, func() []string {
		if id == "" {
			begin()
		}
		defer func() { id = "" }()
		return soon("DELETE to unpublish", end(), 500*time.Millisecond)
	})

	recordings := nginx.Recordings(long)
	require.Len(t, recordings, 1)
	mediatest.Decode(t, recordings[0])
	probe := mediatest.Probe(t, recordings[0])
	video, _ := probe.Stream("video")
	audio, _ := probe.Stream("audio")
	require.Equal(t, "h264", video.Codec)
	require.Equal(t, "aac", audio.Codec)
	require.Greater(t, probe.Span("video"), played-2*time.Second)
}

func TestEveryContainerIsPlayedToItsEnd(t *testing.T) {
	beside(t)
	s := newStack(t, options{})
	for _, container := range []string{"mp4", "mov", "matroska", "flv", "mpegts"} {
		t.Run(container, func(t *testing.T) {
			t.Parallel()
			files := mediatest.Serve(t, map[string]string{"a": mediatest.Clip(t, mediatest.Spec{Container: container})})
			user, noise := "u_"+container, mediatest.WatchNoise(t)
			id := s.push(files.URL+"/a", "room_"+container, user, nil)
			push := s.waitStatus(id, "completed", "failed", "stopped")
			require.Equal(t, "completed", push["status"], push)
			require.InDelta(t, 5000, positionMs(push), 100)
			session, ok := s.room.Session(user)
			require.True(t, ok)
			require.Equal(t, fakeroom.EndUnpublished, session.End)
			require.Empty(t, session.Violations)
			require.NoError(t, session.Report().Check(4800*time.Millisecond, mediatest.Hops*noise()))
			decodeSession(t, s.room, session.ID)
		})
	}
}

// decodeSession decodes what the stand-in room got.
func decodeSession(t testing.TB, room *fakeroom.Server, id int) {
	t.Helper()
	mediatest.Decode(t, recording(t, room, id))
}

func TestALiveStreamIsPlayedFromItsNewest(t *testing.T) {
	beside(t)
	nginx := mediatest.StartNginx(t, mediatest.NginxConfig{})
	mediatest.FFmpegPublish(t, nginx.RTMP+"/live/show", mediatest.Clip(t, mediatest.Spec{Seconds: 20}))
	_, err := nginx.WaitEvent(patient(t), "publish", "show")
	require.NoError(t, err)
	s := newStack(t, options{})
	id := s.push(nginx.RTMP+"/live/show", "stage", "host", fields{"redis": true})
	session, err := s.room.WaitMedia(patient(t), "host", 5*time.Second)
	require.NoError(t, err)
	require.Empty(t, session.Violations)
	push := s.get(id)
	require.Equal(t, "live", push["source"].(map[string]any)["kind"])
	s.stop(id)
	s.waitStatus(id, "stopped")
	decodeSession(t, s.room, session.ID)
}

func TestALivePlaylistIsPlayedInRealTime(t *testing.T) {
	beside(t)
	dir := t.TempDir()
	clip := mediatest.Clip(t, mediatest.Spec{Seconds: 20})
	mediatest.FFmpeg(t, "-re", "-stream_loop", "-1", "-i", clip, "-c", "copy", "-f", "hls", "-hls_time", "2",
		"-hls_list_size", "5", "-hls_flags", "delete_segments", filepath.Join(dir, "live.m3u8"))
	files := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(files.Close)
	require.Eventually(t, func() bool {
		list, _ := os.ReadFile(filepath.Join(dir, "live.m3u8"))
		return strings.Count(string(list), ".ts") >= 3
	}, patience, 100*time.Millisecond)
	s, noise := newStack(t, options{}), mediatest.WatchNoise(t)
	id := s.push(files.URL+"/live.m3u8", "r", "u", nil)
	session, err := s.room.WaitMedia(patient(t), "u", 12*time.Second)
	require.NoError(t, err)
	require.NoError(t, session.Report().Check(12*time.Second, mediatest.Hops*noise()))
	push := s.get(id)
	require.Equal(t, "live", push["source"].(map[string]any)["kind"])
	if noise() < mayStand { // what comes too late for a live room is left out
		require.Zero(t, push["progress"].(map[string]any)["droppedPackets"])
	}
	s.stop(id)
	s.waitStatus(id, "stopped")
}

func TestASourceThatMayNotBeReencodedFailsWithItsReason(t *testing.T) {
	beside(t)
	s := newStack(t, options{})
	for name, c := range map[string]struct {
		spec   mediatest.Spec
		reason string
	}{
		"b_frames": {mediatest.Spec{BFrames: 2}, "B-frames"},
		"hevc":     {mediatest.Spec{VideoCodec: "hevc"}, "codec hevc"},
		"opus":     {mediatest.Spec{Container: "matroska", AudioCodec: "opus"}, "codec opus"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := mediatest.Serve(t, map[string]string{"a": mediatest.Clip(t, c.spec)})
			id := s.push(files.URL+"/a", name, name, fields{"transcode": "never"})
			push := s.waitStatus(id, "failed", "completed", "stopped")
			failure, _ := push["error"].(map[string]any)
			require.Equal(t, "source_unsupported", failure["code"])
			require.Contains(t, failure["message"], c.reason)
			require.Contains(t, fmt.Sprint(push["plan"]), c.reason)
			require.NotNil(t, push["source"])
			_, published := s.room.Session(name)
			require.False(t, published, "the room is not opened for it")
		})
	}
}

func TestARefusalByTheRoomCarriesItsWords(t *testing.T) {
	beside(t)
	s := newStack(t, options{})
	s.room.Misbehave(fakeroom.Fault{Kind: fakeroom.Reject, User: "u", Code: "NetStream.Publish.Denied", Words: "package not bought"})
	files := mediatest.Serve(t, map[string]string{"a": mediatest.Clip(t, mediatest.Spec{})})
	push := s.waitStatus(s.push(files.URL+"/a", "r", "u", nil), "failed")
	failure, _ := push["error"].(map[string]any)
	require.Equal(t, "room_denied", failure["code"])
	require.Contains(t, failure["message"], "package not bought")
}

func TestChaosThirtyPushesAtOnceOnOneWorkerAreOnTime(t *testing.T) {
	beside(t)
	s := newStack(t, options{})
	clip := mediatest.Clip(t, mediatest.Spec{Seconds: sized().clip, Width: 320, Height: 180, FPS: 15, GOPSeconds: 1})
	files := mediatest.Serve(t, map[string]string{"a": clip})
	before := s.settled(t)
	const redisPool = 20 // connections the worker may have opened for good meanwhile
	noise := mediatest.WatchNoise(t)
	var ids []string
	for i := range 30 {
		ids = append(ids, s.push(files.URL+"/a", "r", "u"+strconv.Itoa(i), nil))
	}
	for i := range 30 {
		_, err := s.room.WaitMedia(patient(t), "u"+strconv.Itoa(i), 15*time.Second)
		require.NoError(t, err)
	}
	machine := noise()
	var worst time.Duration
	for _, session := range s.room.Sessions() {
		worst = max(worst, session.Video.MaxLate, session.Audio.MaxLate)
	}
	result(t, "the latest packet of 30 pushes came %v late; a timer of this process was up to %v late", worst, machine)
	if full { // else the race detector and other packages are what is measured
		const busy = 300 * time.Millisecond // benchmarks tell how fast it is
		require.LessOrEqual(t, worst, busy+machine, "beyond what the machine itself is late")
	}
	for _, id := range ids {
		s.waitStatus(id, "publishing")
	}
	for _, id := range ids {
		s.stop(id)
	}
	for _, id := range ids {
		s.waitStatus(id, "stopped")
	}
	var after usage
	require.Eventually(t, func() bool {
		after = s.worker(t)
		return after.goroutines <= before.goroutines+5 && after.files <= before.files+redisPool
	}, patience, 200*time.Millisecond, "from %v to %v", &before, &after)
}

func TestASecondPushOfTheSameUserIsRefusedUntilTheFirstHasEnded(t *testing.T) {
	beside(t)
	s := newStack(t, options{})
	files := mediatest.Serve(t, map[string]string{"a": mediatest.Clip(t, mediatest.Spec{Seconds: 30})})
	first := s.push(files.URL+"/a", "r", "u", nil)
	a := s.do(http.MethodPost, "/v1/pushes", s.request(files.URL+"/a", "other", "u", nil))
	require.Equal(t, http.StatusConflict, a.code)
	require.Equal(t, "user_busy", a.body["code"])
	require.Equal(t, first, a.body["pushId"])
	s.stop(first)
	s.waitStatus(first, "stopped")
	s.push(files.URL+"/a", "other", "u", nil)
}
