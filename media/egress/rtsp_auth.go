package egress

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// challenge is what a source asks for: Basic (RFC 7617) or Digest (RFC 7616).
type challenge struct {
	basic   bool
	values  map[string]string // of Digest
	hash    func(string) string
	counted int // answers given
}

var challengeValue = regexp.MustCompile(`([A-Za-z-]+)\s*=\s*("[^"]*"|[^",\s]*)`)

// newChallenge takes the best of those offered, nil when there is none we know.
func newChallenge(offered []string) *challenge {
	var found *challenge
	for _, text := range offered {
		scheme, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
		switch {
		case strings.EqualFold(scheme, "Basic") && found == nil:
			found = &challenge{basic: true}
		case strings.EqualFold(scheme, "Digest") && (found == nil || found.basic):
			if c := newDigest(rest); c != nil {
				found = c
			}
		}
	}
	return found
}

func newDigest(text string) *challenge {
	c := &challenge{values: make(map[string]string), hash: md5Hex}
	for _, m := range challengeValue.FindAllStringSubmatch(text, -1) {
		c.values[strings.ToLower(m[1])] = strings.Trim(m[2], `"`)
	}
	switch strings.ToUpper(c.values["algorithm"]) {
	case "", "MD5":
	case "SHA-256":
		c.hash = sha256Hex
	default:
		return nil
	}
	qop, asked := c.values["qop"]
	if asked && !slices.Contains(strings.FieldsFunc(qop, func(r rune) bool { return r == ',' || r == ' ' }), "auth") {
		return nil
	}
	return c
}

func md5Hex(s string) string {
	sum := md5.Sum([]byte(s)) //nolint:gosec // RTSP servers know nothing else
	return hex.EncodeToString(sum[:])
}

func sha256Hex(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// quoted escapes what stands between quotes (RFC 9110, 5.6.4).
var quoted = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// answer is the Authorization for q.
func (c *challenge) answer(user, password string, q *rtspRequest) string {
	if c.basic {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	}
	realm, nonce := c.values["realm"], c.values["nonce"]
	own := c.hash(user + ":" + realm + ":" + password)
	act := c.hash(q.method + ":" + q.uri)
	line := fmt.Sprintf(`Digest username="%s", realm="%s", nonce="%s", uri="%s"`, quoted.Replace(user), realm, nonce, q.uri)
	if _, asked := c.values["qop"]; asked {
		c.counted++
		count, client := fmt.Sprintf("%08x", c.counted), rand.Text()
		line += fmt.Sprintf(`, response="%s", qop=auth, nc=%s, cnonce="%s"`,
			c.hash(strings.Join([]string{own, nonce, count, client, "auth", act}, ":")), count, client)
	} else {
		line += fmt.Sprintf(`, response="%s"`, c.hash(own+":"+nonce+":"+act))
	}
	for _, name := range []string{"algorithm", "opaque"} {
		if v, ok := c.values[name]; ok {
			line += fmt.Sprintf(`, %s="%s"`, name, v)
		}
	}
	return line
}
