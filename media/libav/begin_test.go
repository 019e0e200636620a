package libav_test

import (
	"errors"
	"io"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/mediatest"
)

func TestARecordingThatSoonBecomesOtherStreamsIsReadFromItsBegin(t *testing.T) {
	t.Parallel()
	span := func(from, to float64) mediatest.Span {
		return mediatest.Span{From: time.Duration(from * float64(time.Second)), To: time.Duration(to * float64(time.Second))}
	}
	for name, c := range map[string]struct {
		parts  []mediatest.Part
		codecs [2][]media.Codec
	}{
		"sound, then a picture and sound of another codec": {
			[]mediatest.Part{{Audio: "aac", Sound: span(0, 2)}, {Video: "B-frames", Picture: span(2, 4), Audio: "mp3", Sound: span(2, 4)}},
			[2][]media.Codec{{"h264"}, {"aac", "mp3"}},
		},
		"a short picture, then one under another number": {
			[]mediatest.Part{{Video: "h264 small", Picture: span(0.8, 1.4), Audio: "mp2", Sound: span(0, 2)}, {Video: "h264", Picture: span(2, 4), PID: 0x200}},
			[2][]media.Codec{{"h264"}, {"mp2"}},
		},
		"a short part, then one under other numbers": {
			[]mediatest.Part{{Video: "h264", Picture: span(0, 0.4), Audio: "mp3", Sound: span(0, 2)}, {Video: "h264", Picture: span(2, 4), Audio: "mp3", Sound: span(2, 4), PID: 0x300}},
			[2][]media.Codec{{"h264"}, {"mp3"}},
		},
		"a short part under other numbers between two": {
			[]mediatest.Part{
				{Video: "h264 small", Picture: span(0, 1), Audio: "mp3", Sound: span(0, 1)}, {Video: "B-frames", Picture: span(1, 2), Audio: "aac", Sound: span(1, 1.2), PID: 0x200},
				{Audio: "mp3", Sound: span(2, 4), PID: 0x300, Jump: -100 * time.Second}, {Video: "hevc", Picture: span(4, 5), PID: 0x300},
			},
			[2][]media.Codec{{"h264", "hevc"}, {"mp3", "aac", "mp3"}},
		},
		"sound, then a short picture with little sound under other numbers": {
			[]mediatest.Part{{Audio: "aac mono", Sound: span(0, 2)}, {Video: "B-frames", Picture: span(2, 3), Audio: "aac mono", Sound: span(2.8, 3), PID: 0x300}},
			[2][]media.Codec{{"h264"}, {"aac"}},
		},
		"other codecs, and those of the begin again": {
			[]mediatest.Part{
				{Video: "hevc", Picture: span(0.4, 1), Audio: "aac", Sound: span(0, 1)}, {Audio: "mp3", Sound: span(1, 2)},
				{Video: "h264 small", Picture: span(2, 4), Audio: "aac", Sound: span(2, 4)}, {Video: "hevc", Picture: span(4, 6), Audio: "aac", Sound: span(4, 6)},
			},
			[2][]media.Codec{{"hevc", "h264", "hevc"}, {"aac", "mp3", "aac"}},
		},
	} {
		for kind, join := range map[string]func(testing.TB, []mediatest.Part) string{"ts": mediatest.JoinTS, "hls": mediatest.JoinHLS} {
			t.Run(kind+", "+name, func(t *testing.T) {
				path := join(t, c.parts)
				server := serve(t, filepath.Dir(path), httptest.NewServer)
				s, err := openURL(t, server.URL+"/"+filepath.Base(path))
				require.NoError(t, err)
				var made [2]time.Duration
				for _, p := range c.parts {
					made[media.Video] += p.Picture.To - p.Picture.From
					made[media.Audio] += p.Sound.To - p.Sound.From
				}
				told := s.Info().Tracks
				for _, play := range []string{"at first", "again"} {
					codecs, spans := codecsOf(t, s, told)
					require.Equal(t, c.codecs, codecs, play)
					for m := range made {
						require.InDelta(t, made[m].Seconds(), spans[m].Seconds(), 0.3, "%v %s", media.MediaType(m), play)
					}
					told = s.Info().Tracks
					require.NoError(t, s.Seek(0))
				}
			})
		}
	}
}

