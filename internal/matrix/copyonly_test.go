package matrix

import (
	"slices"
	"strings"

	"github.com/roomcast/roomcast/media/mediatest"
)

// copyOnly says that the pusher cannot re-encode yet: what needs it is expected
// to fail with source_unsupported. Delete this file, and what the compiler then
// complains about, when it can.
const copyOnly = true

// today turns what a sample should become into what becomes of it without
// re-encoding. Its second result says that the push is expected to fail.
func today(s mediatest.Sample) (mediatest.Sample, bool) {
	if !copyOnly {
		return s, false
	}
	fails := false
	for _, t := range []*mediatest.TrackWant{&s.Video, &s.Audio} {
		if t.Action == "fill" {
			*t = mediatest.TrackWant{}
		}
		fails = fails || t.Action == "transcode" || t.Later != ""
	}
	return s, fails
}

// gaps are the samples of which today's copy path makes something wrong, with
// what is wrong. They are not judged.
var gaps = map[string]string{}

func gap(name string) (string, bool) {
	why, ok := gaps[name]
	return why, ok && copyOnly
}

var _ = slices.Contains[[]string]
var _ = strings.Contains
