package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/roomcast/roomcast/cmd/roomcast/client"
	"github.com/roomcast/roomcast/cmd/roomcast/follow"
	"github.com/roomcast/roomcast/cmd/roomcast/screen"
)

type doctorCmd struct{}

// errUnwell ends doctor when it has said what is wrong.
var errUnwell = errors.New("not everything is well")

// Run asks the API three questions and prints what to do about the answers.
func (d *doctorCmd) Run(ctx context.Context, e env, c *client.Client) error {
	if e.json {
		e.screen = screen.New(findings{e.screen}, e.getenv)
	}
	if err := c.Alive(ctx); err != nil {
		e.printf("FAIL  %v\n      start it (bin/api, or roomcast demo), or name another with --api or ROOMCAST_API\n", err)
		return exit{err: errUnwell, code: exitCode(err)}
	}
	e.printf("ok    the API answers at %s\n", c.Base())
	ready, key := d.ready(ctx, e, c), d.key(ctx, e, c)
	if !ready || !key {
		return errUnwell
	}
	return nil
}

func (d *doctorCmd) ready(ctx context.Context, e env, c *client.Client) bool {
	checks, err := c.Ready(ctx)
	if err != nil {
		e.printf("FAIL  the API cannot work now: %v\n      look at what it waits for and at its log\n", err)
		return false
	}
	e.printf("ok    it is ready to work\n")
	well := true
	for _, check := range checks {
		well = d.check(e, check) && well
	}
	return well
}

// check prints one check of the API and says whether pushes can play.
func (d *doctorCmd) check(e env, c client.Check) bool {
	message := client.Printable(c.Message)
	switch {
	case c.Status == "ok" && c.Name == "workers":
		e.printf("ok    a worker has room for a push\n")
	case c.Status == "ok" && c.Name == "sandbox":
		e.printf("ok    sources are taken apart in a sandbox\n")
	case c.Status == "ok":
	case c.Code == "no_worker", c.Code == "no_key":
		e.printf("FAIL  %s\n", message)
		return false
	case message != "":
		e.printf("note  %s\n", message)
	default:
		e.printf("note  the API could not look at its %s\n", client.Printable(c.Name))
	}
	return true
}

func (d *doctorCmd) key(ctx context.Context, e env, c *client.Client) bool {
	_, err := c.List(ctx, client.Filter{Limit: 1})
	refused, isAnswer := errors.AsType[*client.Error](err)
	switch {
	case err == nil && !c.HasKey():
		e.printf("ok    it asks for no key\n")
	case err == nil:
		e.printf("ok    it %s\n", d.taken(ctx, e))
		if u, parseErr := url.Parse(c.Base()); parseErr == nil && u.Scheme == "http" && !loopback(u.Hostname()) {
			e.printf("note  the key goes over the network unencrypted: put TLS before the API and use https://\n")
		}
	case isAnswer && refused.Status == http.StatusUnauthorized && c.HasKey():
		e.printf("FAIL  it does not know the key in ROOMCAST_API_KEY\n      the API's ROOMCAST_API_KEYS needs name:sha256 of it: printf %%s \"$ROOMCAST_API_KEY\" | sha256sum | cut -d' ' -f1\n")
	case isAnswer && refused.Status == http.StatusUnauthorized:
		e.printf("FAIL  it asks for a key and ROOMCAST_API_KEY is not set:\n      export ROOMCAST_API_KEY=KEY, one whose SHA-256 is in the API's ROOMCAST_API_KEYS\n")
	default:
		e.printf("FAIL  the list of pushes: %v\n", err)
	}
	return err == nil
}

// taken says what the API, which takes our key, does without one.
func (d *doctorCmd) taken(ctx context.Context, e env) string {
	c, err := client.New(e.api, "")
	if err == nil {
		_, err = c.List(ctx, client.Filter{Limit: 1})
	}
	if err == nil {
		return "asks for no key; that in ROOMCAST_API_KEY is not looked at"
	}
	return "takes the key in ROOMCAST_API_KEY"
}

// findings takes what doctor prints, a finding a write, and makes a line of JSON
// of each.
type findings struct{ w io.Writer }

// Write implements io.Writer.
func (f findings) Write(text []byte) (int, error) {
	mark, words, _ := strings.Cut(string(text), " ")
	words = strings.Join(strings.Fields(words), " ")
	return len(text), follow.Encode(f.w, map[string]string{"finding": strings.ToLower(mark), "message": words})
}

// loopback says whether a host name or address is this machine's own.
func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
