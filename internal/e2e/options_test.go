package e2e

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media/fakeroom"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/stretchr/testify/require"
)

// recording writes what the room got in a session and returns its path.
func recording(t testing.TB, room *fakeroom.Server, id int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "room.flv")
	f, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, room.WriteFLV(f, id))
	require.NoError(t, f.Close())
	return path
}

// onlySession is the one session of a user, which has ended well.
func (s *stack) onlySession(user string) fakeroom.Session {
	s.t.Helper()
	var found []fakeroom.Session
	for _, session := range s.room.Sessions() {
		if session.User == user {
			found = append(found, session)
		}
	}
	require.Len(s.t, found, 1, "%s publishes once", user)
	require.Equal(s.t, fakeroom.EndUnpublished, found[0].End)
	require.Empty(s.t, found[0].Violations)
	return found[0]
}

// played pushes src with options to its end, and returns the push and what the
// room has recorded.
func (s *stack) played(src, user string, options fields) (push map[string]any, path string) {
	s.t.Helper()
	push = s.waitStatus(s.push(src, "room_"+user, user, options), "completed", "failed", "stopped")
	require.Equal(s.t, "completed", push["status"], push)
	return push, recording(s.t, s.room, s.onlySession(user).ID)
}

var volumeLine = regexp.MustCompile(`mean_volume: (\S+) dB`)

// loudness is the mean of a file's sound in dB.
func loudness(t testing.TB, path string) float64 {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-nostdin", "-i", path, "-map", "0:a", "-af", "volumedetect", "-f", "null", "-").CombinedOutput()
	require.NoError(t, err, string(out))
	found := volumeLine.FindSubmatch(out)
	require.NotNil(t, found, string(out))
	db, err := strconv.ParseFloat(string(found[1]), 64)
	require.NoError(t, err)
	return db
}

func requireShows(t testing.TB, push map[string]any, want fields) {
	t.Helper()
	for name, value := range want {
		require.EqualValues(t, value, push[name], name)
	}
}

func TestWhatARequestAsksForIsWhatTheRoomGets(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{})
	clip := mediatest.Clip(t, mediatest.Spec{BFrames: 2})
	silent := mediatest.Clip(t, mediatest.Spec{AudioCodec: mediatest.None})
	files := mediatest.Serve(t, map[string]string{"a": clip, "silent": silent})
	t.Run("a part, twice, smaller, slower, quieter, from behind a header", func(t *testing.T) {
		t.Parallel()
		asked := fields{
			"startAtMs": 1000, "endAtMs": 3500, "repeat": 2, "volume": 50, "transcode": "always", "maxDurationSec": 60,
			"width": 320, "height": 180, "fps": 15, "videoKbps": 200, "audioKbps": 64,
		}
		guarded := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Ticket") != "of-the-request" {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			http.ServeFile(w, r, clip)
		}))
		t.Cleanup(guarded.Close)
		options := fields{"headers": fields{"x-ticket": "of-the-request"}}
		for name, value := range asked {
			options[name] = value
		}
		push, path := s.played(guarded.URL+"/a", "part", options)
		requireShows(t, push, asked)
		require.Equal(t, []any{"x-ticket"}, push["headers"])
		require.EqualValues(t, 1, push["progress"].(map[string]any)["loop"])
		require.EqualValues(t, 3500, positionMs(push))

		mediatest.Decode(t, path)
		probe := mediatest.Probe(t, path)
		video, _ := probe.Stream("video")
		require.Equal(t, []int{320, 180}, []int{video.Width, video.Height})
		require.InDelta(t, 5, probe.Span("video").Seconds(), 0.2)
		require.InDelta(t, 75, len(probe.Of("video")), 3, "15 a second")
		session := s.onlySession("part")
		require.InDelta(t, 200, float64(session.Video.Bytes*8)/5000, 100, "kb/s of video")
		require.InDelta(t, 64, float64(session.Audio.Bytes*8)/5000, 20, "kb/s of audio")
		require.InDelta(t, loudness(t, clip)-6, loudness(t, path), 1)
	})
	t.Run("mute, which leaves the picture alone", func(t *testing.T) {
		t.Parallel()
		plain := mediatest.Serve(t, map[string]string{"p": mediatest.Clip(t, mediatest.Spec{})})
		push, path := s.played(plain.URL+"/p", "mute", fields{"mute": true, "endAtMs": 2000})
		require.Equal(t, true, push["mute"])
		require.Equal(t, "copy", push["plan"].(map[string]any)["video"].(map[string]any)["action"])
		require.Less(t, loudness(t, path), -80.0)
	})
	t.Run("no silence made up", func(t *testing.T) {
		t.Parallel()
		push, path := s.played(files.URL+"/silent", "bare", fields{"fillAudio": false, "endAtMs": 2000})
		require.Equal(t, false, push["fillAudio"])
		_, there := mediatest.Probe(t, path).Stream("audio")
		require.False(t, there)
	})
	t.Run("a phone's video, upright", func(t *testing.T) {
		t.Parallel()
		phone := phoneVideo(t)
		url := mediatest.Serve(t, map[string]string{"phone.mp4": phone}).URL + "/phone.mp4"
		_, path := s.played(url, "phone", nil)
		session := s.onlySession("phone")
		require.Greater(t, session.Height, session.Width)
		room, original := tiny(t, path), tiny(t, phone) // by Debian's ffmpeg, which turns it
		for i, luma := range original {
			require.InDelta(t, luma, room[i], 12, "pixel %d: %v is to look like %v", i, room, original)
		}
		require.Greater(t, room[7], room[0]+100, "white is below: %v", room)
	})
}

