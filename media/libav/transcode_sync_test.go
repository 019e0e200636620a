package libav

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// flashes has a white picture and a beep in the first 100 ms of every second.
var flashes = []string{
	"-f", "lavfi", "-i", "color=black:size=320x180:rate=25:duration=5,drawbox=color=white:t=fill:enable='lt(mod(t,1),0.099)'",
	"-f", "lavfi", "-i", "aevalsrc='if(lt(mod(t,1),0.1),0.5*sin(2*PI*1000*t),0)':s=44100:d=5",
}

func TestFlashAndBeepStayTogether(t *testing.T) {
	noLeak(t)
	for file, args := range map[string][]string{
		"flash.mp4":  {"-c:v", "libx264", "-bf", "3", "-c:a", "aac"},
		"flash.ts":   {"-c:v", "mpeg2video", "-bf", "2", "-c:a", "mp2"},
		"flash.webm": {"-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus", "-ar", "48000"},
		"flash.mkv":  {"-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-c:a", "ac3"},
	} {
		t.Run(file, func(t *testing.T) {
			in := read(t, made(t, file, withArgs(flashes, args...)...))
			var out [2]recoded
			var wait sync.WaitGroup
			for i, track := range in.info.Tracks {
				var tc media.Transcoder
				to := roomAudio
				to.Volume = 150 // the limiter looks ahead
				if track.Type == media.Video {
					tc = newVideo(t, track, smallVideo)
				} else {
					tc = newAudio(t, track, to)
				}
				wait.Go(func() { out[i] = recoded{tc.Output(), through(t, tc, in.of(t, track.Type))} })
			}
			wait.Wait()
			video, audio := out[0], out[1]
			pictures, sound := grey(t, flv(t, video), 320, 180), samples(t, flv(t, audio))
			require.Len(t, pictures, len(video.packets))
			seen := 0
			for i := 1; i < len(pictures); i++ {
				if mean(pictures[i-1], 320, 0, 0, 320, 180) < 100 && mean(pictures[i], 320, 0, 0, 320, 180) > 150 {
					flash := video.packets[i].PTS
					beep := audio.loud(sound, flash-300*time.Millisecond, 0.1)
					require.InDelta(t, 0, (beep - flash).Milliseconds(), 40)
					seen++
				}
			}
			require.Equal(t, 4, seen)
		})
	}
}
