package mediatest

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Encoder options. A GOP is a second at 30 frames.
const (
	x264     = "-c:v libx264 -preset ultrafast -g 30 -keyint_min 30 -sc_threshold 0 -pix_fmt yuv420p "
	baseline = x264 + "-profile:v baseline"
	bFrames  = "-c:v libx264 -preset veryfast -g 30 -keyint_min 30 -sc_threshold 0 -pix_fmt yuv420p -bf 3 "
	adaptive = bFrames + "-x264-params b-adapt=0"
	aac      = "-c:a aac -b:a 96k"
	x265     = "-c:v libx265 -preset ultrafast -g 30 -x265-params log-level=error -tag:v hvc1 "

	faststart = "-movflags +faststart a.mp4"
	matroska  = "-f matroska a.mkv"
	ts        = "-f mpegts a.ts"
	flvFile   = "-f flv a.flv"
	segments  = "-f hls -hls_time 1 -hls_list_size 0 "
)

var (
	copied = TrackWant{Action: "copy"}
	absent = TrackWant{}
	filled = TrackWant{Action: "fill"}
)

// together is how far apart tracks may come that are interleaved: a gap between two
// pictures, of a third of a second at most, and what a decoder keeps.
const together = 400 * time.Millisecond

func transcoded(reason string) TrackWant { return TrackWant{Action: "transcode", Reason: reason} }

// until is a copy that becomes a transcode in mid-stream.
func until(reason string) TrackWant { return TrackWant{Action: "copy", Later: reason} }

// sample is a piece as a sample of its own, served as a file.
func (p piece) sample(name string, video, audio TrackWant) Sample {
	fields := strings.Fields(p.out)
	s := Sample{Name: name, Serve: ByFile, Video: video, Audio: audio,
		file: fields[len(fields)-1], steps: [][]string{p.args()}}
	s.Tape = p.tape(s)
	return s
}

// tape is what the room should get of the piece.
func (p piece) tape(s Sample) TapeWant {
	p.seconds = cmp.Or(p.seconds, 4)
	w := TapeWant{Duration: time.Duration(p.seconds * float64(time.Second)), Lead: flashLead, Tail: flashLead, Apart: together}
	if p.video != None {
		w.Flashes = int(p.seconds)
		if s.Video == copied {
			w.Size = cmp.Or(p.size, "320x180")
		}
	}
	if p.audio != None {
		w.Beeps = int(cmp.Or(p.to, p.seconds)) - int(p.from+0.5)
	}
	return w
}

func (s Sample) sized(size string) Sample             { s.Tape.Size = size; return s }
func (s Sample) served(by Serving) Sample             { s.Serve = by; return s }
func (s Sample) failing(kind string) Sample           { s.Fails = kind; return s }
func (s Sample) warned(code string) Sample            { s.Warned = code; return s }
func (s Sample) as(mode string) Sample                { s.Mode = mode; return s }
func (s Sample) renewed() Sample                      { s.Renewed = true; return s }
func (s Sample) asked(file string) Sample             { s.file = file; return s }
func (s Sample) then(steps ...[]string) Sample        { s.steps = slices.Concat(s.steps, steps); return s }
func (s Sample) after(steps ...[]string) Sample       { s.steps = slices.Concat(steps, s.steps); return s }
func (s Sample) shaped(change func(*TapeWant)) Sample { change(&s.Tape); return s }

func ffmpegStep(line string) []string { return strings.Fields(line) }

// Corpus returns the generated samples: every kind of source that people bring
// and that libav can be asked to read, most of 5 s and 480 lines at most.
func Corpus() []Sample {
	return slices.Concat(pictures(), codecs(), sounds(), clocks(), changes(), playlists(), streams())
}

