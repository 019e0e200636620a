package egress

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDescriptionsThatOverlapDoNotAddUp(t *testing.T) {
	const boxes = 1 << 12
	var section []byte
	for i := range boxes {
		section = binary.BigEndian.AppendUint32(section, uint32(8*(boxes-i)))
		section = append(section, "stsd"...)
	}
	require.LessOrEqual(t, len(descriptions(section)), len(section))
}

func TestEachTracksDescriptionCounts(t *testing.T) {
	box := []byte("\x00\x00\x00\x0cstsdavc1")
	sound := []byte("\x00\x00\x00\x0cstsdmp4a")
	section := bytes.Join([][]byte{{0, 0}, box, {1, 2, 3}, sound, []byte("stsd")}, nil)
	require.Equal(t, "stsdavc1stsdmp4a", string(descriptions(section)))
}
