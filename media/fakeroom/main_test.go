package fakeroom_test

import (
	"context"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/bluenviron/gortmplib"
	"github.com/bluenviron/gortmplib/pkg/amf0"
	"github.com/bluenviron/gortmplib/pkg/message"
	"github.com/stretchr/testify/require"
	"github.com/tencentyun/tls-sig-api-v2-golang/tencentyun"
	"go.uber.org/goleak"

	"github.com/roomcast/roomcast/media/fakeroom"
	"github.com/roomcast/roomcast/media/mediatest"
)

const (
	app = 1400000123
	key = "a key of the app, for tests only"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startRoom starts a room that ends with the test.
func startRoom(t *testing.T, cfg fakeroom.Config) *fakeroom.Server {
	t.Helper()
	if cfg.Keys == nil {
		cfg.Keys = map[uint32]string{app: key}
	}
	room, err := fakeroom.Start(cfg)
	require.NoError(t, err)
	t.Cleanup(room.Close)
	return room
}

func sign(t *testing.T, user string) string {
	t.Helper()
	sig, err := tencentyun.GenUserSig(app, key, user, 3600)
	require.NoError(t, err)
	return sig
}

func streamKey(room, user, sig string) string {
	return fmt.Sprintf("%s?sdkappid=%d&userid=%s&usersig=%s", room, app, user, sig)
}

func address(t *testing.T, s *fakeroom.Server, room, user string) string {
	t.Helper()
	return s.URL() + "/" + streamKey(room, user, sign(t, user))
}

// soon bounds a wait on a busy machine.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// publisher publishes as fast as it is told to, from Go.
type publisher struct {
	t *testing.T
	c *gortmplib.Client
}

func dial(t *testing.T, address string) (*publisher, error) {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	c := &gortmplib.Client{URL: u, Publish: true}
	if err := c.Initialize(soon(t)); err != nil {
		return nil, err
	}
	t.Cleanup(c.Close)
	return &publisher{t: t, c: c}, nil
}

func publish(t *testing.T, address string) *publisher {
	t.Helper()
	p, err := dial(t, address)
	require.NoError(t, err)
	return p
}

func (p *publisher) send(m message.Message) {
	p.t.Helper()
	require.NoError(p.t, p.c.Write(m))
}

// audio sends n AAC packets of 20 ms from dts on, the configuration first when
// dts is 0.
func (p *publisher) audio(dts time.Duration, n int) {
	p.t.Helper()
	m := message.Audio{
		ChunkStreamID: message.AudioChunkStreamID, MessageStreamID: 0x1000000,
		Codec: message.CodecMPEG4Audio, AACType: message.AudioAACTypeAU, AU: []byte{1, 2, 3},
	}
	if dts == 0 {
		require.NoError(p.t, p.c.Write(aacConfig()))
	}
	for i := range n {
		m.DTS = dts + time.Duration(i)*20*time.Millisecond
		p.send(&m)
	}
}

func (p *publisher) unpublish() {
	p.t.Helper()
	p.send(&message.CommandAMF0{
		ChunkStreamID: 3, Name: "deleteStream", CommandID: 9, Arguments: amf0.Data{nil, float64(1)},
	})
}

// status reads until an onStatus comes and returns its code and description.
func (p *publisher) status() (code, words string) {
	p.t.Helper()
	for {
		m, err := p.c.Read()
		require.NoError(p.t, err, "no onStatus came")
		cmd, ok := m.(*message.CommandAMF0)
		if !ok || cmd.Name != "onStatus" {
			continue
		}
		info := cmd.Arguments[1].(amf0.Object)
		code, _ = info.GetString("code")
		words, _ = info.GetString("description")
		return code, words
	}
}

// ffmpeg publishes a clip in real time, once.
func ffmpeg(t *testing.T, clip, address string, args ...string) *mediatest.Process {
	t.Helper()
	args = append([]string{"-re", "-i", clip}, args...)
	return mediatest.FFmpeg(t, append(args, "-f", "flv", address)...)
}
