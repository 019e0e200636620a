package redisconn

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const (
	defaultPort         = "6379"
	defaultSentinelPort = "26379"
)

// topology is what stands behind an address.
type topology int

const (
	single topology = iota
	sentinel
	cluster
)

var schemes = map[string]struct {
	topology topology
	tls      bool
}{
	"redis":           {single, false},
	"rediss":          {single, true},
	"redis+sentinel":  {sentinel, false},
	"rediss+sentinel": {sentinel, true},
	"redis+cluster":   {cluster, false},
	"rediss+cluster":  {cluster, true},
}

var parameters = []string{"ca", "cert", "key", "server_name", "sentinel_user", "sentinel_password", "pool_size"}

// address is a parsed URL. It holds the passwords.
type address struct {
	topology           topology
	tls                bool
	hosts              []string // host:port each
	master             string   // Sentinel's name of the master
	db                 int
	user, password     string
	ca, cert, key      string // files
	serverName         string
	sentinelUser       string
	sentinelPassword   string
	poolSize           int
	defaultPortOfHosts string
}

// parse reads a URL by hand: net/url takes one host only, and its errors
// repeat the URL with the password in it. No error of this file repeats any
// part that could be one.
func parse(text string) (address, error) {
	scheme, rest, ok := strings.Cut(strings.TrimSpace(text), "://")
	if !ok {
		return address{}, errors.New("redis URL has no scheme; use redis://host:6379/0")
	}
	kind, ok := schemes[strings.ToLower(scheme)]
	if !ok {
		return address{}, errors.New("redis URL has an unknown scheme; use redis, rediss, redis+sentinel, rediss+sentinel, redis+cluster or rediss+cluster")
	}
	a := address{topology: kind.topology, tls: kind.tls, defaultPortOfHosts: defaultPort}
	if a.topology == sentinel {
		a.defaultPortOfHosts = defaultSentinelPort
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority, tail := rest[:end], rest[end:]
	if strings.ContainsAny(tail, "@#") {
		return address{}, errors.New("redis URL is malformed; in a password write / ? # @ : and % percent-encoded")
	}
	path, query, _ := strings.Cut(tail, "?")
	return a, errors.Join(a.parseAuthority(authority), a.parsePath(path), a.parseQuery(query))
}

func (a *address) parseAuthority(authority string) error {
	at := strings.LastIndexByte(authority, '@')
	if at >= 0 {
		user, password, _ := strings.Cut(authority[:at], ":")
		var err1, err2 error
		a.user, err1 = url.PathUnescape(user)
		a.password, err2 = url.PathUnescape(password)
		if err1 != nil || err2 != nil {
			return errors.New("redis URL has a bad %-sequence in its user or password")
		}
	}
	for host := range strings.SplitSeq(authority[at+1:], ",") {
		withPort, err := hostPort(host, a.defaultPortOfHosts)
		if err != nil {
			return err
		}
		a.hosts = append(a.hosts, withPort)
	}
	if a.topology == single && len(a.hosts) > 1 {
		return errors.New("redis URL names several hosts; use redis+sentinel:// or redis+cluster://")
	}
	return nil
}

// hostPort completes "host", "host:port", "[v6]" or "[v6]:port".
func hostPort(text, port string) (string, error) {
	host := text
	if h, p, err := net.SplitHostPort(text); err == nil {
		host, port = h, p
	} else if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		host = text[1 : len(text)-1]
	} else if strings.Contains(text, ":") {
		return "", errors.New("redis URL has a malformed host:port")
	}
	if host == "" {
		return "", errors.New("redis URL has an empty host")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", errors.New("redis URL has a port that is not a number from 1 to 65535")
	}
	return net.JoinHostPort(host, port), nil
}

// parsePath reads /db, or /master/db for Sentinel.
func (a *address) parsePath(path string) error {
	parts := strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
	if a.topology == sentinel {
		if len(parts) == 0 {
			return errors.New("redis URL lacks the master's name; use redis+sentinel://h1:26379,h2:26379/mymaster/0")
		}
		a.master, parts = parts[0], parts[1:]
	}
	if len(parts) > 1 {
		return errors.New("redis URL has a path of too many parts; the last one is the database number")
	}
	if len(parts) == 0 {
		return nil
	}
	db, err := strconv.Atoi(parts[0])
	if err != nil || db < 0 {
		return errors.New("redis URL has a database that is not a number")
	}
	if a.topology == cluster && db != 0 {
		return errors.New("redis URL names a database; a cluster has only 0")
	}
	a.db = db
	return nil
}

func (a *address) parseQuery(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("redis URL has malformed parameters")
	}
	for name := range values {
		if !slices.Contains(parameters, name) {
			return fmt.Errorf("redis URL has an unknown parameter; known are %s", strings.Join(parameters, ", "))
		}
	}
	a.ca, a.cert, a.key = values.Get("ca"), values.Get("cert"), values.Get("key")
	a.serverName = values.Get("server_name")
	a.sentinelUser, a.sentinelPassword = values.Get("sentinel_user"), values.Get("sentinel_password")
	if size := values.Get("pool_size"); size != "" {
		if a.poolSize, err = strconv.Atoi(size); err != nil || a.poolSize < 1 {
			return errors.New("redis URL has a pool_size that is not a positive number")
		}
	}
	return nil
}