// phoneVideo is an HEVC clip that lies on its side: what is white is on its
// left, which the rotation brings to the bottom.
func phoneVideo(t testing.TB) string {
	t.Helper()
	lying := mediatest.Clip(t, mediatest.Spec{Seconds: 2, Width: 320, Height: 180, VideoCodec: "hevc", Args: []string{
		"-vf", "drawbox=x=0:y=0:w=iw:h=ih:c=navy:t=fill,drawbox=x=0:y=0:w=iw/3:h=ih:c=white:t=fill,drawbox=x=120:y=20:w=60:h=40:c=red:t=fill",
		"-preset", "ultrafast", "-x265-params", "log-level=error", "-tag:v", "hvc1",
	}})
	path := filepath.Join(t.TempDir(), "phone.mp4")
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-nostdin", "-v", "error", "-i", lying, "-c", "copy", "-tag:v", "hvc1",
		"-metadata:s:v:0", "rotate=90", path).CombinedOutput()
	require.NoError(t, err, string(out))
	return path
}

// tiny is the luma of a file's picture after a second, in four lines of two
// pixels.
func tiny(t testing.TB, path string) []byte {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-nostdin", "-v", "error", "-ss", "1", "-i", path, "-frames:v", "1",
		"-vf", "scale=2:4:flags=area", "-pix_fmt", "gray", "-f", "rawvideo", "pipe:1")
	cmd.Stdout = &out
	require.NoError(t, cmd.Run())
	require.Len(t, out.Bytes(), 8)
	return out.Bytes()
}

// What was asked for, the loop and the time in the room are the push's, not
// the worker's.
func TestATakeoverInTheSecondLoopKeepsLoopPositionAndOptions(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{})
	files := mediatest.Serve(t, map[string]string{"a": mediatest.Clip(t, mediatest.Spec{Seconds: 30, BFrames: 2})})
	asked := fields{"startAtMs": 2000, "endAtMs": 5000, "repeat": 20, "maxDurationSec": 20, "volume": 50, "width": 160, "height": 90}
	noise := mediatest.WatchNoise(t)
	id := s.push(files.URL+"/a", "r", "u", asked)
	loop := func(p map[string]any) any { progress, _ := p["progress"].(map[string]any); return progress["loop"] }
	s.waitFor(id, "the second loop", func(p map[string]any) bool { return loop(p) == 1.0 && positionMs(p) > 3000 })
	s.workers[0].kill()
	killed, told := time.Now(), s.get(id)
	s.addWorker()
	again := s.waitFor(id, "a second attempt that publishes", func(p map[string]any) bool {
		return p["attempt"] == 2.0 && p["status"] == "publishing"
	})
	played := func(p map[string]any) time.Duration { // since the push was asked for
		n, _ := loop(p).(float64)
		return time.Duration(3000*n+positionMs(p)-2000) * time.Millisecond
	}
	const gop = time.Second
	session, _ := s.room.Session("u")
	require.GreaterOrEqual(t, played(again), played(told)-gop)
	require.LessOrEqual(t, played(again), played(told)+session.Media()+gop)
	requireShows(t, again, asked)

	push := s.waitStatus(id, "completed", "failed", "stopped")
	require.Equal(t, "completed", push["status"], push)
	require.GreaterOrEqual(t, loop(push), 2.0, "the third play has begun")
	events := s.do("GET", "/v1/pushes/"+id+"/events", nil)
	require.Contains(t, events.raw, "max_duration")
	var total time.Duration
	sessions := s.room.Sessions()
	require.Len(t, sessions, 2)
	for _, session := range sessions {
		require.Equal(t, []int{160, 90}, []int{session.Width, session.Height})
		require.Empty(t, session.Violations)
		decodeSession(t, s.room, session.ID)
		total += session.Video.Wall()
	}
	t.Logf("%v and %v in the room", sessions[0].Video.Wall(), sessions[1].Video.Wall())
	untold := killed.Sub(updatedAt(told)) // is played again
	require.InDelta(t, 20, (total - untold).Seconds(), 1.5+min(1, noise().Seconds()))
}

func TestATrackThatWasAskedForIsPlayedOrSaidNotToBeThere(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{})
	two := filepath.Join(t.TempDir(), "two.mkv")
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-nostdin", "-i", mediatest.Clip(t, mediatest.Spec{}), "-map", "0:v", "-map", "0:a", "-map", "0:a",
		"-c", "copy", "-metadata:s:a:0", "language=en", "-metadata:s:a:1", "language=de", "-t", "2", two).CombinedOutput()
	require.NoError(t, err, string(out))
	files := mediatest.Serve(t, map[string]string{"two": two})

	push, _ := s.played(files.URL+"/two", "choosing", fields{"audioTrack": "deu", "audioDelayMs": 40})
	requireShows(t, push, fields{"audioTrack": "deu", "audioDelayMs": 40})
	source := push["source"].(map[string]any)
	require.Len(t, source["tracks"], 2)
	available := source["available"].([]any)
	require.Len(t, available, 3)
	requireShows(t, available[1].(map[string]any), fields{"language": "en", "audioTrack": 0, "chosen": false, "leftOut": "not chosen"})
	requireShows(t, available[2].(map[string]any), fields{"language": "de", "audioTrack": 1, "chosen": true})

	push = s.waitStatus(s.push(files.URL+"/two", "room_lost", "lost", fields{"audioTrack": "fr"}), "completed", "failed", "stopped")
	requireShows(t, push["error"].(map[string]any), fields{
		"code": "source_no_track", "message": "the source has no audio track 'fr': it has 0 (en, aac), 1 (de, aac)", "retryable": false,
	})
}
