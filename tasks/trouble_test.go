package tasks

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// troubled returns an attempt that publishes, looked at by look.
func troubled(t *testing.T, before Push) (a *attempt, look func()) {
	a = newAttempt(Lease{ID: "a", Epoch: 1}, before)
	a.meter, a.log, a.askRenew = media.NewMeter(0), slog.New(slog.DiscardHandler), func() {}
	a.Publishing()
	return a, func() { a.renewal(time.Now()) }
}

// seen looks at what the meter says.
func (a *attempt) seen(p media.Progress, pulse media.Pulse) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lookAt(p, pulse, time.Now())
}

func unavailable() error { return &media.Error{Kind: media.KindSourceUnavailable, Op: "read"} }

func TestTroubleSaysSinceWhenHowOftenTriedWhenNextAndWhenItGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, look := troubled(t, Push{})
		begin := time.Now()
		for range 3 {
			a.Reconnecting(unavailable(), 4*time.Second, begin.Add(time.Minute))
			time.Sleep(4 * time.Second)
			look()
		}
		require.Equal(t, &Trouble{
			Side: SideSource, Code: CodeSourceUnavailable, Message: outcomeOf(media.KindSourceUnavailable).message,
			Since: begin, Tries: 3, NextTryAt: begin.Add(12 * time.Second), GivesUpAt: begin.Add(time.Minute),
		}, a.trouble())
		require.Len(t, a.lastReport().Events, 1, "it began; that it is tried again is no event")
	})
}

func TestTroubleIsOverOnceAllHasBeenWellForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, look := troubled(t, Push{})
		for range 2 { // it comes and goes
			a.Reconnecting(unavailable(), time.Second, time.Now().Add(time.Minute))
			time.Sleep(time.Second)
			a.Publishing()
			look()
			time.Sleep(time.Second)
			look()
		}
		require.NotNil(t, a.trouble())
		time.Sleep(time.Second)
		look()
		require.Nil(t, a.trouble())
		events := a.lastReport().Events
		require.Len(t, events, 2)
		require.Equal(t, EventRecovered, events[1].Type)
		require.Equal(t, "over after 3s, tried 2 times", events[1].Message)
		require.Equal(t, &Trouble{}, a.renewal(time.Now()).Trouble, "the store is told that it is over")
	})
}

// The store is away: its last renews come long after its media.
func TestAnAttemptWhoseMediaHasEndedGetsNoTroubleFromItsSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, look := troubled(t, Push{})
		a.meter.Sent(time.Now(), media.SentPacket{})
		look()
		a.lastSample(time.Now())
		for range 5 {
			time.Sleep(time.Second)
			look()
		}
		require.Nil(t, a.trouble())
		require.Equal(t, Publishing, a.renewal(time.Now()).State)
	})
}

func TestAnotherReasonIsAnotherEventOfTheSameTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := troubled(t, Push{})
		begin := time.Now()
		a.Reconnecting(unavailable(), time.Second, begin)
		time.Sleep(time.Second)
		a.Reconnecting(&media.Error{Kind: media.KindRoomClosed, Op: "publish"}, time.Second, begin)
		require.Len(t, a.lastReport().Events, 2)
		require.Equal(t, begin, a.trouble().Since)
		require.Equal(t, SideRoom, a.trouble().Side)
	})
}

func TestReasonsThatChangeToAndFroAreToldNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := troubled(t, Push{})
		closed := &media.Error{Kind: media.KindRoomClosed, Op: "publish"}
		for range 60 {
			a.Reconnecting(unavailable(), time.Second, time.Now())
			require.Equal(t, SideSource, a.trouble().Side, "the push itself says what is")
			a.Reconnecting(closed, time.Second, time.Now())
			require.Equal(t, SideRoom, a.trouble().Side)
			time.Sleep(time.Second)
		}
		require.Len(t, a.lastReport().Events, 2*2, "each of the two at the begin and after half a minute")
		told := func() string { events := a.lastReport().Events; return events[len(events)-1].Code }
		require.NotEqual(t, string(CodeSourceUnavailable), told())
		for range 32 { // it stays so
			a.Reconnecting(unavailable(), time.Second, time.Now())
			time.Sleep(time.Second)
		}
		require.Equal(t, string(CodeSourceUnavailable), told())
		require.Len(t, a.lastReport().Events, 5)
	})
}

