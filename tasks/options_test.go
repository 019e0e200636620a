package tasks

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func whole(n int64) *int64 { return &n }

// started is what r becomes, or the error.
func started(t *testing.T, change func(s *Service, r *Request)) (*desk, Push, error) {
	t.Helper()
	d, r := newDesk(), request()
	change(d.service, &r)
	p, _, err := d.service.Start(t.Context(), r)
	return d, p, err
}

func TestARequestWithoutOptionsHasTheDefaults(t *testing.T) {
	_, p, err := started(t, func(*Service, *Request) {})
	require.NoError(t, err)
	require.Equal(t, media.Options{Transcode: media.TranscodeAuto, FillAudio: true}, p.Spec.Options)
	require.True(t, p.Spec.Options.PlaysOnce())
	require.Equal(t, 100, p.Spec.Options.Audio.Percent())
	require.Zero(t, p.Spec.MaxIdle)
	require.Empty(t, p.Spec.HeaderNames)
}

func TestTheOptionsOfARequestAreThoseOfItsPush(t *testing.T) {
	fps, no := 59.94, false
	d, p, err := started(t, func(_ *Service, r *Request) {
		r.Options = PushOptions{
			StartAtMs: whole(1500), EndAtMs: whole(1501), Repeat: whole(-1), MaxDurationSec: whole(1), MaxIdleSec: whole(3600),
			Volume: whole(0), Mute: true, Transcode: "always", Width: whole(1920), Height: whole(16), FPS: &fps,
			VideoKbps: whole(20000), AudioKbps: whole(16), FillAudio: &no, FillVideo: true,
			AudioTrack: " de ", ProgramNumber: whole(65535), AudioDelayMs: whole(-5000),
			Headers: map[string]media.Secret{"X-Token": "canary", "Authorization": ""},
		}
	})
	require.NoError(t, err)
	require.Equal(t, media.Options{
		StartAt: 1500 * time.Millisecond, EndAt: 1501 * time.Millisecond, Repeat: media.RepeatForever, MaxDuration: time.Second,
		Transcode: media.TranscodeAlways, Video: media.VideoOptions{Width: 1920, Height: 16, FPS: 59.94, Bitrate: 20_000_000},
		Audio:     media.AudioOptions{Bitrate: 16_000, VolumeSet: true, Mute: true},
		FillVideo: true, Choice: media.TrackChoice{Audio: "de", Program: 65535}, AudioDelay: -5 * time.Second,
	}, p.Spec.Options)
	require.Equal(t, time.Hour, p.Spec.MaxIdle)
	require.Equal(t, []string{"Authorization", "X-Token"}, p.Spec.HeaderNames)
	require.NotContains(t, fmt.Sprintf("%+v %#v", d.pushes.created, d.queue.rung), "canary")
}

func TestTheOperatorsCeilingHoldsWithoutAnOptionToo(t *testing.T) {
	for name, c := range map[string]struct {
		ceiling time.Duration
		asked   *int64
		want    time.Duration
	}{
		"no ceiling, no option": {0, nil, 0},
		"no ceiling":            {0, whole(90), 90 * time.Second},
		"no option":             {time.Minute, nil, time.Minute},
		"less":                  {time.Minute, whole(59), 59 * time.Second},
		"as much":               {time.Minute, whole(60), time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			_, p, err := started(t, func(s *Service, r *Request) { s.MaxDuration, r.Options.MaxDurationSec = c.ceiling, c.asked })
			require.NoError(t, err)
			require.Equal(t, c.want, p.Spec.Options.MaxDuration)
		})
	}
	_, _, err := started(t, func(s *Service, r *Request) { s.MaxDuration, r.Options.MaxDurationSec = time.Minute, whole(61) })
	require.ErrorContains(t, err, "maxDurationSec: is more than the 60 seconds that the operator allows")
}

