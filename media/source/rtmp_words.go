package source

import (
	"cmp"
	"crypto/md5" //nolint:gosec // servers know nothing else
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"unicode"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/rtmp/peer"
)

const opPlay = "play the source"

// streamOf is the first number among the arguments: a new stream's. Servers begin
// at 1.
func streamOf(c peer.Command) uint32 {
	for _, arg := range c.Args {
		if n, ok := arg.(float64); ok && n >= 0 && n < 1<<32 {
			return uint32(n)
		}
	}
	return 1
}

func refusal(c peer.Command) (code, words string, refused bool) {
	s := c.Status()
	refused = c.Name == "_error" && c.ID != idSubscribe && (c.ID != idCreateStream || s.Code != "") ||
		c.Name == "onStatus" && s.Level == "error"
	return cmp.Or(s.Code, "error"), s.Words, refused
}

// rtmpRefusal is a server's no.
type rtmpRefusal struct{ code, words string }

func (r *rtmpRefusal) Error() string { return "the server refuses" }

// explained is the refusal in the server's words, without what the address keeps
// secret.
func (r *rtmpRefusal) explained(a *rtmpAddress) error {
	text := a.place + ": the server answered " + shown(a.secrets, r.code)
	if r.words != "" {
		text += ": " + shown(a.secrets, r.words)
	}
	return &media.Error{Kind: refusalKind(r.code, r.words), Op: opPlay, Err: media.Because(text, nil)}
}

// refusalKind is what a code says of a source. Servers invent codes and words;
// what is not known is a stream that is not there.
func refusalKind(code, words string) media.Kind {
	text := strings.ToLower(code + " " + words)
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(text, p) })
	}
	switch {
	case has("notfound", "not found", "no such", "invalidapp"):
		return media.KindSourceNotFound
	case has("auth", "denied", "forbidden", "permission", "rejected", "token", "password"):
		return media.KindSourceUnauthorized
	case has("appshutdown", "overload", "too many", "unavailable"):
		return media.KindSourceUnavailable
	}
	return media.KindSourceNotFound
}

// shown is text fit for a person: short, in one line, nothing of secrets in it,
// user info and path of an address, as written or unescaped.
func shown(secrets, text string) string {
	parts := strings.FieldsFunc(secrets, func(r rune) bool { return strings.ContainsRune("/?&=#:@;,", r) })
	for _, p := range slices.Clone(parts) {
		parts = append(parts, unescaped(p))
	}
	parts = append(parts, strings.Trim(secrets, "/"))
	slices.SortFunc(parts, func(x, y string) int { return cmp.Compare(len(y), len(x)) })
	for _, p := range parts {
		if len(p) > 2 {
			text = strings.ReplaceAll(text, p, "[redacted]")
		}
	}
	line := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?")))
	return string(line[:min(len(line), mostWords)])
}

// answer is what a server wants at the end of app and tcUrl that refuses a
// connection with these words, false where it asks for no login, or for another
// one. No document tells of either way: players do it so.
func (a *rtmpAddress) answer(words string) (string, bool) {
	mode := ""
	for _, known := range []string{"adobe", "llnw"} {
		if strings.Contains(words, "authmod="+known) {
			mode = known
		}
	}
	if mode == "" || a.user == "" || a.password == "" {
		return "", false
	}
	if strings.Contains(words, "code=403 need auth") && a.login == "" {
		return "?authmod=" + mode + "&user=" + a.user, true
	}
	_, query, asked := strings.Cut(words, "?reason=needauth")
	if !asked || strings.Contains(a.login, "response=") {
		return "", false
	}
	values := map[string]string{}
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		values[name] = value
	}
	nonce := strings.ToLower(rand.Text()[:8])
	if mode == "llnw" {
		return a.limelight(values["nonce"], nonce), true
	}
	return a.adobe(values, nonce), true
}

func md5Sum(s string) []byte {
	sum := md5.Sum([]byte(s)) //nolint:gosec // servers know nothing else
	return sum[:]
}

func (a *rtmpAddress) adobe(asked map[string]string, own string) string {
	hash := base64.StdEncoding.EncodeToString(md5Sum(a.user + asked["salt"] + a.password))
	hash = base64.StdEncoding.EncodeToString(md5Sum(hash + cmp.Or(asked["opaque"], asked["challenge"]) + own))
	login := "?authmod=adobe&user=" + a.user + "&challenge=" + own + "&response=" + hash
	if asked["opaque"] != "" {
		login += "&opaque=" + asked["opaque"]
	}
	return login
}

func (a *rtmpAddress) limelight(nonce, own string) string {
	const count, quality = "00000001", "auth"
	instance := ""
	if !strings.Contains(a.app, "/") {
		instance = "/_definst_"
	}
	text := func(s string) string { return hex.EncodeToString(md5Sum(s)) }
	response := text(strings.Join([]string{
		text(a.user + ":live:" + a.password), nonce, count, own, quality, text("publish:/" + a.app + instance),
	}, ":"))
	return "?authmod=llnw&user=" + a.user + "&nonce=" + nonce + "&cnonce=" + own + "&nc=" + count + "&response=" + response
}
