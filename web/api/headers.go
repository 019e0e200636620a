package api

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/roomcast/roomcast/media"
)

// maxHeaders bounds what is read; the request's check has the limit that
// people are told.
const maxHeaders = 1000

// setHeaders takes an object of strings. Its complaints show no name and no
// value: a whole header line may stand in either.
func setHeaders(r *draft, value any) string {
	const shape = `must be an object of strings, such as {"Authorization": "Bearer …"}`
	text, ok := value.(nested)
	if !ok || text[0] != '{' {
		if value == "" {
			return ""
		}
		return shape
	}
	tokens := json.NewDecoder(bytes.NewReader(text))
	headers := map[string]media.Secret{}
	if _, err := tokens.Token(); err != nil { // the opening brace
		return shape
	}
	for tokens.More() {
		name, err := tokens.Token()
		if err != nil {
			return shape
		}
		token, err := tokens.Token()
		content, isText := token.(string)
		key, _ := name.(string)
		_, twice := headers[key]
		switch {
		case err != nil || !isText || len(headers) >= maxHeaders:
			return shape
		case twice:
			return "has a name twice"
		case strings.ContainsFunc(key+content, unprintable):
			return "holds a control character or one that is not valid Unicode"
		}
		headers[key] = media.Secret(content)
	}
	if len(headers) > 0 {
		r.Wishes.Headers = headers
	}
	return ""
}

// revealed spells headers out.
func revealed(headers map[string]media.Secret) map[string]string {
	all := make(map[string]string, len(headers))
	for name, value := range headers {
		all[name] = value.Reveal()
	}
	return all
}
