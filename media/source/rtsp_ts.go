package source

import (
	"bytes"
	"errors"

	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/pion/rtp"

	"github.com/roomcast/roomcast/media"
)

// A session may be one transport stream (RFC 2250, section 2), which is libav's to
// read.

// transportOf finds it.
func transportOf(session *description.Session) *rtspTrack {
	for _, m := range session.Medias {
		for _, f := range m.Formats {
			if ts, ok := f.(*format.MPEGTS); ok && !m.IsBackChannel {
				t := &rtspTrack{media: m, format: f, told: true, transport: true}
				if t.mpegts(ts) == nil {
					return t
				}
			}
		}
	}
	return nil
}

func (t *rtspTrack) mpegts(f *format.MPEGTS) error {
	d, err := f.CreateDecoder()
	t.units = func(p *rtp.Packet) ([]unit, error) {
		packets, err := d.Decode(p)
		return []unit{{data: bytes.Join(packets, nil)}}, err
	}
	return err
}

// rtspBytes are a session's transport stream.
type rtspBytes struct {
	forward
	from    *rtspReader
	rest    []byte
	failure error
}

// Read is io.Reader's.
func (b *rtspBytes) Read(to []byte) (int, error) {
	for len(b.rest) == 0 {
		f, err := b.from.next()
		if err != nil {
			if _, told := errors.AsType[*media.Error](err); told {
				b.failure = err
			}
			return 0, err
		}
		b.rest = f.packet.Data
	}
	n := copy(to, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

func (b *rtspBytes) refusal() error { return b.failure }
