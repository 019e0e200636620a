package api

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
)

const least = `"videoSrc":"https://a.example/v.mp4?t=1","sdkAppId":1400000000,"userId":"anna","roomId":"r1"`

func leastRequest() tasks.Request {
	return tasks.Request{VideoSrc: "https://a.example/v.mp4?t=1", SDKAppID: 1400000000, UserID: "anna", RoomID: "r1"}
}

func TestDecodeRequestTakes(t *testing.T) {
	with := func(change func(*tasks.Request)) tasks.Request {
		r := leastRequest()
		change(&r)
		return r
	}
	for _, tt := range []struct {
		name, body string
		want       tasks.Request
	}{
		{"the least", `{` + least + `}`, leastRequest()},
		{"the template's PascalCase", `{"VideoSrc":"https://a.example/v.mp4?t=1","SDKAppId":1400000000,"UserId":"anna","RoomId":"r1"}`, leastRequest()},
		{"an app id as a string", strings.Replace(`{`+least+`}`, `1400000000`, `"1400000000"`, 1), leastRequest()},
		{"white space around the object", " \n{" + least + "}\r\n ", leastRequest()},
		{"null as absent", `{` + least + `,"userSig":null,"redis":null}`, leastRequest()},
		{"empty strings as absent", `{` + least + `,"redis":"","redisHost":"","redisPort":"","strRoomId":""}`, leastRequest()},
		{"a room as a number, remembered", strings.Replace(`{`+least+`}`, `"r1"`, `98915`, 1), with(func(r *tasks.Request) { r.RoomID, r.RoomWasNumber = "98915", true })},
		{"strRoomId for roomId", strings.Replace(`{`+least+`}`, `roomId`, `strRoomId`, 1), leastRequest()},
		{"strRoomId and the same roomId", `{` + least + `,"strRoomId":"r1"}`, leastRequest()},
		{"strRoomId and the same number", strings.Replace(`{`+least+`,"strRoomId":"7"}`, `"r1"`, `7`, 1), with(func(r *tasks.Request) { r.RoomID = "7" })},
		{"a user as a number", strings.Replace(`{`+least+`}`, `"anna"`, `12`, 1), with(func(r *tasks.Request) { r.UserID = "12" })},
		{"redis as a string", `{` + least + `,"redis":"TRUE","redisPort":"6380"}`, with(func(r *tasks.Request) { r.Redis, r.RedisPort = true, 6380 })},
		{
			"everything",
			`{` + least + `,"userSig":"eJw*","clientRole":"anchor","redis":true,"redisHost":"h","redisPort":6380,"redisPassword":42,"mode":"vod","resumeScope":"room","resumeKey":"k"}`,
			with(func(r *tasks.Request) {
				r.UserSig, r.ClientRole, r.Redis, r.RedisHost, r.RedisPort, r.RedisPassword = "eJw*", "anchor", true, "h", 6380, "42"
				r.Mode, r.ResumeScope, r.ResumeKey = "vod", "room", "k"
			}),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decodeRequest([]byte(tt.body))
			require.NoError(t, err)
			assert.NotEmpty(t, got.Body)
			got.Body = nil
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestDecodeRequestNamesEveryBadField(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		want       []tasks.FieldError
	}{
		{"an unknown field with a hint", `{` + least + `,"redisHots":"h"}`, []tasks.FieldError{{Field: "redisHots", Detail: "is not a field; did you mean redisHost?"}}},
		{"an unknown field like no other", `{` + least + `,"callback":{"a":[1]}}`, []tasks.FieldError{{Field: "callback", Detail: "is not a field"}}},
		{"a room by a shorter name", `{` + least + `,"Room":"r"}`, []tasks.FieldError{{Field: "Room", Detail: "is not a field; did you mean roomId or strRoomId?"}}},
		{"a field twice in two spellings", `{` + least + `,"VideoSrc":"x"}`, []tasks.FieldError{{Field: "videoSrc", Detail: "is given twice; names differ in more than case"}}},
		{"an object for a string", `{` + least + `,"userSig":{"a":"b"}}`, []tasks.FieldError{{Field: "userSig", Detail: "must be a string"}}},
		{"a number for the source", strings.Replace(`{`+least+`}`, `"https://a.example/v.mp4?t=1"`, `1`, 1), []tasks.FieldError{{Field: "videoSrc", Detail: "must be a string"}}},
		{"a fraction for the app", strings.Replace(`{`+least+`}`, `1400000000`, `1.5`, 1), []tasks.FieldError{{Field: "sdkAppId", Detail: "must be a whole number from 1 to 4294967295"}}},
		{"an app that is too large", strings.Replace(`{`+least+`}`, `1400000000`, `4294967296`, 1), []tasks.FieldError{{Field: "sdkAppId", Detail: "must be a whole number from 1 to 4294967295"}}},
		{"a boolean for the app", strings.Replace(`{`+least+`}`, `1400000000`, `true`, 1), []tasks.FieldError{{Field: "sdkAppId", Detail: "must be a number"}}},
		{"a room in scientific notation", strings.Replace(`{`+least+`}`, `"r1"`, `1e3`, 1), []tasks.FieldError{{Field: "roomId", Detail: "must be a string"}}},
		{"two rooms", `{` + least + `,"strRoomId":"r2"}`, []tasks.FieldError{{Field: "strRoomId", Detail: "differs from roomId; give one of them"}}},
		{"a word for a truth", `{` + least + `,"redis":"yes"}`, []tasks.FieldError{{Field: "redis", Detail: "must be true or false"}}},
		{"a port of 0", `{` + least + `,"redisPort":0}`, []tasks.FieldError{{Field: "redisPort", Detail: "must be a whole number from 1 to 65535"}}},
		{"a line feed in a value", `{` + least + `,"resumeKey":"a\nb"}`, []tasks.FieldError{{Field: "resumeKey", Detail: "holds a control character or one that is not valid Unicode"}}},
		{"half a surrogate pair", `{` + least + `,"resumeKey":"\ud800"}`, []tasks.FieldError{{Field: "resumeKey", Detail: "holds a control character or one that is not valid Unicode"}}},
		{"several at once, with those that are missing", `{"videSrc":"x","redis":7,"userId":"a"}`, []tasks.FieldError{
			{Field: "videSrc", Detail: "is not a field; did you mean videoSrc?"},
			{Field: "redis", Detail: "must be true or false"},
			{Field: "videoSrc", Detail: "is required"},
			{Field: "sdkAppId", Detail: "is required"},
			{Field: "roomId", Detail: "is required"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := decodeRequest([]byte(tt.body))
			var e *tasks.Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, tasks.CodeInvalidRequest, e.Code)
			assert.Equal(t, tt.want, e.Fields)
			assert.Contains(t, e.Msg, tt.want[0].Field)
		})
	}
}

func TestDecodeRequestRefusesWhatIsNotOneObject(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"nothing", "", "the body is not one JSON object: byte 0: unexpected end of JSON input"},
		{"an array", "[]", "the body must be one JSON object"},
		{"null", "null", "the body must be one JSON object"},
		{"half an object", `{"roomId":"a"`, "the body is not one JSON object: byte 13: unexpected end of JSON input"},
		{"trailing garbage", `{} x`, "the body is not one JSON object: byte 4: invalid character 'x' after top-level value"},
		{"two objects", `{}{}`, "the body is not one JSON object: byte 3: invalid character '{' after top-level value"},
		{"a comment", `{/**/}`, "the body is not one JSON object: byte 2: invalid character '/' looking for beginning of object key string"},
		{"bytes that are no text", "{\"roomId\":\"\xff\"}", "the body is not valid UTF-8"},
		{"deep nesting", `{"a":` + strings.Repeat("[", 9) + strings.Repeat("]", 9) + `}`, "the body is nested deeper than 8"},
		{"very deep nesting", strings.Repeat(`{"a":`, 11000) + "1" + strings.Repeat("}", 11000), "the body is not one JSON object: byte 50001: invalid character '{' exceeded max depth"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := decodeRequest([]byte(tt.body))
			var e *tasks.Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, tasks.CodeInvalidRequest, e.Code)
			assert.Equal(t, tt.want, e.Msg)
		})
	}
}

