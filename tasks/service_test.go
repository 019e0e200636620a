package tasks

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/stretchr/testify/require"
)

// fakePushes keeps what was created and aborted.
type fakePushes struct {
	created []NewPush
	aborted []Failure
	err     error
	away    time.Time // until then the store is away
	replay  bool
	before  map[string]string // idempotency key → body of a push that was started before
	there   map[string]Push   // by id
}

func (s *fakePushes) Repeated(_ context.Context, key string, digests []string) (Push, bool, error) {
	if time.Now().Before(s.away) {
		return Push{}, false, errAway
	}
	body, found := s.before[key]
	if found && !slices.Contains(digests, body) {
		return Push{}, false, &Error{Code: CodeIdempotencyReused}
	}
	return Push{ID: "before"}, found, nil
}

func (s *fakePushes) Create(_ context.Context, n NewPush) (Push, bool, error) {
	if s.err != nil {
		return Push{}, false, s.err
	}
	if time.Now().Before(s.away) {
		return Push{}, false, errAway
	}
	s.created = append(s.created, n)
	return n.Push, !s.replay, nil
}

func (s *fakePushes) Get(_ context.Context, id string) (Push, error) {
	if p, ok := s.there[id]; ok {
		return p, nil
	}
	return Push{}, &Error{Code: CodeNotFound}
}

func (s *fakePushes) List(context.Context, Filter) (Page, error) { return Page{}, nil }
func (s *fakePushes) Stop(context.Context, string) (Push, error) { return Push{}, nil }
func (s *fakePushes) Abort(_ context.Context, _ string, f Failure) error {
	s.aborted = append(s.aborted, f)
	return nil
}

// fakeDoor finds the problems it is given.
type fakeDoor struct{ err error }

func (d fakeDoor) Check(media.Destination, time.Time) error { return d.err }
func (d fakeDoor) Rules() media.Rules                       { return media.Rules{MaxWidth: 1920, MaxHeight: 1080} }

// fakeSources refuses with the error it is given.
type fakeSources struct{ err error }

func (s fakeSources) CheckURL(media.Secret) error { return s.err }

type desk struct {
	pushes  fakePushes
	queue   fakeQueue
	service *Service
}

func newDesk() *desk {
	d := &desk{}
	d.service = &Service{
		Records: Records{Pushes: &d.pushes, Repeats: &d.pushes, Stops: &d.pushes},
		Queue:   &d.queue, Sealer: fakeSealer{}, Door: fakeDoor{},
		Sources: fakeSources{}, Resume: &fakeResume{}, Log: slog.New(slog.DiscardHandler),
	}
	return d
}

func request() Request {
	return Request{
		VideoSrc: "https://user:pass@Host.example/a/b.mp4?token=t#f", SDKAppID: 1400000001,
		RoomID: "room", UserID: "user", UserSig: "sig",
	}
}

func TestAPushIsRecordedAndRung(t *testing.T) {
	d := newDesk()
	p, _, err := d.service.Start(t.Context(), request())
	require.NoError(t, err)
	require.Equal(t, []Task{{ID: p.ID, Epoch: 1, Room: "room", User: "user", SourceHost: "Host.example"}}, d.queue.rung)
	require.Zero(t, d.queue.front)
	require.Equal(t, "https://Host.example/a/b.mp4", p.Spec.VideoSrc)
	require.Equal(t, "anchor", p.Spec.ClientRole)
	require.Equal(t, media.ModeAuto, p.Spec.Mode)
}

func TestASourceIsShownWithoutWhatLetsOneIn(t *testing.T) {
	for raw, want := range map[string]string{
		"https://u:p@a.example/b/c.mp4?token=canary#x":              "https://a.example/b/c.mp4",
		"https://a.example":                                         "https://a.example",
		"https://a.example/":                                        "https://a.example/",
		"https://a.example/a%20b/%E4.mp4":                           "https://a.example/a%20b/%E4.mp4",
		"https://a.example/hdnts=exp=9~hmac=canary/live/a.m3u8":     "https://a.example/[redacted]/live/a.m3u8",
		"rtmp://a.example:1935/live/canary":                         "rtmp://a.example:1935/live/[redacted]",
		"rtmps://u:canary@a.example/live/inst/canary?auth=canary":   "rtmps://a.example/live/[redacted]",
		"RTMP://a.example/canary":                                   "rtmp://a.example/[redacted]",
		"rtsp://a.example/user=admin&password=canary&channel=1":     "rtsp://a.example/[redacted]",
		"rtsp://a.example/user%3Dadmin_password%3dcanary_/h264.sdp": "rtsp://a.example/[redacted]/h264.sdp",
		"srt://a.example:9000?streamid=canary&passphrase=canary":    "srt://a.example:9000",
	} {
		r := request()
		r.VideoSrc = media.Secret(raw)
		p, _, err := newDesk().service.Start(t.Context(), r)
		require.NoError(t, err, raw)
		require.Equal(t, want, p.Spec.VideoSrc)
	}
}

