package source

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/datarhei/gosrt/circular"
	"github.com/datarhei/gosrt/congestion"
	"github.com/datarhei/gosrt/congestion/live"
	"github.com/datarhei/gosrt/crypto"
	"github.com/datarhei/gosrt/packet"

	"github.com/roomcast/roomcast/media"
)

// SRT (draft-sharabayko-srt-01), its caller's side. Packets, ciphers and the order
// of what comes are gosrt's; its Dial is not used: it looks for its own way to the
// address, asks once, and leaves a goroutine behind.

const (
	srtTick      = 10 * time.Millisecond // how often what comes is confirmed (4.8.1)
	srtAskAgain  = 250 * time.Millisecond
	srtLatency   = 120 * time.Millisecond // the least (4.4)
	srtKeepAlive = time.Second            // section 3.2.3
	srtPacket    = 1500
	srtWindow    = 8192 // packets
	srtVersion   = 0x010401
	srtMagic     = 0x4A17 // section 3.2.1: the listener knows version 5
	// srtWaiting is what may wait for libav: what comes then is lost.
	srtWaiting = 8 << 20
	// srtDrift is how often the other side's clock is looked at anew.
	srtDrift = 10 * time.Second
	// srtEpoch makes times of gosrt's that are not below zero.
	srtEpoch = 1 << 50
)

const (
	errSRTSilent  = media.Sentence("the source does not answer")
	errSRTOld     = media.Sentence("the source speaks an old SRT, from before version 1.3")
	errSRTRefused = media.Sentence("the source refused the connection")
	errSRTSecret  = media.Sentence("the source has another passphrase, or none")
)

// srtOptions are those of an address that say who asks.
type srtOptions struct {
	place      string // scheme, host and port: what may be shown
	stream     string
	passphrase string
	keyLength  int
}

// parseSRT takes an address apart that has been checked.
func parseSRT(raw string) srtOptions {
	_, rest, _ := strings.Cut(raw, "://")
	place, query := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		place = rest[:i]
		_, query, _ = strings.Cut(rest[i:], "?") // with what follows a #: stream ids begin so
	}
	o := srtOptions{place: "srt://" + place, keyLength: 16}
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		switch value = unescaped(value); name {
		case "streamid":
			o.stream = value
		case "passphrase":
			o.passphrase = value
		case "pbkeylen":
			o.keyLength, _ = strconv.Atoi(value)
		}
	}
	return o
}

// srtCaller is one connection. What comes is read by a goroutine of its own: it
// has to be confirmed in time.
type srtCaller struct {
	*srtBuffer
	options srtOptions
	link    srtLink
	cipher  crypto.Crypto
	order   congestion.Receiver
	clock   srtClock
	trips   srtTrips
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// openSRT connects to a listener. Its transport stream is libav's to read.
func openSRT(ctx context.Context, network Network, r media.SourceRequest) (media.Way, error) {
	conn, err := network.Dial(ctx, r)
	if err != nil {
		return media.Way{}, err
	}
	c := &srtCaller{
		options: parseSRT(r.URL.Reveal()), link: newSRTLink(conn), trips: newSRTTrips(), srtBuffer: newSRTBuffer(),
	}
	ctx, c.cancel = context.WithCancel(ctx)
	if err := guarded(func() error { return c.shakeHands(ctx) }); err != nil {
		_ = conn.Close()
		err = c.fault(ctx, opOpen, err)
		c.cancel()
		return media.Way{}, err
	}
	c.running.Go(func() {
		err := c.fault(ctx, opRead, guarded(func() error { return c.run(ctx) }))
		_ = guarded(func() error { return c.link.send(c.link.control(packet.CTRLTYPE_SHUTDOWN)) })
		_ = conn.Close()
		c.end(err)
	})
	return media.Way{URL: r.URL, Bytes: c, Refusal: c.refusal, Close: c.close}, nil
}

func (c *srtCaller) close() {
	c.cancel()
	c.running.Wait()
}

// fault is what an error means of the source.
func (c *srtCaller) fault(ctx context.Context, op string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", op, context.Cause(ctx))
	}
	if _, ok := errors.AsType[*media.Error](err); ok {
		return err
	}
	if _, ok := errors.AsType[media.Sentence](err); !ok {
		err = media.Sentence(cmp.Or(media.OfNetwork(err), string(errSourceBroke)))
	}
	return c.refused(media.KindSourceUnavailable, op, err.Error())
}

func (c *srtCaller) refused(kind media.Kind, op, words string) error {
	return &media.Error{Kind: kind, Op: op, Err: media.Because(c.options.place+": "+words, nil)}
}

