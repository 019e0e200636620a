package libav

// #include "demux.h"
import "C"

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/asticode/go-astiav"

	"github.com/roomcast/roomcast/media"
)

// container is a source as libav has it open, and all that libav holds for it. It
// decides what the whole source is (describe) and what an error of libav's means
// (failure).
type container struct {
	way      media.Way
	life     *life
	scope    *scope
	format   *astiav.FormatContext // nil inside after a failed OpenInput
	bytes    *input                // what it reads from
	reader   *C.rc_reader
	info     media.SourceInfo // without tracks and streams
	since    time.Time        // when the present context was opened
	flvFlags int              // of its header, -1 for none
	opening  []astiav.CodecID // what the streams were before the probe, by libav's index
}

// cFormat returns the context behind go-astiav's, which does not show it: the
// first and only word of the struct. TestPointerBehindAstiav guards this.
func cFormat(f *astiav.FormatContext) *C.AVFormatContext {
	return *(**C.AVFormatContext)(unsafe.Pointer(f))
}

const opOpen = "open source"

// open opens the context. brief says that little of the source is to be probed.
func (c *container) open(brief bool) error {
	address, options := openOptions(c.way)
	defer options.Free()
	if brief {
		_ = options.Set("probesize", strconv.Itoa(briefProbe), astiav.NewDictionaryFlags()) // fails out of memory only
	}
	if c.format = astiav.AllocFormatContext(); c.format == nil {
		return &media.Error{Kind: media.KindInternal, Op: opOpen, Err: errNoMemory}
	}
	c.format.SetIOInterrupter(c.life.interrupter)
	C.rc_watch(cFormat(c.format), c.scope.c)
	if c.bytes = newInput(c.way.Bytes, c.life); c.bytes == nil {
		return &media.Error{Kind: media.KindInternal, Op: opOpen, Err: errNoMemory}
	}
	cFormat(c.format).pb = c.bytes.c
	c.scope.c.format, c.scope.c.held, c.scope.c.little = cFormat(c.format), 0, 0
	c.scope.c.edits = C.rc_edits{}
	c.since = time.Now()
	if err := c.scope.run(func() error { return c.openInput(address, options) }); err != nil {
		return c.failure(opOpen, err)
	}
	if err := c.overspent(opOpen); err != nil {
		return err
	}
	c.flvFlags = int(C.rc_flv_flags(cFormat(c.format)))
	c.opening = c.mapped()
	return nil
}

// openInput opens the context, or frees it.
func (c *container) openInput(address string, options *astiav.Dictionary) error {
	err := c.format.OpenInput(address, nil, options)
	if err != nil { // libav has freed the context
		c.scope.c.format = nil
	}
	return err
}

const errIndexAtEnd = media.Sentence("the source's index is at its end, and its server gives it from the beginning only: move the index (ffmpeg -movflags +faststart) or use a server with range requests")

// indexAtEnd says that an mp4 has its index behind its media, which cannot be gone back
// to.
func (c *container) indexAtEnd() bool {
	return c.forwardOnly() && strings.Contains(c.format.InputFormat().Name(), "mp4") && C.rc_index_behind(cFormat(c.format)) != 0
}

const opProbe = "probe source"

// find learns what the streams are.
func (c *container) find() error {
	c.scope.c.finding = C.RC_FINDING_HEADERS
	err := c.scope.run(func() error { return c.format.FindStreamInfo(nil) })
	c.scope.c.finding = C.RC_FINDING_NOTHING
	if err == nil && c.life.ctx.Err() != nil {
		err = astiav.ErrExit // it had what it needed, or so it thinks
	}
	if err != nil {
		return c.failure(opProbe, err)
	}
	if err := c.overspent(opProbe); err != nil {
		return err
	}
	if c.reader = C.rc_reader_new(cFormat(c.format), c.scope.c); c.reader == nil {
		return &media.Error{Kind: media.KindInternal, Op: opProbe, Err: errNoMemory}
	}
	return nil
}