func TestTwoStreamsOfOneApplicationHaveResumeKeysOfTheirOwn(t *testing.T) {
	key := func(src media.Secret) string {
		r := request()
		r.VideoSrc, r.Redis = src, true
		p, _, err := newDesk().service.Start(t.Context(), r)
		require.NoError(t, err)
		return p.Spec.ResumeKey
	}
	require.NotEqual(t, key("rtmp://a.example/live/one"), key("rtmp://a.example/live/two"))
}

func TestTheResumeKeyLeavesOutWhatASignedURLChanges(t *testing.T) {
	key := func(change func(r *Request)) string {
		r := request()
		r.Redis = true
		change(&r)
		p, _, err := newDesk().service.Start(t.Context(), r)
		require.NoError(t, err)
		return p.Spec.ResumeKey
	}
	plain := key(func(*Request) {})
	require.Equal(t, plain, key(func(r *Request) { r.VideoSrc = "https://Host.example/a/b.mp4?token=other" }))
	require.Equal(t, plain, key(func(r *Request) { r.RoomID = "other" }))
	require.NotEqual(t, plain, key(func(r *Request) { r.VideoSrc = "https://Host.example/a/c.mp4" }))
	require.NotEqual(t, plain, key(func(r *Request) { r.ResumeScope = "room" }))
	own := key(func(r *Request) { r.ResumeKey = "mine" })
	require.Equal(t, own, key(func(r *Request) { r.ResumeKey, r.VideoSrc = "mine", "http://x/y" }))
	require.Empty(t, key(func(r *Request) { r.Redis = false }), "nothing is remembered")
}

func TestARefusedRequestReachesNeitherStoreNorQueue(t *testing.T) {
	expired := &media.DestinationProblem{Field: "userSig", Reason: media.ExpiredUserSig, Detail: "ran out"}
	room := &media.DestinationProblem{Field: "roomId", Reason: media.BadRoom, Detail: "has a space"}
	for name, c := range map[string]struct {
		change func(d *desk, r *Request)
		code   Code
		fields []string
	}{
		"no source": {func(_ *desk, r *Request) { r.VideoSrc = "" }, CodeInvalidRequest, []string{"videoSrc"}},
		"a source that is inside": {func(d *desk, _ *Request) {
			d.service.Sources = fakeSources{&media.Error{Kind: media.KindSourceBlocked}}
		}, CodeSourceBlocked, []string{"videoSrc"}},
		"a scheme that is not allowed": {func(d *desk, _ *Request) {
			d.service.Sources = fakeSources{&media.Error{Kind: media.KindSourceInvalid}}
		}, CodeInvalidRequest, []string{"videoSrc"}},
		"a bad room and an expired sig": {func(d *desk, _ *Request) { d.service.Door = fakeDoor{errors.Join(room, expired)} }, CodeInvalidRequest, []string{"roomId", "userSig"}},
		"an expired signature":          {func(d *desk, _ *Request) { d.service.Door = fakeDoor{expired} }, CodeUserSigExpired, []string{"userSig"}},
		"an audience":                   {func(_ *desk, r *Request) { r.ClientRole = "audience" }, CodeInvalidRequest, []string{"clientRole"}},
		"a Redis that is not listed":    {func(_ *desk, r *Request) { r.Redis, r.RedisHost = true, "other" }, CodeInvalidRequest, []string{"redisHost"}},
		"a Redis password without host": {func(_ *desk, r *Request) { r.RedisPassword = "x" }, CodeInvalidRequest, []string{"redisHost"}},
		"a port that does not exist":    {func(_ *desk, r *Request) { r.RedisHost, r.RedisPort = "listed", 70000 }, CodeInvalidRequest, []string{"redisPort"}},
		"an unknown mode and scope":     {func(_ *desk, r *Request) { r.Mode, r.ResumeScope = "x", "y" }, CodeInvalidRequest, []string{"mode", "resumeScope"}},
	} {
		t.Run(name, func(t *testing.T) {
			d, r := newDesk(), request()
			c.change(d, &r)
			_, _, err := d.service.Start(t.Context(), r)
			require.Equal(t, c.code, CodeOf(err))
			var fields []string
			e, _ := errors.AsType[*Error](err)
			for _, f := range e.Fields {
				fields = append(fields, f.Field)
			}
			require.Equal(t, c.fields, fields)
			require.Empty(t, d.pushes.created)
			require.Empty(t, d.queue.rung)
		})
	}
}

