package media

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAMeterTellsRatesOverTheLastSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMeter(0)
		for range 25 * 30 {
			m.Sent(time.Now(), SentPacket{Bytes: 5000, Late: time.Millisecond, Picture: true})
			time.Sleep(40 * time.Millisecond)
		}
		p := m.Snapshot(time.Now())
		require.InDelta(t, 1_000_000, int64(p.Bitrate), 30_000)
		require.InDelta(t, 25, p.FPS, 0.8)
		require.EqualValues(t, 25*30*5000, p.SentBytes)
		require.InDelta(t, time.Millisecond, p.LatenessP99, float64(time.Millisecond))
		time.Sleep(time.Minute)
		require.Zero(t, m.Snapshot(time.Now()).Bitrate, "nothing was sent for a minute")
	})
}

func TestAMetersLatenessIsThatOfTheWorstHundredth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMeter(0)
		for i := range 200 {
			late := 100 * time.Microsecond
			if i%50 == 0 {
				late = 80 * time.Millisecond
			}
			m.Sent(time.Now(), SentPacket{Late: late})
		}
		p99 := m.Snapshot(time.Now()).LatenessP99
		require.GreaterOrEqual(t, p99, 80*time.Millisecond)
		require.Less(t, p99, 160*time.Millisecond)
	})
}

func TestWhatWasResumedIsNotedWithoutAMove(t *testing.T) {
	m := NewMeter(0)
	m.GoOnFrom(Progress{Position: time.Minute})
	m.ResumeFrom(time.Second)
	p := m.Snapshot(time.Now())
	require.Equal(t, [2]time.Duration{time.Minute, time.Second}, [2]time.Duration{p.Position, p.Resumed}, "a renew may tell it before the attempt plays")
}

func TestAMetersTotalsHaveEveryPacketOnceHoweverLongItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMeter(0)
		m.GoOnFrom(Progress{Played: time.Hour})
		var before Totals
		for i := range 25 * 30 {
			m.Sent(time.Now(), SentPacket{Bytes: 10, Late: 3 * time.Millisecond})
			m.SetPlayed(time.Hour + time.Duration(i)*40*time.Millisecond)
			totals := m.Totals()
			require.GreaterOrEqual(t, totals.Late, before.Late)
			before = totals
			time.Sleep(40 * time.Millisecond)
		}
		m.Dropped(7)
		both := m.Totals()
		both.Add(m.Totals())
		want := Totals{Bytes: 2 * 7500, Dropped: 14, Played: 2 * 749 * 40 * time.Millisecond, Late: 2 * 750 * 3 * time.Millisecond}
		want.Lateness[latenessBucket(3*time.Millisecond)] = 2 * 750
		require.Equal(t, want, both)
		require.Greater(t, LatenessBound(latenessBucket(3*time.Millisecond)), 3*time.Millisecond)
		require.LessOrEqual(t, LatenessBound(latenessBucket(3*time.Millisecond)-1), 3*time.Millisecond)
	})
}

func TestAMeterTellsOnceWhatWasSentSinceItWasAsked(t *testing.T) {
	m := NewMeter(0)
	m.Sent(time.Now(), SentPacket{Bytes: 10, Late: 3 * time.Millisecond, Picture: true})
	m.Sent(time.Now(), SentPacket{Bytes: 20, Late: time.Millisecond})
	m.Dropped(4)
	require.Equal(t, Sent{Bytes: 30, Pictures: 1, Dropped: 4, Lateness: 3 * time.Millisecond}, m.Since())
	require.Zero(t, m.Since())
	m.Sent(time.Now(), SentPacket{Bytes: 5})
	require.Equal(t, Sent{Bytes: 5}, m.Since())
	require.EqualValues(t, 35, m.Snapshot(time.Now()).SentBytes)
}

func TestPacketsThatLeaveTogetherCountEachForItself(t *testing.T) {
	m, now := NewMeter(0), time.Now()
	m.Sent(now, SentPacket{Bytes: 30, Late: 5 * time.Millisecond, Picture: true}, SentPacket{Late: time.Millisecond}, SentPacket{Picture: true})
	require.Equal(t, Sent{Bytes: 30, Pictures: 2, Lateness: 5 * time.Millisecond}, m.Since())
	packets := int64(0)
	for _, n := range m.Totals().Lateness {
		packets += n
	}
	require.EqualValues(t, 3, packets)
}
