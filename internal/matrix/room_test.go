package matrix

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media/fakeroom"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/stretchr/testify/require"
)

// room is a peer that records.
type room interface {
	// endpoint is what the door is told.
	endpoint() string
	// tape returns the recording of what the user published, once that has
	// ended, and what the room itself found wrong.
	tape(t testing.TB, user string) (path string, complaints []string)
}

func soon(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// standIn is the stand-in room.
type standIn struct{ *fakeroom.Server }

func startStandIn(t testing.TB) standIn {
	t.Helper()
	s, err := fakeroom.Start(fakeroom.Config{Keys: map[uint32]string{appID: appKey}, RecordAll: true, KeepEnded: 1000})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return standIn{s}
}

func (r standIn) endpoint() string { return r.URL() }

func (r standIn) tape(t testing.TB, user string) (string, []string) {
	t.Helper()
	session, err := r.WaitEnded(soon(t), user)
	require.NoError(t, err)
	complaints := session.Report().Problems
	if session.End != fakeroom.EndUnpublished {
		complaints = append(complaints, fmt.Sprintf("the session ended by %s: %s", session.End, session.EndWords))
	}
	path := filepath.Join(t.TempDir(), "room.flv")
	f, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, r.WriteFLV(f, session.ID))
	require.NoError(t, f.Close())
	return path, complaints
}

// apart says whether the tracks of what the user published came further apart
// than they may. A live source's are not held.
func (r standIn) apart(t testing.TB, user string, want mediatest.TapeWant) []string {
	t.Helper()
	session, err := r.WaitEnded(soon(t), user)
	require.NoError(t, err)
	if want.Apart == 0 || want.Open || session.MaxSkew <= want.Apart {
		return nil
	}
	return []string{fmt.Sprintf("video and audio came %v apart", session.MaxSkew)}
}

// foreign is nginx: a room that nobody here wrote.
type foreign struct{ *mediatest.Nginx }

func (r foreign) endpoint() string { return r.RTMP + "/push" }

func (r foreign) tape(t testing.TB, user string) (string, []string) {
	t.Helper()
	_, err := r.WaitEvent(soon(t), "publish_done", user)
	require.NoError(t, err)
	recordings := r.Recordings(user)
	require.Len(t, recordings, 1)
	return recordings[0], nil
}