func TestAFailedEnqueueAbortsThePush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		d.queue.err = errors.New("away")
		begin := time.Now()
		_, _, err := d.service.Start(t.Context(), request())
		require.Equal(t, CodeQueueUnavailable, CodeOf(err))
		require.Len(t, d.pushes.aborted, 1)
		require.InDelta(t, Patience, time.Since(begin), float64(time.Second))
	})
}

func TestACreateWaitsOutAFailover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		d.pushes.away = time.Now().Add(5 * time.Second)
		d.service.Patience = FailoverPatience
		_, _, err := d.service.Start(t.Context(), request())
		require.NoError(t, err)
		require.Len(t, d.pushes.created, 1)
	})
}

func TestACreateThatIsRefusedIsNotTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		d.pushes.err = &Error{Code: CodeUserBusy, Msg: "busy"}
		begin := time.Now()
		_, _, err := d.service.Start(t.Context(), request())
		require.Equal(t, CodeUserBusy, CodeOf(err))
		require.Zero(t, time.Since(begin))
	})
}

func TestARepeatedRequestIsNotRungAgain(t *testing.T) {
	d := newDesk()
	d.pushes.replay = true
	r := request()
	r.IdempotencyKey, r.Body = "key", []byte("body")
	_, _, err := d.service.Start(t.Context(), r)
	require.NoError(t, err)
	require.Empty(t, d.queue.rung)
	require.Equal(t, []string{"body"}, d.pushes.created[0].BodyDigests)
}

func TestARepeatIsAnsweredThoughItsRequestWouldBeRefusedNow(t *testing.T) {
	expired := &media.DestinationProblem{Field: "userSig", Reason: media.ExpiredUserSig, Detail: "ran out"}
	for name, c := range map[string]struct {
		key, body string
		want      Code // empty: the push of before
	}{
		"the same body":          {"key", "body", ""},
		"another body":           {"key", "other", CodeIdempotencyReused},
		"a key that is new":      {"other", "body", CodeUserSigExpired},
		"a request without keys": {"", "body", CodeUserSigExpired},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, r := newDesk(), request()
				d.pushes.before = map[string]string{"key": "body"}
				d.pushes.away = time.Now().Add(time.Second) // a restart
				d.service.Door = fakeDoor{expired}
				r.IdempotencyKey, r.Body = c.key, []byte(c.body)
				p, _, err := d.service.Start(t.Context(), r)
				if c.want == "" {
					require.NoError(t, err)
					require.Equal(t, "before", p.ID)
				} else {
					require.Equal(t, c.want, CodeOf(err))
				}
				require.Empty(t, d.pushes.created)
				require.Empty(t, d.queue.rung)
			})
		})
	}
}

func TestANumericRoomIsWarnedAbout(t *testing.T) {
	d, r := newDesk(), request()
	r.RoomID, r.RoomWasNumber = "98915", true
	p, _, err := d.service.Start(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, "string_room", p.Warnings[0].Code)
}

func TestACreateWhoseAnswerNeverCameIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		d.pushes.away = time.Now().Add(time.Hour)
		begin := time.Now()
		_, _, err := d.service.Start(t.Context(), request())
		require.Equal(t, CodeRedisUnavailable, CodeOf(err))
		require.LessOrEqual(t, time.Since(begin), 3*time.Second)
		require.Len(t, d.pushes.aborted, 1)
	})
}
