package libav

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// shownImage opens a picture and returns its track and what it gives.
func shownImage(t *testing.T, path string, packets int) (media.Source, source) {
	t.Helper()
	s, err := open(t, serve(t)+"/"+filepath.Base(path))
	require.NoError(t, err)
	in := source{info: s.Info()}
	for range packets {
		p, err := s.ReadPacket()
		require.NoError(t, err)
		in.packets = append(in.packets, p)
	}
	return s, in
}

// onScreen re-encodes a picture's packets and returns what is seen, in RGB.
func onScreen(t *testing.T, path string, to media.VideoOutput) [][]byte {
	t.Helper()
	_, in := shownImage(t, path, 4)
	tc := newVideo(t, in.info.Tracks[0], to)
	out := recoded{tc.Output(), through(t, tc, in.packets)}
	out.check(t)
	require.Len(t, out.packets, 4)
	require.Zero(t, tc.Damaged())
	raw := tool(t, "ffmpeg", "-v", "error", "-nostdin", "-i", flv(t, out), "-f", "rawvideo", "-pix_fmt", "rgb24", "-fps_mode", "passthrough", "-")
	require.Len(t, raw, 4*to.Width*to.Height*3)
	return slices.Collect(slices.Chunk(raw, to.Width*to.Height*3))
}

// requireColour fails unless the pixel is about as wanted.
func requireColour(t *testing.T, picture []byte, width, x, y int, want [3]int) {
	t.Helper()
	at := (y*width + x) * 3
	for i, v := range picture[at : at+3] {
		require.LessOrEqual(t, math.Abs(float64(v)-float64(want[i])), 24.0, "at %d,%d: %v, not %v", x, y, picture[at:at+3], want)
	}
}

var imageNames = []string{"jpg", "png", "webp"}

// halves is a picture that is red at the left and blue at the right.
func halves(t *testing.T, name string, more ...string) string {
	t.Helper()
	args := []string{"-f", "lavfi", "-i", "color=red:s=160x180,format=rgb24[a];color=blue:s=160x180,format=rgb24[b];[a][b]hstack", "-frames:v", "1"}
	return made(t, name, withArgs(args, more...)...)
}

func TestAPictureIsASourceThatGivesItOverAndOver(t *testing.T) {
	for _, name := range imageNames {
		t.Run(name, func(t *testing.T) {
			noLeak(t)
			s, in := shownImage(t, halves(t, "halves."+name), 100)
			require.True(t, in.info.Still)
			require.False(t, in.info.Live)
			require.Zero(t, in.info.Duration)
			require.Len(t, in.info.Tracks, 1)
			track := in.info.Tracks[0]
			require.Equal(t, [2]int{320, 180}, [2]int{track.Width, track.Height})
			for i, p := range in.packets {
				require.Equal(t, time.Duration(i)*500*time.Millisecond, p.PTS)
				require.Equal(t, p.PTS, p.DTS)
				require.True(t, p.Keyframe)
				require.Equal(t, in.packets[0].Data, p.Data)
			}
			require.NoError(t, s.Seek(time.Hour+700*time.Millisecond))
			p, err := s.ReadPacket()
			require.NoError(t, err)
			require.Equal(t, time.Hour+500*time.Millisecond, p.PTS)
			require.NoError(t, s.Close())
			_, err = s.ReadPacket()
			require.Error(t, err)
		})
	}
}

func TestAPictureEndsWithItsContext(t *testing.T) {
	address := serve(t) + "/" + filepath.Base(halves(t, "halves.png"))
	ctx, cancel := context.WithCancelCause(t.Context())
	s, err := NewOpener(Config{}).Demux(ctx, media.SourceRequest{URL: media.Secret(address)}, &passGate{})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	cancel(media.ErrStopped)
	_, err = s.ReadPacket()
	require.ErrorIs(t, err, media.ErrStopped)
}

func TestAPictureKeepsItsColours(t *testing.T) {
	for _, name := range imageNames {
		t.Run(name, func(t *testing.T) {
			for _, seen := range onScreen(t, halves(t, "halves."+name), smallVideo) {
				requireColour(t, seen, 320, 40, 90, [3]int{255, 0, 0})
				requireColour(t, seen, 320, 280, 90, [3]int{0, 0, 255})
			}
		})
	}
}

func TestWhatIsTransparentInAPictureIsBlack(t *testing.T) {
	for name, coding := range map[string][]string{
		"rgba.png": {"-pix_fmt", "rgba"}, "rgba64.png": {"-pix_fmt", "rgba64be"}, "lossy.webp": {"-pix_fmt", "yuva420p", "-c:v", "libwebp"},
		"lossless.webp": {"-pix_fmt", "bgra", "-c:v", "libwebp", "-lossless", "1"},
	} {
		t.Run(name, func(t *testing.T) {
			args := []string{"-f", "lavfi", "-i", "color=white:s=320x180,format=rgba,geq=r=255:g=255:b=255:a='if(lt(X,106),0,if(lt(X,212),128,255))'", "-frames:v", "1"}
			for _, seen := range onScreen(t, made(t, "transparent-"+name, withArgs(args, coding...)...), smallVideo) {
				requireColour(t, seen, 320, 50, 90, [3]int{0, 0, 0})
				requireColour(t, seen, 320, 160, 90, [3]int{128, 128, 128})
				requireColour(t, seen, 320, 280, 90, [3]int{255, 255, 255})
			}
		})
	}
}