func TestOptionsThatCannotBeMetAreRefusedByField(t *testing.T) {
	number := func(field func(w *PushOptions) **int64, n int64) func(*Request) {
		return func(r *Request) { *field(&r.Options) = &n }
	}
	fps := func(x float64) func(*Request) { return func(r *Request) { r.Options.FPS = &x } }
	startAt := func(w *PushOptions) **int64 { return &w.StartAtMs }
	endAt := func(w *PushOptions) **int64 { return &w.EndAtMs }
	repeat := func(w *PushOptions) **int64 { return &w.Repeat }
	lasting := func(w *PushOptions) **int64 { return &w.MaxDurationSec }
	idle := func(w *PushOptions) **int64 { return &w.MaxIdleSec }
	volume := func(w *PushOptions) **int64 { return &w.Volume }
	width := func(w *PushOptions) **int64 { return &w.Width }
	height := func(w *PushOptions) **int64 { return &w.Height }
	video := func(w *PushOptions) **int64 { return &w.VideoKbps }
	audio := func(w *PushOptions) **int64 { return &w.AudioKbps }
	for name, c := range map[string]struct {
		change func(r *Request)
		want   string // "field: detail", or its beginning
	}{
		"a start before the start":        {number(startAt, -1), "startAtMs: must be a whole number from 0"},
		"a start in another year":         {number(startAt, math.MaxInt64), "startAtMs: must be a whole number from 0"},
		"an end at the start":             {number(endAt, 0), "endAtMs: must be a whole number from 1"},
		"an end before the start":         {func(r *Request) { r.Options.StartAtMs, r.Options.EndAtMs = whole(5), whole(5) }, "endAtMs: must be greater than startAtMs"},
		"no play":                         {number(repeat, 0), "repeat: must be from 1 to 1000, or -1 for ever"},
		"fewer plays than none":           {number(repeat, -2), "repeat: must be from 1"},
		"too many plays":                  {number(repeat, 1001), "repeat: must be from 1"},
		"no duration":                     {number(lasting, 0), "maxDurationSec: must be a whole number from 1"},
		"a duration that overflows":       {number(lasting, math.MaxInt64/1000), "maxDurationSec: must be a whole number from 1"},
		"no patience":                     {number(idle, 0), "maxIdleSec: must be a whole number from 1 to 3600"},
		"too much patience":               {number(idle, 3601), "maxIdleSec: must be a whole number from 1 to 3600"},
		"quieter than silence":            {number(volume, -1), "volume: must be a whole number from 0 to 200"},
		"too loud":                        {number(volume, 201), "volume: must be a whole number from 0 to 200"},
		"too narrow":                      {number(width, 14), "width: must be a whole number from 16 to 1920"},
		"too wide":                        {number(width, 1922), "width: must be a whole number from 16 to 1920"},
		"an odd width":                    {number(width, 641), "width: must be even"},
		"too low":                         {number(height, 0), "height: must be a whole number from 16 to 1920"},
		"too high":                        {number(height, 1922), "height: must be a whole number from 16 to 1920"},
		"too large":                       {func(r *Request) { r.Options.Width, r.Options.Height = whole(1082), whole(1082) }, "height: and width: the shorter must be at most 1080"},
		"an odd height":                   {number(height, 361), "height: must be even"},
		"too slow":                        {fps(0.5), "fps: must be from 1 to 60"},
		"too fast":                        {fps(60.1), "fps: must be from 1 to 60"},
		"no number":                       {fps(math.NaN()), "fps: must be from 1 to 60"},
		"too few bits for a picture":      {number(video, 63), "videoKbps: must be a whole number from 64 to 20000"},
		"too many bits for a picture":     {number(video, 20001), "videoKbps: must be a whole number from 64 to 20000"},
		"too few bits for sound":          {number(audio, 15), "audioKbps: must be a whole number from 16 to 320"},
		"too many bits for sound":         {number(audio, 321), "audioKbps: must be a whole number from 16 to 320"},
		"an unknown transcode":            {func(r *Request) { r.Options.Transcode = "maybe" }, "transcode: must be auto, never or always"},
		"a size without re-encoding":      {func(r *Request) { r.Options.Transcode, r.Options.Width = "never", whole(640) }, "transcode: cannot be never with width"},
		"silence without re-encoding":     {func(r *Request) { r.Options.Transcode, r.Options.Mute = "never", true }, "transcode: cannot be never with width"},
		"no volume without re-encoding":   {func(r *Request) { r.Options.Transcode, r.Options.Volume = "never", whole(0) }, "transcode: cannot be never with width"},
		"the start of a live source":      {func(r *Request) { r.Mode, r.Options.StartAtMs = "live", whole(1) }, "startAtMs: cannot be asked of a live source"},
		"the end of a live source":        {func(r *Request) { r.Mode, r.Options.EndAtMs = "live", whole(1) }, "endAtMs: cannot be asked of a live source"},
		"a live source again":             {func(r *Request) { r.Mode, r.Options.Repeat = "live", whole(-1) }, "repeat: cannot be asked of a live source"},
		"patience with a file":            {func(r *Request) { r.Mode, r.Options.MaxIdleSec = "vod", whole(9) }, "maxIdleSec: is about live sources"},
		"an endless audio track":          {func(r *Request) { r.Options.AudioTrack = strings.Repeat("d", 65) }, "audioTrack: must be a number, counted from 0, or a language"},
		"an audio track of two lines":     {func(r *Request) { r.Options.AudioTrack = "de\nfr" }, "audioTrack: must be a number, counted from 0, or a language"},
		"program 0":                       {func(r *Request) { r.Options.ProgramNumber = whole(0) }, "programNumber: must be a whole number from 1 to 65535"},
		"a program that cannot be":        {func(r *Request) { r.Options.ProgramNumber = whole(65536) }, "programNumber: must be a whole number from 1 to 65535"},
		"headers for nobody":              {func(r *Request) { r.Options.HeadersFor = "all" }, "headersFor: says where headers go, and there are none"},
		"headers for some":                {func(r *Request) { r.Options.HeadersFor = "some" }, "headersFor: must be origin or all"},
		"sound too early":                 {func(r *Request) { r.Options.AudioDelayMs = whole(-5001) }, "audioDelayMs: must be a whole number from -5000 to 5000"},
		"sound too late":                  {func(r *Request) { r.Options.AudioDelayMs = whole(5001) }, "audioDelayMs: must be a whole number from -5000 to 5000"},
		"a header that is ours":           {headers("Range", "canary"), `headers: "Range" is one that Roomcast sets itself`},
		"a header of the proxy":           {headers("proxy-authorization", "canary"), `headers: "proxy-authorization" is one that Roomcast sets itself`},
		"a header with a line feed":       {headers("X-Token", "canary\r\nHost: x"), `headers: "X-Token" has a control character in its value`},
		"a whole line as a header's name": {headers("X-Token: canary", ""), "headers: has an entry that has a name that HTTP does not allow"},
		"a header without a name":         {headers("", "canary"), "headers: has an entry that has a name that HTTP does not allow"},
		"a header twice":                  {headers("X-Token", "canary", "x-token", "canary"), `headers: "x-token" is given twice; names differ in more than case`},
		"headers that are too long":       {headers("X-Token", strings.Repeat("c", maxHeaderSize)), "headers: is longer than 8192 bytes"},
		"too many headers":                {headers(strings.Fields(strings.Repeat("X v ", 33))...), "headers: has more than 32 entries"},
		"headers for an rtmp stream": {func(r *Request) {
			headers("X-Token", "canary")(r)
			r.VideoSrc = "RTMP://h/app/stream"
		}, "headers: are sent over http and https only"},
	} {
		t.Run(name, func(t *testing.T) {
			d, _, err := started(t, func(_ *Service, r *Request) { c.change(r) })
			e, ok := errors.AsType[*Error](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, CodeInvalidRequest, e.Code)
			require.Len(t, e.Fields, 1)
			require.True(t, strings.HasPrefix(e.Fields[0].Field+": "+e.Fields[0].Detail, c.want), "%+v", e.Fields)
			require.NotContains(t, e.Error(), "canary")
			require.Empty(t, d.pushes.created)
		})
	}
}

