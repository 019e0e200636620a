package egress

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// What the room takes: 1080p either way round.
const (
	mostLong  = 1920
	mostShort = 1080
)

// variant is one #EXT-X-STREAM-INF of a master playlist with its address.
type variant struct {
	number        int // in the playlist, from 0
	uri           string
	width, height int // 0 when it does not say
	bandwidth     int
	h264          bool // as far as it says
	audio         string
}

// variants returns a playlist's, no more of them than most.
func variants(text string, most int) []variant {
	var all []variant
	info, found := "", false
	for line := range lines(text) {
		tag, value := tagOf(line)
		switch {
		case tag == tagVariant:
			info, found = value, true
		case found && isAddress(line):
			if len(all) == most {
				return all
			}
			all = append(all, newVariant(len(all), info, line))
			found = false
		}
	}
	return all
}

func newVariant(number int, info, uri string) variant {
	v := variant{number: number, uri: uri, audio: attribute(info, "AUDIO")}
	v.bandwidth, _ = strconv.Atoi(attribute(info, "BANDWIDTH"))
	if w, h, ok := strings.Cut(attribute(info, "RESOLUTION"), "x"); ok {
		v.width, _ = strconv.Atoi(w)
		v.height, _ = strconv.Atoi(h)
	}
	if v.width <= 0 || v.height <= 0 {
		v.width, v.height = 0, 0
	}
	codecs := attribute(info, "CODECS")
	v.h264 = codecs == "" || strings.Contains(codecs, "avc")
	return v
}

// choose returns the best variant that the room takes, or nil when the playlist
// does not say enough of how big they are: then all of them stay.
func choose(all []variant) *variant {
	sized := slices.DeleteFunc(slices.Clone(all), func(v variant) bool { return v.width == 0 })
	if len(sized) == 0 || (len(sized) < len(all) && !slices.ContainsFunc(sized, variant.fits)) {
		return nil
	}
	best := slices.MaxFunc(sized, better)
	return &best
}

func (v variant) fits() bool {
	return max(v.width, v.height) <= mostLong && min(v.width, v.height) <= mostShort
}

// better prefers what fits, then what is bigger; of those that do not fit the
// smallest. Of the same size it prefers what the room takes as it is.
func better(a, b variant) int {
	if a.fits() != b.fits() {
		return order(a.fits(), b.fits())
	}
	pixels := cmp.Compare(a.width*a.height, b.width*b.height)
	if !a.fits() {
		pixels = -pixels
	}
	return cmp.Or(pixels, order(a.h264, b.h264), cmp.Compare(a.bandwidth, b.bandwidth))
}

func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
