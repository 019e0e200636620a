package api

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/tasks"
)

func TestDecodeRequestTakesCallbacksAndLabels(t *testing.T) {
	r, err := decodeRequest([]byte(`{` + least + `,"callbackUrl":"https://a/?t=canary","CallbackEvents":["push.failed","push.progress"],
		"metadata":{"course":"42","Course":""}}`))
	require.NoError(t, err)
	assert.Equal(t, "https://a/?t=canary", r.CallbackURL.Reveal())
	assert.Equal(t, []string{"push.failed", "push.progress"}, r.CallbackEvents)
	assert.Equal(t, map[string]string{"course": "42", "Course": ""}, r.Metadata)
	plain, err := decodeRequest([]byte(`{` + least + `,"callbackUrl":"","callbackEvents":"","metadata":{}}`))
	require.NoError(t, err)
	bare, err := decodeRequest([]byte(`{` + least + `}`))
	require.NoError(t, err)
	assert.Equal(t, bare, plain)
	assert.NotEqual(t, string(bare.Body), string(r.Body), "another callback is another request")
}

func TestDecodeRequestRefusesOtherShapesOfThem(t *testing.T) {
	for name, member := range map[string]string{
		"events as one string":   `"callbackEvents":"push.failed"`,
		"events as an object":    `"callbackEvents":{"a":"push.failed"}`,
		"an event that is null":  `"callbackEvents":[null]`,
		"an event as a number":   `"callbackEvents":[1]`,
		"too many events":        `"callbackEvents":[` + strings.Repeat(`"a",`, 40) + `"a"]`,
		"labels as a list":       `"metadata":["canary"]`,
		"a label as a number":    `"metadata":{"course":42}`,
		"a label twice":          `"metadata":{"a":"canary","a":"canary"}`,
		"a label with a newline": `"metadata":{"a":"canary\n"}`,
		"a callback as a list":   `"callbackUrl":["canary"]`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := decodeRequest([]byte(`{` + least + `,` + member + `}`))
			require.Equal(t, tasks.CodeInvalidRequest, tasks.CodeOf(err))
			assert.NotContains(t, err.Error(), "canary")
		})
	}
}

func TestAListIsFilteredByLabels(t *testing.T) {
	f, err := decodeFilter("metadata.course=42&metadata.a.b=&limit=2")
	require.NoError(t, err)
	assert.Equal(t, tasks.Filter{Limit: 2, Metadata: map[string]string{"course": "42", "a.b": ""}}, f)
	for _, query := range []string{"metadata.course=1&metadata.course=2", "metadata=1", "metadata.a=%00"} {
		_, err := decodeFilter(query)
		assert.Equal(t, tasks.CodeInvalidRequest, tasks.CodeOf(err), query)
	}
}

func TestAWebhooksIDIsLookedAtBeforeTheStore(t *testing.T) {
	for id, want := range map[string]bool{
		"01939f2e-5b7a-7c3e-9f10-3f0c5a1b2c3d.started": true, "01939f2e-5b7a-7c3e-9f10-3f0c5a1b2c3d.12.no_worker": true,
		"01939f2e-5b7a-7c3e-9f10-3f0c5a1b2c3d": false, "x": false, "01939f2e-5b7a-7c3e-9f10-3f0c5a1b2c3d.a}b": false,
	} {
		assert.Equal(t, want, webhookID.MatchString(id), id)
	}
}