// pictures are H.264 in all its kinds.
func pictures() []Sample {
	mp4 := func(name, video string, want TrackWant) Sample {
		return piece{video: video, audio: aac, out: faststart}.sample(name, want, copied)
	}
	rotated := func(degrees string) Sample {
		return piece{video: baseline, audio: aac, out: "u.mp4"}.sample("phone video, rotated by "+degrees, transcoded("rot"), copied).
			then(ffmpegStep("-i u.mp4 -c copy -metadata:s:v:0 rotate="+degrees+" "+faststart), ffmpegStep("drop u.mp4")).asked("a.mp4").
			shaped(func(w *TapeWant) { w.Portrait = degrees != "180" })
	}
	mirrored := func(name, matrix string) Sample {
		return piece{video: baseline, audio: aac, out: faststart}.sample("mp4, "+name, transcoded("mirrored"), copied).
			then([]string{"show", "a.mp4", matrix}).shaped(func(w *TapeWant) { w.Portrait = name == "transposed" })
	}
	return []Sample{
		mp4("mp4, baseline", baseline, copied),
		piece{video: baseline, audio: aac, out: "a.mp4"}.sample("mp4, moov at the end", copied, copied),
		mp4("mp4, no ranges", baseline, copied).served(ByPlainFile),
		piece{video: baseline, audio: aac, out: "a.mp4"}.sample("mp4, moov at the end, no ranges", copied, copied).served(ByPlainFile).
			failing("source_unsupported"),
		piece{video: baseline, audio: aac, out: "a.mp4"}.sample("mp4, moov at the end, no ranges and no length", copied, copied).served(ByChunks).
			failing("source_unsupported"),
		mp4("mp4, no ranges and no length", baseline, copied).served(ByChunks),
		mp4("mp4, high with B-frames", adaptive, transcoded("B-frames")),
		mp4("mp4, open GOP", bFrames+"-x264-params open-gop=1:b-adapt=0", transcoded("B-frames")),
		piece{rate: "2", video: adaptive, audio: aac, out: faststart}.
			sample("mp4, 2 fps with B-frames", transcoded("B-frames"), copied).
			shaped(func(w *TapeWant) { w.Apart = time.Second / 2 }),
		piece{video: adaptive, audio: "-c:a libmp3lame", out: "a.avi"}.
			sample("avi, h264 with B-frames", transcoded("B-frames"), transcoded("mp3")),
		mp4("mp4, long GOP", baseline+" -g 900 -keyint_min 900", copied).warned("long_gop"),
		piece{video: baseline + " -fps_mode passthrough", filter: "select='lt(mod(n,30),20)'", audio: aac, out: faststart}.
			sample("mp4, variable frame rate", copied, copied).shaped(func(w *TapeWant) { w.Tail = 167 * time.Millisecond }),
		piece{rate: "50", video: baseline, audio: aac, out: faststart}.sample("mp4, 50 fps", copied, copied),
		piece{rate: "60", video: baseline, audio: aac, out: faststart}.sample("mp4, 60 fps", copied, copied),
		piece{rate: "30000/1001", video: baseline, audio: aac, out: faststart}.sample("mp4, 29.97 fps", copied, copied).
			shaped(func(w *TapeWant) { w.Duration = 4004 * time.Millisecond }),
		piece{rate: "20", video: baseline, audio: aac, out: faststart}.sample("mp4, 20 fps", copied, copied),
		piece{size: "270x480", video: baseline, audio: aac, out: faststart}.sample("mp4, portrait", copied, copied),
		rotated("90"), rotated("180"), rotated("270"),
		piece{video: baseline, audio: aac, out: "u.mp4"}.sample("ts, its pictures say that they are rotated", transcoded("rot"), copied).
			then(ffmpegStep("-i u.mp4 -c copy -bsf:v h264_metadata=display_orientation=insert:rotate=90 "+ts), ffmpegStep("drop u.mp4")).asked("a.ts").
			shaped(func(w *TapeWant) { w.Portrait = true }),
		piece{filter: "setsar=4/3", video: baseline, audio: aac, out: faststart}.sample("mp4, anamorphic", transcoded("pixels of 4:3"), copied).
			sized("426x180"),
		piece{filter: "setfield=tff", video: x264 + "-flags +ilme+ildct", audio: aac, out: faststart}.
			sample("mp4, interlaced", transcoded("interlaced"), copied),
		piece{filter: "setfield=tff", video: x264 + "-flags +ilme+ildct", audio: aac, out: ts}.
			sample("ts, interlaced", transcoded("interlaced"), copied),
		mp4("mp4, progressive in an interlaced stream", x264+"-x264-params fake-interlaced=1", copied),
		mirrored("mirrored", "-1 0 0 1"), mirrored("upside down", "1 0 0 -1"), mirrored("transposed", "0 1 1 0"),
		mp4("mp4, 10 bit", x264+"-pix_fmt yuv420p10le -profile:v high10", transcoded("yuv420p10le")),
		mp4("mp4, 4:2:2", x264+"-pix_fmt yuv422p -profile:v high422", transcoded("yuv422p")),
		mp4("mp4, 4:4:4", x264+"-pix_fmt yuv444p -profile:v high444", transcoded("yuv444p")),
		piece{video: baseline, audio: None, out: faststart}.sample("mp4, video only", copied, filled),
		piece{video: baseline, audio: aac, out: "-movflags frag_keyframe+empty_moov+default_base_moof a.mp4"}.
			sample("mp4, fragmented", copied, copied),
		piece{video: baseline, audio: aac + " -map 1:a -map 0:v", out: "-movflags empty_moov+default_base_moof -frag_duration 3000000 a.mp4"}.
			sample("mp4, fragmented, audio first", copied, copied),
		piece{video: baseline, audio: aac, out: "a.mov"}.sample("mov", copied, copied),
		piece{video: baseline, audio: aac, out: "-f flv a.flv"}.sample("flv", copied, copied),
		piece{video: baseline, audio: aac, out: matroska}.sample("mkv", copied, copied),
		piece{video: baseline, audio: aac, out: ts}.sample("ts", copied, copied),
		piece{video: baseline, audio: aac, out: ts}.sample("ts, no ranges and no length", copied, copied).served(ByChunks).as("vod"),
		piece{video: baseline, audio: None, out: ts}.sample("ts, video only", copied, filled),
		piece{video: adaptive, audio: aac, out: ts}.sample("ts, B-frames", transcoded("B-frames"), copied),
	}
}

