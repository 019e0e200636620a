package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/bluenviron/gortmplib/pkg/amf0"
	"github.com/bluenviron/gortmplib/pkg/bytecounter"
	"github.com/bluenviron/gortmplib/pkg/handshake"
	"github.com/bluenviron/gortmplib/pkg/message"
	"github.com/bluenviron/gortmplib/pkg/rawmessage"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/rtmp/peer"
)

// RTMP 1.0, its player's side. Its messages are gortmplib's; its client is not
// used: it keeps no refusal's words, and knows one stream id.

const (
	connectTime = 10 * time.Second // for the handshake, and for each answer
	readTime    = 15 * time.Second // for the next message of a stream that plays
	mostLogins  = 2                // that a server may ask for, one with the user's name alone
	windowSize  = 2_500_000
	bufferTime  = 3000 // milliseconds, as players say
	// onlyLive is play's start (7.2.2.1), in milliseconds as servers know it.
	onlyLive = -1000.0
)

// Transaction ids of our commands.
const (
	idConnect = iota + 1
	idCreateStream
	idSubscribe
	idPlay
)

const (
	errNotRTMP     = media.Sentence("the source did not answer as an RTMP server")
	errLogin       = media.Sentence("the server wants a user and password, or others than the address has")
	errSourceBroke = media.Sentence("the connection to it broke")
)

// flvTag is an audio, video or data message: the body is a tag's of FLV.
type flvTag struct {
	kind byte
	at   uint32 // milliseconds, modulo 2^32
	body []byte
}

// The kinds of tags (FLV 10.1, E.4.1).
const (
	tagAudio, tagVideo, tagScript = 8, 9, 18
	flvHead                       = 11 // of a tag; 4 bytes of its length follow its body
)

// rtmpStream plays one stream. Its methods are called from one goroutine, but for
// close.
type rtmpStream struct {
	// ctx is a field because the contract of media.Gate makes one context bound
	// all that a Way does.
	ctx     context.Context
	address rtmpAddress
	conn    net.Conn
	raw     *peer.Reader
	out     *message.Writer
	tags    []flvTag // that came in one message
	playing bool
}

// rtmpAddress is a source's address in RTMP's terms.
type rtmpAddress struct {
	place          string // scheme, host and port: what may be shown
	app, stream    string
	user, password string
	secrets        string // what may not
	login          string // what a server has asked for, at the end of app and tcUrl
}

// parseRTMP finds application and stream as players do: those that name an
// instance, or have a slist, are common.
func parseRTMP(raw string) rtmpAddress {
	scheme, rest, _ := strings.Cut(raw, "://")
	authority, path := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	a := rtmpAddress{secrets: path}
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		user, password, _ := strings.Cut(authority[:i], ":")
		a.user, a.password, a.secrets = unescaped(user), unescaped(password), authority[:i]+"/"+path
		authority = authority[i+1:]
	}
	a.place = strings.ToLower(scheme) + "://" + authority
	a.app, a.stream = splitRTMP(strings.TrimPrefix(path, "/"))
	if short, ok := strings.CutSuffix(a.stream, ".flv"); ok {
		a.stream = short
	} else if strings.HasSuffix(a.stream, ".mp4") || strings.HasSuffix(a.stream, ".f4v") {
		if !strings.Contains(a.stream, ":") {
			a.stream = "mp4:" + a.stream
		}
	}
	return a
}

func splitRTMP(path string) (app, stream string) {
	if _, query, ok := strings.Cut(path, "?"); ok {
		if _, list, ok := strings.Cut(query, "slist="); ok {
			stream, _, _ = strings.Cut(list, "&")
			return path, stream
		}
	}
	if stream, ok := strings.CutPrefix(path, "ondemand/"); ok {
		return "ondemand", stream
	}
	app, play, ok := strings.Cut(path, "/")
	if !ok {
		return app, ""
	}
	slash, colon := strings.IndexByte(play, '/'), strings.IndexByte(play, ':')
	if slash < 0 || colon >= 0 && colon < slash {
		return app, play
	}
	return app + "/" + play[:slash], play[slash+1:]
}

