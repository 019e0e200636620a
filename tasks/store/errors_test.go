package store

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/tasks"
)

type replied string

func (r replied) Error() string { return string(r) }
func (replied) RedisError()     {}

// What a script of Redis 6.2 meets comes within an ERR.
func TestARedisThatTakesNoWritesIsAwayWhoeverFindsIt(t *testing.T) {
	within := func(what string) string {
		return "ERR Error running script (call to f_0be20b5d8975f0f071009bf2b94a3e005e33b3cf): @user_script:441: @user_script: 441: -" + what
	}
	for _, refused := range []string{
		"READONLY You can't write against a read only replica.",
		"OOM command not allowed when used memory > 'maxmemory'.",
		"MISCONF Redis is configured to save RDB snapshots, but it is currently not able to persist on disk.",
		"NOREPLICAS Not enough good replicas to write.",
	} {
		for _, text := range []string{refused, within(refused)} {
			require.Equal(t, tasks.CodeRedisUnavailable, tasks.CodeOf(storeError(replied(text))), text)
			require.Equal(t, tasks.CodeRedisUnavailable, tasks.CodeOf(refusal(reply{code: "failed", values: []string{text}})), text)
		}
	}
	for _, ours := range []string{"WRONGTYPE Operation against a key holding the wrong kind of value", within("WRONGTYPE Operation"), "ERR value is not an integer"} {
		require.Equal(t, tasks.CodeInternal, tasks.CodeOf(storeError(replied(ours))), ours)
	}
}
