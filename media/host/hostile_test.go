package host

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/stretchr/testify/require"
)

// hearing is a source whose host says so.
func hearing(t *testing.T, tracks int, frames ...[]byte) *source {
	t.Helper()
	info := media.SourceInfo{Tracks: []media.Track{{Type: media.Video}, {Type: media.Audio}}[:tracks]}
	return &source{
		ctx: t.Context(), conn: newConn(said{Reader: bytes.NewReader(bytes.Join(frames, nil))}),
		log: logbook{log: slog.New(slog.DiscardHandler)}, info: info, tracks: tracks, way: media.Way{Bytes: textOf()},
	}
}

func TestWhatAHostSaysTakesLittleMoreMemoryThanItsBytes(t *testing.T) {
	few := packetOf(media.Packet{})
	many := bytes.Repeat(few, 1<<17)
	for name, payload := range map[string][]byte{
		"packets of a source":     append([]byte{0, 0, 0, 0x80, 0x80, 8}, many...), // 1<<17 of them
		"packets of a transcoder": append([]byte{0, 0, 0x80, 0x80, 8}, many...),
	} {
		t.Run(name, func(t *testing.T) {
			var err error
			if strings.HasSuffix(name, "source") {
				err = hearing(t, 1).take(payload)
			} else {
				_, _, err = answer(payload)
			}
			require.ErrorIs(t, err, errFrame)
		})
	}
	t.Run("streams of a source", func(t *testing.T) {
		all := `{"Info":{"Streams":[{}` + strings.Repeat(",{}", mostJSON/3) + `]}}`
		_, err := hearing(t, 0, frameOf(kindOpen, []byte(all)...)).hear(kindOpen)
		require.ErrorIs(t, err, errFrame)
	})
}

func TestAHostCannotGiveASourceTracksThatNobodyKnows(t *testing.T) {
	third := packetOf(media.Packet{Track: 2, Change: &media.Track{Type: media.Audio}})
	require.ErrorIs(t, hearing(t, 2).take(append([]byte{0, 0, 0, 1}, third...)), errFrame)
	require.ErrorIs(t, hearing(t, 2, jsonFrame(kindSeek, opened{})).seek(time.Second), errFrame, "nor take them away")
	_, err := hearing(t, 0, jsonFrame(kindOpen, opened{Info: media.SourceInfo{Still: true}})).hear(kindOpen)
	require.ErrorIs(t, err, errFrame, "a picture without one")
}

func TestLinesThatAreTooManyAreNotEvenRead(t *testing.T) {
	b := logbook{log: slog.New(slog.DiscardHandler)}
	for range mostLines {
		require.NoError(t, b.write([]byte(`{}`)))
	}
	require.NoError(t, b.write([]byte("no JSON")))
}

func TestWhatAHostSaysOfAFaultIsShort(t *testing.T) {
	long := strings.Repeat("x", 1<<16)
	for _, f := range []fault{
		{Text: long},
		{Typed: true, Kind: int(media.KindSourceInvalid), Op: long, Sentence: long},
		{Typed: true, Kind: int(media.KindSourceInvalid), Op: long, Reason: long, Text: long},
	} {
		require.Less(t, len(f.error().Error()), 4*mostLetter)
	}
}

func TestAPictureThatIsTooLargeIsNotKept(t *testing.T) {
	p := newPool(t, nil)
	_, err := p.Picture(media.Keyframe{Data: bytes.Repeat([]byte("x"), mostPicture)})
	require.Equal(t, media.KindSourcePoisoned, media.KindOf(err))
	p.preview.end(p.preview.host)
}