func TestTheErrorStaysSmallWhateverIsSent(t *testing.T) {
	var body strings.Builder
	body.WriteString(`{"` + strings.Repeat("ü", 1000) + `":1`)
	for i := range 1000 {
		body.WriteString(`,"f` + strings.Repeat("x", i%7+20) + string(rune('a'+i%26)) + `":1`)
	}
	body.WriteString("}")
	_, err := decodeRequest([]byte(body.String()))
	var e *tasks.Error
	require.ErrorAs(t, err, &e)
	assert.Len(t, e.Fields, maxProblems)
	assert.LessOrEqual(t, len(e.Fields[0].Field), maxNameShown+len("…"))
}

func TestTwoSpellingsOfOneRequestHaveOneCanonicalBody(t *testing.T) {
	a, err := decodeRequest([]byte(`{` + least + `}`))
	require.NoError(t, err)
	b, err := decodeRequest([]byte(`{"UserID":"anna","strRoomId":"r1", "SdkAppId":"1400000000","videoSrc":"https:\/\/a.example/v.mp4?t=1"}`))
	require.NoError(t, err)
	c, err := decodeRequest([]byte(`{` + least + `,"redis":true}`))
	require.NoError(t, err)
	assert.Equal(t, string(a.Body), string(b.Body))
	assert.NotEqual(t, string(a.Body), string(c.Body))
}

