package libav

const (
	tsPacket = 188 // bytes (ISO 13818-1, 2.4.3.2)
	tsHeader = 4
	tsSync   = 0x47
	// unknownCount is no continuity counter, of which there are 16.
	unknownCount = 0xff
)

// counters makes the continuity counters of a transport stream go on where
// recordings were put together: where the program table's begins anew, what comes
// next of a stream and is the begin of a packet of it is the begin of another
// recording's. libav would take it for a loss, and what was before for damaged.
// It changes no byte else.
type counters struct {
	off    bool // it is no transport stream
	at     int  // in a packet
	header [tsHeader]byte
	joints uint8                 // how often the table's has begun anew
	of     *[1 << 13]streamCount // by PID; nil: none has come
	// scrambled are the PIDs of which a packet said that it is (2.4.3.3).
	scrambled map[int]bool
}

type streamCount struct {
	last   uint8 // as given
	shift  uint8 // from the stream's own
	joints uint8 // up to which it is right
}

// goTo says that what comes next is at a place of the source.
func (c *counters) goTo(at int64) {
	*c = counters{at: int(at % tsPacket), scrambled: c.scrambled}
	c.off = c.at > 0 && c.at < tsHeader // what comes is the rest of a header
}

// pass looks at bytes, and changes counters in them.
func (c *counters) pass(b []byte) {
	for len(b) > 0 && !c.off {
		if c.at >= tsHeader {
			n := min(tsPacket-c.at, len(b))
			b, c.at = b[n:], (c.at+n)%tsPacket
			continue
		}
		if c.at == 0 && b[0] != tsSync {
			c.off = true
			return
		}
		c.header[c.at] = b[0]
		if c.at == tsHeader-1 {
			b[0] = c.count()
		}
		b, c.at = b[1:], c.at+1
	}
}

// count returns the last byte of the packet's header with the counter that it is to
// have.
func (c *counters) count() byte {
	const startBit, payloadBit, scramblingBits = 0x40, 0x10, 0xc0
	const table = 0 // its PID
	begins, flags := c.header[1]&startBit != 0, c.header[3]&^0xf
	pid := int(c.header[1]&0x1f)<<8 | int(c.header[2])
	if c.of == nil {
		c.of = new([1 << 13]streamCount)
		for i := range c.of {
			c.of[i].last = unknownCount
		}
	}
	if flags&scramblingBits != 0 && !c.scrambled[pid] {
		if c.scrambled == nil {
			c.scrambled = map[int]bool{}
		}
		c.scrambled[pid] = true
	}
	s := &c.of[pid]
	now := (c.header[3] + s.shift) & 0xf
	if flags&payloadBit != 0 && s.last != unknownCount {
		next := (s.last + 1) & 0xf
		if pid == table && begins && now != next && now != s.last {
			c.joints++
		}
		if s.joints != c.joints && begins {
			s.shift += next - now
			now = next
		}
	}
	if flags&payloadBit != 0 {
		s.last, s.joints = now, c.joints
	}
	return flags | now
}
