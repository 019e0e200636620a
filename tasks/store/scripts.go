package store

import (
	"context"
	"embed"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roomcast/roomcast/tasks"
)

//go:embed lua/*.lua
var luaFiles embed.FS

// scripts are the store's scripts, each with what Go knows and lib.lua before it.
type scripts struct {
	create, claims, renew, finish, release, stop, abort *redis.Script
	register, fleet                                     *redis.Script
	announce, ready                                     *redis.Script
	expired, takeover, deferred, forget, due, feed      *redis.Script
	ring, next, undelivered, resend                     *redis.Script
	look, preview, speed                                *redis.Script
}

func newScripts() scripts {
	lib := stateTables() + waitingTable() + fmt.Sprintf("local MAX_SAMPLES = %d\n", tasks.MaxSamples) + source("lib")
	with := func(name string) *redis.Script { return redis.NewScript(lib + source(name)) }
	// each makes act(KEYS, ARGV) of a script for another one that calls it.
	each := func(act, name string) *redis.Script {
		return redis.NewScript("local function act(KEYS, ARGV)\n" + lib + source(act) + "end\n" + source(name))
	}
	return scripts{
		create: with("create"), claims: each("claim", "claims"), renew: with("renew"),
		finish: with("finish"), release: with("release"), stop: with("stop"), abort: with("abort"),
		expired: with("expired"), takeover: with("takeover"), deferred: with("defer"),
		register: with("register"), fleet: with("fleet"),
		announce: with("announce"), ready: with("ready"),
		forget: with("forget"), due: with("due"), feed: with("feed"),
		ring: with("ring"), next: with("next"), undelivered: with("undelivered"), resend: with("resend"),
		look: with("look"), preview: with("preview"), speed: redis.NewScript(source("speed")),
	}
}

func source(name string) string {
	text, err := luaFiles.ReadFile("lua/" + name + ".lua")
	if err != nil {
		panic(err) // the file is embedded
	}
	return string(text)
}

// stateTables writes the transition table of tasks.State in Lua, so that there
// is only one to change.
func stateTables() string {
	var moves, terminal strings.Builder
	for _, from := range tasks.States() {
		fmt.Fprintf(&moves, "%s = {", from)
		for _, to := range tasks.States() {
			if from.CanBecome(to) {
				fmt.Fprintf(&moves, "%s = true, ", to)
			}
		}
		moves.WriteString("}, ")
		if from.Terminal() {
			fmt.Fprintf(&terminal, "%s = true, ", from)
		}
	}
	return "local MOVES = {" + moves.String() + "}\nlocal TERMINAL = {" + terminal.String() + "}\n"
}

// waitingTable writes what each reason of waiting means in Lua.
func waitingTable() string {
	var rows strings.Builder
	for _, why := range tasks.Waitings() {
		t := why.Trouble(time.Time{})
		fmt.Fprintf(&rows, "%s = {side = %q, message = %q}, ", why, t.Side, t.Message)
	}
	return "local WAITING = {" + rows.String() + "}\n"
}

// reply is what a script answers: a word, then texts.
type reply struct {
	code   string
	values []string
}

func (r reply) first() string {
	if len(r.values) == 0 {
		return ""
	}
	return r.values[0]
}

// run calls a script that answers a word and texts; behind its KEYS comes the
// feed.
func (s *Store) run(ctx context.Context, script *redis.Script, keys []string, args ...any) (reply, error) {
	texts, err := script.Run(ctx, s.client, append(keys, keyFeed), args...).StringSlice()
	if err != nil {
		return reply{}, storeError(err)
	}
	if len(texts) == 0 {
		return reply{}, internal("a script of the store answered nothing", nil)
	}
	return reply{code: texts[0], values: texts[1:]}, nil
}

// scriptCall is one call of a script.
type scriptCall struct {
	keys []string
	args []any
}

// pipelined calls a script for each of calls in one round trip, two when the server does
// not know it yet. Each has its own error.
func pipelined(ctx context.Context, client redis.UniversalClient, script *redis.Script, calls []scriptCall) []*redis.Cmd {
	cmds := make([]*redis.Cmd, len(calls))
	unknown := func(cmd *redis.Cmd) bool { return cmd == nil || redis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") }
	for _, eval := range []func(context.Context, redis.Scripter, []string, ...any) *redis.Cmd{script.EvalSha, script.Eval} {
		pipe := client.Pipeline()
		for i, call := range calls {
			if unknown(cmds[i]) {
				cmds[i] = eval(ctx, pipe, call.keys, call.args...)
			}
		}
		if _, _ = pipe.Exec(ctx); !slices.ContainsFunc(cmds, unknown) {
			break
		}
	}
	return cmds
}

// do is run for a script that answers ok, or what is in its way.
func (s *Store) do(ctx context.Context, script *redis.Script, keys []string, args ...any) (reply, error) {
	r, err := s.run(ctx, script, keys, args...)
	if err == nil && r.code != "ok" {
		err = refusal(r)
	}
	return r, err
}

// replyOf reads the answer of one act in a script that answers for several.
func replyOf(answer any) (reply, error) {
	list, _ := answer.([]any)
	texts := make([]string, len(list))
	for i, v := range list {
		texts[i], _ = v.(string)
	}
	if len(texts) == 0 {
		return reply{}, internal("a script of the store answered nothing", nil)
	}
	return reply{code: texts[0], values: texts[1:]}, nil
}

// fields turns field, value, … into a map.
func fields(flat []string) map[string]string {
	m := make(map[string]string, len(flat)/2)
	for i := 0; i+1 < len(flat); i += 2 {
		m[flat[i]] = flat[i+1]
	}
	return m
}
