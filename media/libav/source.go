package libav

import (
	"bytes"
	"errors"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/asticode/go-astiav"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/clock"
)

// #include "demux.h"
import "C"

// Source is a source opened by libav.
type Source struct {
	request media.SourceRequest
	life    *life
	way     media.Way
	scope   *scope
	format  *astiav.FormatContext // nil inside after a failed OpenInput
	bytes   *input                // what it reads from
	reader  *C.rc_reader
	info    media.SourceInfo
	// video and audio are libav's indices of the chosen streams, -1 for none.
	video, audio int
	tracks       map[int]int // libav's index to ours
	configs      [][]byte    // each track's present decoder configuration
	ahead        clock.Ahead
	rivals       [2]*rival              // by media.MediaType
	adopted      []media.Packet         // held of a stream that has taken a part
	known        map[int]astiav.CodecID // by libav's index: what is known of a stream is of it
	opening      []astiav.CodecID       // what the streams were before the probe, by libav's index
	before       []media.Track          // what the tracks were before the present seek
	brief        bool                   // the next probe is to be
	lead         time.Duration          // where the leading track begins
	faults       int                    // of a live source, since the last packet
	undecoded    *media.Stream          // has come and cannot be decoded; to be told with the next packet
	varied       bool                   // a stream has become one of another codec
	flvFlags     int                    // of its header, -1 for none
	stall        *time.Timer            // of a seek under way, else nil
	vorbis       *vorbisClock           // nil for most
	edits        *edits                 // nil for most
	untimed      *untimed               // nil for all but Matroska
	delay        clock.SoundDelay
	once         sync.Once
	busy         sync.Mutex // held while libav works for it
	freed        bool       // nothing is left to read from; guarded by busy
	since        time.Time  // when the present context was opened
}

var _ media.Source = (*Source)(nil)

// cFormat returns the context behind go-astiav's, which does not show it: the
// first and only word of the struct. TestPointerBehindAstiav guards this.
func cFormat(f *astiav.FormatContext) *C.AVFormatContext {
	return *(**C.AVFormatContext)(unsafe.Pointer(f))
}

func (s *Source) open() error {
	if err := s.openFormat(); err != nil {
		return err
	}
	// An mp4 whose index stands behind its media has been read to its end by
	// now, and its media cannot be gone back to.
	if s.forwardOnly() && strings.Contains(s.format.InputFormat().Name(), "mp4") && s.atEnd() {
		return &media.Error{Kind: media.KindSourceUnsupported, Op: opOpen, Err: errIndexAtEnd}
	}
	if err := s.find(); err != nil {
		return err
	}
	s.describe()
	if err := s.pick(); err != nil {
		return err
	}
	s.vorbis, s.edits = newVorbisClock(s), newEdits(s)
	s.info.Retimed = s.retimed()
	if strings.HasPrefix(s.info.Container, "matroska") {
		s.untimed = &untimed{}
	}
	return nil
}

const opOpen = "open source"

// openFormat opens the context.
func (s *Source) openFormat() error {
	address, options := openOptions(s.way)
	defer options.Free()
	if s.brief {
		_ = options.Set("probesize", strconv.Itoa(briefProbe), astiav.NewDictionaryFlags()) // fails out of memory only
	}
	if s.format = astiav.AllocFormatContext(); s.format == nil {
		return &media.Error{Kind: media.KindInternal, Op: opOpen, Err: errNoMemory}
	}
	s.format.SetIOInterrupter(s.life.interrupter)
	C.rc_watch(cFormat(s.format), s.scope.c)
	if err := s.readBytes(s.way.Bytes); err != nil {
		return err
	}
	s.scope.c.format, s.scope.c.held, s.scope.c.little = cFormat(s.format), 0, 0
	s.scope.c.edits = C.rc_edits{}
	s.since = time.Now()
	if err := s.scope.run(func() error { return s.openInput(address, options) }); err != nil {
		return s.failure(opOpen, err)
	}
	if err := s.overspent(opOpen); err != nil {
		return err
	}
	s.flvFlags = int(C.rc_flv_flags(cFormat(s.format)))
	s.opening = s.mapped()
	return nil
}

// openInput opens the context, or frees it.
func (s *Source) openInput(address string, options *astiav.Dictionary) error {
	err := s.format.OpenInput(address, nil, options)
	if err != nil { // libav has freed the context
		s.scope.c.format = nil
	}
	return err
}

const errIndexAtEnd = media.Sentence("the source's index is at its end, and its server gives it from the beginning only: move the index (ffmpeg -movflags +faststart) or use a server with range requests")

