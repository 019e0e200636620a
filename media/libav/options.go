package libav

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/asticode/go-astiav"
	"github.com/roomcast/roomcast/media"
)

// Demuxers a source may be read with, by FFmpeg's names.
const (
	fileFormats = "mov,matroska,webm,flv,live_flv,mpegts,mpeg,avi,aac,ac3,eac3,mp3,wav,flac,ogg,asf,aiff,caf,mxf," +
		"jpeg_pipe,png_pipe,webp_pipe"
	httpFormats = fileFormats + ",hls"
	rtmpFormats = "flv,live_flv"
)

const (
	userAgent   = "Roomcast/1"
	readTimeout = 15 * time.Second
	// What the Gate has for a look-up (egress.Config.DialTimeout).
	srtConnectTime = 10 * time.Second
)

// ofBytes holds what is pinned where libav is given bytes: it opens nothing.
var ofBytes = map[string]string{
	"protocol_whitelist": "none",
	"format_whitelist":   fileFormats,
	"analyzeduration":    micros(3 * time.Second),
	"enable_drefs":       "0", // mov: no references to other files
	"use_absolute_path":  "0",
}

// schemes holds what is pinned on every context, by the scheme libav opens.
// https is not among them: the Gate's proxy does the TLS.
var schemes = map[string]map[string]string{
	"http": httpOptions(),
	"rtmp": {
		"protocol_whitelist": "rtmp,tcp",
		"format_whitelist":   rtmpFormats,
		"rtmp_live":          "live",
		// A track that does not come costs this long; for a picture that was
		// promised see awaitVideo.
		"analyzeduration": micros(1500 * time.Millisecond),
		"fpsprobesize":    "3",
	},
	// The Gate's relay speaks RTSP for libav: see media/egress/rtsp.go.
	"rtsp": {
		"protocol_whitelist":  "tcp",
		"format_whitelist":    "rtsp",
		"rtsp_transport":      "tcp",
		"allowed_media_types": "video+audio",
		"timeout":             micros(readTimeout),
		"user_agent":          userAgent,
		"analyzeduration":     micros(3 * time.Second),
		"fpsprobesize":        "3",
	},
	"srt": {
		"protocol_whitelist": "srt",
		"format_whitelist":   "mpegts",
		"mode":               "caller",
		"transtype":          "live",
		"connect_timeout":    fmt.Sprint(srtConnectTime.Milliseconds()),
		"timeout":            micros(readTimeout),
		"analyzeduration":    micros(3 * time.Second),
		"fpsprobesize":       "3",
	},
}

func httpOptions() map[string]string {
	return map[string]string{
		"protocol_whitelist": "http,tcp,crypto",
		"format_whitelist":   httpFormats,
		// Segments are named as their makers like: what they hold is checked
		// by format_whitelist, where they come from by the Gate.
		"extension_picky": "0",
		// Without it libav 9.0 takes the end of the last chunk for an error.
		"multiple_requests": "1",
		"max_redirects":     "8",
		"reconnect":         "0", // reconnecting is the caller's
		"user_agent":        userAgent,
		"analyzeduration":   micros(3 * time.Second),
		"enable_drefs":      "0", // mov: no references to other files
		"use_absolute_path": "0",
		// HLS: every address is opened by io_open, where it is checked. What a
		// connection to loopback costs is little.
		"http_persistent": "0",
		"http_multiple":   "0",
	}
}

func micros(d time.Duration) string { return fmt.Sprint(d.Microseconds()) }

// openOptions returns the address and the options for OpenInput. The caller
// frees the dictionary.
func openOptions(way media.Way) (string, *astiav.Dictionary, error) {
	const op = "open source"
	if way.Bytes != nil {
		return nameOf(way.URL), optionsOf(nil, ofBytes), nil
	}
	scheme, rest, ok := strings.Cut(way.URL.Reveal(), ":")
	scheme = strings.ToLower(scheme)
	pinned, known := schemes[scheme]
	if !ok || !known {
		return "", nil, &media.Error{Kind: media.KindSourceInvalid, Op: op, Err: media.Because("it has a scheme that is not played", nil)}
	}
	address := scheme + ":" + rest
	if err := checkAddress(address, way.Options["http_proxy"].Reveal()); err != nil {
		return "", nil, &media.Error{Kind: media.KindInternal, Op: op, Err: err}
	}
	return address, optionsOf(way.Options, pinned), nil
}

func optionsOf(own map[string]media.Secret, pinned map[string]string) *astiav.Dictionary {
	d := astiav.NewDictionary()
	set := func(key, value string) { _ = d.Set(key, value, astiav.NewDictionaryFlags()) } // fails out of memory only
	set("rw_timeout", micros(readTimeout))
	set("probesize", "2500000")
	set("max_streams", strconv.Itoa(mostStreams))
	set("flv_full_metadata", "1") // for flvPromisesVideo
	for key, value := range own {
		set(key, value.Reveal())
	}
	for key, value := range pinned { // last: nothing overrides them
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

var errNotLoopback = errors.New("the way leads libav to a name or an address that is not loopback")

// checkAddress makes sure that libav never looks up a name: a hanging name
// server would hold it for 10 s, interrupted or not.
func checkAddress(address, proxy string) error {
	if proxy != "" {
		address = proxy
	}
	u, err := url.Parse(address)
	if err != nil {
		return errNotLoopback // err quotes the address
	}
	ip, err := netip.ParseAddr(u.Hostname())
	if err != nil || !ip.IsLoopback() {
		return errNotLoopback
	}
	return nil
}
