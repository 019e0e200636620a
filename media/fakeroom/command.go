package fakeroom

import (
	"fmt"
	"strings"
	"time"

	"github.com/bluenviron/gortmplib/pkg/amf0"
	"github.com/bluenviron/gortmplib/pkg/message"
	"github.com/bluenviron/gortmplib/pkg/rawmessage"

	"github.com/roomcast/roomcast/media"
)

const (
	commandChunkStream = 3
	statusChunkStream  = 5
	messageStream      = 0x1000000 // 1, little endian (RTMP 1.0, 5.3.1.2.5)
)

// handle acts on one message (RTMP 1.0, section 7.1).
func (c *conn) handle(m *rawmessage.Message) error {
	switch message.Type(m.Type) {
	case message.TypeSetChunkSize:
		return c.setChunkSize(m.Body)
	case message.TypeAbortMessage:
		if len(m.Body) >= 4 {
			c.r.AbortChunkStream(be32(m.Body))
		}
	case message.TypeSetWindowAckSize:
		if len(m.Body) >= 4 {
			c.r.SetWindowAckSize(be32(m.Body))
		}
	case message.TypeUserControl:
		return c.userControl(m.Body)
	case message.TypeCommandAMF3:
		if len(m.Body) > 0 {
			return c.command(m.Body[1:]) // a format byte of 0, then AMF0
		}
	case message.TypeCommandAMF0:
		return c.command(m.Body)
	case message.TypeVideo:
		return c.packet(media.Video, m)
	case message.TypeAudio:
		return c.packet(media.Audio, m)
	case message.TypeAcknowledge, message.TypeSetPeerBandwidth, message.TypeDataAMF0, message.TypeDataAMF3:
	}
	return nil
}

