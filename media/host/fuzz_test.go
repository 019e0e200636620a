package host

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/stretchr/testify/require"
)

// said is the end of a session at whose other end somebody says what stands there, and
// does not listen.
type said struct {
	net.Conn
	*bytes.Reader
}

func (s said) Read(b []byte) (int, error)     { return s.Reader.Read(b) }
func (said) Write(b []byte) (int, error)      { return len(b), nil }
func (said) Close() error                     { return nil }
func (said) SetDeadline(time.Time) error      { return nil }
func (said) SetReadDeadline(time.Time) error  { return nil }
func (said) SetWriteDeadline(time.Time) error { return nil }

func frameOf(k kind, payload ...byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{byte(k)}, uint32(len(payload))), payload...)
}

func jsonFrame(k kind, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // a seed of ours
	}
	return frameOf(k, text...)
}

func packetOf(p media.Packet) []byte {
	text, err := appendPacket(nil, &p, nil)
	if err != nil {
		panic(err) // a seed of ours
	}
	return text
}

// Whatever a host says, its worker gets a source, a picture, packets of their tracks,
// or an error.
func FuzzFromHost(f *testing.F) {
	info := media.SourceInfo{Container: "flv", Tracks: []media.Track{{Type: media.Video, Codec: media.H264}, {Type: media.Audio, Codec: media.AAC}}}
	wants := frameOf(kindBatch, 200, 1, 0, 0, 0, 0)
	key := packetOf(media.Packet{Keyframe: true, Offset: 30, Data: []byte("data"), Extradata: []byte("config")})
	change := packetOf(media.Packet{Track: 1, PTS: time.Second, Change: &media.Track{Type: media.Audio}, LeftOut: &media.Stream{Type: "video"}})
	placed := frameOf(kindBatch, bytes.Join([][]byte{{100, 64, 5, 0, 1, 0x80, 2}, make([]byte, 5), {30, 12}}, nil)...) // of the window
	packets := frameOf(kindBatch, bytes.Join([][]byte{{100, 0, 0, 0, 2}, key, change}, nil)...)
	for _, frames := range [][][]byte{
		{wants, jsonFrame(kindOpen, opened{Info: info}), packets, frameOf(kindWhy), packets},
		{wants, jsonFrame(kindOpen, opened{Info: info}), placed, packets, placed},
		{jsonFrame(kindLog, line{Text: "a line"}), jsonFrame(kindOpen, opened{Fault: faultOf(&media.Error{Kind: media.KindSourceInvalid, Op: opOpen})})},
		{jsonFrame(kindOpen, opened{Info: info}), packets, jsonFrame(kindSeek, opened{Info: info})},
		{jsonFrame(kindOpen, made{Output: info.Tracks[0]}), frameOf(kindWork, append([]byte{1, 0, 1}, key...)...)},
		{jsonFrame(kindOpen, hello{Version: version})},
	} {
		f.Add(bytes.Join(frames, nil))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		log := slog.New(slog.DiscardHandler)
		begin, _ := flvOf(10, 20)
		s := &source{
			conn: newConn(said{Reader: bytes.NewReader(data)}), log: logbook{log: log},
			supply: supply{ctx: t.Context(), way: media.Way{Bytes: &text{Reader: bytes.NewReader(begin)}, Recorded: true}}, // nothing is waited for
		}
		told, err := s.hear(kindOpen)
		if err == nil {
			s.info, s.tracks = told.Info, len(told.Info.Tracks)
			s.kept.opened(told.Info.Container)
		}
		for err == nil {
			var p media.Packet
			if p, err = s.read(); err == nil {
				s.given.note(p)
				s.accept(p)
				require.Less(t, p.Track, len(s.info.Tracks))
				require.LessOrEqual(t, len(s.info.Tracks), s.tracks)
			}
		}
		_ = s.kept.again()

		c := newConn(said{Reader: bytes.NewReader(data)})
		var h hello
		var m made
		payload, err := c.await(kindOpen, &logbook{log: log})
		if err == nil {
			_, _ = decode(payload, &h), decode(payload, &m)
			_ = m.Fault.error()
		}
		for err == nil {
			var out []media.Packet
			if payload, err = c.await(kindWork, &logbook{log: log}); err == nil {
				out, _, _ = answer(payload)
			}
			for _, p := range out {
				require.LessOrEqual(t, p.Track, 1)
			}
		}
	})
}

// Whatever a worker says, its host serves it or ends the session.
func FuzzToHost(f *testing.F) {
	bytesOf := frameOf(kindBytes, []byte("begin\npacket 1\npacket 2\n")...)
	order := packetOf(media.Packet{Keyframe: true, Data: []byte("data")})
	track := media.Track{Type: media.Video, Codec: media.H264}
	work := bytes.Join([][]byte{{byte(orderSkipBefore), 2, byte(orderForceKey), byte(orderTranscode)}, order}, nil)
	for _, frames := range [][][]byte{
		{jsonFrame(kindOpen, opening{Source: &sourceOpening{Seekable: true, Size: 100}}), bytesOf, frameOf(kindRead), jsonFrame(kindSeek, 10*time.Millisecond), bytesOf, jsonFrame(kindEnd, end{})},
		{jsonFrame(kindOpen, opening{Source: &sourceOpening{Size: -1}}), jsonFrame(kindEnd, end{}), jsonFrame(kindWhy, why{Found: "a page"})},
		{jsonFrame(kindOpen, opening{Video: &videoOpening{Track: track}}), frameOf(kindWork, work...), frameOf(kindWork, byte(orderRepeat), 2), frameOf(kindWork, byte(orderFlush))},
		{jsonFrame(kindOpen, opening{Audio: &audioOpening{Track: track}}), frameOf(kindWork, append([]byte{byte(orderAgain)}, order...)...), frameOf(kindWork, byte(orderInput), 2, '{', '}')},
		{jsonFrame(kindOpen, opening{Black: &media.VideoOutput{}})},
		{jsonFrame(kindOpen, opening{Picture: &pictureOpening{}}), frameOf(kindBytes, 1, 2, 3)},
	} {
		f.Add(bytes.Join(frames, nil))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		s := &session{conn: newConn(said{Reader: bytes.NewReader(data)})}
		err := s.run(ctx, Libav{Demuxer: fakeDemuxer{tame: true}, Transcoders: fakeTranscoders{tame: true}, Pictures: fakePictures{tame: true}, Speeds: fakeSpeeds{}, Recycle: func([]byte) {}})
		require.NoError(t, ctx.Err())
		_ = err // of what was said: it ends the session
	})
}
