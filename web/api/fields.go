package api

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"

	"github.com/roomcast/roomcast/tasks"
)

// draft is a request in the making.
type draft struct {
	tasks.Request
	strRoomID string // the template's other name of roomId; see joinRooms
}

// setter stores a value of a request, or complains in words that follow the
// field's name. It never quotes the value: it may be a secret.
type setter func(r *draft, value any) (complaint string)

type field struct {
	name     string
	required bool
	set      setter
}

var fields = []field{
	{"videoSrc", true, func(r *draft, v any) string { return text(&r.VideoSrc, v) }},
	{"sdkAppId", true, func(r *draft, v any) string { return whole(&r.SDKAppID, v, 1<<32-1) }},
	{"roomId", true, setRoom},
	{"strRoomId", false, func(r *draft, v any) string { return text(&r.strRoomID, v) }},
	{"userId", true, func(r *draft, v any) string { return textOrNumber(&r.UserID, v) }},
	{"userSig", false, func(r *draft, v any) string { return text(&r.UserSig, v) }},
	{"clientRole", false, func(r *draft, v any) string { return text(&r.ClientRole, v) }},
	{"redis", false, func(r *draft, v any) string { return truth(&r.Redis, v) }},
	{"redisHost", false, func(r *draft, v any) string { return text(&r.RedisHost, v) }},
	{"redisPort", false, setRedisPort},
	{"redisPassword", false, func(r *draft, v any) string { return textOrNumber(&r.RedisPassword, v) }},
	{"mode", false, func(r *draft, v any) string { return text(&r.Mode, v) }},
	{"resumeScope", false, func(r *draft, v any) string { return text(&r.ResumeScope, v) }},
	{"resumeKey", false, func(r *draft, v any) string { return textOrNumber(&r.ResumeKey, v) }},
	{"startAtMs", false, func(r *draft, v any) string { return integer(&r.Options.StartAtMs, v) }},
	{"endAtMs", false, func(r *draft, v any) string { return integer(&r.Options.EndAtMs, v) }},
	{"repeat", false, func(r *draft, v any) string { return integer(&r.Options.Repeat, v) }},
	{"maxDurationSec", false, func(r *draft, v any) string { return integer(&r.Options.MaxDurationSec, v) }},
	{"maxIdleSec", false, func(r *draft, v any) string { return integer(&r.Options.MaxIdleSec, v) }},
	{"volume", false, func(r *draft, v any) string { return integer(&r.Options.Volume, v) }},
	{"mute", false, func(r *draft, v any) string { return truth(&r.Options.Mute, v) }},
	{"transcode", false, func(r *draft, v any) string { return text(&r.Options.Transcode, v) }},
	{"width", false, func(r *draft, v any) string { return integer(&r.Options.Width, v) }},
	{"height", false, func(r *draft, v any) string { return integer(&r.Options.Height, v) }},
	{"fps", false, func(r *draft, v any) string { return decimal(&r.Options.FPS, v) }},
	{"videoKbps", false, func(r *draft, v any) string { return integer(&r.Options.VideoKbps, v) }},
	{"audioKbps", false, func(r *draft, v any) string { return integer(&r.Options.AudioKbps, v) }},
	{"fillAudio", false, func(r *draft, v any) string { return choice(&r.Options.FillAudio, v) }},
	{"fillVideo", false, func(r *draft, v any) string { return truth(&r.Options.FillVideo, v) }},
	{"audioTrack", false, func(r *draft, v any) string { return textOrNumber(&r.Options.AudioTrack, v) }},
	{"programNumber", false, func(r *draft, v any) string { return integer(&r.Options.ProgramNumber, v) }},
	{"audioDelayMs", false, func(r *draft, v any) string { return integer(&r.Options.AudioDelayMs, v) }},
	{"headers", false, setHeaders},
	{"headersFor", false, func(r *draft, v any) string { return text(&r.Options.HeadersFor, v) }},
	{"callbackUrl", false, func(r *draft, v any) string { return text(&r.CallbackURL, v) }},
	{"callbackEvents", false, setCallbackEvents},
	{"metadata", false, setMetadata},
}

