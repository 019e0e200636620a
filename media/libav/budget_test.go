package libav

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func TestASeekOfASourceThatWasClosedIsAnError(t *testing.T) {
	s, err := openBytes(t, "a.mp3", id3(1))
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.Error(t, s.Seek(0))
}

func TestAPanicInACallIsAnError(t *testing.T) {
	s := &Source{container: &container{life: newLife(t.Context())}}
	defer s.container.life.close()
	err := s.alone(func() error { panic("of a parser") })
	require.Equal(t, media.KindInternal, media.KindOf(err))
}

// id3 is an ID3v2.4 tag of n text frames before an MP3's silence.
func id3(frames int) []byte {
	var b bytes.Buffer
	for i := range frames {
		text := fmt.Sprintf("\x03k%d\x00v", i)
		b.WriteString("TXXX")
		_ = binary.Write(&b, binary.BigEndian, uint32(len(text)))
		b.Write([]byte{0, 0})
		b.WriteString(text)
	}
	n := b.Len()
	head := []byte{'I', 'D', '3', 4, 0, 0, byte(n >> 21 & 0x7f), byte(n >> 14 & 0x7f), byte(n >> 7 & 0x7f), byte(n & 0x7f)}
	frame := make([]byte, 417) // MPEG 1 layer III, 128 kb/s, 44.1 kHz
	copy(frame, []byte{0xff, 0xfb, 0x90, 0x64})
	return append(append(head, b.Bytes()...), bytes.Repeat(frame, 200)...)
}

func TestTagsByTheTenThousandCostLittle(t *testing.T) {
	s, err := openBytes(t, "a.mp3", id3(40_000))
	require.NoError(t, err)
	require.Len(t, s.Info().Tracks, 1)
	require.LessOrEqual(t, int(s.container.scope.c.peak), 32<<20)
}

func TestWhatASourceHoldsIsGivenBack(t *testing.T) {
	s, err := openBytes(t, "a.mp3", id3(1))
	require.NoError(t, err)
	for {
		if _, err := s.ReadPacket(); err != nil {
			break
		}
	}
	held := s.container.scope.c.held
	for range 20 {
		require.NoError(t, s.Seek(0))
		for {
			if _, err := s.ReadPacket(); err != nil {
				break
			}
		}
	}
	assert.InDelta(t, int64(held), int64(s.container.scope.c.held), 64<<10)
}

// openBytes opens data as libav would fetch it, without a Gate's rules.
func openBytes(t *testing.T, name string, data []byte) (*Source, error) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(data))
	}))
	t.Cleanup(server.Close)
	ctx, cancel := context.WithCancel(t.Context())
	source, err := NewOpener(Config{}).Demux(ctx, media.SourceRequest{URL: media.Secret(server.URL + "/" + name)}, &passGate{})
	t.Cleanup(cancel)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { assert.NoError(t, source.Close()) })
	return source.(*Source), nil
}

func TestASourceThatWasClosedBetweenTwoReadsGivesNoMore(t *testing.T) {
	s, err := openBytes(t, "a.mp3", id3(1))
	require.NoError(t, err)
	_, err = s.ReadPacket()
	require.NoError(t, err)
	require.NoError(t, s.Close())
	_, err = s.ReadPacket()
	require.ErrorIs(t, err, errClosed)
}
