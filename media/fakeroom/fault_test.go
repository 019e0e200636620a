package fakeroom_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/bluenviron/gortmplib/pkg/message"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media/fakeroom"
)

func TestRejectOnDemand(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]fakeroom.Fault{
		"at publish":             {Kind: fakeroom.Reject, Code: "Some.Code", Words: "no money"},
		"at publish, for a user": {Kind: fakeroom.Reject, User: "anna", Code: "Some.Code", Words: "no money"},
		"at connect":             {Kind: fakeroom.Reject, AtConnect: true, Code: "Some.Code", Words: "no money"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			room := startRoom(t, fakeroom.Config{})
			fault.Times = 1
			room.Misbehave(fault)
			if fault.User != "" {
				publish(t, address(t, room, "room", "bob"))
			}
			_, err := dial(t, address(t, room, "room", "anna"))
			require.ErrorContains(t, err, "no money")
			publish(t, address(t, room, "room", "anna")) // the fault is spent
		})
	}
}

func TestBadNameOnDemand(t *testing.T) {
	t.Parallel()
	room := startRoom(t, fakeroom.Config{})
	room.Misbehave(fakeroom.Fault{Kind: fakeroom.Reject, Code: fakeroom.CodeBadName})
	_, err := dial(t, address(t, room, "room", "anna"))
	require.ErrorContains(t, err, fakeroom.CodeBadName)
	room.Heal()
	publish(t, address(t, room, "room", "anna"))
}

func TestStallAtConnectUntilHealed(t *testing.T) {
	t.Parallel()
	room := startRoom(t, fakeroom.Config{})
	room.Misbehave(fakeroom.Fault{Kind: fakeroom.Stall, AtConnect: true})
	nc, err := net.Dial("tcp", room.Addr())
	require.NoError(t, err)
	defer func() { _ = nc.Close() }()
	_, err = nc.Write(make([]byte, 1537))
	require.NoError(t, err)
	require.NoError(t, nc.SetReadDeadline(time.Now().Add(200*time.Millisecond)))
	_, err = nc.Read(make([]byte, 1))
	require.ErrorContains(t, err, "timeout")
	room.Close() // ends the stalled connection too
	require.Zero(t, room.Connections())
}

func TestStallAtPublishUntilHealed(t *testing.T) {
	t.Parallel()
	room := startRoom(t, fakeroom.Config{})
	room.Misbehave(fakeroom.Fault{Kind: fakeroom.Stall, User: "anna"})
	done := make(chan error, 1)
	to := address(t, room, "room", "anna")
	go func() {
		_, err := dial(t, to)
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("publish was answered: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	room.Heal()
	require.NoError(t, <-done)
}

// fill writes until the connection takes no more for a while; it returns the
// bytes written.
func fill(t *testing.T, p *publisher, limit int) int {
	t.Helper()
	frame := &message.Audio{
		ChunkStreamID: message.AudioChunkStreamID, MessageStreamID: 0x1000000,
		Codec: message.CodecMPEG4Audio, AACType: message.AudioAACTypeAU, AU: make([]byte, 64<<10),
	}
	written := 0
	for written < limit {
		frame.DTS += 20 * time.Millisecond
		require.NoError(t, p.c.NetConn().SetWriteDeadline(time.Now().Add(500*time.Millisecond)))
		if p.c.Write(frame) != nil {
			break
		}
		written += len(frame.AU)
	}
	return written
}

func TestStopReadingBlocksTheSender(t *testing.T) {
	t.Parallel()
	room := startRoom(t, fakeroom.Config{})
	room.Misbehave(fakeroom.Fault{Kind: fakeroom.StopReading, User: "anna", AfterPackets: 3})
	p := publish(t, address(t, room, "room", "anna"))
	p.audio(0, 2)
	const limit = 256 << 20
	require.Less(t, fill(t, p, limit), limit)
	s, _ := room.Session("anna")
	require.LessOrEqual(t, s.Audio.Packets, 2)
	require.True(t, s.Live())
	p.c.Close()
	room.Heal()
	s, err := room.WaitEnded(soon(t), "anna")
	require.NoError(t, err)
	require.Equal(t, fakeroom.EndLost, s.End)
}

func TestReadSlowly(t *testing.T) {
	t.Parallel()
	room := startRoom(t, fakeroom.Config{ReadBuffer: 64 << 10})
	room.Misbehave(fakeroom.Fault{Kind: fakeroom.ReadSlowly, BytesPerSecond: 4096})
	p := publish(t, address(t, room, "room", "anna"))
	began := time.Now()
	p.audio(0, 200) // some 3 KiB over chunk headers, config and bodies
	_, err := room.Wait(soon(t), "anna", "packets", func(s fakeroom.Session) bool { return s.Audio.Packets == 200 })
	require.NoError(t, err)
	require.Greater(t, time.Since(began), 200*time.Millisecond)
	const limit = 256 << 20
	require.Less(t, fill(t, p, limit), limit)
	room.Heal()
}

func TestCut(t *testing.T) {
	t.Parallel()
	ended := func(t *testing.T, room *fakeroom.Server) fakeroom.Session {
		s, err := room.WaitEnded(soon(t), "anna")
		require.NoError(t, err)
		require.Equal(t, fakeroom.EndFault, s.End)
		return s
	}
	t.Run("now", func(t *testing.T) {
		t.Parallel()
		room := startRoom(t, fakeroom.Config{})
		p := publish(t, address(t, room, "room", "anna"))
		require.Zero(t, room.Cut("bob"))
		require.Equal(t, 1, room.Cut("anna"))
		ended(t, room)
		_, err := p.c.Read()
		for err == nil {
			_, err = p.c.Read()
		}
		require.ErrorContains(t, err, "reset")
		publish(t, address(t, room, "room", "anna"))
	})
	t.Run("after packets", func(t *testing.T) {
		t.Parallel()
		room := startRoom(t, fakeroom.Config{})
		room.Misbehave(fakeroom.Fault{Kind: fakeroom.Cut, AfterPackets: 5, Times: 1})
		p := publish(t, address(t, room, "room", "anna"))
		p.audio(0, 4)
		require.Equal(t, 4, ended(t, room).Audio.Packets)
	})
	t.Run("a running session that had the packets", func(t *testing.T) {
		t.Parallel()
		room := startRoom(t, fakeroom.Config{})
		p := publish(t, address(t, room, "room", "anna"))
		p.audio(0, 4)
		_, err := room.Wait(soon(t), "anna", "packets", func(s fakeroom.Session) bool { return s.Audio.Packets == 4 })
		require.NoError(t, err)
		room.Misbehave(fakeroom.Fault{Kind: fakeroom.Cut, User: "anna", AfterPackets: 2})
		ended(t, room)
	})
}

func TestKickOnDemand(t *testing.T) {
	t.Parallel()
	room := startRoom(t, fakeroom.Config{})
	p := publish(t, address(t, room, "room", "anna"))
	require.Equal(t, 1, room.Kick(""))
	code, _ := p.status()
	require.Equal(t, fakeroom.CodeKicked, code)
	require.Empty(t, room.Publishers())
}

func TestAWaitSaysHowItStood(t *testing.T) {
	t.Parallel()
	room := startRoom(t, fakeroom.Config{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := room.WaitPublishing(ctx, "nobody")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "never published")
}
