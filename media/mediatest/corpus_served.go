package mediatest

import (
	"strings"
	"time"
)

// playlists are HLS with an end.
func playlists() []Sample {
	vod := func(name, options string) Sample {
		return piece{video: baseline, audio: aac, out: segments + options + " a.m3u8"}.sample("hls, "+name, copied, copied).served(ByFolder)
	}
	crypt := vod("aes-128", "-hls_key_info_file key.info").after(
		[]string{"write", "k.bin", "0123456789abcdef"}, []string{"write", "key.info", "k.bin\nk.bin\n"})
	long := piece{video: baseline, audio: aac, seconds: 8, out: "-f hls -hls_time 6 -hls_list_size 0 -hls_segment_type fmp4 a.m3u8"}
	late := piece{video: baseline, audio: aac, from: 4, seconds: 8, out: "-f hls -hls_time 2 -hls_list_size 0 a.m3u8"}
	return []Sample{
		late.sample("hls, sound begins in the third segment", copied, TrackWant{Action: "fill", Then: "copy"}).served(ByFolder),
		vod("ts", ""), vod("fmp4", "-hls_segment_type fmp4"), crypt,
		long.sample("hls, fmp4 with 6 s segments", copied, copied).served(ByFolder),
		discontinuous("hls, discontinuity", ""), discontinuous("hls, other stream numbers behind a discontinuity", "-mpegts_start_pid 0x200 "),
		recoded("hls, other codecs behind a discontinuity", x265, aac, baseline, "-c:a libmp3lame", transcoded("hevc"), until("mp3")),
		recoded("hls, hevc and aac behind a discontinuity", baseline, "-c:a libmp3lame", x265, aac, until("hevc"), transcoded("mp3")),
		inserted(), variants(), separate(),
	}
}

// discontinuous is a playlist of two recordings, each with a clock of its own.
func discontinuous(title, second string) Sample {
	part := func(name, options string) []string {
		return piece{video: baseline, audio: aac, seconds: 2, out: options + "-f mpegts " + name}.args()
	}
	list := strings.Join([]string{"#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:2", "#EXTINF:2.0,", "1.ts",
		"#EXT-X-DISCONTINUITY", "#EXTINF:2.0,", "2.ts", "#EXT-X-ENDLIST", ""}, "\n")
	s := piece{video: baseline, audio: aac, out: "a.m3u8"}.sample(title, copied, copied).served(ByFolder)
	s.steps = [][]string{part("1.ts", ""), part("2.ts", second), {"write", "a.m3u8", list}}
	return s
}

// recoded is a playlist of two recordings of other codecs and the same stream
// numbers.
func recoded(title, video, audio, video2, audio2 string, picture, sound TrackWant) Sample {
	s := discontinuous(title, "")
	s.Video, s.Audio, s.Renewed = picture, sound, true
	s.steps[0] = piece{video: video, audio: audio, seconds: 2, out: "-f mpegts 1.ts"}.args()
	s.steps[1] = piece{video: video2, audio: audio2, seconds: 2, out: "-f mpegts 2.ts"}.args()
	return s
}

// inserted is a recording with another in its middle, as advertisements come: the
// clock of fragments begins anew with each.
func inserted() Sample {
	part := func(name string) []string {
		return piece{video: baseline, audio: aac, seconds: 2, out: "-f hls -hls_list_size 0 -hls_time 1 -hls_segment_type fmp4 " +
			"-hls_fmp4_init_filename " + name + ".mp4 -hls_segment_filename " + name + "%d.m4s " + name + ".m3u8"}.args()
	}
	lines := []string{"#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-TARGETDURATION:1"}
	for i, name := range []string{"x", "y"} {
		if i > 0 {
			lines = append(lines, "#EXT-X-DISCONTINUITY")
		}
		lines = append(lines, `#EXT-X-MAP:URI="`+name+`.mp4"`, "#EXTINF:1.0,", name+"0.m4s", "#EXTINF:1.0,", name+"1.m4s")
	}
	list := strings.Join(append(lines, "#EXT-X-ENDLIST", ""), "\n")
	s := piece{video: baseline, audio: aac, out: "a.m3u8"}.sample("hls, fmp4, discontinuity", copied, copied).served(ByFolder)
	s.steps = [][]string{part("x"), part("y"), {"write", "a.m3u8", list}}
	return s
}