// headers sets headers by names and values in turn; a name that was there gets
// a number.
func headers(pairs ...string) func(*Request) {
	all := map[string]media.Secret{}
	for i := 0; i < len(pairs); i += 2 {
		name := pairs[i]
		if _, there := all[name]; there {
			name += fmt.Sprint(i)
		}
		all[name] = media.Secret(pairs[i+1])
	}
	return func(r *Request) { r.Options.Headers = all }
}

func TestOptionsThatLookAtOddsAreFine(t *testing.T) {
	for name, change := range map[string]func(r *Request){
		"silence of a volume":              func(r *Request) { r.Options.Mute, r.Options.Volume = true, whole(200) },
		"the whole volume, no re-encoding": func(r *Request) { r.Options.Transcode, r.Options.Volume = "never", whole(100) },
		"a live source once":               func(r *Request) { r.Mode, r.Options.Repeat, r.Options.StartAtMs = "live", whole(1), whole(0) },
		"a repeated source that resumes":   func(r *Request) { r.Redis, r.Options.Repeat = true, whole(1000) },
		"one side of a picture":            func(r *Request) { r.Options.Height = whole(1080) },
		"patience with what may be live":   func(r *Request) { r.Options.MaxIdleSec = whole(1) },
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := started(t, func(_ *Service, r *Request) { change(r) })
			require.NoError(t, err)
		})
	}
}

