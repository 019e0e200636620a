package media

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheRoomIsToldAConfigurationOnceAndBeforeWhatNeedsIt(t *testing.T) {
	old, renewed, sound := []byte{1, 66, 0, 30, 255, 225, 0}, []byte{1, 66, 0, 31, 255, 225, 0}, []byte{0x11, 0x90}
	a := newAnnouncer([]Track{{Type: Video, Extradata: old}, {Type: Audio, Extradata: sound}})
	told := func(track int, config []byte) []byte {
		return a.announce(Packet{Track: track, onAir: onAir{kind: MediaType(track), config: config}}).Extradata
	}
	require.Nil(t, told(0, old))
	require.Nil(t, told(1, sound))
	// The first picture of the new configuration was left out on its way here.
	require.Equal(t, renewed, told(0, renewed))
	require.Nil(t, told(0, renewed))
	require.Nil(t, told(1, sound))
	require.Equal(t, old, told(0, old), "a picture from before it that was held up")
}

func TestAPictureAnnouncesParameterSetsInLengthsOfItsOwnSizeAlone(t *testing.T) {
	config := unhexed(t, "0142001effe100056742001e8001000468ce3880")
	long := newAnnouncer(nil).announce(Packet{Data: []byte{0, 0, 0, 1, 0x65}, onAir: onAir{config: config}})
	require.Equal(t, unhexed(t, "000000056742001e80"+"0000000468ce3880"+"0000000165"), long.Data)
	config[4] = 0xfd // two bytes
	short := newAnnouncer(nil).announce(Packet{Data: []byte{0, 1, 0x65}, onAir: onAir{config: config}})
	require.Equal(t, []byte{0, 1, 0x65}, short.Data)
	require.Equal(t, config, short.Extradata)
}

func unhexed(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}
