package secret_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/secret"
)

const pushID = "0197a000-0000-7000-8000-000000000001"

var secrets = tasks.Secrets{
	VideoSrc: "https://h/v.mp4?token=canary", UserSig: "eJw*canary", RedisPassword: "canary \"<>&",
	Headers: map[string]media.Secret{"Authorization": "Bearer canary"},
}

func key(b byte) secret.Key { return secret.Key(bytes.Repeat([]byte{b}, 32)) }

func sealer(t testing.TB, keys ...secret.Key) *secret.Sealer {
	t.Helper()
	s, err := secret.New(keys...)
	require.NoError(t, err)
	return s
}

func TestOpenReturnsWhatWasSealed(t *testing.T) {
	for name, in := range map[string]tasks.Secrets{
		"everything": secrets,
		"nothing":    {},
	} {
		t.Run(name, func(t *testing.T) {
			s := sealer(t, key(1))
			envelope, err := s.Seal(pushID, in)
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(envelope, "v1."))
			require.Len(t, strings.Split(envelope, "."), 4)
			require.NotContains(t, envelope, "canary")
			out, err := s.Open(pushID, envelope)
			require.NoError(t, err)
			require.Equal(t, in, out)
		})
	}
}

func TestSealingTwiceGivesTwoEnvelopes(t *testing.T) {
	s := sealer(t, key(1))
	a, err := s.Seal(pushID, secrets)
	require.NoError(t, err)
	b, err := s.Seal(pushID, secrets)
	require.NoError(t, err)
	require.NotEqual(t, a, b)
}

func TestOpenRefuses(t *testing.T) {
	s := sealer(t, key(1))
	good, err := s.Seal(pushID, secrets)
	require.NoError(t, err)
	parts := strings.Split(good, ".")
	other, err := sealer(t, key(2)).Seal(pushID, secrets)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		id, envelope string
		want         error
	}{
		"another push's envelope":         {"0197a000-0000-7000-8000-000000000002", good, secret.ErrForged},
		"an empty text":                   {pushID, "", secret.ErrMalformed},
		"another version":                 {pushID, "v2" + good[2:], secret.ErrMalformed},
		"a missing part":                  {pushID, strings.Join(parts[:3], "."), secret.ErrMalformed},
		"a fifth part":                    {pushID, good + ".x", secret.ErrMalformed},
		"a key we do not have":            {pushID, other, secret.ErrUnknownKey},
		"a short nonce":                   {pushID, strings.Join([]string{parts[0], parts[1], "AAAA", parts[3]}, "."), secret.ErrMalformed},
		"a nonce that is not base64":      {pushID, strings.Join([]string{parts[0], parts[1], "!!!", parts[3]}, "."), secret.ErrMalformed},
		"a ciphertext not in base64":      {pushID, good + "=", secret.ErrMalformed},
		"an empty ciphertext":             {pushID, strings.Join(parts[:3], ".") + ".", secret.ErrForged},
		"another push's ciphertext":       {pushID, strings.Join(parts[:3], ".") + "." + strings.Repeat("A", 64), secret.ErrForged},
		"a ciphertext with more in front": {pushID, strings.Join(parts[:3], ".") + ".AAAA" + parts[3], secret.ErrForged},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := s.Open(c.id, c.envelope)
			require.ErrorIs(t, err, c.want)
			require.Equal(t, tasks.CodeInternal, tasks.CodeOf(err))
			require.NotContains(t, err.Error(), "canary")
			require.Zero(t, got)
		})
	}
}

func TestRotatedKeysOpenOldAndSealNew(t *testing.T) {
	old, rotated := sealer(t, key(1)), sealer(t, key(2), key(1))
	before, err := old.Seal(pushID, secrets)
	require.NoError(t, err)
	got, err := rotated.Open(pushID, before)
	require.NoError(t, err)
	require.Equal(t, secrets, got)
	after, err := rotated.Seal(pushID, secrets)
	require.NoError(t, err)
	_, err = old.Open(pushID, after)
	require.ErrorIs(t, err, secret.ErrUnknownKey)
}

