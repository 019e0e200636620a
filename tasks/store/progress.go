package store

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/roomcast/roomcast/media"
)

// A record's progress is one field of numbers, separated by spaces: it is written
// every second, and a field for each number took 1.1 kB. Times are milliseconds. In
// this order: when it was (Unix), position, length of the source, 1 if its clock has stepped back,
// kilobits a second, hundredths of a picture a second, bytes sent, packets dropped, reconnects, lateness that
// 99 of 100 packets keep, plays done, time in the room, where it was resumed, time
// slipped. Then of picture and of sound: time taken, held, filled and lost, until when, in which play.
const (
	progressNumbers = 14
	coverageNumbers = 12
)

type numbers []int64

func (n *numbers) add(more ...int64) { *n = append(*n, more...) }

func progressText(p media.Progress) string {
	var n numbers
	var unclocked int64
	if p.Unclocked {
		unclocked = 1
	}
	n.add(p.UpdatedAt.UnixMilli(), p.Position.Milliseconds(), p.Duration.Milliseconds(), unclocked,
		int64(p.Bitrate)/1000, hundredths(p.FPS), p.SentBytes, p.DroppedPackets, p.Reconnects, p.LatenessP99.Milliseconds(),
		int64(p.Loop), p.Played.Milliseconds(), p.Resumed.Milliseconds(), p.Slipped.Milliseconds())
	for _, c := range p.Coverage {
		for _, d := range []time.Duration{c.Taken, c.Held, c.Filled, c.Lost, c.Until} {
			n.add(d.Milliseconds())
		}
		n.add(int64(c.Play))
	}
	var text []byte
	for i, one := range n {
		if i > 0 {
			text = append(text, ' ')
		}
		text = strconv.AppendInt(text, one, 10)
	}
	return string(text)
}

// hundredths is 0 of what is no number, which JSON does not have either.
func hundredths(x float64) int64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return 0
	}
	return int64(math.Round(x * 100))
}

var errProgress = errors.New("it is no progress")

// readNumbers reads numbers that are separated by spaces.
func readNumbers(text string) (numbers, error) {
	n := make(numbers, 0, progressNumbers+coverageNumbers)
	for part := range strings.FieldsSeq(text) {
		one, err := strconv.ParseInt(part, 10, 64)
		if err != nil {
			return nil, err
		}
		n = append(n, one)
	}
	return n, nil
}

// progress returns how far the push is, nil before it publishes.
func (r *reader) progress() *media.Progress {
	text := r.fields[fieldProgress]
	if text == "" {
		return nil
	}
	n, err := readNumbers(text)
	if err == nil && len(n) < progressNumbers+coverageNumbers {
		err = errProgress
	}
	if err != nil {
		r.note(fieldProgress, err)
		return nil
	}
	p := n.progress()
	return &p
}

func (n numbers) progress() media.Progress {
	return media.Progress{
		UpdatedAt:      time.UnixMilli(n[0]).UTC(),
		Position:       n.ms(1),
		Duration:       n.ms(2),
		Unclocked:      n[3] == 1,
		Bitrate:        media.BitsPerSecond(n[4] * 1000),
		FPS:            float64(n[5]) / 100,
		SentBytes:      n[6],
		DroppedPackets: n[7],
		Reconnects:     n[8],
		LatenessP99:    n.ms(9),
		Loop:           int(n[10]),
		Played:         n.ms(11),
		Resumed:        n.ms(12),
		Slipped:        n.ms(13),
		Coverage:       n[progressNumbers:].coverage(),
	}
}

func (n numbers) ms(i int) time.Duration { return time.Duration(n[i]) * time.Millisecond }

// coverage is of picture and of sound.
func (n numbers) coverage() (tracks [2]media.Coverage) {
	for i := range tracks {
		c := n[coverageNumbers/2*i:]
		tracks[i] = media.Coverage{Taken: c.ms(0), Held: c.ms(1), Filled: c.ms(2), Lost: c.ms(3), Until: c.ms(4), Play: int(c[5])}
	}
	return tracks
}
