package fakeroom

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tencentyun/tls-sig-api-v2-golang/tencentyun"
)

// The codes this room puts into its onStatus and _error replies. Those of a
// kick and of a cut are ours: Tencent documents none.
const (
	CodeConnectRejected = "NetConnection.Connect.Rejected"
	CodePublishStart    = "NetStream.Publish.Start"
	CodeDenied          = "NetStream.Publish.Denied"
	CodeBadName         = "NetStream.Publish.BadName"
	CodeKicked          = "NetStream.Publish.Kicked"
	CodeCut             = "NetStream.Publish.Rejected"
	CodeUnpublished     = "NetStream.Unpublish.Success"
)

const (
	appName    = "push"
	maxUserSig = 2048 // bytes; real ones are under 300
)

// Room and user rules of trtc.io/document/62716 and of Tencent's UserSig code.
var (
	roomRule = regexp.MustCompile(`^[0-9A-Za-z_]{1,64}$`)
	userRule = regexp.MustCompile(`^[0-9A-Za-z_-]{1,32}$`)
)

// address is who publishes where, as a stream key says it.
type address struct {
	app        uint32
	room, user string
	sig        string
}

// parseStreamKey reads "<room>?sdkappid=<n>&userid=<u>&usersig=<s>" as it
// stands, without percent-decoding. Its error is words for the publisher; the
// address is filled as far as it could be read.
func parseStreamKey(key string) (address, error) {
	room, query, _ := strings.Cut(key, "?")
	a := address{room: room}
	values := map[string]string{}
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if _, twice := values[name]; twice {
			return a, fmt.Errorf("%s is given twice", name)
		}
		values[name] = value
	}
	a.user, a.sig = values["userid"], values["usersig"]
	app, err := strconv.ParseUint(values["sdkappid"], 10, 32)
	a.app = uint32(app)
	_, numeric := values["use_number_room_id"]
	switch {
	case !roomRule.MatchString(room):
		return a, fmt.Errorf("the room id must be 1 to 64 of 0-9 A-Z a-z _")
	case numeric:
		return a, fmt.Errorf("only string rooms are taken here")
	case err != nil || app == 0:
		return a, fmt.Errorf("sdkappid is missing or not a number")
	case !userRule.MatchString(a.user):
		return a, fmt.Errorf("userid must be 1 to 32 of 0-9 A-Z a-z _ -")
	case a.sig == "":
		return a, fmt.Errorf("usersig is missing")
	case len(a.sig) > maxUserSig:
		return a, fmt.Errorf("usersig is too long")
	}
	return a, nil
}

// verify checks a's signature with its app's key. Its error is words for the
// publisher.
func (a address) verify(keys map[uint32]string, now time.Time) error {
	key, known := keys[a.app]
	if !known {
		return fmt.Errorf("app %d is unknown", a.app)
	}
	err := tencentyun.VerifyUserSig(uint64(a.app), key, a.user, a.sig, now)
	if err != nil {
		return fmt.Errorf("usersig refused: %w", err)
	}
	return nil
}
