package secret

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

const (
	keySize  = 32
	redacted = "[redacted]"
)

// Key is a 256-bit secret key. It prints as [redacted].
type Key [keySize]byte

// ParseKey reads a key from base64 of 32 bytes, standard or URL alphabet, with
// or without padding. The error never repeats the text.
func ParseKey(text string) (Key, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return Key{}, errors.New("secret key is empty: make one with `openssl rand -base64 32`")
	}
	text = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
	raw, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return Key{}, errors.New("secret key is not base64: make one with `openssl rand -base64 32`")
	}
	if len(raw) != keySize {
		return Key{}, fmt.Errorf("secret key has %d bytes instead of %d: make one with `openssl rand -base64 32`", len(raw), keySize)
	}
	return Key(raw), nil
}

// ParseKeys reads keys separated by commas. The first one seals, all of them
// open.
func ParseKeys(text string) ([]Key, error) {
	var keys []Key
	for part := range strings.SplitSeq(text, ",") {
		key, err := ParseKey(part)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// id names the key without telling it: the first 8 hex digits of its SHA-256.
func (k Key) id() string {
	sum := sha256.Sum256(k[:])
	return hex.EncodeToString(sum[:4])
}

func (k Key) String() string               { return redacted }
func (k Key) GoString() string             { return redacted }
func (k Key) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (k Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }
