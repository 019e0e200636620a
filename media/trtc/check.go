package trtc

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tencentyun/tls-sig-api-v2-golang/tencentyun"

	"github.com/roomcast/roomcast/media"
)

const (
	digits  = "0123456789"
	letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

	// String rooms of the RTMP door (trtc.io/document/62716).
	roomAlphabet = digits + letters + "_"
	maxRoom      = 64

	// The userid of GenUserSig in Tencent's tls-sig-api-v2-golang: "up to 32
	// bytes in length and contain letters, digits, underscores, hyphens".
	userAlphabet = digits + letters + "_-"
	maxUser      = 32
)

// CheckRoom returns a *media.DestinationProblem with BadRoom unless room is
// 1 to 64 of [0-9A-Za-z_].
func CheckRoom(room string) error {
	if detail := checkName(room, roomAlphabet, maxRoom); detail != "" {
		return &media.DestinationProblem{Field: "roomId", Reason: media.BadRoom, Detail: detail}
	}
	return nil
}

// CheckUser returns a *media.DestinationProblem with BadUser unless user is
// 1 to 32 of [0-9A-Za-z_-].
func CheckUser(user string) error {
	if detail := checkName(user, userAlphabet, maxUser); detail != "" {
		return &media.DestinationProblem{Field: "userId", Reason: media.BadUser, Detail: detail}
	}
	return nil
}

func checkName(name, alphabet string, limit int) string {
	if name == "" {
		return "must not be empty"
	}
	if len(name) > limit {
		return fmt.Sprintf("has %d bytes, at most %d are allowed", len(name), limit)
	}
	for i, r := range []rune(name) {
		if !strings.ContainsRune(alphabet, r) {
			return fmt.Sprintf("has %q at position %d; allowed are letters, digits and %s",
				r, i+1, strings.Join(strings.Split(alphabet[len(digits)+len(letters):], ""), " "))
		}
	}
	return ""
}

// Check implements media.Door.
func (d *Door) Check(dest media.Destination, now time.Time) error {
	_, err := d.check(dest, now)
	return err
}

// check returns every problem joined, and the decoded signature when dest has
// one.
func (d *Door) check(dest media.Destination, now time.Time) (UserSig, error) {
	var app error
	if dest.SDKAppID == 0 {
		app = &media.DestinationProblem{Field: "sdkAppId", Reason: media.BadApp, Detail: "is required: the number of the TRTC application"}
	}
	sig, err := d.checkUserSig(dest, now)
	return sig, errors.Join(app, CheckRoom(dest.RoomID), CheckUser(dest.UserID), err)
}

func (d *Door) checkUserSig(dest media.Destination, now time.Time) (UserSig, error) {
	key, known := d.keys[dest.SDKAppID]
	if dest.UserSig == "" {
		if known {
			return UserSig{}, nil
		}
		return UserSig{}, missingUserSig(dest.SDKAppID)
	}
	sig, err := DecodeUserSig(dest.UserSig)
	if err != nil {
		return UserSig{}, err
	}
	if sig.Identifier != dest.UserID {
		return UserSig{}, foreign("is made for " + describeUser(sig.Identifier) + ", not for this userId")
	}
	if sig.SDKAppID != dest.SDKAppID {
		return UserSig{}, foreign(fmt.Sprintf("is made for app %d, not for app %d", sig.SDKAppID, dest.SDKAppID))
	}
	if !now.Before(sig.Expires) {
		return UserSig{}, &media.DestinationProblem{Field: "userSig", Reason: media.ExpiredUserSig,
			Detail: "ran out at " + sig.Expires.UTC().Format(time.RFC3339)}
	}
	// The text is safe for the library: DecodeUserSig has bounded what it
	// inflates to.
	if known && tencentyun.VerifyUserSigWithBuf(uint64(dest.SDKAppID), key.Reveal(), dest.UserID,
		dest.UserSig.Reveal(), now, sig.userBuf) != nil {
		return UserSig{}, foreign("is not signed with the key configured for this app")
	}
	return sig, nil
}

// describeUser names another user only when the name is one: it comes from
// outside and ends up in a message.
func describeUser(user string) string {
	if CheckUser(user) != nil {
		return "another user"
	}
	return "user " + user
}

func foreign(detail string) error {
	return &media.DestinationProblem{Field: "userSig", Reason: media.ForeignUserSig, Detail: detail}
}

func missingUserSig(app uint32) error {
	return &media.DestinationProblem{Field: "userSig", Reason: media.MissingUserSig,
		Detail: fmt.Sprintf("must be given: no key is configured for app %d", app)}
}
