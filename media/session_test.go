package media

func TestAConnectionThatLastedWithoutAPacketIsNoKick(t *testing.T) {
	var s stay
	now := time.Now()
	for range 2 * kickMany {
		s.begin(now, PublishAddress{})
		now = now.Add(kickSoon)
		require.False(t, s.kickedOut(now))
	}
}
