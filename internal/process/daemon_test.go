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
		ran  string
		fail bool
	}{
		"no argument":       {nil, "", "run", false},
		"a call for help":   {[]string{"--help"}, "the usage\n", "", false},
		"a short one":       {[]string{"-h"}, "the usage\n", "", false},
		"its version":       {[]string{"--version"}, process.Version() + "\n", "", false},
		"its health":        {[]string{"--health"}, "", "health", false},
		"another argument":  {[]string{"--listen=:80"}, "", "", true},
		"help and another":  {[]string{"--help", "x"}, "", "", true},
		"an empty argument": {[]string{""}, "", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			ran := ""
			run := process.Daemon(process.Program{
				Usage:  "the usage\n",
				Run:    func(context.Context, []string, io.Writer) error { ran = "run"; return nil },
				Health: func(context.Context, []string, io.Writer) error { ran = "health"; return nil },
			}, c.args, &out)
			err := run(t.Context(), nil, io.Discard)
			require.Equal(t, c.fail, err != nil, "%v", err)
			assert.Equal(t, c.out, out.String())
			assert.Equal(t, c.ran, ran)
		})
	}
}
