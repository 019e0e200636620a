package rtmp

import (
	"bytes"
	"strings"
	"testing"

	"github.com/bluenviron/gortmplib/pkg/amf0"
	"github.com/bluenviron/gortmplib/pkg/bytecounter"
	"github.com/bluenviron/gortmplib/pkg/message"
	"github.com/bluenviron/gortmplib/pkg/rawmessage"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/rtmp/peer"
)

func TestTheKindOfARefusal(t *testing.T) {
	for name, c := range map[string]struct {
		code, words string
		want        media.Kind
	}{
		"a name in use is a conflict":                 {"NetStream.Publish.BadName", "Already publishing", media.KindRoomConflict},
		"a name in use is one whatever the words say": {"NetStream.Publish.BadName", "rejected", media.KindRoomConflict},
		"a kick says so":                              {"NetStream.Publish.Kicked", "", media.KindRoomKicked},
		"a rejected connect is a denial":              {"NetConnection.Connect.Rejected", "", media.KindRoomDenied},
		"a denied publish is a denial":                {"NetStream.Publish.Denied", "", media.KindRoomDenied},
		"a rejected publish is a denial":              {"NetStream.Publish.Rejected", "", media.KindRoomDenied},
		"an unauthorized publish is a denial":         {"NetStream.Publish.Unauthorized", "", media.KindRoomDenied},
		"a failed authentication is a denial":         {"NetStream.Publish.AuthFailed", "", media.KindRoomDenied},
		"an expired signature is a denial":            {"NetStream.Publish.Expired", "", media.KindRoomDenied},
		"an unknown app is a denial":                  {"NetConnection.Connect.InvalidApp", "", media.KindRoomDenied},
		"the case of a code does not matter":          {"netstream.publish.badname", "", media.KindRoomConflict},
		"a shutdown says nothing":                     {"NetConnection.Connect.AppShutdown", "expired", media.KindRoomUnavailable},
		"a close says nothing":                        {"NetConnection.Connect.Closed", "", media.KindRoomUnavailable},
		"a failure is what its words say: expired":    {"NetStream.Publish.Failed", "UserSig expired", media.KindRoomDenied},
		"a failure is what its words say: auth":       {"NetConnection.Call.Failed", "code=403 need auth", media.KindRoomDenied},
		"a failure without a reason is unavailable":   {"NetStream.Publish.Failed", "try again", media.KindRoomUnavailable},
		"no code at all is unavailable":               {"", "", media.KindRoomUnavailable},
		"no code with words is what they say":         {"", "access denied", media.KindRoomDenied},
		"a code that ends in a dot is unavailable":    {"NetStream.", "", media.KindRoomUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			e := scrubber{}.asError("op", peer.Status{Code: c.code, Words: c.words}, media.KindRoomUnavailable)
			require.Equal(t, &media.Error{Kind: c.want, Op: "op", Code: c.code, Words: c.words}, e)
		})
	}
}

