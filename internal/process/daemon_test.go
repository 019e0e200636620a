package process_test

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/process"
)

func TestADaemonRunsWithoutArgumentsOnly(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		out  string
		ran  bool
		fail bool
	}{
		"no argument":       {nil, "", true, false},
		"a call for help":   {[]string{"--help"}, "the usage\n", false, false},
		"a short one":       {[]string{"-h"}, "the usage\n", false, false},
		"its version":       {[]string{"--version"}, process.Version() + "\n", false, false},
		"another argument":  {[]string{"--listen=:80"}, "", false, true},
		"help and another":  {[]string{"--help", "x"}, "", false, true},
		"an empty argument": {[]string{""}, "", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			ran := false
			run := process.Daemon("the usage\n", c.args, &out, func(context.Context, []string, io.Writer) error {
				ran = true
				return nil
			})
			err := run(t.Context(), nil, io.Discard)
			require.Equal(t, c.fail, err != nil, "%v", err)
			assert.Equal(t, c.out, out.String())
			assert.Equal(t, c.ran, ran)
		})
	}
}
