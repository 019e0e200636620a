// Package trtc knows the RTMP door of a Tencent TRTC room: which names it
// takes, how its UserSig is made and checked, the publish address, and what
// media it accepts.
package trtc

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tencentyun/tls-sig-api-v2-golang/tencentyun"

	"github.com/roomcast/roomcast/media"
)

// Tencent's endpoints (trtc.io/document/62716). In its samples apps below
// firstMainlandApp are international ones.
const (
	mainlandEndpoint      = "rtmp://rtmp.rtc.qq.com/push"
	internationalEndpoint = "rtmp://intl-rtmp.rtc.qq.com/push"
	firstMainlandApp      = 1400000000
)

const userSigTTL = 24 * time.Hour // of one that is minted

// Config is what an operator sets.
type Config struct {
	// Keys are the SDK secret keys by SDKAppID. A UserSig of an app listed
	// here is verified in full, or minted when a request has none.
	Keys map[uint32]media.Secret
	// Endpoint is rtmp(s)://host[:port]/app for every app; empty means
	// Tencent's own, by SDKAppID.
	Endpoint string
}

// Door implements media.Door for TRTC. It may be used by many goroutines.
type Door struct {
	keys     map[uint32]media.Secret
	endpoint string
}

var _ media.Door = (*Door)(nil)

// New checks c and returns its door. An error names what is wrong and holds no
// key.
func New(c Config) (*Door, error) {
	for app, key := range c.Keys {
		if app == 0 || key == "" {
			return nil, fmt.Errorf("sdk keys: app %d: an app id and its key must both be given", app)
		}
	}
	if c.Endpoint != "" {
		if err := checkEndpoint(c.Endpoint); err != nil {
			return nil, fmt.Errorf("rtmp endpoint: %w", err)
		}
	}
	return &Door{keys: maps.Clone(c.Keys), endpoint: c.Endpoint}, nil
}

// checkEndpoint refuses anything to which "/room?query" cannot be appended as
// it is. Its errors do not repeat the text: it may hold a password.
func checkEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil:
		return errors.New("is not a URL")
	case u.Scheme != "rtmp" && u.Scheme != "rtmps":
		return errors.New("must start with rtmp:// or rtmps://")
	case u.Hostname() == "" || strings.HasSuffix(u.Host, ":"):
		return errors.New("has no host, or a colon without a port")
	case u.User != nil:
		return errors.New("must not hold a user name or password")
	case strings.ContainsAny(endpoint, "?#"):
		return errors.New("must not have a query or fragment")
	case strings.Trim(u.Path, "/") == "" || strings.HasSuffix(u.Path, "/") || strings.Contains(u.Path, "//"):
		return errors.New("must end with an application's name, as in rtmp://host/push")
	case u.EscapedPath() != u.Path:
		return errors.New("must not have characters that need escaping")
	}
	return nil
}

// Address implements media.Door. A destination whose UserSig is missing, or
// has run out, gets one minted with the app's key, if that is configured; it is
// good for userSigTTL from the wall clock.
func (d *Door) Address(dest media.Destination, now time.Time) (media.PublishAddress, error) {
	const op = "room address"
	sig, err := d.check(dest, now)
	_, mintable := d.keys[dest.SDKAppID]
	if err != nil && kindOf(err) == media.KindUserSigExpired && mintable {
		dest.UserSig, err = "", nil // it ran out during the push
	}
	if err != nil {
		return media.PublishAddress{}, &media.Error{Kind: kindOf(err), Op: op, Err: media.Because(err.Error(), err)}
	}
	if dest.UserSig == "" {
		if dest.UserSig, err = d.MintUserSig(dest.SDKAppID, dest.UserID, 0); err == nil {
			sig, err = DecodeUserSig(dest.UserSig)
		}
		if err != nil {
			return media.PublishAddress{}, &media.Error{Kind: media.KindInternal, Op: op, Err: err}
		}
	}
	// Concatenated, not encoded: every part is checked against its alphabet,
	// and url.Values would turn a signature's * into %2A.
	address := d.endpointOf(dest.SDKAppID) + "/" + dest.RoomID +
		"?sdkappid=" + strconv.FormatUint(uint64(dest.SDKAppID), 10) +
		"&userid=" + dest.UserID +
		"&usersig=" + dest.UserSig.Reveal()
	return media.PublishAddress{URL: media.Secret(address), Expires: sig.Expires, Renewable: mintable}, nil
}

func (d *Door) endpointOf(app uint32) string {
	switch {
	case d.endpoint != "":
		return d.endpoint
	case app < firstMainlandApp:
		return internationalEndpoint
	default:
		return mainlandEndpoint
	}
}

// kindOf is KindUserSigExpired when an expired signature is all that is wrong.
func kindOf(err error) media.Kind {
	for _, p := range media.DestinationProblems(err) {
		if p.Reason != media.ExpiredUserSig {
			return media.KindRoomDenied
		}
	}
	return media.KindUserSigExpired
}

// MintUserSig makes a UserSig of user in app, good for ttl from now; 0 means
// userSigTTL. It fails with a *media.DestinationProblem when no key
// is configured for app or user is no user id.
func (d *Door) MintUserSig(app uint32, user string, ttl time.Duration) (media.Secret, error) {
	if err := CheckUser(user); err != nil {
		return "", err
	}
	key, ok := d.keys[app]
	if !ok {
		return "", missingUserSig(app)
	}
	seconds := int64(cmp.Or(ttl, userSigTTL) / time.Second)
	if seconds < 1 || seconds > math.MaxInt32 {
		return "", fmt.Errorf("usersig ttl: %v is not between one second and 68 years", ttl)
	}
	sig, err := tencentyun.GenUserSig(int(app), key.Reveal(), user, int(seconds))
	if err != nil {
		return "", fmt.Errorf("mint usersig: %w", err)
	}
	return media.Secret(sig), nil
}

// Rules implements media.Door: H.264 and AAC LC in FLV, no reordered frames
// (the room cuts such a stream after about a second), key frames every one to
// two seconds, 1080p in either orientation (trtc.io/document/62716).
func (d *Door) Rules() media.Rules {
	return media.Rules{
		Video:          []media.Codec{media.H264},
		Audio:          []media.Codec{media.AAC},
		BFrames:        false,
		MaxWidth:       1920,
		MaxHeight:      1080,
		PixelFormats:   []string{"yuv420p", "yuvj420p"},
		AudioProfiles:  []string{"LC"},
		MaxChannels:    2,
		MaxSampleRate:  48000,
		MaxKeyInterval: 2 * time.Second,
	}
}