// codecs are pictures that are not H.264.
func codecs() []Sample {
	pq := "-pix_fmt yuv420p10le -color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc "
	vp9 := "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 30 -b:v 300k"
	// What cameras and cutting rooms make.
	cut := func(name, video, audio, out, reason, sound string) Sample {
		return piece{rate: "25", video: video, audio: audio, out: out}.sample(name, transcoded(reason), transcoded(sound))
	}
	// Pictures that stand are shown once a second, and flash at no time.
	still := func(name, rate string, seconds float64) Sample {
		return piece{seconds: seconds, rate: rate, video: x265, audio: aac, out: faststart}.sample(name, transcoded("hevc"), copied).
			shaped(func(w *TapeWant) { w.Flashes, w.Apart = 0, 2*time.Second })
	}
	return []Sample{
		piece{video: x265, audio: aac, out: faststart}.sample("mp4, hevc", transcoded("hevc"), copied),
		still("mp4, one hevc picture and sound", "1/5", 5), still("mp4, hevc slides", "1/3", 6),
		piece{video: x265 + pq, audio: aac, out: faststart}.sample("mp4, hevc with HDR", transcoded("hevc"), copied),
		piece{video: x265, audio: aac, out: ts}.sample("ts, hevc", transcoded("hevc"), copied),
		piece{video: "-c:v libvpx -deadline realtime -cpu-used 8 -g 30 -b:v 300k", audio: "-c:a libvorbis", out: "a.webm"}.
			sample("webm, vp8 and vorbis", transcoded("vp8"), transcoded("vorbis")),
		piece{video: vp9, audio: "-c:a libopus", out: "a.webm"}.
			sample("webm, vp9 and opus", transcoded("vp9"), transcoded("opus")),
		piece{size: "427x239", video: vp9, audio: "-c:a libopus", out: "a.webm"}.
			sample("webm, odd size", transcoded("vp9"), transcoded("opus")),
		piece{video: "-c:v libaom-av1 -usage realtime -cpu-used 8 -g 30 -b:v 300k", audio: "-c:a libopus", out: "a.webm"}.
			sample("webm, av1 and opus", transcoded("av1"), transcoded("opus")),
		piece{video: "-c:v mpeg4 -vtag XVID -bf 2 -b:v 500k", audio: "-c:a libmp3lame", out: "a.avi"}.
			sample("avi, mpeg-4 asp and mp3", transcoded("mpeg4"), transcoded("mp3")),
		piece{video: "-c:v wmv2 -b:v 900k -g 30", audio: "-c:a wmav2 -b:a 128k", out: "-f asf a.wmv"}.
			sample("wmv", transcoded("wmv2"), transcoded("wmav2")),
		piece{rate: "24", video: "-c:v mpeg2video -bf 2 -b:v 800k", audio: "-c:a mp2", out: ts}.
			sample("ts, mpeg-2 and mp2", transcoded("mpeg2video"), transcoded("mp2")),
		piece{video: baseline, audio: "-c:a mp2", out: "-f vob a.mpg"}.sample("mpg, h264 and mp2", copied, transcoded("mp2")),
		piece{size: "360x288", rate: "50", filter: "tinterlace=interleave_top,setsar=64/45", video: "-c:v mpeg2video -flags +ilme+ildct -bf 2 -b:v 2M", audio: "-c:a mp2", out: ts}.
			sample("ts, mpeg-2, interlaced and anamorphic", transcoded("mpeg2video"), transcoded("mp2")).sized("512x288"),
		piece{video: "-c:v mjpeg -pix_fmt yuvj420p", audio: "-c:a pcm_s16le", out: "a.mov"}.
			sample("mov, mjpeg and pcm", transcoded("mjpeg"), transcoded("pcm_s16le")),
		cut("mov, dnxhr", "-c:v dnxhd -profile:v dnxhr_hqx -pix_fmt yuv422p10le", "-c:a pcm_s24le", "a.mov", "dnxhd", "pcm_s24le"),
		cut("mov, cineform", "-c:v cfhd -pix_fmt yuv422p10le", "-c:a pcm_s16le", "a.mov", "cfhd", "pcm_s16le"),
		cut("mov, prores 4444", "-c:v prores_ks -profile:v 4444 -pix_fmt yuva444p10le", "-c:a pcm_s24le", "a.mov", "prores", "pcm_s24le"),
		cut("mxf, dnxhr", "-c:v dnxhd -profile:v dnxhr_sq -pix_fmt yuv422p", "-c:a pcm_s24le", "-f mxf a.mxf", "dnxhd", "pcm_s24le"),
		cut("mxf, mpeg-2", "-c:v mpeg2video -b:v 2M -bf 2 -g 12", "-c:a pcm_s16le", "-f mxf a.mxf", "mpeg2video", "pcm_s16le"),
		piece{rate: "25", video: baseline, audio: "-c:a pcm_s16le", out: "-f mxf a.mxf"}.sample("mxf, h264", copied, transcoded("pcm_s16le")),
	}
}

