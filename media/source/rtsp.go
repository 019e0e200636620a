package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/gortsplib/v5/pkg/headers"
	"github.com/bluenviron/gortsplib/v5/pkg/liberrors"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/roomcast/roomcast/media"
)

// RTSP 1.0 (RFC 2326), its media interleaved (section 10.12).

const (
	// rtspWaiting is how many frames may wait for whoever reads: more are left in the
	// connection.
	rtspWaiting     = 256
	statusTransport = 461 // RFC 2326, section 11.3.14
)

const (
	errNotRTSP   = media.Sentence("the source did not answer as an RTSP server")
	errTransport = media.Sentence("the source does not send its media over TCP")
	errRedirects = media.Sentence("the source redirects, which is not followed for rtsp")
)

// errElsewhere is a redirect: gortsplib would follow it, to any address and with
// the user and the password of before.
var errElsewhere = errors.New("a second connection")

// rtspReader plays one session. It is a media.Source.
type rtspReader struct {
	// ctx is a field because the contract of media.Gate makes one context bound
	// all that a Way does.
	ctx     context.Context
	cancel  context.CancelFunc
	place   string // scheme, host and port: what may be shown
	client  *gortsplib.Client
	running sync.WaitGroup
	// transport says that the session is a transport stream.
	transport bool

	early  rtspEarly
	drift  driftWatch
	frames chan rtspFrame
	over   rtspEnd

	info     media.SourceInfo
	promised [2]bool         // by media.MediaType, as all that follows
	tracks   [2]*media.Track // that have come
	held     []rtspFrame
}

// rtspEarly holds the packets that come before PLAY's answer, which tells of their times.
type rtspEarly struct {
	mu      sync.Mutex
	playing bool
	packets []rtspPacket
}

// play is called with PLAY's answer: align ends before a packet is read.
func (e *rtspEarly) play(align func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.playing = true
	align()
}

// add takes a packet, and returns those that may be read.
func (e *rtspEarly) add(p rtspPacket) (ready []rtspPacket) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.packets) < rtspWaiting {
		e.packets = append(e.packets, p)
	}
	if e.playing {
		ready, e.packets = e.packets, nil
	}
	return ready
}

// rtspEnd is why there is no more: the first reason counts.
type rtspEnd struct {
	once   sync.Once
	came   chan struct{} // closed with reason
	reason error
}

func (e *rtspEnd) end(err error) {
	e.once.Do(func() {
		e.reason = err
		close(e.came)
	})
}

// rtspFrame is a frame of a track. The track is as it is with this frame.
type rtspFrame struct {
	kind   media.MediaType
	track  *media.Track
	packet media.Packet
}

// rtspPacket is one that came before it was known when its track begins.
type rtspPacket struct {
	track  *rtspTrack
	packet *rtp.Packet
}

// openRTSP plays r's source.
func openRTSP(ctx context.Context, network Network, r media.SourceRequest) (media.Way, error) {
	u, err := base.ParseURL(r.URL.Reveal())
	if err != nil {
		return media.Way{}, &media.Error{Kind: media.KindSourceInvalid, Op: opOpen, Err: media.Because("the address cannot be read", nil)}
	}
	s := &rtspReader{place: u.Scheme + "://" + u.Host, frames: make(chan rtspFrame, rtspWaiting), over: rtspEnd{came: make(chan struct{})}}
	s.ctx, s.cancel = context.WithCancel(ctx)
	tcp, dialed := gortsplib.ProtocolTCP, false
	s.client = &gortsplib.Client{
		// Of rtsps the gate makes the TLS: to gortsplib it is the same as rtsp.
		Scheme: "rtsp", Host: u.Host, Protocol: &tcp, ReadTimeout: readTime, WriteTimeout: connectTime, UserAgent: "Roomcast/1",
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			if dialed {
				return nil, errElsewhere
			}
			dialed = true
			c, err := network.Dial(s.ctx, r)
			if err != nil {
				return nil, err
			}
			return newVetted(c), nil
		},
		OnTransportSwitch: func(error) {}, OnPacketsLost: func(uint64) {}, OnDecodeError: func(error) {},
	}
	if err := s.client.Start(); err != nil {
		s.cancel()
		return media.Way{}, s.fault(opOpen, err)
	}
	s.running.Go(func() {
		<-s.ctx.Done()
		s.client.Close()
	})
	if err = guarded(func() error { return s.play(u, r.Choice) }); err == nil {
		s.running.Go(func() { s.over.end(s.client.Wait()) })
		if s.transport {
			b := s.stream()
			return media.Way{URL: r.URL, Bytes: b, Refusal: b.refusal, Close: func() { _ = s.Close() }}, nil
		}
		err = s.begin(r.Came)
	}
	if err != nil {
		err = s.fault(opOpen, err)
		_ = s.Close()
		return media.Way{}, err
	}
	return media.Way{URL: r.URL, Source: s}, nil
}

