package fakeroom

import (
	"cmp"
	"log/slog"
	"time"
)

// Config says how a Server behaves. The zero value but for Keys is usable.
type Config struct {
	// Listen is the TCP address; "127.0.0.1:0" when empty.
	Listen string
	// Keys maps an SDKAppID to the app's key. Other apps are refused.
	Keys map[uint32]string
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
}

func (c Config) withDefaults() Config {
	c.Listen, c.Keep = cmp.Or(c.Listen, "127.0.0.1:0"), cmp.Or(c.Keep, 10*time.Second)
	c.MaxBytes, c.KeepEnded = cmp.Or(c.MaxBytes, 256<<20), cmp.Or(c.KeepEnded, 64)
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	return c
}
