package libav

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatAnFLVTellsOfItsPicture(t *testing.T) {
	for name, c := range map[string]struct {
		flags    int
		metadata map[string]string
		promised bool
	}{
		"nginx with video":                  {5, map[string]string{"videocodecid": "7", "audiocodecid": "10"}, true},
		"nginx without video":               {5, map[string]string{"videocodecid": "0", "audiocodecid": "10"}, false},
		"a codec by its name":               {4, map[string]string{"videocodecid": "avc1"}, true},
		"metadata of sound, flags for both": {5, map[string]string{"audiocodecid": "10"}, false},
		"flags for both":                    {5, nil, true},
		"flags for sound":                   {4, nil, false},
		"nothing at all":                    {-1, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.promised, flvPromisesVideo(c.flags, func(key string) string { return c.metadata[key] }))
		})
	}
}
