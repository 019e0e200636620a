package tasks

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// picture is a source with a picture of this size.
func sourceOf(width, height int, fps float64) *SourceReport {
	return &SourceReport{Tracks: []TrackReport{{Type: "audio"}, {Type: "video", Width: width, Height: height, FPS: fps}}}
}

func planOf(video, audio media.Action, to media.Output) *media.Plan {
	return &media.Plan{Video: &media.TrackPlan{Action: video, Output: to}, Audio: &media.TrackPlan{Action: audio}}
}

func TestAPushCostsWhatIsDecodedAndEncoded(t *testing.T) {
	const hd = 1280 * 720 * 30
	for name, c := range map[string]struct {
		source *SourceReport
		plan   *media.Plan
		asked  media.VideoOptions
		want   Cost
	}{
		"nothing is known yet":                 {nil, nil, media.VideoOptions{}, LeastCost},
		"copied":                               {sourceOf(1920, 1080, 60), planOf(media.Copy, media.Copy, media.Output{}), media.VideoOptions{}, LeastCost},
		"filled":                               {sourceOf(0, 0, 0), planOf(media.Fill, media.Copy, media.Output{}), media.VideoOptions{}, LeastCost},
		"the sound is re-encoded":              {sourceOf(1280, 720, 30), planOf(media.Copy, media.Transcode, media.Output{}), media.VideoOptions{}, LeastCost + soundCost},
		"the picture is re-encoded":            {sourceOf(1280, 720, 30), planOf(media.Transcode, media.Copy, media.Output{Width: 1280, Height: 720}), media.VideoOptions{}, LeastCost + hd*14/10},
		"its frame rate is not known":          {sourceOf(1280, 720, 0), planOf(media.Transcode, media.Copy, media.Output{Width: 1280, Height: 720}), media.VideoOptions{}, LeastCost + hd*14/10},
		"it is made smaller":                   {sourceOf(1280, 720, 30), planOf(media.Transcode, media.Copy, media.Output{Width: 640, Height: 360}), media.VideoOptions{}, LeastCost + hd*4/10 + hd/4},
		"more frames come than are encoded":    {sourceOf(1280, 720, 60), planOf(media.Transcode, media.Copy, media.Output{Width: 1280, Height: 720}), media.VideoOptions{}, LeastCost + hd*8/10 + hd},
		"half the frames are asked for":        {sourceOf(1280, 720, 30), planOf(media.Transcode, media.Copy, media.Output{Width: 1280, Height: 720}), media.VideoOptions{FPS: 15}, LeastCost + hd*4/10 + hd/2},
		"a source that tells a wild rate":      {sourceOf(1280, 720, 1000), planOf(media.Transcode, media.Copy, media.Output{Width: 1280, Height: 720}), media.VideoOptions{}, LeastCost + hd*16/10 + hd},
		"the room was told no size":            {sourceOf(1280, 720, 30), planOf(media.Transcode, media.Copy, media.Output{}), media.VideoOptions{}, LeastCost + hd*14/10},
		"a record without its source's tracks": {nil, planOf(media.Transcode, media.Copy, media.Output{Width: 1280, Height: 720}), media.VideoOptions{}, LeastCost + hd},
	} {
		t.Run(name, func(t *testing.T) {
			require.InDelta(t, float64(c.want), float64(costOf(c.source, c.plan, c.asked, 0)), 2)
		})
	}
}

