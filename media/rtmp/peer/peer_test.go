package peer

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/bluenviron/gortmplib/pkg/bytecounter"
	"github.com/bluenviron/gortmplib/pkg/message"
	"github.com/bluenviron/gortmplib/pkg/rawmessage"
	"github.com/stretchr/testify/require"
)

func TestAChunkMayBeOfAnySizeThatThereIs(t *testing.T) {
	for size, want := range map[uint32]error{
		0: ErrProtocol, 1: nil, 128: nil, mostChunk: nil, mostChunk + 1: nil, 1<<31 - 1: nil, 1 << 31: ErrProtocol, 1<<32 - 1: ErrProtocol,
	} {
		r := NewReader(bytecounter.NewReadWriter(&bytes.Buffer{}), func(message.Message) error { return nil })
		_, _, err := r.Serve(&rawmessage.Message{Type: uint8(message.TypeSetChunkSize), Body: binary.BigEndian.AppendUint32(nil, size)})
		require.Equal(t, want, err, size)
	}
}
