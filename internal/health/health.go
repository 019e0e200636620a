// Package health answers whether a process lives and whether it can work.
package health

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// checkTimeout bounds each check, so that a probe is answered while what it
// asks for hangs.
const checkTimeout = 2 * time.Second

// Check is one thing the process cannot work without.
type Check struct {
	Name string // as shown to who probes: "redis"
	// Run returns nil when the thing is there. Its error is for nobody's eyes:
	// a probe is answered without a key.
	Run func(ctx context.Context) error
}

// Handler serves /healthz, which answers 200 as long as the process answers at
// all, and /readyz, which answers 503 with a problem+json naming the checks
// that fail.
func Handler(checks ...Check) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { ok(w) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if missing := failing(r.Context(), checks); len(missing) > 0 {
			unready(w, missing)
			return
		}
		ok(w)
	})
	return mux
}

func failing(ctx context.Context, checks []Check) []string {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	results := make([]chan error, len(checks))
	for i, c := range checks {
		results[i] = make(chan error, 1)
		go func() { results[i] <- c.Run(ctx) }()
	}
	var missing []string
	for i, c := range checks {
		if <-results[i] != nil {
			missing = append(missing, c.Name)
		}
	}
	return missing
}

func ok(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintln(w, "ok")
}

func unready(w http.ResponseWriter, missing []string) {
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
		"urn:roomcast:problem:not_ready", "Not ready", http.StatusServiceUnavailable,
		"waiting for " + strings.Join(missing, ", "), "not_ready", true,
	})
}
