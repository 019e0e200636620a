package program

import (
	"fmt"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/clock"
)

// progress decides how far in the source a push is: as far as a room has taken it.
type progress struct {
	*Config
	position time.Duration
	plays    int           // of the source, done before position
	reached  time.Duration // position that was shown or heard up to, in this play
	// unclocked says that position is no time of the source's clock, which has
	// stepped back.
	unclocked bool
	length    time.Duration // of the source; 0: it is not known
	sentAny   bool          // of the source
}

// newProgress is that of a job of which nothing was sent yet.
func newProgress(cfg *Config, job media.Job) progress {
	pr := progress{Config: cfg, position: max(job.Start, job.Options.StartAt), plays: job.Stood.Loop, unclocked: job.Unclocked}
	if end := job.Options.EndAt; end > 0 { // the attempt before may have died in the moment of its end
		pr.position = min(pr.position, end-clock.Tick)
	}
	return pr
}

// soundLead is by how much sound may be ahead of its picture before the push is
// where the sound is: with a still, or where the picture has ended.
const soundLead = 3 * time.Second

// note moves the position on to p, which a room has taken, and which may lead.
func (pr *progress) note(p *media.Packet) {
	switch {
	case p.Origin == media.Taken:
		pr.sentAny = true
	case !p.Leads: // made up: it says nothing of the source
		return
	}
	at := p.Position
	if p.Play != pr.plays {
		pr.reached = 0
	}
	pr.reached = max(pr.reached, at+p.Duration)
	if !p.Leads {
		if at -= soundLead; p.Play != pr.plays || at <= pr.position {
			return
		}
	}
	pr.position, pr.plays = at, p.Play
	if p.Unclocked && !pr.unclocked {
		pr.stepBack()
	}
}

// nextPlay notes that a play is over, before anything of the next one was sent.
func (pr *progress) nextPlay() {
	pr.position, pr.reached = pr.Options.StartAt, 0
	pr.plays++
}

// opened notes how long the source is that was opened.
func (pr *progress) opened(length time.Duration) {
	pr.length = length
	pr.Meter.SetDuration(length)
	if pr.unclocked {
		pr.stepBack()
	}
}

// stepBack notes that the source's clock has stepped back: it tells neither
// positions nor how long the source is.
func (pr *progress) stepBack() {
	pr.unclocked, pr.length = true, 0
	pr.Meter.SetUnclocked()
}

// endedEarly is how much of its length a source may leave out at its end.
const endedEarly = 2 * time.Second

// end says of a source that has been played whole what was missing of it; elapsed is the
// position that all that was shown ends at.
func (pr *progress) end(live bool, elapsed time.Duration) {
	pr.warnOfLosses()
	length := pr.length
	if until := pr.Options.EndAt; until > 0 && (length == 0 || until < length) {
		length = until
	}
	if length == 0 && !live {
		length = pr.reached
	}
	reached := max(pr.position, pr.reached, elapsed)
	if missing := length - reached; missing > endedEarly && !live {
		pr.Observer.Warned(media.WarnEndedEarly, fmt.Sprintf("the source ended at %v although it says it is %v long; it may have been cut short, so check the file",
			reached.Round(time.Second), length.Round(time.Second)))
	} else if length > 0 {
		pr.Meter.MoveTo(length)
	}
}

// warnOfLosses says of a push that is over what of it was lost.
func (pr *progress) warnOfLosses() {
	for kind, c := range pr.Meter.Snapshot(time.Now()).Coverage {
		if part := c.LostPart(); part > lostShare && c.Lost >= leastLost {
			pr.Observer.Warned(media.WarnLost, fmt.Sprintf("%.0f %% of the %s was lost, %v of %v: what the source has not, what could not be used, what came while no worker had the push, and what the push was too slow for; the warnings of holes say where", 100*part, media.WordFor(media.MediaType(kind)),
				c.Lost.Round(smallHole), c.Total().Round(smallHole)))
		}
	}
}
