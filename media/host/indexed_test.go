package host

import (
	"bytes"
	"testing"

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
