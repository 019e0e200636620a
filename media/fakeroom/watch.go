package fakeroom

import (
	"bytes"
	"fmt"
	"time"

	"github.com/roomcast/roomcast/media"
)

// cutAfter is how long the real room shows a stream with B-frames before it
// cuts it.
const cutAfter = time.Second

// watch checks a session's stream. It is used under the session's lock.
type watch struct {
	clock    [2]unwrapper // per media.MediaType
	avc      avcConfig
	sps      []byte
	maxPTS   time.Duration
	cutAt    time.Time
	cutWords string
}

// look fills in p's timestamps and flags, counts it into s and says whether
// the stream is to be cut.
func (w *watch) look(s *Session, p *Packet) *verdict {
	p.DTS = w.clock[p.Type].unwrap(p.DTS)
	p.PTS = p.DTS
	n := s.ViolationCount
	if p.Type == media.Video {
		w.video(s, p)
	} else {
		w.audio(s, p)
	}
	for _, v := range s.Violations[min(n, len(s.Violations)):] {
		w.judge(v, s.StartedAt)
	}
	if w.cutAt.IsZero() || p.At.Before(w.cutAt) {
		return nil
	}
	return &verdict{end: EndCut, code: CodeCut, words: w.cutWords}
}

// judge schedules the cut that a violation deserves.
func (w *watch) judge(v Violation, started time.Time) {
	if !w.cutAt.IsZero() || !v.Kind.cuts() {
		return
	}
	w.cutAt, w.cutWords = v.At, v.Words
	if v.Kind == BFrames {
		w.cutAt = started.Add(cutAfter)
	}
}

func (w *watch) video(s *Session, p *Packet) {
	t, err := parseVideo(p.Data)
	switch {
	case err != nil:
		s.broken(p, err.Error())
	case t.wrong:
		s.violate(WrongCodec, p, "video is "+t.codec+", the room takes H.264 only")
	case t.kind == packetConfig:
		p.Config = true
		w.videoConfig(s, p, t.payload)
	case t.kind == packetFrame:
		p.Keyframe, p.PTS = t.keyframe, p.DTS+t.cts
		w.frame(s, p, t.payload)
	}
}

func (w *watch) videoConfig(s *Session, p *Packet, payload []byte) {
	c, err := parseAVCConfig(payload)
	if err != nil {
		s.violate(Structure, p, err.Error())
		return
	}
	w.avc = c
	s.VideoConfigs = appendNew(s.VideoConfigs, payload)
	w.checkSPS(s, p, c.sps)
}

// checkSPS compares an SPS, from a config or within a frame, with the one before.
func (w *watch) checkSPS(s *Session, p *Packet, sps []byte) {
	if bytes.Equal(sps, w.sps) {
		return
	}
	width, height, err := resolution(sps)
	if err != nil {
		s.violate(Structure, p, err.Error())
		return
	}
	switch {
	case w.sps == nil:
	case width != s.Width || height != s.Height:
		s.violate(Resolution, p, fmt.Sprintf("the picture changed from %dx%d to %dx%d",
			s.Width, s.Height, width, height))
	default:
		s.violate(NewSPS, p, "a new SPS of the same size came in mid-stream")
	}
	w.sps = bytes.Clone(sps)
	s.Width, s.Height = width, height
}

func (w *watch) frame(s *Session, p *Packet, payload []byte) {
	first := s.Video.Packets == 0
	if first && !p.Keyframe {
		s.violate(Structure, p, "the video does not start at a keyframe")
	}
	w.nalus(s, p, payload)
	if first || p.DTS <= s.Video.LastDTS {
		w.maxPTS = p.PTS // a jump back in time is not a reordering
	}
	if p.PTS < w.maxPTS && !s.Broke(BFrames) {
		s.violate(BFrames, p, "the video has B-frames")
	}
	w.maxPTS = max(w.maxPTS, p.PTS)
	if p.Keyframe {
		s.Video.Keyframes++
	}
	w.count(s, p, &s.Video)
}

func (w *watch) nalus(s *Session, p *Packet, payload []byte) {
	if w.avc.lengthSize == 0 {
		s.broken(p, "a frame came before the SPS and PPS")
		return
	}
	au, err := parseAccessUnit(payload, w.avc.lengthSize)
	switch {
	case err != nil:
		s.broken(p, err.Error())
	case p.Keyframe && !au.idr && s.Video.Packets == 0:
		s.broken(p, "the first keyframe has no IDR picture")
	case au.bidirectional && !s.Broke(BFrames):
		s.violate(BFrames, p, "the video has B-frames")
	case au.sps != nil:
		w.checkSPS(s, p, au.sps)
	}
}

func (w *watch) audio(s *Session, p *Packet) {
	t, err := parseAudio(p.Data)
	p.Keyframe = err == nil
	switch {
	case err != nil:
		s.broken(p, err.Error())
	case t.wrong:
		s.violate(WrongCodec, p, "audio is "+t.codec+", the room takes AAC only")
	case t.kind == packetConfig:
		p.Config = true
		before := len(s.AudioConfigs)
		s.AudioConfigs = appendNew(s.AudioConfigs, t.payload)
		if before > 0 && len(s.AudioConfigs) > before {
			s.violate(AudioSetup, p, "the AudioSpecificConfig changed in mid-stream")
		}
	default:
		if len(s.AudioConfigs) == 0 {
			s.broken(p, "a frame came before the AudioSpecificConfig")
		}
		if len(t.payload) == 0 {
			s.broken(p, "empty frame")
		}
		w.count(s, p, &s.Audio)
	}
}

func (w *watch) count(s *Session, p *Packet, stats *TrackStats) {
	if stats.Packets > 0 && p.DTS <= stats.LastDTS {
		s.violate(Timestamps, p, fmt.Sprintf("%s DTS goes from %v to %v", p.Type, stats.LastDTS, p.DTS))
	}
	stats.add(*p)
}

func (s *Stream) broken(p *Packet, words string) {
	if p.Type == media.Video {
		s.Video.Broken++
	} else {
		s.Audio.Broken++
	}
	s.violate(Structure, p, p.Type.String()+": "+words)
}

func (s *Stream) violate(kind ViolationKind, p *Packet, words string) {
	s.ViolationCount++
	if len(s.Violations) < maxViolations || kind.cuts() {
		s.Violations = append(s.Violations, Violation{
			Kind: kind, At: p.At, DTS: p.DTS, Words: words,
		})
	}
}

// appendNew adds config unless it is the newest already.
func appendNew(configs [][]byte, config []byte) [][]byte {
	if n := len(configs); n > 0 && bytes.Equal(configs[n-1], config) {
		return configs
	}
	return append(configs, bytes.Clone(config))
}

// unwrapper turns RTMP's 32-bit millisecond timestamps (RTMP 1.0, 5.3.1) into
// ones that do not wrap.
type unwrapper struct {
	started bool
	last    time.Duration
}

func (u *unwrapper) unwrap(ts time.Duration) time.Duration {
	if !u.started {
		u.started, u.last = true, ts
		return ts
	}
	step := int32(uint32(ts/time.Millisecond) - uint32(u.last/time.Millisecond))
	u.last += time.Duration(step) * time.Millisecond
	return u.last
}
