package libav

import (
	"encoding/binary"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func tone(rate int, seconds string) []string {
	return []string{"-f", "lavfi", "-i", fmt.Sprintf("sine=frequency=440:sample_rate=%d:duration=%s", rate, seconds)}
}

// samples decodes a file's sound to 48 kHz, one float per moment: the louder of
// the two channels. Its first sample is the first packet's.
func samples(tb testing.TB, path string) []float64 {
	tb.Helper()
	raw := tool(tb, "ffmpeg", "-v", "error", "-nostdin", "-i", path, "-vn", "-ac", "2", "-ar", "48000", "-f", "f32le", "-")
	out := make([]float64, 0, len(raw)/8)
	for ; len(raw) >= 8; raw = raw[8:] {
		l := math.Float32frombits(binary.LittleEndian.Uint32(raw))
		r := math.Float32frombits(binary.LittleEndian.Uint32(raw[4:]))
		if math.Abs(float64(r)) > math.Abs(float64(l)) {
			l = r
		}
		out = append(out, float64(l))
	}
	return out
}

func rms(s []float64) float64 {
	sum := 0.
	for _, v := range s {
		sum += v * v
	}
	return math.Sqrt(sum / float64(len(s)))
}

func peak(s []float64) float64 {
	most := 0.
	for _, v := range s {
		most = max(most, math.Abs(v))
	}
	return most
}

// at is the place of a moment among samples that begin with the first packet.
func (r recoded) at(t time.Duration) int {
	return int((t - r.packets[0].PTS).Seconds() * 48000)
}

// moment is the time of a sample.
func (r recoded) moment(index int) time.Duration {
	return r.packets[0].PTS + time.Duration(float64(index)/48000*float64(time.Second))
}

// loud is the first moment from after on at which there is sound.
func (r recoded) loud(s []float64, after time.Duration, level float64) time.Duration {
	for i := max(0, r.at(after)); i < len(s); i++ {
		if math.Abs(s[i]) > level {
			return r.moment(i)
		}
	}
	return -1
}

func TestEveryAudioCodecBecomesAAC(t *testing.T) {
	noLeak(t)
	for file, args := range map[string][]string{
		"aac.m4a":        {"-c:a", "aac", "-ac", "2"},
		"mono.m4a":       {"-c:a", "aac", "-ac", "1"},
		"low.aac":        {"-c:a", "aac", "-ar", "8000"},
		"high.m4a":       {"-c:a", "aac", "-ar", "96000"},
		"surround.m4a":   {"-c:a", "aac", "-ac", "6"},
		"mp3.mp3":        {"-c:a", "libmp3lame"},
		"mp2.ts":         {"-c:a", "mp2"},
		"opus.webm":      {"-c:a", "libopus"},
		"opus.ogg":       {"-c:a", "libopus", "-ac", "1"},
		"vorbis.ogg":     {"-c:a", "libvorbis", "-ac", "2"},
		"flac.flac":      {"-c:a", "flac", "-ar", "44100"},
		"flac24.mkv":     {"-c:a", "flac", "-sample_fmt", "s32"},
		"ac3.ts":         {"-c:a", "ac3", "-ac", "6"},
		"eac3.mkv":       {"-c:a", "eac3", "-ac", "6"},
		"alac.m4a":       {"-c:a", "alac"},
		"dca.ts":         {"-c:a", "dca", "-strict", "-2", "-ac", "6"},
		"truehd.mkv":     {"-c:a", "truehd", "-strict", "-2"},
		"s16.wav":        {"-c:a", "pcm_s16le"},
		"s24.wav":        {"-c:a", "pcm_s24le", "-ar", "96000"},
		"float.wav":      {"-c:a", "pcm_f32le", "-ac", "6"},
		"alaw.wav":       {"-c:a", "pcm_alaw", "-ar", "8000"},
		"s16be.mov":      {"-c:a", "pcm_s16be"},
		"nellymoser.flv": {"-c:a", "nellymoser", "-ar", "22050", "-ac", "1"},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			path := made(t, "a-"+file, withArgs(tone(48000, "2"), args...)...)
			out := audio(t, path, roomAudio)
			s := samples(t, flv(t, out))
			require.InDelta(t, 2, float64(len(s))/48000, 0.2)
			// ffmpeg's sine has 1/8 of full scale; from the centre of six channels a fifth of it comes.
			require.InDelta(t, 0.06, rms(s[9600:len(s)-9600]), 0.04)
			require.InDelta(t, 440, frequency(s[9600:len(s)-9600]), 4)
			for i := 1; i < len(out.packets); i++ {
				require.InDelta(t, float64(out.packets[0].PTS)+float64(i)*1024/48000*1e9, float64(out.packets[i].PTS), 2)
			}
		})
	}
}

// frequency counts how often a tone crosses zero upwards.
func frequency(s []float64) float64 {
	n := 0
	for i := 1; i < len(s); i++ {
		if s[i-1] < 0 && s[i] >= 0 {
			n++
		}
	}
	return float64(n) / (float64(len(s)) / 48000)
}