func unescaped(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

// openRTMP plays r's source. Where Go cannot tell what it is, libav gets it as FLV.
func openRTMP(ctx context.Context, network Network, r media.SourceRequest) (media.Way, error) {
	a := parseRTMP(r.URL.Reveal())
	s, err := playRTMP(ctx, network, r, &a)
	if err != nil {
		return media.Way{}, err
	}
	f := &flvReader{from: s, came: r.Came, chosen: r.Choice != (media.TrackChoice{})}
	if err := f.begin(); err != nil {
		s.close()
		return media.Way{}, err
	}
	if f.foreign {
		b := f.stream()
		return media.Way{URL: r.URL, Bytes: b, Refusal: b.refusal, Close: s.close}, nil
	}
	return media.Way{URL: r.URL, Source: f}, nil
}

// playRTMP connects, again with what the server asks for, and asks for the stream.
func playRTMP(ctx context.Context, network Network, r media.SourceRequest, a *rtmpAddress) (*rtmpStream, error) {
	for logins := 0; ; logins++ {
		conn, err := network.Dial(ctx, r)
		if err != nil {
			return nil, err
		}
		s := &rtmpStream{ctx: ctx, address: *a, conn: conn}
		stop := context.AfterFunc(ctx, s.close)
		err = guarded(func() error { return s.play() })
		if err == nil {
			return s, nil
		}
		stop()
		s.close()
		asked, ok := errors.AsType[*rtmpRefusal](err)
		if !ok {
			return nil, s.failure(opOpen, err)
		}
		if a.login, ok = a.answer(asked.words); !ok || logins == mostLogins {
			return nil, asked.explained(a)
		}
	}
}

func (s *rtmpStream) close() { _ = s.conn.Close() }

// failure is what an error of the connection means of the source.
func (s *rtmpStream) failure(op string, err error) error {
	if s.ctx.Err() != nil {
		return fmt.Errorf("%s: %w", op, context.Cause(s.ctx))
	}
	if _, ok := errors.AsType[*media.Error](err); ok {
		return err
	}
	if refused, ok := errors.AsType[*rtmpRefusal](err); ok {
		return refused.explained(&s.address)
	}
	words := media.OfNetwork(err)
	if words == "" {
		words = string(errNotRTMP)
		if s.playing {
			words = string(errSourceBroke)
		}
	}
	return &media.Error{Kind: media.KindSourceUnavailable, Op: op, Err: media.Because(s.address.place+": "+words, nil)}
}

// play is the command phase (7.2): from the handshake to the server's word that it
// plays.
func (s *rtmpStream) play() error {
	_ = s.conn.SetDeadline(time.Now().Add(connectTime))
	counter := bytecounter.NewReadWriter(s.conn)
	if _, _, err := handshake.DoClient(counter, false, false); err != nil {
		return err
	}
	s.out = message.NewWriter(counter, counter.Writer, false)
	s.raw = peer.NewReader(counter, func(m message.Message) error { return s.send(m) })
	if err := s.send(&message.SetWindowAckSize{Value: windowSize}, s.connect()); err != nil {
		return err
	}
	if _, err := s.await(func(c peer.Command) bool { return c.Name == "_result" && c.ID == idConnect }); err != nil {
		return err
	}
	if err := s.send(
		peer.Call(idCreateStream, "createStream"),
		peer.Call(idSubscribe, "FCSubscribe", s.address.stream), // some networks start to fetch a stream at it
	); err != nil {
		return err
	}
	c, err := s.await(func(c peer.Command) bool { return c.Name == "_result" && c.ID == idCreateStream })
	if err != nil {
		return err
	}
	play := peer.Call(idPlay, "play", s.address.stream, onlyLive)
	play.ChunkStreamID, play.MessageStreamID = 4, bits.ReverseBytes32(streamOf(c)) // gortmplib writes it as big endian: 5.3.1.2.1
	if err := s.send(play, &message.UserControlSetBufferLength{BufferLength: bufferTime}); err != nil {
		return err
	}
	for !s.playing && len(s.tags) == 0 {
		if err := s.read(); err != nil {
			return err
		}
	}
	return nil
}

func (s *rtmpStream) connect() *message.CommandAMF0 {
	a := s.address
	return &message.CommandAMF0{ChunkStreamID: peer.ChunkStream, Name: "connect", CommandID: idConnect, Arguments: amf0.Data{amf0.Object{
		{Key: "app", Value: a.app + a.login},
		{Key: "flashVer", Value: "LNX 9,0,124,2"},
		{Key: "tcUrl", Value: a.place + "/" + a.app + a.login},
		{Key: "fpad", Value: false},
		{Key: "capabilities", Value: 15.0},
		{Key: "audioCodecs", Value: 4071.0},
		{Key: "videoCodecs", Value: 252.0},
		{Key: "videoFunction", Value: 1.0},
		{Key: "objectEncoding", Value: 0.0},
		{Key: "fourCcList", Value: amf0.StrictArray{ // Enhanced RTMP
			"avc1", "hvc1", "av01", "vp09", "vp08", "mp4a", "Opus", "ac-3", "ec-3", "fLaC", ".mp3",
		}},
	}}}
}

func (s *rtmpStream) send(messages ...message.Message) error {
	for _, m := range messages {
		if err := s.out.Write(m); err != nil {
			return err
		}
	}
	return nil
}

// await reads until wanted accepts a command.
func (s *rtmpStream) await(wanted func(peer.Command) bool) (peer.Command, error) {
	for {
		m, err := s.raw.Read()
		if err != nil {
			return peer.Command{}, err
		}
		c, ok, err := s.serve(m)
		switch {
		case err != nil:
			return c, err
		case ok && wanted(c):
			return c, nil
		}
	}
}

// next returns the next tag, io.EOF when the server says that the stream has ended.
func (s *rtmpStream) next() (flvTag, error) {
	for len(s.tags) == 0 {
		_ = s.conn.SetDeadline(time.Now().Add(readTime))
		if err := guarded(s.read); err != nil {
			if errors.Is(err, errEnded) {
				return flvTag{}, io.EOF
			}
			return flvTag{}, s.failure(opRead, err)
		}
	}
	return media.TakeFirst(&s.tags), nil
}

var errEnded = errors.New("the stream has ended")

// read reads one message; tags that are in it are added to s.tags.
func (s *rtmpStream) read() error {
	m, err := s.raw.Read()
	if err != nil {
		return err
	}
	at := uint32(m.Timestamp / time.Millisecond)
	switch m.Type {
	case tagAudio, tagVideo, tagScript:
		s.tags = append(s.tags, flvTag{m.Type, at, m.Body})
	case typeDataAMF3:
		if len(m.Body) > 0 {
			s.tags = append(s.tags, flvTag{tagScript, at, m.Body[1:]})
		}
	case typeAggregate:
		s.tags = append(s.tags, aggregated(at, m.Body)...)
	default:
		c, ok, err := s.serve(m)
		if err != nil || !ok || c.Name != "onStatus" {
			return err
		}
		switch c.Status().Code {
		case "NetStream.Play.Start":
			s.playing = true
		case "NetStream.Play.UnpublishNotify", "NetStream.Play.Stop", "NetStream.Play.Complete":
			return errEnded
		}
	}
	return nil
}

// Types of messages besides those of tags (RTMP 1.0, 7.1).
const (
	typeDataAMF3  = 15
	typeAggregate = 22
)

// aggregated takes a message apart that holds several, whose times are those of
// its own clock (7.1.6).
func aggregated(at uint32, body []byte) (tags []flvTag) {
	var begin uint32
	for len(body) >= flvHead {
		size := int(body[1])<<16 | int(body[2])<<8 | int(body[3])
		time := uint32(body[7])<<24 | uint32(body[4])<<16 | uint32(body[5])<<8 | uint32(body[6])
		if len(body) < flvHead+size {
			break
		}
		if len(tags) == 0 {
			begin = time
		}
		if kind := body[0] & 0x1f; kind == tagAudio || kind == tagVideo || kind == tagScript {
			tags = append(tags, flvTag{kind, at + time - begin, body[flvHead : flvHead+size]})
		}
		body = body[min(flvHead+size+4, len(body)):]
	}
	return tags
}

// serve is peer.Reader.Serve; the error may be a refusal, too.
func (s *rtmpStream) serve(m *rawmessage.Message) (peer.Command, bool, error) {
	c, ok, err := s.raw.Serve(m)
	if code, words, refused := refusal(c); ok && refused && !s.playing {
		return c, false, &rtmpRefusal{code, words}
	}
	return c, ok, err
}
