package host

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"time"

	"github.com/roomcast/roomcast/media"
)

// order is what a transcoder is to do. One frame holds any number of those that
// nothing comes of, and then one of the others.
type order byte

const (
	orderSkipBefore order = iota // time
	orderSkipFrom                // time
	orderForceKey
	orderInput     // track, as JSON
	orderTranscode // packet
	orderAgain     // packet without data: that of the one before
	orderRepeat    // time
	orderFlush
)

// made is what became of a session other than a source's.
type made struct {
	Fault  *fault
	Output media.Track // of a transcoder, and of a picture to fill with, whose packets follow in the next frame
	Speed  int64       // pixels that were encoded in a second
}

func (s *session) serveTranscoder(t media.Transcoder, err error) error {
	if err != nil {
		return s.sendJSON(kindOpen, made{Fault: faultOf(err)})
	}
	defer t.Close()
	if err := s.sendJSON(kindOpen, made{Output: *finiteTrack(t.Output())}); err != nil {
		return err
	}
	w := works{Coder: t, Trimmer: t}
	for {
		f, err := s.next()
		if err != nil {
			return err
		}
		if f.kind != kindWork {
			return errFrame
		}
		out, err := w.do(f.payload)
		answer, err := answerOf(out, t.Damaged(), err)
		if err != nil {
			return err
		}
		if err := s.send(kindWork, answer); err != nil {
			return err
		}
	}
}

// answerOf is how many packets were damaged, an error's JSON, and packets.
func answerOf(out []media.Packet, damaged int64, failed error) ([]byte, error) {
	var text []byte
	if failed != nil {
		var err error
		if text, err = json.Marshal(faultOf(failed)); err != nil {
			return nil, err
		}
	}
	b := binary.AppendUvarint(nil, uint64(max(damaged, 0)))
	b = appendBytes(b, text)
	b = binary.AppendUvarint(b, uint64(len(out)))
	for i := range out {
		var err error
		if b, err = appendPacket(b, &out[i], nil); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// works is a transcoder at work in its host.
type works struct {
	media.Coder
	media.Trimmer
	data []byte // of the packet before
}

// do does the orders of a frame.
func (w *works) do(orders []byte) ([]media.Packet, error) {
	s := scanner{rest: orders}
	for len(s.rest) > 0 {
		switch order(s.byte()) {
		case orderSkipBefore:
			w.SkipBefore(time.Duration(s.varint()))
		case orderSkipFrom:
			w.SkipFrom(time.Duration(s.varint()))
		case orderForceKey:
			w.ForceKey()
		case orderInput:
			var t media.Track
			if s.json(&t); s.err != nil {
				return nil, s.err
			}
			return w.Input(t)
		case orderTranscode:
			return w.transcode(&s, false)
		case orderAgain:
			return w.transcode(&s, true)
		case orderRepeat:
			at := time.Duration(s.varint())
			if s.err != nil {
				return nil, s.err
			}
			return w.Repeat(at)
		case orderFlush:
			return w.Flush()
		default:
			return nil, errFrame
		}
	}
	return nil, s.err
}

// transcode takes a packet; again: with the bytes of the one before, by which transcoders
// know that it is the same picture.
func (w *works) transcode(s *scanner, again bool) ([]media.Packet, error) {
	p := s.packet(1)
	if s.err != nil {
		return nil, s.err
	}
	if again {
		p.Data = w.data
	}
	w.data = p.Data
	return w.Transcode(p)
}

func (s *session) serveBlack(ctx context.Context, t media.Transcoders, to media.VideoOutput) error {
	track, packets, err := t.With(ctx, s.log, nil).Black(to)
	if err := s.sendJSON(kindOpen, made{Fault: faultOf(err), Output: *finiteTrack(track)}); err != nil {
		return err
	}
	answer, err := answerOf(packets, 0, nil)
	if err != nil {
		return err
	}
	return s.send(kindWork, answer)
}

// servePicture makes a preview, whose bytes follow in the next frame.
func (s *session) servePicture(make Pictures, o pictureOpening) error {
	f, err := s.next()
	if err != nil {
		return err
	}
	jpeg, err := make.Picture(media.Keyframe{Data: f.payload, Config: o.Config})
	if err := s.sendJSON(kindOpen, made{Fault: faultOf(err)}); err != nil {
		return err
	}
	return s.send(kindBytes, jpeg)
}
