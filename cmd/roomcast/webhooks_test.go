package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWebhooksAreListedAndSentAgain(t *testing.T) {
	api := serve(t, map[string]string{
		"GET /v1/webhooks": `{"webhooks":[{"id":"p1.failed","pushId":"p1","type":"push.failed","at":"2026-11-22T10:00:00.000Z",
			"diedAt":"2026-11-23T10:00:00.000Z","tries":14,"answer":"it answered 500"}]}`,
		"POST /v1/webhooks/p1.failed/resend": "",
	})
	do := func(args ...string) (string, error) {
		var out bytes.Buffer
		err := run(t.Context(), append([]string{"--api", api.url}, args...), func(string) string { return "" }, &out, &out)
		return out.String(), err
	}
	out, err := do("webhooks")
	require.NoError(t, err)
	assert.Regexp(t, `p1\.failed +push\.failed +\S+ +14 +it answered 500`, out)
	out, err = do("webhooks", "resend", "p1.failed", "p1.other")
	require.ErrorContains(t, err, "resend p1.other: ")
	assert.Contains(t, out, "p1.failed is sent again\n")

	out, err = do("webhooks", "ls", "--json")
	require.NoError(t, err)
	assert.Contains(t, out, `"tries":14`)
}
