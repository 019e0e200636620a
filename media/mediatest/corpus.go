package mediatest

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Serving is how a sample reaches the one who plays it.
type Serving string

// The servings. The live ones go on, over and over, until their test ends.
const (
	ByFile      Serving = "file"       // http with ranges
	ByPlainFile Serving = "plain file" // http without ranges: nobody can seek
	ByChunks    Serving = "chunks"     // the same, and of a length not told
	ByFolder    Serving = "folder"     // http, the name is a playlist
	ByLiveHLS   Serving = "live hls"   // a playlist written in real time
	ByRTMP      Serving = "rtmp"       // from nginx, in real time
	ByHTTPFLV   Serving = "http-flv"   // a response without an end
	ByRTSP      Serving = "rtsp"       // from a server, in real time
	BySRT       Serving = "srt"        // from ffmpeg, in real time, to one player
)

// Live says whether the sample has no end when it is served so.
func (s Serving) Live() bool {
	switch s {
	case ByLiveHLS, ByRTMP, ByHTTPFLV, ByRTSP, BySRT:
		return true
	case ByFile, ByPlainFile, ByChunks, ByFolder:
	}
	return false
}

// TrackWant is what a push should do with a track: the words of package media.
// The zero value is a track that is not there.
type TrackWant struct {
	Action string // copy, transcode or fill
	Reason string // a part of the plan's words; empty for a copy
	// Later is a part of the reason for which a copy becomes a transcode in
	// mid-stream.
	Later string
	// Then is what it becomes in mid-stream without being re-encoded.
	Then string
}

// AtTheEnd is what the push should do with the track at its end.
func (w TrackWant) AtTheEnd() TrackWant {
	if w.Then != "" {
		return TrackWant{Action: w.Then}
	}
	if w.Later != "" {
		return TrackWant{Action: "transcode", Reason: w.Later}
	}
	return w
}

// Sample is one clip of the corpus: what it is and what should become of it.
type Sample struct {
	Name  string // a few words; unique
	Serve Serving
	Video TrackWant
	Audio TrackWant
	Tape  TapeWant // what the room should have got
	// Mode is the request's: vod where the server cannot say so.
	Mode string
	// Renewed says that the room gets new parameter sets in mid-stream.
	Renewed bool
	// Fails is the name of the media.Kind with which it should fail; empty for
	// one that plays.
	Fails string
	// Warned is the code of the warning it deserves; empty for none.
	Warned string

	file  string // what is asked for, in the sample's folder
	steps [][]string
}

// verbs are the steps that are not ffmpeg's: join makes its first file of the
// others' bytes, write makes a file of its second argument, drop removes files,
// clock lets an FLV's timestamps begin elsewhere, sbr makes HE-AAC of 24 kHz, show gives the pictures of an mp4 another matrix, edit gives its tracks an
// edit list ("0-2 4-6": seconds), each in place.
var verbs = map[string]func(dir string, args []string) error{
	"join": func(dir string, args []string) error {
		var all []byte
		for _, name := range args[1:] {
			data, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				return err
			}
			all = append(all, data...)
		}
		return os.WriteFile(filepath.Join(dir, args[0]), all, 0o600)
	},
	"write": func(dir string, args []string) error {
		return os.WriteFile(filepath.Join(dir, args[0]), []byte(args[1]), 0o600)
	},
	"show": func(dir string, args []string) error {
		var m [4]int8
		if _, err := fmt.Sscan(args[1], &m[0], &m[1], &m[2], &m[3]); err != nil {
			return err
		}
		return rewrite(filepath.Join(dir, args[0]), func(mp4 []byte) []byte { return show(mp4, m) })
	},
	"edit": func(dir string, args []string) error {
		return rewrite(filepath.Join(dir, args[0]), func(mp4 []byte) []byte { return edit(mp4, strings.Fields(args[1])) })
	},
	"sbr": func(dir string, args []string) error {
		return rewrite(filepath.Join(dir, args[0]), sbr)
	},
	"clock": func(dir string, args []string) error {
		return rewrite(filepath.Join(dir, args[0]), func(flv []byte) []byte {
			at, _ := time.ParseDuration(args[1])
			return FromClock(flv, at)
		})
	},
	"drop": func(dir string, args []string) error {
		for _, name := range args {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				return err
			}
		}
		return nil
	},
}

