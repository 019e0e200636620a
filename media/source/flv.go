package source

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/bluenviron/gortmplib/pkg/amf0"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/bitstream"
)

// How long, and how much, a stream's other track is waited for. A picture may be
// promised by the metadata: servers hold it back until a keyframe, and encoders'
// own GOP is up to 250 pictures (x264).
const (
	trackWait  = 1500 * time.Millisecond
	videoWait  = 11 * time.Second
	mostWaited = 16 << 20 // bytes
	// earlySound is how much of the sound from before the picture is kept.
	earlySound = time.Second
	// mostMetadata is the largest looked into: gortmplib's AMF0 decoder recurses as deep
	// as its input is nested.
	mostMetadata = 64 << 10
)

const errOther = media.Sentence("the stream goes on as another kind: it is opened anew")

// flvReader makes packets of a live FLV's tags, of those that Go can tell all of:
// H.264 (avcC) and AAC. It is a media.Source.
type flvReader struct {
	from   *rtmpStream
	came   func()
	chosen bool // tracks are asked for, which libav knows to choose

	foreign bool // libav is to read it
	held    []flvTag
	bytes   int
	begun   time.Time // when the first tag came

	info     media.SourceInfo
	metadata map[string]any // nil: none has come
	tracks   [2]flvTrack    // by media.MediaType
	shown    bool           // a picture has come
}

// flvTrack is a track of a live FLV, and what its next packet is to tell.
type flvTrack struct {
	now    *media.Track  // as last told; nil: there is none
	length time.Duration // of a packet; 0: not known
	news   []byte        // a configuration that no packet has told of yet
	change *media.Track  // the same of a track that the source had not
	bare   bool          // frames have come without a configuration
	clock  tagClock
}

// tagClock makes of a tag's time, which wraps, one that does not.
type tagClock struct {
	any  bool
	last uint32
	at   time.Duration
}

// place returns the time; near is the other track's, whose turn of the clock is
// the first one's.
func (c *tagClock) place(at uint32, near tagClock) time.Duration {
	if !c.any && near.any {
		c.last, c.at = near.last, near.at
	} else if !c.any {
		c.last, c.at = at, time.Duration(at)*time.Millisecond
	}
	c.any = true
	c.at += time.Duration(int32(at-c.last)) * time.Millisecond
	c.last = at
	return c.at
}

// begin reads on until it is known what tracks there are.
func (f *flvReader) begin() error {
	f.info = media.SourceInfo{Container: "flv", Live: true}
	f.foreign = f.chosen
	for !f.foreign && !f.settled() {
		t, err := f.from.next()
		if errors.Is(err, io.EOF) && f.knows() {
			break
		}
		if err != nil {
			return ended(err)
		}
		if f.came != nil {
			f.came()
		}
		if f.begun.IsZero() {
			f.begun = time.Now()
		}
		f.held, f.bytes = append(f.held, t), f.bytes+len(t.body)
		f.look(t)
	}
	if f.foreign = f.foreign || !f.knows() || f.tracks[media.Video].bare || f.tracks[media.Audio].bare; f.foreign {
		return nil
	}
	for m := range f.tracks {
		f.tracks[m].news, f.tracks[m].change = nil, nil
	}
	f.describe()
	f.start()
	return nil
}

// knows says whether any track is known.
func (f *flvReader) knows() bool {
	return f.tracks[media.Video].now != nil || f.tracks[media.Audio].now != nil
}

// ended says of a stream that is over before it is open that nothing came.
func ended(err error) error {
	if errors.Is(err, io.EOF) && media.KindOf(err) == media.KindInternal {
		return &media.Error{Kind: media.KindSourceInvalid, Op: opOpen, Err: media.Because("it ended before it had said what it is", nil)}
	}
	return err
}

// settled says whether nothing more is to be waited for.
func (f *flvReader) settled() bool {
	video, audio := f.tracks[media.Video].now != nil, f.tracks[media.Audio].now != nil
	waited := time.Duration(0)
	if !f.begun.IsZero() {
		waited = time.Since(f.begun)
	}
	switch {
	case f.bytes > mostWaited:
		return true
	case video && audio: // where the picture begins says what of the sound is kept
		return f.shown || waited > videoWait
	case video:
		return f.metadata != nil && !f.promises("audiocodecid") || waited > trackWait
	case audio && f.promises("videocodecid"):
		return waited > videoWait
	case audio:
		return f.metadata != nil && !f.promises("videocodecid") && waited > trackWait/3 || waited > trackWait
	}
	return waited > videoWait
}

