package source

import (
	"bytes"

	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/pion/rtp"
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

// stream is a session's transport stream.
func (s *rtspReader) stream() *stream {
	return &stream{next: func() ([]byte, error) {
		f, err := s.next()
		return f.packet.Data, err
	}}
}
