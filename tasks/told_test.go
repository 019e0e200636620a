package tasks

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/stretchr/testify/require"
)

func TestAnAttemptKnowsWhatTheRoomWasToldBefore(t *testing.T) {
	plan := media.Plan{Video: &media.TrackPlan{Action: media.Copy, Output: media.Output{Width: 640, Height: 360}}}
	for name, c := range map[string]struct {
		started time.Time
		plan    *media.Plan
		want    media.Plan
	}{
		"the first":                      {},
		"after one that published":       {time.Now(), &plan, plan},
		"after one that never did":       {time.Time{}, &plan, media.Plan{}},
		"after one whose record is thin": {time.Now(), nil, media.Plan{}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := queued("a")
				p.Epoch, p.StartedAt, p.Plan = 2, c.started, c.plan
				_, job := played(t, p, nil, nil)
				require.Equal(t, c.want, job.Before)
			})
		})
	}
}

func TestARecordThatIsWrittenAnewKeepsWhatTheRoomWasTold(t *testing.T) {
	before := Push{Plan: &media.Plan{Audio: &media.TrackPlan{Output: media.Output{SampleRate: 44100}}}, Source: &SourceReport{Kind: "live"}}
	a := newAttempt(Lease{ID: "a", Epoch: 2, Worker: "w"}, before)
	a.meter, a.askRenew = media.NewMeter(0), func() {}
	r := a.registration(time.Now())
	require.Equal(t, before.Plan, r.Push.Plan, "the attempt has not planned yet")
	require.Equal(t, before.Source, r.Push.Source)
}

func TestEverythingThatASourceHoldsIsReported(t *testing.T) {
	r := reportOf(media.SourceInfo{
		Container: "mpegts", Tracks: []media.Track{{Type: media.Audio, Codec: media.AAC}},
		Streams: []media.Stream{
			{Type: "audio", Codec: "aac", Language: "en", Title: "English", Channels: 2, Default: true, Program: 7, Chosen: true},
			{Type: "subtitle", Codec: "subrip", AudioTrack: -1, LeftOut: "subtitle"},
		},
	}, true)
	require.Len(t, r.Tracks, 1)
	require.Equal(t, []StreamReport{
		{Type: "audio", Codec: "aac", AudioTrack: new(0), Language: "en", Title: "English", Channels: 2, Default: true, Program: 7, Chosen: true},
		{Type: "subtitle", Codec: "subrip", LeftOut: "subtitle"},
	}, r.Available)
}

func TestTheChoiceOfTracksGoesToTheSourceOfEachAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := queued("a")
		p.Epoch = 2
		p.Spec.Options.Choice, p.Spec.Options.AudioDelay = media.TrackChoice{Audio: "de", Program: 7}, time.Second
		_, job := played(t, p, nil, nil)
		require.Equal(t, p.Spec.Options.Choice, job.Source.Choice)
		require.Equal(t, time.Second, job.Source.AudioDelay)
	})
}
