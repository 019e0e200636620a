package source

import (
	"time"

	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/pion/rtp"

	"github.com/roomcast/roomcast/media"
)

// rtspTrack makes frames of the packets of one track.
type rtspTrack struct {
	media  *description.Media
	format format.Format
	known  media.Track // as far as the session tells
	told   bool        // known is all
	// transport says that it is a transport stream, whose packets have no times of ours.
	transport bool
	shared    *media.Track // the same, for those who read
	// Where the clock of RTP is known to stand beside the other track's.
	aligned bool
	begins  *rtspBegin // of all tracks that are
	began   bool
	last    uint32 // of the clock, which wraps
	ticks   int64  // since the session's begin
	// units makes of a packet the frames that it ends. Those of one packet follow on
	// each other.
	units func(*rtp.Packet) ([]unit, error)
	// decoded is when a picture with this time is decoded, false where that is not
	// known; nil: it is as it is shown.
	decoded func(u unit, ticks int64) (int64, bool)
}

// unit is a frame.
type unit struct {
	data   []byte
	parts  [][]byte // of a picture of H.264 and H.265
	length time.Duration
	key    bool
	track  *media.Track // that it tells of, nil for most
}

// mostAfter is how far a track's first packet may be from where the session says
// that it begins, and from how far that of the track before is: some cameras say 0.
const mostAfter = 10 * time.Second

// rtspBegin is how the tracks of a session begin whose answer says where they do.
type rtspBegin struct {
	known, holds bool
	after        time.Duration // how far the first packet that came is from there
}

// believes says whether a track is aligned whose first packet is so far from where it
// is to begin: as the one that came first is, or it would be far from that one.
func (b *rtspBegin) believes(after time.Duration) bool {
	if !b.known {
		*b = rtspBegin{known: true, holds: after.Abs() <= mostAfter, after: after}
	}
	return b.holds && (after-b.after).Abs() <= mostAfter
}

// clock returns a time of RTP's clock since the session's begin, false where that
// is not known.
func (t *rtspTrack) clock(at uint32) (int64, bool) {
	step := int64(int32(at - t.last))
	if !t.began && t.aligned {
		t.aligned = t.begins.believes(time.Duration(float64(step) / float64(t.format.ClockRate()) * float64(time.Second)))
	}
	t.began, t.last, t.ticks = true, at, t.ticks+step
	return t.ticks, t.aligned
}

// frames makes frames of a packet, the first of which is shown at a time.
func (t *rtspTrack) frames(p *rtp.Packet, at time.Duration) (frames []rtspFrame) {
	units, err := t.units(p)
	if err != nil {
		return nil // more of it comes, or some of it is lost
	}
	for _, u := range units {
		if u.track != nil {
			t.known, t.told = *u.track, true
		}
		if !t.told { // nothing can be made of it yet
			at += u.length
			continue
		}
		if t.shared == nil || u.track != nil {
			known := t.known
			t.shared = &known
		}
		f := rtspFrame{kind: t.known.Type, track: t.shared, packet: media.Packet{
			PTS: at, DTS: at, Duration: u.length, Keyframe: u.key, Data: u.data,
		}}
		if t.decoded != nil {
			const clock = 90_000
			shown := int64(at.Seconds() * clock)
			decoded, ok := t.decoded(u, shown)
			f.packet.DTS, f.packet.NoDTS = at-time.Duration(shown-decoded)*time.Second/clock, !ok
		}
		frames = append(frames, f)
		at += u.length
	}
	return frames
}

// newRTSPTrack is for a format of the session's, nil for one that nothing is known
// of here.
func newRTSPTrack(kind media.MediaType, m *description.Media, f format.Format) *rtspTrack {
	t := &rtspTrack{media: m, format: f, known: media.Track{Type: kind}}
	var err error
	switch f := f.(type) {
	case *format.H264:
		err = t.h264(f)
	case *format.H265:
		err = t.h265(f)
	case *format.AV1:
		err = t.av1(f)
	case *format.VP8:
		err = t.vp8(f)
	case *format.VP9:
		err = t.vp9(f)
	case *format.MJPEG:
		err = t.mjpeg(f)
	case *format.MPEG1Video:
		err = t.mpeg2(f)
	case *format.MPEG4Video:
		err = t.mpeg4(f)
	case *format.MPEG4Audio:
		err = t.aac(f)
	case *format.MPEG4AudioLATM:
		err = t.latm(f)
	case *format.MPEG1Audio:
		err = t.mpegAudio(f)
	case *format.Opus:
		err = t.opus(f)
	case *format.G711:
		err = t.g711(f)
	case *format.LPCM:
		err = t.pcm(f)
	case *format.AC3:
		err = t.ac3(f)
	default:
		return nil
	}
	if err != nil {
		return nil
	}
	return t
}
