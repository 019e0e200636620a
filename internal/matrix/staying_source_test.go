package matrix

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/roomcast/roomcast/tasks"
	"github.com/stretchr/testify/require"
)

func text(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }
}

const licensed = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://a\",KEYFORMAT=\"com.apple.streamingkeydelivery\",KEYFORMATVERSIONS=\"1\"\n" +
	"#EXTINF:4,\na.ts\n#EXT-X-ENDLIST\n"

// madeBy serves what ffmpeg makes with args.
func madeBy(t *testing.T, args ...string) http.HandlerFunc {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.mp4")
	mediatest.Make(t, time.Minute, append(args, path)...)
	return func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, path) }
}

// words are subtitles.
func words(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.srt")
	require.NoError(t, os.WriteFile(path, []byte("1\n00:00:00,000 --> 00:00:02,000\nHello\n"), 0o600))
	return path
}

func TestASourceThatCannotBeHelpedFailsAtOnceWithACodeOfItsOwn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		act  http.HandlerFunc
		code tasks.Code
	}{
		"401":             {answers(401), tasks.CodeSourceUnauthorized},
		"403":             {answers(403), tasks.CodeSourceUnauthorized},
		"404":             {answers(404), tasks.CodeSourceNotFound},
		"410":             {answers(410), tasks.CodeSourceGone},
		"not media":       {text("<html><body>Sign in</body></html>"), tasks.CodeSourceInvalid},
		"no usable track": {madeBy(t, "-i", words(t), "-c:s", "mov_text"), tasks.CodeSourceNoTrack},
		"a licence":       {text(licensed), tasks.CodeSourceEncrypted},
		"common encryption": {madeBy(t, "-i", moving(t, 2), "-c", "copy", "-encryption_scheme", "cenc-aes-ctr",
			"-encryption_key", "76a6c65c5ea762046bd749a2e632ccbb", "-encryption_kid", "a7e61c373e219033c21091fa607bf3b8"), tasks.CodeSourceEncrypted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHostile(t, moving(t, 2), 2*time.Second)
			h.fail(c.act)
			address := h.url()
			if name == "a licence" {
				address = strings.Replace(address, ".mp4", ".m3u8", 1)
			}
			s := newStay(t, startStandIn(t), address)
			s.job.Retry = func(k media.Kind) media.Retry { return tasks.RetryOf(k, false, 0) }
			require.Equal(t, c.code, s.start().failed().Code, s.err)
			require.Empty(t, s.retries())
			require.Empty(t, s.room.History(), "the room is not opened for it")
		})
	}
}

func TestAFileGoesOnWhereItWasWhenItsServerIsBack(t *testing.T) {
	t.Parallel()
	const length = 8
	path := moving(t, length)
	for name, act := range map[string]http.HandlerFunc{
		"answers 503": answers(503), "resets": resets, "hangs": hangs, "refuses connections": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHostile(t, path, length*time.Second)
			s := newStay(t, startStandIn(t), h.url())
			s.job.Source.ProbeTimeout = time.Second
			s.start().has(2 * time.Second)
			if act == nil {
				h.close()
			} else {
				h.fail(act)
			}
			s.retried(3)
			if act == nil {
				h.open(t)
			} else {
				h.fail(nil)
			}
			require.NoError(t, s.end(), "%s", s.diary)
			require.Len(t, s.sessions(), 1, "in one publish session")
			s.sound()
			different, again := s.pictures()
			require.Equal(t, length*30, different, "every picture is shown")
			require.LessOrEqual(t, again, 30+10, "from the keyframe before, and while it was away")
			require.Equal(t, length*time.Second, s.progress().Position.Round(100*time.Millisecond))
			require.GreaterOrEqual(t, s.progress().Reconnects, int64(3))
		})
	}
}

func TestASourceThatIsNotThereIsTriedForAsLongAsItMayBeAway(t *testing.T) {
	t.Parallel()
	s := newStay(t, startStandIn(t), "http://127.0.0.1:1/a.mp4")
	s.job.Retry = briefLive(2 * time.Second)
	begin := time.Now()
	f := s.start().failed()
	require.Equal(t, tasks.CodeSourceUnavailable, f.Code, s.err)
	require.GreaterOrEqual(t, time.Since(begin), 2*time.Second)
	require.Greater(t, len(s.retries()), 2)
	require.Empty(t, s.room.History())
}

func TestANameThatNobodyKnowsIsTriedThreeTimes(t *testing.T) {
	t.Parallel()
	s := newStay(t, startStandIn(t), "http://nowhere.invalid/a.mp4")
	s.job.Retry = func(k media.Kind) media.Retry { return tasks.RetryOf(k, false, 0) }
	begin := time.Now()
	f := s.start().failed()
	require.Equal(t, tasks.CodeSourceHost, f.Code, s.err)
	require.Len(t, s.retries(), 2)
	require.LessOrEqual(t, time.Since(begin), 20*time.Second) // 8 s on a quiet machine
	require.Empty(t, s.room.History())
}