// played runs p's attempt with a player that only tells its job.
func played(t *testing.T, p Push, record *ResumeRecord, play func(media.Job)) (*world, media.Job) {
	t.Helper()
	var got media.Job
	w := newWorld(nil, p)
	w.worker.Player = playerFunc(func(_ context.Context, job media.Job) error {
		got = job
		if play != nil {
			play(job)
		}
		return nil
	})
	if record != nil {
		w.resume.records = map[string]ResumeRecord{p.Spec.ResumeKey: *record}
	}
	require.NoError(t, <-w.handle(Task{ID: p.ID, Epoch: p.Epoch}))
	w.close()
	return w, got
}

func TestAnAttemptStartsWithinThePartThatWasAskedFor(t *testing.T) {
	part := media.Options{StartAt: 10 * time.Second, EndAt: 20 * time.Second, Repeat: 3, Audio: media.AudioOptions{Mute: true}}
	for name, c := range map[string]struct {
		record *ResumeRecord
		before *media.Progress
		want   time.Duration
	}{
		"at its start":                       {nil, nil, 10 * time.Second},
		"where the last push stood":          {&ResumeRecord{Position: 12 * time.Second}, nil, 12 * time.Second},
		"not where another part was played":  {&ResumeRecord{Position: 5 * time.Second}, nil, 10 * time.Second},
		"not behind its end":                 {&ResumeRecord{Position: 20 * time.Second}, nil, 10 * time.Second},
		"over again when it was finished":    {&ResumeRecord{Position: 12 * time.Second, Finished: true}, nil, 10 * time.Second},
		"where the attempt before it stood":  {&ResumeRecord{Position: 12 * time.Second}, &media.Progress{Position: 15 * time.Second, Loop: 2, Played: time.Minute}, 15 * time.Second},
		"even if that had played everything": {nil, &media.Progress{Position: 20 * time.Second, Loop: 2, Played: time.Minute}, 20 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := queued("a")
				p.Spec.Redis, p.Spec.Options = true, part
				if c.before != nil {
					p.Epoch, p.StartedAt, p.Progress = 2, time.Now(), c.before
				}
				w, job := played(t, p, c.record, nil)
				require.Equal(t, c.want, job.Start)
				require.Equal(t, part, job.Options)
				end, _ := w.store.ended("a")
				if c.before != nil {
					require.Equal(t, c.before.Loop, job.Stood.Loop)
					require.Equal(t, c.before.Played, job.Stood.Played)
					require.Equal(t, c.before.Loop, end.Progress.Loop)
					require.Equal(t, c.before.Played, end.Progress.Played)
				}
			})
		})
	}
}

