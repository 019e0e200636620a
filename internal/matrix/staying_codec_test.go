package matrix

import (
	"bytes"
	"encoding/binary"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortmplib/pkg/amf0"
	"github.com/bluenviron/gortmplib/pkg/bytecounter"
	"github.com/bluenviron/gortmplib/pkg/handshake"
	"github.com/bluenviron/gortmplib/pkg/message"
	"github.com/bluenviron/gortmplib/pkg/rawmessage"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakeroom"
	"github.com/roomcast/roomcast/media/mediatest"
)

// tagPublisher publishes an FLV's tags as they are: ffmpeg does not change a codec.
type tagPublisher struct {
	tags *rawmessage.Writer
	at   uint32 // milliseconds: where the next clip begins
}

// publishTags begins to publish app/name.
func publishTags(t *testing.T, address string) *tagPublisher {
	t.Helper()
	place, path, _ := strings.Cut(strings.TrimPrefix(address, "rtmp://"), "/")
	app, name, _ := strings.Cut(path, "/")
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", place)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	counter := bytecounter.NewReadWriter(conn)
	_, _, err = handshake.DoClient(counter, false, false)
	require.NoError(t, err)
	commands := message.NewWriter(counter, counter.Writer, false)
	from := message.NewReader(counter, counter.Reader, func(uint32) error { return nil })
	for i, c := range []message.CommandAMF0{
		{Name: "connect", Arguments: amf0.Data{amf0.Object{{Key: "app", Value: app}, {Key: "tcUrl", Value: "rtmp://" + place + "/" + app}}}},
		{Name: "createStream", Arguments: amf0.Data{nil}},
		{Name: "publish", MessageStreamID: 1 << 24, Arguments: amf0.Data{nil, name, "live"}},
	} {
		c.ChunkStreamID, c.CommandID = 3, i+1
		require.NoError(t, commands.Write(&c))
		for {
			m, err := from.Read()
			require.NoError(t, err)
			if _, ok := m.(*message.CommandAMF0); ok {
				break
			}
		}
	}
	return &tagPublisher{tags: rawmessage.NewWriter(counter, counter.Writer, false)}
}

// play sends a clip in real time, until done is closed.
func (p *tagPublisher) play(t *testing.T, spec mediatest.Spec, done <-chan struct{}) {
	spec.Container = "flv"
	clip, err := os.ReadFile(mediatest.Clip(t, spec))
	require.NoError(t, err)
	const header, head, tail = 13, 11, 4
	begun, last := time.Now(), uint32(0)
	for b := clip[header:]; len(b) > head; {
		size := int(binary.BigEndian.Uint32(b) & 0xffffff)
		last = binary.BigEndian.Uint32(append(b[7:8:8], b[4:7]...))
		select {
		case <-done:
			return
		case <-time.After(time.Until(begun.Add(time.Duration(last) * time.Millisecond))):
		}
		if p.tags.Write(&rawmessage.Message{
			ChunkStreamID: b[0], Type: b[0], MessageStreamID: 1 << 24,
			Timestamp: time.Duration(p.at+last) * time.Millisecond, Body: bytes.Clone(b[head : head+size]),
		}) != nil {
			return
		}
		b = b[head+size+tail:]
	}
	p.at += last + 1000/30
}

// The stream is opened anew, at its next keyframe: until then the room is shown its
// last picture.
func TestAnRTMPSourceThatChangesItsCodecGoesOnInTheSameSession(t *testing.T) {
	beside(t)
	first := mediatest.Spec{Seconds: 4, Width: 320, Height: 180}
	for name, c := range map[string]struct {
		change       func(*mediatest.Spec)
		video, audio media.Action
	}{
		"its sound becomes MP3":        {func(s *mediatest.Spec) { s.AudioCodec, s.Args = "mp3", []string{"-ar", "44100"} }, media.Copy, media.Transcode},
		"its picture becomes Sorenson": {func(s *mediatest.Spec) { s.VideoCodec = "flv" }, media.Transcode, media.Copy},
	} {
		t.Run(name, func(t *testing.T) {
			beside(t)
			second := first
			second.Seconds, second.Container = 30, "flv"
			c.change(&second)
			mediatest.Clip(t, second)
			nginx := mediatest.StartNginx(t, mediatest.NginxConfig{})
			address := nginx.RTMP + "/live/show"
			p, done, over := publishTags(t, address), make(chan struct{}), make(chan struct{})
			go func() {
				defer close(over)
				p.play(t, first, done)
				p.play(t, second, done)
			}()
			t.Cleanup(func() { close(done); <-over })
			s := newStay(t, startStandIn(t), address)
			s.start().has(2 * time.Second)
			s.retried(1)
			before := s.has(0)
			s.has(before.Media() + 4*time.Second)
			_, plan, _ := s.diary.plan()
			require.Equal(t, c.video, plan.Video.Action, "%s", s.diary)
			require.Equal(t, c.audio, plan.Audio.Action, "%s", s.diary)
			require.Len(t, s.sessions(), 1, "%s", s.diary)
			session := s.sessions()[0]
			for _, v := range session.Violations {
				require.Equal(t, fakeroom.NewSPS, v.Kind, v.Words)
			}
			require.Less(t, session.MaxSkew, time.Second)
			require.Less(t, session.Video.MaxGap, 5*time.Second)
			t.Logf("the picture stood for %v, the sound for %v", session.Video.MaxGap, session.Audio.MaxGap)
		})
	}
}
