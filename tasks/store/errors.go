package store

import (
	"errors"
	"regexp"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/roomcast/roomcast/tasks"
)

// storeError makes a *tasks.Error of what go-redis returned. A reply that
// complains about our command is a fault of ours; everything else (network,
// time-outs, LOADING, READONLY, CLUSTERDOWN, OOM, NOAUTH, …) means that Redis
// cannot be used now.
func storeError(err error) error {
	if err == nil {
		return nil
	}
	if ours, ok := errors.AsType[*tasks.Error](err); ok {
		return ours
	}
	if reply, ok := errors.AsType[redis.Error](err); ok && isOurFault(reply.Error()) {
		return internal("a command of the store failed", err)
	}
	return &tasks.Error{
		Code: tasks.CodeRedisUnavailable, Msg: "Redis cannot be reached or takes no writes; try again in a moment",
		Retryable: true, Err: err,
	}
}

func isOurFault(reply string) bool {
	word, _, _ := strings.Cut(reply, " ")
	return (word == "ERR" || word == "WRONGTYPE" || word == "CROSSSLOT") && !noWrites.MatchString(reply)
}

// noWrites finds why Redis takes no writes. Before 7.0 what a script meets stands within an
// "ERR Error running script …".
var noWrites = regexp.MustCompile(`\b(READONLY|OOM|MISCONF|NOREPLICAS)\b`)

func internal(msg string, err error) error {
	return &tasks.Error{Code: tasks.CodeInternal, Msg: msg, Err: err}
}

func notFound(id string) error {
	return &tasks.Error{Code: tasks.CodeNotFound, Msg: "there is no push " + id}
}

// refusal is the error of a script's word.
func refusal(r reply) error {
	switch r.code {
	case "gone":
		return tasks.ErrGone
	case "ended":
		return tasks.ErrEnded
	case "stale":
		return tasks.ErrStale
	case "held":
		return tasks.ErrHeld
	case "isolated":
		return tasks.ErrIsolated
	case "no_capacity":
		return tasks.ErrCapacity
	case "kept":
		return tasks.ErrKept
	case "no_key":
		return tasks.ErrNoKey
	case "handover":
		return tasks.ErrHandover
	case "failed":
		if noWrites.MatchString(r.first()) {
			return storeError(errors.New(r.first()))
		}
		return internal("a script of the store failed for this push: "+r.first(), nil)
	case "illegal":
		return internal("the push cannot leave state "+r.first()+" that way", nil)
	default:
		return internal("a script of the store answered "+r.code, nil)
	}
}
