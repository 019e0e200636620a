package libav_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/mediatest"
)

// rewritten is a folder whose playlist is another one.
func rewritten(t *testing.T, change func(list string) string) string {
	t.Helper()
	dir := segments(t, mediatest.Spec{})
	path := filepath.Join(dir, "a.m3u8")
	list, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte(change(string(list))), 0o600))
	return dir
}

func TestAPlaylistIsPlayedAsPeopleWriteIt(t *testing.T) {
	withoutEnd := func(list string) string { return strings.ReplaceAll(list, "#EXT-X-ENDLIST\n", "") }
	for name, c := range map[string]struct {
		change func(string) string
		mode   media.SourceMode
	}{
		"a byte order mark":       {func(list string) string { return "\xef\xbb\xbf" + list }, ""},
		"a blank line first":      {func(list string) string { return "\r\n\n" + list }, ""},
		"blanks behind the names": {func(list string) string { return strings.ReplaceAll(list, ".ts\n", ".ts  \t\r\n") }, ""},
		"no end, of type VOD":     {withoutEnd, ""},
		"no end and no type, a demand": {func(list string) string {
			return withoutEnd(strings.ReplaceAll(list, "#EXT-X-PLAYLIST-TYPE:VOD\n", ""))
		}, media.ModeVOD},
	} {
		t.Run(name, func(t *testing.T) {
			f := serve(t, rewritten(t, c.change), httptest.NewServer)
			s, err := open(t, media.SourceRequest{URL: media.Secret(f.URL + "/a.m3u8"), Mode: c.mode})
			require.NoError(t, err)
			require.False(t, s.Info().Live)
			require.InDelta(t, 5, s.Info().Duration.Seconds(), 0.2)
			count, err := drain(s)
			require.NoError(t, err)
			require.Equal(t, 150, count[0])
			require.Equal(t, 1, f.requests("/a.m3u8"), "it is fetched once")
			require.Equal(t, 1, f.requests("/a0.ts"))
		})
	}
}

func TestAGapIsLeftOutAndWhatFollowsIsInItsPlace(t *testing.T) {
	for name, gaps := range map[string][]int{"one": {2}, "three in a row": {1, 2, 3}} {
		t.Run(name, func(t *testing.T) {
			f := serve(t, rewritten(t, func(list string) string {
				for _, n := range gaps {
					list = strings.Replace(list, fmt.Sprintf("a%d.ts", n), fmt.Sprintf("#EXT-X-GAP\na%d.ts", n), 1)
				}
				return list
			}), httptest.NewServer)
			f.status = func(p string) int {
				for _, n := range gaps {
					if p == fmt.Sprintf("/a%d.ts", n) {
						return http.StatusForbidden
					}
				}
				return 0
			}
			s, err := openURL(t, f.URL+"/a.m3u8")
			require.NoError(t, err)
			var last [2]time.Duration
			hole := [2]time.Duration{}
			for {
				p, err := s.ReadPacket()
				if err == io.EOF { //nolint:errorlint // as media.Source has it
					break
				}
				require.NoError(t, err)
				require.False(t, p.Corrupt)
				at := p.DTS - s.Info().StartTime
				hole[p.Track] = max(hole[p.Track], at-last[p.Track])
				last[p.Track] = at
			}
			require.InDelta(t, len(gaps), hole[0].Seconds(), 0.1, "of the picture")
			require.InDelta(t, len(gaps), hole[1].Seconds(), 0.2, "of the sound")
			require.InDelta(t, 5, last[0].Seconds(), 0.1)
		})
	}
}

func TestACookieOfAPlaylistOpensItsSegments(t *testing.T) {
	dir := segments(t, mediatest.Spec{})
	root := http.FileServer(http.Dir(dir))
	for name, first := range map[string]string{"by the playlist": "/a.m3u8", "by a redirect": "/login"} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == first {
					http.SetCookie(w, &http.Cookie{Name: "sess", Value: "canary", Path: "/"})
				}
				if r.URL.Path == "/login" {
					http.Redirect(w, r, "/a.m3u8", http.StatusFound)
					return
				}
				if c, err := r.Cookie("sess"); r.URL.Path != first && (err != nil || c.Value != "canary") {
					w.WriteHeader(http.StatusForbidden)
					return
				}
				root.ServeHTTP(w, r)
			}))
			t.Cleanup(s.Close)
			source, err := openURL(t, s.URL+first)
			require.NoError(t, err)
			count, err := drain(source)
			require.NoError(t, err)
			require.Equal(t, 150, count[0])
		})
	}
}

// packedAudio writes a sound playlist of ADTS whose clock stands in ID3 tags.
func packedAudio(t *testing.T, dir string, begins time.Duration) {
	t.Helper()
	ffmpeg(t, "-i", mediatest.Clip(t, mediatest.Spec{}), "-vn", "-c", "copy", "-f", "adts", filepath.Join(dir, "all.aac"))
	all, err := os.ReadFile(filepath.Join(dir, "all.aac"))
	require.NoError(t, err)
	const frames = 47 // about a second
	list, at := "#EXTM3U\n#EXT-X-TARGETDURATION:2\n", begins
	for part := 0; len(all) > 0; part++ {
		size, n := 0, 0
		for ; n < frames && size+7 <= len(all); n++ {
			size += int(all[size+3]&3)<<11 | int(all[size+4])<<3 | int(all[size+5])>>5
		}
		body := append([]byte("com.apple.streaming.transportStreamTimestamp\x00"), binary.BigEndian.AppendUint64(nil, uint64(at*90000/time.Second))...)
		tag := bytes.Join([][]byte{[]byte("ID3\x04\x00\x00\x00\x00\x00"), {byte(len(body) + 10)}, []byte("PRIV\x00\x00\x00"), {byte(len(body)), 0, 0}, body}, nil)
		length := time.Duration(n) * 1024 * time.Second / 48000
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("s%d.aac", part)), append(tag, all[:size]...), 0o600))
		list += fmt.Sprintf("#EXTINF:%f,\ns%d.aac\n", length.Seconds(), part)
		all, at = all[size:], at+length
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sound.m3u8"), []byte(list+"#EXT-X-ENDLIST\n"), 0o600))
}

