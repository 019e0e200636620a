package boot

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/roomcast/roomcast/media"
)

func TestTheLogHasTheLevelAndTheFormatOfTheSettings(t *testing.T) {
	for _, tt := range []struct{ name, format, want string }{
		{"text", "text", `level=WARN msg="source slow" push_id=p1`},
		{"json", "json", `"level":"WARN","msg":"source slow","push_id":"p1"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			log := newLog(&out, slog.LevelWarn, tt.format)
			log.Info("not shown")
			log.Warn("source slow", "push_id", "p1")
			assert.Contains(t, out.String(), tt.want)
			assert.NotContains(t, out.String(), "not shown")
		})
	}
}

func TestASecretIsRedactedInEveryFormat(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		var out bytes.Buffer
		spec := struct{ UserSig media.Secret }{"canary"}
		newLog(&out, slog.LevelDebug, format).Info("request", "user_sig", spec.UserSig, "spec", spec)
		assert.NotContains(t, out.String(), "canary")
	}
}
