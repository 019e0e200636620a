package mediatest

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// flashAndBeep is a recording as it should be, with what is wanted of it.
func flashAndBeep(t *testing.T) (string, TapeWant) {
	t.Helper()
	s := piece{video: baseline, audio: aac, out: "-f flv a.flv"}.sample("judge, sound", copied, copied)
	return s.Path(t), s.Tape
}

// remade is the recording after ffmpeg was run over it. The words "in" and
// "out" of line are the two files.
func remade(t *testing.T, line string) string {
	t.Helper()
	in, _ := flashAndBeep(t)
	out := filepath.Join(t.TempDir(), "broken.flv")
	args := []string{"-y"}
	for _, word := range strings.Fields(line) {
		switch word {
		case "in":
			word = in
		case "out":
			word = out
		}
		args = append(args, word)
	}
	p := FFmpeg(t, args...)
	require.NoError(t, p.Wait(time.Minute), p.Output())
	return out
}

func TestTheJudgeFindsNothingInASoundRecording(t *testing.T) {
	t.Parallel()
	path, want := flashAndBeep(t)
	r := Judge(t, path)
	require.Empty(t, r.Problems(want), r)
	require.Len(t, r.Offsets, 4)
	require.Less(t, r.OffsetMax().Abs(), 3*time.Millisecond)
	require.Equal(t, 120, r.Video.Packets)
	require.InDelta(t, 1, r.Video.KeyGap.Seconds(), 0.01)
	require.Equal(t, []string{"320x180"}, r.Sizes)
	require.Equal(t, "48000", r.SampleRate)
	require.Equal(t, 2, r.Channels)
	require.InDelta(t, 133, r.Luma, 10)
}

func TestTheJudgeFindsWhatIsBroken(t *testing.T) {
	t.Parallel()
	const reencode = " -c:v libx264 -preset ultrafast -c:a copy out"
	for name, tt := range map[string]struct{ line, problem string }{
		"sound 100 ms late":     {"-i in -itsoffset 0.1 -i in -map 0:v -map 1:a -c copy out", "apart (median 100ms)"},
		"sound 100 ms early":    {"-itsoffset 0.1 -i in -i in -map 0:v -map 1:a -c copy out", "apart (median -100ms)"},
		"B-frames":              {"-i in -c:v libx264 -preset veryfast -bf 3 -c:a copy out", "B-frames"},
		"a cut end":             {"-i in -t 3.7 -c copy out", "it was cut"},
		"a missing last flash":  {"-i in -t 3 -c copy out", "3 flashes, not 4"},
		"a missing first GOP":   {"-i in -ss 1 -c copy out", "3 flashes, not 4"},
		"a late first picture":  {"-i in -vf select='gt(t,0.3)' -fps_mode passthrough" + reencode, "the begin is not the source's"},
		"a begin within a GOP":  {"-i in -c copy -bsf:v noise=drop=lt(n\\,10) out", "the first picture is no keyframe"},
		"no picture":            {"-i in -vn -c copy out", "there is no video"},
		"no sound":              {"-i in -an -c copy out", "there is no audio"},
		"a silent sound":        {"-i in -af volume=0 -c:v copy out", "0 beeps, not 4"},
		"a black picture":       {"-i in -vf drawbox=t=fill:c=black" + reencode, "the picture is black"},
		"a hole in the sound":   {"-i in -c copy -bsf:a noise=drop=between(n\\,60\\,90) out", "audio: a gap of"},
		"a hole in the picture": {"-i in -vf select='not(between(t,1.8,3.2))' -fps_mode passthrough" + reencode, "video: a gap of"},
		"damaged pictures":      {"-i in -c copy -bsf:v noise=amount=200 out", "the decoder complains"},
		"another codec":         {"-i in -c:v flv1 -c:a copy out", "video is flv1"},
		"a sound of MP3":        {"-i in -c:v copy -c:a libmp3lame -ar 44100 out", "audio is mp3"},
		"another size":          {"-i in -s 160x90" + reencode, "the picture is 160x90, not 320x180"},
		"another pixel format":  {"-i in -pix_fmt yuv444p" + reencode, "the pixel format is yuv444p"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, want := flashAndBeep(t)
			r := Judge(t, remade(t, tt.line))
			require.Contains(t, strings.Join(r.Problems(want), "\n"), tt.problem, r)
		})
	}
}

func TestTheJudgeFindsTimestampsThatDoNotRise(t *testing.T) {
	t.Parallel()
	path, want := flashAndBeep(t)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	stampAgain(data)
	broken := filepath.Join(t.TempDir(), "broken.flv")
	require.NoError(t, os.WriteFile(broken, data, 0o600))
	r := Judge(t, broken)
	require.Positive(t, r.Video.Backward)
	require.Contains(t, strings.Join(r.Problems(want), "\n"), strconv.Itoa(r.Video.Backward)+" times the DTS does not rise")
}

// stampAgain gives the 50th video tag of an FLV file the time of the one before
// it (FLV 10.1, E.4.1).
func stampAgain(flv []byte) {
	var last []byte
	n := 0
	for at := 13; at+11 < len(flv); {
		size := int(flv[at+1])<<16 | int(flv[at+2])<<8 | int(flv[at+3])
		if flv[at] == 9 {
			if n++; n == 50 {
				copy(flv[at+4:at+8], last)
				return
			}
			last = flv[at+4 : at+8]
		}
		at += 11 + size + 4
	}
}

func TestTheJudgeFindsAPictureThatChangesItsSize(t *testing.T) {
	t.Parallel()
	for _, s := range changes() {
		if s.Name == "flv, resolution changes" {
			r := Judge(t, s.Path(t))
			require.Contains(t, strings.Join(r.Faults(), "\n"), "not constant: [320x180 240x180]")
		}
	}
}

func TestALiveRecordingMayBeginAndEndAnywhere(t *testing.T) {
	t.Parallel()
	_, want := flashAndBeep(t)
	want.Open, want.Flashes, want.Beeps, want.Duration = true, 2, 2, 2*time.Second
	require.Empty(t, Judge(t, remade(t, "-i in -ss 1 -t 2.7 -c copy out")).Problems(want))
	want.Duration = 4 * time.Second
	require.NotEmpty(t, Judge(t, remade(t, "-i in -ss 1 -t 2.7 -c copy out")).Problems(want))
}

func TestABeepThatBeginsWithinASampleIsHeard(t *testing.T) {
	var sounds []loudness
	for ms := range 3000 {
		at := time.Duration(ms) * time.Millisecond
		rms := 0.01
		switch beep := ms % 1000; {
		case beep == 499: // a part of it
			rms = 0.15
		case beep >= 500 && beep < 600:
			rms = 0.42
		}
		sounds = append(sounds, loudness{at, rms})
	}
	require.Equal(t, []time.Duration{500 * time.Millisecond, 1500 * time.Millisecond, 2500 * time.Millisecond}, beeps(sounds))
}