// codecsOf reads a source, whose tracks its reader was told of last, to its end, and
// returns the codecs that each track was of and how much there was of it, by
// MediaType.
func codecsOf(t *testing.T, s media.Source, told []media.Track) (codecs [2][]media.Codec, spans [2]time.Duration) {
	t.Helper()
	tracks := slices.Clone(told)
	for {
		p, err := s.ReadPacket()
		if errors.Is(err, media.ErrLateVideo) { // its reader begins anew
			tracks = slices.Clone(s.Info().Tracks)
			continue
		}
		if errors.Is(err, io.EOF) {
			return codecs, spans
		}
		require.NoError(t, err)
		if p.Change != nil {
			tracks[p.Track] = *p.Change
		}
		now := tracks[p.Track]
		codecs[now.Type] = slices.Compact(append(codecs[now.Type], now.Codec))
		spans[now.Type] += p.Duration
	}
}

func TestAPartOfAPlaylistWhosePictureBeginsLateIsInItsPlace(t *testing.T) {
	second := time.Second
	path := mediatest.JoinHLS(t, []mediatest.Part{
		{Video: "h264", Picture: mediatest.Span{From: 400 * time.Millisecond, To: second}, Audio: "aac", Sound: mediatest.Span{To: second}},
		{Video: "h264", Picture: mediatest.Span{From: second, To: 3 * second}, Audio: "aac", Sound: mediatest.Span{From: second, To: 3 * second}, Jump: -time.Minute},
	})
	server := serve(t, filepath.Dir(path), httptest.NewServer)
	s, err := openURL(t, server.URL+"/"+filepath.Base(path))
	require.NoError(t, err)
	var last time.Duration
	for {
		p, err := s.ReadPacket()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		last = max(last, p.PTS+p.Duration-s.Info().StartTime)
	}
	require.InDelta(t, 3, last.Seconds(), 0.1)
}

func TestATransportStreamWhoseClockStepsBackDoesNotSayThatItIsADayLong(t *testing.T) {
	second := time.Second
	path := mediatest.JoinTS(t, []mediatest.Part{
		{Video: "h264", Picture: mediatest.Span{To: 2 * second}},
		{Video: "h264", Picture: mediatest.Span{From: 2 * second, To: 4 * second}, Jump: -100 * second},
	})
	server := serve(t, filepath.Dir(path), httptest.NewServer)
	s, err := openURL(t, server.URL+"/"+filepath.Base(path))
	require.NoError(t, err)
	require.Less(t, s.Info().Duration, time.Minute)
	require.False(t, s.Info().Live)
}

func TestAPictureThatComesBackUnderItsNumberStaysWithItsSound(t *testing.T) {
	span := func(from, to time.Duration) mediatest.Span {
		return mediatest.Span{From: from * time.Second, To: to * time.Second}
	}
	path := mediatest.JoinHLS(t, []mediatest.Part{
		{Video: "B-frames", Picture: span(0, 2), Audio: "aac", Sound: span(0, 2)},
		{Video: "mpeg-2", Picture: span(2, 4), PID: 0x300},
		{Video: "h264 small", Picture: span(4, 6), Audio: "mp3", Sound: span(4, 6), Jump: time.Minute},
	})
	server := serve(t, filepath.Dir(path), httptest.NewServer)
	s, err := openURL(t, server.URL+"/"+filepath.Base(path))
	require.NoError(t, err)
	var begins [2]time.Duration
	for {
		p, err := s.ReadPacket()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if p.Change != nil {
			begins[p.Change.Type] = p.PTS
		}
		require.Less(t, (p.PTS - p.DTS).Abs(), time.Second)
	}
	require.InDelta(t, begins[media.Audio].Seconds(), begins[media.Video].Seconds(), 0.03)
}