const opProbe = "probe source"

// find learns what the tracks are.
func (s *Source) find() error {
	s.scope.c.finding = C.RC_FINDING_HEADERS
	err := s.scope.run(func() error { return s.format.FindStreamInfo(nil) })
	s.scope.c.finding = C.RC_FINDING_NOTHING
	if err == nil && s.life.ctx.Err() != nil {
		err = astiav.ErrExit // it had what it needed, or so it thinks
	}
	if err != nil {
		return s.failure(opProbe, err)
	}
	if err := s.overspent(opProbe); err != nil {
		return err
	}
	if s.reader = C.rc_reader_new(cFormat(s.format), s.scope.c); s.reader == nil {
		return &media.Error{Kind: media.KindInternal, Op: opProbe, Err: errNoMemory}
	}
	return nil
}

// pick chooses the tracks.
func (s *Source) pick() error {
	if err := s.choose(); err != nil {
		return err
	}
	s.lead = s.leadTime()
	s.awaitVideo()
	if s.encrypted() {
		return &media.Error{Kind: media.KindSourceEncrypted, Op: opProbe, Err: media.Because("its tracks are encrypted", nil)}
	}
	if err := s.tooLarge(); err != nil {
		return err
	}
	if len(s.info.Tracks) == 0 {
		if code := C.rc_io_error(cFormat(s.format)); code < 0 {
			return s.failure(opProbe, astiav.Error(code))
		}
		if s.isImage() {
			return &media.Error{Kind: media.KindSourceInvalid, Op: opProbe, Err: errImage}
		}
		return &media.Error{Kind: s.trackless(), Op: opProbe, Err: s.nothingUsable()}
	}
	if s.probedBeyond() {
		return s.beginAgain()
	}
	return nil
}

// encrypted says whether a chosen track cannot be decoded without a licence, as
// Matroska (and WebM) tells by a ContentEncKeyID.
func (s *Source) encrypted() bool {
	for index := range s.tracks {
		m := s.format.Streams()[index].Metadata()
		if m != nil && m.Get("enc_key_id", nil, 0) != nil {
			return true
		}
	}
	return false
}

// nothingUsable lists what there is instead of a video or audio.
func (s *Source) nothingUsable() error {
	var there []string
	for _, st := range s.info.Streams {
		words := []string{string(st.Codec), st.LeftOut}
		words = slices.DeleteFunc(words, func(word string) bool { return word == "" || word == "none" || word == st.Type })
		there = append(there, strings.TrimSuffix(st.Type+" ("+strings.Join(words, ", ")+")", " ()"))
	}
	if len(there) == 0 {
		return s.inWords(opProbe, astiav.ErrStreamNotFound)
	}
	return errors.New("it holds only: " + media.Listed(there))
}

// trackless says what a source without a usable track is: media, when libav
// found streams in it.
func (s *Source) trackless() media.Kind {
	if s.format.NbStreams() > 0 {
		return media.KindSourceNoTrack
	}
	return media.KindSourceInvalid
}

// Info returns what the source turned out to be.
func (s *Source) Info() media.SourceInfo { return s.info }

// ReadPacket returns the next packet of a chosen track, io.EOF after the last,
// media.ErrLateVideo once. The packet is the caller's.
func (s *Source) ReadPacket() (media.Packet, error) {
	s.busy.Lock()
	defer s.busy.Unlock()
	if s.freed {
		return media.Packet{}, s.life.ended(opRead)
	}
	if p, ok := s.ahead.Take(); ok {
		return p, nil
	}
	return s.read()
}

func (s *Source) read() (media.Packet, error) {
	next := s.readTimed
	if s.delays() {
		next = s.readDelayed
	}
	p, err := next()
	if errors.Is(err, media.ErrLateVideo) {
		s.delayPending()
	}
	return p, err
}

// readTimed reads the next packet with the time that it has in the source.
func (s *Source) readTimed() (media.Packet, error) {
	if s.vorbis != nil {
		return s.vorbis.read()
	}
	if s.edits != nil {
		return s.edits.read(s)
	}
	if s.untimed != nil {
		return s.untimed.read(s)
	}
	return s.demux()
}

