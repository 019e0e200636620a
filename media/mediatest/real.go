package mediatest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// carrier is a package that carries samples: Debian's, or one of npm.
type carrier struct {
	name string // "mux.js@7.1.0" for npm
	npm  bool
	root string // where its samples are
}

// The packages. Their files were made by other people's encoders.
var (
	muxjs     = carrier{"mux.js@7.1.0", true, "package/test/segments"}
	imageio   = carrier{"python3-imageio", false, "usr/lib/python3/dist-packages/imageio/resources/images"}
	gnomeDocs = carrier{"gnome-user-docs", false, "usr/share/help/C/gnome-help/figures"}
	linphone  = carrier{"linphone-common", false, "usr/share/sounds/linphone"}
	forensics = carrier{"forensics-samples-files", false, "usr/share/forensics-samples/original-files"}
	mimetype  = carrier{"golang-github-gabriel-vasile-mimetype-dev", false, "usr/share/gocode/src/github.com/gabriel-vasile/mimetype/testdata"}
)

// RealSample is a file that a package carries and what should become of it.
type RealSample struct {
	Name         string
	Video, Audio TrackWant
	// Duration is how long the recording should be; 0 where only a share of it
	// is to be played: a long one, or one whose container does not tell.
	Duration time.Duration
	// Fails is the name of the media.Kind with which it should fail; empty for
	// one that plays.
	Fails string
	// Warned is the code of the warning it deserves; empty for none.
	Warned string

	Dark bool // black from begin to end

	from  carrier
	files []string // joined, in the carrier's root
}

