package libav

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/roomcast/roomcast/media"
)

const redacted = "[redacted]"

// shortest is the length from which a part of a secret is searched for: shorter
// ones would blacken every other word.
const shortest = 4

// patterns are secrets by their looks, for what no request told us: addresses
// from a playlist, a redirect, a cookie.
var patterns = []struct {
	find    *regexp.Regexp
	replace string
}{
	// A header is one line; what is in it is not for the log.
	{regexp.MustCompile(`(?mi)^([^\S\n]*(?:[\w-]*authori[sz]ation|[\w-]*cookie2?|x-[\w-]+|[\w-]*(?:token|key|secret|auth)[\w-]*)[^\S\n]*:).*$`), "$1 " + redacted},
	// User info, up to the last @ of the authority.
	{regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.\-]*://)[^/\s?#]*@`), "${1}" + redacted + "@"},
	// A query, to the end of the line: addresses may hold spaces and quotes.
	{regexp.MustCompile(`(?m)\?[^\s].*$`), "?" + redacted},
	// name=value and name: value.
	{regexp.MustCompile(`(?i)([\w.\-]*(?:token|sig|secret|passw|pwd|auth|credential|session|private_map_key|access_?key|api_?key)[\w.\-]*["']?\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s&,;]+)`), "${1}" + redacted},
	// A UserSig: zlib data in base64 begins with eJ.
	{regexp.MustCompile(`eJ[A-Za-z0-9*_+/=\-]{30,}`), redacted},
}

// redact returns text without secrets: the known ones wherever they stand, and
// what looks like one.
func redact(text string, known []string) string {
	if strings.HasPrefix(text, "request: ") { // libav prints the whole HTTP request
		text, _, _ = strings.Cut(text, "\n")
	}
	for _, secret := range known {
		text = strings.ReplaceAll(text, secret, redacted)
	}
	for _, p := range patterns {
		text = p.find.ReplaceAllString(text, p.replace)
	}
	return text
}

// secretsOf returns the texts a log line about this source must not hold,
// longest first.
func secretsOf(r media.SourceRequest, way media.Way) []string {
	var all []string
	all = append(all, urlSecrets(r.URL.Reveal())...)
	all = append(all, urlSecrets(way.URL.Reveal())...)
	for _, v := range r.Headers {
		all = append(all, v.Reveal())
		all = append(all, strings.Fields(v.Reveal())...)
	}
	all = slices.DeleteFunc(all, func(s string) bool { return len(s) < shortest })
	slices.SortFunc(all, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return slices.Compact(all)
}

// urlSecrets returns user info and query of an address, whole and in parts, as
// written and unescaped, RTMP's stream key, and what looks like a token in the
// path. It does not need the address to parse.
func urlSecrets(address string) []string {
	var parts []string
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return nil
	}
	rest, fragment, _ := strings.Cut(rest, "#")
	rest, query, _ := strings.Cut(rest, "?")
	authority, path, _ := strings.Cut(rest, "/")
	if _, key, ok := strings.Cut(path, "/"); ok && strings.HasPrefix(strings.ToLower(scheme), "rtmp") {
		parts = append(parts, key)
	}
	for part := range strings.SplitSeq(path, "/") {
		if strings.Contains(part, "=") {
			parts = append(parts, part)
		}
	}
	parts = append(parts, query, fragment)
	for pair := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == ';' }) {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			value = name
		}
		parts = append(parts, value)
	}
	if at := strings.LastIndex(authority, "@"); at >= 0 {
		parts = append(parts, userInfoSecrets(authority[:at])...)
	}
	for _, p := range parts {
		if u, err := url.QueryUnescape(p); err == nil {
			parts = append(parts, u)
		}
		if u, err := url.PathUnescape(p); err == nil {
			parts = append(parts, u)
		}
	}
	return parts
}

func userInfoSecrets(info string) []string {
	_, password, _ := strings.Cut(info, ":")
	plain, err := url.PathUnescape(info)
	if err != nil {
		plain = info
	}
	return []string{info, password,
		base64.StdEncoding.EncodeToString([]byte(info)),
		base64.StdEncoding.EncodeToString([]byte(plain))}
}