// demux reads the next packet as libav has it.
func (s *Source) demux() (media.Packet, error) {
	if s.stall != nil {
		s.stall.Reset(readStalled)
	}
	for {
		if len(s.adopted) > 0 {
			p := s.adopted[0]
			s.adopted = s.adopted[1:]
			return p, nil
		}
		code := astiav.Error(C.rc_read(s.reader))
		switch {
		case code >= 0 && s.reader.candidate != 0:
			if err := s.offer(); err != nil {
				return media.Packet{}, err
			}
		case code >= 0:
			p := s.packet()
			p.Change, s.ahead.News[p.Track] = s.ahead.News[p.Track], nil
			s.settleRivals(p)
			s.noteFields(&p)
			s.noteResync(&p)
			p.LeftOut, s.undecoded = s.undecoded, nil
			s.faults = 0
			return p, nil
		case code == astiav.ErrEof && s.adoptLast():
		case code == astiav.ErrInvaliddata && s.info.Live && s.faults < mostMistaken:
			s.faults++ // of a stream that cannot be decoded: others go on
		case code == astiav.ErrEagain && s.life.ctx.Err() == nil:
			// A demuxer that was interrupted by nothing: ask again.
			runtime.Gosched()
		default:
			return media.Packet{}, s.readError(int(code))
		}
	}
}

// noteResync makes a picture say so that follows what the demuxer has left out because
// it is damaged: it is made of pictures that were in it.
func (s *Source) noteResync(p *media.Packet) {
	at := s.scope.c.resync
	if at > 0 && s.reader.pos >= at && s.info.Tracks[p.Track].Type == media.Video {
		s.scope.c.resync, p.Corrupt = 0, p.Corrupt || !p.Keyframe
	}
}

// packet copies the reader's answer into Go.
func (s *Source) packet() media.Packet { return s.packetOf(s.tracks[int(s.reader.stream)]) }

func (s *Source) packetOf(track int) media.Packet {
	r := s.reader
	p := media.Packet{
		Track:    track,
		NoPTS:    r.pts == C.AV_NOPTS_VALUE,
		NoDTS:    r.dts == C.AV_NOPTS_VALUE,
		Keyframe: r.flags&C.AV_PKT_FLAG_KEY != 0,
		Corrupt:  r.flags&C.AV_PKT_FLAG_CORRUPT != 0,
		Offset:   max(int64(r.pos), 0),
	}
	p.Discard = r.flags&C.AV_PKT_FLAG_DISCARD != 0 && s.edits != nil
	if !p.NoPTS {
		p.PTS = time.Duration(r.pts)
	}
	if !p.NoDTS {
		p.DTS = time.Duration(r.dts)
	}
	if r.duration > 0 {
		p.Duration = time.Duration(r.duration)
	}
	if r.size > 0 {
		data := unsafe.Slice((*byte)(unsafe.Pointer(r.data)), int(r.size))
		p.Data = append(emptied(len(data)), data...)
	}
	if r.extradata_size > 0 && track < len(s.configs) {
		p.Extradata = s.changed(p.Track, C.GoBytes(unsafe.Pointer(r.extradata), r.extradata_size))
	}
	return p
}

// changed returns a decoder configuration unless it is the track's present one:
// FLV senders repeat theirs.
func (s *Source) changed(track int, config []byte) []byte {
	if bytes.Equal(config, s.configs[track]) {
		return nil
	}
	s.configs[track] = config
	return config
}

// Close frees everything, once, also while another method runs, which ends: it is
// interrupted, and waited for.
func (s *Source) Close() error {
	s.once.Do(func() {
		s.life.interrupt()
		s.busy.Lock()
		defer s.busy.Unlock()
		s.free()
		trimHeap()
	})
	return nil
}

// alone calls f, which lets libav work, while nothing else does.
func (s *Source) alone(f func() error) error {
	s.busy.Lock()
	defer s.busy.Unlock()
	if s.freed {
		return s.life.ended("use source")
	}
	return media.Caught(f)
}

func (s *Source) free() {
	s.freed = true
	s.vorbis.close()
	s.closeFormat()
	s.life.close()
	s.scope.close()
	if s.way.Close != nil {
		s.way.Close()
	}
	s.way = media.Way{} // it holds what was read last
	s.ahead.Packets = nil
}

func (s *Source) closeFormat() {
	C.rc_reader_free(s.reader)
	s.reader = nil
	if s.format != nil {
		s.scope.c.format = nil // what is freed now counts no more
		_ = s.scope.run(func() error { s.format.CloseInput(); return nil })
		s.format = nil
	}
	if s.bytes != nil {
		s.bytes.free()
		s.bytes = nil
	}
	s.ahead.Packets, s.rivals, s.adopted = nil, [2]*rival{}, nil
}
