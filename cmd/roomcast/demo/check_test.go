package demo

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/cmd/roomcast/client"
	"github.com/roomcast/roomcast/media/fakeroom"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/roomcast/roomcast/tasks"
)

// published lets ffmpeg publish a clip of 3 s into the demo's room, in real
// time if it is given "-re", and returns the figures of that.
func published(t *testing.T, d *demo, args ...string) figures {
	t.Helper()
	clip := mediatest.Clip(t, mediatest.Spec{Seconds: 3})
	r, err := d.request()
	require.NoError(t, err)
	url := d.room.URL() + "/" + r.RoomID + "?sdkappid=" + strconv.Itoa(appID) + "&userid=" + r.UserID + "&usersig=" + r.UserSig.Reveal()
	f := figures{asked: time.Now(), stopAsked: time.Now()}
	mediatest.FFmpeg(t, append(args, "-i", clip, "-c", "copy", "-f", "flv", url)...)
	f.session, err = d.room.WaitEnded(soon(t), userID)
	require.NoError(t, err)
	return f
}

func TestWhatTheRoomReceivedIsChecked(t *testing.T) {
	for name, tt := range map[string]struct {
		seconds int
		args    []string
		problem string
	}{
		"enough in real time is good": {2, []string{"-re"}, ""},
		"too little is not":           {5, []string{"-re"}, "of decodable video, not 5s"},
		"all at once is not":          {2, nil, "not in real time"},
		"video alone is not":          {2, []string{"-re", "-an"}, "of decodable audio, not 2s"},
	} {
		t.Run(name, func(t *testing.T) {
			var d *demo
			var f figures
			var err error
			for range 3 { // what a busy machine made late is not in real time
				d = newTestDemo(t)
				d.cfg.Seconds, d.cfg.Keep = tt.seconds, true
				require.NoError(t, d.startRoom(t.Context()))
				noise := mediatest.WatchNoise(t)
				f = published(t, d, tt.args...)
				stood := noise()
				err = d.check(soon(t), &f)
				if stood < 150*time.Millisecond || (err == nil) == (tt.problem == "") {
					break
				}
			}
			if tt.problem != "" {
				require.ErrorContains(t, err, tt.problem)
				return
			}
			require.NoError(t, err)
			assert.True(t, f.decoded)
			assert.InDelta(t, 3, f.videoFile.Seconds(), 0.1)
			assert.InDelta(t, 3, f.audioFile.Seconds(), 0.1)
			assert.FileExists(t, d.dir+"/frame.png")
			assert.Contains(t, f.String(), "decoded without error  yes")
		})
	}
}

func TestADisorderIsNamed(t *testing.T) {
	f := figures{
		session: fakeroom.Session{Ending: fakeroom.Ending{End: fakeroom.EndLost, EndWords: "EOF"}, Truncated: true},
		report:  fakeroom.Report{Problems: []string{"timestamps at 1s"}},
	}
	err := inOrder(f, 2)
	for _, want := range []string{"connected 2 times", "no unpublish: lost EOF", "not complete", "timestamps at 1s"} {
		assert.ErrorContains(t, err, want)
	}
}

func TestSpansOfPackets(t *testing.T) {
	video, audio, err := spans([]byte(`{"packets":[
		{"codec_type":"video","pts_time":"1.0","duration_time":"0.5"},{"codec_type":"audio","pts_time":"0.5"},
		{"codec_type":"video","pts_time":"N/A"},{"codec_type":"video","pts_time":"2.5","duration_time":"0.5"}]}`))
	require.NoError(t, err)
	assert.Equal(t, 2*time.Second, video)
	assert.Zero(t, audio)
	_, _, err = spans([]byte("no"))
	assert.Error(t, err)
}

func TestTheFirstPacketIsOfEitherTrack(t *testing.T) {
	at := time.Now()
	for name, tt := range map[string]struct{ video, audio, want time.Time }{
		"video first":   {at, at.Add(1), at},
		"audio first":   {at.Add(1), at, at},
		"video alone":   {at, time.Time{}, at},
		"audio alone":   {time.Time{}, at, at},
		"none came yet": {},
	} {
		t.Run(name, func(t *testing.T) {
			var f figures
			f.session.Video.FirstAt, f.session.Audio.FirstAt = tt.video, tt.audio
			assert.Equal(t, tt.want, f.firstPacket())
		})
	}
}

func TestTheCauseComesBeforeItsConsequences(t *testing.T) {
	failed := client.Push{State: tasks.Failed, Error: &client.Failure{Code: "room_denied", Message: "no"}}
	assert.EqualError(t, followed{last: failed}.problem(errPushEnded, nil), "the push failed: no [room_denied]")
	assert.ErrorIs(t, followed{last: client.Push{State: tasks.Completed}}.problem(errPushEnded, nil), errPushEnded)
	assert.ErrorContains(t, followed{last: client.Push{State: tasks.Completed}}.problem(nil, nil), "is completed after its stop")
	assert.NoError(t, followed{last: client.Push{State: tasks.Stopped}}.problem(nil, nil))
}