// fieldOf finds a field by its lower-cased name.
func fieldOf(key string) (f field, known bool) {
	for _, f := range fields {
		if strings.ToLower(f.name) == key {
			return f, true
		}
	}
	return field{}, false
}

func fieldNames() []string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	return names
}

func text[S ~string](to *S, value any) string {
	s, ok := value.(string)
	if !ok {
		return "must be a string"
	}
	*to = S(s)
	return ""
}

func textOrNumber[S ~string](to *S, value any) string {
	if n, ok := value.(json.Number); ok {
		*to = S(n)
		return ""
	}
	return text(to, value)
}

// whole takes a whole number as a number or a string of digits; an empty
// string, as forms send it, is the same as absent.
func whole[N ~int | ~uint32](to *N, value any, most uint64) string {
	var digits string
	if textOrNumber(&digits, value) != "" {
		return "must be a number"
	}
	if digits == "" {
		return ""
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || n == 0 || n > most {
		return "must be a whole number from 1 to " + strconv.FormatUint(most, 10)
	}
	*to = N(n)
	return ""
}

func truth(to *bool, value any) string {
	b, isBool := value.(bool)
	s, isText := value.(string)
	switch s = strings.ToLower(s); {
	case isBool:
		*to = b
	case isText && (s == "true" || s == "false" || s == ""):
		*to = s == "true"
	default:
		return "must be true or false"
	}
	return ""
}

// choice is truth that knows whether it was given.
func choice(to **bool, value any) string {
	if value == "" {
		return ""
	}
	var b bool
	if complaint := truth(&b, value); complaint != "" {
		return complaint
	}
	*to = &b
	return ""
}

// integer takes a whole number of either sign as a number or a string of
// digits; an empty string is the same as absent. What it may be is checked
// with the rest of the request.
func integer(to **int64, value any) string {
	var digits string
	if textOrNumber(&digits, value) != "" {
		return "must be a number"
	}
	if digits == "" {
		return ""
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return "must be a whole number"
	}
	*to = &n
	return ""
}

// decimal is integer with a fraction.
func decimal(to **float64, value any) string {
	var digits string
	if textOrNumber(&digits, value) != "" {
		return "must be a number"
	}
	if digits == "" {
		return ""
	}
	x, err := strconv.ParseFloat(digits, 64)
	if err != nil || !json.Valid([]byte(digits)) { // Go knows more numbers than JSON
		return "must be a number"
	}
	*to = &x
	return ""
}

// setRoom remembers that the room was a number: TRTC's numeric rooms are others
// than its string rooms, and a push goes into a string room.
func setRoom(r *draft, value any) string {
	n, isNumber := value.(json.Number)
	if isNumber && strings.ContainsFunc(n.String(), func(c rune) bool { return c < '0' || c > '9' }) {
		return "must be a string"
	}
	r.RoomWasNumber = isNumber
	return textOrNumber(&r.RoomID, value)
}

func setRedisPort(r *draft, value any) string { return whole(&r.RedisPort, value, 65535) }

// canonical spells out a request so that two of the same meaning are the same
// bytes, however their clients wrote them. It goes into a keyed digest only.
func canonical(r tasks.Request) []byte {
	parts := []any{
		r.VideoSrc.Reveal(), r.SDKAppID, r.RoomID, r.RoomWasNumber, r.UserID, r.UserSig.Reveal(),
		r.ClientRole, r.Redis, r.RedisHost, r.RedisPort, r.RedisPassword.Reveal(),
		r.Mode, r.ResumeScope, r.ResumeKey,
	}
	// A request without options is as it was before there were any, so that an
	// idempotency key outlives an upgrade.
	if w := r.Options; !reflect.ValueOf(w).IsZero() {
		headers := revealed(w.Headers)
		w.Headers = nil
		parts = append(parts, w, headers)
	}
	if r.CallbackURL != "" || len(r.CallbackEvents) > 0 || len(r.Metadata) > 0 {
		parts = append(parts, map[string]any{
			"callbackUrl": r.CallbackURL.Reveal(), "callbackEvents": r.CallbackEvents, "metadata": r.Metadata,
		})
	}
	text, err := json.Marshal(parts)
	if err != nil {
		panic(err) // strings, numbers and booleans always marshal
	}
	return text
}