func TestACopyCostsByItsBitRate(t *testing.T) {
	at := func(told, sent media.BitsPerSecond) Cost {
		source := sourceOf(1280, 720, 30)
		source.Tracks[1].BitrateKbps = int64(told) / 1000
		return costOf(source, planOf(media.Copy, media.Copy, media.Output{}), media.VideoOptions{}, sent)
	}
	const mb = 1_000_000
	require.Equal(t, LeastCost, at(0, 0), "it is not known")
	require.Equal(t, LeastCost, at(leastBits, 0))
	require.InDelta(t, float64(LeastCost)+6*mb*bitCost, float64(at(8*mb, 0)), 2)
	require.Equal(t, at(8*mb, 0), at(0, 8*mb), "a source that does not tell")
	require.Equal(t, at(8*mb, 0), at(mb, 8*mb), "or tells too little")
	require.Equal(t, at(mostBits, 0), at(mostBits*mostBits, 0), "or nonsense")
	source := sourceOf(1280, 720, 30)
	source.Tracks[0].BitrateKbps, source.Tracks[1].BitrateKbps = 1000, 7000
	require.Equal(t, at(8*mb, 0), costOf(source, planOf(media.Copy, media.Copy, media.Output{}), media.VideoOptions{}, 0), "all tracks are fetched")
	recoded := planOf(media.Transcode, media.Copy, media.Output{})
	unknown := sourceOf(1280, 720, 30)
	require.Equal(t, at(8*mb, 0)-LeastCost, costOf(source, recoded, media.VideoOptions{}, 0)-costOf(unknown, recoded, media.VideoOptions{}, 0), "what is re-encoded is fetched, too")
}

func TestAPushFitsBesideOthersOrAlone(t *testing.T) {
	for name, c := range map[string]struct {
		place Place
		cost  Cost
		want  bool
	}{
		"there is no limit":              {Place{Taken: 1000}, 1000, true},
		"it just fits":                   {Place{Taken: 60, Limit: 100}, 40, true},
		"it does not":                    {Place{Taken: 60, Limit: 100}, 41, false},
		"larger than the worker, alone":  {Place{Limit: 100}, 1000, true},
		"larger than the worker, beside": {Place{Taken: 1, Limit: 100}, 1000, false},
		"beside more than there may be":  {Place{Taken: 140, Limit: 100}, 1, false},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, c.place.fits(c.cost)) })
	}
}

func TestAWorkerIsBusyWhileItUsesUpItsCores(t *testing.T) {
	var s strain
	now := usage{time.Now(), time.Hour}
	look := func(over time.Duration, cores float64) bool {
		now = usage{now.at.Add(over), now.used + time.Duration(cores*float64(over))}
		s.look(now, 2)
		return s.busy
	}
	require.False(t, look(time.Second, 2), "the first look measures nothing")
	require.False(t, look(strainTime-time.Second, 2))
	require.False(t, look(time.Second, 1), "not all of the time")
	require.True(t, look(strainTime, 1.92))
	require.True(t, look(strainTime, 1.72), "it goes on until there is room again")
	require.False(t, look(strainTime, 1.68))
	require.False(t, look(strainTime, 1.88))
}

func TestAWorkerPlansWithAPartOfItsCores(t *testing.T) {
	require.Zero(t, Capacity{Speed: 100}.limit(), "nothing is counted")
	require.Equal(t, Cost(170), Capacity{Cores: 2, Speed: 100}.limit())
	require.Equal(t, slowMachine*17/10, Capacity{Cores: 2}.limit(), "one that could not be measured is taken for slow")
}

func TestRoomIsToldInPushesOfEachKind(t *testing.T) {
	r := CapacityReport{Cores: 1.7, Used: 0.7, Limit: 100 * LeastCost, Taken: 40 * LeastCost}
	require.InDelta(t, 1, r.Free(), 1e-9)
	require.Equal(t, 60, r.Room(100).Copies)
	require.Equal(t, 7, r.Room(7).Copies, "a push needs a slot as well")
	r.Limit = r.Taken + 2*encodedCost(1280, 720)
	require.Equal(t, 2, r.Room(100).At720p)
	require.Zero(t, r.Room(100).At1080p)
	r.Full = true
	require.Equal(t, Room{}, r.Room(100), "the cores are kept for a push that waits")
	require.Zero(t, r.Free())
	r.Taken, r.Full = 2*r.Limit, false
	require.Equal(t, Room{}, r.Room(100))
}
