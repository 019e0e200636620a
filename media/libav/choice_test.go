package libav

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// several is a clip of a picture, a cover or subtitles, and sound at 48, 44.1 and
// 32 kHz in English, German (twice) and Chinese.
func several(t *testing.T, name string, more ...string) {
	t.Helper()
	args := []string{
		"-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25", "-f", "lavfi", "-i", "sine=sample_rate=48000",
		"-f", "lavfi", "-i", "sine=sample_rate=44100", "-f", "lavfi", "-i", "sine=sample_rate=32000",
		"-map", "0", "-map", "1", "-map", "2", "-map", "3", "-t", "2", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-g", "25",
		"-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger", "-metadata:s:a:2", "language=chi",
	}
	ffmpegOnce(t, name, append(args, more...)...)
}

func openChosen(t *testing.T, name string, c media.TrackChoice) (media.Source, error) {
	t.Helper()
	return openWith(t, &passGate{}, media.SourceRequest{URL: media.Secret(serve(t) + "/" + name), Choice: c})
}

func rateOf(t *testing.T, s media.Source) int {
	t.Helper()
	tracks := s.Info().Tracks
	require.Len(t, tracks, 2)
	return tracks[1].SampleRate
}

func TestTheAudioTrackThatWasAskedForIsPlayed(t *testing.T) {
	several(t, "langs.mkv", "-metadata:s:a:2", "title=Regie\x01kommentar")
	several(t, "langs.ts")
	several(t, "langs.mp4")
	for _, file := range []string{"langs.mkv", "langs.ts", "langs.mp4"} {
		for asked, want := range map[string]int{
			"": 48000, "0": 48000, "1": 44100, "2": 32000, "en": 48000, "de": 44100, "DEU": 44100, "ger": 44100, "de-AT": 44100, "zh-Hans": 32000, "zho": 32000,
		} {
			t.Run(file+" "+asked, func(t *testing.T) {
				s, err := openChosen(t, file, media.TrackChoice{Audio: asked})
				require.NoError(t, err)
				require.Equal(t, want, rateOf(t, s))
				require.NoError(t, s.Seek(1e9))
				require.Equal(t, want, rateOf(t, s))
				heard := 0
				for _, p := range readAll(t, s) {
					heard += p.Track
				}
				require.Positive(t, heard)
			})
		}
	}
	s, err := openChosen(t, "langs.mkv", media.TrackChoice{Audio: "regieKommentar"})
	require.NoError(t, err)
	require.Equal(t, 32000, rateOf(t, s), "by its name")
}

func TestAnAudioTrackThatIsNotThereFailsAndSaysWhatIs(t *testing.T) {
	several(t, "langs.mkv", "-metadata:s:a:2", "title=Director")
	ffmpegOnce(t, "mute.mp4", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25", "-t", "1", "-c:v", "libx264", "-preset", "ultrafast")
	const there = "it has 0 (eng, aac), 1 (ger, aac), 2 (chi, aac, Director)"
	for _, c := range []struct{ file, asked, want string }{
		{"langs.mkv", "fr", "the source has no audio track 'fr': " + there},
		{"langs.mkv", "3", "the source has no audio track '3': " + there},
		{"mute.mp4", "0", "the source has no audio track '0': it has no sound at all"},
	} {
		_, err := openChosen(t, c.file, media.TrackChoice{Audio: c.asked})
		require.Equal(t, media.KindSourceNoTrack, media.KindOf(err), "%v", err)
		var said media.Sentence
		require.ErrorAs(t, err, &said)
		require.Equal(t, c.want, said.Error())
	}
}

func TestTheBiggestPictureThatTheRoomTakesIsPlayed(t *testing.T) {
	ffmpegOnce(t, "sizes.ts",
		"-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25",
		"-f", "lavfi", "-i", "testsrc2=size=90x160:rate=25", "-map", "0", "-map", "1", "-map", "2", "-t", "1", "-c:v", "libx264", "-preset", "ultrafast")
	for name, c := range map[string]struct {
		bounds media.Bounds
		width  int
	}{
		"without bounds":       {media.Bounds{}, 320},
		"all fit":              {media.Bounds{Long: 320, Short: 180}, 320},
		"one is too wide":      {media.Bounds{Long: 319}, 160},
		"one is too high":      {media.Bounds{Short: 179}, 160},
		"none fits: the least": {media.Bounds{Long: 80, Short: 80}, 160},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := openWith(t, &passGate{}, media.SourceRequest{URL: media.Secret(serve(t) + "/sizes.ts"), Bounds: c.bounds})
			require.NoError(t, err)
			require.Equal(t, c.width, s.Info().Tracks[0].Width)
		})
	}
}