func TestEveryFieldOfARequestIsPartOfItsCanonicalBody(t *testing.T) {
	plain := string(canonical(leastRequest()))
	for i, change := range []func(*tasks.Request){
		func(r *tasks.Request) { r.VideoSrc += "x" }, func(r *tasks.Request) { r.SDKAppID++ },
		func(r *tasks.Request) { r.RoomID += "x" }, func(r *tasks.Request) { r.RoomWasNumber = true },
		func(r *tasks.Request) { r.UserID += "x" }, func(r *tasks.Request) { r.UserSig = "x" },
		func(r *tasks.Request) { r.ClientRole = "x" }, func(r *tasks.Request) { r.Redis = true },
		func(r *tasks.Request) { r.RedisHost = "x" }, func(r *tasks.Request) { r.RedisPort = 1 },
		func(r *tasks.Request) { r.RedisPassword = "x" }, func(r *tasks.Request) { r.Mode = "x" },
		func(r *tasks.Request) { r.ResumeScope = "x" }, func(r *tasks.Request) { r.ResumeKey = "x" },
	} {
		r := leastRequest()
		change(&r)
		assert.NotEqual(t, plain, string(canonical(r)), "change %d", i)
	}
}

func FuzzDecodeRequest(f *testing.F) {
	for _, seed := range []string{
		`{` + least + `}`, `{"VideoSrc":1,"videoSrc":null}`, `{"redis":"true","redisPort":"1"}`, `{"strRoomId":7}`,
		`{"a":{"b":[{}]}}`, `[]`, `{} {}`, "{\"userSig\":\"\xff\"}", `{"roomId":1e9}`,
		`{` + least + `,` + everyOption + `}`, `{"headers":{"a":"b","a":"c"}}`, `{"headers":[{}],"fps":"0x1p4"}`, "\ufeff{}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := decodeRequest(body)
		if err == nil {
			again, err := decodeRequest(asBody(r))
			require.NoError(t, err)
			assert.Equal(t, string(r.Body), string(again.Body))
			return
		}
		var e *tasks.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, tasks.CodeInvalidRequest, e.Code)
		require.LessOrEqual(t, len(e.Fields), maxProblems)
		require.Less(t, len(e.Msg), 512)
	})
}

// asBody writes r as a request again, empty fields too.
func asBody(r tasks.Request) []byte {
	reveal := func(s media.Secret) string { return s.Reveal() }
	body := map[string]any{
		"videoSrc": reveal(r.VideoSrc), "roomId": r.RoomID, "userId": r.UserID, "userSig": reveal(r.UserSig),
		"clientRole": r.ClientRole, "redis": r.Redis, "redisHost": r.RedisHost, "redisPassword": reveal(r.RedisPassword),
		"mode": r.Mode, "resumeScope": r.ResumeScope, "resumeKey": r.ResumeKey,
	}
	maps.Copy(body, optionsAsBody(r.Options))
	if r.RoomWasNumber {
		body["roomId"] = json.RawMessage(r.RoomID)
	}
	if r.SDKAppID != 0 {
		body["sdkAppId"] = r.SDKAppID
	}
	if r.RedisPort != 0 {
		body["redisPort"] = r.RedisPort
	}
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return text
}
