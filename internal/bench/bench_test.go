package main

import (
	"bytes"
	"encoding/json"
	"math"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortmplib/pkg/message"
	"github.com/stretchr/testify/require"
)

func TestTheRoomCountsWhatTheRawWriterSends(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var s sink
	served := make(chan struct{})
	go func() {
		defer close(served)
		conn, err := l.Accept()
		if err == nil {
			s.serve(conn)
		}
	}()
	picture := []byte{0x17, 1, 0, 0, 0, 0, 0, 0, 1, 0x65}
	large := append(bytes.Clone(picture), bytes.Repeat([]byte{1}, 3*rawChunk/2)...)
	copy(large[5:], []byte{0, 1, 0x80, 1}) // the length of its only NAL unit
	config := []byte{0x17, 0, 0, 0, 0, 1, 0x42, 0xc0, 0x1e, 0xff, 0xe1, 0, 4, 0x67, 0x42, 0xc0, 0x1e, 1, 0, 2, 0x68, 0xce}
	packets := []packet{
		{0, chunks(message.TypeVideo, 0, config)},
		{0, chunks(message.TypeVideo, 0, large)},
		{21, chunks(message.TypeAudio, 21, []byte{0xaf, 1, 2})},
		{33, chunks(message.TypeVideo, 33, picture)},
	}
	require.NoError(t, writeOne(t.Context(), l.Addr().String(), "room?sdkappid=1&userid=anna&usersig=x", packets))
	<-served
	all := s.take()
	require.Len(t, all, 1)
	require.Equal(t, "anna", all[0].User)
	require.NotZero(t, all[0].Ended)
	var times []uint32
	for _, a := range all[0].Arrivals {
		times = append(times, a.MS)
	}
	require.Equal(t, []uint32{0, 21, 33}, times)
	require.Empty(t, s.take(), "who has gone is told of once")
	require.NoError(t, l.Close())
}

func TestPacketsOfAnFLVFileAreReadWithTheirTimes(t *testing.T) {
	file := append([]byte("FLV\x01\x05\x00\x00\x00\x09"), 0, 0, 0, 0)
	file = append(file, 18, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 'x', 0, 0, 0, 12)                                         // onMetaData: left out
	file = append(file, byte(message.TypeVideo), 0, 0, 2, 0xff, 0xff, 0xff, 0x01, 0, 0, 0, 0x27, 1, 0, 0, 0, 12, 9) // and a tag that is cut
	packets, err := readFLV(file)
	require.NoError(t, err)
	require.Len(t, packets, 1)
	require.EqualValues(t, 1<<25-1, packets[0].ms)
}

// at is an arrival at ms of the clock, with a timestamp in ms.
func at(clock int64, ms uint32) arrival { return arrival{clock * int64(time.Millisecond), ms} }

func TestLatenessCountsFromTheEarliestPacketOfEachPush(t *testing.T) {
	late, worst := lateness([]session{
		{Arrivals: []arrival{at(1000, 0), at(1035, 33), at(2100, 66)}},
		{Arrivals: []arrival{at(5000, 900), at(5000, 933)}},
	})
	require.Equal(t, []float64{0, 2, 1034, 33, 0}, late)
	require.Equal(t, 1034.0, worst)
}

func TestAGapLastsFromTheLastPacketToTheFirstOfTheNextSession(t *testing.T) {
	all := gaps([]session{
		{User: "b", Arrivals: []arrival{at(1, 0)}},
		{User: "a", Arrivals: []arrival{at(3500, 0)}},
		{User: "a", Arrivals: []arrival{at(0, 0), at(1000, 1000)}},
	})
	require.ElementsMatch(t, []float64{2.5, math.Inf(1)}, all)
}

func TestWhatIsSentAheadIsBeyondTheFirstSecond(t *testing.T) {
	require.Equal(t, []float64{500, 0}, ahead([]session{
		{Arrivals: []arrival{at(0, 0), at(100, 1500), at(1001, 9000)}},
		{Arrivals: []arrival{at(0, 0), at(990, 990)}},
	}))
}

func TestARatioThatHasGrownByMoreThanAQuarterFailsByItsName(t *testing.T) {
	baseline := map[string]float64{"same": 2, "grown": 2, "shrunk": 2, "gone": 2}
	var out strings.Builder
	failed := verdicts(&out, map[string]float64{"same": 2.4, "grown": 2.6, "shrunk": 1, "new": 1, "unknown": math.NaN()}, baseline)
	require.Len(t, failed, 4)
	for i, name := range []string{"gone", "grown", "new", "unknown"} {
		require.ErrorContains(t, failed[i], name)
	}
	require.Contains(t, out.String(), "better")
}

func TestWhatStandsAsideHasCoresOfItsOwnWhereThereAreFour(t *testing.T) {
	for cpus, want := range map[int][2]int{1: {1, 1}, 2: {2, 1}, 4: {3, 1}, 16: {12, 4}} {
		mine, others := measured.of(cpus), aside.of(cpus)
		require.Equal(t, want, [2]int{mine.Count(), others.Count()}, "%d", cpus)
	}
}

func TestTheTableHasARowForEachFigureAndThePlotALineForEachProgram(t *testing.T) {
	r := report{Machine: "a machine", Sizes: []int{1, 100}, Copies: measurements{}, Singles: []single{{"one", "1 ms"}}}
	for _, n := range r.Sizes {
		r.Copies[n] = map[string][]sample{ours: {{cpu: 3}, {cpu: 9}, {cpu: 4}}, ffmpeg: {{cpu: 8}, {cpu: 9}, {cpu: 8}}, raw: {{cpu: 2}, {cpu: 3}, {cpu: 2}}, relay: {{cpu: 2}, {cpu: 2}, {cpu: 3}}}
	}
	require.Contains(t, r.table(), "| CPU, ms a push-second | 100 | 4.00 | 8.00 | 2.00 | 2.00 | 2.00 | 0.50 |\n")
	require.Equal(t, len(figures)*len(r.Sizes), strings.Count(r.table(), "| 1 |")+strings.Count(r.table(), "| 100 |"))
	require.Contains(t, r.table(), "| one | 1 ms |")
	require.Equal(t, len(programs), strings.Count(r.plot(), "<polyline"))
}

func TestTheBaselineCanBeRead(t *testing.T) {
	text, err := os.ReadFile("baseline.json")
	require.NoError(t, err)
	baseline := map[string]float64{}
	require.NoError(t, json.Unmarshal(text, &baseline))
	require.NotEmpty(t, baseline)
}