func TestPackedAudioIsHeardByTheClockInItsTags(t *testing.T) {
	dir := t.TempDir()
	ffmpeg(t, "-i", mediatest.Clip(t, mediatest.Spec{}), "-an", "-c", "copy", "-output_ts_offset", "100", "-f", "hls", "-hls_time", "1",
		"-hls_list_size", "0", filepath.Join(dir, "picture.m3u8"))
	packedAudio(t, dir, 101400*time.Millisecond)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.m3u8"), []byte("#EXTM3U\n"+
		"#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"s\",NAME=\"a\",DEFAULT=YES,URI=\"sound.m3u8\"\n"+
		"#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=640x360,AUDIO=\"s\"\npicture.m3u8\n"), 0o600))
	s, err := openURL(t, serve(t, dir, httptest.NewServer).URL+"/a.m3u8")
	require.NoError(t, err)
	require.Len(t, s.Info().Tracks, 2)
	for _, pos := range []time.Duration{0, 3500 * time.Millisecond} {
		require.NoError(t, s.Seek(pos))
		first, last := [2]time.Duration{-1, -1}, [2]time.Duration{}
		for {
			p, err := s.ReadPacket()
			if err == io.EOF { //nolint:errorlint // as media.Source has it
				break
			}
			require.NoError(t, err)
			if first[p.Track] < 0 {
				first[p.Track] = p.PTS - s.Info().StartTime
			}
			last[p.Track] = p.PTS - s.Info().StartTime
		}
		require.InDelta(t, pos.Truncate(time.Second).Seconds(), first[0].Seconds(), 0.1)
		require.InDelta(t, pos.Truncate(time.Second).Seconds(), first[1].Seconds(), 1.1)
		require.InDelta(t, 5, last[0].Seconds(), 0.15)
		require.InDelta(t, 5, last[1].Seconds(), 0.15)
	}
}

func TestALiveStreamWithItsSoundApartIsPlayedTogether(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, without := range map[string]string{"picture": "-an", "sound": "-vn"} {
		ffmpeg(t, "-i", mediatest.Clip(t, mediatest.Spec{Seconds: 8}), without, "-c", "copy", "-f", "hls", "-hls_time", "1", "-hls_list_size", "0",
			"-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", name+".mp4", filepath.Join(dir, name+".m3u8"))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.m3u8"), []byte("#EXTM3U\n"+
		"#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"s\",NAME=\"a\",LANGUAGE=\"de\",URI=\"sound.m3u8\"\n"+
		"#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"s\"\npicture.m3u8\n"), 0o600))
	var looks atomic.Int64
	root := http.FileServer(http.Dir(dir))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "picture.m3u8") && !strings.HasSuffix(r.URL.Path, "sound.m3u8") {
			root.ServeHTTP(w, r)
			return
		}
		whole, _ := os.ReadFile(filepath.Join(dir, r.URL.Path))
		parts := strings.SplitAfter(string(whole), ".m4s\n")
		n := 4 + int(looks.Add(1)) // both grow with a look at either
		_, _ = io.WriteString(w, strings.Join(parts[:min(n, len(parts))], ""))
	}))
	t.Cleanup(s.Close)
	source, err := openURL(t, s.URL+"/a.m3u8")
	require.NoError(t, err)
	require.True(t, source.Info().Live)
	require.Equal(t, "de", source.Info().Streams[1].Language)
	require.True(t, source.Info().Streams[1].Chosen)
	require.Equal(t, media.Codec("aac"), source.Info().Streams[1].Codec)
	var last [2]time.Duration
	for {
		p, err := source.ReadPacket()
		if err == io.EOF { //nolint:errorlint // as media.Source has it
			break
		}
		require.NoError(t, err)
		last[p.Track] = p.DTS
		if last[0] > 0 && last[1] > 0 {
			require.Less(t, (last[0] - last[1]).Abs(), 300*time.Millisecond)
		}
	}
	require.InDelta(t, 8, last[0].Seconds(), 0.2)
	require.InDelta(t, 8, last[1].Seconds(), 0.2)
}

func TestAPlaylistIsFetchedOverOneConnectionForEachOfItsTracks(t *testing.T) {
	root := http.FileServer(http.Dir(segments(t, mediatest.Spec{}, "-hls_segment_type", "fmp4", "-hls_flags", "single_file")))
	var connections atomic.Int32
	s := httptest.NewUnstartedServer(root)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	source, err := openURL(t, s.URL+"/a.m3u8")
	require.NoError(t, err)
	count, err := drain(source)
	require.NoError(t, err)
	require.Equal(t, 150, count[0])
	require.EqualValues(t, 1, connections.Load())
}