// sounds are all kinds of sound, with a picture and without.
func sounds() []Sample {
	mkv := func(name, audio, reason string) Sample {
		return piece{video: baseline, audio: audio, out: matroska}.sample("mkv, "+name, copied, transcoded(reason))
	}
	only := func(name, audio, out string, want TrackWant) Sample {
		return piece{video: None, audio: audio, out: out}.sample(name+", audio only", absent, want)
	}
	return []Sample{
		mkv("opus", "-c:a libopus", "opus"), mkv("vorbis", "-c:a libvorbis", "vorbis"), mkv("flac", "-c:a flac", "flac"),
		mkv("mp3", "-c:a libmp3lame", "mp3"), mkv("pcm", "-c:a pcm_s16le", "pcm_s16le"),
		piece{video: baseline, audio: "-c:a ac3", layout: "5.1", out: matroska}.sample("mkv, ac3 5.1", copied, transcoded("ac3")),
		piece{video: baseline, audio: aac, layout: "5.1", out: faststart}.sample("mp4, aac 5.1", copied, transcoded("6 channels")),
		piece{video: baseline, audio: aac, layout: "mono", hertz: 8000, out: faststart}.
			sample("mp4, mono of 8 kHz", copied, copied),
		piece{video: baseline, audio: aac, hertz: 44100, out: faststart}.sample("mp4, 44.1 kHz", copied, copied),
		piece{video: baseline, audio: aac, hertz: 96000, out: faststart}.sample("mp4, 96 kHz", copied, transcoded("96000 Hz")),
		piece{video: baseline, audio: aac, hertz: 24000, out: faststart}.sample("mp4, he-aac", copied, transcoded("HE-AAC")).
			then([]string{"sbr", "a.mp4"}),
		only("mp3", "-c:a libmp3lame", "a.mp3", transcoded("mp3")),
		only("m4a", aac, "a.m4a", copied), only("aac", aac, "-f adts a.aac", copied),
		only("wav", "-c:a pcm_s16le", "a.wav", transcoded("pcm_s16le")),
		only("flac", "-c:a flac", "a.flac", transcoded("flac")),
		only("ogg", "-c:a libvorbis", "a.ogg", transcoded("vorbis")),
		only("wma", "-c:a wmav2 -b:a 128k", "-f asf a.wma", transcoded("wmav2")),
		only("aiff", "-c:a pcm_s16be", "a.aiff", transcoded("pcm_s16be")),
		only("caf, alac", "-c:a alac", "a.caf", transcoded("alac")),
		only("wav, adpcm", "-c:a adpcm_ima_wav", "a.wav", transcoded("adpcm_ima_wav")),
		only("opus", "-c:a libopus", "a.opus", transcoded("opus")),
		piece{video: None, audio: "-c:a libmp3lame", out: "u.mp3"}.sample("mp3 with a cover picture", absent, transcoded("mp3")).
			then(ffmpegStep("-f lavfi -i testsrc2=s=64x64:d=1:r=1 -frames:v 1 cover.png"),
				ffmpegStep("-i u.mp3 -i cover.png -map 0 -map 1 -c copy -disposition:v attached_pic a.mp3"),
				ffmpegStep("drop u.mp3 cover.png")).asked("a.mp3"),
	}
}