func TestAProgramOfATransportStreamIsPlayedByItsNumber(t *testing.T) {
	ffmpegOnce(t, "programs.ts",
		"-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25", "-f", "lavfi", "-i", "sine=sample_rate=48000",
		"-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25", "-f", "lavfi", "-i", "sine=sample_rate=44100",
		"-map", "0", "-map", "1", "-map", "2", "-map", "3", "-t", "2", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac",
		"-program", "program_num=7:st=0:st=1", "-program", "program_num=9:st=2:st=3")
	for program, want := range map[int][2]int{0: {320, 44100}, 7: {160, 48000}, 9: {320, 44100}} {
		s, err := openChosen(t, "programs.ts", media.TrackChoice{Program: program})
		require.NoError(t, err)
		require.Equal(t, want[0], s.Info().Tracks[0].Width)
		require.Equal(t, want[1], rateOf(t, s))
	}
	s, err := openChosen(t, "programs.ts", media.TrackChoice{Program: 7, Audio: "0"})
	require.NoError(t, err)
	require.Equal(t, 48000, rateOf(t, s))
	var shown []string
	for _, st := range s.Info().Streams {
		shown = append(shown, fmt.Sprint(st.Type, " ", st.Program, " ", st.AudioTrack, " ", st.Chosen, " ", st.LeftOut))
	}
	require.ElementsMatch(t, []string{"video 7 -1 true ", "audio 7 0 true ", "video 9 -1 false not chosen", "audio 9 -1 false not chosen"}, shown)

	_, err = openChosen(t, "programs.ts", media.TrackChoice{Program: 8})
	require.Equal(t, media.KindSourceNoTrack, media.KindOf(err))
	require.ErrorContains(t, err, "the source has no program 8: it has 7, 9")
	several(t, "langs.mp4")
	_, err = openChosen(t, "langs.mp4", media.TrackChoice{Program: 1})
	require.ErrorContains(t, err, "leave programNumber out")
}

func TestARenditionOfAPlaylistIsPlayedByItsLanguageOrName(t *testing.T) {
	dir := filepath.Join(clips.dir, "renditions")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	master := "#EXTM3U\n"
	for _, a := range []struct{ lang, name, rate, prefer string }{{"en", "English", "48000", "YES"}, {"de", "Deutsch", "44100", "NO"}, {"de", "Hoerfilm", "32000", "NO"}} {
		ffmpeg(t, "-v", "error", "-y", "-f", "lavfi", "-i", "sine=sample_rate="+a.rate, "-t", "4", "-c:a", "aac", "-f", "hls", "-hls_time", "1",
			"-hls_playlist_type", "vod", filepath.Join(dir, a.name+".m3u8"))
		master += fmt.Sprintf("#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=%q,LANGUAGE=%q,DEFAULT=%s,URI=\"%s.m3u8\"\n", a.name, a.lang, a.prefer, a.name)
	}
	ffmpeg(t, "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25", "-t", "4", "-c:v", "libx264", "-preset", "ultrafast", "-g", "25",
		"-f", "hls", "-hls_time", "1", "-hls_playlist_type", "vod", filepath.Join(dir, "v.m3u8"))
	master += "#EXT-X-STREAM-INF:BANDWIDTH=100000,RESOLUTION=160x90,AUDIO=\"a\"\nv.m3u8\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "master.m3u8"), []byte(master), 0o600))
	for asked, want := range map[string]int{"en": 48000, "deu": 44100, "hoerfilm": 32000, "1": 44100} {
		s, err := openChosen(t, "renditions/master.m3u8", media.TrackChoice{Audio: asked})
		require.NoError(t, err)
		require.Equal(t, want, rateOf(t, s), asked)
		require.NoError(t, s.Seek(2e9))
		require.Equal(t, want, rateOf(t, s), asked)
	}
}

