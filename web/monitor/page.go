package monitor

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"unicode"
)

// notice says on the page why a button had no effect.
//
//go:embed notice.js
var notice []byte

const noticePath = Root + "/notice.js"

// page is asynqmon's only HTML page.
type page struct {
	original []byte
	clean    []byte // without links to other hosts, with notice
	policy   string // its Content-Security-Policy
}

var (
	foreignLink  = regexp.MustCompile(`<link[^>]+href="(?:https?:)?//[^"]*"[^>]*>`)
	manifestLink = regexp.MustCompile(`<link rel="manifest"[^>]*>`)
	inlineScript = regexp.MustCompile(`(?s)<script>(.*?)</script>`)
)

// newPage takes the fonts of another host out of the page, so that it also
// opens where there is no other host, and the manifest, which browsers fetch
// without the password; it puts our notice in. The page's own inline scripts
// are allowed by their hashes.
func newPage(html []byte) page {
	p := page{original: html, clean: manifestLink.ReplaceAll(foreignLink.ReplaceAll(html, nil), nil)}
	p.clean = bytes.Replace(p.clean, []byte("</head>"), []byte(`<script src="`+noticePath+`"></script></head>`), 1)
	scripts := "'self'"
	for _, m := range inlineScript.FindAllSubmatch(p.clean, -1) {
		sum := sha256.Sum256(m[1])
		scripts += " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	p.policy = "default-src 'none'; script-src " + scripts +
		"; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'" +
		"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	return p
}

// answer is what a handler wrote.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

// fetch asks h for path.
func fetch(h http.Handler, path string) *answer {
	a := &answer{header: http.Header{}, status: http.StatusOK}
	h.ServeHTTP(a, &http.Request{Method: http.MethodGet, URL: &url.URL{Path: path}, Header: http.Header{}})
	return a
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }
