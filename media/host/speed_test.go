package host

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// fakeSpeeds is a machine of known speed.
type fakeSpeeds struct{}

func (fakeSpeeds) Speed() (int64, error) { return 123_000_000, nil }

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
