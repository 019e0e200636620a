package program

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/clock"
	"github.com/roomcast/roomcast/media/input"
)

// playlist opens the source, once for each time that it is played.
type playlist struct {
	*Config                  // of its program
	plays   int              // that are over
	coming  chan openedInput // capacity 1; nil while no opening for the next play is under way
	cancel  context.CancelFunc
	opening sync.WaitGroup
}

// openedInput is an input of which the first packets have been looked at, or why
// there is none.
type openedInput struct {
	input *input.Input
	probe input.ProbeResult
	from  time.Duration
	err   error
}

// open opens the source at a position. ctx bounds the input's life.
func (l *playlist) open(ctx context.Context, from time.Duration) openedInput {
	f, err := input.Open(ctx, l.Opener, l.Source, input.Part{From: from, Until: l.Options.EndAt}, l.onItsWay)
	if err != nil {
		return openedInput{err: err}
	}
	if end := f.Info.Duration; f.Seeks && end > 0 && end <= from && from == l.Options.StartAt {
		f.Close()
		return openedInput{err: &media.Error{Kind: media.KindSourceInvalid, Op: "play", Err: media.Sentence(fmt.Sprintf("the source ends at %v, before the position to start at; ask for an earlier one (startAtMs)", end))}}
	}
	if o := l.Options; f.Info.Still && o.MaxDuration == 0 && o.EndAt == 0 && l.Source.Mode != media.ModeLive {
		f.Close()
		return openedInput{err: errStill}
	}
	s, err := f.Probe(ctx)
	if errors.Is(err, media.ErrLateVideo) {
		return l.openAgain(ctx, f)
	}
	if err != nil {
		f.Close()
		return openedInput{err: err}
	}
	return openedInput{input: f, probe: s, from: from}
}

// openUnclocked is open for a position that is no time of the source's clock: all
// before it is read and left out.
func (l *playlist) openUnclocked(ctx context.Context, from time.Duration) openedInput {
	o := l.open(ctx, 0)
	if o.err != nil || !o.input.Seeks {
		return o
	}
	if _, err := o.input.SkipTo(ctx, from, clock.Forever); err != nil {
		o.input.Close()
		return openedInput{err: err}
	}
	o.from = from
	return o
}

var errStill = &media.Error{Kind: media.KindSourceUnsupported, Op: "play",
	Err: media.Sentence("the source is a picture: say how long it is to stand with maxDurationSec, or mode: live")}

// onItsWay returns how much media has left us and not reached the room.
func (l *playlist) onItsWay() time.Duration {
	if l.Unconfirmed == nil {
		return 0
	}
	return l.Unconfirmed()
}

// more says whether the source is to be played again after this time.
func (l *playlist) more() bool {
	return l.Options.Repeat < 0 || l.plays+1 < l.Options.Repeat
}

// prepare begins to open the source for its next play, so that it is there
// when this one is over. It may be called again and again.
func (l *playlist) prepare(ctx context.Context) {
	if l.more() {
		l.begin(ctx, l.Options.StartAt, false)
	}
}

// begin begins to open the source at a position, which is no time of its clock where that is
// unclocked, unless it is being opened already.
func (l *playlist) begin(ctx context.Context, from time.Duration, unclocked bool) {
	if l.coming != nil {
		return
	}
	coming := make(chan openedInput, 1)
	ctx, cancel := context.WithCancel(ctx)
	l.coming, l.cancel = coming, cancel
	open := l.open
	if unclocked {
		open = l.openUnclocked
	}
	l.opening.Go(func() {
		var o openedInput
		if err := media.Caught(func() error { o = open(ctx, from); return o.err }); err != nil {
			o = openedInput{err: err}
		}
		if o.input != nil {
			o.input.OnClose(cancel)
		} else {
			cancel()
		}
		coming <- o
	})
}

// next returns the input of the next play. errNotOpen says that it takes longer to open than
// rooms bear to get nothing; it goes on being opened.
func (l *playlist) next(ctx, wait context.Context) openedInput {
	l.begin(ctx, l.Options.StartAt, false)
	patience := time.NewTimer(holdEvery)
	defer patience.Stop()
	select {
	case o := <-l.coming:
		l.coming = nil
		l.plays++
		return o
	case <-wait.Done():
		return openedInput{err: context.Cause(wait)}
	case <-patience.C:
		return openedInput{err: errNotOpen}
	}
}

// errNotOpen says that the source is still being opened for its next play.
var errNotOpen = errors.New("the next play is not open yet")

// drop gives up what is being opened.
func (l *playlist) drop() {
	if l.coming == nil {
		return
	}
	l.cancel()
	l.opening.Wait()
	if o := <-l.coming; o.input != nil {
		o.input.Close()
	}
	l.coming = nil
}

// openAgain looks at what goes on with f's source.
func (l *playlist) openAgain(ctx context.Context, f *input.Input) openedInput {
	g := f.Continue(ctx, l.Source.Mode, l.onItsWay)
	s, err := g.Probe(ctx)
	if err != nil {
		g.Close()
		return openedInput{err: err}
	}
	if f.LooksAhead() && !g.Live { // of the looking at it: nothing of a recording is left out
		f.PrependSound(g)
	}
	return openedInput{input: g, probe: s}
}
