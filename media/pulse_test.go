package media

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestThePulseSaysWhatIsWaitedForAndForHowLongInAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMeter(0)
		require.Equal(t, Pulse{}, m.Pulse(time.Now()))
		begin := time.Now()
		m.waitForSource()
		time.Sleep(time.Second)
		m.waitForSource()
		time.Sleep(time.Second)
		p := m.Pulse(time.Now())
		require.True(t, p.SourceSince.Equal(begin), "a wait that goes on is the same")
		require.Equal(t, 2*time.Second, p.Source)
		m.sourceCame()
		m.sourceCame()
		time.Sleep(time.Second)
		m.sent(time.Now(), sentPacket{})
		p = m.Pulse(time.Now())
		require.Zero(t, p.SourceSince)
		require.Equal(t, 2*time.Second, p.Source)
		require.True(t, p.Sent.Equal(time.Now()))
		(*Meter)(nil).waitForSource() // a mixer may have none
		(*Meter)(nil).sourceCame()
	})
}
