package host

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/stretchr/testify/require"
)

// blocks is a source whose packets are its bytes, so many in each. As libav does, it asks
// for 32 kB when it has none, and counts how often it has to wait for them.
type blocks struct {
	media.Source
	from  *fetched
	in    *bufio.Reader
	at    int64
	waits int
}

const blockSize = 5000

func (b *blocks) Info() media.SourceInfo {
	return media.SourceInfo{Tracks: []media.Track{{Type: media.Video}}}
}

func (b *blocks) Read(to []byte) (int, error) {
	if len(b.from.there) == 0 && b.from.early == nil {
		b.waits++
	}
	return b.from.Read(to)
}

func (b *blocks) ReadPacket() (media.Packet, error) {
	p := media.Packet{Data: make([]byte, blockSize), Offset: b.at}
	_, err := io.ReadFull(b.in, p.Data)
	b.at += blockSize
	return p, err
}

// watched is a source that is looked at before each time it is read.
type watched struct {
	*text
	look func()
}

func (w *watched) Read(to []byte) (int, error) {
	w.look()
	return w.text.Read(to)
}

func TestAFileThatIsReadInARowIsFetchedBeforeItsDemuxerWaits(t *testing.T) {
	data := randomBytes(200 * blockSize)
	for name, c := range map[string]struct {
		seekable bool
		most     int // that the source gives at once
		waits    int
	}{
		"a file, of which two reads tell that it is read in a row, but its end": {seekable: true, waits: 3},
		"a file whose server is slow, whose packets do not wait for it":         {seekable: true, most: 8000, waits: 126},
		"a stream, whose packets do not wait for more of it":                    {waits: 10},
		"a stream that is slow": {most: 8000, waits: 126},
	} {
		t.Run(name, func(t *testing.T) {
			here, there, err := socketPair()
			require.NoError(t, err)
			defer func() { _ = here.Close() }()
			f, err := net.FileConn(there)
			require.NoError(t, errors.Join(err, there.Close()))
			host := &servedSource{session: &session{conn: newConn(f)}, recycle: func([]byte) {}}
			host.bytes = &fetched{served: host, seekable: c.seekable, wanted: firstRead, ctx: t.Context()}
			demuxer := &blocks{from: host.bytes}
			demuxer.in = bufio.NewReaderSize(demuxer, 32<<10)
			host.Source = demuxer
			ended := make(chan error)
			go func() { ended <- host.run() }()

			var got []byte
			held := false
			file := &text{Reader: bytes.NewReader(data), seekable: c.seekable, most: c.most}
			worker := &source{
				conn: newConn(here), log: logbook{log: slog.New(slog.DiscardHandler)},
				supply: supply{ctx: t.Context(), begun: time.Now(), way: media.Way{Recorded: true, Bytes: &watched{file, func() {
					held = held || c.most > 0 && len(data)-file.Len()-len(got) >= blockSize
				}}}},
			}
			said, err := worker.hear(kindOpen)
			require.NoError(t, err)
			worker.tracks = len(said.Info.Tracks)
			for {
				p, err := worker.read()
				if err != nil {
					require.ErrorIs(t, err, io.EOF)
					break
				}
				got = append(got, p.Data...)
			}
			require.Equal(t, data, got)
			require.NoError(t, here.Close())
			require.Error(t, <-ended) // the worker is gone
			require.Equal(t, c.waits, demuxer.waits)
			require.False(t, held, "all that has come of a slow one is given")
		})
	}
}
