package hostile

import "math/bits"

// bitWriter writes a NAL unit's payload.
type bitWriter struct {
	b []byte
	n int // bits of the last byte that are used
}

func (w *bitWriter) u(n int, v uint64) {
	for i := n - 1; i >= 0; i-- {
		if w.n%8 == 0 {
			w.b = append(w.b, 0)
		}
		w.b[len(w.b)-1] |= byte(v>>i&1) << (7 - w.n%8)
		w.n++
	}
}

// fields are numbers, each behind how many bits it has.
func (w *bitWriter) fields(all ...uint64) {
	for i := 0; i < len(all); i += 2 {
		w.u(int(all[i]), all[i+1])
	}
}

// ue are Exp-Golomb numbers (ITU-T H.264, 9.1).
func (w *bitWriter) ue(all ...uint64) {
	for _, v := range all {
		n := bits.Len64(v + 1)
		w.u(n-1, 0)
		w.u(n, v+1)
	}
}

// unit ends the payload and returns it behind its head, with emulation
// prevention (H.264, 7.4.1).
func (w *bitWriter) unit(head ...byte) []byte {
	w.u(1, 1)
	out, zeros := head, 0
	for _, b := range w.b {
		if zeros >= 2 && b <= 3 {
			out, zeros = append(out, 3), 0
		}
		if b == 0 {
			zeros++
		} else {
			zeros = 0
		}
		out = append(out, b)
	}
	return out
}

// spsOf is a sequence parameter set (H.264, 7.3.2.1.1).
type spsOf struct {
	id, refs      uint64
	width, height uint64 // in macroblocks of 16 pixels
}

func (s spsOf) unit() []byte {
	w := &bitWriter{}
	w.fields(8, 66, 8, 0, 8, 62) // baseline
	w.ue(s.id, 0, 2, s.refs)     // frame_num of 4 bits, pictures in order
	w.u(1, 0)
	w.ue(s.width-1, s.height-1)
	w.fields(1, 1, 1, 1, 1, 0, 1, 0) // frames only, no cropping, no VUI
	return w.unit(0x67)
}

func sps(width, height uint64) []byte { return spsOf{refs: 1, width: width, height: height}.unit() }

func pps() []byte { return ppsOf(0, 0) }

func ppsOf(id, sps uint64) []byte {
	w := &bitWriter{}
	w.ue(id, sps)
	w.u(2, 0) // CAVLC
	w.ue(0, 0, 0)
	w.u(3, 0)
	w.ue(0, 0, 0) // se(v), as which 0 is the same
	w.u(3, 0)
	return w.unit(0x68)
}

// idr is a slice of an IDR picture that begins and says no more: the decoder
// allocates the picture and conceals all of it.
func idr(pps, number uint64) []byte {
	w := &bitWriter{}
	w.ue(0, 7, pps) // the first macroblock, I
	w.u(4, 0)
	w.ue(number)
	w.u(2, 0)   // dec_ref_pic_marking
	w.ue(0, 25) // se(0), and I_PCM
	return w.unit(0x65)
}

// annexB joins NAL units with start codes.
func annexB(units ...[]byte) []byte {
	var b []byte
	for _, u := range units {
		b = cat(b, be32(1), u)
	}
	return b
}

// avcSample joins NAL units with lengths of four bytes.
func avcSample(units ...[]byte) []byte {
	var b []byte
	for _, u := range units {
		b = cat(b, be32(uint32(len(u))), u)
	}
	return b
}
