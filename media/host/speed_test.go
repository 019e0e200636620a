package host

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fakeSpeeds is a machine of known speed.
type fakeSpeeds struct{}

func (fakeSpeeds) Speed() (int64, error) {
	if slices.Contains(os.Args, hangs) {
		select {}
	}
	return 123_000_000, nil
}

// hangs is an argument of hosts that measure for ever.
const hangs = "hangs"

func TestTheEncoderIsMeasuredInAHost(t *testing.T) {
	p := newPool(t, nil)
	speed, err := p.Speed(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 123_000_000, speed)
}

func TestAMeasurementEndsWithWhoWantsIt(t *testing.T) {
	p := newPool(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.Speed(ctx)
	require.Error(t, err)
}

func TestAMeasurementThatHangsEndsWithWhoWantsIt(t *testing.T) {
	p := newPool(t, func(c *Config) { c.Command = append(c.Command, string(SandboxAuto), hangs) })
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	begin := time.Now()
	_, err := p.Speed(ctx)
	require.Error(t, err)
	require.Less(t, time.Since(begin), speedTime)
}
