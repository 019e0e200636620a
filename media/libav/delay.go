package libav

import "github.com/roomcast/roomcast/media"

// delays says whether the sound is given at another time than the source has it.
func (s *Source) delays() bool { return s.delay.Counts(s.info.Tracks) }

func (s *Source) readDelayed() (media.Packet, error) {
	return s.delay.Read(s.readTimed, s.typeOf)
}

// delayPending is for packets that were read before it was known that there are
// two tracks.
func (s *Source) delayPending() {
	if !s.delays() {
		return
	}
	for _, p := range s.ahead.Packets {
		s.delay.Add(p, s.info.Tracks[p.Track].Type)
	}
	s.ahead.Packets = nil
}
