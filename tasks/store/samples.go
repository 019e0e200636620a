package store

import (
	"context"
	"strconv"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
)

// sampleLateness is the field that has no like in a record, which tells of a
// hundredth and not of the latest packet.
const sampleLateness = "lateness_ms"

// sampleEntries are samples as lua/lib.lua takes them: the time, then the epoch,
// then what it measured under the names of the record.
func sampleEntries(epoch int64, samples []tasks.Sample) []flat {
	list := []flat{} // scripts take no null
	for _, s := range samples {
		var f flat
		f.addInt(eventAt, s.At.UnixMilli())
		f.addInt(eventEpoch, epoch)
		f.addInt(fieldBitrate, int64(s.Bitrate)/1000)
		f.add(fieldFPS, strconv.FormatFloat(s.FPS, 'f', 2, 64))
		f.addInt(sampleLateness, s.Lateness.Milliseconds())
		f.addInt(fieldDropped, s.DroppedPackets)
		list = append(list, f)
	}
	return list
}

// Samples returns how a push went, oldest first, one every tasks.SampleEvery, at
// most tasks.MaxSamples; CodeNotFound without a record.
func (s *Store) Samples(ctx context.Context, id string) ([]tasks.Sample, error) {
	pipe := s.client.Pipeline()
	exists := pipe.Exists(ctx, keyPush(id))
	stream := pipe.XRange(ctx, keySamples(id), "-", "+")
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, storeError(err)
	}
	if exists.Val() == 0 {
		return nil, notFound(id)
	}
	samples := make([]tasks.Sample, 0, len(stream.Val()))
	for _, message := range stream.Val() {
		samples = append(samples, readSample(message.Values))
	}
	return samples, nil
}

func readSample(values map[string]any) tasks.Sample {
	r := reader{fields: make(map[string]string, len(values))}
	for name, value := range values {
		r.fields[name], _ = value.(string)
	}
	return tasks.Sample{
		At: r.time(eventAt), Bitrate: media.BitsPerSecond(r.int(fieldBitrate) * 1000), FPS: r.float(fieldFPS),
		Lateness: r.ms(sampleLateness), DroppedPackets: r.int(fieldDropped),
	}
}
