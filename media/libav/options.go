package libav

import (
	"fmt"
	"maps"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/asticode/go-astiav"
	"github.com/roomcast/roomcast/media"
)

// fileFormats are the demuxers that a source may be read with, by FFmpeg's names. The
// others are there for streams within MPEG-TS and MPEG-PS.
const fileFormats = "mov,matroska,flv,live_flv,mpegts,mpeg,avi,aac,ac3,eac3,mp3,wav,flac,ogg,asf,aiff,caf,mxf," +
	"jpeg_pipe,png_pipe,webp_pipe"

// ofBytes holds what is pinned for every source.
var ofBytes = map[string]string{
	"format_whitelist": fileFormats,
	"analyzeduration":  micros(3 * time.Second),
}

// ofLive holds what is pinned for live sources besides, by scheme.
var ofLive = map[string]map[string]string{
	"rtmp": {
		"format_whitelist": "flv,live_flv",
		// A track that does not come costs this long; for a picture that was
		// promised see awaitVideo.
		"analyzeduration": micros(1500 * time.Millisecond),
		"fpsprobesize":    "3",
	},
	"rtsp": {"format_whitelist": "mpegts", "fpsprobesize": "3"},
	"srt":  {"format_whitelist": "mpegts", "fpsprobesize": "3"},
}

// liveOptions are nil for an address of no live source.
func liveOptions(address media.Secret) map[string]string {
	scheme, _, _ := strings.Cut(strings.ToLower(address.Reveal()), ":")
	return ofLive[strings.TrimSuffix(scheme, "s")]
}

func micros(d time.Duration) string { return fmt.Sprint(d.Microseconds()) }

// openOptions returns the name and the options for OpenInput. The caller frees the
// dictionary.
func openOptions(way media.Way) (string, *astiav.Dictionary) {
	pinned := maps.Clone(ofBytes)
	maps.Copy(pinned, liveOptions(way.URL))
	return nameOf(way.URL), optionsOf(pinned)
}

func optionsOf(pinned map[string]string) *astiav.Dictionary {
	d := astiav.NewDictionary()
	set := func(key, value string) { _ = d.Set(key, value, astiav.NewDictionaryFlags()) } // fails out of memory only
	set("probesize", "2500000")
	set("max_streams", strconv.Itoa(mostStreams))
	set("flv_full_metadata", "1") // for flvPromisesVideo
	for key, value := range pinned {
		set(key, value)
	}
	return d
}

// nameOf is a name for the source of which libav learns no more than how it ends:
// that helps to tell formats apart that begin alike.
func nameOf(address media.Secret) string {
	u, err := url.Parse(address.Reveal())
	if err != nil {
		return ""
	}
	ending := strings.ToLower(path.Ext(u.Path))
	if !endings.MatchString(ending) {
		return ""
	}
	return "source" + ending
}

var endings = regexp.MustCompile(`^\.[a-z0-9]{2,4}$`)