func (s *rtspReader) play(u *base.URL, choice media.TrackChoice) error {
	session, _, err := s.client.Describe(u)
	if err != nil {
		return err
	}
	var chosen []*rtspTrack
	if ts := transportOf(session); ts != nil {
		chosen, s.transport = append(chosen, ts), true
	} else if chosen, err = s.choose(session, choice); err != nil {
		return err
	}
	for _, c := range chosen {
		if _, err := s.client.Setup(session.BaseURL, c.media, 0, 0); err != nil {
			return err
		}
		s.client.OnPacketRTP(c.media, c.format, func(p *rtp.Packet) { _ = guarded(func() error { s.take(c, p); return nil }) })
		s.client.OnPacketRTCP(c.media, func(p rtcp.Packet) {
			if _, over := p.(*rtcp.Goodbye); over {
				s.over.end(errEnded)
			}
		})
	}
	answer, err := s.client.Play(nil)
	if err != nil {
		return err
	}
	s.early.play(func() { align(chosen, session.BaseURL, answer.Header["RTP-Info"]) })
	return nil
}

// align takes from PLAY's answer which time of each track's clock is the same
// moment (RFC 2326, section 12.33). Where it does not tell that of all, gortsplib
// guesses it by when the first packets come.
func align(tracks []*rtspTrack, session *base.URL, told base.HeaderValue) {
	var info headers.RTPInfo
	if info.Unmarshal(told) != nil {
		return
	}
	begins := make([]*uint32, len(tracks))
	for i, t := range tracks {
		u, err := t.media.URL(session)
		if err != nil {
			return
		}
		for _, entry := range info {
			if at, err := base.ParseURL(entry.URL); err == nil && at.Path == u.Path && at.RawQuery == u.RawQuery {
				begins[i] = entry.Timestamp
			}
		}
		if begins[i] == nil {
			return
		}
	}
	together := &rtspBegin{}
	for i, t := range tracks {
		t.aligned, t.begins, t.last = true, together, *begins[i]
	}
}

// choose takes a picture and a sound out of those that can be read.
func (s *rtspReader) choose(session *description.Session, choice media.TrackChoice) (chosen []*rtspTrack, err error) {
	sounds := 0
	asked, numbered := strconv.Atoi(choice.Audio)
	var there []string
	for _, m := range session.Medias {
		if m.IsBackChannel || m.Type != description.MediaTypeVideo && m.Type != description.MediaTypeAudio {
			there = append(there, string(m.Type))
			continue
		}
		kind := media.Video
		if m.Type == description.MediaTypeAudio {
			kind = media.Audio
		}
		stream := media.Stream{Type: kind.String(), AudioTrack: -1, LeftOut: "not chosen"}
		wanted := !s.promised[kind]
		if kind == media.Audio {
			stream.AudioTrack = sounds
			wanted = wanted && (choice.Audio == "" || numbered == nil && asked == sounds)
			sounds++
		}
		for _, f := range m.Formats {
			stream.Codec = codecOf(f)
			t := newRTSPTrack(kind, m, f)
			if t == nil {
				stream.LeftOut, stream.NoDecoder = "unreadable", true
				continue
			}
			if stream.Codec, stream.NoDecoder, stream.LeftOut = t.known.Codec, false, "not chosen"; wanted {
				stream.Chosen, stream.LeftOut, s.promised[kind] = true, "", true
				chosen = append(chosen, t)
			}
			break
		}
		there = append(there, fmt.Sprintf("%s (%s)", kind, stream.Codec))
		s.info.Streams = append(s.info.Streams, stream)
	}
	no := func(words string) error {
		return &media.Error{Kind: media.KindSourceNoTrack, Op: opOpen, Err: media.Sentence(words)}
	}
	switch {
	case choice.Program != 0:
		return nil, no(fmt.Sprintf("the source has no program %d: it has no programs, as only a transport stream (MPEG-TS) has; leave programNumber out", choice.Program))
	case choice.Audio != "" && !s.promised[media.Audio]:
		return nil, no(fmt.Sprintf("the source has no audio track '%s': it has %d, which are asked for by number, from 0", choice.Audio, sounds))
	case len(chosen) == 0:
		return nil, no("it holds only: " + strings.Join(there, ", "))
	}
	return chosen, nil
}

