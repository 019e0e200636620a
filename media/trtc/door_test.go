package trtc_test

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tencentyun/tls-sig-api-v2-golang/tencentyun"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/trtc"
)

const (
	app     = 1400000001
	appKey  = "an sdk key that is nowhere else"
	user    = "alice"
	room    = "room_1"
	hourTTL = 3600
)

var sigEncoding = base64.NewEncoding(
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789*-").WithPadding('_')

func mint(t testing.TB, app int, key, user string) media.Secret {
	t.Helper()
	sig, err := tencentyun.GenUserSig(app, key, user, hourTTL)
	require.NoError(t, err)
	return media.Secret(sig)
}

// forge packs any document the way a UserSig is packed.
func forge(t testing.TB, document []byte) media.Secret {
	t.Helper()
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	_, err := w.Write(document)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return media.Secret(sigEncoding.EncodeToString(packed.Bytes()))
}

// document is a well-formed UserSig's content with some fields replaced; nil
// takes a field out.
func document(t testing.TB, replace map[string]any) []byte {
	t.Helper()
	fields := map[string]any{
		"TLS.ver": "2.0", "TLS.identifier": user, "TLS.sdkappid": app,
		"TLS.time": 1_700_000_000, "TLS.expire": hourTTL, "TLS.sig": make([]byte, 32),
	}
	for name, v := range replace {
		if v == nil {
			delete(fields, name)
		} else {
			fields[name] = v
		}
	}
	b, err := json.Marshal(fields)
	require.NoError(t, err)
	return b
}

func newDoor(t testing.TB, c trtc.Config) *trtc.Door {
	t.Helper()
	d, err := trtc.New(c)
	require.NoError(t, err)
	return d
}

func keys() map[uint32]media.Secret { return map[uint32]media.Secret{app: appKey} }

func destination(sig media.Secret) media.Destination {
	return media.Destination{SDKAppID: app, RoomID: room, UserID: user, UserSig: sig}
}

func reasons(err error) []media.DestinationReason {
	var rs []media.DestinationReason
	for _, p := range media.DestinationProblems(err) {
		rs = append(rs, p.Reason)
	}
	return rs
}

func TestCheckRoom(t *testing.T) {
	for name, c := range map[string]struct {
		room string
		ok   bool
	}{
		"one character is a room":               {"a", true},
		"digits alone are a string room":        {"98915", true},
		"every allowed kind of character":       {"aZ09_", true},
		"64 characters are allowed":             {strings.Repeat("r", 64), true},
		"65 characters are too many":            {strings.Repeat("r", 65), false},
		"an empty room is refused":              {"", false},
		"a hyphen is refused":                   {"a-b", false},
		"a space is refused":                    {"a b", false},
		"a slash is refused":                    {"a/b", false},
		"a question mark is refused":            {"a?b", false},
		"an ampersand is refused":               {"a&b", false},
		"an escaped character is refused":       {"a%62", false},
		"a letter outside ASCII is refused":     {"räum", false},
		"a line end is refused":                 {"room\n", false},
		"a NUL is refused":                      {"room\x00", false},
		"a byte that is no UTF-8 is refused":    {"room\xff", false},
		"a full-width digit is refused":         {"１", false},
		"a room that ends in a dot is refused":  {"room.", false},
		"a room with a percent sign is refused": {"100%", false},
	} {
		t.Run(name, func(t *testing.T) {
			err := trtc.CheckRoom(c.room)
			if c.ok {
				require.NoError(t, err)
				return
			}
			require.Equal(t, []media.DestinationReason{media.BadRoom}, reasons(err))
			require.Equal(t, "roomId", media.DestinationProblems(err)[0].Field)
		})
	}
}

func TestWhatIsWrongWithANameIsToldByCharacter(t *testing.T) {
	err := trtc.CheckRoom("a课b")
	require.Equal(t, "has '课' at position 2; allowed are letters, digits and _", media.DestinationProblems(err)[0].Detail)
}

func TestCheckUser(t *testing.T) {
	for name, c := range map[string]struct {
		user string
		ok   bool
	}{
		"one character is a user":           {"a", true},
		"every allowed kind of character":   {"aZ09_-", true},
		"32 characters are allowed":         {strings.Repeat("u", 32), true},
		"33 characters are too many":        {strings.Repeat("u", 33), false},
		"an empty user is refused":          {"", false},
		"an at sign is refused":             {"a@b", false},
		"an equals sign is refused":         {"a=b", false},
		"an ampersand is refused":           {"a&usersig", false},
		"a star is refused":                 {"a*b", false},
		"a letter outside ASCII is refused": {"алиса", false},
		"a carriage return is refused":      {"a\r", false},
	} {
		t.Run(name, func(t *testing.T) {
			err := trtc.CheckUser(c.user)
			if c.ok {
				require.NoError(t, err)
				return
			}
			require.Equal(t, []media.DestinationReason{media.BadUser}, reasons(err))
			require.Equal(t, "userId", media.DestinationProblems(err)[0].Field)
		})
	}
}

// requireNoSecret looks for the signature and for every longer piece of it.
func requireNoSecret(t *testing.T, err error, sig media.Secret) {
	t.Helper()
	text := fmt.Sprintf("%v %+v %#v %s", err, err, err, err)
	raw := sig.Reveal()
	for i := 0; i+12 <= len(raw); i += 4 {
		require.NotContains(t, text, raw[i:i+12])
	}
	require.NotContains(t, text, appKey)
}

func TestCheck(t *testing.T) {
	now := time.Now()
	good := mint(t, app, appKey, user)
	none := []media.DestinationReason(nil)
	one := func(r media.DestinationReason) []media.DestinationReason { return []media.DestinationReason{r} }
	buffered, err := tencentyun.GenUserSigWithBuf(app, appKey, user, hourTTL, []byte("buffer"))
	require.NoError(t, err)
	for name, c := range map[string]struct {
		keys map[uint32]media.Secret
		dest media.Destination
		now  time.Time
		want []media.DestinationReason
	}{
		"a good signature passes without the key":            {nil, destination(good), now, none},
		"a good signature passes with the key":               {keys(), destination(good), now, none},
		"a signature with a user buffer passes with the key": {keys(), destination(media.Secret(buffered)), now, none},
		"no signature passes with the key":                   {keys(), destination(""), now, none},
		"no signature is missing without the key":            {nil, destination(""), now, one(media.MissingUserSig)},
		"no signature is missing with another app's key": {map[uint32]media.Secret{1: "k"}, destination(""), now,
			one(media.MissingUserSig)},
		"garbage is refused":                       {nil, destination("garbage"), now, one(media.BadUserSig)},
		"garbage is refused with the key":          {keys(), destination("garbage"), now, one(media.BadUserSig)},
		"another user's signature is foreign":      {nil, destination(mint(t, app, appKey, "bob")), now, one(media.ForeignUserSig)},
		"a user in another case is another user":   {nil, destination(mint(t, app, appKey, "Alice")), now, one(media.ForeignUserSig)},
		"another app's signature is foreign":       {nil, destination(mint(t, app+1, appKey, user)), now, one(media.ForeignUserSig)},
		"another key's signature is foreign":       {keys(), destination(mint(t, app, "other", user)), now, one(media.ForeignUserSig)},
		"a wrong key cannot be seen without a key": {nil, destination(mint(t, app, "other", user)), now, none},
		"an expired signature is refused":          {nil, destination(good), now.Add(2 * time.Hour), one(media.ExpiredUserSig)},
		"an expired one is refused with the key": {keys(), destination(good), now.Add(2 * time.Hour),
			one(media.ExpiredUserSig)},
		"a forged one is foreign with the key": {keys(), destination(forge(t, document(t, nil))), time.Unix(1_700_000_001, 0),
			one(media.ForeignUserSig)},
		"app 0 is refused": {nil, media.Destination{RoomID: room, UserID: user}, now,
			[]media.DestinationReason{media.BadApp, media.MissingUserSig}},
		"everything wrong is reported at once": {nil, media.Destination{RoomID: "a b", UserID: "a@b", UserSig: "garbage"}, now,
			[]media.DestinationReason{media.BadApp, media.BadRoom, media.BadUser, media.BadUserSig}},
	} {
		t.Run(name, func(t *testing.T) {
			err := newDoor(t, trtc.Config{Keys: c.keys}).Check(c.dest, c.now)
			require.Equal(t, c.want, reasons(err))
			if c.want == nil {
				require.NoError(t, err)
				return
			}
			requireNoSecret(t, err, c.dest.UserSig)
		})
	}
}

func TestASignatureIsGoodUntilTheSecondItExpires(t *testing.T) {
	sig := mint(t, app, appKey, user)
	u, err := trtc.DecodeUserSig(sig)
	require.NoError(t, err)
	for _, c := range []map[uint32]media.Secret{nil, keys()} {
		door := newDoor(t, trtc.Config{Keys: c})
		require.NoError(t, door.Check(destination(sig), u.Expires.Add(-time.Nanosecond)))
		require.Equal(t, []media.DestinationReason{media.ExpiredUserSig}, reasons(door.Check(destination(sig), u.Expires)))
	}
}

func TestAHostileIdentifierIsNotRepeated(t *testing.T) {
	sig := forge(t, document(t, map[string]any{"TLS.identifier": "<script>\n"}))
	err := newDoor(t, trtc.Config{}).Check(destination(sig), time.Unix(1_700_000_001, 0))
	require.Equal(t, []media.DestinationReason{media.ForeignUserSig}, reasons(err))
	require.NotContains(t, err.Error(), "script")
}

func TestAddress(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		app      int
		endpoint string
		want     string
	}{
		"an app of Tencent's samples from 1400000000 on is a mainland one": {1400000000, "", "rtmp://rtmp.rtc.qq.com/push"},
		"an app below is an international one":                             {1399999999, "", "rtmp://intl-rtmp.rtc.qq.com/push"},
		"a small app is an international one":                              {20000001, "", "rtmp://intl-rtmp.rtc.qq.com/push"},
		"a configured endpoint is for every app":                           {20000001, "rtmp://127.0.0.1:1935/push", "rtmp://127.0.0.1:1935/push"},
		"a configured endpoint may use TLS":                                {1400000000, "rtmps://room.example/push", "rtmps://room.example/push"},
	} {
		t.Run(name, func(t *testing.T) {
			sig := mint(t, c.app, appKey, user)
			dest := media.Destination{SDKAppID: uint32(c.app), RoomID: room, UserID: user, UserSig: sig}
			got, err := newDoor(t, trtc.Config{Endpoint: c.endpoint}).Address(dest, now)
			require.NoError(t, err)
			require.Equal(t, fmt.Sprintf("%s/room_1?sdkappid=%d&userid=alice&usersig=%s", c.want, c.app, sig.Reveal()), got.URL.Reveal())
			u, err := trtc.DecodeUserSig(sig)
			require.NoError(t, err)
			require.Equal(t, u.Expires, got.Expires)
		})
	}
}

