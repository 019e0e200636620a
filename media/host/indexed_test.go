package host

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/mp4"
	"github.com/roomcast/roomcast/media/offheap"
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

// slowly is a file that comes in pieces of any size.
type slowly struct {
	*bytes.Reader
	most func() int
}

func (slowly) Seekable() bool { return true }
func (f slowly) Read(to []byte) (int, error) {
	return f.Reader.Read(to[:min(len(to), f.most())])
}

// Packets of any size have the bytes that stand in the file until they are released, in
// whatever pieces these come and however long others are kept; and no piece is kept by
// anything else.
func TestPacketsHaveTheirBytesUntilTheyAreReleased(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	file := make([]byte, 8<<20)
	for i := range file {
		file[i] = byte(random.Uint32())
	}
	for name, most := range map[string]func() int{
		"all at once":         func() int { return len(file) },
		"a network's packets": func() int { return 1448 },
		"anything":            func() int { return 1 + random.IntN(100_000) },
	} {
		for _, played := range []int{1, 2, 20} { // one byte of so many
			t.Run(fmt.Sprintf("%s, one of %d bytes", name, played), func(t *testing.T) {
				whole := slowly{bytes.NewReader(file), most}
				s := &source{index: &index{owner: &offheap.Pieces{}}, supply: supply{ctx: context.Background(), begun: time.Now(), way: media.Way{Bytes: whole}}}
				x := s.index
				x.tracks[0].chosen, x.tracks[1].chosen = true, true
				given := make(chan media.Packet, 64)
				seen := make(chan bool)
				go func() { // as whoever sends them
					defer close(seen)
					var kept []media.Packet
					for p := range given {
						if kept = append(kept, p); len(kept) < 40 {
							continue
						}
						for i := range kept {
							p := &kept[i]
							if !bytes.Equal(file[p.Offset:p.Offset+p.Duration.Nanoseconds()], p.Data) {
								t.Errorf("the packet at %d has other bytes", p.Offset)
							}
							p.Release()
						}
						kept = kept[:0]
					}
					for i := range kept {
						kept[i].Release()
					}
				}()
				for at := int64(1); ; {
					size := 1 + random.IntN(200)
					switch random.IntN(30) {
					case 9:
						at = max(1, at-int64(random.IntN(2*offheap.PieceBytes)))
					case 0:
						size = 1 + random.IntN(3*offheap.PieceBytes)
					case 1, 2, 3:
						size = 1 + random.IntN(offheap.PieceBytes)
					}
					if at+int64(size) > int64(len(file)) {
						break
					}
					p := media.Packet{Track: random.IntN(2), Offset: at, Duration: time.Duration(size)}
					x.tracks[p.Track].next = mp4.Sample{Offset: at}
					x.tracks[1-p.Track].next = mp4.Sample{Offset: at + int64(size)}
					require.NoError(t, s.cut(&p, size))
					given <- p
					at += int64(played * size)
				}
				close(given)
				<-seen
				p := media.Packet{Offset: int64(len(file)) - 1}
				require.ErrorIs(t, s.cut(&p, 2), errUnindexed)
				require.ErrorIs(t, s.cut(&p, 2), io.EOF)
				x.leavePieces()
				require.Zero(t, x.owner.Taken())
			})
		}
	}
}