// promises says whether the metadata name a codec (FLV 10.1, E.5). nginx always
// has both there, 0 where there is no such track.
func (f *flvReader) promises(key string) bool {
	id, told := f.metadata[key]
	return told && id != 0.0 && id != "" && id != nil
}

// look learns from a tag what it tells of the tracks, and says what it is: a frame,
// with the offset of its data, or none.
func (f *flvReader) look(t flvTag) (m media.MediaType, offset int) {
	const none = 0
	switch t.kind {
	case tagScript:
		f.note(t.body)
	case tagVideo:
		return media.Video, f.lookVideo(t.body)
	case tagAudio:
		return media.Audio, f.lookAudio(t.body)
	}
	return media.Video, none
}

// lookVideo is for the body of a video tag (FLV 10.1, E.4.3).
func (f *flvReader) lookVideo(b []byte) (offset int) {
	const enhanced, info, avc, head = 0x80, 5, 7, 5
	switch {
	case len(b) == 0 || b[0]&enhanced == 0 && b[0]>>4 == info:
		return 0
	case b[0]&enhanced != 0 || b[0]&0xf != avc:
		f.foreign = true
		return 0
	case len(b) <= head:
		return 0
	case b[1] == 0:
		f.configure(media.Video, b[head:])
	case b[1] == 1 && f.tracks[media.Video].now == nil:
		f.tracks[media.Video].bare = true
	case b[1] == 1:
		f.shown = true
		return head
	}
	return 0
}

// lookAudio is for the body of an audio tag (E.4.2).
func (f *flvReader) lookAudio(b []byte) (offset int) {
	const aac, head = 10, 2
	switch {
	case len(b) == 0:
		return 0
	case b[0]>>4 != aac:
		f.foreign = true
		return 0
	case len(b) <= head:
		return 0
	case b[1] == 0:
		f.configure(media.Audio, b[head:])
	case f.tracks[media.Audio].now == nil:
		f.tracks[media.Audio].bare = true
	default:
		return head
	}
	return 0
}

// configure takes a track's decoder configuration, which senders repeat.
func (f *flvReader) configure(m media.MediaType, config []byte) {
	track := &f.tracks[m]
	before := track.now
	if before != nil && bytes.Equal(before.Extradata, config) {
		return
	}
	var t media.Track
	var length time.Duration
	var sure bool
	if m == media.Video {
		if t, sure = bitstream.DescribeH264(config); t.FPS > 0 {
			length = time.Duration(float64(time.Second) / t.FPS)
		}
	} else {
		t, length, sure = bitstream.DescribeAAC(config)
	}
	if !sure {
		f.foreign = true
		return
	}
	track.now, track.length, track.bare = &t, length, false
	if before == nil {
		track.change = &t
	} else {
		track.news = config
	}
}

// note takes the metadata (FLV 10.1, E.5).
func (f *flvReader) note(body []byte) {
	if len(body) > mostMetadata {
		return
	}
	data, err := amf0.Unmarshal(body)
	if err != nil {
		return
	}
	if len(data) > 0 && data[0] == "@setDataFrame" {
		data = data[1:]
	}
	if len(data) < 2 || data[0] != "onMetaData" {
		return
	}
	object, _ := data[1].(amf0.Object)
	if list, ok := data[1].(amf0.ECMAArray); ok {
		object = amf0.Object(list)
	}
	f.metadata = map[string]any{}
	for _, e := range object {
		f.metadata[e.Key] = e.Value
	}
}

// describe fills in Info's tracks: the picture before the sound.
func (f *flvReader) describe() {
	f.info.Tracks, f.info.Streams = nil, nil
	if t := f.tracks[media.Video].now; t != nil {
		const most = 1000
		if fps, _ := f.metadata["framerate"].(float64); fps > 0 && fps <= most {
			t.FPS = fps
			f.tracks[media.Video].length = time.Duration(float64(time.Second) / fps)
		}
		f.info.Tracks = append(f.info.Tracks, *t)
		f.info.Streams = append(f.info.Streams, media.Stream{Type: t.Type.String(), Codec: t.Codec, AudioTrack: -1, Chosen: true})
	}
	if t := f.tracks[media.Audio].now; t != nil {
		f.info.Tracks = append(f.info.Tracks, *t)
		f.info.Streams = append(f.info.Streams, media.Stream{Type: t.Type.String(), Codec: t.Codec, Channels: t.Channels, Chosen: true})
	}
}

