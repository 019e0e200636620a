package matrix

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/host"
	"github.com/roomcast/roomcast/media/libav"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/roomcast/roomcast/media/source/hls"
)

// inFile is a source that is a file, which can be read anywhere.
type inFile struct{ *bytes.Reader }

func (f inFile) Seekable() bool { return true }
func (f inFile) Open(context.Context, media.SourceRequest) (media.Way, error) {
	return media.Way{Bytes: f, URL: "http://host/a.mp4", Recorded: true}, nil
}

// byTrack reads a source from a position on, to its end, or for so many packets.
func byTrack(t *testing.T, s media.Source, from time.Duration, most int) (all [2][]media.Packet) {
	t.Helper()
	require.NoError(t, s.Seek(from))
	for range most {
		p, err := s.ReadPacket()
		if err == io.EOF { //nolint:errorlint // as media.Source has it
			break
		}
		require.NoError(t, err)
		p.Own()
		all[p.Track] = append(all[p.Track], p)
	}
	for _, track := range all {
		if len(track) > 0 {
			track[len(track)-1].Duration = 0 // behind edits libav has the one before
		}
	}
	return all
}

// What the tables of an mp4 tell is what libav tells, which reads every file here from its
// begin to its end and from its middle, beside a host's source that soon has none.
func TestAPlainMP4NeedsItsHostForItsBeginAlone(t *testing.T) {
	t.Parallel()
	pool, err := host.New(t.Context(), host.Config{Command: []string{os.Args[0], hostArgument}, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	edited := func(parts ...string) func(string) []byte {
		return func(path string) []byte { return mediatest.Edited(t, path, parts) }
	}
	keyless := func(path string) []byte {
		file, err := os.ReadFile(path)
		require.NoError(t, err)
		clear(file[bytes.Index(file, []byte("stss"))+8:][:4]) // how many keyframes it names
		return file
	}
	end := []string{"-movflags", "-faststart"}
	for name, c := range map[string]struct {
		spec   mediatest.Spec
		edit   func(path string) []byte
		choice media.TrackChoice
		host   bool // all comes from a host
	}{
		"picture and sound":                 {},
		"index at the end":                  {spec: mediatest.Spec{Args: end}},
		"QuickTime":                         {spec: mediatest.Spec{Container: "mov"}},
		"B-frames":                          {spec: mediatest.Spec{BFrames: 2}},
		"picture alone":                     {spec: mediatest.Spec{AudioCodec: mediatest.None}},
		"sound alone":                       {spec: mediatest.Spec{VideoCodec: mediatest.None}},
		"HEVC":                              {spec: mediatest.Spec{VideoCodec: "hevc"}},
		"23.976 pictures a second":          {spec: mediatest.Spec{Args: []string{"-r", "24000/1001", "-video_track_timescale", "24000"}}},
		"times of a ten millionth":          {spec: mediatest.Spec{Args: []string{"-video_track_timescale", "10000000"}}},
		"varying rate":                      {spec: mediatest.Spec{Args: []string{"-vf", "select='lt(mod(n,30),20)'", "-fps_mode", "passthrough"}}},
		"sound that comes later":            {spec: mediatest.Spec{Args: []string{"-af", "adelay=1500:all=1,atrim=start=1.5"}}},
		"all is later":                      {spec: mediatest.Spec{Args: []string{"-output_ts_offset", "3.3"}}},
		"negative distances":                {spec: mediatest.Spec{BFrames: 2, Args: []string{"-movflags", "+negative_cts_offsets"}}},
		"without an edit list":              {spec: mediatest.Spec{BFrames: 2, Args: []string{"-use_editlist", "0"}}},
		"tracks that lie far apart":         {spec: mediatest.Spec{Args: []string{"-max_interleave_delta", "0", "-movflags", "+faststart", "-chunk_duration", "3000000"}}},
		"parameter sets in the stream":      {spec: mediatest.Spec{Args: []string{"-bsf:v", "dump_extra"}}},
		"48 kbit/s":                         {spec: mediatest.Spec{Args: []string{"-b:v", "20k", "-b:a", "16k", "-ac", "1"}}},
		"large pictures":                    {spec: mediatest.Spec{Picture: "nullsrc", Width: 1280, Height: 720, Args: []string{"-vf", "geq=random(1)*255:128:128", "-crf", "4", "-t", "4"}}},
		"a hole in the sound":               {spec: mediatest.Spec{Args: []string{"-af", "aselect='not(between(t,9,11))'", "-fps_mode", "passthrough"}}},
		"holes in both":                     {spec: mediatest.Spec{Args: []string{"-bsf:a", `noise=drop=between(n\,300\,400)`, "-bsf:v", `noise=drop=between(n\,200\,260)`}}},
		"a hole in sound of 44.1 kHz":       {spec: mediatest.Spec{Args: []string{"-ar", "44100", "-bsf:a", `noise=drop=between(n\,300\,304)`}}},
		"B-frames of a varying rate":        {spec: mediatest.Spec{BFrames: 2, Args: []string{"-vf", "select='lt(mod(n,150),140)'", "-fps_mode", "passthrough"}}},
		"pictures that are no IDR":          {spec: mediatest.Spec{BFrames: 2, Args: []string{"-x264-params", "open-gop=1:b-adapt=0"}}},
		"HEVC with B-frames":                {spec: mediatest.Spec{VideoCodec: "hevc", BFrames: 2, Args: []string{"-preset", "ultrafast", "-x265-params", "bframes=3:open-gop=1:log-level=error"}}},
		"a time code":                       {spec: mediatest.Spec{Container: "mov", Args: []string{"-timecode", "01:00:00:00"}}},
		"the second sound":                  {spec: mediatest.Spec{Args: []string{"-map", "0:v", "-map", "1:a", "-map", "1:a", "-b:a:1", "64k"}}, choice: media.TrackChoice{Audio: "1"}},
		"MP3":                               {spec: mediatest.Spec{AudioCodec: "mp3"}, host: true},
		"an empty table of keyframes":       {edit: keyless, host: true},
		"fragments":                         {spec: mediatest.Spec{Args: []string{"-movflags", "frag_keyframe+empty_moov"}}, host: true},
		"interlaced":                        {spec: mediatest.Spec{Args: []string{"-profile:v", "main", "-flags", "+ilme+ildct"}}, host: true},
		"PCM":                               {spec: mediatest.Spec{Container: "mov", AudioCodec: "pcm_s16le"}, host: true},
		"an edit that ends before the file": {spec: mediatest.Spec{Args: end}, edit: edited("0-3"), host: true},
		"an edit that begins in the middle": {spec: mediatest.Spec{Args: end}, edit: edited("2.2-20")},
		"two edits":                         {spec: mediatest.Spec{Args: end}, edit: edited("0-1", "2-5"), host: true},
		"a time of nothing first":           {spec: mediatest.Spec{Args: end}, edit: edited("-0.5", "0-20")},
		"half speed":                        {spec: mediatest.Spec{Args: end}, edit: edited("0-5@0.5"), host: true},
	} {
		t.Run(name, func(t *testing.T) {
			c.spec.Seconds = cmp.Or(c.spec.Seconds, 20)
			path := mediatest.Clip(t, c.spec)
			file, err := os.ReadFile(path)
			require.NoError(t, err)
			if c.edit != nil {
				file = c.edit(path)
			}
			request := media.SourceRequest{Conduct: &media.Conduct{}, Choice: c.choice}
			want, err := libav.NewOpener(libav.Config{Log: slog.New(slog.DiscardHandler)}).Demux(t.Context(), request, inFile{bytes.NewReader(file)})
			require.NoError(t, err)
			defer func() { require.NoError(t, want.Close()) }()
			got, err := pool.Demux(t.Context(), request, inFile{bytes.NewReader(file)})
			require.NoError(t, err)
			defer func() { require.NoError(t, got.Close()) }()
			for _, at := range []time.Duration{0, 7300 * time.Millisecond, 0} {
				all := byTrack(t, want, at, 1<<20)
				require.Equal(t, all, byTrack(t, got, at, 1<<20), "from %v", at)
				byTrack(t, got, at, len(all[0])+len(all[1])-10)
				inHost := func() bool { return pool.Stats().Hosts[host.Shared] > 0 }
				if c.host {
					require.True(t, inHost(), "from %v", at)
				} else {
					require.Eventually(t, func() bool { return !inHost() }, 10*time.Second, time.Millisecond, "from %v", at)
				}
			}
		})
	}
}

// cut is a file whose server gives less of it than it has said.
type cut struct {
	inFile
	at  int64
	err error // in place of the rest
}

func (c cut) Read(b []byte) (int, error) {
	here, err := c.Seek(0, io.SeekCurrent)
	if err != nil || here >= c.at {
		return 0, c.err
	}
	return c.inFile.Read(b[:min(int64(len(b)), c.at-here)])
}

func (c cut) Open(context.Context, media.SourceRequest) (media.Way, error) {
	refusal := func() error {
		if here, _ := c.Seek(0, io.SeekCurrent); c.err == io.EOF || here < c.at { //nolint:errorlint // as io.Reader has it
			return nil
		}
		return c.err
	}
	return media.Way{Bytes: c, URL: "http://host/a.mp4", Recorded: true, Refusal: refusal}, nil
}

// Of a file that ends too early all is given that libav gives, and its end is told as ever.
func TestAnIndexedFileThatLacksItsEndIsReadAsFarAsItGoes(t *testing.T) {
	t.Parallel()
	pool, err := hosts()
	require.NoError(t, err)
	file, err := os.ReadFile(mediatest.Clip(t, mediatest.Spec{Seconds: 20}))
	require.NoError(t, err)
	refused := &media.Error{Kind: media.KindSourceUnavailable, Op: "read source", Err: media.Because("its server sends nothing any more", nil)}
	for name, failure := range map[string]error{"cut off": io.EOF, "refused": refused} {
		t.Run(name, func(t *testing.T) {
			read := func(d hls.Demuxer) ([2][]media.Packet, error) {
				s, err := d.Demux(t.Context(), media.SourceRequest{Conduct: &media.Conduct{}}, cut{inFile{bytes.NewReader(file)}, int64(len(file)) / 3, failure})
				require.NoError(t, err)
				defer func() { require.NoError(t, s.Close()) }()
				var all [2][]media.Packet
				for {
					p, err := s.ReadPacket()
					if err != nil {
						return all, err
					}
					p.Own()
					all[p.Track] = append(all[p.Track], p)
				}
			}
			want, end := read(libav.NewOpener(libav.Config{Log: slog.New(slog.DiscardHandler)}))
			got, err := read(pool)
			for n := range want {
				if failure != io.EOF && len(want[n]) == len(got[n])+1 { //nolint:errorlint // as io.Reader has it
					want[n] = want[n][:len(got[n])] // of a packet libav gives what there was
				}
			}
			require.Equal(t, want, got)
			require.Equal(t, media.KindOf(end), media.KindOf(err), "%v and %v", end, err)
			require.Greater(t, len(got[0]), 150)
		})
	}
}

// Rooms get of plain mp4s, bit by bit, what libav finds in them: eight at once take pieces of
// the same memory, and the race detector overwrites what is used no more.
func TestRoomsGetEachByteOfAPlainMP4(t *testing.T) {
	t.Parallel()
	room := startStandIn(t)
	pusher := newPusher(t, room.endpoint())
	small := mediatest.Spec{Seconds: 14}
	large := mediatest.Spec{Seconds: 6, Picture: "nullsrc", Width: 1280, Height: 720, Args: []string{"-vf", "geq=random(1)*255:128:128", "-crf", "4", "-t", "6"}}
	var playing sync.WaitGroup
	defer playing.Wait()
	for n, spec := range []mediatest.Spec{small, large, small, small, large, small, small, small} {
		path, user := mediatest.Clip(t, spec), fmt.Sprintf("user%d", n)
		d := &diary{}
		playing.Go(func() {
			assert.NoError(t, pusher.Play(t.Context(), job(mediatest.Serve(t, map[string]string{"a.mp4": path}).URL+"/a.mp4", user, d)), "%s", d)
		})
		if n > 3 {
			continue // one of each is enough to be compared
		}
		file, err := os.ReadFile(path)
		require.NoError(t, err)
		source, err := libav.NewOpener(libav.Config{Log: slog.New(slog.DiscardHandler)}).Demux(t.Context(), media.SourceRequest{Conduct: &media.Conduct{}}, inFile{bytes.NewReader(file)})
		require.NoError(t, err)
		defer func() { require.NoError(t, source.Close()) }()
		want := byTrack(t, source, 0, 1<<20)
		playing.Go(func() {
			session, err := room.WaitEnded(soon(t), user)
			if !assert.NoError(t, err) {
				return
			}
			var got [2][][]byte
			for _, p := range room.Packets(session.ID) {
				if head := 2 + 3*int(1-p.Type); !p.Config { // of the tag
					got[p.Type] = append(got[p.Type], p.Data[head:])
				}
			}
			for kind, info := range source.Info().Tracks {
				if assert.Len(t, got[info.Type], len(want[kind])) {
					for i := range want[kind] {
						assert.True(t, bytes.Equal(want[kind][i].Data, got[info.Type][i]), "%s: %s %d is another", user, info.Type, i)
					}
				}
			}
		})
	}
}