func be32(b []byte) uint32 {
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

func (c *conn) setChunkSize(body []byte) error {
	if len(body) < 4 || be32(body) == 0 {
		return fmt.Errorf("invalid chunk size")
	}
	return c.r.SetChunkSize(be32(body))
}

func (c *conn) userControl(body []byte) error {
	const pingRequest = 6 // RTMP 1.0, 7.1.7
	if len(body) < 6 || body[0] != 0 || body[1] != pingRequest {
		return nil
	}
	return c.w.Write(&message.UserControlPingResponse{ServerTime: be32(body[2:])})
}

func (c *conn) command(body []byte) error {
	values, err := amf0.Unmarshal(body)
	if err != nil {
		return fmt.Errorf("command: %w", err)
	}
	if len(values) < 2 {
		return fmt.Errorf("command of %d values", len(values))
	}
	name, _ := values[0].(string)
	id, _ := values[1].(float64)
	args := values[2:]
	switch name {
	case "connect":
		return c.connect(int(id), args)
	case "createStream":
		return c.reply("_result", int(id), nil, float64(1))
	case "publish":
		return c.publish(args)
	case "play":
		return &verdict{end: EndLost, code: "NetStream.Play.Failed", words: "this door takes publishers only"}
	case "FCUnpublish", "deleteStream", "closeStream":
		return c.unpublish()
	}
	return nil // releaseStream, FCPublish, _checkbw: no publisher waits for an answer
}

func (c *conn) connect(id int, args amf0.Data) error {
	app := ""
	if len(args) > 0 {
		if o, ok := args[0].(amf0.Object); ok {
			app, _ = o.GetString("app")
		}
	}
	v := verdict{code: CodeConnectRejected, words: fmt.Sprintf("there is no application %q here", app)}
	refuse := strings.TrimRight(app, "/") != appName
	if f := c.srv.faults.take(Reject, target{atConnect: true}); f != nil {
		v, refuse = f.refusal(CodeConnectRejected), true
	}
	if refuse {
		c.srv.refused(address{}, v)
		if err := c.reply("_error", id, nil, info("error", v.code, v.words)); err != nil {
			return err
		}
		v.code = CodeConnectRejected // said already
		return &v
	}
	for _, m := range []message.Message{
		&message.SetWindowAckSize{Value: windowAckSize},
		&message.SetPeerBandwidth{Value: windowAckSize, Type: 2},
		&message.SetChunkSize{Value: chunkSize},
	} {
		if err := c.w.Write(m); err != nil {
			return err
		}
	}
	return c.reply("_result", id,
		amf0.Object{{Key: "fmsVer", Value: "FMS/3,0,1,123"}, {Key: "capabilities", Value: float64(31)}},
		append(info("status", "NetConnection.Connect.Success", "Connection succeeded."),
			amf0.ObjectEntry{Key: "objectEncoding", Value: float64(0)}))
}

func (c *conn) publish(args amf0.Data) error {
	key := ""
	if len(args) > 1 {
		key, _ = args[1].(string)
	}
	a, err := parseStreamKey(key)
	if held := c.publishFaults(a); held != nil {
		return held
	}
	if err == nil {
		err = a.verify(c.srv.cfg.Keys, time.Now())
	}
	v := verdict{code: CodeDenied}
	if c.sess != nil {
		v.code, err = CodeBadName, fmt.Errorf("this connection publishes already")
	}
	if err != nil {
		v.end, v.words = EndLost, err.Error()
		c.srv.refused(a, v)
		return &v
	}
	c.sess = c.srv.admit(c, a)
	if err := c.status("status", CodePublishStart, "publishing"); err != nil {
		return err
	}
	return c.sessionFaults()
}

// publishFaults does what the faults in force want done before an answer.
func (c *conn) publishFaults(a address) error {
	t := target{user: a.user}
	if f := c.srv.faults.take(Reject, t); f != nil {
		v := f.refusal(CodeDenied)
		c.srv.refused(a, v)
		return &v
	}
	return c.hold(c.srv.faults.take(Stall, t), always)
}

// sessionFaults does what the faults in force want done to a session.
func (c *conn) sessionFaults() error {
	if !c.srv.faults.some.Load() {
		return nil
	}
	t := c.sess.target(c.sess.snapshot())
	if c.srv.faults.take(Cut, t) != nil {
		return &cut
	}
	if c.slow.Load() == nil {
		if f := c.srv.faults.take(ReadSlowly, t); f != nil {
			_ = c.nc.SetReadBuffer(smallBuffer)
			c.slow.Store(f)
		}
	}
	f := c.srv.faults.take(StopReading, t)
	if f == nil {
		return nil
	}
	_ = c.nc.SetReadBuffer(smallBuffer)
	err := c.hold(f, always)
	_ = c.nc.SetReadBuffer(wideBuffer)
	return err
}

func (c *conn) unpublish() error {
	if c.sess == nil {
		return nil
	}
	c.srv.end(c.sess, verdict{end: EndUnpublished})
	c.sess = nil
	return c.status("status", CodeUnpublished, "stopped publishing")
}

func (c *conn) packet(kind media.MediaType, m *rawmessage.Message) error {
	if c.sess == nil || len(m.Body) == 0 {
		return nil
	}
	p := Packet{Type: kind, DTS: m.Timestamp, At: time.Now(), Data: m.Body}
	v := c.sess.take(p)
	c.srv.bell.ring()
	if v != nil {
		return v
	}
	return c.sessionFaults()
}

func (c *conn) reply(name string, id int, args ...any) error {
	return c.w.Write(&message.CommandAMF0{
		ChunkStreamID: commandChunkStream, Name: name, CommandID: id, Arguments: args,
	})
}

// status sends an onStatus (RTMP 1.0, 7.2.2).
func (c *conn) status(level, code, words string) error {
	return c.w.Write(&message.CommandAMF0{
		ChunkStreamID: statusChunkStream, MessageStreamID: messageStream,
		Name: "onStatus", Arguments: amf0.Data{nil, info(level, code, words)},
	})
}

func info(level, code, words string) amf0.Object {
	return amf0.Object{
		{Key: "level", Value: level}, {Key: "code", Value: code}, {Key: "description", Value: words},
	}
}
