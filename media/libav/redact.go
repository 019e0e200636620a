package libav

import "regexp"

const redacted = "[redacted]"

// patterns are secrets by their looks. libav is told none, but a source's own texts,
// such as the tags of a recording, may hold the address that it was made from.
var patterns = []struct {
	find    *regexp.Regexp
	replace string
}{
	// User info, up to the last @ of the authority.
	{regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.\-]*://)[^/\s?#]*@`), "${1}" + redacted + "@"},
	// A query, to the end of the line: addresses may hold spaces and quotes.
	{regexp.MustCompile(`(?m)\?[^\s].*$`), "?" + redacted},
	// name=value and name: value.
	{regexp.MustCompile(`(?i)([\w.\-]*(?:token|sig|secret|passw|pwd|auth|credential|session|private_map_key|access_?key|api_?key)[\w.\-]*["']?\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s&,;]+)`), "${1}" + redacted},
}

// redact returns text without what looks like a secret.
func redact(text string) string {
	for _, p := range patterns {
		text = p.find.ReplaceAllString(text, p.replace)
	}
	return text
}
