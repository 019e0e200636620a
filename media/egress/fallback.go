package egress

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// standIn is what takes the place of a variant whose own playlist fails.
type standIn struct {
	next   string // its address
	failed bool   // the variant has: it is not asked again, since another cannot be mixed in
}

// remember keeps which variants of a master playlist may stand in for each
// other, the next best for each.
func (w *way) remember(l list, most int) {
	base, err := url.Parse(l.base)
	if err != nil {
		return
	}
	found := make(map[string]*standIn)
	var last *standIn
	for _, link := range standIns(variants(l.text, most)) {
		to, err := base.Parse(link)
		if err != nil {
			continue
		}
		a, err := parseAddress(to.String())
		if err != nil {
			continue
		}
		if last != nil {
			last.next = a.raw
		}
		last = &standIn{}
		path, _, _ := strings.Cut(a.path, "#")
		found[a.target.String()+path] = last
	}
	if len(found) > 1 {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.standIns = found
	}
}

// addressKey is where a request goes.
func addressKey(t target, request *http.Request) string {
	return t.String() + request.URL.RequestURI()
}

// instead returns the address to ask in the place of key, empty for none.
// failed says that key has just been asked in vain.
func (w *way) instead(key string, failed bool) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.standIns[key]
	if s == nil {
		return ""
	}
	if s.failed = s.failed || failed; !s.failed {
		return ""
	}
	return s.next
}

// standIns returns the addresses of the variant that is chosen and of those
// that fit and sound like it, best first.
func standIns(all []variant) []string {
	all = slices.DeleteFunc(all, func(v variant) bool { return !v.fits() || v.width == 0 })
	slices.SortStableFunc(all, func(a, b variant) int { return better(b, a) })
	var found []string
	for _, v := range all {
		if v.audio == all[0].audio {
			found = append(found, v.uri)
		}
	}
	return found
}
