package libav

// #cgo LDFLAGS: -lm
// #include "tone.h"
import "C"

import (
	"github.com/asticode/go-astiav"
	"github.com/roomcast/roomcast/media"
)

// toneMap brings HDR pictures of the output's size to SDR.
type toneMap struct {
	table *C.rc_tone
	frame *astiav.Frame
}

func newToneMap(transfer astiav.ColorTransferCharacteristic, to media.VideoOutput) (*toneMap, error) {
	bt709 := C.int(0)
	if to.Height >= hdPicture {
		bt709 = 1
	}
	m := &toneMap{table: C.rc_tone_new(C.int(transfer), bt709), frame: astiav.AllocFrame()}
	if m.table == nil || m.frame == nil {
		m.close()
		return nil, errNoMemory
	}
	m.frame.SetWidth(to.Width)
	m.frame.SetHeight(to.Height)
	m.frame.SetPixelFormat(astiav.PixelFormatYuv420P)
	m.frame.SetColorRange(astiav.ColorRangeMpeg)
	if err := m.frame.AllocBuffer(0); err != nil {
		m.close()
		return nil, err
	}
	return m, nil
}

// sdr returns f in SDR: a frame of the map's own, until the next call.
func (m *toneMap) sdr(f *astiav.Frame) (*astiav.Frame, error) {
	if code := C.rc_tone_map(m.table, cFrame(f), cFrame(m.frame)); code < 0 {
		return nil, astiav.Error(code)
	}
	m.frame.SetPts(f.Pts())
	return m.frame, nil
}

func (m *toneMap) close() {
	if m == nil {
		return
	}
	C.rc_tone_free(m.table)
	if m.frame != nil {
		m.frame.Free()
	}
}
