// Package redisconn opens Roomcast's Redis from one URL and checks that the
// server can be relied on. The forms of the URL:
//
//	redis://[user:password@]host[:6379][/db]
//	rediss://…                                          TLS
//	redis+sentinel://[user:password@]h1[:26379],h2/mymaster[/db]
//	redis+cluster://[user:password@]h1[:6379],h2
//	rediss+sentinel://…  rediss+cluster://…             TLS
//
// User and password are the Redis server's (ACL user names work; a password
// alone is `:password@`). Parameters: ca, cert, key (PEM files of the TLS
// forms), server_name (the name in the server's certificate when it is not the
// host), sentinel_user, sentinel_password, pool_size. Certificates are always
// verified. No error repeats the URL.
package redisconn

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	dialTimeout = 2 * time.Second
	ioTimeout   = 2 * time.Second
	poolTimeout = 3 * time.Second
	maxRetries  = 2
	dialRetries = 1
	keepIdle    = 5 * time.Minute
)

// Client is go-redis's client of any topology, named here so that those who
// only pass it on need not import go-redis.
type Client = redis.UniversalClient

// Config says which Redis and who we are.
type Config struct {
	URL        string
	ClientName string // shown by CLIENT LIST; empty sets none
}

// FailsOver says whether another server takes over where one has died: a
// Sentinel's or a cluster's. A URL that New refuses does not.
func (c Config) FailsOver() bool {
	a, err := parse(c.URL)
	return err == nil && a.topology != single
}

// New returns a client for cfg. It does not connect: use CheckServer. The
// caller closes it.
func New(cfg Config) (Client, error) {
	a, err := parse(cfg.URL)
	if err != nil {
		return nil, err
	}
	options, err := a.options(cfg)
	if err != nil {
		return nil, err
	}
	switch a.topology {
	case sentinel:
		return redis.NewFailoverClient(options.Failover()), nil
	case cluster:
		return redis.NewClusterClient(options.Cluster()), nil
	case single:
	}
	return redis.NewClient(options.Simple()), nil
}

func (a address) options(cfg Config) (*redis.UniversalOptions, error) {
	tlsConfig, err := a.tlsConfig()
	if err != nil {
		return nil, err
	}
	return &redis.UniversalOptions{
		Addrs:                 a.hosts,
		MasterName:            a.master,
		DB:                    a.db,
		Username:              a.user,
		Password:              a.password,
		SentinelUsername:      a.sentinelUser,
		SentinelPassword:      a.sentinelPassword,
		ClientName:            cfg.ClientName,
		TLSConfig:             tlsConfig,
		DialTimeout:           dialTimeout,
		DialerRetries:         dialRetries,
		ReadTimeout:           ioTimeout,
		WriteTimeout:          ioTimeout,
		PoolTimeout:           poolTimeout,
		PoolSize:              a.poolSize,
		MaxRetries:            maxRetries,
		ConnMaxIdleTime:       keepIdle,
		ContextTimeoutEnabled: true,
		MaintNotificationsConfig: &maintnotifications.Config{
			Mode: maintnotifications.ModeDisabled,
		},
	}, nil
}

func (a address) tlsConfig() (*tls.Config, error) {
	if !a.tls {
		if a.ca != "" || a.cert != "" || a.key != "" {
			return nil, errors.New("redis: certificates are given but the URL has no TLS; use rediss://")
		}
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: a.serverName}
	if a.ca != "" {
		pem, err := os.ReadFile(a.ca)
		if err != nil {
			return nil, fmt.Errorf("read redis CA: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("read redis CA: no certificate in the file")
		}
	}
	if (a.cert == "") != (a.key == "") {
		return nil, errors.New("redis: a client certificate needs both cert and key")
	}
	if a.cert != "" {
		pair, err := tls.LoadX509KeyPair(a.cert, a.key)
		if err != nil {
			return nil, fmt.Errorf("read redis client certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
