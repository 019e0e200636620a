package rtmp_test

import (
	"context"
	"fmt"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakeroom"
	"github.com/roomcast/roomcast/media/rtmp"
	"github.com/roomcast/roomcast/media/trtc"
)

// A publisher is dialled with the address of a room and with the tracks that the room
// is to be told of. Here the room is a stand-in.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	room, err := fakeroom.Start(fakeroom.Config{Keys: map[uint32]string{1400000001: "key"}})
	if err != nil {
		panic(err)
	}
	defer room.Close()
	door, err := trtc.New(trtc.Config{Keys: map[uint32]media.Secret{1400000001: "key"}, Endpoint: room.URL()})
	if err != nil {
		panic(err)
	}
	address, err := door.Address(media.Destination{SDKAppID: 1400000001, RoomID: "class_1", UserID: "teacher"}, time.Now())
	if err != nil {
		panic(err)
	}

	sound := media.Track{Type: media.Audio, Codec: media.AAC, SampleRate: 48000, Channels: 2, Extradata: []byte{0x11, 0x90}}
	publisher, err := new(rtmp.Dialer).Dial(ctx, address, []media.Track{sound})
	if err != nil {
		panic(err)
	}
	silence := []byte{0x21, 0x10, 0x04, 0x60, 0x8c, 0x1c}
	var packets []media.Packet
	for i := range 3 {
		at := time.Duration(i) * 21 * time.Millisecond
		packets = append(packets, media.Packet{DTS: at, PTS: at, Data: silence})
	}
	if _, err := publisher.Write(ctx, packets); err != nil {
		panic(err)
	}
	session, err := room.Wait(ctx, "teacher", "three packets", func(s fakeroom.Session) bool { return s.Audio.Packets == 3 })
	if err != nil {
		panic(err)
	}
	fmt.Println(session.User, "is in", session.Room)
	if err := publisher.Close(ctx); err != nil {
		panic(err)
	}
	session, err = room.Wait(ctx, "teacher", "its end", func(s fakeroom.Session) bool { return s.End != "" })
	if err != nil {
		panic(err)
	}
	fmt.Println("left with an unpublish:", session.Unpublished)
	// Output:
	// teacher is in class_1
	// left with an unpublish: true
}

// A room that refuses says why, in its own words.
func ExampleDialer_Dial_refused() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	room, err := fakeroom.Start(fakeroom.Config{Keys: map[uint32]string{1400000001: "key"}})
	if err != nil {
		panic(err)
	}
	defer room.Close()
	sound := media.Track{Type: media.Audio, Codec: media.AAC, SampleRate: 48000, Channels: 2, Extradata: []byte{0x11, 0x90}}
	address := media.PublishAddress{URL: media.Secret(room.URL() + "/class_1?sdkappid=1400000001&userid=teacher&usersig=wrong")}
	_, err = new(rtmp.Dialer).Dial(ctx, address, []media.Track{sound})
	fmt.Println(media.KindOf(err))
	// Output: room_denied
}