func TestTheSpecialCharactersOfASignatureSurvive(t *testing.T) {
	for i := range 2000 {
		sig := mint(t, app, fmt.Sprint("key", i), user)
		if !strings.Contains(sig.Reveal(), "*") || !strings.Contains(sig.Reveal(), "-") || !strings.Contains(sig.Reveal(), "_") {
			continue
		}
		got, err := newDoor(t, trtc.Config{}).Address(destination(sig), time.Now())
		require.NoError(t, err)
		require.True(t, strings.HasSuffix(got.URL.Reveal(), "&usersig="+sig.Reveal()))
		require.NotContains(t, got.URL.Reveal(), "%")
		return
	}
	t.Fatal("no minted signature had all of * - _")
}

func TestAddressMintsWhenTheKeyIsConfigured(t *testing.T) {
	now := time.Now()
	door := newDoor(t, trtc.Config{Keys: keys()})
	got, err := door.Address(destination(""), now)
	require.NoError(t, err)
	_, sig, found := strings.Cut(got.URL.Reveal(), "&usersig=")
	require.True(t, found)
	require.NoError(t, tencentyun.VerifyUserSig(app, appKey, user, sig, now))
	require.WithinDuration(t, now.Add(24*time.Hour), got.Expires, time.Minute)
	require.NoError(t, door.Check(destination(media.Secret(sig)), now))
}

