package trtc_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/trtc"
)

// A door with an application's key makes the signature that a destination lacks.
func Example() {
	door, err := trtc.New(trtc.Config{Keys: map[uint32]media.Secret{1400000001: "the application's secret key"}})
	if err != nil {
		panic(err)
	}
	address, err := door.Address(media.Destination{SDKAppID: 1400000001, RoomID: "class_1", UserID: "teacher"}, time.Now())
	if err != nil {
		panic(err)
	}
	fmt.Println("an address is a secret:", address.URL)
	shown, _, _ := strings.Cut(address.URL.Reveal(), "&usersig=")
	fmt.Println(shown)
	// Output:
	// an address is a secret: [redacted]
	// rtmp://rtmp.rtc.qq.com/push/class_1?sdkappid=1400000001&userid=teacher
}

// Check names everything that is wrong with a destination, by field.
func ExampleDoor_Check() {
	door, err := trtc.New(trtc.Config{})
	if err != nil {
		panic(err)
	}
	wrong := door.Check(media.Destination{SDKAppID: 1400000001, RoomID: "class 1", UserID: "teacher"}, time.Now())
	for _, problem := range media.DestinationProblems(wrong) {
		fmt.Println(problem.Field, problem.Detail)
	}
	// Output:
	// roomId has ' ' at position 6; allowed are letters, digits and _
	// userSig must be given: no key is configured for app 1400000001
}