func TestABoxOpensWhatWasSealedForItsPurposeAlone(t *testing.T) {
	s := sealer(t, key(1))
	envelope := s.Box("session").Seal([]byte("canary"))
	require.NotContains(t, envelope, "canary")
	plain, err := sealer(t, key(2), key(1)).Box("session").Open(envelope)
	require.NoError(t, err, "in another process, after a rotation")
	require.Equal(t, "canary", string(plain))

	_, err = s.Box("another").Open(envelope)
	require.ErrorIs(t, err, secret.ErrForged)
	_, err = sealer(t, key(2)).Box("session").Open(envelope)
	require.ErrorIs(t, err, secret.ErrUnknownKey)
	_, err = s.Open(pushID, envelope)
	require.ErrorIs(t, err, secret.ErrForged)
	ofPush, err := s.Seal(pushID, secrets)
	require.NoError(t, err)
	_, err = s.Box("session").Open(ofPush)
	require.ErrorIs(t, err, secret.ErrForged)
}

func TestEveryEnvelopeNamesOneOfTheKeys(t *testing.T) {
	s := sealer(t, key(1), key(2))
	envelope, err := s.Seal(pushID, secrets)
	require.NoError(t, err)
	require.Len(t, s.Keys(), 2)
	require.Contains(t, s.Keys(), strings.Split(envelope, ".")[1])
	require.NotContains(t, sealer(t, key(3)).Keys(), strings.Split(envelope, ".")[1])
}

func TestDigestsAreKeyed(t *testing.T) {
	a, b := sealer(t, key(1)), sealer(t, key(2))
	require.Equal(t, a.Digests([]byte("body")), a.Digests([]byte("body")))
	require.NotEqual(t, a.Digests([]byte("body")), a.Digests([]byte("bodY")))
	require.NotEqual(t, a.Digests([]byte("body")), b.Digests([]byte("body")))
	require.Len(t, a.Digests(nil)[0], 64)
}

func TestRotatedKeysKnowABodyByTheOldKey(t *testing.T) {
	before, after := sealer(t, key(1)).Digests([]byte("body")), sealer(t, key(2)).Digests([]byte("body"))
	require.Equal(t, append(after, before...), sealer(t, key(2), key(1)).Digests([]byte("body")))
}

func TestParseKey(t *testing.T) {
	raw := bytes.Repeat([]byte{0xfb}, 32) // has + and / in base64
	for name, text := range map[string]string{
		"standard":         base64.StdEncoding.EncodeToString(raw),
		"URL":              base64.URLEncoding.EncodeToString(raw),
		"without padding":  base64.RawStdEncoding.EncodeToString(raw),
		"with a line feed": base64.StdEncoding.EncodeToString(raw) + "\n",
	} {
		t.Run("accepts base64 "+name, func(t *testing.T) {
			k, err := secret.ParseKey(text)
			require.NoError(t, err)
			require.Equal(t, secret.Key(raw), k)
		})
	}
	for name, text := range map[string]string{
		"an empty text": " ", "a short key": "c2VjcmV0", "not base64": "pass word!",
		"a long key": base64.StdEncoding.EncodeToString(append(raw, 1)),
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			_, err := secret.ParseKey(text)
			require.ErrorContains(t, err, "openssl rand -base64 32")
			if s := strings.TrimSpace(text); s != "" {
				require.NotContains(t, err.Error(), s)
			}
		})
	}
	keys, err := secret.ParseKeys(base64.StdEncoding.EncodeToString(raw) + ", " + base64.StdEncoding.EncodeToString(raw))
	require.NoError(t, err)
	require.Len(t, keys, 2)
}

func TestKeyPrintsAsRedacted(t *testing.T) {
	k := secret.Key(bytes.Repeat([]byte("canary00"), 4))
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("key", "key", k)
	text, err := json.Marshal(k)
	require.NoError(t, err)
	all := log.String() + string(text) + fmt.Sprintf("%v %+v %#v %s %q", k, k, k, k, k)
	require.NotContains(t, all, "canary")
	require.NotContains(t, all, "99 97 110")        // "can" as %v has bytes
	require.NotContains(t, all, "0x63, 0x61, 0x6e") // and as %#v has them
}

func FuzzOpen(f *testing.F) {
	s := sealer(f, key(1))
	good, err := s.Seal(pushID, secrets)
	require.NoError(f, err)
	f.Add(good)
	f.Add("v1.00000000.AAAA.AAAA")
	f.Add("....")
	f.Fuzz(func(t *testing.T, envelope string) {
		got, err := s.Open(pushID, envelope)
		if err == nil { // a seed; each process of the fuzzer seals its own
			require.Equal(t, secrets, got)
		}
	})
}
