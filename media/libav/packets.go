package libav

import (
	"cmp"
	"sync"

	"github.com/roomcast/roomcast/media"
)

// packets is a source whose packets are made in Go.
type packets struct {
	media.Source
	life  *life
	way   media.Way
	delay media.SoundDelay
	busy  sync.Mutex // held while a packet is read
	once  sync.Once
}

func (o *Opener) ofPackets(r media.SourceRequest, l *life, way media.Way) (media.Source, error) {
	m := &packets{Source: way.Source, life: l, way: way, delay: media.SoundDelay{By: r.AudioDelay}}
	if !l.probed() {
		defer func() { _ = m.Close() }()
		return nil, l.ended(opOpen)
	}
	return m, nil
}

// ReadPacket returns the next packet, with the delay of the sound.
func (m *packets) ReadPacket() (media.Packet, error) {
	m.busy.Lock()
	defer m.busy.Unlock()
	tracks := m.Info().Tracks
	var p media.Packet
	var err error
	if m.delay.By == 0 || len(tracks) < 2 {
		p, err = m.Source.ReadPacket()
	} else {
		p, err = m.delay.Read(m.Source.ReadPacket, func(p media.Packet) media.MediaType { return tracks[p.Track].Type })
	}
	if err != nil {
		err = cmp.Or(m.life.ended(opRead), err)
	}
	return p, err
}

// Close ends the connection, and waits for a read to end.
func (m *packets) Close() error {
	m.once.Do(func() {
		m.life.interrupt()
		_ = m.Source.Close()
		m.busy.Lock()
		defer m.busy.Unlock()
		m.life.close()
		if m.way.Close != nil {
			m.way.Close()
		}
	})
	return nil
}
