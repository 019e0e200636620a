package outlet

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func TestTheRoomIsToldAConfigurationOnceAndBeforeWhatNeedsIt(t *testing.T) {
	old, renewed, sound := []byte{1, 66, 0, 30, 255, 225, 0}, []byte{1, 66, 0, 31, 255, 225, 0}, []byte{0x11, 0x90}
	a := newConfigSender([]media.Track{{Type: media.Video, Extradata: old}, {Type: media.Audio, Extradata: sound}})
	told := func(track int, config []byte) []byte {
		p := media.Packet{Track: track, OnAir: media.OnAir{Kind: media.MediaType(track), Config: config}}
		a.attach(&p)
		return p.Extradata
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
	config := unhex(t, "0142001effe100056742001e8001000468ce3880")
	long := media.Packet{Data: []byte{0, 0, 0, 1, 0x65}, OnAir: media.OnAir{Config: config}}
	newConfigSender(nil).attach(&long)
	require.Equal(t, unhex(t, "000000056742001e80"+"0000000468ce3880"+"0000000165"), long.Data)
	config[4] = 0xfd // two bytes
	short := media.Packet{Data: []byte{0, 1, 0x65}, OnAir: media.OnAir{Config: config}}
	newConfigSender(nil).attach(&short)
	require.Equal(t, []byte{0, 1, 0x65}, short.Data)
	require.Equal(t, config, short.Extradata)
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}
