package media

import "time"

// Totals is what one or more attempts have done; none of it ever shrinks.
type Totals struct {
	Bytes   int64         // sent to rooms
	Dropped int64         // packets that were left out
	Played  time.Duration // spent in rooms
	Late    time.Duration // by how much packets left late, all together
	// Lateness counts packets by how late they left: those of [i] by less than
	// LatenessBound(i), and no less than the bound before.
	Lateness [latenessBuckets]int64
}

// LatenessBound is the end of a bucket of Totals.Lateness; the last has none.
func LatenessBound(i int) time.Duration { return time.Microsecond << i }

// Add adds what another attempt has done.
func (t *Totals) Add(o Totals) {
	t.Bytes += o.Bytes
	t.Dropped += o.Dropped
	t.Played += o.Played
	t.Late += o.Late
	for i, n := range o.Lateness {
		t.Lateness[i] += n
	}
}

func (t *Totals) addSecond(s *second) {
	t.Late += s.late
	for i, n := range s.lateness {
		t.Lateness[i] += int64(n)
	}
}

// Totals returns what this attempt has done; the attempts before it are not in it.
func (m *Meter) Totals() Totals {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.past
	for i := range m.seconds {
		t.addSecond(&m.seconds[i])
	}
	t.Bytes, t.Dropped = m.progress.SentBytes, m.progress.DroppedPackets
	t.Played = max(m.progress.Played-m.before, 0)
	return t
}
