package fakeroom_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bluenviron/gortmplib/pkg/message"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/stretchr/testify/require"
	"github.com/tencentyun/tls-sig-api-v2-golang/tencentyun"

	"github.com/roomcast/roomcast/media/fakeroom"
	"github.com/roomcast/roomcast/media/mediatest"
)

func aacConfig() *message.Audio {
	return &message.Audio{
		ChunkStreamID: message.AudioChunkStreamID, MessageStreamID: 0x1000000,
		Codec: message.CodecMPEG4Audio, AACType: message.AudioAACTypeConfig,
		AACConfig: &mpeg4audio.AudioSpecificConfig{
			Type: mpeg4audio.ObjectTypeAACLC, SampleRate: 48000, ChannelConfig: 2,
		},
	}
}

func TestFFmpegPublishesAClip(t *testing.T) {
	t.Parallel()
	noise := mediatest.WatchNoise(t)
	room := startRoom(t, fakeroom.Config{RecordAll: true})
	clip := mediatest.Clip(t, mediatest.Spec{})
	p := ffmpeg(t, clip, address(t, room, "room_1", "anna"), "-c", "copy")
	_, err := room.WaitPublishing(soon(t), "anna")
	require.NoError(t, err, p.Output())
	live := room.Publishers()
	require.Len(t, live, 1)
	require.Equal(t, fakeroom.Publisher{App: app, Room: "room_1", User: "anna", Remote: live[0].Remote}, live[0].Publisher)

	s, err := room.WaitEnded(soon(t), "anna")
	require.NoError(t, err)
	require.NoError(t, p.Wait(time.Minute), p.Output())
	require.Equal(t, fakeroom.EndUnpublished, s.End)
	require.True(t, s.Unpublished)
	require.Empty(t, s.Violations)
	require.Equal(t, 150, s.Video.Packets)
	require.Equal(t, 5, s.Video.Keyframes)
	require.Equal(t, [2]int{640, 360}, [2]int{s.Width, s.Height})
	require.InDelta(t, 5, s.Media().Seconds(), 0.2)
	require.Len(t, s.VideoConfigs, 1)
	require.Len(t, s.AudioConfigs, 1)
	require.Less(t, s.Video.MaxStep, 50*time.Millisecond)
	require.NoError(t, s.Report().Check(4800*time.Millisecond, mediatest.Hops*noise()), s.Report())
	require.Error(t, s.Report().Check(6*time.Second, mediatest.Hops*noise()))
	require.Empty(t, room.Publishers())

	path := writeFLV(t, room, s.ID)
	mediatest.Decode(t, path)
	m := mediatest.Probe(t, path)
	require.Len(t, m.Of("video"), 150)
	require.InDelta(t, 5, m.Span("video").Seconds(), 0.1)
	require.InDelta(t, 5, m.Span("audio").Seconds(), 0.1)
	video, _ := m.Stream("video")
	require.Equal(t, "h264", video.Codec)
}

func writeFLV(t *testing.T, room *fakeroom.Server, id int) string {
	t.Helper()
	var buf bytes.Buffer
	require.NoError(t, room.WriteFLV(&buf, id))
	path := filepath.Join(t.TempDir(), "kept.flv")
	require.NoError(t, os.WriteFile(path, buf.Bytes(), 0o600))
	return path
}

func TestTheLastSecondsAreKeptFromAKeyframeOn(t *testing.T) {
	t.Parallel()
	noise := mediatest.WatchNoise(t)
	room := startRoom(t, fakeroom.Config{Keep: 1500 * time.Millisecond})
	p := mediatest.FFmpegPublish(t, address(t, room, "r", "keeper"), mediatest.Clip(t, mediatest.Spec{}))
	s, err := room.WaitMedia(soon(t), "keeper", 5*time.Second)
	require.NoError(t, err, p.Output())
	p.Interrupt()
	_, err = room.WaitEnded(soon(t), "keeper")
	require.NoError(t, err)

	path := writeFLV(t, room, s.ID)
	mediatest.Decode(t, path)
	m := mediatest.Probe(t, path)
	require.True(t, m.Of("video")[0].Keyframe())
	require.Greater(t, m.Span("video"), time.Second)
	require.Less(t, m.Span("video"), 4*time.Second+mediatest.Hops*noise())
	require.NotEmpty(t, m.Of("audio"))
}