// variants is a playlist of two sizes: the larger one is to be taken.
func variants() Sample {
	list := strings.Join([]string{"#EXTM3U",
		`#EXT-X-STREAM-INF:BANDWIDTH=300000,RESOLUTION=160x90`, "small.m3u8",
		`#EXT-X-STREAM-INF:BANDWIDTH=900000,RESOLUTION=320x180`, "large.m3u8", ""}, "\n")
	p := piece{video: baseline, audio: aac, out: "a.m3u8"}
	s := p.sample("hls, variants", copied, copied).served(ByFolder)
	small, large := p, p
	small.size, small.out, large.out = "160x90", segments+"small.m3u8", segments+"large.m3u8"
	s.steps = [][]string{small.args(), large.args(), {"write", "a.m3u8", list}}
	return s
}

// separate is a playlist whose sound has a playlist of its own.
func separate() Sample {
	list := strings.Join([]string{"#EXTM3U",
		`#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="main",DEFAULT=YES,AUTOSELECT=YES,URI="sound.m3u8"`,
		`#EXT-X-STREAM-INF:BANDWIDTH=900000,RESOLUTION=320x180,AUDIO="a"`, "picture.m3u8", ""}, "\n")
	s := piece{video: baseline, audio: aac, out: "a.m3u8"}.sample("hls, separate audio", copied, copied).served(ByFolder)
	s.steps = [][]string{
		// As far behind as the sound's priming is long: both playlists begin at 0.
		piece{video: baseline, audio: None, out: "-output_ts_offset 0.021333 " + segments + "picture.m3u8"}.args(),
		piece{video: None, audio: aac, out: segments + "sound.m3u8"}.args(),
		{"write", "a.m3u8", list},
	}
	return s
}

// streams are sources in real time, and programs with more than one sound.
func streams() []Sample {
	live := func(name string, by Serving) Sample {
		return piece{video: baseline, audio: aac, out: "-f flv a.flv"}.sample(name, copied, copied).served(by).
			shaped(func(w *TapeWant) { w.Open, w.Duration, w.Flashes, w.Beeps = true, 4*time.Second, 3, 3 })
	}
	rtmp := func(name string, p piece, video, audio TrackWant, flashes, beeps int) Sample {
		p.out = flvFile
		return p.sample("live rtmp, "+name, video, audio).served(ByRTMP).renewed().
			shaped(func(w *TapeWant) { w.Open, w.Duration, w.Flashes, w.Beeps = true, 4*time.Second, flashes, beeps })
	}
	twoSounds := piece{video: baseline, audio: "-map 0:v -map 1:a -map 1:a -c:a aac -b:a:1 64k", out: ts}
	return []Sample{
		twoSounds.sample("ts, two sounds", copied, copied),
		live("live hls", ByLiveHLS), live("live rtmp", ByRTMP), live("live http-flv", ByHTTPFLV), live("live rtsp", ByRTSP), live("live srt", BySRT),
		piece{video: adaptive, audio: aac, out: "-f flv a.flv"}.sample("live rtmp, B-frames", transcoded("B-frames"), copied).served(ByRTMP).
			shaped(func(w *TapeWant) { w.Open, w.Duration, w.Flashes, w.Beeps = true, 4*time.Second, 3, 3 }),
		rtmp("sound begins late", piece{video: baseline, audio: aac, from: 4, seconds: 8}, copied, TrackWant{Action: "fill", Then: "copy"}, 3, 1),
		rtmp("a picture that stands", piece{video: baseline + " -fps_mode passthrough", filter: "select='lt(t,1)'", audio: aac, seconds: 6}, until("stands"), copied, 0, 3),
	}
}