func TestALiveSourceStaysOneToTheNextAttempt(t *testing.T) {
	for kind, live := range map[string]bool{"live": true, "vod": false} {
		synctest.Test(t, func(t *testing.T) {
			p := queued("a")
			p.Epoch, p.Source, p.Spec.MaxIdle = 2, &SourceReport{Kind: kind}, time.Hour
			_, job := played(t, p, nil, nil)
			require.Equal(t, live, job.WasLive)
			require.Equal(t, live, job.Retry(media.KindSourceUnavailable).For == time.Hour)
		})
	}
}

func TestAPushThatHasLastedLongEnoughHasNotFinishedItsSource(t *testing.T) {
	for name, c := range map[string]struct {
		played   time.Duration
		finished bool
	}{
		"its source was over": {59 * time.Second, true},
		"its time was up":     {time.Minute, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := queued("a")
				p.Spec.Redis, p.Spec.Options.MaxDuration = true, time.Minute
				w, _ := played(t, p, nil, func(job media.Job) {
					job.Observer.Planned(media.SourceInfo{}, false, media.Plan{})
					job.Observer.Publishing()
					job.Meter.GoOnFrom(media.Progress{Position: 33 * time.Second, Played: c.played})
				})
				require.Equal(t, c.finished, w.resume.all()["k"].Finished)
				require.Equal(t, 33*time.Second, w.resume.all()["k"].Position)
			})
		})
	}
}

func TestALiveSourceMayBeAwayForAsLongAsTheRequestSays(t *testing.T) {
	rtmp := Spec{VideoSrc: "rtmp://h/live/a", Mode: media.ModeAuto}
	for name, c := range map[string]struct {
		spec  Spec
		found string // what the source turned out to be
		idle  time.Duration
		want  time.Duration
	}{
		"a file":                          {Spec{Mode: media.ModeAuto}, "vod", time.Hour, 5 * time.Minute},
		"a live source":                   {Spec{Mode: media.ModeAuto}, "live", time.Hour, time.Hour},
		"a live source without an option": {Spec{Mode: media.ModeAuto}, "live", 0, 5 * time.Minute},
		"one that never came":             {Spec{Mode: media.ModeLive}, "", time.Second, time.Second},
		"a stream that never came":        {rtmp, "", time.Second, time.Second},
		"a camera that never came":        {Spec{VideoSrc: "rtsp://h/a", Mode: media.ModeAuto}, "", time.Second, time.Second},
		"a caller's that never came":      {Spec{VideoSrc: "srt://h:9000", Mode: media.ModeAuto}, "", time.Second, time.Second},
		"a stream played as a file":       {Spec{VideoSrc: rtmp.VideoSrc, Mode: media.ModeVOD}, "", time.Second, 5 * time.Minute},
		"what may be a file":              {Spec{VideoSrc: "https://h/a", Mode: media.ModeAuto}, "", time.Second, 5 * time.Minute},
		"a stream that has proved none":   {rtmp, "vod", time.Second, 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := queued("a")
				p.Spec, p.Spec.MaxIdle = c.spec, c.idle
				_, job := played(t, p, nil, func(job media.Job) {
					if c.found != "" {
						job.Observer.Planned(media.SourceInfo{}, c.found == "live", media.Plan{})
					}
					for _, k := range []media.Kind{media.KindSourceEnded, media.KindSourceUnavailable, media.KindSourceStalled} {
						require.Equal(t, media.Retry{First: 500 * time.Millisecond, Max: 15 * time.Second, For: c.want}, job.Retry(k))
					}
				})
				require.Zero(t, job.Retry(media.KindSourceNotFound))
				require.Equal(t, 95*time.Second, job.Retry(media.KindRoomConflict).For)
				require.Equal(t, media.Retry{AtOnce: true, First: 500 * time.Millisecond, Max: 5 * time.Second, For: 5 * time.Minute}, job.Retry(media.KindRoomClosed))
			})
		})
	}
}