// start leaves sound out that is long past when the picture begins, and finds
// where the source does.
func (f *flvReader) start() {
	first := func(m byte) int {
		return slices.IndexFunc(f.held, func(t flvTag) bool { return t.kind == m && len(t.body) > 1 && t.body[1] == 1 })
	}
	if video := first(tagVideo); video >= 0 {
		at := f.held[video].at
		f.held = slices.DeleteFunc(f.held, func(t flvTag) bool {
			return t.kind == tagAudio && len(t.body) > 1 && t.body[1] == 1 && int32(at-t.at) > int32(earlySound.Milliseconds())
		})
	}
	begin := -1
	for _, i := range []int{first(tagVideo), first(tagAudio)} {
		if i >= 0 && (begin < 0 || int32(f.held[i].at-f.held[begin].at) < 0) {
			begin = i
		}
	}
	if begin >= 0 {
		f.info.StartTime = time.Duration(f.held[begin].at) * time.Millisecond
		f.tracks[media.Video].clock.place(f.held[begin].at, tagClock{})
	}
}

// Info returns what the source turned out to be.
func (f *flvReader) Info() media.SourceInfo { return f.info }

const errNotSought = media.Sentence("a live source cannot be sought")

// Seek fails: the source is live.
func (f *flvReader) Seek(time.Duration) error {
	return &media.Error{Kind: media.KindInternal, Op: "seek", Err: errNotSought}
}

// ReadPacket returns the next packet; io.EOF after the last, media.ErrLateVideo
// once.
func (f *flvReader) ReadPacket() (media.Packet, error) {
	for {
		t, err := f.next()
		if err != nil {
			return media.Packet{}, err
		}
		hadVideo := f.tracks[media.Video].now != nil
		m, offset := f.look(t)
		switch {
		case f.foreign:
			return media.Packet{}, &media.Error{Kind: media.KindSourceUnavailable, Op: opRead, Err: errOther}
		case !hadVideo && f.tracks[media.Video].now != nil:
			f.tracks[media.Video].change = nil
			f.describe()
			return media.Packet{}, media.ErrLateVideo
		case offset > 0:
			return f.packet(m, t, offset), nil
		}
	}
}

func (f *flvReader) next() (flvTag, error) {
	if len(f.held) > 0 {
		return media.TakeFirst(&f.held), nil
	}
	return f.from.next()
}

// packet makes one of a frame, whose data begin at offset.
func (f *flvReader) packet(m media.MediaType, t flvTag, offset int) media.Packet {
	track := &f.tracks[m]
	at := track.clock.place(t.at, f.tracks[1-m].clock)
	p := media.Packet{
		Track: f.trackOf(m), DTS: at, PTS: at, Duration: track.length, Keyframe: true,
		Data: t.body[offset:], Extradata: track.news, Change: track.change,
	}
	if track.change != nil { // sound that came late
		f.describe()
	}
	track.news, track.change = nil, nil
	if m == media.Video {
		const key = 1
		shift := int32(binary.BigEndian.Uint32(t.body[1:])<<8) >> 8 // CompositionTime
		p.PTS += time.Duration(shift) * time.Millisecond
		p.Keyframe = t.body[0]>>4 == key
	}
	return p
}

// trackOf is a type's index among Info's tracks, one more than they have for sound
// that comes late.
func (f *flvReader) trackOf(m media.MediaType) int {
	if m == media.Audio && f.tracks[media.Video].now != nil {
		return 1
	}
	return 0
}

// Close ends the connection.
func (f *flvReader) Close() error {
	f.from.close()
	return nil
}

// stream is the tags as a file of FLV (FLV 10.1, E.2), for libav.
func (f *flvReader) stream() *stream {
	var flags byte
	for _, t := range f.held {
		switch t.kind {
		case tagVideo:
			flags |= 1
		case tagAudio:
			flags |= 4
		}
	}
	if f.promises("videocodecid") {
		flags |= 1
	}
	if f.promises("audiocodecid") {
		flags |= 4
	}
	return &stream{rest: []byte{'F', 'L', 'V', 1, flags, 0, 0, 0, 9, 0, 0, 0, 0}, next: func() ([]byte, error) {
		t, err := f.next()
		if err != nil {
			return nil, err
		}
		text := []byte{t.kind, byte(len(t.body) >> 16), byte(len(t.body) >> 8), byte(len(t.body)),
			byte(t.at >> 16), byte(t.at >> 8), byte(t.at), byte(t.at >> 24), 0, 0, 0}
		return binary.BigEndian.AppendUint32(append(text, t.body...), uint32(flvHead+len(t.body))), nil
	}}
}