func TestWhatEndsASession(t *testing.T) {
	info := func(level, code string) amf0.Data {
		return amf0.Data{nil, amf0.Object{{Key: "level", Value: level}, {Key: "code", Value: code}}}
	}
	for name, c := range map[string]struct {
		command peer.Command
		want    bool
	}{
		"a start does not":                  {peer.Command{Name: "onStatus", Args: info("status", codePublishStart)}, false},
		"a warning does not":                {peer.Command{Name: "onStatus", Args: info("warning", "NetStream.Publish.Idle")}, false},
		"an unpublish does not":             {peer.Command{Name: "onStatus", Args: info("status", "NetStream.Unpublish.Success")}, false},
		"an error does":                     {peer.Command{Name: "onStatus", Args: info("error", "NetStream.Publish.Failed")}, true},
		"an error of FCPublish does":        {peer.Command{Name: "onFCPublish", Args: info("error", "NetStream.Publish.Failed")}, true},
		"a name in use does at any level":   {peer.Command{Name: "onStatus", Args: info("status", "NetStream.Publish.BadName")}, true},
		"an ECMA array counts too":          {peer.Command{Name: "onStatus", Args: amf0.Data{nil, amf0.ECMAArray(info("error", "x")[1].(amf0.Object))}}, true},
		"close does":                        {peer.Command{Name: "close"}, true},
		"a failed connect does":             {peer.Command{Name: "_error", ID: idConnect}, true},
		"a failed createStream does":        {peer.Command{Name: "_error", ID: idCreateStream}, true},
		"a failed releaseStream does not":   {peer.Command{Name: "_error", ID: idReleaseStream, Args: info("error", "x")}, false},
		"a failed FCPublish call does not":  {peer.Command{Name: "_error", ID: idFCPublish, Args: info("error", "x")}, false},
		"a result does not":                 {peer.Command{Name: "_result", ID: idCreateStream, Args: amf0.Data{nil, 1.0}}, false},
		"a result with level error does":    {peer.Command{Name: "_result", ID: idConnect, Args: info("error", "x")}, true},
		"a command we do not know does not": {peer.Command{Name: "onBWDone", Args: amf0.Data{nil}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, got := refusal(c.command)
			require.Equal(t, c.want, got)
		})
	}
}

func TestScrub(t *testing.T) {
	const sig = "eJw1*canary-SECRET*0123456789-abcdefghij_"
	target, err := splitAddress("rtmp://h/push/room?sdkappid=1400000000&userid=alice&usersig=" + sig)
	require.NoError(t, err)
	s := newScrubber(target)
	for name, c := range map[string]struct{ words, want string }{
		"plain words stay":                   {"Already publishing", "Already publishing"},
		"the whole query goes":               {"no stream room?" + target.query + " here", "no stream room?[redacted] here"},
		"the signature alone goes":           {"bad sig '" + sig + "'", "bad sig '[redacted]'"},
		"a signature cut short goes":         {"bad sig " + sig[:20], "bad sig [redacted]"},
		"a signature's end goes":             {"bad sig " + sig[15:], "bad sig [redacted]"},
		"an escaped signature goes":          {"usersig%3DeJw1%2Acanary-SECRET%2A0123456789-abcdefghij_!", "[redacted]!"},
		"the user's name alone stays":        {"user alice is unknown", "user alice is unknown"},
		"control characters become spaces":   {"a\r\nb\x00c", "a  b c"},
		"bytes that are no UTF-8 are spaces": {"a\xffb", "a b"},
		"long words are cut":                 {strings.Repeat("w", 5000), strings.Repeat("w", 256)},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, s.scrub(c.words))
		})
	}
}

func FuzzScrub(f *testing.F) {
	f.Add("no stream room?usersig=eJw1*canary")
	f.Add("é\xff\x00")
	f.Fuzz(func(t *testing.T, words string) {
		s := scrubber{secrets: [2]string{"usersig=eJw1*canary-SECRET", "usersig%3DeJw1%2Acanary-SECRET"}}
		got := s.scrub(words)
		require.LessOrEqual(t, len(got), maxWords)
		require.True(t, got == strings.ToValidUTF8(got, ""))
		for i := 0; i+minSecret <= len(s.secrets[0]); i++ {
			require.NotContains(t, got, s.secrets[0][i:i+minSecret])
		}
	})
}

func FuzzParseCommand(f *testing.F) {
	body, err := amf0.Data{"onStatus", 0.0, nil, amf0.Object{{Key: "level", Value: "error"}}}.Marshal()
	require.NoError(f, err)
	f.Add(body)
	f.Add([]byte{2, 0, 1, 'x', 0, 0x7f, 0xf8, 0, 0, 0, 0, 0, 1})
	f.Fuzz(func(_ *testing.T, body []byte) {
		r := peer.NewReader(bytecounter.NewReadWriter(&bytes.Buffer{}), nil)
		if c, ok, _ := r.Serve(&rawmessage.Message{Type: uint8(message.TypeCommandAMF0), Body: body}); ok {
			refusal(c)
		}
	})
}
