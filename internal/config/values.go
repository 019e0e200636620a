package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/roomcast/roomcast/media"
)

// List is a comma separated list without empty entries.
type List []string

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *List) UnmarshalText(text []byte) error {
	*l = entries(string(text))
	return nil
}

// Bytes is a size; 0 for none that was given.
type Bytes int64

var byteSize = regexp.MustCompile(`^(?i)([0-9]+(?:\.[0-9]+)?) ?(?:([kmgt])i?)?b?$`)

// UnmarshalText implements encoding.TextUnmarshaler. It takes what
// docker-compose and systemd take, and like them counts in steps of 1024: 2g,
// 512m, 1.5GiB, 1073741824.
func (b *Bytes) UnmarshalText(text []byte) error {
	parts := byteSize.FindSubmatch(text)
	if parts == nil {
		return errors.New("is not a size")
	}
	n, err := strconv.ParseFloat(string(parts[1]), 64)
	if err != nil {
		return err
	}
	n *= math.Pow(1024, float64(strings.Index("bkmgt", strings.ToLower(string(parts[2])))))
	if n < 1 || n > 1<<50 {
		return errors.New("is not a size that memory has")
	}
	*b = Bytes(n)
	return nil
}

// APIKey is an API key as the operator knows it.
type APIKey struct {
	Name   string
	SHA256 [sha256.Size]byte
}

// APIKeys are the API keys, none twice.
type APIKeys []APIKey

var keyName = regexp.MustCompile(`^[0-9A-Za-z._-]{1,64}$`)

// UnmarshalText implements encoding.TextUnmarshaler. Its errors show names and
// places, never a digest.
func (k *APIKeys) UnmarshalText(text []byte) error {
	names := map[string]bool{}
	digests := map[[sha256.Size]byte]bool{}
	for i, entry := range entries(string(text)) {
		key, err := parseAPIKey(entry)
		if err != nil {
			return fmt.Errorf("entry %d: %w", i+1, err)
		}
		if names[key.Name] || digests[key.SHA256] {
			return fmt.Errorf("entry %d (%s) has the name or the key of an earlier one", i+1, key.Name)
		}
		names[key.Name], digests[key.SHA256] = true, true
		*k = append(*k, key)
	}
	return nil
}

func parseAPIKey(entry string) (APIKey, error) {
	name, digest, _ := strings.Cut(entry, ":")
	if !keyName.MatchString(name) || digest == "" {
		return APIKey{}, errors.New("must be name:sha256hex with a name of letters, digits, . _ or -")
	}
	key := APIKey{Name: name}
	sum, err := hex.DecodeString(digest)
	if err != nil || len(sum) != len(key.SHA256) {
		return APIKey{}, errors.New("must end in the key's SHA-256 as 64 hex digits: printf %s KEY | sha256sum | cut -d' ' -f1")
	}
	copy(key.SHA256[:], sum)
	return key, nil
}

// SDKKeys are the SDK secret keys of TRTC applications by SDKAppID.
type SDKKeys map[uint32]media.Secret

// UnmarshalText implements encoding.TextUnmarshaler. Its errors show no key.
func (k *SDKKeys) UnmarshalText(text []byte) error {
	keys := SDKKeys{}
	for i, entry := range entries(string(text)) {
		app, key, _ := strings.Cut(entry, "=")
		id, err := strconv.ParseUint(strings.TrimSpace(app), 10, 32)
		if err != nil || id == 0 || key == "" {
			return fmt.Errorf("entry %d: must be appid=key", i+1)
		}
		if _, twice := keys[uint32(id)]; twice {
			return fmt.Errorf("entry %d: application %d has a key already", i+1, id)
		}
		keys[uint32(id)] = media.Secret(strings.TrimSpace(key))
	}
	*k = keys
	return nil
}

// entries cuts at commas and drops what is empty.
func entries(text string) []string {
	var all []string
	for entry := range strings.SplitSeq(text, ",") {
		if entry = strings.TrimSpace(entry); entry != "" {
			all = append(all, entry)
		}
	}
	return all
}
