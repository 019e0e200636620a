package fakeroom

import (
	"log/slog"
	"time"
)

// Config says how a Server behaves. The zero value but for Keys is usable.
type Config struct {
	// Listen is the TCP address; "127.0.0.1:0" when empty.
	Listen string
	// Keys maps an SDKAppID to the app's key. Other apps are refused.
	Keys map[uint32]string
	// LostUserAfter is how long a user whose connection broke without an
	// unpublish stays a member of the room; 90 s when 0.
	LostUserAfter time.Duration
	// Keep is how much of each session is kept for Packets and WriteFLV, counted
	// back from now and cut at a keyframe; 10 s when 0, nothing when negative.
	Keep time.Duration
	// RecordAll keeps a session from its first packet until MaxBytes.
	RecordAll bool
	// MaxBytes bounds what is kept of one session; 256 MiB when 0.
	MaxBytes int64
	// KeepEnded is how many ended sessions keep their packets; 64 when 0.
	// Their counts and reasons are kept until Forget.
	KeepEnded int
	// ReadBuffer is the size in bytes of each connection's socket receive
	// buffer; the kernel's choice when 0. A small one makes a room that does not
	// read noticeable early; keep it above loopback's segments, 64 KiB.
	ReadBuffer int
	// Log gets a line per event; discarded when nil. It is given no signature.
	Log *slog.Logger
	// Now is the clock for signatures, arrival times and lost users; time.Now
	// when nil.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	if c.LostUserAfter == 0 {
		c.LostUserAfter = 90 * time.Second
	}
	if c.Keep == 0 {
		c.Keep = 10 * time.Second
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 256 << 20
	}
	if c.KeepEnded == 0 {
		c.KeepEnded = 64
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}
