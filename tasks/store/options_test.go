package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
)

// withOptions is a push that asks for everything.
func withOptions(t testing.TB, user string) tasks.NewPush {
	t.Helper()
	n := newPush(t, user)
	n.Push.Spec.Options = media.Options{
		StartAt: 1500 * time.Millisecond, EndAt: time.Minute, Repeat: media.RepeatForever, MaxDuration: time.Hour,
		Transcode: media.TranscodeAlways, Video: media.VideoOptions{Width: 640, Height: 360, FPS: 29.97, Bitrate: 800_000},
		Audio: media.AudioOptions{Bitrate: 96_000, Volume: 50, VolumeSet: true, Mute: true}, FillAudio: true, FillVideo: true,
		Choice: media.TrackChoice{Audio: "de", Program: 2}, AudioDelay: -200 * time.Millisecond,
	}
	n.Push.Spec.MaxIdle, n.Push.Spec.HeaderNames = time.Minute, []string{"Authorization"}
	return n
}

// A record is read by other versions than the one that wrote it: a member
// renamed here is an option forgotten there.
func TestOptionsStandInTheRecordUnderNamesThatStay(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	p, _, err := s.Create(ctx(t), withOptions(t, "u"))
	require.NoError(t, err)
	require.JSONEq(t, `{"VideoSrc":"https://h/v.mp4","SourceHost":"h","SDKAppID":1400000001,"RoomID":"room","UserID":"u",
		"ClientRole":"anchor","Redis":true,"Mode":"auto","ResumeScope":"source","ResumeKey":"abc",
		"Options":{"StartAt":1500000000,"EndAt":60000000000,"Repeat":-1,"MaxDuration":3600000000000,"Transcode":"always",
			"Video":{"Width":640,"Height":360,"FPS":29.97,"Bitrate":800000},
			"Audio":{"Bitrate":96000,"Volume":50,"VolumeSet":true,"Mute":true},"FillAudio":true,"FillVideo":true,
			"Choice":{"Audio":"de","Program":2},"AudioDelay":-200000000},
		"MaxIdle":60000000000,"HeaderNames":["Authorization"]}`, rdb.HGet(ctx(t), "{roomcast}:push:"+p.ID, "spec").Val())
}

func TestOptionsAndLoopsOutliveATakeoverAndALostRecord(t *testing.T) {
	s, rdb := fresh(t, store.Config{Lease: short, Grace: time.Hour})
	n := withOptions(t, "u")
	p, _, err := s.Create(ctx(t), n)
	require.NoError(t, err)
	require.Equal(t, n.Push.Spec, get(t, s, p.ID).Spec)
	sent := progress(2 * time.Second)
	renew(t, s, tasks.Renewal{Lease: claim(t, s, p, "w1"), State: tasks.Publishing, Started: time.Now(), Progress: sent})
	p.Epoch = takeover(t, s, expired(t, s, 1)[0])

	got, err := tryClaim(ctx(t), s, lease(p, "w2"), tasks.Place{})
	require.NoError(t, err)
	require.Equal(t, n.Push.Spec, got.Push.Spec)
	require.Equal(t, &sent, got.Push.Progress)
	require.Equal(t, 3, got.Push.Progress.Loop)
	require.Equal(t, 90*time.Second, got.Push.Progress.Played)

	running := get(t, s, p.ID)
	flush(t, rdb)
	require.Equal(t, tasks.Kept, register(t, s, tasks.Registration{Push: running, Envelope: "sealed"}))
	require.Equal(t, n.Push.Spec, get(t, s, p.ID).Spec)
	require.Equal(t, &sent, get(t, s, p.ID).Progress)
}

func TestARecordFromBeforeThereWereOptionsAsksForNothing(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	p := create(t, s, "u")
	require.NoError(t, rdb.HSet(ctx(t), "{roomcast}:push:"+p.ID, "spec", `{"RoomID":"room"}`).Err())
	got := get(t, s, p.ID).Spec
	require.Equal(t, tasks.Spec{RoomID: "room"}, got)
	require.Equal(t, media.Options{}, got.Options)
}
