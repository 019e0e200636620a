package redisconn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	minMajor, minMinor = 6, 2
	policyWanted       = "noeviction"
)

const (
	// checkTime bounds one look at the server.
	checkTime = 10 * time.Second
	// WatchEvery is how often Watch looks: settings are changed by people.
	WatchEvery = time.Minute
)

// Unfit says why a server that answers cannot be used, and what to do; there is
// no address in it.
type Unfit string

func (u Unfit) Error() string { return string(u) }

// Open returns a client for cfg after CheckServer has found the server sound;
// what could not be checked goes to log. The caller closes it.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (Client, error) {
	client, err := New(cfg)
	if err != nil {
		return nil, fmt.Errorf("ROOMCAST_REDIS_URL: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	warnings, err := CheckServer(ctx, client)
	if err != nil {
		_ = client.Close()
		return nil, fmt.Errorf("check Redis: %w", err)
	}
	for _, w := range warnings {
		log.Warn("redis could not be checked in full", "warning", w)
	}
	return client, nil
}

// Watch looks at the server every so often until ctx ends: who changes its
// settings, or another server after a failover, may make it Unfit, which is
// logged once, as is that it is over.
func Watch(ctx context.Context, client Client, every time.Duration, log *slog.Logger) {
	var unfit Unfit
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		looking, cancel := context.WithTimeout(ctx, checkTime)
		_, err := CheckServer(looking, client)
		cancel()
		found, is := errors.AsType[Unfit](err)
		switch {
		case is && found != unfit:
			log.Error("redis cannot be used as it is", "reason", found)
		case err == nil && unfit != "":
			log.Info("redis can be used again")
		case err != nil && !is:
			continue // it is away, which others say
		}
		unfit = found
	}
}

// CheckServer verifies that Redis answers, is version 6.2 or later and never
// evicts keys; on a cluster, that every master does. What it cannot find out
// it returns as warnings, sentences for the log. Its errors say what to do; that
// of a server that answers and cannot be used wraps Unfit.
func CheckServer(ctx context.Context, client Client) (warnings []string, err error) {
	var mu sync.Mutex
	err = eachMaster(ctx, client, func(ctx context.Context, node redis.Cmdable) error {
		w, err := checkNode(ctx, node)
		mu.Lock()
		defer mu.Unlock()
		warnings = append(warnings, w...)
		return err
	})
	return warnings, err
}

// eachMaster looks at the server or, at the same time, at every master of a
// cluster.
func eachMaster(ctx context.Context, client Client, look func(context.Context, redis.Cmdable) error) error {
	nodes, ok := client.(*redis.ClusterClient)
	if !ok {
		return look(ctx, client)
	}
	return nodes.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return look(ctx, node) })
}

func checkNode(ctx context.Context, node redis.Cmdable) ([]string, error) {
	if err := node.Ping(ctx).Err(); err != nil {
		return nil, fmt.Errorf("redis does not answer (check ROOMCAST_REDIS_URL and that the server runs): %w", err)
	}
	info, err := node.Info(ctx).Result()
	if err != nil {
		return []string{"redis refuses INFO, so its version and eviction policy are unknown; it must be 6.2 or later with maxmemory-policy noeviction"}, nil
	}
	return checkInfo(info)
}

// checkInfo judges the text of INFO.
func checkInfo(info string) (warnings []string, err error) {
	fields := infoFields(info)
	version := fields["redis_version"]
	major, minor, ok := parseVersion(version)
	switch {
	case !ok:
		warnings = append(warnings, "redis does not tell its version; it must be 6.2 or later")
	case major < minMajor || major == minMajor && minor < minMinor:
		return warnings, Unfit("redis is version " + version + "; 6.2 or later is needed")
	}
	switch policy := fields["maxmemory_policy"]; policy {
	case policyWanted:
	case "":
		warnings = append(warnings, "redis does not tell its eviction policy; maxmemory-policy must be noeviction, or pushes can be lost")
	default:
		return warnings, Unfit("redis evicts keys (maxmemory-policy " + policy + "), so pushes could be lost; set `maxmemory-policy noeviction` in redis.conf or your provider's settings")
	}
	return warnings, nil
}

// infoFields reads the text of INFO.
func infoFields(info string) map[string]string {
	fields := map[string]string{}
	for line := range strings.SplitSeq(info, "\n") {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = value
		}
	}
	return fields
}

// Evicts says whether Redis, or any master of a cluster, may evict keys now; its
// setting can be changed while it runs. One that does not tell counts as one that
// does not.
func Evicts(ctx context.Context, client Client) (bool, error) {
	var evicts atomic.Bool
	err := eachMaster(ctx, client, func(ctx context.Context, node redis.Cmdable) error {
		info, err := node.Info(ctx, "memory").Result()
		if policy := infoFields(info)["maxmemory_policy"]; policy != "" && policy != policyWanted {
			evicts.Store(true)
		}
		return err
	})
	if _, refused := errors.AsType[redis.Error](err); refused { // an ACL may forbid INFO
		err = nil
	}
	return evicts.Load(), err
}

func parseVersion(text string) (major, minor int, ok bool) {
	parts := strings.Split(text, ".")
	if len(parts) < 2 {
		return 0, 0, false
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	return major, minor, err1 == nil && err2 == nil
}
