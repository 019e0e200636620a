package store

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
)

// What the versions before wrote, and pushes of theirs may still have: streams of
// events and of samples (a stream takes 4 kB, however little is in it), and
// progress in a field for each number. It is read, never written. It may go once no
// push is older than the version that wrote it.

func keyOldEvents(id string) string  { return prefix + "events:" + id }
func keyOldSamples(id string) string { return prefix + "samples:" + id }

// told is what a push has told of one kind, oldest first.
type told struct {
	old   []redis.XMessage // goes before texts
	texts []string
}

// told reads the list and the stream of push id; CodeNotFound without a record.
func (s *Store) told(ctx context.Context, id, list, stream string) (told, error) {
	pipe := s.client.Pipeline()
	exists, texts, old := pipe.Exists(ctx, keyPush(id)), pipe.LRange(ctx, list, 0, -1), pipe.XRange(ctx, stream, "-", "+")
	if _, err := pipe.Exec(ctx); err != nil {
		return told{}, storeError(err)
	}
	if exists.Val() == 0 {
		return told{}, notFound(id)
	}
	return told{old.Val(), texts.Val()}, nil
}

// textsOf are the fields of a stream's entry.
func textsOf(values map[string]any) map[string]string {
	texts := make(map[string]string, len(values))
	for name, value := range values {
		texts[name], _ = value.(string)
	}
	return texts
}

func readOldSample(values map[string]string) tasks.Sample {
	r := reader{fields: values}
	return tasks.Sample{
		At: r.time(eventAt), Bitrate: media.BitsPerSecond(r.int("bitrate_kbps") * 1000), FPS: r.float("fps"),
		Lateness: r.ms("lateness_ms"), DroppedPackets: r.int("dropped_packets"),
	}
}

// oldProgress is nil where the record has none in that form.
func (r *reader) oldProgress() *media.Progress {
	if r.fields["progress_at"] == "" {
		return nil
	}
	return &media.Progress{
		Position:       r.ms("position_ms"),
		Duration:       r.ms("duration_ms"),
		Unclocked:      r.fields["unclocked"] == bit(true),
		Bitrate:        media.BitsPerSecond(r.int("bitrate_kbps") * 1000),
		FPS:            r.float("fps"),
		SentBytes:      r.int("sent_bytes"),
		DroppedPackets: r.int("dropped_packets"),
		Reconnects:     r.int("reconnects"),
		LatenessP99:    r.ms("lateness_p99_ms"),
		Loop:           int(r.int("loop")),
		Played:         r.ms("played_ms"),
		Slipped:        r.ms("slipped_ms"),
		Resumed:        r.ms("resumed_ms"),
		Coverage:       oldCoverage(r.fields["coverage"]),
		UpdatedAt:      r.time("progress_at"),
	}
}

// oldCoverage is none where it cannot be read.
func oldCoverage(text string) (tracks [2]media.Coverage) {
	n, err := readNumbers(text)
	if err != nil || len(n) != coverageNumbers {
		return tracks
	}
	return n.coverage()
}