// shakeHands asks until the listener has said who it is, and then until it has
// said yes (4.3.1).
func (c *srtCaller) shakeHands(ctx context.Context) error {
	ask := &packet.CIFHandshake{
		IsRequest: true, Version: 4, ExtensionField: 2, HandshakeType: packet.HSTYPE_INDUCTION,
		InitialPacketSequenceNumber: circular.New(rand.Uint32()&packet.MAX_SEQUENCENUMBER, packet.MAX_SEQUENCENUMBER),
		MaxTransmissionUnitSize:     srtPacket, MaxFlowWindowSize: srtWindow, SRTSocketId: c.link.id,
	}
	ask.PeerIP.FromNetAddr(c.link.conn.LocalAddr())
	for end := time.Now().Add(connectTime); time.Now().Before(end); {
		p := c.link.control(packet.CTRLTYPE_HANDSHAKE)
		p.MarshalCIF(ask)
		if err := c.link.send(p); err != nil {
			return err
		}
		for again := time.Now().Add(srtAskAgain); time.Now().Before(again); {
			p, err := c.link.receive(ctx)
			if err != nil {
				return err
			}
			if p == nil || !p.Header().IsControlPacket || p.Header().ControlType != packet.CTRLTYPE_HANDSHAKE {
				continue
			}
			answer := &packet.CIFHandshake{}
			if p.UnmarshalCIF(answer) != nil {
				continue
			}
			switch kind := answer.HandshakeType; {
			case kind == packet.HSTYPE_INDUCTION && ask.HandshakeType == packet.HSTYPE_INDUCTION:
				if err := c.conclude(ask, answer); err != nil {
					return err
				}
				again = time.Now() // ask at once
			case kind == packet.HSTYPE_CONCLUSION && ask.HandshakeType == packet.HSTYPE_CONCLUSION:
				return c.agree(answer)
			case kind.IsRejection():
				return c.rejected(int(kind.Val()))
			}
		}
	}
	return errSRTSilent
}

// conclude makes of ask the second question.
func (c *srtCaller) conclude(ask, answer *packet.CIFHandshake) error {
	if answer.Version != 5 || answer.ExtensionField != srtMagic {
		return errSRTOld
	}
	latency := uint16(srtLatency.Milliseconds())
	ask.Version, ask.HandshakeType, ask.SynCookie, ask.ExtensionField = 5, packet.HSTYPE_CONCLUSION, answer.SynCookie, 0
	ask.HasHS, ask.SRTHS = true, &packet.CIFHandshakeExtension{
		SRTVersion:     srtVersion,
		SRTFlags:       packet.CIFHandshakeExtensionFlags{TSBPDSND: true, TSBPDRCV: true, CRYPT: true, TLPKTDROP: true, PERIODICNAK: true, REXMITFLG: true},
		RecvTSBPDDelay: latency, SendTSBPDDelay: latency,
	}
	ask.HasSID, ask.StreamId = c.options.stream != "", c.options.stream
	if c.options.passphrase == "" {
		return nil
	}
	const unit = 8 // of bytes, in which the key's length is told (3.2.1)
	length := c.options.keyLength
	if told := int(answer.EncryptionField) * unit; told > 0 {
		length = told
	}
	var err error
	if c.cipher, err = crypto.New(length); err != nil {
		return errSRTOld
	}
	ask.HasKM, ask.SRTKM = true, &packet.CIFKeyMaterialExtension{}
	return c.cipher.MarshalKM(ask.SRTKM, c.options.passphrase, packet.EvenKeyEncrypted)
}

// agree takes what the listener said.
func (c *srtCaller) agree(answer *packet.CIFHandshake) error {
	if answer.Version != 5 || answer.SRTHS == nil {
		return errSRTOld
	}
	c.link.peer, c.link.heard = answer.SRTSocketId, time.Now()
	latency := max(srtLatency, time.Duration(answer.SRTHS.SendTSBPDDelay)*time.Millisecond)
	c.clock.latency = latency.Microseconds()
	c.order = live.NewReceiver(live.ReceiveConfig{
		InitialSequenceNumber: answer.InitialPacketSequenceNumber,
		PeriodicACKInterval:   uint64(srtTick.Microseconds()),
		PeriodicNAKInterval:   2 * uint64(srtTick.Microseconds()),
		OnSendACK:             c.confirm,
		OnSendNAK:             c.miss,
		OnDeliver:             c.deliver,
	})
	return nil
}

// rejected is libsrt's reason for a refusal: its own below 2000, above those of
// access control, which are HTTP's.
func (c *srtCaller) rejected(kind int) error {
	const first, peer, badSecret, unsecure, status = 1000, 2, 10, 11, 1000
	switch reason := kind - first; {
	case reason == badSecret || reason == unsecure:
		return c.refused(media.KindSourceUnauthorized, opOpen, string(errSRTSecret))
	case reason == peer:
		return c.refused(media.KindSourceUnauthorized, opOpen, string(errSRTRefused))
	case reason >= status+400 && reason < status+600:
		kind, words := media.OfStatus(reason - status)
		return c.refused(kind, opOpen, words)
	default:
		return c.refused(media.KindSourceUnavailable, opOpen, fmt.Sprintf("%s, reason %d", errSRTRefused, reason))
	}
}

// srtClock tells when a packet is to be given out, by the sender's clock: what is
// sent again may come until then.
type srtClock struct {
	latency   int64 // microseconds, as all that follows
	any       bool
	last      uint32 // of the sender's clock, that wraps
	at        int64  // the same, not wrapped
	apart     int64  // how far ours is ahead of it, at least
	next      int64  // the same, of the present span
	spanBegan int64
}