// clocks are timestamps as they should not be.
func clocks() []Sample {
	whole := piece{video: baseline, audio: aac, out: ts}
	jump := func(name, offset string) Sample {
		first, second := whole, whole
		first.seconds, first.out = 2, "-f mpegts 1.ts"
		second.seconds, second.out = 2, "-output_ts_offset "+offset+" -f mpegts 2.ts"
		s := whole.sample(name, copied, copied)
		s.steps = [][]string{first.args(), second.args(), ffmpegStep("join a.ts 1.ts 2.ts"), ffmpegStep("drop 1.ts 2.ts")}
		return s
	}
	wrapping := whole
	wrapping.out = "-output_ts_offset 95440.3 " + ts // 2^33 ticks of 90 kHz are 95443.7 s
	flv := func(name, at string) Sample {
		return piece{video: baseline, audio: aac, out: "-f flv -flvflags no_duration_filesize a.flv"}.
			sample("flv, clock "+name, copied, copied).then([]string{"clock", "a.flv", at})
	}
	lateSound := func(name, out string) Sample {
		return piece{video: baseline, audio: aac, from: 3, seconds: 5, out: out}.sample(name+", audio starts 3 s late", copied, copied).warned("hole")
	}
	latePicture := func(name, out string) Sample {
		s := piece{video: baseline, audio: aac, seconds: 5, out: out}.sample(name+", picture starts 2 s late", copied, copied)
		s.steps = [][]string{piece{video: baseline, audio: aac, seconds: 5, out: "u.mp4"}.args(),
			ffmpegStep("-itsoffset 2 -i u.mp4 -i u.mp4 -map 0:v -map 1:a -c copy -t 4 " + out), ffmpegStep("drop u.mp4")}
		return s.shaped(func(w *TapeWant) {
			w.Duration, w.Lead, w.Flashes, w.Beeps, w.Apart = 4*time.Second, 2500*time.Millisecond, 2, 4, longestStand
		})
	}
	// Of six seconds, only these parts are to be shown.
	edited := func(name, parts string, p piece, video, audio TrackWant) Sample {
		p.seconds, p.out = 6, "a.mp4"
		return p.sample("mp4, "+name, video, audio).then([]string{"edit", "a.mp4", parts}).
			shaped(func(w *TapeWant) { w.Duration, w.Flashes, w.Beeps = 4*time.Second, 4, 4 })
	}
	holed, six := "0-2 -2 4-6", func(w *TapeWant) { w.Duration, w.Apart = 6*time.Second, longestStand }
	atKeys, within := "0-2 4-6", "0-1.2 3.2-6"
	cut := func(name, audio string, want TrackWant) Sample {
		s := edited("edits within GOPs"+name, within, piece{video: baseline, audio: audio}, until("edit list"), want)
		s.Renewed = true
		return s
	}
	late, early := piece{video: baseline, audio: aac, from: 2, out: faststart}, piece{video: baseline, audio: aac, to: 2, out: faststart}
	lateTS, delayed, latest := late, late, late
	lateTS.out, delayed.from = ts, 0.25
	latest.from, latest.seconds, latest.out = 6, 9, ts // libav looks at 3 s
	return []Sample{
		wrapping.sample("ts, clock wraps", copied, copied),
		flv("begins at 20 days", "1700000s"), flv("wraps", "4294965.3s"),
		jump("ts, clock jumps ahead", "100"),
		jump("ts, clock jumps back", "-1"),
		late.sample("mp4, audio starts 2 s late", copied, copied).warned("hole"),
		lateTS.sample("ts, audio starts 2 s late", copied, copied).warned("hole"),
		latest.sample("ts, audio starts 6 s late", copied, TrackWant{Action: "fill", Then: "copy"}),
		delayed.sample("mp4, audio delayed by an edit list", copied, copied),
		early.sample("mp4, audio ends early", copied, copied).warned("hole").shaped(func(w *TapeWant) { w.Apart += 2 * time.Second }),
		lateSound("mkv", matroska), lateSound("flv", flvFile),
		latePicture("mp4", faststart), latePicture("mkv", matroska), latePicture("ts", ts), latePicture("flv", flvFile),
		slides("mp4", faststart, transcoded("stands")), slides("mkv", matroska, until("stands")),
		slides("ts", ts, until("stands")), slides("flv", flvFile, until("stands")),
		recording("mp4", faststart), recording("mkv", matroska), Pausing(matroska), Pausing(ts),
		still("mp4, slides 3 s apart", "1/3", 9, faststart), still("mkv, slides 3 s apart", "1/3", 9, matroska),
		still("ts, slides 3 s apart", "1/3", 9, ts), still("mp4, one picture of 8 s", "1/8", 8, faststart),
		piece{rate: "1/8", video: baseline, audio: None, out: faststart, seconds: 8}.
			sample("mp4, one picture of 8 s without sound", transcoded("stands"), filled).shaped(standing),
		piece{video: baseline, audio: aac, out: "u.mp4", seconds: 5}.sample("mp4, edit list cuts into a GOP", transcoded("edit list"), copied).
			then(ffmpegStep("-ss 1.3 -i u.mp4 -c copy "+faststart), ffmpegStep("drop u.mp4")).asked("a.mp4").
			shaped(func(w *TapeWant) {
				w.Duration, w.Lead, w.Flashes, w.Beeps = 3700*time.Millisecond, 200*time.Millisecond, 4, 4
			}),
		piece{video: baseline + " -g 900 -keyint_min 900", audio: aac, out: "u.mp4", seconds: 5}.
			sample("mp4, edit list leaves the end of a long GOP", transcoded("edit list"), copied).
			then(ffmpegStep("-ss 3.3 -i u.mp4 -c copy "+faststart), ffmpegStep("drop u.mp4")).asked("a.mp4").
			shaped(func(w *TapeWant) {
				w.Duration, w.Lead, w.Flashes, w.Beeps = 1700*time.Millisecond, 200*time.Millisecond, 2, 2
			}),
		edited("two edits", atKeys, piece{video: baseline, audio: aac}, copied, copied),
		edited("two edits, sound re-encoded", atKeys, piece{video: baseline, audio: aac, hertz: 96000}, copied, transcoded("96000")),
		edited("two edits with B-frames", atKeys, piece{video: adaptive, audio: aac}, transcoded("B-frames"), copied),
		cut("", aac, copied), cut(", all re-encoded", "-c:a libmp3lame", transcoded("mp3")),
		edited("edits out of order", "4-6 0-2", piece{video: baseline, audio: aac}, copied, copied),
		edited("nothing between edits", holed, piece{video: baseline, audio: aac}, until("stands"), copied).shaped(six).renewed().warned("hole"),
		edited("nothing between edits, all re-encoded", "0-3 -2 4-6", piece{video: adaptive, audio: "-c:a libmp3lame"}, transcoded("B-frames"), transcoded("mp3")).warned("hole").
			shaped(six).shaped(func(w *TapeWant) { w.Duration, w.Flashes, w.Beeps = 7*time.Second, 5, 5 }),
		edited("edits slowed down", "0-2 4-5@0.5", piece{video: baseline, audio: aac}, copied, copied).warned("edit_speed"),
		edited("many edits", "0-0.7 1.3-1.7 2.2-2.7 3.3-4.3 4.4-4.6 4.8-6", piece{video: baseline, audio: aac}, transcoded("edit list"), copied),
		piece{video: baseline, audio: aac, out: "u.ts", seconds: 5}.sample("ts, cut within a GOP", copied, copied).
			then(ffmpegStep("-i u.ts -c copy -bsf:v noise=drop=lt(n\\,10) "+ts), ffmpegStep("drop u.ts")).asked("a.ts").
			shaped(func(w *TapeWant) { // the first picture stands until the second that was cut is over
				w.Duration, w.Flashes, w.Beeps, w.Lead, w.Apart = 5*time.Second, 4, 5, 1500*time.Millisecond, longestStand
			}),
	}
}

