package rtmp

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/bluenviron/gortmplib/pkg/bytecounter"
	"github.com/bluenviron/gortmplib/pkg/message"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// sink is a connection that takes everything at no cost.
type sink struct{ net.Conn }

func (sink) Write(b []byte) (int, error)      { return len(b), nil }
func (sink) SetWriteDeadline(time.Time) error { return nil }

func sinkPublisher(b *testing.B) *publisher {
	b.Helper()
	ts, err := newTracks(testTracks())
	require.NoError(b, err)
	bc := bytecounter.NewReadWriter(sink{})
	s := &session{bytes: bc, out: newOutput(sink{}, bc.Writer, time.Minute, &sync.Pool{})}
	return &publisher{session: s, tracks: ts, chunks: chunker{size: chunkSize, streamID: 1}}
}

const benchSize = 8 << 10 // a frame of 2 Mb/s at 30 fps

func benchWrite(b *testing.B, p media.Sink) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	batch := []media.Packet{videoPacket(0, benchSize)}
	pkt := &batch[0]
	b.ReportAllocs()
	b.SetBytes(benchSize)
	for b.Loop() {
		pkt.DTS += 33 * time.Millisecond
		pkt.PTS = pkt.DTS
		if _, err := p.Write(ctx, batch); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAWriteWithoutANetwork(b *testing.B) { benchWrite(b, sinkPublisher(b)) }

func BenchmarkAWriteOverLoopback(b *testing.B) {
	p := open(b, &Dialer{}, func(r *room) { silent(r.conn) })
	benchWrite(b, p)
}

// BenchmarkGortmplibWithoutANetwork is the same packet through the library's
// own writer.
func BenchmarkGortmplibWithoutANetwork(b *testing.B) {
	bc := bytecounter.NewWriter(sink{})
	w := message.NewWriter(bc, bc, false)
	w.Write(&message.SetChunkSize{Value: chunkSize}) //nolint:errcheck // a sink does not fail
	data := make([]byte, benchSize)
	b.ReportAllocs()
	b.SetBytes(benchSize)
	var dts time.Duration
	for b.Loop() {
		dts += 33 * time.Millisecond
		err := w.Write(&message.Video{ChunkStreamID: 6, DTS: dts, MessageStreamID: 1 << 24, Codec: message.CodecH264,
			Type: message.VideoTypeAU, AU: data})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// TestAPacketCostsNoGarbage allows one: under the race detector a sync.Pool
// drops a part of what is put into it.
func TestAPacketCostsNoGarbage(t *testing.T) {
	r := testing.Benchmark(func(b *testing.B) { benchWrite(b, sinkPublisher(b)) })
	require.LessOrEqual(t, r.AllocsPerOp(), int64(1))
}