// place returns the time for a packet of the sender's time ts that comes now.
func (c *srtClock) place(ts uint32, now int64) uint64 {
	if !c.any {
		*c = srtClock{latency: c.latency, any: true, last: ts, at: int64(ts), apart: now - int64(ts), next: now - int64(ts), spanBegan: now}
	}
	at := c.at + int64(int32(ts-c.last))
	c.last, c.at = ts, at
	c.next = min(c.next, now-at)
	if c.apart = min(c.apart, c.next); now-c.spanBegan > srtDrift.Microseconds() {
		c.apart, c.next, c.spanBegan = c.next, now-at, now
	}
	return uint64(srtEpoch + at + c.apart + c.latency)
}

// run reads and confirms until the connection ends.
func (c *srtCaller) run(ctx context.Context) error {
	tick := time.Now()
	for {
		p, err := c.link.receive(ctx)
		if err != nil {
			return err
		}
		if p != nil {
			c.link.heard = time.Now()
			if err := c.take(p); err != nil {
				return err
			}
		}
		now := time.Now()
		if now.Sub(tick) >= srtTick {
			tick = now
			c.order.Tick(srtEpoch + c.link.since())
		}
		switch {
		case now.Sub(c.link.heard) > readTime:
			return media.Sentence("its server did not answer in time")
		case now.Sub(c.link.sent) > srtKeepAlive:
			if err := c.link.send(c.link.control(packet.CTRLTYPE_KEEPALIVE)); err != nil {
				return err
			}
		}
	}
}

// take does with a packet what is to be done with it.
func (c *srtCaller) take(p packet.Packet) error {
	h := p.Header()
	if !h.IsControlPacket {
		c.media(p)
		return nil
	}
	defer p.Decommission()
	switch kind := h.ControlType; {
	case kind == packet.CTRLTYPE_SHUTDOWN:
		return io.EOF
	case kind == packet.CTRLTYPE_ACKACK:
		c.measure(h.TypeSpecific)
	case kind == packet.CTRLTYPE_USER && h.SubType == packet.EXTTYPE_KMREQ:
		return c.changeKey(p)
	}
	return nil
}

// measure takes the answer to a confirmation of ours (4.10).
func (c *srtCaller) measure(number uint32) {
	if c.trips.back(number) {
		c.order.SetNAKInterval(uint64(max((c.trips.rtt+4*c.trips.jitter)/2, 2*srtTick).Microseconds()))
	}
}

// media takes a packet of the stream. One without a number is of a filter (FEC)
// that was not agreed on.
func (c *srtCaller) media(p packet.Packet) {
	h := p.Header()
	if h.MessageNumber == 0 {
		p.Decommission()
		return
	}
	h.PktTsbpdTime = c.clock.place(h.Timestamp, int64(c.link.since()))
	if c.cipher != nil && h.KeyBaseEncryptionFlag != packet.UnencryptedPacket {
		if c.cipher.EncryptOrDecryptPayload(p.Data(), h.KeyBaseEncryptionFlag, h.PacketSequenceNumber.Val()) != nil {
			p.Decommission()
			return
		}
	}
	c.order.Push(p)
}

// changeKey takes the next key (6.1.6).
func (c *srtCaller) changeKey(p packet.Packet) error {
	told := &packet.CIFKeyMaterialExtension{}
	if c.cipher == nil || p.UnmarshalCIF(told) != nil || c.cipher.UnmarshalKM(told, c.options.passphrase) != nil {
		return nil
	}
	answer := c.link.control(packet.CTRLTYPE_USER)
	answer.Header().SubType = packet.EXTTYPE_KMRSP
	answer.SetData(bytes.Clone(p.Data()))
	return c.link.send(answer)
}

// confirm says what has come (3.2.4). Its errors are the next read's, too.
func (c *srtCaller) confirm(next circular.Number, light bool) {
	p := c.link.control(packet.CTRLTYPE_ACK)
	says := packet.CIFACK{LastACKPacketSequenceNumber: next, IsLite: light}
	if !light {
		pace, rate, capacity := c.order.PacketRate()
		says.RTT, says.RTTVar = uint32(c.trips.rtt.Microseconds()), uint32(c.trips.jitter.Microseconds())
		says.AvailableBufferSize = srtWindow
		says.PacketsReceivingRate, says.EstimatedLinkCapacity, says.ReceivingRate = uint32(pace), uint32(capacity), uint32(rate)
		p.Header().TypeSpecific = c.trips.out()
	}
	p.MarshalCIF(&says)
	_ = c.link.send(p)
}

// miss asks for what has not come (3.2.5).
func (c *srtCaller) miss(from, to circular.Number) {
	p := c.link.control(packet.CTRLTYPE_NAK)
	p.MarshalCIF(&packet.CIFNAK{LostPacketSequenceNumber: []circular.Number{from, to}})
	_ = c.link.send(p)
}

// deliver is called for what is next, in its order.
func (c *srtCaller) deliver(p packet.Packet) {
	c.add(p.Data())
	p.Decommission()
}