func TestTheAACConfigurationIsKnownFromTheStart(t *testing.T) {
	in := read(t, made(t, "a-s16.wav", withArgs(tone(48000, "2"), "-c:a", "pcm_s16le")...))
	out := newAudio(t, in.info.Tracks[0], roomAudio).Output()
	require.Equal(t, []byte{0x11, 0x90}, out.Extradata[:2], "AAC-LC, 48 kHz, stereo")
	require.Equal(t, media.Track{Type: media.Audio, Codec: media.AAC, Profile: "LC", Bitrate: 128_000, SampleRate: 48000, Channels: 2, Extradata: out.Extradata}, out)
}

// beeps is a wav with 100 ms of tone at the beginning of every second.
func beeps(t *testing.T) source {
	return read(t, made(t, "beeps.wav", "-f", "lavfi", "-i", "aevalsrc='if(lt(mod(t,1),0.1),0.5*sin(2*PI*1000*t),0)':s=48000:d=5", "-c:a", "pcm_s16le"))
}

func TestSoundStaysOnItsTimestamps(t *testing.T) {
	t.Parallel()
	in := beeps(t)
	track, _ := in.track(t, media.Audio)
	for name, move := range map[string]func(at time.Duration) (time.Duration, bool){
		"as it is":      func(at time.Duration) (time.Duration, bool) { return at, true },
		"from 100 s on": func(at time.Duration) (time.Duration, bool) { return at + 100*time.Second, true },
		"with a gap": func(at time.Duration) (time.Duration, bool) {
			return at, at < 1500*time.Millisecond || at > 1900*time.Millisecond
		},
		"later from 2.5 s":  later(2500*time.Millisecond, 700*time.Millisecond),
		"sooner from 2.5 s": later(2500*time.Millisecond, -300*time.Millisecond),
		"far later":         later(2500*time.Millisecond, time.Minute),
		"with a slow clock": func(at time.Duration) (time.Duration, bool) { return at + at/50, true },
		"with a fast clock": func(at time.Duration) (time.Duration, bool) { return at - at/50, true },
		"rounded to 10 ms":  func(at time.Duration) (time.Duration, bool) { return at.Round(10 * time.Millisecond), true },
	} {
		t.Run(name, func(t *testing.T) {
			var packets []media.Packet
			for _, p := range in.of(t, media.Audio) {
				at, keep := move(p.PTS)
				p.PTS, p.DTS = at, at
				if keep {
					packets = append(packets, p)
				}
			}
			tc := newAudio(t, track, roomAudio)
			out := recoded{tc.Output(), through(t, tc, packets)}
			out.check(t)
			for beep := range 5 {
				want, _ := move(time.Duration(beep) * time.Second)
				at := heard(t, out, want)
				require.InDelta(t, want.Seconds(), at.Seconds(), 0.024, "beep %d", beep)
			}
		})
	}
}

func TestSoundOfAnotherInputGoesExactlyWhereItsTimeSays(t *testing.T) {
	in := beeps(t)
	track, _ := in.track(t, media.Audio)
	for _, shift := range []time.Duration{0, 15 * time.Millisecond, -15 * time.Millisecond} {
		t.Run(shift.String(), func(t *testing.T) {
			tc := newAudio(t, track, roomAudio)
			out := recoded{track: tc.Output()}
			begun := false
			for _, p := range in.of(t, media.Audio) {
				if p.PTS > 2500*time.Millisecond {
					if !begun {
						begun = true
						made, err := tc.Input(track)
						require.NoError(t, err)
						out.packets = append(out.packets, made...)
					}
					p.PTS, p.DTS = p.PTS+shift, p.DTS+shift
				}
				made, err := tc.Transcode(p)
				require.NoError(t, err)
				out.packets = append(out.packets, made...)
			}
			out.check(t)
			before, after := heard(t, out, 2*time.Second), heard(t, out, 3*time.Second)
			require.InDelta(t, time.Second+shift, after-before, float64(2*time.Millisecond))
		})
	}
}

func later(from, by time.Duration) func(time.Duration) (time.Duration, bool) {
	return func(at time.Duration) (time.Duration, bool) {
		if at >= from {
			at += by
		}
		return at, true
	}
}

// heard is when the beep that is due at want begins, by the packets' times.
func heard(t *testing.T, out recoded, want time.Duration) time.Duration {
	t.Helper()
	var part recoded
	part.track = out.track
	for _, p := range out.packets {
		if p.PTS > want-300*time.Millisecond && p.PTS < want+200*time.Millisecond {
			part.packets = append(part.packets, p)
		}
	}
	require.NotEmpty(t, part.packets)
	return part.loud(samples(t, flv(t, part)), part.packets[0].PTS, 0.1)
}