// longestStand is for how long a picture may stand in the room.
const longestStand = 1100 * time.Millisecond

func standing(w *TapeWant) { w.Flashes, w.Lead, w.Tail, w.Apart = 0, 0, 0, longestStand }

// still has a picture each few seconds, which is sent again meanwhile.
func still(name, rate string, seconds float64, out string) Sample {
	return piece{rate: rate, video: baseline, audio: aac, out: out, seconds: seconds}.sample(name, transcoded("stands"), copied).shaped(standing)
}

// slides are two pictures, of which the second, 6 s later, is made of the first.
// An mp4 alone tells at its begin how long the first is shown.
func slides(name, out string, video TrackWant) Sample {
	return piece{video: baseline + " -g 600 -keyint_min 600 -fps_mode passthrough", filter: "select='eq(n,0)+eq(n,180)'", audio: aac, seconds: 9, out: out}.
		sample(name+", slides of a long GOP 6 s apart", video, copied).renewed().shaped(standing)
}

// recording is of a screen on which nothing moves for 6 s.
func recording(name, out string) Sample {
	return piece{video: baseline + " -fps_mode passthrough", filter: "select='lt(t,2)+gte(t,8)'", audio: aac, seconds: 9, out: out}.
		sample(name+", screen that stands for 6 s", until("stands"), copied).renewed().
		shaped(func(w *TapeWant) { w.Flashes, w.Apart = 3, longestStand })
}

