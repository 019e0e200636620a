package media

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// reel opens the source, once for each time that it is played.
type reel struct {
	opener  Opener
	request SourceRequest
	options Options
	// unconfirmed returns how much media is on its way to the room; nil: none.
	unconfirmed func() time.Duration
	plays       int         // that are over
	coming      chan opened // capacity 1; nil while no opening for the next play is under way
	cancel      context.CancelFunc
	opening     sync.WaitGroup
}

// opened is a feed of which the first packets have been looked at, or why
// there is none.
type opened struct {
	feed *feed
	seen seen
	from time.Duration
	err  error
}

// open opens the source at a position. ctx bounds the feed's life.
func (r *reel) open(ctx context.Context, from time.Duration) opened {
	f, err := openFeed(ctx, r.opener, r.request, part{from: from, until: r.options.EndAt}, r.onItsWay)
	if err != nil {
		return opened{err: err}
	}
	if end := f.info.Duration; f.seeks && end > 0 && end <= from && from == r.options.StartAt {
		f.close()
		return opened{err: &Error{Kind: KindSourceInvalid, Op: "play", Err: Sentence(fmt.Sprintf("the source ends at %v, before the position to start at; ask for an earlier one (startAtMs)", end))}}
	}
	if o := r.options; f.info.Still && o.MaxDuration == 0 && o.EndAt == 0 && r.request.Mode != ModeLive {
		f.close()
		return opened{err: errStill}
	}
	s, err := f.look(ctx)
	if errors.Is(err, ErrLateVideo) {
		return r.openAgain(ctx, f)
	}
	if err != nil {
		f.close()
		return opened{err: err}
	}
	return opened{feed: f, seen: s, from: from}
}

// openUnclocked is open for a position that is no time of the source's clock: all
// before it is read and left out.
func (r *reel) openUnclocked(ctx context.Context, from time.Duration) opened {
	o := r.open(ctx, 0)
	if o.err != nil || !o.feed.seeks {
		return o
	}
	if _, err := o.feed.skipTo(ctx, from, forever); err != nil {
		o.feed.close()
		return opened{err: err}
	}
	o.from = from
	return o
}

var errStill = &Error{Kind: KindSourceUnsupported, Op: "play",
	Err: Sentence("the source is a picture: say how long it is to stand with maxDurationSec, or mode: live")}

// onItsWay returns how much media has left us and not reached the room.
func (r *reel) onItsWay() time.Duration {
	if r.unconfirmed == nil {
		return 0
	}
	return r.unconfirmed()
}

// more says whether the source is to be played again after this time.
func (r *reel) more() bool {
	return r.options.Repeat < 0 || r.plays+1 < r.options.Repeat
}

// prepare begins to open the source for its next play, so that it is there
// when this one is over. It may be called again and again.
func (r *reel) prepare(ctx context.Context) {
	if r.coming != nil || !r.more() {
		return
	}
	coming := make(chan opened, 1)
	ctx, cancel := context.WithCancel(ctx)
	r.coming, r.cancel = coming, cancel
	r.opening.Go(func() {
		var o opened
		if err := Caught(func() error { o = r.open(ctx, r.options.StartAt); return o.err }); err != nil {
			o = opened{err: err}
		}
		if o.feed != nil {
			o.feed.release = cancel
		} else {
			cancel()
		}
		coming <- o
	})
}

// next returns the feed of the next play.
func (r *reel) next(ctx context.Context) opened {
	r.prepare(ctx)
	defer func() { r.coming = nil }()
	r.plays++
	select {
	case o := <-r.coming:
		return o
	case <-ctx.Done():
		r.drop()
		return opened{err: context.Cause(ctx)}
	}
}

// drop gives up what is being opened.
func (r *reel) drop() {
	if r.coming == nil {
		return
	}
	r.cancel()
	r.opening.Wait()
	if o := <-r.coming; o.feed != nil {
		o.feed.close()
	}
	r.coming = nil
}

// rewind goes on with the next play.
func (m *mixer) rewind(ctx context.Context) error {
	next := m.reel.next(ctx)
	if next.err != nil {
		return next.err
	}
	m.forgetBeyond()
	return m.load(next)
}

var errNothing = &Error{Kind: KindSourceInvalid, Op: "play", Err: Sentence("there is nothing to play in the source, or in the part of it that was asked for; check startAtMs and endAtMs, and whether the source is whole")}

// forgetBeyond makes the next play go on where the part that is played ends,
// although the restamper has seen more: pictures out of order, of which some
// are shown behind the end, and sound that lay behind it.
func (m *mixer) forgetBeyond() {
	if m.feed.ending.at == 0 {
		return
	}
	end := m.restamp.next - max(m.position(Packet{PTS: m.restamp.next})-m.feed.ending.at, 0)
	m.restamp.next = min(m.restamp.next, max(end, m.ends))
}