func TestTheVolumeIsAsAsked(t *testing.T) {
	t.Parallel()
	path := made(t, "loud.wav", "-f", "lavfi", "-i", "aevalsrc=0.7*sin(2*PI*440*t)|0.7*sin(2*PI*440*t):s=48000:d=2", "-c:a", "pcm_s16le")
	for volume, want := range map[int]float64{0: 0, 25: 0.175, 50: 0.35, 100: 0.7, 130: 0.91, 200: 0.95} {
		t.Run(fmt.Sprint(volume), func(t *testing.T) {
			to := roomAudio
			to.Volume = volume
			out := audio(t, path, to)
			s := samples(t, flv(t, out))
			s = s[9600 : len(s)-9600]
			require.InDelta(t, want/math.Sqrt2, rms(s), 0.02)
			for _, v := range s {
				require.LessOrEqual(t, math.Abs(v), want+0.05)
			}
			require.Less(t, out.packets[0].PTS, 10*time.Millisecond)
		})
	}
}

func TestSurroundIsMixedDownWithoutClipping(t *testing.T) {
	path := made(t, "full51.wav", "-f", "lavfi", "-i", "aevalsrc="+"0.99*sin(2*PI*440*t)|0.99*sin(2*PI*440*t)|0.99*sin(2*PI*440*t)|0|0.99*sin(2*PI*440*t)|0.99*sin(2*PI*440*t):c=5.1:s=48000:d=2", "-c:a", "pcm_s16le")
	s := samples(t, flv(t, audio(t, path, roomAudio)))
	s = s[9600 : len(s)-9600]
	require.Greater(t, rms(s), 0.6)
	require.InEpsilon(t, math.Sqrt2, peak(s)/rms(s), 0.08, "still a sine")
	require.InDelta(t, 440, frequency(s), 1)
}

func TestSoundBeforeATimeIsLeftOut(t *testing.T) {
	in := beeps(t)
	track, _ := in.track(t, media.Audio)
	tc := newAudio(t, track, roomAudio)
	tc.SkipBefore(1500 * time.Millisecond)
	out := recoded{tc.Output(), through(t, tc, in.of(t, media.Audio))}
	out.check(t)
	require.Equal(t, 1500*time.Millisecond, out.packets[0].PTS)
	require.InDelta(t, 2, heard(t, out, 2*time.Second).Seconds(), 0.005)
	require.InDelta(t, 5, out.end().Seconds(), 0.03)
}

func TestAnotherSourceOfSoundGoesOnTheSameTimeline(t *testing.T) {
	first := read(t, made(t, "a-low.aac", withArgs(tone(48000, "2"), "-c:a", "aac", "-ar", "8000")...))
	second := read(t, made(t, "a-opus.webm", withArgs(tone(48000, "2"), "-c:a", "libopus")...))
	one, _ := first.track(t, media.Audio)
	two, _ := second.track(t, media.Audio)
	tc := newAudio(t, one, roomAudio)
	out := recoded{track: tc.Output()}
	end := time.Duration(0)
	for _, p := range first.of(t, media.Audio) {
		got, err := tc.Transcode(p)
		require.NoError(t, err)
		out.packets, end = append(out.packets, got...), p.PTS+p.Duration
	}
	got, err := tc.Input(two)
	require.NoError(t, err)
	out.packets = append(out.packets, got...)
	packets := second.of(t, media.Audio)
	for i := range packets {
		packets[i].PTS += end
		packets[i].DTS += end
	}
	out.packets = append(out.packets, through(t, tc, packets)...)
	out.check(t)
	s := samples(t, flv(t, out))
	require.InDelta(t, 4, float64(len(s))/48000, 0.3)
	for i := 1; i < len(out.packets); i++ {
		require.InDelta(t, out.packets[i-1].PTS+out.packets[i-1].Duration, out.packets[i].PTS, 2, "no gap")
	}
}

// The encoder holds two blocks of 21 ms back; a chime may be shorter than one.
func TestTheLastSoundComesOutHoweverLittleThereIs(t *testing.T) {
	for length, frames := range map[string]int{"0.001": 1, "0.01": 1, "0.03": 2, "0.05": 3, "1": 47} {
		t.Run(length+" s", func(t *testing.T) {
			in := read(t, made(t, "short-"+length+".wav", tone(48000, length)...))
			tc := newAudio(t, in.info.Tracks[0], roomAudio)
			out := recoded{tc.Output(), through(t, tc, in.packets)}
			require.Len(t, out.packets, frames)
			require.Zero(t, out.packets[0].PTS)
			more, err := tc.Flush()
			require.NoError(t, err)
			require.Empty(t, more, "all was out")
		})
	}
}

func TestSoundGoesOnAfterAFlush(t *testing.T) {
	in := beeps(t)
	track, _ := in.track(t, media.Audio)
	tc := newAudio(t, track, roomAudio)
	packets := in.of(t, media.Audio)
	half := len(packets) / 2
	out := recoded{tc.Output(), through(t, tc, packets[:half])}
	require.InDelta(t, packets[half].PTS, out.end(), float64(22*time.Millisecond))
	out.packets = append(out.packets, through(t, tc, packets[half:])...)
	out.check(t)
	for beep := range 5 {
		want := time.Duration(beep) * time.Second
		require.InDelta(t, want.Seconds(), heard(t, out, want).Seconds(), 0.024)
	}
}