func TestEverythingThatWasFoundIsTold(t *testing.T) {
	subtitles := filepath.Join(clips.dir, "told.srt")
	require.NoError(t, os.WriteFile(subtitles, []byte("1\n00:00:00,000 --> 00:00:01,000\nhello\n"), 0o600))
	ffmpegOnce(t, "told.jpg", "-f", "lavfi", "-i", "testsrc2=size=320x180", "-frames:v", "1")
	ffmpegOnce(t, "told.mkv", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25", "-f", "lavfi", "-i", "sine", "-i", subtitles,
		"-attach", filepath.Join(clips.dir, "told.jpg"), "-metadata:s:t", "mimetype=image/jpeg",
		"-map", "0", "-map", "1", "-map", "1", "-map", "2", "-t", "1", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-c:s", "srt",
		"-metadata:s:a:0", "language=de", "-metadata:s:a:0", "title=A\n\u202eB"+strings.Repeat("x", 99), "-metadata:s:a:1", "language=fr")
	s, err := open(t, serve(t)+"/told.mkv")
	require.NoError(t, err)
	streams := s.Info().Streams
	for i := range streams {
		streams[i].Default = false
	}
	require.Equal(t, []media.Stream{
		{Type: "video", Codec: "h264", AudioTrack: -1, Chosen: true},
		{Type: "audio", Codec: "aac", Language: "de", Title: "AB" + strings.Repeat("x", 62), Channels: 1, Chosen: true},
		{Type: "audio", Codec: "aac", Language: "fr", Channels: 1, AudioTrack: 1, LeftOut: "not chosen"},
		{Type: "subtitle", Codec: "subrip", AudioTrack: -1, LeftOut: "subtitle"},
		{Type: "video", Codec: "mjpeg", AudioTrack: -1, LeftOut: "cover"},
	}, streams)
}

func TestLanguagesAreTheSameHoweverTheyAreWritten(t *testing.T) {
	for _, c := range []struct {
		asked, has string
		same       bool
	}{
		{"de", "ger", true}, {"deu", "GER", true}, {"de", "de-CH", true}, {"zh-Hans", "chi", true}, {"fre", "fra", true}, {"heb", "iw", true},
		{"zh-Hans", "zh-Hant", false}, {"pt-BR", "pt-PT", false}, {"de", "en", false}, {"de", "", false}, {"", "", false}, {"und", "de", false},
		{"en", "und", false}, {"qaa", "qaa", true}, {"nonsense tongue", "de", false}, {"de", strings.Repeat("a-", 40), false},
	} {
		require.Equal(t, c.same, media.SameLanguage(c.asked, c.has), "%s of %s", c.asked, c.has)
	}
}

func TestAnAudioTrackThatBeginsLateIsPlayedWhereItWasAskedFor(t *testing.T) {
	ffmpegOnce(t, "later.ts", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25", "-f", "lavfi", "-i", "sine=sample_rate=48000",
		"-itsoffset", "8", "-f", "lavfi", "-i", "sine=sample_rate=44100:duration=4", "-map", "0", "-map", "1", "-map", "2", "-t", "12",
		"-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-c:a", "aac", "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger")
	for asked, want := range map[string]struct {
		rate int
		from float64
	}{"en": {48000, 0}, "de": {44100, 8}, "1": {44100, 8}} {
		s, err := openChosen(t, "later.ts", media.TrackChoice{Audio: asked})
		require.NoError(t, err)
		first, rate := time.Duration(-1), 0
		if tracks := s.Info().Tracks; len(tracks) == 2 {
			rate = tracks[1].SampleRate
		}
		for _, p := range readAll(t, s) {
			if p.Change != nil {
				rate = p.Change.SampleRate
			}
			if p.Track == 1 {
				require.Equal(t, want.rate, rate, asked)
				if first < 0 {
					first = p.PTS - s.Info().StartTime
				}
			}
		}
		require.InDelta(t, want.from, first.Seconds(), 0.2, asked)
		require.Equal(t, want.rate == 44100, s.Info().Streams[2].Chosen)
		require.Equal(t, want.rate == 48000, s.Info().Streams[1].Chosen)
	}
}

func TestAPictureThatNothingDecodesIsNamedAsThat(t *testing.T) {
	ffmpegOnce(t, "flashsv.flv", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25", "-f", "lavfi", "-i", "sine=sample_rate=44100",
		"-t", "1", "-c:v", "flashsv", "-c:a", "pcm_s16le")
	s, err := openChosen(t, "flashsv.flv", media.TrackChoice{})
	require.NoError(t, err)
	require.Len(t, s.Info().Streams, 2)
	for _, st := range s.Info().Streams {
		require.Equal(t, st.Type == "video", st.NoDecoder, "%+v", st)
	}
}

func TestAPictureThatComesLateAndThatNothingDecodesIsTold(t *testing.T) {
	ffmpegOnce(t, "late-flashsv.flv", "-f", "lavfi", "-i", "sine=sample_rate=44100:duration=14", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=4",
		"-map", "0", "-map", "1", "-vf", "setpts=PTS+10/TB", "-c:v", "flashsv", "-c:a", "aac")
	s, err := openChosen(t, "late-flashsv.flv", media.TrackChoice{})
	require.NoError(t, err)
	require.Len(t, s.Info().Tracks, 1)
	var told []media.Stream
	for _, p := range readAll(t, s) {
		if p.LeftOut != nil {
			told = append(told, *p.LeftOut)
		}
	}
	require.Equal(t, []media.Stream{{Type: "video", Codec: "flashsv", NoDecoder: true}}, told)
}
