package libav

import (
	"os"
	"path/filepath"
	"strings"
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

func TestAPictureThatBecomesInterlacedInMidStreamIsTold(t *testing.T) {
	noLeak(t)
	part := func(name string, args ...string) string {
		return made(t, name+".ts", withArgs(testPicture(320, 180, 25, "2"), withArgs(args, "-c:v", "libx264", "-g", "25")...)...)
	}
	fields := []string{"-vf", "setfield=tff", "-flags", "+ilme+ildct", "-x264-params", "tff=1", "-output_ts_offset", "2"}
	first := part("first")
	for name, c := range map[string]struct {
		args    []string
		changes int
	}{
		"fields.ts":       {fields, 1},
		"fields.flv":      {fields, 1},
		"other-stream.ts": {withArgs(fields, "-mpegts_start_pid", "0x200"), 1},
		"progressive.ts":  {[]string{"-output_ts_offset", "2"}, 0},
		"pretended.ts":    {[]string{"-x264-params", "fake-interlaced=1", "-output_ts_offset", "2"}, 0},
		"pretended.flv":   {[]string{"-x264-params", "fake-interlaced=1", "-output_ts_offset", "2"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			path := joined(t, "both-"+name+".ts", first, part(name, c.args...))
			if strings.HasSuffix(name, "flv") {
				path = made(t, "both-"+name, "-i", path, "-c", "copy")
			}
			in := read(t, path)
			require.False(t, in.info.Tracks[0].Interlaced)
			changes := 0
			for _, p := range in.packets {
				if p.Change != nil && p.Change.Interlaced {
					changes++
					require.True(t, p.Keyframe)
					require.InDelta(t, 2, (p.PTS - in.packets[0].PTS).Seconds(), 0.1)
				}
			}
			require.Equal(t, c.changes, changes)
		})
	}
}

// joined is a file of the others' bytes.
func joined(t *testing.T, name string, paths ...string) string {
	t.Helper()
	var all []byte
	for _, path := range paths {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		all = append(all, data...)
	}
	path := filepath.Join(clips.dir, name)
	require.NoError(t, os.WriteFile(path, all, 0o600))
	return path
}
