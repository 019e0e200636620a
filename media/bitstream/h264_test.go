package bitstream

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBFramesAreToldByTheirSlices(t *testing.T) {
	for name, c := range map[string]struct {
		unit string
		want bool
	}{
		"P":                     {"41c0", false},
		"P, all of the picture": {"4198", false},
		"B":                     {"01a0", true},
		"B, all of the picture": {"019c", true},
		"B, not the first":      {"0148", true},
		"I":                     {"61b0", false},
		"IDR":                   {"65a0", false},
		"nothing":               {"", false},
		"cut short":             {"01", false},
	} {
		require.Equal(t, c.want, isB(unhex(t, c.unit)), name)
	}
}

func TestAConformerTellsBFramesInBothForms(t *testing.T) {
	for name, c := range map[string]struct {
		conformer Filter
		p, b      string
	}{
		"with lengths":     {newAVCC(unhex(t, "0142001effe100056742001e8001000468ce3880")), "0000000241c0", "0000000201a0"},
		"with start codes": {&annexB{}, "0000000141c0", "0000000101a0"},
	} {
		for _, step := range []struct {
			data string
			want bool
		}{{c.p, false}, {c.b, true}, {c.p, false}} {
			_, err := c.conformer.Conform(unhex(t, step.data))
			require.NoError(t, err)
			require.Equal(t, step.want, c.conformer.Bidirectional(), name)
		}
	}
}

func TestAParameterSetThatTheConfigurationHasNotIsNew(t *testing.T) {
	config := unhex(t, "0142001effe100056742001e8001000468ce3880")
	for data, want := range map[string]bool{
		"":             false,
		"0000":         false,
		"0000000009f0": false, // a unit that is longer than all
		"0002":         false,
		"000165":       false,
		"00000005" + "6742001e80" + "00000002" + "65a0": false,
		"00000002" + "09f0" + "00000005" + "6742001f80": true,
		"00000002" + "65a0" + "00000005" + "6742001f80": false, // behind the picture
	} {
		require.Equal(t, want, NewSet(unhex(t, data), config), data)
	}
	require.False(t, NewSet(unhex(t, "0000000165"), nil))
}
