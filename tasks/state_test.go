package tasks

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write golden text instead of comparing it")

// diagram draws the transition table as a Mermaid state diagram.
func diagram() string {
	var b strings.Builder
	b.WriteString("stateDiagram-v2\n    [*] --> queued\n")
	for _, from := range States() {
		for _, to := range States() {
			if from.CanBecome(to) {
				fmt.Fprintf(&b, "    %s --> %s\n", from, to)
			}
		}
		if from.Terminal() {
			fmt.Fprintf(&b, "    %s --> [*]\n", from)
		}
	}
	return b.String()
}

func TestTheDiagramInTheArchitectureIsTheTable(t *testing.T) {
	const path, begin, end = "../ARCHITECTURE.md", "<!-- states -->\n```mermaid\n", "```\n<!-- /states -->"
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	head, rest, ok := strings.Cut(string(text), begin)
	require.True(t, ok, "no %q in %s", begin, path)
	drawn, tail, ok := strings.Cut(rest, end)
	require.True(t, ok, "no %q in %s", end, path)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(head+begin+diagram()+end+tail), 0o600))
		return
	}
	require.Equal(t, diagram(), drawn, "run: go test ./tasks -run Diagram -update")
}

func TestEveryPairOfStatesMovesAsDesigned(t *testing.T) {
	may := map[State]string{
		Queued:       "starting stopping stopped failed",
		Starting:     "publishing reconnecting completed failed stopping queued",
		Publishing:   "reconnecting completed failed stopping queued",
		Reconnecting: "publishing completed failed stopping queued",
		Stopping:     "stopped",
	}
	for _, from := range States() {
		for _, to := range States() {
			want := strings.Contains(" "+may[from]+" ", " "+string(to)+" ")
			require.Equal(t, want, from.CanBecome(to), "%s to %s", from, to)
		}
		require.Equal(t, may[from] == "", from.Terminal(), from)
	}
}
