package libav

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func openDelayed(t *testing.T, name string, by time.Duration) media.Source {
	t.Helper()
	s, err := openWith(t, &passGate{}, media.SourceRequest{URL: media.Secret(serve(t) + "/" + name), AudioDelay: by})
	require.NoError(t, err)
	return s
}

// byKind separates what a source gives.
func byKind(t *testing.T, s media.Source) (video, audio []media.Packet) {
	t.Helper()
	for _, p := range readAll(t, s) {
		if s.Info().Tracks[p.Track].Type == media.Video {
			video = append(video, p)
		} else {
			audio = append(audio, p)
		}
	}
	return video, audio
}

func TestSoundIsTimedLaterOrEarlierThanTheSourceHasIt(t *testing.T) {
	for _, file := range []string{"fb.mp4", "fb.ts", "fb.mkv", "fb.flv"} {
		ffmpegOnce(t, file, "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25", "-f", "lavfi", "-i", "sine", "-t", "8",
			"-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "25", "-c:a", "aac")
		s, err := open(t, serve(t)+"/"+file)
		require.NoError(t, err)
		pictures, sound := byKind(t, s)
		for _, by := range []time.Duration{-5 * time.Second, -130 * time.Millisecond, 20 * time.Millisecond, 300 * time.Millisecond, 5 * time.Second} {
			t.Run(file+" "+by.String(), func(t *testing.T) {
				s := openDelayed(t, file, by)
				video, audio := byKind(t, s)
				require.Equal(t, pictures, video, "the picture stays as it is")
				want := make([]media.Packet, 0, len(sound))
				for _, p := range sound {
					p.PTS, p.DTS = p.PTS+by, p.DTS+by
					if by > 0 || p.PTS+p.Duration > pictures[0].PTS {
						want = append(want, p)
					}
				}
				require.Equal(t, want, audio)
			})
		}
	}
}

func TestDelayedPacketsComeInTheOrderOfTheirTimes(t *testing.T) {
	ffmpegOnce(t, "order.flv", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25", "-f", "lavfi", "-i", "sine", "-t", "8",
		"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "25", "-c:a", "aac")
	for _, by := range []time.Duration{-2 * time.Second, 2 * time.Second} {
		s := openDelayed(t, "order.flv", by)
		newest := [2]time.Duration{}
		for _, p := range readAll(t, s) {
			newest[p.Track] = p.DTS
			if both := newest[0] > 0 && newest[1] > 0; both && newest[0] < 7500*time.Millisecond+min(by, 0) && newest[1] > 2100*time.Millisecond {
				require.InDelta(t, newest[0].Seconds(), newest[1].Seconds(), 0.2, "%v: %v", by, newest)
			}
		}
	}
}

func TestASeekFindsTheSoundThatIsHeardThere(t *testing.T) {
	for _, file := range []string{"sought.mp4", "sought.ts", "sought.mkv"} {
		ffmpegOnce(t, file, "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25", "-f", "lavfi", "-i", "sine", "-t", "12",
			"-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-c:a", "aac")
		for _, by := range []time.Duration{-3 * time.Second, 3 * time.Second} {
			s := openDelayed(t, file, by)
			require.NoError(t, s.Seek(6500*time.Millisecond))
			video, audio := byKind(t, s)
			start := s.Info().StartTime
			require.InDelta(t, 6, (video[0].PTS - start).Seconds(), 0.1, "%s %v", file, by)
			require.InDelta(t, 6, (audio[0].PTS - start).Seconds(), 0.3, "%s %v", file, by)
			require.InDelta(t, 12+by.Seconds(), (audio[len(audio)-1].PTS - start).Seconds(), 0.2, "%s %v", file, by)
		}
	}
}

func TestASourceWithoutAPictureIsNotDelayed(t *testing.T) {
	ffmpegOnce(t, "sound.m4a", "-f", "lavfi", "-i", "sine", "-t", "2", "-c:a", "aac")
	s, err := open(t, serve(t)+"/sound.m4a")
	require.NoError(t, err)
	require.Equal(t, readAll(t, s), readAll(t, openDelayed(t, "sound.m4a", time.Second)))
}
