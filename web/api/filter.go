package api

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/roomcast/roomcast/internal/nearest"
	"github.com/roomcast/roomcast/tasks"
)

const (
	defaultLimit = 50
	maxLimit     = 200
	maxParameter = 512
)

// metadataPrefix begins a parameter that is about a label: metadata.course=42.
const metadataPrefix = "metadata."

var filterNames = []string{"state", "status", "roomId", "sdkAppId", "userId", metadataPrefix + "NAME", "limit", "cursor"}

// decodeFilter reads a list's query: known parameters only, each at most once.
// Errors are *tasks.Error.
func decodeFilter(query string) (tasks.Filter, error) {
	f := tasks.Filter{Limit: defaultLimit}
	var d decoder
	err := d.parameters(query, func(name string, values []string) string { return setParameter(&f, name, values) })
	if err == nil && len(d.problems) > 0 {
		err = d.err()
	}
	if err != nil {
		return tasks.Filter{}, err
	}
	return f, nil
}

// parameters gives each of a query to set, whose complaint follows its name.
func (d *decoder) parameters(query string, set func(name string, values []string) (complaint string)) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return malformed("the query is not well formed", err)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if complaint := set(name, values[name]); complaint != "" {
			d.problem(name, complaint)
		}
	}
	return nil
}

func setParameter(f *tasks.Filter, name string, values []string) (complaint string) {
	value := values[0]
	label, isLabel := strings.CutPrefix(name, metadataPrefix)
	switch {
	case !isLabel && !slices.Contains(filterNames, name):
		if n := nearest.Name(name, filterNames); n != "" {
			return "is not a parameter; did you mean " + n + "?"
		}
		return "is not a parameter; there are " + strings.Join(filterNames, ", ")
	case len(values) > 1:
		return "is given twice"
	case len(value) > maxParameter || strings.ContainsFunc(value, unprintable):
		return "cannot be such a value"
	}
	if isLabel {
		if f.Metadata == nil {
			f.Metadata = map[string]string{}
		}
		f.Metadata[label] = value
	}
	switch name {
	case "state", "status": // status is the older name
		return setStates(f, value)
	case "roomId":
		f.RoomID = value
	case "sdkAppId":
		return whole(&f.SDKAppID, value, 1<<32-1)
	case "userId":
		f.UserID = value
	case "limit":
		return whole(&f.Limit, value, maxLimit)
	case "cursor":
		f.Cursor = value
	}
	return ""
}

// active stands for all states of pushes that have not ended.
const active = "active"

// setStates takes states in a list with commas.
func setStates(f *tasks.Filter, value string) (complaint string) {
	if value == "" {
		return ""
	}
	if len(f.States) > 0 {
		return "is given twice: state and status are the same"
	}
	for name := range strings.SplitSeq(value, ",") {
		switch s := tasks.State(name); {
		case name == active:
			f.States = append(f.States, tasks.Active()...)
		case slices.Contains(tasks.States(), s):
			f.States = append(f.States, s)
		default:
			return "must be " + active + ", or one or more of " + stateNames() + " with commas between them"
		}
	}
	return ""
}

func stateNames() string {
	var names []string
	for _, s := range tasks.States() {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}
