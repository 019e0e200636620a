package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
)

// Probe asks the process that listens on listen, host:port as in its settings,
// on this machine whether it lives, and returns nil when it does. Whether it
// can work is not asked: what a supervisor would do about a Redis that is away
// only makes it worse.
func Probe(ctx context.Context, listen string) error {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("nothing to ask at %q: %w", listen, err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost" // v4 or v6, whichever it listens on
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/healthz", nil)
	if err != nil {
		return err
	}
	// Not by way of a proxy from the environment.
	transport := &http.Transport{DisableKeepAlives: true}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		return err
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return errors.New("it answers " + answer.Status)
	}
	return nil
}