func TestTroubleThatTheAttemptBeforeLeftGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		since := time.Now().Add(-time.Minute)
		a, look := troubled(t, Push{Trouble: &Trouble{Side: SideSource, Code: CodeSourceUnavailable, Since: since, Tries: 7}})
		a.Reconnecting(unavailable(), time.Second, time.Now().Add(time.Minute))
		require.Equal(t, since, a.trouble().Since)
		require.Equal(t, 8, a.trouble().Tries)
		a.Publishing()
		look()
		time.Sleep(overAfter)
		look()
		require.Nil(t, a.trouble())

		b, _ := troubled(t, Push{Trouble: WaitingForSlot.Trouble(since), Waiting: WaitingForSlot})
		require.Nil(t, b.trouble(), "a push that runs waits no more")
		require.Equal(t, &Trouble{}, b.renewal(time.Now()).Trouble, "nor does its record hold what was before")
	})
}

func TestASideThatGivesNoSignIsTrouble(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		pulse media.Pulse
		want  Code
	}{
		"nothing is waited for":       {media.Pulse{}, ""},
		"the source is late":          {media.Pulse{SourceSince: now.Add(-time.Second)}, ""},
		"the source gives nothing":    {media.Pulse{SourceSince: now.Add(-3 * time.Second)}, CodeSourceSilent},
		"the room takes nothing":      {media.Pulse{RoomSince: now.Add(-3 * time.Second)}, CodeRoomSilent},
		"both, and the source is why": {media.Pulse{SourceSince: now.Add(-3 * time.Second), RoomSince: now.Add(-3 * time.Second)}, CodeSourceSilent},
	} {
		t.Run(name, func(t *testing.T) {
			got := Trouble{}
			if s := silence(c.pulse, now); s != nil {
				got = *s
			}
			require.Equal(t, c.want, got.Code)
		})
	}
}

func TestAPushThatSlipsSaysWhichSideIsSlow(t *testing.T) {
	for name, c := range map[string]struct {
		after   media.Progress
		pulse   media.Pulse
		want    Code
		whoseIs Side
	}{
		"all is well":               {media.Progress{Slipped: 100 * time.Millisecond, DroppedPackets: 3}, media.Pulse{}, "", ""},
		"the source was waited for": {media.Progress{Slipped: 2 * time.Second}, media.Pulse{Source: 3 * time.Second}, CodeSourceSlow, SideSource},
		"the room was":              {media.Progress{Slipped: 2 * time.Second}, media.Pulse{Room: 3 * time.Second}, CodeRoomSlow, SideRoom},
		"neither was":               {media.Progress{Slipped: 2 * time.Second}, media.Pulse{Source: time.Second}, CodeWorkerSlow, SideWorker},
		"packets are left out":      {media.Progress{DroppedPackets: 30}, media.Pulse{}, CodePacketsDropped, SideSource},
	} {
		t.Run(name, func(t *testing.T) {
			var ts troubles
			now := time.Now()
			require.Nil(t, ts.slowness(media.Progress{}, media.Pulse{}, now))
			got := Trouble{}
			if s := ts.slowness(c.after, c.pulse, now.Add(2*time.Second)); s != nil {
				got = *s
			}
			require.Equal(t, c.want, got.Code)
			require.Equal(t, c.whoseIs, got.Side)
			require.Nil(t, ts.slowness(c.after, c.pulse, now.Add(8*time.Second)), "it is over when it does not go on")
		})
	}
}

