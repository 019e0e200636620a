package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redistest"
)

func TestAPushIsListed(t *testing.T) {
	i := start(t, redistest.New(t, redistest.Config{}))
	status, header, body := i.do("POST", "/v1/pushes", request(""))
	require.Equal(t, 202, status, body)
	for _, query := range []string{"", "?roomId=r1&status=queued", "?sdkAppId=1400000000&userId=anna"} {
		_, _, body = i.do("GET", "/v1/pushes"+query, "")
		assert.Contains(t, body, header.Get("X-Request-Id"), query)
	}
	_, _, body = i.do("GET", "/v1/pushes?status=failed", "")
	assert.JSONEq(t, `{"pushes":[]}`, body)
}