func TestRefusedPublishes(t *testing.T) {
	t.Parallel()
	room := startRoom(t, fakeroom.Config{})
	good := sign(t, "eve")
	expired, err := tencentyun.GenUserSig(app, key, "eve", -10)
	require.NoError(t, err)
	forged, err := tencentyun.GenUserSig(app, "another key", "eve", 3600)
	require.NoError(t, err)
	foreign, err := tencentyun.GenUserSig(7, key, "eve", 3600)
	require.NoError(t, err)
	long := string(bytes.Repeat([]byte("r"), 65))
	for name, key := range map[string]string{
		"no signature":                  "room?sdkappid=1400000123&userid=eve",
		"a garbage signature":           streamKey("room", "eve", "garbage"),
		"an expired signature":          streamKey("room", "eve", expired),
		"a signature of another key":    streamKey("room", "eve", forged),
		"a signature of another app":    streamKey("room", "eve", foreign),
		"somebody else's signature":     streamKey("room", "adam", good),
		"an unknown app":                "room?sdkappid=7&userid=eve&usersig=" + foreign,
		"no app":                        "room?userid=eve&usersig=" + good,
		"a room of a wrong alphabet":    streamKey("a-room", "eve", good),
		"a room of 65 characters":       streamKey(long, "eve", good),
		"no room":                       streamKey("", "eve", good),
		"a numeric room":                streamKey("1", "eve", good) + "&use_number_room_id=1",
		"a user of a wrong alphabet":    streamKey("room", "eve!", good),
		"a parameter given twice":       streamKey("room", "eve", good) + "&userid=adam",
		"a signature cut short":         streamKey("room", "eve", good[:len(good)/2]),
		"a signature of an absurd size": streamKey("room", "eve", string(bytes.Repeat([]byte("x"), 4000))),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := dial(t, room.URL()+"/"+key)
			require.ErrorContains(t, err, fakeroom.CodeDenied)
		})
	}
	require.Empty(t, room.Sessions())
	for _, e := range room.History() {
		require.Equal(t, fakeroom.EventRefuse, e.Kind)
		require.NotEmpty(t, e.Words)
	}
	require.NoError(t, room.WaitIdle(soon(t)))
	publish(t, address(t, room, "room", "eve"))
}

func TestFFmpegIsToldOfABadSignature(t *testing.T) {
	t.Parallel()
	room := startRoom(t, fakeroom.Config{})
	clip := mediatest.Clip(t, mediatest.Spec{})
	p := ffmpeg(t, clip, room.URL()+"/"+streamKey("room", "anna", "eJwbad"), "-c", "copy")
	require.Error(t, p.Wait(time.Minute))
	require.Contains(t, p.Output(), "usersig refused")
}

func TestAnotherApplicationIsRefusedAtConnect(t *testing.T) {
	t.Parallel()
	room := startRoom(t, fakeroom.Config{})
	_, err := dial(t, "rtmp://"+room.Addr()+"/live/"+streamKey("room", "anna", sign(t, "anna")))
	require.ErrorContains(t, err, fakeroom.CodeConnectRejected)
}

func TestBFramesAreCutAfterASecond(t *testing.T) {
	t.Parallel()
	noise := mediatest.WatchNoise(t)
	room := startRoom(t, fakeroom.Config{})
	clip := mediatest.Clip(t, mediatest.Spec{BFrames: 2})
	p := ffmpeg(t, clip, address(t, room, "room", "bob"), "-c", "copy")
	s, err := room.WaitEnded(soon(t), "bob")
	require.NoError(t, err, p.Output())
	require.Equal(t, fakeroom.EndCut, s.End)
	require.True(t, s.Broke(fakeroom.BFrames))
	require.Contains(t, s.EndWords, "B-frames")
	require.GreaterOrEqual(t, s.EndedAt.Sub(s.StartedAt), time.Second)
	require.Less(t, s.Video.Span(), 4*time.Second+noise())
	require.Error(t, p.Wait(time.Minute), "ffmpeg should have noticed")
	require.Empty(t, room.Publishers(), "who is cut is out at once")
}

func TestWrongCodecsAreCut(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"Sorenson": {"-c:v", "flv1", "-c:a", "copy"},
		"MP3":      {"-c:v", "copy", "-c:a", "libmp3lame", "-ar", "44100"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			room := startRoom(t, fakeroom.Config{})
			p := ffmpeg(t, mediatest.Clip(t, mediatest.Spec{}), address(t, room, "room", "bob"), args...)
			s, err := room.WaitEnded(soon(t), "bob")
			require.NoError(t, err, p.Output())
			require.Equal(t, fakeroom.EndCut, s.End)
			require.True(t, s.Broke(fakeroom.WrongCodec))
			require.Contains(t, s.EndWords, name)
		})
	}
}