// A wait that goes on when the window begins is that side's when it ends, with what was lost by it.
func TestAWaitThatBeganBeforeTheWindowIsStillThatSides(t *testing.T) {
	for side, waited := range map[Side]func(since time.Time, all time.Duration) media.Pulse{
		SideSource: func(since time.Time, all time.Duration) media.Pulse {
			return media.Pulse{SourceSince: since, Source: all}
		},
		SideRoom: func(since time.Time, all time.Duration) media.Pulse {
			return media.Pulse{RoomSince: since, Room: all}
		},
	} {
		var ts troubles
		now := time.Now()
		require.Nil(t, ts.slowness(media.Progress{}, waited(now.Add(-1900*time.Millisecond), 1900*time.Millisecond), now))
		got := ts.slowness(media.Progress{Slipped: 3 * time.Second}, waited(time.Time{}, 3*time.Second), now.Add(2*time.Second))
		require.NotNil(t, got)
		require.Equal(t, side, got.Side)
	}
}

// A live source that is sent as it comes never makes the clock slip.
func TestALiveSourceThatComesSlowerThanItIsPlayedIsSlow(t *testing.T) {
	for name, c := range map[string]struct {
		behind func(second int) time.Duration
		slow   bool
	}{
		"as it should":                      {func(int) time.Duration { return 30 * time.Millisecond }, false},
		"at nine tenths of the speed":       {func(s int) time.Duration { return time.Duration(s) * 110 * time.Millisecond }, true},
		"of another clock":                  {func(s int) time.Duration { return time.Duration(s) * time.Millisecond }, false},
		"held up, and handed on soon after": {func(s int) time.Duration { return time.Duration(s%4) * 700 * time.Millisecond }, false},
		"catching up":                       {func(s int) time.Duration { return time.Duration(20-s) * time.Second }, false},
	} {
		t.Run(name, func(t *testing.T) {
			var ts troubles
			begin := time.Now()
			var last *Trouble
			for s := range 15 {
				pulse := media.Pulse{Behind: c.behind(s), Source: time.Duration(s) * 900 * time.Millisecond}
				last = ts.slowness(media.Progress{}, pulse, begin.Add(time.Duration(s)*time.Second))
				require.False(t, last != nil && s < 5, "it takes a while to be sure")
			}
			require.Equal(t, c.slow, last != nil)
			if c.slow {
				require.Equal(t, CodeSourceSlow, last.Code)
			}
		})
	}
}

func TestWhatWasLostInASilenceIsNoSlownessAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, look := troubled(t, Push{})
		for range 8 {
			time.Sleep(time.Second)
			look()
		}
		a.Reconnecting(unavailable(), time.Second, time.Now().Add(time.Minute))
		look()
		require.Empty(t, a.troubles.past)
	})
}

func TestAnAttemptThatWasPreparedHasTheTroubleThatItsOwnerEndedWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := &Trouble{Side: SideSource, Code: CodeSourceSilent, Since: time.Now()}
		a, look := troubled(t, Push{})
		a.successor = &successor{}
		a.refresh(Push{Trouble: silent}, time.Now())
		require.Equal(t, silent, a.renewal(time.Now()).Trouble)
		time.Sleep(overAfter)
		look()
		require.Nil(t, a.trouble())

		b, _ := troubled(t, Push{Trouble: silent})
		b.successor = &successor{}
		b.refresh(Push{}, time.Now())
		require.Nil(t, b.trouble(), "its owner saw the end of it")
	})
}

func TestTroubleThatComesAgainAndAgainDoesNotFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, look := troubled(t, Push{})
		for range 30 {
			a.Reconnecting(unavailable(), time.Second, time.Now().Add(time.Minute))
			time.Sleep(time.Second)
			a.Publishing()
			for range 3 {
				look()
				time.Sleep(time.Second)
			}
		}
		require.LessOrEqual(t, len(a.lastReport().Events), 5)
		require.NotNil(t, a.trouble())
		time.Sleep(longestCalm)
		look()
		require.Nil(t, a.trouble())
	})
}

