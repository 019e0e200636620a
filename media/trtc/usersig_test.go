package trtc_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tencentyun/tls-sig-api-v2-golang/tencentyun"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/trtc"
)

func TestDecodeUserSigReadsWhatTheLibraryMints(t *testing.T) {
	before := time.Now().Truncate(time.Second)
	got, err := trtc.DecodeUserSig(mint(t, app, appKey, user))
	require.NoError(t, err)
	require.Equal(t, user, got.Identifier)
	require.EqualValues(t, app, got.SDKAppID)
	require.False(t, got.IssuedAt.Before(before))
	require.Equal(t, time.Hour, got.Expires.Sub(got.IssuedAt))

	buffered, err := tencentyun.GenUserSigWithBuf(app, appKey, user, hourTTL, []byte("buffer"))
	require.NoError(t, err)
	_, err = trtc.DecodeUserSig(media.Secret(buffered))
	require.NoError(t, err)
}

func TestDecodeUserSigRefuses(t *testing.T) {
	whole := mint(t, app, appKey, user).Reveal()
	field := func(name string, v any) media.Secret {
		return forge(t, document(t, map[string]any{name: v}))
	}
	packed, err := sigEncoding.DecodeString(whole)
	require.NoError(t, err)
	damaged := bytes.Clone(packed)
	damaged[len(damaged)-1] ^= 1
	for name, sig := range map[string]media.Secret{
		"an empty text":                          "",
		"a word":                                 "garbage",
		"a text cut short":                       media.Secret(whole[:len(whole)-8]),
		"a text cut to half":                     media.Secret(whole[:len(whole)/2]),
		"a text with a space":                    media.Secret(whole[:20] + " " + whole[20:]),
		"a text with a line end":                 media.Secret(whole[:20] + "\n" + whole[20:]),
		"a text with a line end after it":        media.Secret(whole + "\n"),
		"a text with an ampersand":               media.Secret(whole + "&room=x"),
		"standard base64 with + and /":           media.Secret(base64.StdEncoding.EncodeToString(packed)),
		"a text of more than 2048 characters":    media.Secret(strings.Repeat("A", 2049)),
		"base64 of what is not zlib":             media.Secret(sigEncoding.EncodeToString([]byte("not zlib at all"))),
		"zlib with a wrong checksum":             media.Secret(sigEncoding.EncodeToString(damaged)),
		"bytes after the zlib stream":            media.Secret(sigEncoding.EncodeToString(append(bytes.Clone(packed), "more"...))),
		"a bomb of zeroes":                       forge(t, make([]byte, 1<<20)),
		"a bomb of 4097 bytes":                   forge(t, []byte(fmt.Sprintf("%-4097s", document(t, nil)))),
		"zlib of nothing":                        forge(t, nil),
		"content that is not JSON":               forge(t, []byte("TLS.ver 2.0")),
		"JSON that is no object":                 forge(t, []byte(`["2.0"]`)),
		"JSON null":                              forge(t, []byte(`null`)),
		"JSON followed by more":                  forge(t, append(document(t, nil), "{}"...)),
		"no version":                             field("TLS.ver", nil),
		"another version":                        field("TLS.ver", "1.0"),
		"no identifier":                          field("TLS.identifier", nil),
		"an identifier that is a number":         field("TLS.identifier", 5),
		"an empty identifier":                    field("TLS.identifier", ""),
		"no app":                                 field("TLS.sdkappid", nil),
		"app 0":                                  field("TLS.sdkappid", 0),
		"an app that is a text":                  field("TLS.sdkappid", "1400000001"),
		"a negative app":                         field("TLS.sdkappid", -1),
		"an app of more than 32 bits":            field("TLS.sdkappid", int64(app)+1<<32),
		"a fractional app":                       field("TLS.sdkappid", 1.5),
		"no time":                                field("TLS.time", nil),
		"a time that overflows":                  field("TLS.time", int64(1)<<62),
		"no lifetime":                            field("TLS.expire", nil),
		"a negative lifetime":                    field("TLS.expire", -1),
		"a lifetime that overflows":              field("TLS.expire", int64(1)<<62),
		"no signature":                           field("TLS.sig", nil),
		"a signature of the wrong length":        field("TLS.sig", make([]byte, 31)),
		"a signature that is not base64":         field("TLS.sig", "***"),
		"a user buffer that is not base64":       field("TLS.userbuf", "***"),
		"field names in another case":            forge(t, bytes.ReplaceAll(document(t, nil), []byte("TLS."), []byte("tls."))),
		"padding in the middle":                  media.Secret("AAA_AAAA"),
		"a text of 2048 characters of no stream": media.Secret(strings.Repeat("A", 2048)),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := trtc.DecodeUserSig(sig)
			require.Equal(t, []media.DestinationReason{media.BadUserSig}, reasons(err))
			requireNoSecret(t, err, sig)
		})
	}
}

func TestDecodeUserSigTakesOneAtTheLimits(t *testing.T) {
	_, err := trtc.DecodeUserSig(forge(t, []byte(fmt.Sprintf("%-4096s", document(t, nil)))))
	require.NoError(t, err, "4096 bytes of content")
}

func FuzzDecodeUserSig(f *testing.F) {
	f.Add(mint(f, app, appKey, user).Reveal())
	f.Add(forge(f, document(f, map[string]any{"TLS.userbuf": []byte("x")})).Reveal())
	f.Add(forge(f, make([]byte, 5000)).Reveal())
	f.Add("garbage")
	f.Add("AAA_")
	door, err := trtc.New(trtc.Config{Keys: keys()})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, text string) {
		u, err := trtc.DecodeUserSig(media.Secret(text))
		if err != nil {
			require.Equal(t, []media.DestinationReason{media.BadUserSig}, reasons(err))
			return
		}
		require.NotEmpty(t, u.Identifier)
		require.NotZero(t, u.SDKAppID)
		require.True(t, u.Expires.After(u.IssuedAt))
		require.Empty(t, strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789*-_"))
		dest := media.Destination{SDKAppID: u.SDKAppID, RoomID: room, UserID: u.Identifier, UserSig: media.Secret(text)}
		_ = door.Check(dest, u.IssuedAt)
	})
}