// turned is a JPEG with an EXIF of nothing but an orientation (CIPA DC-008, 4.6.5.1.6).
func turned(t *testing.T, orientation byte) string {
	t.Helper()
	plain, err := os.ReadFile(halves(t, "halves.jpg"))
	require.NoError(t, err)
	exif := append([]byte("Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00"), orientation, 0, 0, 0, 0, 0, 0)
	app := append([]byte{0xff, 0xe1, 0, byte(len(exif) + 2)}, exif...)
	path := clipPath(fmt.Sprintf("turned%d.jpg", orientation))
	require.NoError(t, os.WriteFile(path, slices.Concat(plain[:2], app, plain[2:]), 0o600))
	return path
}

func TestAPictureIsShownUpright(t *testing.T) {
	for orientation, top := range map[byte][3]int{6: {255, 0, 0}, 8: {0, 0, 255}} {
		to := media.VideoOutput{Width: 180, Height: 320, Bitrate: smallVideo.Bitrate}
		seen := onScreen(t, turned(t, orientation), to)
		requireColour(t, seen[0], 180, 90, 40, top)
	}
	seen := onScreen(t, turned(t, 3), smallVideo)
	requireColour(t, seen[0], 320, 40, 90, [3]int{0, 0, 255})
}

func TestAnOddPictureIsFittedIn(t *testing.T) {
	path := made(t, "odd.png", "-f", "lavfi", "-i", "color=red:s=101x333,format=rgb24", "-frames:v", "1")
	seen := onScreen(t, path, smallVideo)
	requireColour(t, seen[3], 320, 160, 90, [3]int{255, 0, 0})
	requireColour(t, seen[3], 320, 60, 90, [3]int{0, 0, 0})
}

func TestAPictureBeginsAnewBehindASeek(t *testing.T) {
	s, in := shownImage(t, halves(t, "halves.png"), 3)
	tc := newVideo(t, in.info.Tracks[0], smallVideo)
	require.NoError(t, s.Seek(10*time.Second))
	tc.SkipBefore(10200 * time.Millisecond)
	var packets []media.Packet
	for range 3 {
		p, err := s.ReadPacket()
		require.NoError(t, err)
		packets = append(packets, p)
	}
	require.Equal(t, []float64{10.5, 11}, shownAt(through(t, tc, packets)))
}

// chunk is a PNG's, of a type and its data (PNG, 5.3).
func chunk(typeAndData []byte) []byte {
	length := binary.BigEndian.AppendUint32(nil, uint32(len(typeAndData)-4))
	return binary.BigEndian.AppendUint32(append(length, typeAndData...), crc32.ChecksumIEEE(typeAndData))
}

func TestWhatIsNoWholePictureIsNoSource(t *testing.T) {
	t.Parallel()
	plain, err := os.ReadFile(made(t, "test.png", withArgs(testPicture(320, 180, 25, "1"), "-frames:v", "1")...))
	require.NoError(t, err)
	const head = 8 + 25 // the signature and IHDR (PNG, 5.2 and 11.2.1)
	large := slices.Clone(plain[12:29])
	binary.BigEndian.PutUint32(large[4:], 1<<13)
	binary.BigEndian.PutUint32(large[8:], 1<<13)
	for name, c := range map[string]struct {
		data []byte
		kind media.Kind
		says string
	}{
		"too many pixels": {slices.Concat(plain[:8], chunk(large), plain[head:]), media.KindSourceTooLarge, "50 million"},
		"garbled":         {append(slices.Clone(plain[:60]), make([]byte, 5000)...), media.KindSourceInvalid, "cannot be decoded"},
		"too many bytes":  {slices.Concat(plain[:head], chunk(append([]byte("roOm"), make([]byte, mostImage)...)), plain[head:]), media.KindSourceTooLarge, "32 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := open(t, answer(t, 200, c.data))
			require.Equal(t, c.kind, media.KindOf(err), "%v", err)
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestAnAnimatedPictureIsRefusedInWords(t *testing.T) {
	path := made(t, "animated.webp", withArgs(testPicture(320, 180, 5, "1"), "-c:v", "libwebp_anim")...)
	_, err := open(t, serve(t)+"/"+filepath.Base(path))
	require.Equal(t, media.KindSourceInvalid, media.KindOf(err))
	require.ErrorContains(t, err, "animated")
}

func BenchmarkAPictureThatStands(b *testing.B) {
	path := made(b, "large.jpg", "-f", "lavfi", "-i", "testsrc2=s=4000x3000", "-frames:v", "1")
	s, err := open(b, serve(b)+"/"+filepath.Base(path))
	require.NoError(b, err)
	tc := newVideo(b, s.Info().Tracks[0], media.VideoOutput{Width: 1440, Height: 1080, Bitrate: 3_000_000})
	b.ResetTimer()
	for b.Loop() {
		p, err := s.ReadPacket()
		require.NoError(b, err)
		_, err = tc.Transcode(p)
		require.NoError(b, err)
	}
}
