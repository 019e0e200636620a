package bitstream

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

func TestAnnexBBecomesLengthPrefixedWithItsParameterSetsInTheConfig(t *testing.T) {
	c := NewFilter(media.Track{Codec: media.H264})
	require.Nil(t, c.Config())
	data, err := c.Conform(unhex(t, "0000000109f0"+"000000016742001e80"+"0000000168ce3880"+"00000165aabb"))
	require.NoError(t, err)
	require.Equal(t, unhex(t, "0000000365aabb"), data)
	require.Equal(t, unhex(t, "0142001effe100056742001e8001000468ce3880"), c.Config())
}

func TestParameterSetsInTheExtradataAreUsed(t *testing.T) {
	c := NewFilter(media.Track{Codec: media.H264, Extradata: unhex(t, "000000016742001e800000000168ce3880")})
	require.NotNil(t, c.Config())
	_, err := c.Conform(unhex(t, "000000016742001e80000000000168ce388000"))
	require.NoError(t, err, "zeros after a unit are no part of it")
}

func TestNewParameterSetsTakeThePlaceOfThoseWithTheirID(t *testing.T) {
	c := NewFilter(media.Track{Codec: media.H264, Extradata: unhex(t, "000000016742001e80"+"0000000168ce3880")})
	before := c.Config()
	_, err := c.Conform(unhex(t, "000000016742001f80"+"00000165aabb"))
	require.NoError(t, err)
	require.Equal(t, unhex(t, "0142001fffe100056742001f8001000468ce3880"), c.Config())
	require.NotEqual(t, before, c.Config())
	_, err = c.Conform(unhex(t, "00000001684e3880"+"00000165aabb"))
	require.NoError(t, err)
	require.Equal(t, unhex(t, "0142001fffe100056742001f8002000468ce38800004684e3880"), c.Config(), "another id comes beside it")
}

func TestAVCCAndAnAudioConfigPassAsTheyAre(t *testing.T) {
	for _, track := range []media.Track{
		{Codec: media.H264, Extradata: unhex(t, "0142001effe100046742001e01000468ce3880")},
		{Codec: media.AAC, Extradata: unhex(t, "1190")},
	} {
		c := NewFilter(track)
		data, err := c.Conform([]byte{1, 2, 3})
		require.NoError(t, err)
		require.Equal(t, []byte{1, 2, 3}, data)
		require.Equal(t, track.Extradata, c.Config())
	}
}

func TestParameterSetsInsideAVCCReplaceThoseOfTheAVCC(t *testing.T) {
	c := NewFilter(media.Track{Codec: media.H264, Extradata: unhex(t, "0142001effe100056742001e8001000468ce3880")})
	data := unhex(t, "000000056742001e80"+"0000000465aabbcc")
	got, err := c.Conform(data)
	require.NoError(t, err)
	require.Equal(t, data, got)
	require.Equal(t, unhex(t, "0142001effe100056742001e8001000468ce3880"), c.Config(), "they are the same")
	_, err = c.Conform(unhex(t, "000000056742001f80"+"0000000465aabbcc"))
	require.NoError(t, err)
	require.Equal(t, unhex(t, "0142001fffe100056742001f8001000468ce3880"), c.Config())
}

func TestADTSHeadersAreStripped(t *testing.T) {
	c := NewFilter(media.Track{Codec: media.AAC})
	data, err := c.Conform(unhex(t, "fff14c80015ffc"+"010203"))
	require.NoError(t, err)
	require.Equal(t, []byte{1, 2, 3}, data)
	require.Equal(t, unhex(t, "1190"), c.Config(), "AAC LC, 48 kHz, stereo")
}

func TestAPictureMayHaveAnyNumberOfSlices(t *testing.T) {
	c := NewFilter(media.Track{Codec: media.H264})
	var annexB, want []byte
	for n := range 200 { // an encoder that fills packets of a network makes many
		unit := []byte{0x41, 0xaa, byte(n), 0x80}
		annexB = append(append(annexB, 0, 0, 1), unit...)
		want = append(append(want, 0, 0, 0, byte(len(unit))), unit...)
	}
	got, err := c.Conform(annexB)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestWhatHasNoStartCodeIsDamaged(t *testing.T) {
	for _, data := range [][]byte{{1, 2, 3}, {1, 0, 0, 1, 0x65, 1}, {0, 0}} {
		_, err := NewFilter(media.Track{Codec: media.H264}).Conform(data)
		require.Error(t, err, "%x", data)
	}
}

func FuzzConform(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 0x67, 1, 2, 3}, []byte{0, 0, 1, 0x65})
	f.Add([]byte{0xff, 0xf1, 0x4c, 0x80, 1, 0x5f, 0xfc, 1}, []byte{})
	f.Fuzz(func(_ *testing.T, extradata, data []byte) {
		for _, codec := range []media.Codec{media.H264, media.AAC} {
			track := media.Track{Codec: codec, Extradata: extradata}
			c := NewFilter(track)
			_, _ = c.Conform(data)
			_ = WellFormed(track, data)
			_ = c.Config()
		}
	})
}

func TestAPacketIsWellFormedAsFarAsItsFormTells(t *testing.T) {
	video := media.Track{Codec: media.H264, Extradata: unhex(t, "0142001effe100046742001e01000468ce3880")}
	short := media.Track{Codec: media.H264, Extradata: unhex(t, "0142001efde100046742001e01000468ce3880")}
	sound := media.Track{Codec: media.AAC, Extradata: unhex(t, "1190")}
	for name, c := range map[string]struct {
		track media.Track
		data  string
		want  bool
	}{
		"one unit":                              {video, "0000000365aabb", true},
		"two units":                             {video, "0000000165" + "0000000241aa", true},
		"units with lengths of two bytes":       {short, "000165" + "000241aa", true},
		"padding that is shorter than a length": {video, "0000000365aabb" + "000000", true},
		"start codes in spite of the avcC":      {video, "0000000165aabb", true},
		"nothing":                               {video, "", true},
		"a unit that is longer than the packet": {video, "0000000965aabb", false},
		"zeros":                                 {video, "00000000000000", false},
		"zeros behind a unit":                   {video, "0000000365aabb" + "00000000", false},
		"a length with its highest bit":         {video, "ffffffff65aabb", false},
		"start codes of a track that has them":  {media.Track{Codec: media.H264}, "00000000", true},
		"another codec":                         {media.Track{Codec: "hevc", Extradata: unhex(t, "01")}, "00000000", true},
		"sound":                                 {sound, "000e", true},
		"sound that is zeros":                   {sound, "0000", false},
		"sound of nothing":                      {sound, "", true},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, WellFormed(c.track, unhex(t, c.data))) })
	}
}
