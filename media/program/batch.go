package program

import (
	"context"

	"github.com/roomcast/roomcast/media"
)

// A batch ends with the packet that makes it so large: a source may give any number of
// packets one time, and all are in memory twice while they are written.
const (
	batchPackets = 64
	batchBytes   = 256 << 10
)

// batch is what is handed on at once: what is due together, and can be had without
// waiting.
type batch struct {
	packets []media.Packet
	failure error // of what was to be made after packets: Next says so behind them
}

// takeFailure returns, once, what the making of the last batch ended with.
func (b *batch) takeFailure() error {
	err := b.failure
	b.failure = nil
	return err
}

// Next returns what the room is to get next, at least one packet: room times, their
// position in the source, a Track of tracks. They are good until Next is called again.
// io.EOF is the end of the last play, ErrNewTracks says that tracks has changed. A
// source that fails is opened again, until that cannot help any more. wait, a child of
// ctx, bounds the wait for a packet and nothing else.
func (pg *Program) Next(ctx, wait context.Context) ([]media.Packet, error) {
	p, err := pg.nextPacket(ctx, wait)
	if err != nil {
		return nil, err
	}
	b := &pg.batch
	clear(b.packets)
	b.packets = append(b.packets[:0], p)
	end, bytes := pg.Together(p.DTS), p.Size()
	// What is left out before a packet moves the clock.
	goesAlong := func(next *media.Packet) bool {
		if next.DTS >= end || next.Skipped != p.Skipped || len(b.packets) == batchPackets || bytes > batchBytes {
			return false
		}
		bytes += next.Size()
		return true
	}
	if pg.encodeAhead != nil {
		b.packets = pg.encodeAhead.queue.TakeWhile(b.packets, goesAlong)
		return b.packets, nil
	}
	for pg.makeFirst(ctx, wait) && goesAlong(pg.mux.first()) {
		p, _ := pg.mux.pop()
		b.packets = append(b.packets, p)
	}
	return b.packets, nil
}

// makeFirst makes the packet that comes next, of what is there, and says whether there
// is one. What is re-encoded is made elsewhere.
func (pg *Program) makeFirst(ctx, wait context.Context) bool {
	for pg.mux.first() == nil {
		if pg.input == nil || pg.tracks.busy() {
			return false
		}
		if made, err := pg.workOn(ctx, wait); !made || err != nil {
			pg.batch.failure = err
			return false
		}
	}
	return true
}
