package logging_test

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/roomcast/roomcast/internal/logging"
	"github.com/roomcast/roomcast/media"
)

func TestNew(t *testing.T) {
	for _, tt := range []struct{ name, format, want string }{
		{"text", logging.Text, `level=WARN msg="source slow" push_id=p1`},
		{"json", logging.JSON, `"level":"WARN","msg":"source slow","push_id":"p1"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			log := logging.New(&out, slog.LevelWarn, tt.format)
			log.Info("not shown")
			log.Warn("source slow", "push_id", "p1")
			assert.Contains(t, out.String(), tt.want)
			assert.NotContains(t, out.String(), "not shown")
		})
	}
}

func TestASecretIsRedactedInEveryFormat(t *testing.T) {
	for _, format := range []string{logging.Text, logging.JSON} {
		var out bytes.Buffer
		spec := struct{ UserSig media.Secret }{"canary"}
		logging.New(&out, slog.LevelDebug, format).Info("request", "user_sig", spec.UserSig, "spec", spec)
		assert.NotContains(t, out.String(), "canary")
	}
}