// Path makes the sample, once per machine, and returns the path of its file or
// playlist, alone in a folder named for the recipe.
func (s Sample) Path(t testing.TB) string {
	t.Helper()
	var recipe strings.Builder
	for _, step := range s.steps {
		recipe.WriteString(strings.Join(step, "\x00") + "\x01")
	}
	sum := sha256.Sum256([]byte(recipe.String()))
	root := filepath.Join(os.TempDir(), "roomcast-clips", "corpus")
	dir := filepath.Join(root, fmt.Sprintf("%x", sum[:12]))
	path := filepath.Join(dir, s.file)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if err := os.MkdirAll(root, 0o777); err != nil {
		t.Fatalf("make %q: %v", s.Name, err)
	}
	part, err := os.MkdirTemp(root, "part-")
	if err != nil {
		t.Fatalf("make %q: %v", s.Name, err)
	}
	defer func() { _ = os.RemoveAll(part) }()
	for _, step := range s.steps {
		s.run(t, part, step)
	}
	// Atomic: others see all or nothing. Who comes second finds the folder full.
	if err := os.Rename(part, dir); err != nil {
		if _, there := os.Stat(path); there != nil {
			t.Fatalf("make %q: %v", s.Name, err)
		}
	}
	return path
}

func (s Sample) run(t testing.TB, dir string, step []string) {
	t.Helper()
	if act, ok := verbs[step[0]]; ok {
		if err := act(dir, step[1:]); err != nil {
			t.Fatalf("make %q: %s: %v", s.Name, step[0], err)
		}
		return
	}
	args := append([]string{"-nostdin", "-y", "-v", "error"}, step...)
	if words, err := makeWith(t, dir, 10*time.Minute, args...); err != nil { // half an hour of pictures, on a busy machine
		t.Fatalf("make %q: ffmpeg %s: %v\n%s", s.Name, strings.Join(args, " "), err, words)
	}
}

// piece is one run of ffmpeg that makes flash and beep: a white picture and a
// tone of 1 kHz for 80 ms, half a second after each full second, on a moving
// picture and a quiet hum. Zero fields get the defaults named here.
type piece struct {
	size    string  // "320x180"
	rate    string  // "30"
	seconds float64 // 4
	video   string  // encoder options; none leaves the picture out
	filter  string  // after the picture was drawn
	audio   string  // encoder options; none leaves the sound out
	hertz   int     // 48000
	layout  string  // "stereo"
	// The sound begins at from, on the picture's clock, and ends at to.
	from, to float64
	out      string // muxer options and the file
}

// The picture's clock is a millisecond off: a frame's time is rounded.
const (
	flashOn = "lt(mod(t+0.501,1),0.08)"
	beep    = "0.02*sin(440*PI*%[1]s)+0.6*sin(2000*PI*%[1]s)*lt(mod(%[1]s+0.5,1),0.08)"
)

// args are the arguments with which ffmpeg makes the piece.
func (p piece) args() []string {
	p.seconds = cmp.Or(p.seconds, 4)
	var inputs, outputs []string
	if p.video != None {
		inputs = append(inputs, "-f", "lavfi", "-i", p.picture())
		outputs = append(outputs, strings.Fields(p.video)...)
	}
	if p.audio != None {
		inputs = append(inputs, "-itsoffset", fmt.Sprint(p.from), "-f", "lavfi", "-i", p.sound())
		outputs = append(outputs, strings.Fields(p.audio)...)
	}
	return append(append(inputs, outputs...), strings.Fields(p.out)...)
}

func (p piece) picture() string {
	graph := fmt.Sprintf("testsrc2=s=%s:r=%s:d=%g,drawbox=x=0:y=0:w=iw:h=ih:c=white:t=fill:enable='%s'",
		cmp.Or(p.size, "320x180"), cmp.Or(p.rate, "30"), p.seconds, flashOn)
	if p.filter != "" {
		graph += "," + p.filter
	}
	return graph
}

func (p piece) sound() string {
	return fmt.Sprintf("aevalsrc='%s':s=%d:d=%g,aformat=channel_layouts=%s",
		fmt.Sprintf(beep, fmt.Sprintf("(t+%g)", p.from)), cmp.Or(p.hertz, 48000), cmp.Or(p.to, p.seconds)-p.from, cmp.Or(p.layout, "stereo"))
}

// Half returns every second of all; tomorrow the others. It is for what takes minutes, and is
// tried whole at full size.
func Half[T any](all []T) []T {
	var half []T
	for i := time.Now().YearDay() % 2; i < len(all); i += 2 {
		half = append(half, all[i])
	}
	return half
}
