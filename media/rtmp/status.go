package rtmp

import (
	"net/url"
	"strings"
	"unicode"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/rtmp/peer"
)

const codePublishStart = "NetStream.Publish.Start"

// refusal says whether c ends the session: an error level, a code that means
// the end whatever its level, a failed command that matters, or close.
func refusal(c peer.Command) (peer.Status, bool) {
	s := c.Status()
	switch c.Name {
	case "close":
		return s, true
	case "_error":
		// releaseStream and FCPublish are a courtesy; rooms may not know them.
		return s, c.ID != idReleaseStream && c.ID != idFCPublish
	}
	_, final := kindOfCode(s.Code)
	return s, s.Level == "error" || final
}

// kindOfCode knows the codes that end a session by their last word; found is
// false for all others. KindInternal with found means that the code says
// nothing about why.
func kindOfCode(code string) (kind media.Kind, found bool) {
	word := strings.ToLower(code[strings.LastIndexByte(code, '.')+1:])
	switch word {
	case "badname":
		return media.KindRoomConflict, true
	case "kicked":
		return media.KindRoomKicked, true
	case "rejected", "denied", "unauthorized", "forbidden", "expired", "invalidapp":
		return media.KindRoomDenied, true
	case "closed", "appshutdown":
		return media.KindInternal, true
	}
	if strings.Contains(word, "auth") {
		return media.KindRoomDenied, true
	}
	return media.KindInternal, false
}

// denials are what rooms write into the description of a code that says no
// more than "failed". There is no list of codes to go by: RTMP defines none
// for a bad signature.
var denials = [...]string{"auth", "denied", "rejected", "expired", "forbidden", "signature", "usersig", "not allowed"}

// kindOf is the kind of the error s stands for, or otherwise when s does not say.
func kindOf(s peer.Status, otherwise media.Kind) media.Kind {
	kind, found := kindOfCode(s.Code)
	if kind != media.KindInternal {
		return kind
	}
	if found {
		return otherwise
	}
	words := strings.ToLower(s.Words)
	for _, denial := range denials {
		if strings.Contains(words, denial) {
			return media.KindRoomDenied
		}
	}
	return otherwise
}

const (
	maxWords = 256
	// minSecret is the shortest run of characters in common with the address
	// that is taken for a piece of it.
	minSecret = 10
)

// scrubber takes the secrets of an address out of what a room says: rooms
// like to repeat the stream they refuse, whole or cut short.
type scrubber struct {
	secrets [2]string
}

func newScrubber(t target) scrubber {
	return scrubber{secrets: [2]string{t.query, url.QueryEscape(t.query)}}
}

// scrub also bounds words and takes out what a log line cannot show.
func (s scrubber) scrub(words string) string {
	words = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(words[:min(len(words), 4*maxWords)], " "))
	var clean strings.Builder
	for i := 0; i < len(words); {
		n := s.common(words[i:])
		if n == 0 {
			clean.WriteByte(words[i])
			i++
			continue
		}
		clean.WriteString("[redacted]")
		i += n
	}
	text := clean.String()
	return strings.ToValidUTF8(text[:min(len(text), maxWords)], "")
}

// common returns how many bytes at the start of words stand in a secret, 0
// when fewer than minSecret.
func (s scrubber) common(words string) int {
	longest := 0
	for _, secret := range s.secrets {
		n := minSecret
		for n <= len(words) && strings.Contains(secret, words[:n]) {
			longest = max(longest, n)
			n++
		}
	}
	return longest
}

// asError makes the error of a refusal.
func (s scrubber) asError(op string, st peer.Status, otherwise media.Kind) *media.Error {
	return &media.Error{Kind: kindOf(st, otherwise), Op: op, Code: s.scrub(st.Code), Words: s.scrub(st.Words)}
}
