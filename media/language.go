package media

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/language"
)

// SameLanguage says whether a track of a language is what was asked for: "de" asks
// for every German ("ger", "deu", "de-AT"), "zh-Hans" for Chinese in that script.
func SameLanguage(asked, has string) bool {
	if strings.EqualFold(asked, has) {
		return has != ""
	}
	a, errA := language.Parse(asked)
	h, errH := language.Parse(has)
	if errA != nil || errH != nil || a == language.Und || h == language.Und {
		return false
	}
	baseA, scriptA, regionA := a.Raw()
	baseH, scriptH, regionH := h.Raw()
	_, noScript, noRegion := language.Und.Raw()
	return baseA == baseH &&
		(scriptA == noScript || scriptH == noScript || scriptA == scriptH) &&
		(regionA == noRegion || regionH == noRegion || regionA == regionH)
}

// Those returns all that meet the first of the conditions which any of them meets.
func Those[T any](all []T, conditions ...func(T) bool) []T {
	for _, is := range conditions {
		found := slices.DeleteFunc(slices.Clone(all), func(one T) bool { return !is(one) })
		if len(found) > 0 {
			return found
		}
	}
	return nil
}

// Listed is names in a sentence, of which a dozen are enough.
func Listed(names []string) string {
	const most = 12
	if len(names) > most {
		names = append(names[:most:most], "…")
	}
	return strings.Join(names, ", ")
}

// Clean leaves of a source's text what can be shown to people.
func Clean(text string) string {
	const most = 64 // runes
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most])
	}
	return strings.TrimSpace(text)
}