func TestARoomThatTakesLittleAndNothingByTurnsIsOneTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := troubled(t, Push{})
		slipped, waited := time.Duration(0), time.Duration(0)
		look := func(pulse media.Pulse) { a.seen(media.Progress{Slipped: slipped}, pulse) }
		for range 10 {
			time.Sleep(time.Second)
			slipped, waited = slipped+500*time.Millisecond, waited+500*time.Millisecond
			look(media.Pulse{Sent: time.Now(), Room: waited})
		}
		require.Equal(t, CodeRoomSlow, a.trouble().Code)
		since := a.trouble().Since
		for range 8 { // nothing for three seconds, which its buffer makes up for as long
			last := time.Now()
			for range 3 {
				time.Sleep(time.Second)
				waited += time.Second
				look(media.Pulse{Sent: last, RoomSince: last, Room: waited})
			}
			slipped += 3 * time.Second
			for range 3 {
				time.Sleep(time.Second)
				look(media.Pulse{Sent: time.Now(), Room: waited})
			}
			require.NotNil(t, a.trouble())
			require.Equal(t, since, a.trouble().Since)
			require.Equal(t, SideRoom, a.trouble().Side)
		}
		for range 9 {
			time.Sleep(time.Second)
			look(media.Pulse{Sent: time.Now(), Room: waited})
		}
		require.Nil(t, a.trouble())
	})
}

func TestAPauseOfTheSourceDoesNotUnsettleAnAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := troubled(t, Push{})
		time.Sleep(SettleTime)
		a.mu.Lock()
		a.troubles.quiet = true
		a.moveLocked(Reconnecting)
		a.mu.Unlock()
		require.False(t, a.settled(time.Now()))
		a.seen(media.Progress{}, media.Pulse{Sent: time.Now()})
		require.Equal(t, Publishing, a.state)
		require.True(t, a.settled(time.Now()))
	})
}

func TestAWorkerThatGetsNothingDoneIsTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := troubled(t, Push{})
		look := func(p media.Pulse) { a.seen(media.Progress{}, p) }
		long := time.Now().Add(-4 * time.Second)
		look(media.Pulse{Sent: long, Paced: true})
		require.Nil(t, a.trouble(), "a picture that stands")
		look(media.Pulse{Sent: time.Now().Add(-2030 * time.Millisecond), RoomSince: time.Now().Add(-1990 * time.Millisecond)})
		require.Nil(t, a.trouble(), "the room is what is waited for")
		look(media.Pulse{Sent: long})
		require.Equal(t, CodeWorkerSlow, a.trouble().Code)
		require.Equal(t, Reconnecting, a.state)
	})
}

func TestAPushThatHasEndedIsNotTriedAgain(t *testing.T) {
	now := time.Now()
	require.Equal(t, &Trouble{Code: "x", Since: now, Tries: 2}, (&Trouble{Code: "x", Since: now, Tries: 2, NextTryAt: now, GivesUpAt: now}).ended())
	require.Nil(t, (*Trouble)(nil).ended())
}

func TestDroppedPacketsAreThePushsOwnSides(t *testing.T) {
	for name, c := range map[string]struct {
		live bool
		in3s media.Pulse
		want Side
	}{
		"a damaged recording":                    {false, media.Pulse{Room: 3 * time.Millisecond}, SideSource},
		"a room that is waited for":              {false, media.Pulse{Room: time.Second}, SideRoom},
		"a damaged live source":                  {true, media.Pulse{Source: 2900 * time.Millisecond}, SideSource},
		"a live source that nobody has time for": {true, media.Pulse{Source: 20 * time.Millisecond}, SideWorker},
	} {
		t.Run(name, func(t *testing.T) {
			ts, now := troubles{live: c.live}, time.Now()
			require.Nil(t, ts.slowness(media.Progress{}, media.Pulse{}, now))
			got := ts.slowness(media.Progress{DroppedPackets: 30}, c.in3s, now.Add(3*time.Second))
			require.Equal(t, c.want, got.Side)
		})
	}
}