// codecOf is what a format is called: by its server, where gortsplib has no name.
func codecOf(f format.Format) media.Codec {
	name := f.Codec()
	if unknown, ok := f.(*format.Generic); ok {
		name, _, _ = strings.Cut(unknown.RTPMap(), "/")
	}
	return media.Codec(cmp.Or(strings.ToLower(media.Clean(name)), "unknown"))
}

// take makes frames of a packet. It is called by the session's own goroutine.
// What comes before PLAY's answer waits for that.
func (s *rtspReader) take(t *rtspTrack, p *rtp.Packet) {
	for _, e := range s.early.add(rtspPacket{t, p}) {
		s.give(e.track, e.packet)
	}
}

func (s *rtspReader) give(t *rtspTrack, p *rtp.Packet) {
	ticks, ok := t.clock(p.Timestamp)
	if !ok && !t.transport {
		if ticks, ok = s.client.PacketPTS(t.media, p); !ok {
			return
		}
	}
	at := time.Duration(float64(ticks) / float64(t.format.ClockRate()) * float64(time.Second))
	if wall, ok := s.client.PacketNTP(t.media, p); ok && !t.transport {
		s.drift.note(t.known.Type, at, wall)
	}
	if t.known.Type == media.Audio {
		at += s.drift.moved
	}
	for _, f := range t.frames(p, at) {
		select {
		case s.frames <- f:
		case <-s.ctx.Done():
		case <-s.over.came:
		}
	}
}

// fault is what an error of the session means of the source.
func (s *rtspReader) fault(op string, err error) error {
	if s.ctx.Err() != nil {
		return fmt.Errorf("%s: %w", op, context.Cause(s.ctx))
	}
	if errors.Is(err, errEnded) {
		return io.EOF
	}
	if _, ok := errors.AsType[*media.Error](err); ok {
		return err
	}
	kind, words := media.KindSourceUnavailable, media.OfNetwork(err)
	status, answered := errors.AsType[liberrors.ErrClientBadStatusCode](err)
	_, asked := errors.AsType[liberrors.ErrClientAuthSetup](err)
	_, late := errors.AsType[liberrors.ErrClientRequestTimedOut](err)
	_, silent := errors.AsType[liberrors.ErrClientTCPTimeout](err)
	_, udp := errors.AsType[liberrors.ErrClientServerRequestedUDP](err)
	switch {
	case errors.Is(err, errElsewhere) || answered && status.Code/100 == 3:
		kind, words = media.KindSourceUnsupported, string(errRedirects)
	case udp || answered && status.Code == statusTransport:
		kind, words = media.KindSourceUnsupported, string(errTransport)
	case answered:
		kind, words = media.OfStatus(int(status.Code))
	case asked:
		kind, words = media.OfStatus(http.StatusUnauthorized)
	case late || silent:
		words = "its server did not answer in time"
	case words == "" && op == opOpen:
		words = string(errNotRTSP)
	case words == "":
		words = string(errSourceBroke)
	}
	return &media.Error{Kind: kind, Op: op, Err: media.Because(s.place+": "+words, nil)}
}

