// Package health answers whether a process lives and whether it can work.
package health

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// checkTimeout bounds each check, so that a probe is answered while what it
// asks for hangs.
const checkTimeout = 2 * time.Second

// Check is one thing that the process works with.
type Check struct {
	Name string // as shown to who probes: "redis"
	// Run returns nil when all is well. An error that is no Finding is for
	// nobody's eyes: a probe is answered without a key.
	Run func(ctx context.Context) error
	// Warns is set where the process can do its work although this fails: it is
	// shown, and a load balancer takes nothing away for it.
	Warns bool
}

// Finding is what is wrong and what to do, in words that everybody may read.
type Finding struct{ Code, Message string }

func (f Finding) Error() string { return f.Message }

// How a check went.
const (
	statusOK      = "ok"
	statusWarning = "warning" // of one that only warns
	statusFailing = "failing"
	statusUnknown = "unknown" // one that only warns could not be made
)

// result is one check as shown.
type result struct {
	Name    string `json:"name"`
	Status  string `json:"status"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
}

// Handler serves /healthz, which answers 200 as long as the process answers at
// all, and /readyz, which answers 503 with a problem+json when a check fails that
// does more than warn, else 200 and all checks.
func Handler(checks ...Check) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		results := look(r.Context(), checks)
		if why := unready(results); why != "" {
			problem(w, why)
			return
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_ = json.NewEncoder(w).Encode(struct {
			Status string   `json:"status"`
			Checks []result `json:"checks"`
		}{"ready", results})
	})
	return mux
}

// look makes all checks at once.
func look(ctx context.Context, checks []Check) []result {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	errs := make([]chan error, len(checks))
	for i, c := range checks {
		errs[i] = make(chan error, 1)
		go func() { errs[i] <- c.Run(ctx) }()
	}
	results := make([]result, len(checks))
	for i, c := range checks {
		results[i] = resultOf(c, <-errs[i])
	}
	return results
}

func resultOf(c Check, err error) result {
	r := result{Name: c.Name, Status: statusFailing}
	found, isFinding := errors.AsType[Finding](err)
	switch {
	case err == nil:
		r.Status = statusOK
	case c.Warns && isFinding:
		r.Status = statusWarning
	case c.Warns:
		r.Status = statusUnknown
	}
	r.Code, r.Message = found.Code, found.Message
	return r
}

// unready says why the process cannot work, or nothing when it can.
func unready(results []result) string {
	var missing, why []string
	for _, r := range results {
		switch {
		case r.Status != statusFailing:
		case r.Message != "":
			why = append(why, r.Message)
		default:
			missing = append(missing, r.Name)
		}
	}
	if len(missing) > 0 {
		why = append([]string{"waiting for " + strings.Join(missing, ", ")}, why...)
	}
	return strings.Join(why, "; ")
}

func problem(w http.ResponseWriter, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Retry-After", "5")
	w.WriteHeader(http.StatusServiceUnavailable)
	_ = json.NewEncoder(w).Encode(struct {
		Type      string `json:"type"`
		Title     string `json:"title"`
		Status    int    `json:"status"`
		Detail    string `json:"detail"`
		Code      string `json:"code"`
		Retryable bool   `json:"retryable"`
	}{
		"urn:roomcast:problem:not_ready", "Not ready", http.StatusServiceUnavailable, detail, "not_ready", true,
	})
}
