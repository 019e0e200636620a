package source

import (
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/roomcast/roomcast/media"
)

const (
	mostAnswer = 4 << 10 // of an error's text
	mostWords  = 200     // of it that are told, in runes
	// shortestSecret is from which length on a part of an address may be a secret.
	shortestSecret = 6
)

// statusError is an error status in words, with the server's own if it has some
// that a person may read.
func statusError(answer *http.Response, r media.SourceRequest) error {
	kind, text := media.OfStatus(answer.StatusCode)
	if own := ownWords(answer, r.URL.Reveal()); own != "" {
		text += ": " + own
	}
	if !sameOrigin(answer.Request.URL, r.URL.Reveal()) {
		text += r.Withheld(answer.StatusCode)
	}
	if host := answer.Request.URL.Host; host != "" {
		text = answer.Request.URL.Scheme + "://" + host + ": " + text
	}
	return &media.Error{Kind: kind, Op: opOpen, Err: media.Because(text, nil)}
}

// ownWords are the server's, of a text or an S3 error; empty where they could hold
// a part of the address.
func ownWords(answer *http.Response, address string) string {
	kind, _, _ := strings.Cut(strings.ToLower(answer.Header.Get("Content-Type")), ";")
	kind = strings.TrimSpace(kind)
	isXML := kind == "application/xml" || kind == "text/xml"
	if kind != "text/plain" && !isXML {
		return ""
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, mostAnswer))
	if err != nil {
		return ""
	}
	text := string(body)
	if isXML {
		text = s3Words(body)
	}
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, ""), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || !unicode.IsPrint(r)
	}), " ")
	if holdsSecret(text, address) {
		return ""
	}
	if runes := []rune(text); len(runes) > mostWords {
		text = string(runes[:mostWords]) + "…"
	}
	return text
}

// s3Words are code and message of an error of S3, COS and OSS.
func s3Words(body []byte) string {
	var e struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
	}
	if xml.Unmarshal(body, &e) != nil || e.Code == "" {
		return ""
	}
	return strings.TrimSuffix(e.Code+": "+e.Message, ": ")
}

// holdsSecret says whether text repeats what stands in an address behind its host.
func holdsSecret(text, address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return true
	}
	parts := strings.FieldsFunc(u.EscapedPath()+"&"+u.RawQuery+"&"+u.User.String(), func(r rune) bool { return strings.ContainsRune("/&=:", r) })
	for _, part := range parts {
		plain, err := url.QueryUnescape(part)
		if err != nil {
			plain = part
		}
		if len(part) >= shortestSecret && (strings.Contains(text, part) || strings.Contains(text, plain)) {
			return true
		}
	}
	return false
}

// sameOrigin says whether u is of the scheme, host and port of address.
func sameOrigin(u *url.URL, address string) bool {
	own, err := url.Parse(address)
	return err == nil && strings.EqualFold(own.Scheme, u.Scheme) && strings.EqualFold(own.Host, u.Host)
}
