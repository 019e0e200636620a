package redisconn

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// topology is what stands behind an address.
type topology int

const (
	single topology = iota
	sentinel
	cluster
)

var schemes = map[string]address{
	"redis":           {topology: single},
	"rediss":          {topology: single, tls: true},
	"redis+sentinel":  {topology: sentinel},
	"rediss+sentinel": {topology: sentinel, tls: true},
	"redis+cluster":   {topology: cluster},
	"rediss+cluster":  {topology: cluster, tls: true},
}

// defaultPort is go-redis's but for Sentinel.
var defaultPort = map[topology]string{single: "6379", sentinel: "26379", cluster: "6379"}

var parameters = []string{"ca", "cert", "key", "server_name", "sentinel_user", "sentinel_password", "pool_size"}

// errMalformed repeats no part of the URL: any may be the password, or the rest
// of one that has an unencoded sign in it.
var errMalformed = errors.New("redis URL is malformed; it is redis://[user:password@]host[:port][/database], " +
	"and in a password / ? # @ : and % are written percent-encoded")

// address is a parsed URL. It holds the passwords.
type address struct {
	topology         topology
	tls              bool
	hosts            []string // host:port each
	master           string   // Sentinel's name of the master
	db               int
	user, password   string
	ca, cert, key    string // files
	serverName       string
	sentinelUser     string
	sentinelPassword string
	poolSize         int
}

// parse reads a URL with go-redis's ParseURL, host by host. ParseFailoverURL and
// ParseClusterURL are not for us: they demand the first host's name of every
// server's certificate, and the former takes the user for Sentinel's.
func parse(text string) (address, error) {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(text), "://")
	a, known := schemes[strings.ToLower(scheme)]
	if !known {
		return address{}, errors.New("redis URL has no scheme, or an unknown one; use redis://host:6379/0, or rediss, redis+sentinel, rediss+sentinel, redis+cluster or rediss+cluster")
	}
	end := strings.IndexAny(rest+"/", "/?#")
	path, query, _ := strings.Cut(rest[end:], "?")
	if strings.ContainsAny(path+query, "@#") {
		return address{}, errMalformed
	}
	if a.topology == sentinel {
		a.master, path, _ = strings.Cut(strings.TrimLeft(path, "/"), "/")
		if a.master == "" {
			return address{}, errors.New("redis URL lacks the master's name; use redis+sentinel://h1:26379,h2:26379/mymaster/0")
		}
	}
	if err := a.readParameters(query); err != nil {
		return address{}, err
	}
	return a, a.readServers(rest[:end], path)
}

func (a *address) readParameters(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return errMalformed
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

// readServers reads [user:password@]host[:port][,…] and the database. A password
// may have signs that net/url refuses: it is unescaped here and escaped anew.
func (a *address) readServers(authority, path string) error {
	at := strings.LastIndexByte(authority, '@')
	user, password, _ := strings.Cut(authority[:max(at, 0)], ":")
	user, err1 := url.PathUnescape(user)
	password, err2 := url.PathUnescape(password)
	if err1 != nil || err2 != nil {
		return errMalformed
	}
	for host := range strings.SplitSeq(authority[at+1:], ",") {
		server, err := url.Parse("redis://" + host)
		if err != nil || server.Hostname() == "" {
			return errMalformed
		}
		if server.Port() == "" {
			server.Host += ":" + defaultPort[a.topology]
		}
		_, port, err := net.SplitHostPort(server.Host)
		if n, tooHigh := strconv.ParseUint(port, 10, 16); err != nil || tooHigh != nil || n == 0 {
			return errMalformed
		}
		server.User, server.Path = url.UserPassword(user, password), path
		options, err := redis.ParseURL(server.String())
		if err != nil {
			return errMalformed
		}
		a.hosts = append(a.hosts, options.Addr)
		a.user, a.password, a.db = options.Username, options.Password, options.DB
	}
	switch {
	case a.topology == single && len(a.hosts) > 1:
		return errors.New("redis URL names several hosts; use redis+sentinel:// or redis+cluster://")
	case a.topology == cluster && a.db != 0:
		return errors.New("redis URL names a database; a cluster has only 0")
	case a.db < 0:
		return errMalformed
	}
	return nil
}