func TestHEVCIsCut(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]message.Message{
		"H.265": &message.Video{
			ChunkStreamID: message.VideoChunkStreamID, MessageStreamID: 0x1000000,
			Codec: message.CodecH265, IsKeyFrame: true, Type: message.VideoTypeAU, AU: []byte{0, 0, 0, 1, 0x26},
		},
		"hvc1": &message.VideoExFramesX{
			ChunkStreamID: message.VideoChunkStreamID, MessageStreamID: 0x1000000,
			FourCC: message.FourCCHEVC, Payload: []byte{0, 0, 0, 1, 0x26},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			room := startRoom(t, fakeroom.Config{})
			p := publish(t, address(t, room, "room", "bob"))
			p.send(m)
			code, words := p.status()
			require.Equal(t, fakeroom.CodeCut, code)
			require.Contains(t, words, name)
		})
	}
}

func TestASecondPublisherKicksTheFirstEvenInAnotherRoom(t *testing.T) {
	t.Parallel()
	room := startRoom(t, fakeroom.Config{})
	first := publish(t, address(t, room, "room_1", "twin"))
	first.audio(0, 3)
	second := publish(t, address(t, room, "room_2", "twin"))
	code, _ := first.status()
	require.Equal(t, fakeroom.CodeKicked, code)
	second.audio(0, 3)

	live := room.Publishers()
	require.Len(t, live, 1)
	require.Equal(t, "room_2", live[0].Room)
	require.Equal(t, fakeroom.EndKicked, room.Sessions()[0].End)
	var kinds []fakeroom.EventKind
	for _, e := range room.History() {
		kinds = append(kinds, e.Kind)
	}
	require.Equal(t, []fakeroom.EventKind{
		fakeroom.EventPublish, fakeroom.EventKick, fakeroom.EventPublish,
	}, kinds)
}

func TestUnpublishRemovesAtOnce(t *testing.T) {
	t.Parallel()
	room := startRoom(t, fakeroom.Config{})
	p := publish(t, address(t, room, "room", "anna"))
	p.audio(0, 2)
	p.unpublish()
	code, _ := p.status()
	require.Equal(t, fakeroom.CodeUnpublished, code)
	require.Empty(t, room.Publishers())
	s, _ := room.Session("anna")
	require.Equal(t, fakeroom.EndUnpublished, s.End)
}

func TestTimestampsThatDoNotRiseAreRecorded(t *testing.T) {
	t.Parallel()
	room := startRoom(t, fakeroom.Config{})
	p := publish(t, address(t, room, "room", "anna"))
	p.audio(0, 3)
	p.audio(20*time.Millisecond, 1)
	s, err := room.Wait(soon(t), "anna", "4 packets", func(s fakeroom.Session) bool { return s.Audio.Packets == 4 })
	require.NoError(t, err)
	require.True(t, s.Broke(fakeroom.Timestamps))
	require.True(t, s.Live(), "it is not cut for that")
}

func TestCloseEndsRunningSessions(t *testing.T) {
	t.Parallel()
	room := startRoom(t, fakeroom.Config{})
	publish(t, address(t, room, "room", "anna"))
	room.Close()
	s, _ := room.Session("anna")
	require.Equal(t, fakeroom.EndClosed, s.End)
	require.Zero(t, room.Connections())
	room.Close()
}

func TestForgetAndKeepEnded(t *testing.T) {
	t.Parallel()
	room := startRoom(t, fakeroom.Config{KeepEnded: 1})
	for _, user := range []string{"one", "two"} {
		p := publish(t, address(t, room, "room", user))
		p.audio(0, 2)
		p.unpublish()
		_, err := room.WaitEnded(soon(t), user)
		require.NoError(t, err)
	}
	require.Error(t, room.WriteFLV(&bytes.Buffer{}, 1))
	require.NoError(t, room.WriteFLV(&bytes.Buffer{}, 2))
	require.Equal(t, 2, room.Sessions()[0].Audio.Packets)
	room.Forget()
	require.Empty(t, room.Sessions())
	require.Empty(t, room.History())
}
