package libav

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestInterlacedPicturesAreTold(t *testing.T) {
	picture := testPicture(320, 180, 25, "1")
	for name, c := range map[string]struct {
		args []string
		want bool
	}{
		"fields.mp4":      {[]string{"-vf", "setfield=tff", "-c:v", "libx264", "-flags", "+ilme+ildct"}, true},
		"bottom.mp4":      {[]string{"-vf", "setfield=bff", "-c:v", "libx264", "-flags", "+ilme+ildct", "-x264-params", "bff=1"}, true},
		"fields.ts":       {[]string{"-vf", "setfield=tff", "-c:v", "libx264", "-flags", "+ilme+ildct", "-x264-params", "tff=1"}, true},
		"fields.mkv":      {[]string{"-vf", "setfield=tff", "-c:v", "libx264", "-flags", "+ilme+ildct", "-x264-params", "tff=1"}, true},
		"fields.flv":      {[]string{"-vf", "setfield=tff", "-c:v", "libx264", "-flags", "+ilme+ildct", "-x264-params", "tff=1"}, true},
		"pretended.mp4":   {[]string{"-c:v", "libx264", "-x264-params", "fake-interlaced=1"}, false},
		"pretended.ts":    {[]string{"-c:v", "libx264", "-x264-params", "fake-interlaced=1"}, false},
		"progressive.mp4": {[]string{"-c:v", "libx264"}, false},
		"progressive.ts":  {[]string{"-c:v", "libx264"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			in := read(t, made(t, name, withArgs(picture, c.args...)...))
			require.Equal(t, c.want, in.info.Tracks[0].Interlaced)
		})
	}
}
