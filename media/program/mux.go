package program

import (
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/clock"
)

// mux decides in which order the rooms get what was made of their tracks, and fills in what
// a track lacks in between: of a track that is made up all, of the sound every hole, so that
// no player waits for it or gives up.
type mux struct {
	tracks   *roomTracks
	times    *timeline
	coverage *coverage
	catchUp  *catchUp
	commands *commands
	playlist *playlist

	interleaver *clock.Interleaver // of what is made, where something is re-encoded
	ready       []media.Packet     // decided, and not yet given out
	given       bool               // the present input has led to a packet
}

// open begins to bring the room's tracks together.
func (m *mux) open(realtime bool) {
	hold := clock.FileHold
	if realtime {
		hold = clock.LiveHold
	}
	m.interleaver = clock.NewInterleaver(len(m.tracks.all()), hold)
}

// lead makes the sound of an input wait for its first picture: viewers begin with one, and a
// decoder may keep it for long.
func (m *mux) lead(realtime bool) {
	m.interleaver.Lead(m.tracks.index(media.Video), m.tracks.encodes(media.Video) && !realtime)
}

// take passes on what an output track made, and fills in the other track up to there.
func (m *mux) take(kind media.MediaType, out []media.Packet) {
	track, other := &m.tracks.of[kind], &m.tracks.of[1-kind]
	for _, p := range out {
		if m.times.beyond(p.PTS) {
			continue
		}
		if kind == media.Audio {
			m.fillSilence(p.PTS)
		}
		track.shown = max(track.shown, p.PTS)
		m.times.ends = max(m.times.ends, p.PTS+m.times.lasts(kind, &p))
		if kind == media.Audio && other.filled != nil && m.commands.wantKey.CompareAndSwap(true, false) {
			other.filled.restart()
		}
		m.giveAll(1-kind, other.filled.until(p.DTS))
		m.give(kind, p)
	}
}

// give passes on a packet of a room's track. Configuration is the track's, unless it has
// one already.
func (m *mux) give(kind media.MediaType, p media.Packet) {
	p.Play = m.playlist.plays
	m.coverage.account(kind, &p)
	m.given, p.Track = true, m.tracks.index(kind)
	p.Kind, p.Leads = kind, m.times.input != nil && (kind == media.Video || m.tracks.picture().output == nil)
	p.Position, p.Skipped, p.Unclocked = m.times.position(p.PTS), m.catchUp.before(p.DTS), m.times.unclocked(p.PTS)
	if p.Extradata = nil; p.Config == nil {
		p.Config = m.tracks.of[kind].output.track().Extradata
	}
	if m.tracks.busy() && m.times.input != nil {
		m.interleaver.Push(p)
		return
	}
	m.ready = append(m.ready, p)
}

func (m *mux) giveAll(kind media.MediaType, packets []media.Packet) {
	for _, p := range packets {
		m.give(kind, p)
	}
}

// first is what pop gives next, nil when it gives nothing.
func (m *mux) first() *media.Packet {
	if p := m.interleaver.First(); p != nil {
		return p
	}
	if len(m.ready) == 0 {
		return nil
	}
	return &m.ready[0]
}

func (m *mux) pop() (media.Packet, bool) {
	if p, ok := m.interleaver.Pop(); ok {
		return p, true
	}
	if len(m.ready) == 0 {
		return media.Packet{}, false
	}
	p := m.ready[0]
	m.ready[0] = media.Packet{}
	if len(m.ready) == 1 { // as nearly always: its memory is used again
		m.ready = m.ready[:0]
	} else {
		m.ready = m.ready[1:]
	}
	return p, true
}

// drain makes ready what waits for the other track.
func (m *mux) drain() {
	m.interleaver.Flush()
	for p, ok := m.interleaver.Pop(); ok; p, ok = m.interleaver.Pop() {
		m.ready = append(m.ready, p)
	}
}

// clear forgets what was not given out, and returns how many packets that was.
func (m *mux) clear() int64 {
	n := len(m.ready)
	media.Release(m.ready)
	m.ready = nil
	if m.interleaver != nil {
		n += m.interleaver.Clear()
	}
	return int64(n)
}

const (
	// silenceAfterFile and silenceAfterLive are by how much sound may lie behind the
	// picture before it is taken for missing: of a file that is re-encoded, what an
	// encoder holds.
	silenceAfterFile = time.Second
	silenceAfterLive = 2 * time.Second
)

// fillSilence fills the room's sound up to t.
func (m *mux) fillSilence(t time.Duration) {
	sound := m.tracks.sound()
	end, known := m.coverage.soundEnd()
	hole := smallHole
	if c := &sound.coverage; c.begun && c.origin == media.Filled {
		hole = 0 // it has begun: silence keeps up with the picture
	}
	if sound.output == nil || sound.filled != nil || !known || t-end <= hole || !m.tracks.Options.FillAudio {
		return
	}
	quiet := m.tracks.silenceAs(sound.output.track())
	if quiet == nil {
		return
	}
	quiet.begun, quiet.base = true, max(end, t-clock.MaxForward)
	for _, p := range quiet.until(t - quiet.span) {
		sound.shown = p.PTS
		m.give(media.Audio, p)
	}
	sound.encoded.skipBefore(sound.shown + quiet.span)
}

// fillSilenceBehind fills what lies so far behind a picture at t that nothing comes of
// it any more.
func (m *mux) fillSilenceBehind(t time.Duration) {
	wait := time.Duration(0) // the aligner has brought all into order
	switch {
	case m.times.input.Realtime:
		wait = silenceAfterLive
	case m.tracks.encodes(media.Audio):
		wait = silenceAfterFile
	}
	m.fillSilence(t - wait)
}

// fillUntil gives what there is until room time t of a track that is made up, and has
// begun.
func (m *mux) fillUntil(kind media.MediaType, t time.Duration) {
	m.giveAll(kind, m.tracks.of[kind].filled.further(t))
}