// begin reads on until it is known what the tracks are.
func (s *rtspReader) begin(came func()) error {
	begun := time.Now()
	look := time.NewTicker(trackWait / 15)
	defer look.Stop()
	for bytes := 0; bytes < mostWaited && !s.settled(time.Since(begun)); {
		select {
		case f := <-s.frames:
			if came != nil {
				came()
			}
			if len(s.held) == 0 {
				begun = time.Now()
			}
			if s.tracks[f.kind] == nil {
				s.tracks[f.kind] = f.track
			}
			s.held, bytes = append(s.held, f), bytes+len(f.packet.Data)
		case <-s.over.came:
			return ended(s.fault(opOpen, s.over.reason))
		case <-s.ctx.Done():
			return s.fault(opOpen, s.ctx.Err())
		case <-look.C:
		}
	}
	if len(s.held) == 0 {
		return &media.Error{Kind: media.KindSourceUnavailable, Op: opOpen, Err: media.Because(s.place+": it sends nothing that can be read", nil)}
	}
	s.describe()
	s.start()
	return nil
}

// settled says whether nothing more is to be waited for.
func (s *rtspReader) settled(waited time.Duration) bool {
	missing := func(m media.MediaType) bool { return s.tracks[m] == nil && s.promised[m] }
	switch {
	case missing(media.Video):
		return waited > videoWait
	case missing(media.Audio):
		return waited > trackWait && s.tracks[media.Video] != nil || waited > videoWait
	}
	return true
}

// describe fills in Info's tracks: the picture before the sound.
func (s *rtspReader) describe() {
	s.info.Container, s.info.Live, s.info.Tracks = "rtsp", true, nil
	for _, t := range s.tracks {
		if t != nil {
			s.info.Tracks = append(s.info.Tracks, *t)
		}
	}
}

// start leaves sound out that is long past when the picture begins, and finds
// where the source does.
func (s *rtspReader) start() {
	if i := slices.IndexFunc(s.held, func(f rtspFrame) bool { return f.kind == media.Video }); i >= 0 {
		from := s.held[i].packet.PTS - earlySound
		s.held = slices.DeleteFunc(s.held, func(f rtspFrame) bool { return f.kind == media.Audio && f.packet.PTS < from })
	}
	s.info.StartTime = s.held[0].packet.PTS
	for _, f := range s.held {
		s.info.StartTime = min(s.info.StartTime, f.packet.PTS)
	}
}

// Info returns what the source turned out to be.
func (s *rtspReader) Info() media.SourceInfo { return s.info }

// Seek fails: the source is live.
func (s *rtspReader) Seek(time.Duration) error {
	return &media.Error{Kind: media.KindInternal, Op: "seek", Err: errNotSought}
}

// ReadPacket returns the next packet; io.EOF after the last, media.ErrLateVideo
// once.
func (s *rtspReader) ReadPacket() (media.Packet, error) {
	f, err := s.next()
	if err != nil {
		return media.Packet{}, err
	}
	p := f.packet
	if s.tracks[f.kind] == nil {
		s.tracks[f.kind] = f.track
		s.describe()
		if f.kind == media.Video {
			s.held = append([]rtspFrame{f}, s.held...)
			return media.Packet{}, media.ErrLateVideo
		}
		p.Change = f.track
	}
	if f.kind == media.Audio && s.tracks[media.Video] != nil {
		p.Track = 1
	}
	return p, nil
}

func (s *rtspReader) next() (rtspFrame, error) {
	if len(s.held) > 0 {
		return media.TakeFirst(&s.held), nil
	}
	select {
	case f := <-s.frames:
		return f, nil
	default:
	}
	select {
	case f := <-s.frames:
		return f, nil
	case <-s.over.came:
		return rtspFrame{}, s.fault(opRead, s.over.reason)
	case <-s.ctx.Done():
		return rtspFrame{}, s.fault(opRead, s.ctx.Err())
	}
}

// Close ends the session, and waits for it.
func (s *rtspReader) Close() error {
	s.cancel()
	s.running.Wait()
	return nil
}
