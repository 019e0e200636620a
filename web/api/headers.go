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

// setHeaders takes an object of strings.
func setHeaders(r *draft, value any) string {
	headers, complaint := pairs[media.Secret](value, `{"Authorization": "Bearer …"}`)
	if len(headers) > 0 {
		r.Options.Headers = headers
	}
	return complaint
}

// pairs reads an object of strings, nil for none. Its complaints show no name and
// no value: a whole header line may stand in either.
func pairs[S ~string](value any, example string) (all map[string]S, complaint string) {
	shape := "must be an object of strings, such as " + example
	text, ok := value.(nested)
	if !ok || text[0] != '{' {
		if value == "" {
			return nil, ""
		}
		return nil, shape
	}
	tokens := json.NewDecoder(bytes.NewReader(text))
	all = map[string]S{}
	if _, err := tokens.Token(); err != nil { // the opening brace
		return nil, shape
	}
	for tokens.More() {
		name, err := tokens.Token()
		if err != nil {
			return nil, shape
		}
		token, err := tokens.Token()
		content, isText := token.(string)
		key, _ := name.(string)
		_, twice := all[key]
		switch {
		case err != nil || !isText || len(all) >= maxHeaders:
			return nil, shape
		case twice:
			return nil, "has a name twice"
		case strings.ContainsFunc(key+content, unprintable):
			return nil, "holds a control character or one that is not valid Unicode"
		}
		all[key] = S(content)
	}
	return all, ""
}

// revealed spells headers out.
func revealed(headers map[string]media.Secret) map[string]string {
	all := make(map[string]string, len(headers))
	for name, value := range headers {
		all[name] = value.Reveal()
	}
	return all
}