func TestAddressRefusals(t *testing.T) {
	now := time.Now()
	good := mint(t, app, appKey, user)
	badRoom := destination(good)
	badRoom.RoomID = "a/b"
	for name, c := range map[string]struct {
		dest media.Destination
		now  time.Time
		kind media.Kind
	}{
		"an expired signature has its own kind":      {destination(good), now.Add(2 * time.Hour), media.KindUserSigExpired},
		"a foreign signature is denied":              {destination(mint(t, app, appKey, "bob")), now, media.KindRoomDenied},
		"garbage is denied":                          {destination("garbage"), now, media.KindRoomDenied},
		"a missing signature is denied":              {destination(""), now, media.KindRoomDenied},
		"a bad room is denied":                       {badRoom, now, media.KindRoomDenied},
		"a bad room with an expired one is denied":   {badRoom, now.Add(2 * time.Hour), media.KindRoomDenied},
		"a user who would break the URL gets denied": {media.Destination{SDKAppID: app, RoomID: room, UserID: "a&b", UserSig: good}, now, media.KindRoomDenied},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := newDoor(t, trtc.Config{}).Address(c.dest, c.now)
			require.Equal(t, c.kind, media.KindOf(err))
			require.NotEmpty(t, media.DestinationProblems(err))
			require.Empty(t, got.URL.Reveal())
			requireNoSecret(t, err, c.dest.UserSig)
		})
	}
}

