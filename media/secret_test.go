package media

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestASecretIsNotShownOnAnyRoute(t *testing.T) {
	s := struct {
		Sig Secret
		Map map[string]Secret
	}{"canary", map[string]Secret{"k": "canary"}}
	text, err := json.Marshal(s)
	require.NoError(t, err)
	for _, shown := range []string{
		string(text), fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q", s, s, s, s.Sig, s.Sig), fmt.Sprintf("%x", s.Sig),
		slog.AnyValue(s.Sig).Resolve().String(),
	} {
		require.NotContains(t, shown, "canary")
		require.NotContains(t, shown, "63616e617279")
	}
	require.Equal(t, "canary", s.Sig.Reveal())
}