// Path fetches the package, once per machine, and returns the sample's path.
// A package that cannot be had fails the test: a sample is never left out
// silently.
func (s RealSample) Path(t testing.TB) string {
	t.Helper()
	dir, err := s.from.fetch()
	if err != nil {
		t.Fatalf("missing: %s: %v", s.Name, err)
	}
	if len(s.files) == 1 {
		return filepath.Join(dir, s.from.root, s.files[0])
	}
	var all []byte
	for _, name := range s.files {
		data, err := os.ReadFile(filepath.Join(dir, s.from.root, name))
		if err != nil {
			t.Fatalf("missing: %s: %v", s.Name, err)
		}
		all = append(all, data...)
	}
	path := filepath.Join(t.TempDir(), "joined"+filepath.Ext(s.files[0]))
	if err := os.WriteFile(path, all, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// fetch downloads and unpacks the package into the cache, without installing
// it, and returns the folder.
func (c carrier) fetch() (string, error) {
	root := filepath.Join(os.TempDir(), "roomcast-clips", "packages")
	dir := filepath.Join(root, c.name)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(root, 0o777); err != nil {
		return "", err
	}
	part, err := os.MkdirTemp(root, "part-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(part) }()
	unpacked, err := c.into(part)
	if err != nil {
		return "", err
	}
	if err := os.Rename(unpacked, dir); err != nil {
		if _, there := os.Stat(dir); there != nil { // else another process was faster
			return "", err
		}
	}
	return dir, nil
}

// into downloads the package into a folder and returns where it is unpacked.
func (c carrier) into(dir string) (string, error) {
	download := []string{"apt-get", "download", "-q", c.name}
	if c.npm {
		download = []string{"npm", "pack", "--silent", c.name}
	}
	if err := inFolder(dir, download...); err != nil {
		return "", err
	}
	archive, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(archive) != 1 {
		return "", fmt.Errorf("fetch %s: %d files came", c.name, len(archive))
	}
	unpacked := filepath.Join(dir, "x")
	if err := os.Mkdir(unpacked, 0o777); err != nil {
		return "", err
	}
	unpack := []string{"dpkg-deb", "-x", archive[0], unpacked}
	if c.npm {
		unpack = []string{"tar", "-xzf", archive[0], "-C", unpacked}
	}
	return unpacked, inFolder(dir, unpack...)
}

func inFolder(dir string, args ...string) error {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// RealSamples returns the samples of all packages.
func RealSamples() []RealSample {
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	return []RealSample{
		{Name: "imageio, cockatoo", from: imageio, files: []string{"cockatoo.mp4"}, Duration: ms(14000), Video: transcoded(""), Audio: transcoded("mp3")},
		{Name: "imageio, short", from: imageio, files: []string{"realshort.mp4"}, Duration: ms(1199), Video: copied, Audio: copied},
		{Name: "mux.js, segment", from: muxjs, files: []string{"test-segment.ts"}, Duration: ms(8933), Video: copied, Audio: copied},
		{Name: "mux.js, promised audio", from: muxjs, files: []string{"test-no-audio-segment.ts"}, Duration: ms(8933), Video: copied, Audio: filled},
		{Name: "mux.js, captions", from: muxjs, files: []string{"sintel-captions.ts"}, Duration: ms(10119), Video: copied, Audio: copied, Warned: "long_gop"},
		{Name: "mux.js, captions in channels", from: muxjs, files: []string{"multi-channel-608-captions.ts"}, Duration: ms(6039), Video: copied, Audio: filled},
		{Name: "mux.js, tables in the middle", from: muxjs, files: []string{"test-middle-pat-pmt.ts"}, Duration: ms(620), Dark: true, Video: copied, Audio: copied},
		{Name: "mux.js, aac", from: muxjs, files: []string{"test-aac-segment.aac"}, Video: absent, Audio: copied},
		{Name: "mux.js, dash segment", from: muxjs, files: []string{"dash-608-captions-init.mp4", "dash-608-captions-seg.m4s"}, Video: copied, Audio: filled, Warned: "long_gop"},
		{Name: "mux.js, malformed sei", from: muxjs, files: []string{"malformed-sei-init.mp4", "malformed-sei.m4s"}, Video: copied, Audio: copied},
		{Name: "mux.js, a scrap", from: muxjs, files: []string{"test-stuffed-pes.ts"}, Fails: "source_invalid"},
		{Name: "gnome, vp8", from: gnomeDocs, files: []string{"display-dual-monitors.webm"}, Video: transcoded("vp8"), Audio: filled},
		{Name: "linphone, opus", from: linphone, files: []string{"silence.mkv"}, Duration: ms(6140), Audio: transcoded("opus")},
		{Name: "linphone, stereo opus", from: linphone, files: []string{"rings/leaving_dreams.mkv"}, Audio: transcoded("opus")},
		{Name: "linphone, wav of 8 kHz", from: linphone, files: []string{"hello8000.wav"}, Audio: transcoded("pcm_s16le")},
		{Name: "linphone, short wav", from: linphone, files: []string{"incoming_chat.wav"}, Duration: ms(580), Audio: transcoded("pcm_s16le")},
		{Name: "forensics, mp3", from: forensics, files: []string{"audio1/debian.mp3"}, Duration: ms(5433), Audio: transcoded("mp3")},
		{Name: "forensics, ogg", from: forensics, files: []string{"audio1/debian.ogg"}, Duration: ms(5406), Audio: transcoded("vorbis")},
		{Name: "forensics, phone video", from: forensics, files: []string{"movie1/VID_20191220_170832.mp4"}, Duration: ms(1600), Video: copied, Audio: copied},
		{Name: "forensics, avi", from: forensics, files: []string{"movie2/movie-hello.avi"}, Duration: ms(8360), Video: copied, Audio: copied},
		{Name: "forensics, mp4", from: forensics, files: []string{"movie2/movie-hello.mp4"}, Duration: ms(8320), Video: copied, Audio: copied},
		{Name: "forensics, mpeg", from: forensics, files: []string{"movie2/movie-hello.mpeg"}, Duration: ms(8317), Video: transcoded("mpeg2video"), Audio: transcoded("mp2")},
		{Name: "forensics, theora", from: forensics, files: []string{"movie2/movie-hello.ogg"}, Duration: ms(8342), Video: transcoded("theora"), Audio: transcoded("vorbis")},
		{Name: "mimetype, 3gp", from: mimetype, files: []string{"3gp.3gp"}, Duration: ms(5533), Video: transcoded("h263"), Audio: transcoded("amr_nb")},
		// Its header tells of 4.4 s; the packets go on to 6.44 s. Both tracks have a hole: of
		// the sound there is nothing from 2.74 s to 3.79 s.
		{Name: "mimetype, asf", from: mimetype, files: []string{"asf.asf"}, Duration: ms(6440), Video: transcoded("wmv2"), Audio: transcoded("wmav2"), Warned: "hole"},
		{Name: "mimetype, sorenson flv", from: mimetype, files: []string{"flv.flv"}, Duration: ms(5560), Video: transcoded("flv1"), Audio: transcoded("mp3")},
		{Name: "mimetype, mkv", from: mimetype, files: []string{"mkv.mkv"}, Duration: ms(5880), Video: transcoded("mpeg4"), Audio: transcoded("6 channels")},
		{Name: "mimetype, mov", from: mimetype, files: []string{"mov.mov"}, Duration: ms(5599), Video: transcoded("B-frames"), Audio: copied},
		{Name: "mimetype, mp4", from: mimetype, files: []string{"mp4.mp4"}, Duration: ms(5568), Video: copied, Audio: copied, Warned: "long_gop"},
		{Name: "mimetype, theora", from: mimetype, files: []string{"ogg.ogv"}, Duration: ms(5547), Video: transcoded("theora"), Audio: transcoded("vorbis")},
		{Name: "mimetype, webm", from: mimetype, files: []string{"webm.webm"}, Duration: ms(5568), Video: transcoded("vp8"), Audio: transcoded("vorbis")},
	}
}

// Sample returns it as a sample: judged by Report.Faults and its length.
func (s RealSample) Sample() Sample {
	return Sample{Name: s.Name, Serve: ByFile, Fails: s.Fails, Warned: s.Warned, Video: s.Video, Audio: s.Audio, Tape: TapeWant{Duration: s.Duration}}
}
