// Package secret keeps a push's secrets in an envelope:
// `v1.kid.nonce.ciphertext`, AES-256-GCM, bound to the push by its id as
// additional data. kid is the first 8 hex digits of the key's SHA-256, nonce
// and ciphertext are base64url without padding. A Box makes envelopes of other
// things by the same keys.
package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
)

const (
	version    = "v1"
	digestInfo = "roomcast digest v1"
)

// Why an envelope does not open.
var (
	ErrMalformed  = errors.New("envelope is malformed")
	ErrUnknownKey = errors.New("envelope was sealed with a key this process does not have")
	ErrForged     = errors.New("envelope does not belong to this push or was changed")
)

// Sealer seals with its first key and opens with all of them. It is safe for
// concurrent use.
type Sealer struct {
	ids     []string // of the keys; the first seals
	aeads   map[string]cipher.AEAD
	digests [][]byte // keys of digests, in the order of the secret keys
}

var _ tasks.Sealer = (*Sealer)(nil)

// New returns a Sealer; it needs at least one key. The first key seals, and its
// digest is the first, so that keys are rotated by putting the new one first.
func New(keys ...Key) (*Sealer, error) {
	if len(keys) == 0 {
		return nil, errors.New("no secret key")
	}
	s := &Sealer{aeads: make(map[string]cipher.AEAD, len(keys))}
	for _, key := range keys {
		block, err := aes.NewCipher(key[:])
		if err != nil {
			return nil, fmt.Errorf("secret key: %w", err)
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, fmt.Errorf("secret key: %w", err)
		}
		digest, err := hkdf.Key(sha256.New, key[:], nil, digestInfo, sha256.Size)
		if err != nil {
			return nil, fmt.Errorf("derive digest key: %w", err)
		}
		s.aeads[key.id()], s.ids, s.digests = aead, append(s.ids, key.id()), append(s.digests, digest)
	}
	return s, nil
}

// contents is tasks.Secrets without redaction; it exists only between Seal,
// Open and the cipher.
type contents struct {
	VideoSrc      string            `json:"videoSrc,omitempty"`
	UserSig       string            `json:"userSig,omitempty"`
	RedisPassword string            `json:"redisPassword,omitempty"`
	Headers       map[string]string `json:"headers,omitempty"`
	CallbackURL   string            `json:"callbackUrl,omitempty"`
}

// Seal returns the envelope of secrets for the push with this id.
func (s *Sealer) Seal(pushID string, secrets tasks.Secrets) (string, error) {
	c := contents{
		VideoSrc:      secrets.VideoSrc.Reveal(),
		UserSig:       secrets.UserSig.Reveal(),
		RedisPassword: secrets.RedisPassword.Reveal(),
		CallbackURL:   secrets.CallbackURL.Reveal(),
	}
	if len(secrets.Headers) > 0 {
		c.Headers = make(map[string]string, len(secrets.Headers))
		for name, value := range secrets.Headers {
			c.Headers[name] = value.Reveal()
		}
	}
	plain, err := json.Marshal(c)
	if err != nil {
		return "", internal("the secrets could not be sealed", err)
	}
	return s.seal(pushID, plain), nil
}

// seal binds an envelope to what it is for.
func (s *Sealer) seal(bound string, plain []byte) string {
	aead := s.aeads[s.ids[0]]
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails: crypto/rand ends the program instead
	sealed := aead.Seal(nil, nonce, plain, []byte(bound))
	encode := base64.RawURLEncoding.EncodeToString
	return strings.Join([]string{version, s.ids[0], encode(nonce), encode(sealed)}, ".")
}

// Open returns what Seal was given. Its errors wrap ErrMalformed,
// ErrUnknownKey or ErrForged.
func (s *Sealer) Open(pushID, envelope string) (tasks.Secrets, error) {
	plain, err := s.open(pushID, envelope)
	if err != nil {
		return tasks.Secrets{}, internal("the push's secrets could not be opened", err)
	}
	var c contents
	if err := json.Unmarshal(plain, &c); err != nil {
		return tasks.Secrets{}, internal("the push's secrets could not be opened", ErrMalformed)
	}
	secrets := tasks.Secrets{
		VideoSrc:      media.Secret(c.VideoSrc),
		UserSig:       media.Secret(c.UserSig),
		RedisPassword: media.Secret(c.RedisPassword),
		CallbackURL:   media.Secret(c.CallbackURL),
	}
	if len(c.Headers) > 0 {
		secrets.Headers = make(map[string]media.Secret, len(c.Headers))
		for name, value := range c.Headers {
			secrets.Headers[name] = media.Secret(value)
		}
	}
	return secrets, nil
}

func (s *Sealer) open(bound, envelope string) ([]byte, error) {
	parts := strings.Split(envelope, ".")
	if len(parts) != 4 || parts[0] != version {
		return nil, ErrMalformed
	}
	aead, ok := s.aeads[parts[1]]
	if !ok {
		return nil, ErrUnknownKey
	}
	decode := base64.RawURLEncoding.Strict().DecodeString
	nonce, err := decode(parts[2])
	if err != nil || len(nonce) != aead.NonceSize() {
		return nil, ErrMalformed
	}
	sealed, err := decode(parts[3])
	if err != nil {
		return nil, ErrMalformed
	}
	plain, err := aead.Open(nil, nonce, sealed, []byte(bound))
	if err != nil {
		return nil, ErrForged
	}
	return plain, nil
}

// Keys returns the ids of all keys; the first is that of the key that seals.
func (s *Sealer) Keys() []string { return slices.Clone(s.ids) }

// Digests returns HMAC-SHA256s of data in hex, under keys derived from the
// secret keys, in their order.
func (s *Sealer) Digests(data []byte) []string {
	all := make([]string, len(s.digests))
	for i, key := range s.digests {
		mac := hmac.New(sha256.New, key)
		mac.Write(data)
		all[i] = hex.EncodeToString(mac.Sum(nil))
	}
	return all
}

func internal(msg string, err error) error {
	return &tasks.Error{Code: tasks.CodeInternal, Msg: msg, Err: err}
}
