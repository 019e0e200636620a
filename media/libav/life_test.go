package libav

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// slow gives so many bytes each second.
type slow struct {
	media.Bytes
	rate int
}

func (s slow) Read(b []byte) (int, error) {
	time.Sleep(time.Second)
	return copy(b, bytes.Repeat([]byte{'x'}, s.rate)), nil
}

func TestASeekGoesOnAsLongAsItsSourceGivesMoreThanADrip(t *testing.T) {
	for name, c := range map[string]struct {
		rate    int
		stalled bool
	}{"a slow server": {20_000, false}, "one that is slower": {400, false}, "one that drips": {200, true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLife(t.Context())
				defer l.close()
				defer l.watch(jumpStalled)()
				in := &input{Bytes: slow{rate: c.rate}, life: l}
				for range 10 * 60 {
					_, err := in.next(make([]byte, 32<<10))
					require.NoError(t, err)
				}
				require.Equal(t, c.stalled, l.ctx.Err() != nil)
				if c.stalled {
					require.Equal(t, media.KindSourceStalled, media.KindOf(l.ended("seek")))
				}
			})
		})
	}
}

func TestASeekThatGivesNoPacketStallsSoonerThanOneThatLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLife(t.Context())
		defer l.close()
		defer l.watch(jumpStalled)()
		in := &input{Bytes: slow{rate: media.ComingBytes}, life: l}
		l.extend(readStalled)
		_, err := in.next(make([]byte, 32<<10))
		require.NoError(t, err)
		time.Sleep(readStalled - time.Millisecond)
		synctest.Wait()
		require.NoError(t, l.ctx.Err())
		time.Sleep(time.Second)
		synctest.Wait()
		require.ErrorIs(t, l.ended("seek"), media.ErrStalled)
	})
}
