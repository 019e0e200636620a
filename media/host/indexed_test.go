package host

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// anywhere is a source of which nothing is read.
type anywhere struct{ media.Bytes }

func (anywhere) Seekable() bool { return true }

// The tables go on with all that the worker has of the file, also where the host has given
// a full batch and has not used up its bytes.
func TestAnIndexGoesOnWithWhatIsThereOfTheFile(t *testing.T) {
	file := []byte("0123456789abcdef")
	for name, given := range map[string]int{"all was left": 0, "more was given": 6} {
		t.Run(name, func(t *testing.T) {
			s := &source{index: &index{}, supply: supply{ctx: t.Context(), way: media.Way{Bytes: anywhere{}}}}
			s.window.end = int64(len(file))
			s.window.given = file[len(file)-given:]
			s.window.left = file[4 : len(file)-given]
			require.True(t, s.lead())
			for at := 4; at < len(file); at++ {
				var has []byte
				for i := range s.index.pieces {
					has = append(has, s.index.pieces[i].has(int64(at), 1)...)
				}
				require.True(t, bytes.Equal(file[at:at+1], has), "at %d: %q", at, has)
			}
		})
	}
}

func TestPacketsOfWhichTracksAreTheirSamples(t *testing.T) {
	for name, c := range map[string]struct {
		track media.Track
		frame time.Duration
		want  bool
	}{
		"AAC":                          {media.Track{Codec: media.AAC, Extradata: []byte{0x12, 0x10}}, 23219955, true}, // 1024 of 44100
		"AAC that may be of high rate": {media.Track{Codec: media.AAC, Extradata: []byte{0x13, 0x10}}, 42666667, true},
		"AAC that says nothing":        {media.Track{Codec: media.AAC}, 0, false},
		"MP3":                          {media.Track{Codec: "mp3"}, 0, false},
		"HEVC":                         {media.Track{Codec: "hevc"}, 0, true},
		"H.264 that may be of fields":  {media.Track{Codec: media.H264}, 0, false},
	} {
		var x indexed
		require.Equal(t, c.want, x.choose(c.track), name)
		require.Equal(t, c.frame, x.frame, name)
	}
}
