package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/roomcast/roomcast/media/fakeroom"
)

// figures are what a measured run showed.
type figures struct {
	asked, stopAsked time.Time // POST and DELETE
	session          fakeroom.Session
	report           fakeroom.Report
	// videoFile and audioFile are the recording's streams as ffprobe sees them.
	videoFile, audioFile time.Duration
	decoded              bool // ffmpeg found no error in the recording
	frame                string
}

// check fills in the rest of f and says what is not as it must be.
func (d *demo) check(ctx context.Context, f *figures) error {
	least := time.Duration(d.cfg.Seconds) * time.Second
	f.report = f.session.Report()
	problems := []error{f.report.Check(least, 0), inOrder(*f, len(d.room.Sessions()))}
	recording := filepath.Join(d.dir, "recording.flv")
	if err := d.record(recording, f.session.ID); err != nil {
		return errors.Join(append(problems, err)...)
	}
	problems = append(problems, d.decode(ctx, recording, f), d.probe(ctx, recording, f))
	if f.decoded && min(f.videoFile, f.audioFile) < least {
		problems = append(problems, fmt.Errorf("the recording holds %v of video and %v of audio only", f.videoFile, f.audioFile))
	}
	if d.cfg.Keep {
		problems = append(problems, d.picture(ctx, recording, f))
	}
	return errors.Join(problems...)
}

// inOrder checks that it was one session without a fault and with a proper end.
func inOrder(f figures, sessions int) error {
	var problems []error
	if sessions != 1 {
		problems = append(problems, fmt.Errorf("the push connected %d times", sessions))
	}
	if !f.session.Unpublished {
		problems = append(problems, fmt.Errorf("the room saw no unpublish: %s %s", f.session.End, f.session.EndWords))
	}
	if f.session.Truncated {
		problems = append(problems, errors.New("the recording is not complete: too much came"))
	}
	for _, p := range f.report.Problems {
		problems = append(problems, errors.New("the room found: "+p))
	}
	return errors.Join(problems...)
}

func (d *demo) record(path string, session int) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = d.room.WriteFLV(file, session)
	return errors.Join(err, file.Close())
}

// decode decodes everything; the first error ends it.
func (d *demo) decode(ctx context.Context, path string, f *figures) error {
	out, err := d.tool(ctx, d.tools.ffmpeg, "-nostdin", "-v", "error", "-xerror", "-i", path, "-f", "null", "-")
	if err == nil && len(bytes.TrimSpace(out)) > 0 {
		err = fmt.Errorf("ffmpeg: %s", bytes.TrimSpace(out))
	}
	if err != nil {
		return fmt.Errorf("decode the recording: %w", err)
	}
	f.decoded = true
	return nil
}

// probe measures both streams of the recording by their packets: FLV has no
// duration per stream.
func (d *demo) probe(ctx context.Context, path string, f *figures) error {
	out, err := d.tool(ctx, d.tools.ffprobe, "-v", "error",
		"-show_entries", "packet=codec_type,pts_time,duration_time", "-of", "json", path)
	if err == nil {
		f.videoFile, f.audioFile, err = spans(out)
	}
	if err != nil {
		return fmt.Errorf("probe the recording: %w", err)
	}
	return nil
}

// spans reads ffprobe's list of packets.
func spans(list []byte) (video, audio time.Duration, err error) {
	var probed struct {
		Packets []struct {
			Type     string `json:"codec_type"`
			PTS      string `json:"pts_time"`
			Duration string `json:"duration_time"`
		} `json:"packets"`
	}
	if err := json.Unmarshal(list, &probed); err != nil {
		return 0, 0, err
	}
	first, last := map[string]float64{}, map[string]float64{}
	for _, p := range probed.Packets {
		at, err := strconv.ParseFloat(p.PTS, 64)
		if err != nil {
			continue // a packet without a time
		}
		long, _ := strconv.ParseFloat(p.Duration, 64) // 0 when it has none
		if _, seen := first[p.Type]; !seen {
			first[p.Type] = at
		}
		last[p.Type] = max(last[p.Type], at+long)
	}
	span := func(kind string) time.Duration {
		return time.Duration((last[kind] - first[kind]) * float64(time.Second)).Round(time.Millisecond)
	}
	return span("video"), span("audio"), nil
}

// picture saves a frame from the middle of the recording.
func (d *demo) picture(ctx context.Context, recording string, f *figures) error {
	path := filepath.Join(d.dir, "frame.png")
	middle := fmt.Sprintf("%.3f", f.videoFile.Seconds()/2)
	_, err := d.tool(ctx, d.tools.ffmpeg, "-nostdin", "-y", "-v", "error", "-ss", middle, "-i", recording, "-frames:v", "1", path)
	if err != nil {
		return fmt.Errorf("save a picture: %w", err)
	}
	f.frame = d.shown(path)
	return nil
}

// firstPacket is when the first media packet came.
func (f figures) firstPacket() time.Time {
	video, audio := f.session.Video.FirstAt, f.session.Audio.FirstAt
	if audio.IsZero() || !video.IsZero() && video.Before(audio) {
		return video
	}
	return audio
}

// String is a line per figure.
func (f figures) String() string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-22s %s\n", name, fmt.Sprintf(format, args...))
	}
	s := f.session
	line("POST to first packet", "%d ms", f.firstPacket().Sub(f.asked).Milliseconds())
	line("video received", "%.2f s, %dx%d, %d packets, %d keyframes", f.report.Video.Seconds(), s.Width, s.Height, s.Video.Packets, s.Video.Keyframes)
	line("audio received", "%.2f s, %d packets", f.report.Audio.Seconds(), s.Audio.Packets)
	line("real time ratio", "%.3f over %.2f s", f.report.Ratio, f.report.Wall.Seconds())
	line("in the recording", "video %.2f s, audio %.2f s", f.videoFile.Seconds(), f.audioFile.Seconds())
	line("decoded without error", "%s", map[bool]string{true: "yes", false: "NO"}[f.decoded])
	line("DELETE to unpublish", "%d ms", s.EndedAt.Sub(f.stopAsked).Milliseconds())
	if f.frame != "" {
		line("a picture", "%s", f.frame)
	}
	return b.String()
}