// describe fills in what info says of the whole source.
func (c *container) describe() {
	if f := c.format.InputFormat(); f != nil {
		c.info.Container = f.Name()
	}
	if t := c.format.StartTime(); t != astiav.NoPtsValue {
		c.info.StartTime = time.Duration(t) * time.Microsecond
	}
	if d := c.format.Duration(); d > 0 {
		c.info.Duration = time.Duration(d) * time.Microsecond
	}
	if c.info.Container == "flv" {
		c.info.Duration = flvLength(c.info, c.metadata("duration"))
	}
	if c.info.Container == "mpegts" && c.info.Duration > longestRecording { // a step back of its clock, which libav takes for a wrap
		c.info.Duration = 0
	}
	if begin := c.info.StartTime; begin != 0 && begin < c.info.Duration && c.toldEnd() {
		c.info.Duration -= begin
	}
	// An endless download is one that cannot go back, of a length that neither it nor its server tells.
	sized := c.way.Recorded || c.way.Bytes.Size() > 0
	endless := c.forwardOnly() && !sized && c.info.Duration == 0
	c.info.Live = endless || liveOptions(c.way.URL) != nil
}

// longestRecording is more than any that is played: what is said to be longer has a
// clock that does not tell.
const longestRecording = 24 * time.Hour

// An FLV's clock has 32 bits of milliseconds (FLV 10.1, E.4.1).
const flvWrap = (1 << 32) * time.Millisecond

// flvLength is how long an FLV is. libav has it from the metadata, where it is
// told, else it is the timestamp of the last tag. One that is said to be
// longer than a recording is has the time of its end in its metadata.
func flvLength(i media.SourceInfo, told string) time.Duration {
	seconds, _ := strconv.ParseFloat(told, 64)
	if i.Duration == 0 || seconds > 0 && (i.Duration < longestRecording || i.Duration < i.StartTime) {
		return i.Duration
	}
	return ((i.Duration-i.StartTime)%flvWrap + flvWrap) % flvWrap
}

// toldEnd says whether the container's duration is really the time of its end,
// so that one that begins late seems longer than it is: as FFmpeg writes
// Matroska (what is less than its start is a length all the same), and as libav
// reads Opus in Ogg.
func (c *container) toldEnd() bool {
	if c.info.Container == "ogg" {
		return c.format.Streams()[0].CodecParameters().CodecID() == astiav.CodecIDOpus
	}
	return strings.HasPrefix(c.info.Container, "matroska")
}

// metadata returns a value of the source's own metadata, empty when there is
// none.
func (c *container) metadata(key string) string {
	m := c.format.Metadata()
	if m == nil {
		return ""
	}
	entry := m.Get(key, nil, 0)
	if entry == nil {
		return ""
	}
	return entry.Value()
}

// programs returns a transport stream's programs.
func (c *container) programs() []*astiav.Program {
	if c.info.Container != "mpegts" {
		return nil
	}
	return c.format.Programs()
}

// mapped returns the codecs of the streams that there are, by libav's index, none
// where only a probe tells.
func (c *container) mapped() (codecs []astiav.CodecID) {
	for _, st := range c.format.Streams() {
		p := st.CodecParameters()
		codec := p.CodecID()
		if m := p.MediaType(); m != astiav.MediaTypeVideo && m != astiav.MediaTypeAudio {
			codec = astiav.CodecIDNone
		}
		codecs = append(codecs, codec)
	}
	return codecs
}

// trackless says what a source without a usable track is: media, when libav
// found streams in it.
func (c *container) trackless() media.Kind {
	if c.format.NbStreams() > 0 {
		return media.KindSourceNoTrack
	}
	return media.KindSourceInvalid
}

// isImage says whether the source is a picture that stands.
func (c *container) isImage() bool { return slices.Contains(imageFormats, c.info.Container) }

// isPhoto says whether the source is a picture that libav takes for a video of one
// (HEIF, ISO/IEC 23008-12, and AVIF).
func (c *container) isPhoto() bool {
	return slices.Contains([]string{"heic", "heix", "mif1", "avif"}, c.metadata("major_brand"))
}

// forwardOnly says whether the server gives the source from its beginning only
// (no range requests).
func (c *container) forwardOnly() bool { return C.rc_seekable(cFormat(c.format)) == 0 }

// closeFormat frees the context, in whose place another may be opened.
func (c *container) closeFormat() {
	C.rc_reader_free(c.reader)
	c.reader = nil
	if c.format != nil {
		c.scope.c.format = nil // what is freed now counts no more
		_ = c.scope.run(func() error { c.format.CloseInput(); return nil })
		c.format = nil
	}
	if c.bytes != nil {
		c.bytes.free()
		c.bytes = nil
	}
}

// close frees everything.
func (c *container) close() {
	c.closeFormat()
	c.life.close()
	c.scope.close()
	if c.way.Close != nil {
		c.way.Close()
	}
	c.way = media.Way{} // it holds what was read last
}
