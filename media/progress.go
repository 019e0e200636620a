package media

import "time"

// Progress is a snapshot of a running attempt; Loop, Played and Coverage count
// over all attempts of the push.
type Progress struct {
	Position       time.Duration // media time of the source
	Duration       time.Duration // 0 when unknown
	Unclocked      bool          // the source's clock has stepped back: Position is no time of it
	Resumed        time.Duration // where the push began because another one had stopped there; 0: it did not
	Bitrate        BitsPerSecond // sent to the room, over the last seconds
	FPS            float64       // video frames sent per second, over the last seconds
	SentBytes      int64
	DroppedPackets int64
	Reconnects     int64
	LatenessP99    time.Duration // how late packets left, over the last seconds
	Loop           int           // how many plays of the source are done
	Played         time.Duration // time spent publishing
	Slipped        time.Duration // by how much the clock was moved because the source or the room was too slow, and has stayed so
	Coverage       [2]Coverage   // what the room's tracks were made of, by MediaType
	UpdatedAt      time.Time
}

// GoOnFrom makes the Meter stand where the attempt before stood when it told
// p: at its position, with its loops, its time in the room and what that was made of.
func (m *Meter) GoOnFrom(p Progress) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.progress.Position, m.progress.Loop, m.progress.Played, m.progress.Coverage = p.Position, p.Loop, p.Played, p.Coverage
	m.progress.Unclocked = p.Unclocked
	m.before = p.Played
}

// ResumeFrom notes where another push of the source stopped, from where this one goes on.
func (m *Meter) ResumeFrom(position time.Duration) {
	m.set(func(p *Progress) { p.Resumed = position })
}
