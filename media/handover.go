package media

import (
	"context"
	"slices"
	"time"
)

// maxSkip is how much of a source is read and left out rather than sought.
const maxSkip = 10 * time.Second

// takeOver waits until the push is this attempt's and brings the source, which
// was opened while the attempt before still played it, to where that one
// stood.
func (r *run) takeOver(ctx context.Context) error {
	if r.job.TakeOver == nil {
		return nil
	}
	stood, err := r.job.TakeOver(ctx)
	if err != nil {
		return err
	}
	r.job.TakeOver = nil
	r.mix.goOnFrom(stood)
	r.stay.played, r.plays, r.mix.reel.plays = stood.Played, stood.Loop, stood.Loop
	if stood.Unclocked {
		r.stepBack()
	}
	if !r.mix.feed.seeks {
		return r.mix.feed.skipToNewest(ctx)
	}
	r.position = max(stood.Position, r.job.Options.StartAt)
	reached, err := r.mix.feed.skipTo(ctx, r.position, maxSkip)
	if err != nil {
		return err
	}
	if reached {
		r.mix.align(r.position)
		return nil
	}
	r.closeSource()
	return r.openSource(ctx)
}

// skipTo leaves out what comes before the last keyframe at or before position,
// or before position itself where the first picture comes later. The source's clock
// may step back on the way: its times are positions no more.
// It returns false when that keyframe is not ahead, or by more than most: the
// source is better sought, and the feed of no use then.
func (f *feed) skipTo(ctx context.Context, position, most time.Duration) (bool, error) {
	opened := f.from
	f.from = position
	target := f.info.StartTime + position
	var kept []Packet
	var clock restamper
	found, pictures, before := false, 0, time.Duration(0)
	for {
		p, err := f.take(ctx, f.patience())
		if isEnd(err) { // the feed says so again after what is kept
			break
		}
		if err != nil {
			return false, err
		}
		steady, ahead := clock.steady(p)
		if !p.NoDTS && target-steady.DTS > most {
			return false, nil
		}
		if f.gate.isKey(p) && steady.PTS <= target {
			since := shownAt(p) - maxSkip
			if ahead != before { // of another clock
				since = forever
			}
			found, kept, before = true, f.soundOf(kept, since), ahead
		}
		kept = append(kept, p)
		if f.gate.kind(p) == Video {
			pictures++
		}
		if f.isPast(steady, target) {
			found = found || opened <= position && pictures == 1 && f.gate.kind(p) == Video && p.Keyframe
			break
		}
	}
	f.held = append(kept, f.held...)
	f.info.StartTime -= before
	return found, nil
}

// isPast says whether no keyframe at or before target can follow p. A track
// that is ahead of the other says nothing yet.
func (f *feed) isPast(p Packet, target time.Duration) bool {
	if (f.gate.audioOnly || p.Track == f.gate.video) && !p.NoDTS {
		return p.DTS > target
	}
	return shownAt(p) > target+maxSkip
}

func shownAt(p Packet) time.Duration {
	if p.NoPTS {
		return p.DTS
	}
	return p.PTS
}

// skipToNewest leaves out what of a live source has piled up before its newest
// keyframe. A playlist's burst is not piled up: it is played at its own pace.
func (f *feed) skipToNewest(ctx context.Context) error {
	if !f.realtime {
		return nil
	}
	var kept []Packet
	for range len(f.held) + f.queue.waiting() {
		p, err := f.take(ctx, f.patience())
		if err != nil {
			return err
		}
		if f.gate.isKey(p) {
			kept = f.soundOf(kept, shownAt(p)-maxSkip)
		}
		kept = append(kept, p)
	}
	f.held = append(kept, f.held...)
	return nil
}

// soundOf leaves of packets that stand before a keyframe what may be heard
// after it: sound of a time from since on.
func (f *feed) soundOf(packets []Packet, since time.Duration) []Packet {
	return slices.DeleteFunc(packets, func(p Packet) bool {
		sound := !f.gate.audioOnly && f.gate.kind(p) == Audio && shownAt(p) >= since
		if !sound {
			f.configs.lose(p)
		}
		return !sound
	})
}

// waiting counts the packets that are there to be got.
func (q *packetQueue) waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.packets) - q.head
}
