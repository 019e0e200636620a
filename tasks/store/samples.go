package store

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
)

// sampleTexts are samples as they are stored: time, epoch, kilobits and pictures a
// second, lateness in ms, packets dropped.
func sampleTexts(epoch int64, samples []tasks.Sample) []string {
	list := []string{} // scripts take no null
	for _, s := range samples {
		list = append(list, fmt.Sprintf("%d %d %d %s %d %d", s.At.UnixMilli(), epoch, int64(s.Bitrate)/1000,
			strconv.FormatFloat(s.FPS, 'f', 2, 64), s.Lateness.Milliseconds(), s.DroppedPackets))
	}
	return list
}

// Samples returns how a push went, oldest first, one every tasks.SampleEvery, at
// most tasks.MaxSamples; CodeNotFound without a record.
func (s *Store) Samples(ctx context.Context, id string) ([]tasks.Sample, error) {
	texts, err := s.told(ctx, id, keySeries(id))
	if err != nil {
		return nil, err
	}
	samples := make([]tasks.Sample, len(texts))
	for i, text := range texts {
		samples[i] = readSample(text)
	}
	return samples, nil
}

// readSample reads what sampleTexts wrote.
func readSample(text string) (s tasks.Sample) {
	var at, epoch, kbps, lateness int64
	_, _ = fmt.Sscan(text, &at, &epoch, &kbps, &s.FPS, &lateness, &s.DroppedPackets) // what cannot be read is 0
	s.At, s.Bitrate, s.Lateness = time.UnixMilli(at).UTC(), media.BitsPerSecond(kbps*1000), time.Duration(lateness)*time.Millisecond
	return s
}