func TestASourceThatOnlyDripsHasStalledAndIsTriedAgain(t *testing.T) {
	t.Parallel()
	const length = 6
	path := moving(t, length)
	h := newHostile(t, path, length*time.Second)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	h.fail(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100000000")
		half := len(data) / 2
		_, _ = w.Write(data[:half])
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for at := half; at < len(data); at++ {
			_, _ = w.Write(data[at : at+1])
			_ = http.NewResponseController(w).Flush()
			select {
			case <-tick.C:
			case <-r.Context().Done():
				return
			}
		}
	})
	s := newStay(t, startStandIn(t), h.url())
	begin := time.Now()
	s.start().has(2 * time.Second)
	h.next(nil)
	s.retried(1)
	require.Contains(t, s.retries()[0], "source_stalled")
	require.InDelta(t, 13, time.Since(begin).Seconds(), 5)
	require.NoError(t, s.end(), "%s", s.diary)
	require.Len(t, s.sessions(), 1)
	different, again := s.pictures()
	require.Equal(t, length*30, different)
	require.LessOrEqual(t, again, 30)
}

// length of a holed stream, which is whole for its first quarter.
const holedFor = 16

// holed is a transport stream that lacks n of its packets, each step apart,
// from its first quarter on.
func holed(t *testing.T, n, step int) string {
	t.Helper()
	const size = 188
	data, err := os.ReadFile(mediatest.Clip(t, mediatest.Spec{Seconds: holedFor, Width: 320, Height: 180, Container: "mpegts"}))
	require.NoError(t, err)
	var out bytes.Buffer
	for i, from := 0, len(data)/size/4; i < len(data)/size; i++ {
		if at := i - from; at >= 0 && at%step == 0 && at/step < n {
			continue
		}
		out.Write(data[i*size : (i+1)*size])
	}
	path := filepath.Join(t.TempDir(), "a.ts")
	require.NoError(t, os.WriteFile(path, out.Bytes(), 0o600))
	return path
}

func TestCorruptPicturesAreLeftOutUpToTheNextKeyframeAndCounted(t *testing.T) {
	t.Parallel()
	s := newStay(t, startStandIn(t), mediatest.Serve(t, map[string]string{"a.ts": holed(t, 3, 7)}).URL+"/a.ts")
	require.NoError(t, s.start().end())
	require.Positive(t, s.progress().DroppedPackets)
	different, _ := s.pictures()
	require.InDelta(t, holedFor*30-30, different, 31, "at most two groups of pictures are missing")
	path, complaints := s.room.tape(t, s.user)
	require.Empty(t, complaints)
	mediatest.Decode(t, path)
}

func TestASourceThatIsMostlyCorruptFails(t *testing.T) {
	t.Parallel()
	s := newStay(t, startStandIn(t), mediatest.Serve(t, map[string]string{"a.ts": holed(t, 1<<20, 3)}).URL+"/a.ts")
	f := s.start().failed()
	require.Equal(t, tasks.CodeSourceInvalid, f.Code, s.err)
	require.Contains(t, f.Message, "damaged")
	require.Empty(t, s.retries())
}

func TestALiveStreamThatEndsIsWaitedForInTheSameSession(t *testing.T) {
	t.Parallel()
	for _, mode := range []media.TranscodeMode{media.TranscodeAuto, media.TranscodeAlways} {
		t.Run(string(mode), func(t *testing.T) {
			nginx := mediatest.StartNginx(t, mediatest.NginxConfig{})
			clip := moving(t, 60)
			address := nginx.RTMP + "/live/show"
			sender := mediatest.FFmpegPublish(t, address, clip)
			_, err := nginx.WaitEvent(soon(t), "publish", "show")
			require.NoError(t, err)
			s := newStay(t, startStandIn(t), address)
			s.job.Retry, s.job.Options.Transcode = briefLive(time.Minute), mode
			s.start().has(2 * time.Second)
			sender.Interrupt()
			s.retried(1)
			require.Len(t, s.done, 0, "it is not completed")
			before := s.progress().SentBytes
			mediatest.FFmpegPublish(t, address, clip)
			require.Eventually(t, func() bool { return s.progress().SentBytes > before+50_000 }, time.Minute, 50*time.Millisecond, "%s", s.diary)
			require.Len(t, s.sessions(), 1)
			require.True(t, s.sessions()[0].Live())
			s.sound()
		})
	}
}

func TestALiveStreamThatStaysAwayFailsAfterItsIdleTime(t *testing.T) {
	t.Parallel()
	nginx := mediatest.StartNginx(t, mediatest.NginxConfig{})
	address := nginx.RTMP + "/live/show"
	sender := mediatest.FFmpegPublish(t, address, moving(t, 60))
	_, err := nginx.WaitEvent(soon(t), "publish", "show")
	require.NoError(t, err)
	s := newStay(t, startStandIn(t), address)
	s.job.Retry = briefLive(2 * time.Second)
	s.start().has(2 * time.Second)
	sender.Interrupt()
	require.Equal(t, tasks.CodeSourceUnavailable, s.failed().Code, s.err)
}

func TestALivePlaylistThatStandsStillIsInTroubleAndIsNotPlayedAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mediatest.Make(t, time.Minute, "-i", moving(t, 8), "-c", "copy", "-f", "hls", "-hls_time", "1", "-hls_list_size", "0",
		"-hls_flags", "omit_endlist", filepath.Join(dir, "a.m3u8"))
	s := newStay(t, startStandIn(t), mediatest.ServeFolder(t, dir)+"/a.m3u8")
	s.job.Retry = briefLive(5 * time.Second)
	f := s.start().failed()
	require.Equal(t, tasks.CodeSourceUnavailable, f.Code, s.err)
	require.Contains(t, f.Message, "does not grow any more")
	require.NotEmpty(t, s.retries())
	require.Len(t, s.sessions(), 1)
	require.InDelta(t, 3, s.progress().Position.Seconds(), 1, "the last three segments, once")
}
