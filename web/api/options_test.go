package api

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
)

const everyOption = `"startAtMs":1500,"endAtMs":60000,"repeat":-1,"maxDurationSec":3600,"maxIdleSec":60,"volume":0,"mute":true,
	"transcode":"always","width":640,"height":360,"fps":29.97,"videoKbps":800,"audioKbps":96,"fillAudio":false,"fillVideo":true,
	"audioTrack":"de","programNumber":2,"audioDelayMs":-200,
	"headers":{"Authorization":"Bearer canary","X-Token":""},"headersFor":"all"`

// everyOptionAsText is how a form sends everyOption.
const everyOptionAsText = `"startAtMs":"1500","endAtMs":"60000","repeat":"-1","maxDurationSec":"3600","maxIdleSec":"60","volume":"0","mute":"true",
	"transcode":"always","width":"640","height":"360","fps":"29.97","videoKbps":"800","audioKbps":"96","fillAudio":"False","fillVideo":"true",
	"audioTrack":"de","programNumber":"2","audioDelayMs":"-200",
	"headers":{"Authorization":"Bearer canary","X-Token":""},"headersFor":"all"`

func everyOptionDecoded() tasks.PushOptions {
	whole := func(n int64) *int64 { return &n }
	fps, no := 29.97, false
	return tasks.PushOptions{
		StartAtMs: whole(1500), EndAtMs: whole(60000), Repeat: whole(-1), MaxDurationSec: whole(3600), MaxIdleSec: whole(60),
		Volume: whole(0), Mute: true, Transcode: "always", Width: whole(640), Height: whole(360), FPS: &fps,
		VideoKbps: whole(800), AudioKbps: whole(96), FillAudio: &no, FillVideo: true,
		AudioTrack: "de", ProgramNumber: whole(2), AudioDelayMs: whole(-200),
		Headers: map[string]media.Secret{"Authorization": "Bearer canary", "X-Token": ""}, HeadersFor: "all",
	}
}

var fieldName = regexp.MustCompile(`"[a-z]\w*":`)

// pascal writes the names of a body's members as newer templates do.
func pascal(body string) string {
	return fieldName.ReplaceAllStringFunc(body, func(name string) string {
		return name[:1] + strings.ToUpper(name[1:2]) + name[2:]
	})
}

func TestDecodeRequestTakesOptions(t *testing.T) {
	for _, tt := range []struct {
		name, members string
		want          tasks.PushOptions
	}{
		{"all of them", everyOption, everyOptionDecoded()},
		{"all as text", everyOptionAsText, everyOptionDecoded()},
		{"all in PascalCase", pascal(everyOption), everyOptionDecoded()},
		{"null as absent", `"startAtMs":null,"repeat":null,"volume":null,"fps":null,"fillAudio":null,"headers":null,"mute":null`, tasks.PushOptions{}},
		{"empty strings as absent", `"startAtMs":"","volume":"","fps":"","fillAudio":"","headers":"","mute":"","transcode":""`, tasks.PushOptions{}},
		{"no header", `"headers":{}`, tasks.PushOptions{}},
		{"an audio track by its number", `"audioTrack":1`, tasks.PushOptions{AudioTrack: "1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decodeRequest([]byte(`{` + least + `,` + tt.members + `}`))
			require.NoError(t, err)
			assert.Equal(t, tt.want, got.Options)
		})
	}
}

func TestDecodeRequestRefusesOptionsOfTheWrongType(t *testing.T) {
	const number, whole, truth = "must be a number", "must be a whole number", "must be true or false"
	const object = `must be an object of strings, such as {"Authorization": "Bearer …"}`
	cases := []struct{ field, value, want string }{
		{"transcode", `1`, "must be a string"},
		{"audioTrack", `true`, "must be a string"},
		{"fps", `true`, number},
		{"fps", `"NaN"`, number},
		{"fps", `"0x1p4"`, number},
		{"fps", `"canary"`, number},
		{"mute", `1`, truth},
		{"fillAudio", `"canary"`, truth},
		{"fillVideo", `[]`, truth},
		{"headers", `"Authorization: canary"`, object},
		{"headers", `["canary"]`, object},
		{"headers", `{"a":1}`, object},
		{"headers", `{"a":null}`, object},
		{"headers", `{"a":{"b":"canary"}}`, object},
		{"headers", `{"a":["canary"]}`, object},
		{"headers", `{"a":"canary","a":"canary"}`, "has a name twice"},
		{"headers", `{"a":"canary\r\nHost: x"}`, "holds a control character or one that is not valid Unicode"},
		{"headers", `{"a\n":"canary"}`, "holds a control character or one that is not valid Unicode"},
	}
	for _, field := range []string{
		"startAtMs", "endAtMs", "repeat", "maxDurationSec", "maxIdleSec", "volume", "width", "height", "videoKbps", "audioKbps",
		"programNumber", "audioDelayMs",
	} {
		for value, want := range map[string]string{
			`true`: number, `{}`: number, `1.5`: whole, `1e3`: whole, `"canary"`: whole, `" 1"`: whole, `99999999999999999999`: whole,
		} {
			cases = append(cases, struct{ field, value, want string }{field, value, want})
		}
	}
	for _, tt := range cases {
		t.Run(tt.field+" of "+tt.value, func(t *testing.T) {
			_, err := decodeRequest([]byte(`{` + least + `,"` + tt.field + `":` + tt.value + `}`))
			var e *tasks.Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, []tasks.FieldError{{Field: tt.field, Detail: tt.want}}, e.Fields)
			assert.NotContains(t, e.Error(), "canary")
		})
	}
}

func TestEveryOptionIsPartOfTheCanonicalBody(t *testing.T) {
	plain, all := string(canonical(leastRequest())), reflect.ValueOf(everyOptionDecoded())
	for i := range all.NumField() {
		r := leastRequest()
		reflect.ValueOf(&r.Options).Elem().Field(i).Set(all.Field(i))
		assert.NotEqual(t, plain, string(canonical(r)), all.Type().Field(i).Name)
	}
	one, other := leastRequest(), leastRequest()
	one.Options.Headers = map[string]media.Secret{"a": "b"}
	other.Options.Headers = map[string]media.Secret{"a": "c"}
	assert.NotEqual(t, string(canonical(one)), string(canonical(other)))
}

func TestTheREADMESaysWhatEveryFieldIs(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, table, _ := strings.Cut(string(text), "## What a request may say")
	table, _, _ = strings.Cut(table, "\n\nNames are taken")
	for _, f := range fields {
		assert.Regexp(t, "(?m)^\\| [^|]*`"+f.name+"`", table)
	}
}

// optionsAsBody is w as members of a body.
func optionsAsBody(w tasks.PushOptions) map[string]any {
	body := map[string]any{
		"startAtMs": w.StartAtMs, "endAtMs": w.EndAtMs, "repeat": w.Repeat, "maxDurationSec": w.MaxDurationSec,
		"maxIdleSec": w.MaxIdleSec, "volume": w.Volume, "mute": w.Mute, "transcode": w.Transcode, "width": w.Width, "height": w.Height,
		"fps": w.FPS, "videoKbps": w.VideoKbps, "audioKbps": w.AudioKbps, "fillAudio": w.FillAudio, "fillVideo": w.FillVideo,
		"audioTrack": w.AudioTrack, "programNumber": w.ProgramNumber, "audioDelayMs": w.AudioDelayMs, "headersFor": w.HeadersFor,
	}
	if len(w.Headers) > 0 {
		body["headers"] = revealed(w.Headers)
	}
	return body
}