func TestASignatureThatRanOutIsMintedAnewWithTheKey(t *testing.T) {
	good := mint(t, app, appKey, user)
	address, err := newDoor(t, trtc.Config{Keys: keys()}).Address(destination(good), time.Now().Add(2*time.Hour))
	require.NoError(t, err)
	require.NotContains(t, address.URL.Reveal(), good.Reveal())
	require.Contains(t, address.URL.Reveal(), "&usersig=")
}

func TestMintUserSig(t *testing.T) {
	door := newDoor(t, trtc.Config{Keys: keys()})
	for name, c := range map[string]struct {
		app  uint32
		user string
		ttl  time.Duration
		life time.Duration
		want []media.DestinationReason
		fail bool
	}{
		"with a lifetime":                {app, user, time.Minute, time.Minute, nil, false},
		"0 is the door's lifetime":       {app, user, 0, 24 * time.Hour, nil, false},
		"without the key":                {app + 1, user, time.Minute, 0, []media.DestinationReason{media.MissingUserSig}, true},
		"for a bad user":                 {app, "a b", time.Minute, 0, []media.DestinationReason{media.BadUser}, true},
		"with a lifetime below a second": {app, user, time.Millisecond, 0, nil, true},
		"with a negative lifetime":       {app, user, -time.Hour, 0, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			sig, err := door.MintUserSig(c.app, c.user, c.ttl)
			if c.fail {
				require.Error(t, err)
				require.Equal(t, c.want, reasons(err))
				requireNoSecret(t, err, "")
				return
			}
			require.NoError(t, err)
			u, err := trtc.DecodeUserSig(sig)
			require.NoError(t, err)
			require.Equal(t, c.life, u.Expires.Sub(u.IssuedAt))
			require.NoError(t, tencentyun.VerifyUserSig(uint64(c.app), appKey, c.user, sig.Reveal(), time.Now()))
		})
	}
}

