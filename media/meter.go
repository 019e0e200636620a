package media

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// meterWindow is over how many seconds a Meter tells rates and lateness.
const meterWindow = 10

// latenessBuckets is the number of power-of-two buckets of microseconds; the
// last one holds everything from about 33 s on.
const latenessBuckets = 26

// second is what was sent within one second.
type second struct {
	unix     int64
	bytes    int64
	frames   int64
	packets  int64
	late     time.Duration // of all packets together
	lateness [latenessBuckets]int32
}

// Meter counts what an attempt sends. One goroutine records, any may take
// snapshots.
type Meter struct {
	mu       sync.Mutex
	progress Progress
	before   time.Duration // Progress.Played of the attempts before
	started  time.Time     // of the present run of sending
	seconds  [meterWindow + 1]second
	past     Totals // lateness of the seconds that have left the window
	since    Sent

	source, room waiting
	paced        atomic.Bool  // a packet is there, and its time has not come
	lastSent     atomic.Int64 // Unix ns of the last packet that the room took; 0 before the first
	behind       atomic.Int64 // ns that a source which is not paced has fallen behind
}

// NewMeter returns a Meter that stands at position.
func NewMeter(position time.Duration) *Meter {
	return &Meter{progress: Progress{Position: position}}
}

// SentPacket is what a Meter records of a packet that has left.
type SentPacket struct {
	Bytes   int64
	Late    time.Duration
	Picture bool
}

// Sent is what an attempt has done in some time.
type Sent struct {
	Bytes    int64
	Pictures int64
	Dropped  int64         // packets that were left out
	Lateness time.Duration // of the packet that left latest
}

// Since returns what was done since it was called before, or since the begin.
func (m *Meter) Since() Sent {
	m.mu.Lock()
	defer m.mu.Unlock()
	sent := m.since
	m.since = Sent{}
	return sent
}

// Sent records packets that have left at once.
func (m *Meter) Sent(now time.Time, packets ...SentPacket) {
	m.lastSent.Store(now.UnixNano())
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.started.IsZero() {
		m.started = now
	}
	s := m.second(now)
	for _, p := range packets {
		m.sent(s, p)
	}
}

func (m *Meter) sent(s *second, p SentPacket) {
	s.bytes += p.Bytes
	s.packets++
	s.late += p.Late
	s.lateness[latenessBucket(p.Late)]++
	if p.Picture {
		s.frames++
		m.since.Pictures++
	}
	m.progress.SentBytes += p.Bytes
	m.since.Bytes += p.Bytes
	m.since.Lateness = max(m.since.Lateness, p.Late)
}

// second returns the bucket of now, emptied when it held an older second.
func (m *Meter) second(now time.Time) *second {
	unix := now.Unix()
	s := &m.seconds[unix%int64(len(m.seconds))]
	if s.unix != unix {
		m.past.addSecond(s)
		*s = second{unix: unix}
	}
	return s
}

// MoveTo sets the position.
func (m *Meter) MoveTo(position time.Duration) { m.set(func(p *Progress) { p.Position = position }) }

// Advance sets the position within a play of the source.
func (m *Meter) Advance(position time.Duration, play int) {
	m.set(func(p *Progress) { p.Position, p.Loop = position, play })
}

func (m *Meter) SetPlayed(d time.Duration)   { m.set(func(p *Progress) { p.Played = d }) }
func (m *Meter) SetSlipped(d time.Duration)  { m.set(func(p *Progress) { p.Slipped = d }) }
func (m *Meter) SetDuration(d time.Duration) { m.set(func(p *Progress) { p.Duration = d }) }

func (m *Meter) SetCoverage(media MediaType, c Coverage) {
	m.set(func(p *Progress) { p.Coverage[media] = c })
}

// SetUnclocked says that the source's clock has stepped back.
func (m *Meter) SetUnclocked() { m.set(func(p *Progress) { p.Unclocked, p.Duration = true, 0 }) }

func (m *Meter) set(change func(*Progress)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.progress)
}

func (m *Meter) Dropped(n int64) {
	if n == 0 { // as after nearly every packet
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.progress.DroppedPackets += n
	m.since.Dropped += n
}

func (m *Meter) Reconnected() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.progress.Reconnects++
	m.started = time.Time{}
}

// Snapshot returns the progress at now. Rates cover the whole seconds of the
// last ten in which something could be sent.
func (m *Meter) Snapshot(now time.Time) Progress {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.progress
	p.UpdatedAt = now
	if m.started.IsZero() {
		return p
	}
	var sum second
	from := now.Add(-meterWindow * time.Second)
	for _, s := range m.seconds {
		if s.unix <= from.Unix() {
			continue
		}
		sum.bytes += s.bytes
		sum.frames += s.frames
		sum.packets += s.packets
		for i, n := range s.lateness {
			sum.lateness[i] += n
		}
	}
	over := min(now.Sub(m.started), now.Sub(from.Truncate(time.Second).Add(time.Second))).Seconds()
	if over > 0 {
		p.Bitrate = BitsPerSecond(float64(sum.bytes*8) / max(over, 1))
		p.FPS = float64(sum.frames) / max(over, 1)
	}
	p.LatenessP99 = latenessQuantile(&sum)
	return p
}

func latenessBucket(late time.Duration) int {
	us := max(late.Microseconds(), 0)
	return min(bits.Len64(uint64(us)), latenessBuckets-1)
}

// latenessQuantile returns the upper bound of the bucket that holds the 99th
// percentile.
func latenessQuantile(s *second) time.Duration {
	left := s.packets - s.packets*99/100
	for i := latenessBuckets - 1; i >= 0; i-- {
		if left -= int64(s.lateness[i]); left <= 0 && s.lateness[i] > 0 {
			return time.Duration(1<<i-1) * time.Microsecond
		}
	}
	return 0
}
