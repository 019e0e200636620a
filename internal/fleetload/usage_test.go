package fleetload

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// usage is what Redis has used since its begin.
type usage struct {
	cpu, calls, in, out float64 // seconds, commands, bytes
	byCommand           map[string]command
}

type command struct{ calls, seconds float64 }

func (u usage) minus(before usage) usage {
	u.cpu, u.calls, u.in, u.out = u.cpu-before.cpu, u.calls-before.calls, u.in-before.in, u.out-before.out
	for name, c := range u.byCommand {
		b := before.byCommand[name]
		u.byCommand[name] = command{c.calls - b.calls, c.seconds - b.seconds}
	}
	return u
}

// table lists the commands that take most.
func (u usage) table(over float64) string {
	names := slices.SortedFunc(maps.Keys(u.byCommand), func(a, b string) int {
		return cmp.Compare(u.byCommand[b].seconds, u.byCommand[a].seconds)
	})
	var out strings.Builder
	for _, name := range names[:min(len(names), 30)] {
		c := u.byCommand[name]
		fmt.Fprintf(&out, "%-18s %9.0f %7.4f\n", name, c.calls/over, c.seconds/over)
	}
	return out.String()
}

// info returns the numbers of a section of INFO.
func (f *fleet) info(section string) map[string]float64 {
	text, err := f.client.Info(f.ctx, section).Result()
	require.NoError(f.b, err)
	numbers := map[string]float64{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			numbers[name] = n
		}
	}
	return numbers
}

var commandLine = regexp.MustCompile(`cmdstat_(\S+):calls=(\d+),usec=(\d+)`)

func (f *fleet) usage() usage {
	cpu, stats := f.info("cpu"), f.info("stats")
	u := usage{
		cpu: cpu["used_cpu_user"] + cpu["used_cpu_sys"], calls: stats["total_commands_processed"],
		in: stats["total_net_input_bytes"], out: stats["total_net_output_bytes"], byCommand: map[string]command{},
	}
	text, err := f.client.Info(f.ctx, "commandstats").Result()
	require.NoError(f.b, err)
	for _, m := range commandLine.FindAllStringSubmatch(text, -1) {
		calls, _ := strconv.ParseFloat(m[2], 64) // digits
		usec, _ := strconv.ParseFloat(m[3], 64)
		u.byCommand[m[1]] = command{calls, usec / 1e6}
	}
	return u
}

// one stands for what the names of keys differ in: ids and numbers.
var one = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}(\.\d+)?|[0-9a-f]{64}|\d+`)

// sizes is a table of what the keys take, as MEMORY USAGE tells it, by kind: how
// many there are, and how many bytes of them are each push's.
func (f *fleet) sizes(pushes int) string {
	type kind struct{ keys, bytes float64 }
	kinds := map[string]kind{}
	scan := f.client.Scan(f.ctx, 0, "*", 1000).Iterator()
	for scan.Next(f.ctx) {
		size, err := f.client.MemoryUsage(f.ctx, scan.Val(), 0).Result()
		require.NoError(f.b, err)
		k := kinds[one.ReplaceAllString(scan.Val(), "#")]
		kinds[one.ReplaceAllString(scan.Val(), "#")] = kind{k.keys + 1, k.bytes + float64(size)}
	}
	require.NoError(f.b, scan.Err())
	var out strings.Builder
	var sum float64
	for _, name := range slices.SortedFunc(maps.Keys(kinds), func(a, b string) int { return cmp.Compare(kinds[b].bytes, kinds[a].bytes) }) {
		k := kinds[name]
		sum += k.bytes
		fmt.Fprintf(&out, "%-46s %7.0f %7.0f\n", name, k.keys, k.bytes/float64(pushes))
	}
	fmt.Fprintf(&out, "%-46s %7s %7.0f\n", "all", "", sum/float64(pushes))
	return out.String()
}

// sourceInfo is what a recorded lesson looks like.
func sourceInfo() media.SourceInfo {
	return media.SourceInfo{
		Container: "mov,mp4,m4a,3gp,3g2,mj2", Duration: 0,
		Tracks: []media.Track{
			{Type: media.Video, Codec: "h264", Profile: "High", Width: 1280, Height: 720, FPS: 25, Bitrate: 1_400_000},
			{Type: media.Audio, Codec: "aac", Profile: "LC", SampleRate: 48000, Channels: 2, Bitrate: 128_000},
		},
		Streams: []media.Stream{
			{Type: "video", Codec: "h264", Language: "und", Title: "VideoHandler", Default: true, Chosen: true},
			{Type: "audio", Codec: "aac", Language: "und", Title: "SoundHandler", Channels: 2, Default: true, Chosen: true},
		},
	}
}
