package hls

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// fullHD is what the room of these tests takes.
var fullHD = media.Bounds{Long: 1920, Short: 1080}

func streamInf(resolution, codecs, audio, uri string) string {
	return "#EXT-X-STREAM-INF:BANDWIDTH=900,CODECS=\"" + codecs + "\",AUDIO=\"" + audio + "\",RESOLUTION=" + resolution + "\n" + uri + "\n"
}

func TestTheBestVariantThatFitsComesFirst(t *testing.T) {
	small, full, tall := streamInf("640x360", "avc1.4d,mp4a", "low", "s"), streamInf("1920x1080", "avc1,mp4a", "high", "f"),
		streamInf("1080x1920", "hvc1,mp4a", "high", "t")
	huge, giant := streamInf("3840x2160", "avc1", "high", "h"), streamInf("7680x4320", "avc1", "high", "g")
	unsized, better := "#EXT-X-STREAM-INF:BANDWIDTH=1\nu\n", "#EXT-X-STREAM-INF:BANDWIDTH=2\nb\n"
	sound := "#EXT-X-STREAM-INF:BANDWIDTH=99999,CODECS=\"mp4a.40.2\"\na\n"
	for name, c := range map[string]struct {
		variants string
		bounds   media.Bounds
		order    []string
	}{
		"the biggest that fits":            {small + huge + full, fullHD, []string{"f", "s", "h"}},
		"upright fits as well":             {small + tall, fullHD, []string{"t", "s"}},
		"of one size, what can be copied":  {tall + full, fullHD, []string{"f", "t"}},
		"too big all of them, the smaller": {giant + huge, fullHD, []string{"h", "g"}},
		"sound alone is the last":          {sound + small + unsized, fullHD, []string{"s", "u", "a"}},
		"no sizes, by the rate":            {unsized + better, fullHD, []string{"b", "u"}},
		"an unsized one may fit":           {unsized + huge, fullHD, []string{"u", "h"}},
		"blank lines between":              {"#EXT-X-STREAM-INF:BANDWIDTH=1\n\n# here\n u \n" + small, fullHD, []string{"s", "u"}},
		"in a smaller room":                {small + huge + full, media.Bounds{Long: 1280, Short: 720}, []string{"s", "f", "h"}},
		"in a room without bounds":         {small + huge + full, media.Bounds{}, []string{"h", "f", "s"}},
	} {
		t.Run(name, func(t *testing.T) {
			var order []string
			for _, v := range parseMaster("#EXTM3U\n"+c.variants, c.bounds).variants {
				order = append(order, v.uri)
			}
			require.Equal(t, c.order, order)
		})
	}
}

func TestTheSoundThatIsAskedForIsChosen(t *testing.T) {
	m := parseMaster("#EXTM3U\n"+
		`#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="Described",LANGUAGE="en",DEFAULT=YES,CHARACTERISTICS="public.accessibility.describes-video",URI="x"`+"\n"+
		`#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English",LANGUAGE="en",URI="e"`+"\n"+
		`#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="Deutsch",LANGUAGE="de",DEFAULT=YES,URI="d"`+"\n"+
		`#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="b",NAME="other",LANGUAGE="fr",URI="f"`+"\n"+
		`#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="a",NAME="s",URI="s"`+"\n"+streamInf("640x360", "avc1", "a", "v"), fullHD)
	sounds := m.sounds(m.variants[0])
	require.Len(t, sounds, 3)
	for asked, want := range map[string]string{"": "d", "0": "x", "1": "e", "eng": "e", "DE": "d", "deutsch": "d", "described": "x"} {
		i, err := chooseSound(sounds, asked)
		require.NoError(t, err)
		require.Equal(t, want, sounds[i].uri, asked)
	}
	_, err := chooseSound(sounds, "fr")
	require.Equal(t, media.KindSourceNoTrack, media.KindOf(err))
	require.ErrorContains(t, err, "the source has no audio track 'fr': it has 0 (en, Described), 1 (en, English), 2 (de, Deutsch)")
}