// Pausing is of a screen on which nothing moves for 4 s; then all goes on, for
// longer than it takes until it is copied again. out is a muxer and its file.
func Pausing(out string) Sample {
	return piece{video: baseline + " -fps_mode passthrough", filter: "select='lt(t,2)+gte(t,6)'", audio: aac, seconds: 20, out: out}.
		sample("screen that stands for 4 s, as "+strings.Fields(out)[1], copied, copied).renewed().
		shaped(func(w *TapeWant) { w.Flashes, w.Apart = 16, longestStand })
}

// changes are sources that become something else on the way.
func changes() []Sample {
	first := piece{video: baseline, audio: aac, seconds: 2, out: "-f mpegts 1.ts"}
	second := piece{video: baseline, audio: aac, seconds: 2, out: "-output_ts_offset 2 -f mpegts 2.ts"}
	joined := func(name string, p piece, video, audio TrackWant) Sample {
		s := piece{video: baseline, audio: aac, out: ts}.sample(name, video, audio)
		s.steps = [][]string{first.args(), p.args(), ffmpegStep("join a.ts 1.ts 2.ts"), ffmpegStep("drop 1.ts 2.ts")}
		s.Tape.Size = "320x180"
		s.Renewed = true
		return s
	}
	flv := func(name string, p piece) Sample {
		s := joined(name, p, until("size"), copied).asked("a.flv")
		list := "file 1.ts\nfile 2.ts\n"
		s.steps = append(s.steps[:2], []string{"write", "l.txt", list},
			ffmpegStep("-f concat -i l.txt -c copy -f flv a.flv"), ffmpegStep("drop l.txt 1.ts 2.ts"))
		return s
	}
	numbered := second
	numbered.out = "-output_ts_offset 2 -mpegts_start_pid 0x200 -f mpegts 2.ts"
	sized, setup, late, rate, wide := second, second, second, second, second
	wide.filter = "setsar=4/3"
	fields := second
	fields.filter, fields.video = "setfield=tff", x264+"-flags +ilme+ildct"
	sized.size, setup.video, late.video, rate.hertz = "240x180", baseline+" -refs 3 -level 4.0", adaptive, 44100
	other := numbered
	other.video, other.audio = x265, "-c:a libmp3lame"
	// again is what goes on with the same stream numbers, as ffmpeg gives them.
	again := func(name, before, sound, video, audio string, from, goesOn TrackWant) Sample {
		s := joined("ts, same stream numbers, "+name, second, from, goesOn)
		begin, then := first, second
		begin.video, begin.audio, then.video, then.audio = before, sound, video, audio
		s.steps[0], s.steps[1] = begin.args(), then.args()
		return s
	}
	const mpeg2, mp3 = "-c:v mpeg2video -b:v 900k -g 30", "-c:a libmp3lame"
	// quiet has no sound in its second third.
	quiet := func(name string, third piece) Sample {
		s := piece{video: baseline, audio: aac, seconds: 6, out: ts}.sample(name, copied, copied)
		mute := second
		mute.audio = None
		third.out = strings.NewReplacer("_offset 2", "_offset 4", "2.ts", "3.ts").Replace(third.out)
		s.steps = [][]string{first.args(), mute.args(), third.args(), ffmpegStep("join a.ts 1.ts 2.ts 3.ts"), ffmpegStep("drop 1.ts 2.ts 3.ts")}
		return s.shaped(func(w *TapeWant) { w.Beeps = 4 }).warned("hole")
	}
	bent := piece{video: adaptive + " -force_key_frames expr:lt(t,2)", audio: aac, out: "-f flv a.flv"}.
		sample("flv, B-frames begin in mid-stream", until("B-frames"), copied)
	bent.Renewed = true
	return []Sample{
		joined("ts, stream numbers change", numbered, copied, copied),
		joined("ts, stream numbers and codecs change", other, until("hevc"), until("mp3")),
		quiet("ts, no sound in the middle", second), quiet("ts, no sound in the middle, then other stream numbers", numbered),
		again("h264 becomes hevc", baseline, aac, x265, aac, until("hevc"), copied),
		again("hevc becomes h264", x265, aac, baseline, aac, transcoded("hevc"), copied),
		again("mpeg-2 and mp3 become h264 and aac", mpeg2, mp3, baseline, aac, transcoded("mpeg2"), transcoded("mp3")),
		again("aac becomes mp3", baseline, aac, baseline, mp3, copied, until("mp3")),
		again("mp3 becomes aac", baseline, mp3, baseline, aac, copied, transcoded("mp3")),
		joined("ts, resolution changes", sized, until("size"), copied),
		flv("flv, resolution changes", sized),
		joined("ts, pixels become anamorphic", wide, until("pixels"), copied),
		joined("ts, becomes interlaced", fields, until("interlaced"), copied),
		joined("ts, new SPS of the same size", setup, copied, copied),
		joined("ts, B-frames begin with a new SPS", late, until("B-frames"), copied),
		joined("ts, sample rate changes", rate, copied, until("sample rate")),
		bent,
	}
}