func TestNewChecksItsConfiguration(t *testing.T) {
	for name, c := range map[string]struct {
		config trtc.Config
		ok     bool
	}{
		"the zero value is Tencent's endpoints": {trtc.Config{}, true},
		"a host with a port":                    {trtc.Config{Endpoint: "rtmp://127.0.0.1:1935/push"}, true},
		"an IPv6 host":                          {trtc.Config{Endpoint: "rtmp://[::1]:1935/push"}, true},
		"an application with an instance":       {trtc.Config{Endpoint: "rtmps://room.example/app/inst"}, true},
		"another scheme":                        {trtc.Config{Endpoint: "http://room.example/push"}, false},
		"no scheme":                             {trtc.Config{Endpoint: "room.example/push"}, false},
		"no host":                               {trtc.Config{Endpoint: "rtmp:///push"}, false},
		"an empty port":                         {trtc.Config{Endpoint: "rtmp://room.example:/push"}, false},
		"no application":                        {trtc.Config{Endpoint: "rtmp://room.example"}, false},
		"a slash for an application":            {trtc.Config{Endpoint: "rtmp://room.example/"}, false},
		"a slash at the end":                    {trtc.Config{Endpoint: "rtmp://room.example/push/"}, false},
		"two slashes":                           {trtc.Config{Endpoint: "rtmp://room.example//push"}, false},
		"a query":                               {trtc.Config{Endpoint: "rtmp://room.example/push?a=b"}, false},
		"a fragment":                            {trtc.Config{Endpoint: "rtmp://room.example/push#a"}, false},
		"a password":                            {trtc.Config{Endpoint: "rtmp://u:canary@room.example/push"}, false},
		"an escaped character":                  {trtc.Config{Endpoint: "rtmp://room.example/p%75sh"}, false},
		"a space":                               {trtc.Config{Endpoint: "rtmp://room.example/pu sh"}, false},
		"a line end":                            {trtc.Config{Endpoint: "rtmp://room.example/push\n"}, false},
		"a port that is no number":              {trtc.Config{Endpoint: "rtmp://room.example:x/canary"}, false},
		"a key of app 0":                        {trtc.Config{Keys: map[uint32]media.Secret{0: "canary"}}, false},
		"an empty key":                          {trtc.Config{Keys: map[uint32]media.Secret{1: ""}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := trtc.New(c.config)
			if c.ok {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			require.NotContains(t, err.Error(), "canary")
		})
	}
}

func TestNewKeepsItsOwnKeys(t *testing.T) {
	mine := keys()
	door := newDoor(t, trtc.Config{Keys: mine})
	delete(mine, app)
	require.NoError(t, door.Check(destination(""), time.Now()))
}

func TestRules(t *testing.T) {
	r := newDoor(t, trtc.Config{}).Rules()
	require.Equal(t, media.Rules{
		Video: []media.Codec{media.H264}, Audio: []media.Codec{media.AAC}, BFrames: false,
		MaxWidth: 1920, MaxHeight: 1080, PixelFormats: []string{"yuv420p", "yuvj420p"},
		AudioProfiles: []string{"LC"}, MaxChannels: 2, MaxSampleRate: 48000, MaxKeyInterval: 2 * time.Second,
	}, r)
}

func FuzzCheckNames(f *testing.F) {
	f.Add("room_1")
	f.Add("a b")
	f.Fuzz(func(t *testing.T, name string) {
		if trtc.CheckRoom(name) == nil {
			require.Regexp(t, `\A[0-9A-Za-z_]{1,64}\z`, name)
		}
		if trtc.CheckUser(name) == nil {
			require.Regexp(t, `\A[0-9A-Za-z_-]{1,32}\z`, name)
		}
	})
}
