package media

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAConfigurationOutlivesThePacketThatToldIt(t *testing.T) {
	config := []byte{1, 2, 3}
	packet := func(dts time.Duration, key bool, config []byte) Packet {
		return Packet{DTS: dts, PTS: dts, Keyframe: key, Extradata: config, Data: []byte{1}}
	}
	q := newPacketQueue(queueLimits{span: 2 * time.Second, bytes: 1 << 20, drop: true})
	put := func(p Packet) { require.NoError(t, q.put(t.Context(), p, p.Keyframe)) }
	put(packet(0, true, nil))
	put(packet(time.Second, true, config))
	put(packet(3*time.Second, false, nil)) // more than the queue may hold
	put(packet(3500*time.Millisecond, false, nil))
	q.lose(packet(3600*time.Millisecond, true, nil))
	put(packet(4*time.Second, true, nil))
	put(packet(5*time.Second, true, nil))
	p, err := q.get(t.Context(), time.Second)
	require.NoError(t, err)
	require.Equal(t, 4*time.Second, p.DTS)
	require.Equal(t, config, p.Extradata)
	p, err = q.get(t.Context(), time.Second)
	require.NoError(t, err)
	require.Nil(t, p.Extradata, "it is told once")
}

// keyless is a source without a picture to begin with.
type keyless struct{ Source }

func (s *keyless) ReadPacket() (Packet, error) {
	p, err := s.Source.ReadPacket()
	p.Keyframe = p.Keyframe && p.Track != 0
	return p, err
}

func TestASourceWithoutAPictureToBeginWithIsNoneThatWasPlayed(t *testing.T) {
	for name, info := range map[string]SourceInfo{
		"a short file": clip(4 * time.Second), "a long file": clip(time.Hour), "a stream": stream(time.Hour),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(nil)
				s.job.Retry = func(Kind) Retry { return Retry{} }
				err := s.playFrom(t.Context(), func(ctx context.Context, _ SourceRequest) (Source, error) {
					return &keyless{&inRealTime{fakeSource: &fakeSource{ctx: ctx, info: info}, begin: time.Now()}}, nil
				}, nil)
				require.Equal(t, KindSourceInvalid, KindOf(err), "%v", err)
				require.Empty(t, s.room.got)
			})
		})
	}
}
